"""What May 2021 asks of progress and status: no outage is hidden, claims are apart, surveys are held against cameras.

The numbers are those that provinces reported then: 30 facilities surveyed, 11 connected with 85 cameras, 19 not.
"""

from collections.abc import Iterable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.text import VIETNAM
from provisioner.inventory.deadlines import Timeliness
from provisioner.inventory.geography import by_slug
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.outline import outlined
from provisioner.inventory.signed import signed_content
from provisioner.record.entries import FacilityCheck
from provisioner.record.lifecycle.evidence import NO_EVIDENCE, Evidence, ProvedAt
from provisioner.record.lifecycle.state import FacilityState, freshness
from provisioner.record.lifecycle.status import FacilityStatus, statuses
from provisioner.record.state_folder import StateFolder
from provisioner.record.store import open_history
from provisioner.report.exports import REPORTS, FacilityList, InventoryRow, export_document
from provisioner.report.progress import progress
from provisioner.report.status import freshness_label, freshness_line, status_document, status_lines
from tests import histories
from tests import inventories as make
from tests.inventories import WholeFacilities

PROVINCE = "thai-nguyen"
NIGHTS = [datetime(2021, 5, day, 0, 10, tzinfo=VIETNAM) for day in (9, 10, 11, 12)]
MORNING = NIGHTS[-1] + timedelta(hours=7)
SIZES = (*[8] * 10, 5)  #: Eleven facilities with 85 cameras.


#: A verification: when, how many cameras of each facility were up, and what it was limited to.
Night = tuple[datetime, dict[str, int], tuple[str, ...]]


def _cameras(count: int) -> list[dict[str, Any]]:
    return [make.camera(f"cam-{number:02}", 10 + number) for number in range(1, count + 1)]


def _connected(number: int, size: int) -> dict[str, Any]:
    survey = make.survey(cameras={"present": size, "fit": size, "missing": 0})
    return make.facility(f"kcl-tn-{number:03}", province=PROVINCE, cameras=_cameras(size), survey=survey)


def _surveyed(number: int) -> dict[str, Any]:
    """One of the nineteen: forty cameras are there that will not do, and 114 are to be added, over all of them."""
    present = 3 if number < 14 else 2
    found = make.survey(cameras={"present": present, "fit": 0, "missing": 6}, verdict="needs_replacement")
    name = f"kcl-tn-{number:03}"
    return make.facility(name, province=PROVINCE, plan=None, gateway=None, cameras=[], survey=found)


def province(*more: dict[str, Any]) -> Inventory:
    """The province as it reported on 17 May 2021."""
    sites = [_connected(number, size) for number, size in enumerate(SIZES, start=1)]
    sites += [_surveyed(number) for number in range(12, 31)]
    return make.inventory(facilities=[*sites, *more], designations=[make.designation(PROVINCE)])


def evidence(inventory: Inventory, folder: Path, nights: Iterable[Night]) -> Evidence:
    """What a history says after some nights."""
    with closing(open_history(StateFolder("test", folder / "state.db"))) as history:
        for number, (moment, up, limit) in enumerate(nights):
            run = histories.run(id=f"verify-{number}", started=moment - timedelta(minutes=5), limit=limit)
            checks = tuple(_check(inventory.facilities[name], count, moment) for name, count in up.items())
            history.end(run, histories.ending(finished=moment + timedelta(minutes=1), checks=checks))
        return history.evidence()


def _check(facility: Facility, up: int, moment: datetime) -> FacilityCheck:
    assert facility.plan
    content, size = signed_content(facility, facility.plan), len(facility.cameras)
    return FacilityCheck(facility.id, content, facility.plan.relay, moment, size, size, up)


def whole(inventory: Inventory, up: bool) -> dict[str, int]:  # noqa: FBT001 (all or none)
    """A night in which all cameras are up, or none."""
    return {name: len(f.cameras) if up else 0 for name, f in inventory.facilities.items() if f.rendered}


