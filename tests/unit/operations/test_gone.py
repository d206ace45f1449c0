"""A run whose controller was killed ends with the next command that reads its hosts, and with what they say of it."""

from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.operations.apply import execution
from tests.hostile import LOCAL_USER
from tests.recorded import RecordingController, recording_controller

from .test_record import KilledError, close_facility

RELAY_1, RELAY_2 = "relay-viettel-1", "relay-vnpt-1"
ALL = ("apply", "--yes", "--allow", "trust=9", "--allow", "deletion_percent=100")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RecordingController:
    controller = recording_controller(tmp_path_factory.mktemp("gone"))
    assert controller.run(*ALL).code == 0
    return controller


@pytest.fixture
def controller(recorded: RecordingController, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordingController:
    """A controller on which no run that was killed is taken for one that lives."""
    monkeypatch.setattr(execution, "SILENT", timedelta(0))
    return recorded.copy(tmp_path / "copy")


def kill(controller: RecordingController, operation: str, *, after: bool = False) -> None:
    """Let an apply be killed before an operation, or right after it."""

    def die(called: str, _host: str) -> None:
        if called == operation:
            raise KilledError

    setattr(controller.hosts, "after" if after else "before", die)
    with pytest.raises(KilledError):
        controller.run(*ALL)
    controller.hosts.before = controller.hosts.after = lambda *_of: None


def killed(controller: RecordingController, operation: str) -> str:
    """Let an apply be killed before an operation, and each host that waits return by itself: the run."""
    close_facility(controller, "quang-nam/kcl-qn-001")
    close_facility(controller)
    kill(controller, operation)
    for host in controller.hosts.hosts.values():
        if host.armed is not None:
            run = host.armed["run"]
            before = host.last_good or {}
            host.__dict__.update(before)
            host.armed = None
            host.receipts[run] = ("rolled-back", "no word came")
    (run,) = [past["run"] for past in listed(controller) if past["finished_at"] is None]
    return str(run)


def listed(controller: RecordingController) -> list[dict[str, str]]:
    runs: list[dict[str, str]] = controller.run("--output", "json", "history").document["runs"]
    return runs


def state(controller: RecordingController, run: str) -> str:
    return next(past["state"] for past in listed(controller) if past["run"] == run)


@pytest.mark.parametrize("operation", ["apply", "look", "confirm"])
def test_a_killed_run_ends_with_the_next_apply_of_its_hosts(controller: RecordingController, operation: str) -> None:
    run = killed(controller, operation)
    assert state(controller, run) == "unfinished"
    for command in ("history", "status"):
        assert f"run {run} has not ended" in controller.run(command).err
    later = controller.run("--output", "json", *ALL)
    assert (later.code, later.document["closed"]) == (0, [{"run": run, "outcome": "rolled-back"}])
    assert state(controller, run) == "rolled-back"
    assert controller.run("history").err == ""
    assert "has not ended" not in controller.run("status").err
    assert controller.run("apply", "--resume").code == 2
    assert controller.check("--hosts").code == 0
    assert controller.run("--output", "json", "plan").document["summary"]["hosts"] == 0


def test_a_run_that_was_killed_behind_its_confirmations_ends_as_applied(controller: RecordingController) -> None:
    close_facility(controller, "quang-nam/kcl-qn-001")
    kill(controller, "confirm", after=True)
    assert [past["state"] for past in listed(controller)].count("unfinished") == 1
    later = controller.run(*ALL)
    assert (later.code, "had been killed and is recorded as applied now" in later.out) == (0, True), later
    assert later.out.splitlines()[-1] == "nothing to do"


def test_a_run_one_of_whose_hosts_was_not_read_goes_on_being_unfinished(controller: RecordingController) -> None:
    run = killed(controller, "look")
    controller.hosts.hosts[RELAY_2].reachable = False
    controller.run(*ALL)
    assert state(controller, run) == "unfinished"
    assert controller.run(*ALL, "--limit", f"host={RELAY_1}").code == 0
    assert state(controller, run) == "unfinished"
    controller.hosts.hosts[RELAY_2].reachable = True
    controller.run(*ALL)
    assert state(controller, run) != "unfinished"


def test_a_run_that_may_live_is_left_alone(controller: RecordingController, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "SILENT", timedelta(minutes=5))
    run = killed(controller, "look")
    assert controller.run(*ALL).code == 0
    assert state(controller, run) == "unfinished"


def test_a_host_that_waits_for_the_run_is_left_to_its_own_switch(controller: RecordingController) -> None:
    close_facility(controller, "quang-nam/kcl-qn-001")
    kill(controller, "confirm")
    armed = {name for name, host in controller.hosts.hosts.items() if host.armed}
    assert armed
    assert controller.run(*ALL).code == 9
    assert {name for name, host in controller.hosts.hosts.items() if host.armed} == armed
    assert "unfinished" in {past["state"] for past in listed(controller)}


@LOCAL_USER
def test_a_run_that_somebody_without_the_key_began_is_not_sealed_as_ended(controller: RecordingController) -> None:
    run = killed(controller, "look")
    with controller.tampered() as connection:
        connection.execute("UPDATE provisioner_events SET host = ? WHERE run = ? AND host != ''", (RELAY_1, run))
    controller.run(*ALL)
    assert state(controller, run) == "unfinished"
