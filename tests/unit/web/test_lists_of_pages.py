"""A list that is too long for one page leads to its other pages, with what was asked for."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from provisioner.base.language import Language
from provisioner.web.filters import FACILITIES, INCIDENTS, Filters, Links, read_filters
from provisioner.web.pages import PageSheet, facilities_page, incidents_page
from tests.boards import NAMES, NOW, StripedPast, board
from tests.unit.web.clients import Outline


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
