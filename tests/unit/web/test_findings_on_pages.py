"""Faults of devices on pages, the share of the time with pictures, and the tiles of the map."""

from datetime import date, timedelta
from typing import Any

import pytest

from provisioner.base.language import Language
from provisioner.inventory.geography import SCHEMES, provinces
from provisioner.inventory.outline import outlined
from provisioner.record.availability.measured import Measured, Span
from provisioner.record.availability.path_state import WorstOfDay
from provisioner.record.lifecycle.evidence import NO_EVIDENCE
from provisioner.record.lifecycle.status import statuses
from provisioner.verify.result import OF_RECORDER, Cause, Finding, Layer
from provisioner.verify.work import HostChanges, RunRow
from provisioner.web.app import asset
from provisioner.web.board import WARNING, Board, IncidentRow
from provisioner.web.readers import read_web_user, scoped
from provisioner.web.source import build_board
from provisioner.web.texts import tiles, words_of
from tests.boards import AT, NOW, GivenSource, document, inventory, read
from tests.hostile import VIEWER
from tests.unit.web.clients import Outline, local, reader

CLOCK = {"layer": "recorder", "object": "kcl-bg-001/nvr-01", "cause": "device clock off", "detail": "by 192.168.1.9"}
DISK = {"layer": "host", "object": "relay-viettel-1", "cause": "disk full", "detail": "/ is full"}
DEVICE = {"facility": "kcl-bg-001", "device": "nvr-01", "carrier": "viettel", "findings": [], "state": "as agreed"}


def found() -> dict[str, Any]:
    """A verification with a fault of a recorder's clock, one of a relay's disk, and a hung recorder."""
    seen = document()
    seen["incidents"] += [CLOCK | {"paths": []}, DISK | {"paths": []}]
    seen["devices"] = [DEVICE]
    for path in seen["paths"]:
        if path["facility"] == "kcl-hd-001":
            path |= {"cause": "camera hung", "layer": "recorder", "object": "kcl-hd-001/nvr-01", "detail": "no answer"}
    return seen


def board() -> Board:
    whole = inventory()
    return build_board(whole, statuses(outlined(whole), NO_EVIDENCE, NOW), read(found()), since={}, revision="found")


def findings(shown: Board) -> dict[str, IncidentRow]:
    return {one.object: one for one in shown.incidents if not one.paths}


def test_a_finding_has_its_severity_and_counts_where_it_is() -> None:
    rows = findings(board())
    assert {row.verdict for row in rows.values()} == {WARNING}
    clock, disk = rows["kcl-bg-001/nvr-01"], rows["relay-viettel-1"]
    assert (clock.facilities, clock.provinces, clock.carriers) == (("kcl-bg-001",), ("bac-giang",), ("viettel",))
    assert (disk.facilities, disk.provinces, disk.carriers) == ((), (), ("viettel",))
    assert (board().carriers["viettel"].incidents, board().carriers["vnpt"].incidents) == (4, 0)
    assert board().provinces["bac-giang"].incidents == 2
    for language in Language:
        text = Outline(local(GivenSource(board())).get(f"/{language.value}/incidents?verdict=warning").text).text
        assert words_of(language)["Verdict"][WARNING] in text
        assert text.count(words_of(language)["Cause"]["device clock off"]) == 1
        assert words_of(language)["Verdict"][""] not in text


@VIEWER
@pytest.mark.parametrize(
    ("role", "seen"),
    [
        ("ministry", {"kcl-bg-001/nvr-01": "", "relay-viettel-1": ""}),
        ("dic:bac-giang", {"kcl-bg-001/nvr-01": ""}),
        ("carrier:viettel", {"kcl-bg-001/nvr-01": "by 192.168.1.9"}),
        ("dic:hai-duong", {}),
        ("carrier:vnpt", {}),
        ("facility:kcl-bg-002", {}),
        ("steering", {}),
    ],
)
def test_a_role_sees_findings_of_what_it_may_see(role: str, seen: dict[str, str]) -> None:
    user = read_web_user(role)
    assert user
    assert {name: row.detail for name, row in findings(scoped(board(), user)).items()} == seen
    shown = reader(role, source=GivenSource(board())).get("/en/facilities/kcl-bg-001").text
    assert ("device clock off" in shown) == ("kcl-bg-001/nvr-01" in seen)


