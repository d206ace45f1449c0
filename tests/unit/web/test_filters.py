"""Search by name with marks or without, filters of the address bar, and lists that go over several pages."""

import unicodedata
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.language import Language
from provisioner.web.board import WORST_FIRST
from provisioner.web.filters import (
    FACILITIES,
    INCIDENTS,
    SORTS,
    Filters,
    Links,
    choose_facilities,
    choose_incidents,
    part_of,
    read_filters,
)
from provisioner.web.pages import PageSheet, facilities_page, incidents_page
from tests.boards import NAMES, NOW, StripedPast, board
from tests.unit.web.clients import Outline

WAYS = (
    lambda text: text,
    str.upper,
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)),
    lambda text: f"  {text.replace(' ', '  ')}\u200b",
    lambda text: text.replace("Đ", "D").replace("đ", "d"),
)


@given(st.sampled_from(sorted(NAMES.items())), st.sampled_from(WAYS), st.integers(0, 3))
def test_a_facility_is_named_by_any_words_of_its_name_however_they_are_typed(
    named: tuple[str, str], typed: object, words: int
) -> None:
    id_, name = named
    part = " ".join(name.split()[words:]) or name
    assert callable(typed)
    chosen = choose_facilities(board(), Filters(q=typed(part)))
    assert id_ in [one.id for one in chosen]


def test_each_word_has_to_be_there_and_signs_alone_name_nothing() -> None:
    def ids(q: str) -> list[str]:
        return [one.id for one in choose_facilities(board(), Filters(q=q))]

    assert ids("hoa binh ky") == ["kcl-hd-001"]
    assert ids("hoa binh zz") == []
    assert ids("bg-002") == ["kcl-bg-002"]
    assert ids("%%") == []
    assert len(ids("   ")) == len(NAMES)


@pytest.mark.parametrize(
    ("choice", "ids"),
    [
        (Filters(verdict="down"), {"kcl-bg-002", "kcl-hd-001"}),
        (Filters(verdict="none"), {"kcl-qn-002"}),
        (Filters(verdict="up", carrier="viettel"), {"kcl-bg-001"}),
        (Filters(province="quang-nam"), {"kcl-qn-001", "kcl-qn-002"}),
        (Filters(province="ca-mau"), set()),
    ],
)
def test_filters_narrow_what_is_listed(choice: Filters, ids: set[str]) -> None:
    assert {one.id for one in choose_facilities(board(), choice)} == ids


@pytest.mark.parametrize("sort", SORTS)
def test_every_order_lists_the_same(sort: str) -> None:
    listed = choose_facilities(board(), Filters(sort=sort))
    assert sorted(one.id for one in listed) == sorted(NAMES)
    if sort == "worst":
        assert [one.worst for one in listed] == ["down", "down", "up", "up", ""]


def test_incidents_are_narrowed_by_words_and_by_what_they_are() -> None:
    def objects(choice: Filters) -> list[str]:
        return [one.object for one in choose_incidents(board(), choice)]

    assert objects(Filters()) == ["kcl-hd-001", "kcl-bg-002/cam-01"]
    assert objects(Filters(layer="camera")) == ["kcl-bg-002/cam-01"]
    assert objects(Filters(province="hai-duong")) == ["kcl-hd-001"]
    assert objects(Filters(q="tunnel")) == ["kcl-hd-001"]
    assert objects(Filters(verdict="up")) == objects(Filters(carrier="vnpt")) == []


@given(
    st.dictionaries(st.sampled_from(["q", "province", "carrier", "verdict", "layer", "sort", "page", "x"]), st.text())
)
def test_no_address_is_too_odd_to_be_answered(values: dict[str, str]) -> None:
    choice = read_filters(values)
    assert choice.page >= 1
    assert choice.verdict in {"", "none", *WORST_FIRST}
    part_of(choose_facilities(board(), choice), choice.page)
    choose_incidents(board(), choice)


@given(st.text(max_size=30), st.sampled_from(["", "down", "none"]), st.sampled_from(SORTS), st.integers(1, 50))
def test_a_link_that_is_sent_asks_for_the_same(q: str, verdict: str, sort: str, page: int) -> None:
    choice = Filters(q=q, province="bac-giang", verdict=verdict, sort=sort, page=page)
    address = urlencode(dict(choice.at(page)), errors="surrogatepass")
    assert read_filters(dict(parse_qsl(address, errors="surrogatepass"))) == choice


@given(st.lists(st.integers(), max_size=60), st.integers(1, 9))
def test_the_pages_of_a_list_hold_each_thing_once(listed: list[int], size: int) -> None:
    first, _ = part_of(listed, 1, size)
    parts = [part_of(listed, number, size) for number in range(1, first.pages + 1)]
    assert [one for _, shown in parts for one in shown] == listed
    assert part_of(listed, first.pages + 5, size)[0].number == first.pages
    assert part_of(listed, 1, 0)[1] == listed


def sheet(page: str) -> PageSheet:
    return PageSheet(board(), Links(Language.EN, page), NOW, StripedPast())


def test_every_facility_is_on_one_page_and_the_links_lead_through_all() -> None:
    asked, seen = Filters(sort="name", q="kcl"), []
    while True:
        html = facilities_page(sheet(FACILITIES), asked, size=2)
        seen += [id_ for id_ in NAMES if f"facilities/{id_}" in html]
        assert f"5 facilities, {2 * asked.page - 1} to" in html
        following = [place for place in Outline(html).places if f"page={asked.page + 1}" in place]
        if not following:
            break
        asked = read_filters(dict(parse_qsl(urlsplit(following[0]).query)))
        assert (asked.sort, asked.q) == ("name", "kcl")
    assert sorted(seen) == sorted(NAMES)
    assert asked.page == 3
    assert "page=2" in html


@pytest.mark.parametrize("page", [1, 2])
def test_incidents_have_pages_too(page: int) -> None:
    html = incidents_page(sheet(INCIDENTS), Filters(page=page), size=1)
    assert ("kcl-hd-001" in html, "kcl-bg-002/cam-01" in html) == (page == 1, page == 2)
    assert f"Page {page} of 2" in html
