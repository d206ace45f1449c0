"""Laws of the view over several controllers: what arrives in whatever order, and what one sends to harm another.

A view is a function of the set of bundles, the file of keys, what it showed before and the time. These laws draw that
set: nights of two controllers, interleaved, doubled, left out, altered, signed with the other's key, and replayed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from provisioner.inventory.model.policy import ProvinceScheme
from provisioner.ministry.bundle import BundleError, OpenedReport, ReportedFacility, ReportKind
from provisioner.ministry.country import Country, country_of
from provisioner.ministry.trust import Doubt, Head, ReportState, Trust, read_trust, state_of
from provisioner.record.lifecycle.state import FacilityState
from provisioner.report.exports import REPORTS
from tests.hostile import CONTROLLER
from tests.ministry import HOUR, NOW, Reporter, facility, names_of, opened, public_line

pytestmark = CONTROLLER
Nights = list[tuple[list[ReportedFacility], bool]]
_OWNERS: Final = ("north", "south", "stolen", "stranger")


def keys_file(withdrawn: str = "", more: str = "", south: Sequence[str] = ("quang-nam", "da-nang")) -> Trust:
    """North is of viettel in Bắc Giang and Hải Dương, south of vnpt in the provinces given."""
    return read_trust(
        f"""
scheme = "gso-2021"
[controllers.north]
keys = ["{public_line("north")}"]
withdrawn = [{withdrawn}]
{more}
provinces = {{ viettel = ["bac-giang", "hai-duong"] }}
[controllers.south]
keys = ["{public_line("south")}"]
provinces = {{ vnpt = {[*south]} }}
""".replace("'", '"'),
        "keys.toml",
    )


TRUST: Final = keys_file()


def view(
    bundles: Iterable[bytes],
    trust: Trust = TRUST,
    heads: Mapping[str, Head] | None = None,
    *,
    later: timedelta = timedelta(),
) -> Country:
    """What a view shows of these bundles."""
    reports: dict[str, list[OpenedReport]] = {name: [] for name in trust.controllers}
    for made in bundles:
        try:
            one = opened(made, *_OWNERS)
        except BundleError:
            continue
        owner = trust.owners.get(one.key)
        if owner is not None and one.report.inventory == owner.inventory:
            reports[owner.inventory].append(one)
    by_hash = {one.hash: one for listed in reports.values() for one in listed}
    now = NOW + later
    return country_of(
        trust,
        [
            state_of(controller, [one.link for one in reports[name]], by_hash.__getitem__, (heads or {}).get(name), now)
            for name, controller in trust.controllers.items()
        ],
        now,
    )


def shown(country: Country, controller: str) -> object:
    """All that a view says of one controller's facilities."""
    (standing,) = [one for one in country.standings if one.controller.inventory == controller]
    rows = {
        one.id: (one.row, dict(one.counts(country.now)), one.province, status.pictures, status.timeliness)
        for one, status in zip(country.facilities, country.statuses, strict=True)
        if one.standing.controller.inventory == controller
    }
    return standing.standing, standing.head, standing.findings, rows


NORTH: Final = ("kcl-bg-001", "kcl-bg-002", "kcl-bg-003")
SOUTH: Final = ("kcl-qn-001", "kcl-qn-002")


def _rows(names: Sequence[str], **changes: Any) -> st.SearchStrategy[list[ReportedFacility]]:
    one = st.builds(facility, st.sampled_from(names), up=st.integers(0, 3), down=st.integers(0, 3))
    rows = st.lists(one, unique_by=lambda row: row.id, max_size=len(names))
    carriers: dict[str, Any] = {"carriers": (changes["carrier"],)} if changes.get("carrier") else {}
    return rows.map(lambda listed: [replace(row, **changes, **carriers) for row in listed])


OF_SOUTH: Final = _rows(SOUTH, carrier="vnpt", province="quang-nam")
#: Rows of every kind that north may sign: its own, and those of the other's province, carrier, ids and schemes.
OF_HARM: Final = st.one_of(
    _rows(NORTH),
    _rows(SOUTH, carrier="viettel", province="quang-nam"),
    OF_SOUTH,
    _rows(SOUTH, carrier="viettel", province="bac-giang"),
    _rows(SOUTH, carrier="vnpt", province="no-such-place"),
)


def chain(nights: Iterable[tuple[list[ReportedFacility], bool]], inventory: str, key: str = "") -> list[bytes]:
    """A controller's bundles, an hour after the other; whether each has changes only."""
    reporter, made = Reporter(inventory, key=key), []
    listed = list(nights)
    for number, (rows, changes) in enumerate(listed):
        at = NOW - HOUR * (len(listed) - number)
        made.append(reporter.report(rows, at, changes=changes and number > 0))
    return made