def listing(judged: tuple[FacilityStatus, ...]) -> FacilityList:
    return FacilityList(
        judged, lambda facility: by_slug(facility.province, "gso-2021"), WholeFacilities(province().facilities)
    )


def progress_lines(judged: tuple[FacilityStatus, ...]) -> list[str]:
    return list(REPORTS["progress"].lines(REPORTS["progress"].count(listing(judged))))


def test_an_outage_of_every_camera_stands_in_progress_and_status(tmp_path: Path) -> None:
    """After two nights with 0 of 85 cameras up: connected once, and down since the first of them."""
    inventory = province()
    nights = [(night, whole(inventory, number < 2), ()) for number, night in enumerate(NIGHTS)]
    shown = evidence(inventory, tmp_path, nights)
    judged = statuses(outlined(inventory), shown, MORNING)
    total = progress(judged, lambda status: status.facility.province).total
    assert (total.facilities, total.connected, total.cameras_connected) == (30, 11, 85)
    assert (total.up, total.not_up, total.unknown, total.cameras_up, total.cameras_down) == (0, 11, 0, 0, 85)
    assert (total.last_proved, total.down_since) == (NIGHTS[1], NIGHTS[2])
    lines = progress_lines(judged)
    names, row = lines[0], lines[1].split()
    assert all(name in names for name in ("connected", "up now", "last proved", "down since", "cameras up now"))
    assert row[:8] == [PROVINCE, "30", "11", "0", "2021-05-10", "00:10", "2021-05-11", "00:10"]
    assert (row[-2], row[-1]) == ("85/85", "0/85")
    text = "\n".join(status_lines(judged, shown, MORNING))
    assert text.startswith("last verification: 6 h 59 min ago (run verify-3)\n")
    assert "11 connected: 0 up now, 11 not up, 0 unknown; 0 of 85 cameras are up now" in text
    assert (
        "kcl-tn-001  active    2021-05-10 00:10  2021-05-09 00:10  0/8     2021-05-10 00:10  2021-05-11 00:10" in text
    )
    whole_files = WholeFacilities(inventory.facilities)
    (first, *_) = status_document(judged, shown, MORNING, {}, files=whole_files)["facilities"]
    assert (first["connected"], first["up_now"], first["cameras_up"]) == (True, False, 0)
    assert (first["last_proved"], first["down_since"]) == ("2021-05-10T00:10:00+07:00", "2021-05-11T00:10:00+07:00")
    assert first["next"] == "8 of 8 cameras are not up: see provisioner verify --details"


def _total(inventory: Inventory, shown: Evidence, now: datetime) -> Any:
    return progress(statuses(outlined(inventory), shown, now), lambda status: status.facility.province).total


def test_proof_that_is_older_than_a_day_says_its_age_first_and_nothing_of_now(tmp_path: Path) -> None:
    inventory = province()
    shown = evidence(inventory, tmp_path, [(NIGHTS[0], whole(inventory, up=True), ())])
    later = NIGHTS[0] + timedelta(days=3, hours=4, minutes=2)
    judged = statuses(outlined(inventory), shown, later)
    first = next(status_lines(judged, shown, later))
    assert first == (
        "last verification: 3 days 4 h ago (run verify-0):"
        " stale, older than 24 h, so which cameras are up now is not known"
    )
    total = _total(inventory, shown, later)
    assert (total.connected, total.up, total.unknown, total.cameras_up, total.cameras_unknown) == (11, 0, 11, 0, 85)
    proof = freshness(shown, later, (status.pictures for status in judged))
    listed = listing(judged)
    head, counted = InventoryRow(id="x", digest="x"), REPORTS["progress"].count(listed)
    document = export_document("progress", counted, listed, later, 1, inventory=head, proof=proof)
    assert document["proof"]["stale"]
    assert document["proof"]["last_verification"]["age_s"] == int(timedelta(days=3, hours=4, minutes=1).total_seconds())
    lines = progress_lines(judged)
    assert "unknown" in lines[1]


