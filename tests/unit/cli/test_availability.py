"""`availability` over nights that were recorded: shares, levels, spans, what was known when, and bad input."""

import json
import multiprocessing
import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.base import processes
from provisioner.base.text import VIETNAM
from provisioner.cli.main import run
from provisioner.operations.questions import availability
from provisioner.record import verdicts
from provisioner.record.availability.path_state import StoredVerdict
from provisioner.record.state_folder import StateFolder, state_folder_of
from provisioner.record.verdicts import ReadLooks
from tests.histories import record_verdicts
from tests.unit.docs.pages import fences, text_of

UP, DOWN = StoredVerdict("up", level=7), StoredVerdict("down", "camera unplugged", 2)
DEGRADED, WORK = StoredVerdict("degraded", "drift"), StoredVerdict("down", "tunnel down", 1, maintenance=True)
ONE, TWO = "bac-giang/kcl-bg-001/cam-01/sub", "bac-giang/kcl-bg-001/cam-02/sub"
OTHER, FAR = "bac-giang/kcl-bg-002/cam-01/sub", "quang-ninh/kcl-qn-001/cam-01/sub"
CARRIERS = {ONE: "viettel", TWO: "viettel", OTHER: "viettel", FAR: "vnpt"}
WEEK = ("--from", "2021-05-08", "--until", "2021-05-15")
DAY_S = 86_400
SETTINGS = Path(__file__).parents[3] / "inventories/example/inventory.yml"


def record(state: Path, day: int, changed: Mapping[str, StoredVerdict]) -> None:
    """Record the night before a day of May."""
    at = datetime(2021, 5, 1, tzinfo=VIETNAM) + timedelta(days=day - 1)
    place = state_folder_of({"PROVISIONER_STATE": str(state)}, "example")
    record_verdicts(place, f"run-{day}", at, dict.fromkeys(CARRIERS, UP) | dict(changed), CARRIERS)


class Nights:
    """The program with a copy of the example's settings, and a history of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = folder / "example", capsys
        self.root.mkdir()
        shutil.copy(SETTINGS, self.root)
        self.environment = {"PROVISIONER_STATE": str(folder / "state")}
        self.file = folder / "state/example/state.db"

    def record(self, day: int, changed: Mapping[str, StoredVerdict]) -> None:
        record(self.file.parents[1], day, changed)

    def agree(self, text: str) -> None:
        file = self.root / "inventory.yml"
        said = file.read_text(encoding="utf-8").replace("policy:\n", f"policy:\n  availability: {text}\n")
        file.write_text(said, encoding="utf-8")

    def __call__(self, *words: str) -> tuple[int, str, str]:
        code = run(["-i", str(self.root), "availability", *words], self.environment)
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err

    def document(self, *words: str) -> dict[str, Any]:
        _, out, _ = self("--output", "json", *words)
        document: dict[str, Any] = json.loads(out)
        return document

    def rows(self, *words: str) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in self.document(*words)["rows"]}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two weeks: one camera down in the second, one degraded for a night, a carrier's work, and a night left out."""
    folder = tmp_path_factory.mktemp("nights")
    for day in range(1, 15):
        seen = {TWO: DOWN} if day in {9, 10, 12} else {}
        seen |= {OTHER: DEGRADED} if day == 11 else {}
        seen |= {FAR: WORK} if day == 13 else {}
        if day != 3:
            record(folder / "state", day, seen)
    return folder / "state"


@pytest.fixture
def nights(tmp_path: Path, recorded: Path, capsys: pytest.CaptureFixture[str]) -> Nights:
    shutil.copytree(recorded, tmp_path / "state")
    return Nights(tmp_path, capsys)


