"""`history`: runs that were recorded, one with its steps, and the proof that none was changed."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from provisioner.cli.main import run
from provisioner.cli.support import session
from provisioner.cli.support.context import Stop
from provisioner.record.entries import Event, Operation
from provisioner.record.event_log import EventLog
from provisioner.record.state_folder import StateFolder, state_folder_of
from provisioner.record.store import open_history
from tests import histories
from tests.example_terminal import ExampleTerminal, applied
from tests.hostile import LOCAL_USER

EXAMPLE = Path(__file__).parents[3] / "inventories/example"
TODAY = date(2021, 6, 13)
MINUTE = timedelta(minutes=1)


class Desk:
    """The command over the example with a history of its own."""

    def __init__(self, place: StateFolder, environment: dict[str, str]) -> None:
        self.place = place
        self.environment = environment

    def call(self, *arguments: str) -> int:
        return run(["-i", str(EXAMPLE), *arguments], self.environment)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(session, "today", lambda: TODAY)
    environment = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "NO_COLOR": "1"}
    return Desk(state_folder_of(environment, "example"), environment)


def _events() -> Iterator[Event]:
    start = histories.START + 2 * histories.HOUR
    yield Event("", "run", "begin", {"plan": "all of it"}, at=start)
    yield Event("relay-1", "switch", "failed", {"cause": "no path came back"}, at=start + MINUTE)
    yield Event("", "run", "paused", at=start + 2 * MINUTE)


@pytest.fixture
def recorded(desk: Desk) -> Desk:
    """A verification, an apply that has ended, and one that pauses."""
    with closing(open_history(desk.place)) as store, closing(EventLog(desk.place)) as log:
        store.end(histories.run(1), histories.ending(1, document={"schema": "x"}))
        apply = histories.run(2, Operation.APPLY, plan="sha256:p", who={"user": "noc", "approval": "MR 7"})
        store.begin(apply, ["relay-1"])
        for event in _events():
            log.add("run-2", event)
        store.end(apply, histories.ending(2, outcome="rolled-back", document={"journal": log.digest_of("run-2")}))
        store.begin(histories.run(3, Operation.APPLY), ["relay-1"])
        for event in _events():
            log.add("run-3", event)
    return desk


def test_without_a_run_there_is_nothing_to_show(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.call("history") == 2
    assert "no run was ever recorded here" in capsys.readouterr().err


def test_runs_are_listed_newest_first_with_their_state(recorded: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert recorded.call("history", "--rows", "2") == 0
    assert capsys.readouterr().out.splitlines() == [
        "2021-05-08 12:00:00 +07:00  run-3  apply  paused  noc@controller",
        "2021-05-08 11:00:00 +07:00  run-2  apply  rolled-back  noc@",
    ]
    assert recorded.call("--output", "json", "history") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["command"]) == ("provisioner/history", "list")
    assert [(one["run"], one["state"], one["hosts"]) for one in document["runs"]] == [
        ("run-3", "paused", ["relay-1"]),
        ("run-2", "rolled-back", ["relay-1"]),
        ("run-1", "up", []),
    ]


def test_one_run_is_shown_with_its_steps_and_causes(recorded: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert recorded.call("history", "run-2") == 0
    assert capsys.readouterr().out.splitlines() == [
        *("run run-2: apply, rolled-back", "by noc@", "approved by: MR 7", "plan sha256:p, inventory sha256:d1"),
        "2021-05-08 11:00:00 +07:00  run  run begin",
        "2021-05-08 11:01:00 +07:00  relay-1  switch failed: no path came back",
        "2021-05-08 11:02:00 +07:00  run  run paused",
    ]
    assert recorded.call("--output", "json", "history", "run-2") == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document["document"]) == ["journal"]
    assert "detail" not in document["steps"][0]
    assert document["steps"][1]["detail"] == {"cause": "no path came back"}
    assert recorded.call("history", "run-9") == 2
    capsys.readouterr()
    assert recorded.call("history", "show", "run-2") == 0
    assert capsys.readouterr().out.splitlines()[0] == "run run-2: apply, rolled-back"


@LOCAL_USER
def test_a_step_at_the_end_of_time_is_damage_and_takes_no_command_down(
    recorded: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recorded.place.file is not None
    with closing(sqlite3.connect(recorded.place.file)) as connection:
        connection.execute("UPDATE provisioner_events SET at = 253402300799000000 WHERE run = 'run-2'")
        connection.commit()
    recorded.call("history", "run-2")
    assert "internal error" not in capsys.readouterr().err.lower()
    assert recorded.call("history", "verify") == 1


def test_a_journal_that_was_changed_is_a_fault(recorded: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert recorded.call("history", "verify") == 0
    assert "is whole; its head is sha256:" in capsys.readouterr().out
    assert recorded.place.file is not None
    with closing(sqlite3.connect(recorded.place.file)) as connection:
        connection.execute("UPDATE provisioner_events SET host = 'relay-9' WHERE run = 'run-2' AND step = 'switch'")
        connection.commit()
    assert recorded.call("--output", "json", "history", "verify") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert document["faults"] == [{"number": 0, "message": "the journal of run run-2 was changed"}]


def test_options_of_verify_may_stand_before_the_word(recorded: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for words in (("history", "verify", "--lost", "900-901"), ("history", "--lost", "900-901", "verify")):
        code = recorded.call(*words)
        printed.append((code, capsys.readouterr().out))
    assert printed[0] == printed[1]


FACILITY = "facilities/bac-giang/kcl-bg-002.yml"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> ExampleTerminal:
    return applied(ExampleTerminal, tmp_path, monkeypatch, capsys)


def test_an_interrupt_after_the_last_host_leaves_nothing_to_resume(
    example: ExampleTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Stop()
    monkeypatch.setattr(Stop, "__call__", lambda _self: stop.asked)

    def interrupt(operation: str, _host: str) -> None:
        stop.asked = stop.asked or operation == "confirm"

    example.hosts.before = interrupt
    assert example("facility", "close", "kcl-bg-002")[0] == 0
    assert example("allocate")[0] == 0
    code, out, err = example("apply", "--yes")
    assert code == 130, out + err
    assert "a fresh plan is empty" in out
    code, document = example.document("history")
    assert next(run["state"] for run in document["runs"] if run["operation"] == "apply") == "applied"
    stop.asked = False
    code, _, err = example("apply", "--resume", "--yes")
    assert (code, "no run" in err) == (2, True), err