def nights(
    rows: st.SearchStrategy[list[ReportedFacility]], least: int = 1
) -> st.SearchStrategy[list[tuple[list[ReportedFacility], bool]]]:
    return st.lists(st.tuples(rows, st.booleans()), min_size=least, max_size=5)


@given(north=nights(_rows(NORTH)), south=nights(OF_SOUTH), data=st.data())
def test_neither_order_nor_repetition_changes_what_is_shown(north: Nights, south: Nights, data: st.DataObject) -> None:
    made = chain(north, "north") + chain(south, "south")
    other = data.draw(st.permutations(made + data.draw(st.lists(st.sampled_from(made)))))
    assert [shown(view(made), name) for name in TRUST.controllers] == [
        shown(view(other), name) for name in TRUST.controllers
    ]
    assert view(made).findings == view(other).findings


@st.composite
def _sent_by_north(draw: st.DrawFn) -> list[bytes]:
    """Whatever the owner of north's key can put into the folder, with all that south has sent at hand."""
    made = chain(draw(nights(OF_HARM)), "north")
    made += chain(draw(nights(OF_HARM)), "south", key="north")
    made += chain(draw(nights(OF_HARM)), "south", key="stranger")
    name = bytes.fromhex(next(iter(names_of("south"))))  # under the name of south's key, which has not signed it
    made += [one[:4] + name + one[12:] for one in made]
    dropped = draw(st.sets(st.integers(0, len(made) - 1)))
    made = [one for number, one in enumerate(made) if number not in dropped]
    place = draw(st.integers(0, 40))
    return made + [one[:place] + bytes([one[place] ^ 1]) + one[place + 1 :] for one in made[:2]]


@given(south=nights(OF_SOUTH), sent=_sent_by_north(), data=st.data())
def test_what_north_sends_neither_hides_nor_changes_anything_of_souths(
    south: Nights, sent: list[bytes], data: st.DataObject
) -> None:
    own = chain(south, "south")
    place = data.draw(st.integers(90, len(own[0]) - 1))
    altered = [one[:place] + bytes([one[place % len(one)] ^ 1]) + one[place + 1 :] for one in own]
    mixed = data.draw(st.permutations(own + sent + altered))
    assert shown(view(mixed), "south") == shown(view(own), "south")


@given(north=nights(OF_HARM), south=nights(OF_SOUTH))
def test_a_facility_that_both_may_report_is_counted_once_and_never_better_than_either(
    north: Nights, south: Nights
) -> None:
    trust = keys_file()
    both = replace(
        trust,
        controllers={
            name: replace(one, provinces=dict.fromkeys(("viettel", "vnpt"), frozenset({"quang-nam", "bac-giang"})))
            for name, one in trust.controllers.items()
        },
    )
    sides = [view(made, both) for made in (chain(north, "north"), chain(south, "south"))]
    joined = view(chain(north, "north") + chain(south, "south"), both)
    assert max(Counter(one.id for one in joined.facilities).values(), default=1) == 1
    alone = [{one.id: one for one in side.facilities} for side in sides]
    assert {one.id for one in joined.facilities} == {name for side in alone for name in side}
    for one in joined.facilities:
        claims = [side[one.id] for side in alone if one.id in side]
        assert one.badness(NOW)[:2] == min(claim.badness(NOW)[:2] for claim in claims)
        told = [finding for finding in joined.findings if finding.doubt is Doubt.TWICE and finding.subject == one.id]
        assert len(told) == (len(claims) > 1)
        assert all({finding.controller, *finding.others} == {"north", "south"} for finding in told)


#: What north, in Bắc Giang, can say about the ids of south's facilities in Bắc Ninh; 2025 has one province of both.
OF_NEIGHBOUR: Final = st.one_of(
    _rows(SOUTH, carrier="viettel", province="bac-giang"),
    _rows(SOUTH, carrier="viettel", province="bac-ninh", scheme=ProvinceScheme.GSO_2025),
    _rows(SOUTH, carrier=None, province="bac-giang").map(
        lambda rows: [replace(row, carriers=("vnpt", "viettel")) for row in rows]
    ),
)


@given(north=nights(OF_NEIGHBOUR), south=nights(_rows(SOUTH, carrier="vnpt", province="bac-ninh")))
def test_a_neighbour_in_the_province_of_2025_changes_nothing(north: Nights, south: Nights) -> None:
    trust = keys_file(south=("bac-ninh",))
    joined, alone = (view(made + chain(south, "south"), trust) for made in (chain(north, "north"), []))
    assert shown(joined, "south") == shown(alone, "south")
    boards = [country.board("x", "y").carriers.get("vnpt") for country in (joined, alone)]
    assert [(one.paths, one.counts, one.incidents) if one else None for one in boards[:1]] == [
        (one.paths, one.counts, one.incidents) if one else None for one in boards[1:]
    ]


