"""What each role sees of each page, cell by cell; what it may not see is as absent as what never was."""

from collections.abc import Sequence

import pytest

from provisioner.web.pages import CallCard
from provisioner.web.readers import WebUser
from tests.boards import NAMES, SECRET_ADDRESS
from tests.hostile import VIEWER
from tests.unit.web.clients import ROLES, Outline, crawl, local, reader

ALL = set(NAMES)
VIETTEL = {"kcl-bg-001", "kcl-bg-002", "kcl-hd-001"}
BAC_GIANG = {"kcl-bg-001", "kcl-bg-002"}
QUANG_NAM = {"kcl-qn-001", "kcl-qn-002"}
SEES = {
    "noc": ALL,
    "ministry": ALL,
    "steering": set(),
    "dic:bac-giang": BAC_GIANG,
    "health:bac-giang": BAC_GIANG,
    "dic:quang-nam": QUANG_NAM,
    "carrier:viettel": VIETTEL,
    "carrier:vnpt": QUANG_NAM,
    "facility:kcl-bg-002": {"kcl-bg-002"},
}
PROVINCES = {
    "noc": {"bac-giang", "hai-duong", "quang-nam"},
    "ministry": {"bac-giang", "hai-duong", "quang-nam"},
    "steering": {"bac-giang", "hai-duong", "quang-nam"},
    "dic:bac-giang": {"bac-giang"},
    "health:bac-giang": {"bac-giang"},
    "dic:quang-nam": {"quang-nam"},
    "carrier:viettel": {"bac-giang", "hai-duong"},
    "carrier:vnpt": {"quang-nam"},
    "facility:kcl-bg-002": {"bac-giang"},
}
#: Who sees what names a site's devices, on the page of a facility of which there is something to be seen.
EVIDENCE = {"noc", "carrier:viettel", "facility:kcl-bg-002"}
CALLS = SEES | {"steering": set()}
COUNTS = {"noc": (4, 8), "ministry": (4, 8), "steering": (4, 8), "dic:bac-giang": (1, 5), "carrier:viettel": (4, 5)} | {
    "health:bac-giang": (1, 5),
    "dic:quang-nam": (0, 3),
    "carrier:vnpt": (0, 3),
    "facility:kcl-bg-002": (1, 2),
}


def test_every_role_has_its_cells() -> None:
    assert {*SEES} == {*PROVINCES} == {*CALLS} == {*COUNTS} == {*ROLES}


@VIEWER
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("language", ["en", "vi"])
def test_a_facilitys_page_is_there_for_who_may_see_it_and_absent_for_all_others(role: str, language: str) -> None:
    client = reader(role)
    absent = client.get(f"/{language}/facilities/kcl-xx-999")
    assert absent.status_code == 404
    for id_ in sorted(ALL):
        answer = client.get(f"/{language}/facilities/{id_}")
        if id_ in SEES[role]:
            assert (answer.status_code, id_ in answer.text) == (200, True)
        else:
            assert (answer.status_code, answer.text.replace(id_, "kcl-xx-999")) == (404, absent.text)


@VIEWER
@pytest.mark.parametrize("role", ROLES)
def test_a_provinces_page_is_there_for_who_may_see_it_and_absent_for_all_others(role: str) -> None:
    client = reader(role)
    absent = client.get("/en/provinces/ca-mau")
    for slug in ("bac-giang", "hai-duong", "quang-nam"):
        answer = client.get(f"/en/provinces/{slug}")
        if slug in PROVINCES[role]:
            assert answer.status_code == 200
        else:
            assert (answer.status_code, answer.text.replace(slug, "ca-mau")) == (404, absent.text)


@VIEWER
@pytest.mark.parametrize("role", ROLES)
def test_no_page_that_can_be_reached_says_anything_of_what_a_role_may_not_see(role: str) -> None:
    pages = crawl(reader(role))
    for address, html in pages.items():
        for id_ in ALL - SEES[role]:
            assert id_ not in html, address
        if role not in EVIDENCE:
            assert SECRET_ADDRESS not in html, address
    reached = {address.rpartition("/")[2] for address in pages if "/facilities/" in address}
    assert reached == SEES[role]


@VIEWER
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "query", ["", "q=kcl", "province=quang-nam", "carrier=vnpt", "verdict=down", "host=relay-vnpt-1", "q=%25", "page=9"]
)
@pytest.mark.parametrize("listing", ["facilities", "incidents", "changes", "hosts", "waiting"])
def test_no_filter_shows_more_than_a_role_may_see(role: str, query: str, listing: str) -> None:
    answer = reader(role).get(f"/en/{listing}?{query}")
    is_there = role.partition(":")[0] in {"noc", "carrier"} if listing in {"changes", "hosts"} else role != "steering"
    assert answer.status_code == (200 if is_there else 404)
    assert not [id_ for id_ in ALL - SEES[role] if id_ in answer.text]


@pytest.mark.parametrize("role", ROLES)
def test_who_may_see_a_sites_devices_sees_the_evidence(role: str) -> None:
    client = reader(role)
    shown = [id_ for id_ in ("kcl-bg-002", "kcl-hd-001") if id_ in SEES[role]]
    for id_ in shown:
        assert (SECRET_ADDRESS in client.get(f"/en/facilities/{id_}").text) == (role in EVIDENCE)


@pytest.mark.parametrize("role", ROLES)
def test_counts_are_of_what_a_role_may_see(role: str) -> None:
    down, up = COUNTS[role]
    text = Outline(reader(role).get("/en/").text).text
    assert (f"All {up} paths are up" if not down else f"{up} of {down + up} paths are up") in text


@VIEWER
@pytest.mark.parametrize("role", ROLES)
def test_who_to_call_is_asked_for_only_by_who_may_and_only_where_the_server_was_started_for_it(role: str) -> None:
    asked = []

    def cards(province: str, facility: str, who: WebUser) -> Sequence[CallCard]:
        asked.append((province, facility, who.scope.of if who.scope else ""))
        return [CallCard("Nguyễn Văn Canary", "Hiệu trưởng", "+84 204 3854 123", "Đại diện cơ sở")]

    client, closed = reader(role, cards), reader(role)
    for id_ in sorted(ALL):
        before = len(asked)
        answer = client.get(f"/vi/contacts/{id_}")
        may = id_ in CALLS[role]
        assert (answer.status_code, "Canary" in answer.text, len(asked) - before) == (
            (200, True, 1) if may else (404, False, 0)
        )
        assert closed.get(f"/vi/contacts/{id_}").status_code == 404
        if may:
            assert f"contacts/{id_}" in client.get(f"/vi/facilities/{id_}").text
            assert f"contacts/{id_}" not in closed.get(f"/vi/facilities/{id_}").text
    assert not any("Canary" in html for html in crawl(client).values())


def test_the_engineer_sees_what_the_commands_show() -> None:
    assert {a.rpartition("/")[2] for a in crawl(local()) if "/facilities/" in a} == ALL
