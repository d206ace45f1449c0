"""What is broken is told with since when, and in how many verifications in a row; each verification is kept."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.record.availability.path_state import UNREAD
from provisioner.record.verdicts import read_since
from tests.histories import record_verdicts
from tests.recorded import Printed, RecordingController, applied_controller

PATH = "bac-giang/kcl-bg-001/cam-02/sub"
OTHER = "bac-giang/kcl-bg-001/cam-01/sub"


class Nightly:
    """A controller that verifies again and again."""

    def __init__(self, controller: RecordingController) -> None:
        self.controller, self.place = controller, controller.place

    def verify(self, *words: str) -> Printed:
        return self.controller.run("verify", "--once", *words)

    def incident(self) -> dict[str, Any]:
        document = self.verify("--output", "json").document
        (incident,) = [one for one in document["incidents"] if PATH in one["paths"]]
        return {name: incident[name] for name in ("since", "in_a_row")}


@pytest.fixture
def nightly(tmp_path: Path) -> Nightly:
    return Nightly(applied_controller(tmp_path))


def test_an_incident_says_since_when_and_how_often_in_a_row(nightly: Nightly) -> None:
    nightly.verify()
    nightly.controller.hosts.silent = {PATH}
    assert nightly.incident() == {"since": None, "in_a_row": None}
    first = read_since(nightly.place)[PATH]
    assert (first.verdict, first.looks) == ("down", 1)
    second = nightly.incident()
    assert second["in_a_row"] == 2
    out = nightly.verify("--html", str(nightly.controller.root / "report.html")).out
    assert "in 3 verifications in a row" in out
    assert "in 3 verifications in a row" in (nightly.controller.root / "report.html").read_text(encoding="utf-8")
    nightly.controller.hosts.silent = set()
    nightly.verify()
    said = read_since(nightly.place)[PATH]
    assert (said.verdict, said.last_up, said.looks) == ("up", said.last_look, 1)
    nightly.controller.hosts.silent = {PATH}
    assert nightly.incident() == {"since": None, "in_a_row": None}


def test_a_check_that_could_not_tell_leaves_the_row_as_it_is(nightly: Nightly) -> None:
    """So it is in `status` and on the page, which read the same state."""
    nightly.controller.hosts.silent = {PATH}
    nightly.verify()
    first = read_since(nightly.place)[PATH]
    record_verdicts(nightly.place, "run-x", first.last_look + timedelta(milliseconds=1), {PATH: UNREAD}, whole=False)
    assert nightly.incident()["in_a_row"] == 2
    now = read_since(nightly.place)[PATH]
    assert (now.since, now.looks, now.unknown_since) == (first.since, 2, None)


def test_status_says_why_with_since_when(nightly: Nightly) -> None:
    nightly.verify()
    nightly.controller.hosts.silent = {PATH}
    nightly.verify()
    nightly.verify()
    out = nightly.controller.run("status", "--why", "kcl-bg-001").out
    (line,) = [line for line in out.splitlines() if PATH in line]
    assert line.startswith(f"  - {PATH} down: ")
    assert "in 2 verifications in a row, last up 20" in line
    document = nightly.controller.run("status", "--why", "--output", "json").document
    failing = {one["facility"]: one["failing"] for one in document["facilities"]}
    assert [(one["path"], one["in_a_row"]) for one in failing.pop("kcl-bg-001")] == [(PATH, 2)]
    assert set(map(len, failing.values())) == {0}


def test_a_limit_keeps_what_was_looked_at_alone(nightly: Nightly) -> None:
    nightly.verify()
    before = read_since(nightly.place)
    nightly.controller.hosts.silent = {PATH, "quang-ninh/kcl-qn-001/cam-01/sub"}
    nightly.verify("--limit", "facility=kcl-bg-001")
    said = read_since(nightly.place)
    assert set(said) == set(before)
    assert (said[PATH].verdict, said[OTHER].looks) == ("down", 2)
    assert {path: one for path, one in said.items() if "kcl-bg-001" not in path} == {
        path: one for path, one in before.items() if "kcl-bg-001" not in path
    }
    assert said.carriers[PATH] == "viettel"


def test_a_full_disk_keeps_the_verification_and_says_so(nightly: Nightly) -> None:
    nightly.verify()
    before = read_since(nightly.place)
    file = nightly.place.file
    assert file is not None
    full = "CREATE TRIGGER full BEFORE INSERT ON provisioner_verdicts BEGIN SELECT RAISE(FAIL, 'disk is full'); END"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(full)
    nightly.controller.hosts.silent = {PATH}
    printed = nightly.verify()
    assert PATH in printed.out
    assert "this verification is not recorded" in printed.err
    assert dict(read_since(nightly.place)) == dict(before)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DROP TRIGGER full")
    assert nightly.controller.run("history", "verify").code == 0
