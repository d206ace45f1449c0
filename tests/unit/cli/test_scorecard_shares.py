"""`export scorecard` over nights that were recorded: its shares of time are those that `availability` says."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from provisioner.base import spreadsheet
from provisioner.record.availability.path_state import StoredVerdict
from provisioner.record.state_folder import state_folder_of
from provisioner.report.exports import REPORTS
from tests.histories import record_verdicts
from tests.unit.cli.test_status import NOW, Story, document, past, story

__all__ = ["past", "story"]  # the fixtures

UP, DOWN = StoredVerdict("up", level=7), StoredVerdict("down", "camera unplugged", 2)
DEGRADED, WORK = StoredVerdict("degraded", "drift"), StoredVerdict("down", "tunnel down", 1, maintenance=True)
UNKNOWN = StoredVerdict("unknown", "cannot check")
ONE, TWO = "bac-giang/kcl-bg-001/cam-01/sub", "bac-giang/kcl-bg-002/cam-01/sub"
FAR, DARK = "quang-nam/kcl-qn-001/cam-01/sub", "hai-duong/kcl-hd-001/cam-01/sub"
CARRIERS = {ONE: "viettel", TWO: "viettel", FAR: "vnpt", DARK: "fpt"}
WEEK = ("--from", "2021-06-06", "--until", "2021-06-13")
SHARE = ("available", "agreed_percent", "kept", "paths", "outages", "maintenance_s", "unmeasured_s", "unmeasured_share")


@pytest.fixture
def nights(story: Story) -> Story:
    """The story with its last nights path by path: a camera down, one degraded, a carrier's work, one never told."""
    place = state_folder_of(story.environment, "example")
    for back in range(12):
        seen = {DARK: UNKNOWN} | ({ONE: DOWN} if back in {3, 4} else {}) | ({TWO: DEGRADED} if back == 5 else {})
        seen |= {FAR: WORK} if back == 2 else {}
        at = NOW.replace(hour=0) - timedelta(days=back)
        if back != 6:
            record_verdicts(place, f"night-{back}", at, dict.fromkeys(CARRIERS, UP) | seen, CARRIERS)
    return story


def agree(text: str) -> None:
    file = Path("inventories/example/inventory.yml")
    said = file.read_text(encoding="utf-8").replace("policy:\n", f"policy:\n  availability: {text}\n")
    file.write_text(said, encoding="utf-8")