def test_a_run_with_a_limit_says_nothing_of_what_it_left_out_and_takes_nothing_back(tmp_path: Path) -> None:
    inventory = province()
    alone = {"kcl-tn-001": 0}
    nights: list[Night] = [
        (NIGHTS[2], whole(inventory, up=True), ()),
        (NIGHTS[3] - timedelta(hours=1), alone, ("facility=kcl-tn-001",)),
    ]
    total = _total(inventory, evidence(inventory, tmp_path, nights), NIGHTS[3])
    assert (total.up, total.not_up, total.unknown) == (10, 1, 0)
    judged = statuses(outlined(inventory), evidence_of(tmp_path), NIGHTS[3] + timedelta(hours=2))
    line = next(status_lines(judged, evidence_of(tmp_path), NIGHTS[3] + timedelta(hours=2)))
    assert line == (
        "last verification: 2 h 59 min ago (run verify-1, limited to facility=kcl-tn-001);"
        " it is not known which cameras are up now of 10 of 11 facilities that hosts carry"
    )


def evidence_of(folder: Path) -> Evidence:
    with closing(open_history(StateFolder("test", folder / "state.db"))) as history:
        return history.evidence()


def test_what_a_clock_that_is_ahead_saw_says_nothing_of_now(tmp_path: Path) -> None:
    """It would be the latest look for days, and hide every outage in them."""
    inventory = province()
    nights: list[Night] = [
        (NIGHTS[3] + timedelta(days=2), whole(inventory, up=True), ()),
        (NIGHTS[3], whole(inventory, up=False), ()),
    ]
    shown = evidence(inventory, tmp_path, nights)
    total = _total(inventory, shown, MORNING)
    assert (total.up, total.unknown, total.cameras_up, total.cameras_unknown) == (0, 11, 0, 85)
    fresh = freshness(shown, MORNING, (status.pictures for status in statuses(outlined(inventory), shown, MORNING)))
    assert freshness_line(fresh) == (
        "last verification: at 2021-05-14 00:11:00 +07:00, later than this report, so a clock is wrong (run verify-0);"
        " it is not known which cameras are up now of 11 of 11 facilities that hosts carry"
    )
    assert "sau thời điểm báo cáo, đồng hồ máy sai" in freshness_label(fresh)


@pytest.mark.parametrize("looked_again", [True, False])
def test_an_edit_while_pictures_are_down_starts_no_new_outage(looked_again: bool, tmp_path: Path) -> None:  # noqa: FBT001
    site = make.facility(operating="preparing", opens_on="2021-05-15")
    before = make.inventory(facilities=[site])
    edited = make.inventory(facilities=[site | {"cameras": _cameras(2)}])
    up = [("kcl-bg-001", before, 1), ("kcl-bg-001", before, 0), ("kcl-bg-001", edited, 0)]
    with closing(open_history(StateFolder("test", tmp_path / "state.db"))) as history:
        for number, (name, inventory, count) in enumerate(up if looked_again else up[:2]):
            moment = NIGHTS[number + 1]
            run = histories.run(id=f"verify-{number}", started=moment - timedelta(minutes=5))
            checks = (_check(inventory.facilities[name], count, moment),)
            history.end(run, histories.ending(finished=moment + timedelta(minutes=1), checks=checks))
        shown = history.evidence()
    (status,) = statuses(outlined(edited), shown, MORNING)
    assert status.pictures.is_up is (False if looked_again else None)
    assert status.pictures.down_since
    assert (status.pictures.last_proved, status.pictures.down_since.at) == (ProvedAt(NIGHTS[1], "verify-0"), NIGHTS[2])