def test_paths_of_one_recorder_are_one_line_whose_action_is_of_the_recorder() -> None:
    text = Outline(local(GivenSource(board())).get("/en/facilities/kcl-hd-001").text).text
    assert text.count("camera hung : no answer") == 1
    assert text.count("the recorder: restart it") == 1
    assert "3 paths" in text
    assert [camera for camera in ("cam-01", "cam-02", "cam-03") if text.count(camera) == 1] == [
        "cam-01",
        "cam-02",
        "cam-03",
    ]


@pytest.mark.parametrize("cause", Cause)
def test_an_action_on_a_recorder_names_it(cause: Cause) -> None:
    row = IncidentRow(
        Finding(cause, Layer.RECORDER, "kcl-bg-001/nvr-01"), verdict=WARNING, since=AT - timedelta(hours=1)
    )
    assert row.next_step == OF_RECORDER.get(cause, cause.next_step)
    assert "recorder" in OF_RECORDER.get(cause, "the recorder")
    assert IncidentRow(Finding(cause, Layer.CAMERA, "x"), verdict=WARNING).next_step == cause.next_step


NORTH_TO_SOUTH = {
    "gso-2021": ("cao-bang", "ha-noi", "thanh-hoa", "quang-binh", "da-nang", "khanh-hoa", "ho-chi-minh", "ca-mau"),
    "gso-2025": ("cao-bang", "ha-noi", "thanh-hoa", "quang-tri", "da-nang", "khanh-hoa", "ho-chi-minh", "ca-mau"),
}
WEST_TO_EAST = ("dien-bien", "ha-noi", "quang-ninh")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_province_has_one_place_of_its_own(scheme: str) -> None:
    placed = tiles(scheme)
    assert sorted(placed) == sorted(province.slug for province in provinces(scheme))
    assert len({(tile.row, tile.column) for tile in placed.values()}) == len(placed)
    assert len({tile.short for tile in placed.values()}) == len(placed)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_country_can_be_recognised(scheme: str) -> None:
    placed = tiles(scheme)
    rows = [placed[slug].row for slug in NORTH_TO_SOUTH[scheme]]
    columns = [placed[slug].column for slug in WEST_TO_EAST]
    assert (rows, columns) == (sorted(set(rows)), sorted(set(columns)))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_style_has_every_place(scheme: str) -> None:
    style = asset("page.css").decode()
    for tile in tiles(scheme).values():
        assert f".tile.row{tile.row} {{ grid-row: {tile.row}; }}" in style
        assert f".tile.col{tile.column} {{ grid-column: {tile.column}; }}" in style


def test_a_list_that_is_not_known_has_no_map() -> None:
    assert tiles("gso-1975") == {}


class NoPast:
    """A past that knows no path."""

    def nights(self, prefix: str, last: date, number: int) -> dict[str, list[WorstOfDay]]:
        del prefix, last, number
        return {}

    def measured(self, prefix: str, span: Span) -> dict[str, Measured]:
        del prefix, span
        return {}

    def changes(self, run: RunRow) -> dict[str, HostChanges]:
        del run
        return {}


@pytest.mark.parametrize(
    ("language", "says", "each"),
    [
        ("en", "In 30 days pictures came 88.89 % of the measured time; 10.00 % was not measured.", "88.89 % available"),
        ("vi", "Trong 30 ngày có hình 88,89 % thời gian đo được; 10,00 % không đo.", "sẵn sàng 88,89 %"),
    ],
)
def test_what_was_not_measured_is_no_part_of_the_share_and_is_said(language: str, says: str, each: str) -> None:
    text = Outline(local().get(f"/{language}/facilities/kcl-bg-002").text).text
    assert says in text
    assert text.count(each) == 3


def test_without_a_history_no_share_is_said() -> None:
    text = Outline(local(GivenSource(past=NoPast())).get("/en/facilities/kcl-bg-002").text).text
    assert "%" not in text
    assert "No history of nights is recorded yet" in text