def scorecard(story: Story, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert story.run("--output", "json", "export", "scorecard", *words) == 0
    return document(capsys)


CASES: dict[str, tuple[str, ...]] = {
    "a week": WEEK,
    "the week until now": (),
    "a part of a day": ("--from", "2021-06-09T06:00", "--until", "2021-06-09T18:30"),
    "before the first night": ("--from", "2021-05-20", "--until", "2021-06-03"),
    "a province": (*WEEK, "--limit", "province=bac-giang"),
    "a carrier": (*WEEK, "--limit", "carrier=vnpt"),
    "a facility": (*WEEK, "--limit", "facility=kcl-bg-001"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_carriers_share_is_availabilitys_one(nights: Story, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    agree("{ percent: 90.0, carriers: { viettel: 99.5 } }")
    printed = scorecard(nights, capsys, *CASES[case])
    nights.run("--output", "json", "availability", "--by", "carrier", "--as-of", "2021-06-13T08:00", *CASES[case])
    said = document(capsys)
    of = printed["availability_of"]
    assert (of["from"], of["until"], of["longest_s"]) == (said["from"], said["until"], said["longest_s"])
    by_carrier = {one["carrier"]: one["availability"] for one in printed["carriers"] if one["availability"]}
    assert by_carrier.keys() == {row["name"] for row in said["rows"]}
    assert by_carrier
    for row in (*said["rows"], said["total"]):
        shown = by_carrier[row["name"]] if row["name"] != "all" else printed["all_carriers"]["availability"]
        assert shown == {name: row[name] for name in shown}
        assert set(SHARE) < shown.keys()


def test_a_scorecard_with_shares_as_text(
    nights: Story, capsys: pytest.CaptureFixture[str], golden_tree: Callable[[str, Mapping[str, bytes]], None]
) -> None:
    agree("{ percent: 90.0, carriers: { viettel: 99.5 } }")
    assert nights.run("export", "scorecard", *WEEK) == 0
    golden_tree("scorecard", {"week.txt": capsys.readouterr().out.encode()})


def test_maintenance_and_gaps_stand_apart(nights: Story, capsys: pytest.CaptureFixture[str]) -> None:
    by_carrier = {one["carrier"]: one["availability"] for one in scorecard(nights, capsys, *WEEK)["carriers"]}
    assert by_carrier["vnpt"]["available"] == 1, "work that was announced is no outage"
    assert by_carrier["vnpt"]["maintenance_s"] == 86_400
    assert by_carrier["viettel"]["outages"] == 1
    assert (by_carrier["fpt"]["available"], by_carrier["fpt"]["unmeasured_share"]) == (None, 1)
    assert all(0 < by_carrier[name]["unmeasured_share"] < 1 for name in ("viettel", "vnpt")), "a night was left out"


def column(sheet: Any, name: str) -> dict[str, object]:
    """The cells of a column, by carrier."""
    header = [cell.value for cell in sheet[5]]
    place = header.index(name)
    return {str(row[0].value): row[place].value for row in sheet.iter_rows(min_row=6)}


def test_the_spreadsheet_has_the_same_shares(nights: Story, tmp_path: Path) -> None:
    agree("{ percent: 90.0, carriers: { viettel: 99.5 } }")
    out = tmp_path / "scorecard.xlsx"
    assert nights.run("export", "scorecard", *WEEK, "--out", str(out)) == 0
    with closing(load_workbook(out)) as opened:
        sheet = opened.worksheets[0]
        assert "có hình từ 06/06/2021 00:00 đến trước 13/06/2021 00:00" in str(sheet["A3"].value)
        available, against = column(sheet, "Tỷ lệ thời gian có hình"), column(sheet, "So với mức đã thỏa thuận")
        gaps, work = column(sheet, "Tỷ lệ thời gian chưa đo"), column(sheet, "Tỷ lệ thời gian bảo trì")
        above, below = spreadsheet.page_edges(sheet)
    assert (available["VNPT"], against["VNPT"], work["VNPT"]) == (1, "Đạt", 0.1429)
    assert (available["Viettel"], against["Viettel"]) == (0.8356, "Không đạt")
    assert (available["fpt"], against["fpt"], gaps["fpt"]) == (None, "Chưa đo", 1)
    # The printed page has the span whole, and room for the codes of fonts.
    assert str(below.left.text).endswith(" đến trước 13/06/2021 00:00, tính trên thời gian đã đo và ngoài bảo trì")
    assert above.right.text == "Thời điểm: 08:00 ngày 13/06/2021"


def test_each_sheet_names_carriers_as_people_do(nights: Story, tmp_path: Path) -> None:
    """An id stands only for a carrier that the inventory has no more."""
    for report in REPORTS:
        assert nights.run("export", report, "--out", str(tmp_path / f"{report}.xlsx")) == 0
        with closing(load_workbook(tmp_path / f"{report}.xlsx")) as opened:
            for sheet in opened.worksheets:
                named = [cell.value for row in sheet.iter_rows(min_row=6) for cell in row]
                assert not {"viettel", "vnpt"} & set(named), (report, sheet.title)
                if "Doanh nghiệp" in [cell.value for cell in sheet[5]] and report != "surveys":
                    assert {"Viettel", "VNPT"} <= set(named), (report, sheet.title)


def test_where_no_night_is_recorded_nothing_is_100_percent(
    story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agree("{ percent: 90.0 }")
    out = tmp_path / "scorecard.xlsx"
    assert story.run("export", "scorecard", *WEEK, "--out", str(out)) == 0
    shown = capsys.readouterr().out
    line = "from 2021-06-06 00:00:00 +07:00 until 2021-06-13 00:00:00 +07:00"
    assert f"available {line}: not known, no verdict of that time is recorded" in shown
    assert "%" not in shown
    with closing(load_workbook(out)) as opened:
        sheet = opened.worksheets[0]
        assert "chưa ghi nhận lần kiểm tra nào từ 06/06/2021 00:00" in str(sheet["A3"].value)
        for name in ("Tỷ lệ thời gian có hình", "So với mức đã thỏa thuận", "Tỷ lệ thời gian chưa đo"):
            assert set(column(sheet, name).values()) == {None}
    printed = scorecard(story, capsys, *WEEK)
    assert printed["all_carriers"]["availability"] is None
    assert printed["availability_of"]["paths"] == 0


def test_a_limit_of_which_nothing_is_recorded_is_not_known(nights: Story, capsys: pytest.CaptureFixture[str]) -> None:
    assert nights.run("export", "scorecard", "--limit", "facility=kcl-bg-003") == 0
    assert "not known, no verdict of that time is recorded" in capsys.readouterr().out
    assert nights.run("export", "scorecard", "--limit", "host=relay-vnpt-1") == 0
    shown = capsys.readouterr().out
    assert "not known of a host alone" in shown
    assert "%" not in shown


def test_what_is_damaged_is_named_and_counts_as_not_measured(nights: Story, capsys: pytest.CaptureFixture[str]) -> None:
    before = scorecard(nights, capsys, *WEEK)
    file = state_folder_of(nights.environment, "example").file
    assert file is not None
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE provisioner_verdicts SET marks = x'00' WHERE run = 'night-1'")
    assert nights.run("--output", "json", "export", "scorecard", *WEEK) == 0
    shown = capsys.readouterr()
    after = json.loads(shown.out)
    assert "3 records cannot be read, and counts as not measured: bac-giang, entry" in shown.err
    assert len(after["availability_of"]["damaged"]) == 3
    one, other = (document["all_carriers"]["availability"]["unmeasured_s"] for document in (before, after))
    assert other > one


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["progress", "--from", "2021-06-01"], "progress is of no span of time", "they are for scorecard"),
        (["scorecard", "--from", "2021-06-13", "--until", "2021-06-06"], "ends before it begins", "--from is earlier"),
        (["scorecard", "--until", "soon"], "is not a time", "write YYYY-MM-DD"),
    ],
)
def test_a_time_that_cannot_be_is_refused(
    story: Story, words: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert story.run("export", *words) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert hint in shown