def test_shares_are_of_what_was_measured_and_the_worst_stands_first(nights: Nights) -> None:
    code, out, err = nights("--by", "camera", *WEEK)
    assert (code, err) == (0, "")
    table = out.split("\n\n")[1].splitlines()
    assert [line.split()[0] for line in table[1:]] == [
        *("bac-giang/kcl-bg-001/cam-02", "bac-giang/kcl-bg-001/cam-01", "bac-giang/kcl-bg-002/cam-01"),
        *("quang-ninh/kcl-qn-001/cam-01", "all"),
    ]
    assert table[1].split()[2:4] == ["57.14", "%"]
    rows = nights.rows("--by", "camera", *WEEK)
    worst = rows["bac-giang/kcl-bg-001/cam-02"]
    assert (worst["up_s"], worst["down_s"], worst["outages"]) == (4 * DAY_S, 3 * DAY_S, 2)
    assert (
        rows["bac-giang/kcl-bg-002/cam-01"] | {"degraded_s": DAY_S, "available": 1}
        == rows["bac-giang/kcl-bg-002/cam-01"]
    )
    far = rows["quang-ninh/kcl-qn-001/cam-01"]
    assert (far["up_s"], far["maintenance_s"], far["available"]) == (6 * DAY_S, DAY_S, 1)


@pytest.mark.parametrize("by", ["camera", "facility", "carrier", "province", "all"])
def test_rows_come_to_the_whole_whatever_they_are_about(nights: Nights, by: str) -> None:
    document = nights.document("--by", by, *WEEK, "--against-before")
    for name in ("paths", "up_s", "degraded_s", "down_s", "maintenance_s", "unmeasured_s", "outages"):
        assert sum(row[name] for row in document["rows"]) == document["total"][name]
    assert document["total"]["before"]["available"] == 1


def test_a_night_left_out_is_not_measured_and_never_up(nights: Nights) -> None:
    total = nights.document("--by", "all", "--from", "2021-05-01", "--until", "2021-05-08")["total"]
    assert total["unmeasured_s"] == 4 * 22 * 3600
    assert total["available"] == 1
    _, out, _ = nights("--by", "all", "--from", "2021-05-01", "--until", "2021-05-08")
    assert "13.10 % of the time is not measured" in out.splitlines()[-1]


def test_the_week_is_shown_beside_the_week_before(nights: Nights) -> None:
    _, out, _ = nights(*WEEK, "--against-before")
    (line,) = [line for line in out.splitlines() if line.startswith("kcl-bg-001")]
    assert line.split()[2:7] == ["78.57", "%", "100.00", "%", "-21.43"]


def test_what_was_known_then_comes_out_as_it_did(nights: Nights) -> None:
    words = ("--by", "all", "--as-of", "2021-05-09T12:00", "--from", "2021-05-08")
    before = nights.document(*words)
    nights.record(20, {ONE: DOWN})
    assert nights.document(*words) == before
    assert before["until"] == "2021-05-09T12:00:00+07:00"
    assert before["total"]["down_s"] == DAY_S / 2


def test_an_agreed_level_that_is_missed_is_named_and_ends_with_1(nights: Nights) -> None:
    nights.agree("{ percent: 80, carriers: { vnpt: 99.5 }, facilities: { kcl-bg-001: 78.58 } }")
    code, out, _ = nights(*WEEK)
    assert code == 1
    assert "1 of 3 facilities below the agreed level: kcl-bg-001 78.57 % of 78.58 %" in out
    rows = nights.rows(*WEEK)
    assert {name: (row["agreed_percent"], row["kept"]) for name, row in rows.items()} == {
        "kcl-bg-001": (78.58, "missed"),
        "kcl-bg-002": (80, "met"),
        "kcl-qn-001": (99.5, "met"),
    }
    assert nights("--by", "carrier", *WEEK)[0] == 0


def test_a_level_of_what_nobody_measured_was_not_kept(nights: Nights) -> None:
    nights.agree("{ percent: 50 }")
    nights.record(40, dict.fromkeys(CARRIERS, StoredVerdict("unknown", "cannot check")))
    code, out, _ = nights("--from", "2021-06-09", "--until", "2021-06-10")
    assert code == 1
    assert "3 of 3 facilities not measured at all, against an agreed level" in out


