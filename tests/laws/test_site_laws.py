"""Laws of sites in an import: no row writes into another site, and what cannot be known is asked once, not guessed."""

import unicodedata
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.importing.grid import FindingLevel
from provisioner.importing.proposal.identity import Sameness, identity_of, names_agree, places_agree
from provisioner.importing.proposal.proposal import Proposal
from provisioner.inventory.files.yaml import parse
from tests.unit.importing.test_questions import Desk, asked, changed, row, site

DISTRICTS = ("Huyện Việt Yên", "Huyện Lạng Giang", "TP. Bắc Giang")
WARDS = ("Xã Tăng Tiến", "Phường Lê Lợi", "Thị trấn Bích Động")
STREETS = ("Số 5 đường Lê Lợi", "Thôn Đông", "Số 12 Hùng Vương")
NAMES = ("Trường THCS Hòa Bình", "Trường THPT Lý Thường Kiệt", "Khách sạn Hoa Sen", "Trường Tiểu học số 2")
PLACES = st.tuples(*(st.none() | st.sampled_from(parts) for parts in (DISTRICTS, WARDS, STREETS)))
SITES = st.tuples(st.sampled_from(NAMES), PLACES, st.sampled_from(["Trường học", "Ký túc xá"]))
Site = tuple[str, tuple[str | None, str | None, str | None], str]


def rows_of(sites: list[Site]) -> list[tuple[Any, ...]]:
    return [row(name, *place, kind=kind) for name, place, kind in sites]


def written(proposal: Proposal) -> list[tuple[str | None, ...]]:
    """Name and place of what would be written anew."""
    new = [parse(edit.after).value for edit in proposal.changed if edit.before is None]
    found = []
    for text in new:
        assert isinstance(text, dict)
        place = text.get("location") or {}
        found.append((text["name"], *(place.get(key) for key in ("district", "ward", "street"))))
    return sorted(found, key=str)


@settings(max_examples=30, deadline=None)
@given(st.lists(SITES, max_size=5))
def test_a_list_that_is_imported_again_changes_nothing_and_asks_nothing_more(sites: list[Site]) -> None:
    desk, rows = Desk(), rows_of(sites)
    first = desk.write(*rows)
    again = desk.write(*rows)
    assert changed(again) == []
    waiting = {number for _, number, _ in asked(first)}
    assert {number for _, number, _ in asked(again)} <= waiting


@settings(max_examples=30, deadline=None)
@given(st.lists(SITES, max_size=3, unique_by=str), st.lists(SITES, min_size=1, max_size=4), st.data())
def test_no_row_changes_a_site_from_which_a_part_that_both_have_tells_it(
    there: list[Site], sites: list[Site], data: st.DataObject
) -> None:
    desk = Desk(*[site(name, number, *place) for number, (name, place, _) in enumerate(there, start=1)])
    before = dict(desk.files)
    ids = st.sampled_from([None, None, "kcl-bg-001", "mới", "kcl-bg-050"])
    chosen = [data.draw(ids) for _ in sites]
    rows = [row(n, *p, kind=k, id=i) for (n, p, k), i in zip(sites, chosen, strict=True)]
    proposal = desk.read(*rows)
    identities = [_identity(name, place) for name, place, _ in sites]
    for edit in proposal.changed:
        about = {value.record.number - 2 for value in edit.origins.values()}
        assert len(about) == 1  # two rows never write to one file
        (number,) = about
        if edit.facility in before and chosen[number] in (None, "mới"):
            name, place, _ = there[int(edit.facility[-3:]) - 1]
            other = _identity(name, place)
            agreements = (names_agree(identities[number].name, other.name), *places_agree(identities[number], other))
            assert max(agreements) is Sameness.SAME
            assert any(place)  # a bare name never changes anything by itself
        elif edit.facility in before:
            other = _identity(*there[int(edit.facility[-3:]) - 1][:2])
            assert places_agree(identities[number], other)[0] is not Sameness.OTHER


def _identity(name: str, place: tuple[str | None, ...]) -> Any:
    district, ward, street = place
    return identity_of("bac-giang", name, district=district, ward=ward, street=street, scheme="gso-2021")


@settings(max_examples=20, deadline=None)
@given(st.lists(SITES, max_size=2, unique_by=str), st.lists(SITES, max_size=4, unique_by=lambda s: s[:2]), st.data())
def test_the_order_of_rows_does_not_matter(there: list[Site], sites: list[Site], data: st.DataObject) -> None:
    desk = Desk(*[site(name, number, *place) for number, (name, place, _) in enumerate(there, start=1)])
    order = data.draw(st.permutations(range(len(sites))))
    plain, mixed = (desk.read(*rows_of([sites[n] for n in numbers])) for numbers in (range(len(sites)), order))
    assert written(plain) == written(mixed)
    old = [[edit.after for edit in p.changed if edit.before is not None] for p in (plain, mixed)]
    assert old[0] == old[1]
    assert sorted(n - 2 for _, n, _ in asked(plain)) == sorted(order[n - 2] for _, n, _ in asked(mixed))


ABBREVIATED = {
    "Huyện": "H.", "Phường": "P.", "Thị trấn": "TT.", "TP.": "Thành phố", "Xã": "xã", "Số": "", "đường": "",
    "Trường": "", "THCS": "Trung học cơ sở", "THPT": "Trung học phổ thông", "Tiểu học": "TH",
}  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(SITES.filter(lambda one: all(one[1])), st.data())
def test_another_spelling_of_a_site_is_the_site_or_a_question(one: Site, data: st.DataObject) -> None:
    name, place, _ = one
    texts = [_spelt(text or "", data) for text in (name, *place)]
    desk = Desk(site(name, 1, *place))
    proposal = desk.read(row(texts[0], *texts[1:], kind="Ký túc xá"))
    assert [f for f in proposal.findings if f.remark.level is FindingLevel.ERROR] == []
    known = changed(proposal) == ["kcl-bg-001"]
    assert known != bool(asked(proposal))
    assert all("kcl-bg-001" in candidates for _, _, candidates in asked(proposal))


def _spelt(text: str, data: st.DataObject) -> str:
    for long, short in ABBREVIATED.items():
        if long in text and data.draw(st.booleans()):
            text = text.replace(long, short).strip()
    text = data.draw(st.sampled_from([text, text.upper(), text.replace("òa", "oà"), text.replace(" ", "  ")]))
    return unicodedata.normalize(data.draw(st.sampled_from(["NFC", "NFD"])), text)


@settings(max_examples=20, deadline=None)
@given(st.lists(SITES, min_size=1, max_size=3), st.lists(SITES, min_size=1, max_size=4), st.data())
def test_an_answered_question_is_never_asked_again(there: list[Site], sites: list[Site], data: st.DataObject) -> None:
    desk = Desk(*[site(name, number, *place) for number, (name, place, _) in enumerate(there, start=1)])
    rows = rows_of(sites)
    questions = [q for q in desk.read(*rows).questions if q.holds_a_row]
    answers = {q.position.row: data.draw(st.sampled_from([*(c.facility for c in q.candidates if c.facility), "mới"]))
               for q in questions}  # fmt: skip
    filled = [(r[0], answers.get(number, r[1]), *r[2:]) for number, r in enumerate(rows, start=2)]
    proposal = desk.write(*filled)
    bare = {number for number, (_, place, _) in enumerate(sites, start=2) if not any(place)}
    again = {number for _, number, _ in asked(proposal)}
    # `mới` alone tells a bare name from no site that has it.
    assert not {n for n in again & set(answers) if n not in bare or answers[n] != "mới"}
    assert changed(desk.read(*filled)) == []