def test_an_edit_that_is_taken_back_hides_no_outage(tmp_path: Path) -> None:
    """The older content declined before the edited one was proved, and is down when it comes back."""
    site = make.facility()
    before = make.inventory(facilities=[site])
    edited = make.inventory(facilities=[site | {"cameras": _cameras(2)}])
    with closing(open_history(StateFolder("test", tmp_path / "state.db"))) as history:
        for number, (inventory, up) in enumerate([(before, 1), (before, 0), (edited, 2), (before, 0)]):
            run = histories.run(id=f"verify-{number}", started=NIGHTS[number] - timedelta(minutes=5))
            checks = (_check(inventory.facilities["kcl-bg-001"], up, NIGHTS[number]),)
            history.end(run, histories.ending(finished=NIGHTS[number] + timedelta(minutes=1), checks=checks))
        (status,) = statuses(outlined(before), history.evidence(), MORNING)
    assert (status.pictures.is_up, bool(status.pictures.down_since)) == (False, True)


# --- surveys against cameras, and claims -----------------------------------------------------------


def test_cameras_of_a_site_that_nobody_surveyed_make_up_for_none_that_a_survey_saw() -> None:
    """With one more site of forty cameras the province looked as if all that surveys saw was registered."""
    more = [make.facility(f"kcl-tn-{n:03}", province=PROVINCE, cameras=_cameras(40), survey=None) for n in (31,)]
    inventory = province(*more)
    judged = statuses(outlined(inventory), NO_EVIDENCE, MORNING)
    total = progress(judged, lambda status: status.facility.province).total
    assert (total.surveyed, total.cameras, total.registered, total.present) == (30, 125, 85, 125)
    lines = progress_lines(judged)
    row = lines[next(number for number, line in enumerate(lines) if "registered of present" in line) + 1]
    assert row.split() == [PROVINCE, "30", "85", "of", "125", "85", "114", "0"]


CLAIM = {"connected_on": "2021-05-12", "source": "illustrative annex 02/PL", "carrier": "vnpt", "cameras": 6}


def test_a_claim_is_counted_apart_from_what_was_proved(tmp_path: Path) -> None:
    """Of 49 facilities 28 are connected: of these eleven are proved, and the annex says the same of seventeen more."""
    claimed = [
        make.facility(f"kcl-tn-{number:03}", province=PROVINCE, plan=None, gateway=None, cameras=[], survey=None)
        | {"claimed_connection": CLAIM}
        for number in range(31, 48)
    ]
    bare = [_surveyed(number) for number in range(48, 50)]
    inventory = province(*claimed, *bare)
    shown = evidence(inventory, tmp_path, [(NIGHTS[3], whole(inventory, up=True), ())])
    judged = statuses(outlined(inventory), shown, MORNING)
    total = _total(inventory, shown, MORNING)
    assert (total.facilities, total.connected, total.claimed, total.without_connection) == (49, 11, 17, 21)
    assert (total.cameras_connected, total.cameras_up) == (85, 85)
    one = next(status for status in judged if status.facility.id == "kcl-tn-031")
    assert one.standing.state is FacilityState.REGISTERED
    assert one.standing.connected_at is None
    text = "\n".join(status_lines(judged, shown, MORNING))
    assert "claimed 2021-05-12" in text
    assert "11 connected, 17 more claimed with 102 cameras: 11 up now" in text
    assert (total.claimed, total.cameras_claimed) == (17, 102)
    lines = progress_lines(judged)
    assert "claimed, and not proved: kcl-tn-031 since 2021-05-12 (illustrative annex 02/PL)" in lines


def test_a_claim_that_is_proved_is_none_any_more_and_one_that_is_not_meets_no_deadline(tmp_path: Path) -> None:
    order = {"ref": "1407", "issuer": "x", "issued_on": "2021-05-06", "before": "2021-05-10", "scope": ["ubnd_tinh"]}
    site = make.facility(claimed_connection=CLAIM)
    inventory = make.inventory(facilities=[site], instructions=[order])
    (before,) = statuses(outlined(inventory), NO_EVIDENCE, MORNING)
    assert before.claimed
    assert before.timeliness is Timeliness.OVERDUE
    (after,) = statuses(
        outlined(inventory), evidence(inventory, tmp_path, [(NIGHTS[0], {"kcl-bg-001": 1}, ())]), MORNING
    )
    assert after.claimed is None
    assert after.timeliness is Timeliness.ON_TIME


