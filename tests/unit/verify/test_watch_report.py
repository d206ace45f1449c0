"""The file in which a watch reports: who reads it for how long, and what is left out of it."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provisioner.record.state_folder import StateFolder
from provisioner.verify.result import Verdict
from provisioner.verify.watch_report import WatchReport, file_of, read_reports, report_of, words_of, write_report
from provisioner.verify.watch_states import RelayView, WatchView
from tests.hostile import LOCAL_USER

NOW = datetime(2021, 5, 20, 1, 0, tzinfo=UTC)
PATHS = {"relay-1": ["bac-giang/kcl-bg-001/cam-01/sub", "bac-giang/kcl-bg-001/cam-02/sub"]}


def place(folder: Path) -> StateFolder:
    return StateFolder("test", folder / "state.db", remembered=folder / "head.json")


def report(known: datetime | None = NOW, began: datetime = NOW, at: datetime = NOW) -> WatchReport:
    relay = RelayView("relay-1", "viettel", known, 0.1, "")
    return report_of(WatchView(at, {}, (), (), (relay,)), PATHS, {}, began)


def written(folder: Path, at: datetime = NOW) -> Path:
    file = file_of(place(folder), {})
    assert file
    write_report(file, report(at, at, at))
    return file


@pytest.mark.parametrize(("seconds", "counts"), [(0, True), (59, True), (61, False), (-60, False), (86_400, False)])
def test_a_report_counts_for_a_minute(tmp_path: Path, seconds: int, *, counts: bool) -> None:
    written(tmp_path)
    reports, unreadable = read_reports(place(tmp_path), NOW + timedelta(seconds=seconds))
    assert (list(reports), list(unreadable)) == ([report()] if counts else [], [])


def test_a_damaged_file_that_no_watch_writes_any_more_is_no_finding(tmp_path: Path) -> None:
    file = written(tmp_path)
    file.write_bytes(file.read_bytes()[:40])
    assert read_reports(place(tmp_path), NOW) == ([], [file.name])
    os.utime(file, (0, 0))
    assert read_reports(place(tmp_path), NOW) == ([], [])


@LOCAL_USER
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "large"])
def test_a_file_that_is_no_report_is_named_and_not_followed(tmp_path: Path, kind: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    good = written(tmp_path / "elsewhere")
    file = tmp_path / "watch-0.json"
    if kind == "link":
        file.symlink_to(good)
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.write_bytes(b" " * 2**23 + good.read_bytes())
    assert read_reports(place(tmp_path), NOW) == ([], ["watch-0.json"])


def test_each_limit_has_its_file_and_none_has_the_name_of_a_facility(tmp_path: Path) -> None:
    limits = [{}, {"facility": ["kcl-bg-001"]}, {"facility": ["kcl-bg-001", "kcl-bg-002"]}, {"host": ["kcl-bg-001"]}]
    names = {file.name for limit in limits if (file := file_of(place(tmp_path), limit))}
    assert len(names) == len(limits)
    assert not any("kcl" in name for name in names)
    assert file_of(place(tmp_path), limits[2]) == file_of(place(tmp_path), {"facility": ["kcl-bg-002", "kcl-bg-001"]})


@pytest.mark.parametrize(
    ("known_s", "began_s", "verdicts"),
    [
        pytest.param(None, 5, set(), id="before the first answer nothing is said"),
        pytest.param(None, 90, {Verdict.UNKNOWN}, id="no answer for a minute"),
        pytest.param(5, 900, {Verdict.UP}, id="it answers"),
        pytest.param(61, 900, {Verdict.UNKNOWN}, id="its answer is old"),
    ],
)
def test_a_relay_says_that_paths_flow_only_while_it_answers(
    known_s: int | None, began_s: int, verdicts: set[Verdict]
) -> None:
    known = None if known_s is None else NOW - timedelta(seconds=known_s)
    words = dict(words_of(report(known, NOW - timedelta(seconds=began_s))))
    assert {word.verdict for word in words.values()} == verdicts
    assert not words or {path for path, _ in words} == {*PATHS["relay-1"]}
