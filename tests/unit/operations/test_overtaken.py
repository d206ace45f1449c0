"""A controller that another one has taken over from changes nothing any more, however late its call comes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import RELAY as RELAY_HOSTILE
from tests.recorded import RecordingController, recording_controller

RELAY = "relay-viettel-1"
APPLY = ("--output", "json", "apply", "--yes", "--allow", "trust=9")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RecordingController:
    """A controller that has applied twice, so that its hosts keep a state of before."""
    controller = recording_controller(tmp_path_factory.mktemp("made"))
    assert controller.run(*APPLY).code == 0
    close(controller)
    assert controller.run(*APPLY).code == 0
    return controller


def close(controller: RecordingController) -> None:
    path = controller.root / "facilities/bac-giang/kcl-bg-002.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("operating: open", "operating: closed"), encoding="utf-8")
    assert controller.run("allocate").code == 0


@pytest.fixture
def first(made: RecordingController, tmp_path: Path) -> RecordingController:
    return made.copy(tmp_path / "first")


@pytest.fixture
def second(first: RecordingController, tmp_path: Path) -> RecordingController:
    """Another controller of the same hosts, that shares no record with the first."""
    other = first.copy(tmp_path / "second")
    other.hosts = first.hosts
    return other


def hangs_before(controller: RecordingController, operation: str, meanwhile: Callable[[], None]) -> None:
    """Let a controller's next call of an operation to the relay come only after something else was done."""

    def wait(called: str, host: str) -> None:
        if (called, host) == (operation, RELAY):
            controller.hosts.before = lambda *_of: None
            meanwhile()

    controller.hosts.before = wait


def stop_unit(controller: RecordingController) -> None:
    controller.hosts.hosts[RELAY].units.discard("provisioner-nft.service")


def test_an_apply_that_comes_late_changes_nothing_though_the_host_is_as_it_was(
    first: RecordingController, second: RecordingController
) -> None:
    relay = first.hosts.hosts[RELAY]
    stop_unit(first)

    def taken_over() -> None:
        assert second.run(*APPLY).code == 0
        stop_unit(first)

    hangs_before(first, "apply", taken_over)
    late = first.run(*APPLY)
    (host,) = [one for one in late.document["hosts"] if one["host"] == RELAY]
    assert (late.code, host["outcome"]) == (8, "not-started")
    assert host["cause"].startswith("another run has taken the host over: run ")
    assert " began here at " in host["cause"]
    assert "provisioner-nft.service" not in relay.units, "what the plan would have mended is as it was"
    # Who plans anew sees what was taken, and goes on.
    assert first.run(*APPLY).code == 0
    assert "provisioner-nft.service" in relay.units


def test_a_rollback_that_comes_late_changes_nothing(first: RecordingController, second: RecordingController) -> None:
    relay = first.hosts.hosts[RELAY]
    stop_unit(first)

    def taken_over() -> None:
        assert second.run(*APPLY).code == 0

    hangs_before(first, "rollback", taken_over)
    before = relay.writes
    late = first.run("--output", "json", "rollback", RELAY, "--yes")
    assert late.code == 8, late
    assert relay.writes == before + 1, "the other controller's apply alone"


def test_each_run_of_any_controller_has_a_higher_one(first: RecordingController, second: RecordingController) -> None:
    relay, numbers = first.hosts.hosts[RELAY], []
    for controller in (first, second, second, first):
        stop_unit(first)
        assert controller.run(*APPLY).code == 0
        assert relay.epoch is not None
        numbers.append(relay.epoch["number"])
    assert numbers == sorted(set(numbers))


@RELAY_HOSTILE
@pytest.mark.parametrize("number", [-1, 10**12 + 1, 2**63 - 1, 2**80, "7", 1.5, True])
def test_a_host_whose_number_is_none_holds_back_itself_alone(first: RecordingController, number: Any) -> None:
    relay, other = first.hosts.hosts[RELAY], first.hosts.hosts["relay-vnpt-1"]
    stop_unit(first)
    other.units.discard("provisioner-nft.service")
    relay.epoch = {"number": number, "run": "x", "who": "", "at": ""}
    done = first.run(*APPLY)
    outcomes = {one["host"]: one["outcome"] for one in done.document["hosts"]}
    assert (done.code, outcomes["relay-vnpt-1"]) == (5, "applied")
    assert "provisioner-nft.service" not in relay.units
    assert "epoch" in str(done.document), done.document