@pytest.mark.parametrize("by", ["facility", "carrier", "all"])
def test_a_level_before_the_first_verification_was_not_kept(nights: Nights, by: str) -> None:
    nights.file.unlink()
    nights.agree("{ percent: 99 }")
    code, out, _ = nights("--by", by)
    assert code == 1
    assert out.splitlines()[-1].endswith("it is not measured, against an agreed level of 99 %")
    total = nights.document("--by", by)["total"]
    assert (total["agreed_percent"], total["kept"]) == (99, "not measured")


def test_a_limit_takes_what_is_in_the_record(nights: Nights) -> None:
    assert set(nights.rows(*WEEK, "--limit", "province=bac-giang")) == {"kcl-bg-001", "kcl-bg-002"}
    assert set(nights.rows(*WEEK, "--limit", "carrier=vnpt")) == {"kcl-qn-001"}
    assert set(nights.rows(*WEEK, "--limit", "facility=kcl-bg-002")) == {"kcl-bg-002"}


BAD: dict[str, tuple[tuple[str, ...], int, str]] = {
    "a facility that is not there": ((*WEEK, "--limit", "facility=kcl-bg-003"), 2, "did you mean kcl-bg-002"),
    "a host": (("--limit", "host=relay-1"), 2, "a host has no availability"),
    "no day": (("--from", "2021-05-32"), 2, "write YYYY-MM-DD"),
    "no moment": (("--as-of", "soon\x1b[2J"), 2, "write YYYY-MM-DD"),
    "backwards": (("--from", "2021-05-15", "--until", "2021-05-08"), 2, "ends before it begins"),
    "before it was known": (("--from", "2021-05-10", "--as-of", "2021-05-09"), 2, "ends before it begins"),
    "no kind of row": (("--by", "relay"), 2, "relay"),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_input_is_a_sentence(nights: Nights, bad: str) -> None:
    words, expected, sentence = BAD[bad]
    code, out, err = nights(*words)
    assert (code, out) == (expected, "")
    assert sentence in err
    assert "\x1b" not in err


def test_a_name_in_the_policy_of_which_nothing_is_kept_is_warned_of(nights: Nights) -> None:
    nights.agree("{ facilities: { kcl-bg-01: 99 }, carriers: { viettle: 99 } }")
    code, _, err = nights(*WEEK)
    assert code == 1
    assert "names facility kcl-bg-01" in err
    assert "names carrier viettle" in err


def test_nothing_recorded_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = Nights(tmp_path, capsys)(*WEEK)
    assert code == 0
    assert "no verdict of that time is recorded" in err
    assert out.splitlines()[-1] == "no path was checked in this time: it is not measured"


def change(nights: Nights, statement: str) -> None:
    with closing(sqlite3.connect(nights.file)) as connection, connection:
        connection.execute(statement)


DAMAGES: dict[str, Callable[[Nights], None]] = {
    "marks": lambda nights: change(nights, "UPDATE provisioner_verdicts SET marks = x'00' WHERE number = 8"),
    "a text for a moment": lambda nights: change(
        nights, "UPDATE provisioner_verdicts SET run = x'ff' WHERE number = 8"
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_is_named_and_counts_as_not_measured(nights: Nights, damage: str) -> None:
    DAMAGES[damage](nights)
    code, _, err = nights("--by", "province", *WEEK)
    assert code == 0
    assert "2 records cannot be read, and counts as not measured: bac-giang, entry 8, quang-ninh, entry 8" in err
    assert nights.rows("--by", "province", *WEEK)["bac-giang"]["unmeasured_s"] == 3 * DAY_S


DAMAGES_OF_MORE = DAMAGES | {
    "nothing": lambda _nights: None,
    "a text for a number": lambda nights: change(
        nights, "UPDATE OR IGNORE provisioner_verdicts SET number = 'zz' WHERE number = 8"
    ),
    "a province that is none": lambda nights: change(
        nights, "UPDATE OR IGNORE provisioner_verdicts SET province = 'bac-giang/x' WHERE number = 8"
    ),
    "no such list": lambda nights: change(nights, "UPDATE provisioner_verdicts SET paths = 'x' WHERE number = 8"),
}


@pytest.fixture
def side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are enough for other processes to help."""
    monkeypatch.setattr(availability, "_MANY_ROWS", 1)
    monkeypatch.setattr(availability, "_MANY_PIECES", 2)
    monkeypatch.setattr(processes, "can_fork", lambda: True)
    monkeypatch.setattr(processes, "processes", lambda: 2)


BY = ("camera", "carrier", "province")


@pytest.mark.parametrize(
    ("by", "damage"),
    [
        # Each damage once is a sample: every damage of every table is the soak's.
        pytest.param(by, damage, marks=() if (number + row) % len(BY) == 0 else pytest.mark.soak)
        for number, by in enumerate(BY)
        for row, damage in enumerate(DAMAGES_OF_MORE)
    ],
)
def test_several_processes_equal_one(nights: Nights, request: pytest.FixtureRequest, by: str, damage: str) -> None:
    DAMAGES_OF_MORE[damage](nights)
    words = ("--by", by, *WEEK, "--against-before")
    alone, chosen = nights(*words), nights(*words, "--limit", "carrier=viettel")
    request.getfixturevalue("side_by_side")
    assert nights(*words) == alone
    assert nights(*words, "--limit", "carrier=viettel") == chosen


@pytest.mark.usefixtures("side_by_side")
def test_what_a_killed_process_had_to_read_is_read_here(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, read = nights("--by", "camera", *WEEK), verdicts.read_span

    def dies(*arguments: Any) -> ReadLooks:
        if multiprocessing.parent_process():
            os._exit(9)
        return read(*arguments)

    monkeypatch.setattr(availability, "read_span", dies)
    assert nights("--by", "camera", *WEEK) == expected


@pytest.mark.usefixtures("side_by_side")
def test_a_run_that_is_recorded_meanwhile_is_in_no_part_of_it(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, extent_of = nights("--by", "province", *WEEK), verdicts.read_extent

    def late(place: StateFolder, *arguments: Any) -> verdicts.Extent | None:
        extent = extent_of(place, *arguments)
        at = datetime(2021, 5, 12, 12, tzinfo=VIETNAM)
        record_verdicts(place, "late", at, dict.fromkeys(CARRIERS, DOWN), CARRIERS)
        return extent

    with monkeypatch.context() as patch:
        patch.setattr(availability, "read_extent", late)
        assert nights("--by", "province", *WEEK) == expected
    assert nights("--by", "province", *WEEK) != expected


def test_an_inventory_that_is_none_is_told(tmp_path: Path, nights: Nights) -> None:
    (nights.root / "inventory.yml").write_text("version: 1\nid: example\npools: 3\n", encoding="utf-8")
    code, _, err = nights(*WEEK)
    assert code == 3
    assert "inventory.yml:" in err
    (nights.root / "inventory.yml").unlink()
    assert nights(*WEEK)[0] == 3
    (nights.root / "inventory.yml").symlink_to(tmp_path / "elsewhere.yml")
    (tmp_path / "elsewhere.yml").write_text("id: example\n", encoding="utf-8")
    code, _, err = nights(*WEEK)
    assert code == 3
    assert "a link out of the inventory" in err


def test_the_page_shows_what_is_printed(nights: Nights) -> None:
    (fence,) = [one for one in fences(text_of("docs/daily/availability.md")) if one.language == "console"]
    nights.agree("{ percent: 99.0, carriers: { viettel: 99.5 } }")
    command, *printed = fence.lines
    code, out, _ = nights(*command.removeprefix("$ provisioner availability ").split())
    assert (code, out.splitlines()) == (1, printed)