@given(north=_rows(SOUTH, carrier=None, province="bac-giang"), south=_rows(SOUTH, carrier="vnpt", province="bac-giang"))
def test_who_has_no_plan_of_a_facility_changes_nothing_of_who_has_one(
    north: list[ReportedFacility], south: list[ReportedFacility]
) -> None:
    trust = keys_file(south=("bac-giang",))
    own = chain([(south, False)], "south")
    assert shown(view([*chain([(north, False)], "north"), *own], trust), "south") == shown(view(own, trust), "south")


def test_a_facility_without_paths_is_not_made_green() -> None:
    trust = keys_file(south=("bac-giang",))
    none = facility(up=0, carrier="vnpt", carriers=("vnpt",), state=FacilityState.REGISTERED)
    for row in (facility(), facility(carrier=None, carriers=("viettel",))):
        (one,) = view([Reporter().report([row]), Reporter("south", "vnpt").report([none])], trust).facilities
        assert (one.row, one.others) == (none, ("north",))


@given(rows=_rows(NORTH), province=st.sampled_from(["bac-giang", "bac-ninh"]), both=st.booleans())
def test_provinces_of_2021_and_2025_are_one_facility(rows: list[ReportedFacility], province: str, both: bool) -> None:  # noqa: FBT001
    trust = keys_file(south=("bac-giang",))
    later = [
        replace(row, carrier="vnpt", province="bac-ninh", scheme=ProvinceScheme.GSO_2025)
        if both
        else replace(row, carrier="vnpt", province=province)
        for row in rows
    ]
    country = view([*chain([(rows, False)], "north"), *chain([(later, False)], "south")], trust)
    assert len(country.facilities) == len(rows)
    counts = Counter(finding.doubt for finding in country.findings)
    if both or province == "bac-giang":
        assert counts[Doubt.TWICE] == len(rows)
    else:
        assert counts[Doubt.UNDESIGNATED] == len(rows)


@given(north=nights(_rows(NORTH), least=2), missing=st.integers(0, 4), changed=st.booleans())
def test_a_report_after_a_gap_is_told_and_not_shown(north: Nights, missing: int, changed: bool) -> None:  # noqa: FBT001
    made = chain(north, "north")
    missing = min(missing, len(made) - 1)
    reporter, rivals = Reporter("north"), []
    for number in range(missing + 1):
        at = NOW - HOUR * (len(made) - number)
        rivals.append(reporter.report([facility("kcl-bg-009", up=number)], at))
    left = made[:missing] + ([rivals[missing]] if changed else []) + made[missing + 1 :]
    head = Head(missing, opened(made[missing - 1], "north").hash) if missing else None
    country = view(left, heads={"north": head} if head else {})
    standing = country.standings[0]
    if missing == 0:  # a view that begins with what is left
        return
    if missing == len(made) - 1 and not changed:
        assert not [one for one in standing.findings if one.doubt in {Doubt.SKIPPED, Doubt.BROKEN}]
    else:
        assert [one for one in standing.findings if one.doubt in {Doubt.SKIPPED, Doubt.BROKEN, Doubt.RIVALS}]
    assert standing.head == head
    assert standing.content.rows == {row.id: row for row in north[missing - 1][0]}


@given(north=nights(_rows(NORTH), least=2), place=st.integers(0, 4), rival=_rows(NORTH))
def test_of_two_reports_with_one_number_none_is_shown(north: Nights, place: int, rival: list[ReportedFacility]) -> None:
    made = chain(north, "north")
    place = min(place, len(made) - 1)
    reporter = Reporter("north", sequence=place, hash=opened(made[place - 1], "north").hash if place else None)
    made.append(reporter.report([*rival, facility("kcl-bg-009")]))
    standing = view(made).standings[0]
    assert Doubt.RIVALS in {one.doubt for one in standing.findings}
    assert (standing.last.report.sequence if standing.last else 0) == place