# --- before people come ---------------------------------------------------------------------------
ORDER = {"ref": "1407", "issuer": "x", "issued_on": "2021-05-06", "before": "2021-05-10", "scope": ["ubnd_tinh"]}


def _opening(opens_on: str, nights: Iterable[Night], folder: Path) -> FacilityStatus:
    site = make.facility(operating="preparing", opens_on=opens_on)
    inventory = make.inventory(facilities=[site], instructions=[ORDER])
    (status,) = statuses(outlined(inventory), evidence(inventory, folder, nights), MORNING)
    return status


@pytest.mark.parametrize(
    ("opens_on", "words"),
    [
        ("2021-05-15", "opens in 3 days, not connected"),
        ("2021-05-13", "opens in 1 day, not connected"),
        ("2021-05-12", "opens today, not connected"),
        ("2021-05-11", "should be open since 2021-05-11, not connected"),
        ("2021-05-26", "opens in 14 days, not connected"),
        ("2021-05-27", None),
    ],
)
def test_a_site_that_opens_soon_unconnected_is_a_warning(opens_on: str, words: str | None, tmp_path: Path) -> None:
    status = _opening(opens_on, [], tmp_path)
    assert (status.opening.words if status.opening else None) == words
    text = "\n".join(status_lines([status], NO_EVIDENCE, MORNING))
    assert (f"warning: kcl-bg-001: {words}" in text) == (words is not None)
    lines = progress_lines((status,))
    assert (f"warning: kcl-bg-001: {words}" in lines) == (words is not None)


def test_a_site_that_is_prepared_is_carried_proved_and_not_yet_active(tmp_path: Path) -> None:
    nights: list[Night] = [(NIGHTS[2], {"kcl-bg-001": 1}, ()), (NIGHTS[3], {"kcl-bg-001": 1}, ())]
    status = _opening("2021-05-15", nights, tmp_path)
    assert status.facility.rendered
    assert status.standing.is_connected
    assert status.standing.state is FacilityState.ACCEPTED
    assert status.opening is None
    assert status.next == "when people come (2021-05-15): provisioner facility reopen kcl-bg-001"


def test_a_site_that_is_connected_and_down_before_it_opens_is_a_warning(tmp_path: Path) -> None:
    nights: list[Night] = [(NIGHTS[2], {"kcl-bg-001": 1}, ()), (NIGHTS[3], {"kcl-bg-001": 0}, ())]
    status = _opening("2021-05-15", nights, tmp_path)
    assert status.opening
    assert status.opening.words == "opens in 3 days, connected, not up now"


def test_a_site_that_opens_after_an_order_s_day_has_to_be_connected_before_it_opens(tmp_path: Path) -> None:
    status = _opening("2021-05-15", [], tmp_path)
    assert status.duty
    assert str(status.duty.before) == "2021-05-15"
    assert status.timeliness is Timeliness.DUE
    own = ORDER | {"facilities": {"kcl-bg-001": "2021-05-11"}}
    site = make.facility(operating="preparing", opens_on="2021-05-15")
    (other,) = statuses(outlined(make.inventory(facilities=[site], instructions=[own])), NO_EVIDENCE, MORNING)
    assert other.timeliness is Timeliness.OVERDUE


def test_nobody_is_in_a_facility_on_standby_and_it_is_not_overdue() -> None:
    inventory = make.inventory(facilities=[make.facility(operating="standby")], instructions=[ORDER])
    (status,) = statuses(outlined(inventory), NO_EVIDENCE, MORNING)
    assert (status.timeliness, status.duties) == (Timeliness.NOT_BOUND, ())