@given(north=nights(_rows(NORTH)), hours=st.integers(0, 1000))
def test_silence_is_never_green(north: Nights, hours: int) -> None:
    country = view(chain(north, "north"), later=timedelta(hours=hours))
    last = north[-1][0]
    paths = sum(count.paths for row in last for count in row.paths)
    counts = sum((Counter(dict(one.counts(country.now))) for one in country.facilities), Counter())
    assert sum(counts.values()) == paths, "no path is lost"
    if hours >= 26:
        assert country.standings[0].standing is ReportState.SILENT
        assert set(counts) <= {"unknown"}
        assert not any(status.pictures.up or status.pictures.down for status in country.statuses)
        assert REPORTS["progress"].count(country.listing).total.up == 0
        assert country.current == 0
    board = country.board("x", "y")
    assert sum(board.counts.values()) == paths
    assert sum(group.paths for group in board.provinces.values()) == paths
    assert sum(group.paths for group in board.carriers.values()) == paths
    assert board.counts.get("up", 0) <= sum(row.paths[0].paths for row in last if row.paths and row.checked_at)


@given(rows=_rows(NORTH).filter(bool), wrong=st.sampled_from(["withdrawn", "ahead", "back", "never"]))
def test_what_is_doubted_is_unknown_and_not_gone(rows: list[ReportedFacility], wrong: str) -> None:
    trust, heads = TRUST, dict[str, Head]()
    made = [Reporter("north").report(rows, NOW + timedelta(hours=1) if wrong == "ahead" else NOW - HOUR)]
    if wrong == "withdrawn":
        trust = keys_file(withdrawn=f'"{public_line("stolen")}"')
        made = [Reporter("north", key="stolen").report(rows)]
    elif wrong == "back":
        heads["north"] = Head(2, "0" * 64)
    elif wrong == "never":
        made = []
    country = view(made, trust, heads)
    expected = {
        "withdrawn": Doubt.WITHDRAWN,
        "ahead": Doubt.CLOCK_AHEAD,
        "back": Doubt.WENT_BACK,
        "never": Doubt.NEVER,
    }[wrong]
    assert expected in {finding.doubt for finding in country.standings[0].findings}
    assert not country.standings[0].is_current
    assert len(country.facilities) == (0 if wrong == "never" else len(rows))
    assert all(set(one.counts(NOW)) <= {"unknown"} for one in country.facilities)


@given(north=nights(_rows(NORTH), least=3), begins=st.integers(2, 3))
def test_the_file_of_keys_begins_a_chain_anew(north: Nights, begins: int) -> None:
    made = chain([(rows, False) for rows, _ in north], "north")
    head = Head(begins, "f" * 64)
    broken = view(made, heads={"north": head}).standings[0]
    assert Doubt.RIVALS in {one.doubt for one in broken.findings}
    again = view(made, keys_file(more=f"begins = {begins + 1}"), {"north": head}).standings[0]
    if len(made) > begins:
        assert again.is_current
        assert again.last
        assert again.last.report.sequence == len(made)
        assert again.last.report.kind is ReportKind.WHOLE


@given(north=nights(_rows(NORTH), least=4), kept=st.integers(1, 2), data=st.data())
def test_a_pruned_report_that_is_sent_again_changes_nothing(north: Nights, kept: int, data: st.DataObject) -> None:
    made = chain([(rows, False) for rows, _ in north], "north")
    heads = {"north": Head(len(made), opened(made[-1], "north").hash)}
    pruned = data.draw(st.lists(st.sampled_from(made[: -kept - 1])))
    again = view(pruned + made[-kept:], heads=heads)
    assert shown(again, "north") == shown(view(made[-kept:], heads=heads), "north")
    assert again.standings[0].is_current


@given(before=nights(_rows(NORTH)), after=_rows(NORTH), forged=nights(OF_HARM), place=st.integers(0, 9))
def test_who_has_a_withdrawn_key_harms_nothing_that_begins_anew(
    before: Nights, after: list[ReportedFacility], forged: Nights, place: int
) -> None:
    owner, thief = Reporter("north", key="stolen"), Reporter("north", key="stolen")
    old = [owner.report(rows, NOW - HOUR * 9) for rows, _ in before]
    number = owner.sequence + 1
    thief.sequence, thief.hash = owner.sequence + place, owner.hash
    harm = [thief.report(rows) for rows, _ in forged]
    owner.key = ""
    anew = owner.report(after)
    trust = keys_file(withdrawn=f'"{public_line("stolen")}"', more=f"begins = {number}")
    head = Head(thief.sequence, thief.hash or "")  # what the thief sent was shown until the key was withdrawn
    for heads in ({}, {"north": head}):
        standing = view([*old, *harm, anew], trust, heads).standings[0]
        assert standing.is_current
        assert standing.head == Head(number, opened(anew, "north").hash, number)
        assert standing.content.rows == {row.id: row for row in after}
        assert {one.doubt for one in standing.findings} == {Doubt.WITHDRAWN}
