"""A relay that lies while it is changed: it keeps nobody waiting, and what the journal knows is not unsaid by it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.operations.rollout.dispatcher import StartedHost
from provisioner.operations.rollout.result import HostOutcome, HostResult, outcome_of
from provisioner.operations.rollout.waves import roll_out
from provisioner.record.entries import JournalStep
from tests.hostile import RELAY
from tests.odd import OddHosts
from tests.simulated import MemoryJournal
from tests.unit.operations.rollout.world import Controller, state

ODD, OTHER = "relay-viettel-1", "centre"
DESIRED = state({"kcl-bg-001": 2})


class Gone(BaseException):
    """The controller's death."""


class Deaf:
    """Hosts one of which never answers some operations, and says for ever that it waits."""

    def __init__(self, controller: Controller, deaf_to: Sequence[str]) -> None:
        self.controller, self.deaf_to = controller, deaf_to
        self.calls = 0

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """No answer after all the time there is, or that it waits."""
        answers = self.controller.hosts.call(calls, timeout_s=timeout_s)
        for call in calls:
            operation = call.request["operation"]
            if call.spec.id != ODD or operation == "observe":
                continue
            self.calls += 1
            assert self.calls < 500, "it goes on for ever"
            if operation in self.deaf_to:
                self.controller.clock.now += timeout_s
                answers[ODD] = HostAnswer(ODD, CallOutcome.UNREACHABLE, error="no answer")
            elif operation == "status":
                waits = {"outcome": "armed", "cause": "", "steps": [], "run": "run-1"}
                answers[ODD] = replace(answers[ODD], outcome=CallOutcome.ANSWERED, document=waits)
        return answers


@RELAY
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("deaf_to", [("confirm", "abort"), ("look", "abort"), ("abort",), ("confirm",)])
def test_a_relay_that_says_for_ever_that_it_waits_is_not_waited_for(deaf_to: Sequence[str], *, dark: bool) -> None:
    controller = Controller()
    jobs = controller.jobs(DESIRED)
    if dark:
        controller.hosts.hosts[ODD].dark = {path.name for path in DESIRED.hosts[ODD].paths}
    options = controller.options(max_failed=1)
    done = roll_out(jobs, "run-1", Deaf(controller, deaf_to), options, MemoryJournal())
    results = {result.host: result for result in done.results}
    assert results[OTHER].outcome is HostOutcome.APPLIED
    assert controller.clock.now < 3600
    if results[ODD].outcome is HostOutcome.UNREACHABLE:
        assert "/var/lib/provisioner/receipts/run-1.json" in results[ODD].cause


def died_after(controller: Controller, step: str, outcome: str) -> None:
    """Let the controller die as soon as it has written a step of the odd relay."""
    journal = controller.journals.setdefault("run-2", MemoryJournal())
    jobs = [job for job in controller.jobs(DESIRED) if job.spec.id == ODD]

    class Mortal(MemoryJournal):
        """A journal whose writer dies."""

        def write(self, written: JournalStep) -> None:
            """Write, and die."""
            journal.write(written)
            if (written.step, written.state) == (step, outcome):
                raise Gone

    with pytest.raises(Gone):
        roll_out(jobs, "run-2", controller.hosts, controller.options(), Mortal())


def applied_before() -> Controller:
    """A controller over hosts that hold one camera less than they should."""
    controller = Controller()
    controller.apply(state({"kcl-bg-001": 1}), "run-1")
    return controller


def waiting(controller: Controller) -> Any:
    """The job of the odd relay, as the plan had it."""
    return next(job for job in controller.jobs(DESIRED) if job.spec.id == ODD)


def test_a_gate_that_failed_before_the_controller_died_stays_so_though_the_picture_is_back() -> None:
    controller = applied_before()
    job = waiting(controller)
    relay = controller.hosts.hosts[ODD]

    def blacken(operation: str, _host: str) -> None:
        if operation == "apply":
            relay.dark = {path.name for path in DESIRED.hosts[ODD].paths}

    controller.hosts.after = blacken
    died_after(controller, "gate", "failed")
    relay.dark = set()
    progress = controller.progress("run-2")
    assert progress.started[ODD].gate_failed.startswith("no picture after the change")
    (result,) = roll_out(
        [job], "run-2", controller.hosts, controller.options(), MemoryJournal(), progress=progress
    ).results
    assert result.outcome is HostOutcome.ROLLED_BACK
    assert result.cause.startswith("path gate: no picture after the change")
    assert [operation for operation, _ in controller.hosts.calls[-2:]] == ["status", "abort"]


@pytest.mark.parametrize("gate_failed", ["", "no picture"])
def test_a_host_that_returns_by_hand_has_failed_only_if_its_gate_had(gate_failed: str) -> None:
    controller = applied_before()
    job = waiting(controller)
    died_after(controller, "armed", "done")
    started = {ODD: StartedHost(armed=True, gate_failed=gate_failed)}
    progress = replace(controller.progress("run-2"), started=started)
    options, journal = controller.options(), MemoryJournal()
    done = roll_out([job], "run-2", controller.hosts, options, journal, progress=progress, abort="by hand")
    (result,) = done.results
    assert (result.outcome, result.is_failure) == (HostOutcome.ROLLED_BACK, bool(gate_failed)), result
    ends = [step for step in journal.steps if step.step == "end"]
    assert [step.detail.get("taken_back") for step in ends] == [None], "a resumed run takes it for a failure"


@RELAY
@pytest.mark.parametrize("word", ["not-started", "refused"])
def test_a_relay_that_was_armed_before_the_controller_died_is_never_told_as_not_started(word: str) -> None:
    controller = applied_before()
    job = waiting(controller)
    died_after(controller, "armed", "done")
    odd = OddHosts(controller.hosts, ODD, lambda _operation, document: document | {"outcome": word})
    progress = controller.progress("run-2")
    (result,) = roll_out([job], "run-2", odd, controller.options(), MemoryJournal(), progress=progress).results
    assert (result.outcome, result.refusal) == (HostOutcome.UNREACHABLE, None)
    assert "what became of the change is not known" in result.cause


@RELAY
def test_a_relay_whose_gate_had_failed_is_not_believed_that_somebody_confirmed_it() -> None:
    controller = applied_before()
    job = waiting(controller)
    died_after(controller, "armed", "done")
    odd = OddHosts(controller.hosts, ODD, lambda _operation, document: document | {"outcome": "applied"})
    failed = {ODD: StartedHost(armed=True, gate_failed="no picture")}
    progress = replace(controller.progress("run-2"), started=failed)
    (result,) = roll_out([job], "run-2", odd, controller.options(), MemoryJournal(), progress=progress).results
    assert result.outcome is HostOutcome.UNREACHABLE
    assert "answered “applied” to status" in result.cause


def test_a_change_that_was_about_to_be_confirmed_may_have_been() -> None:
    controller = applied_before()
    job = waiting(controller)
    died_after(controller, "confirm", "begin")
    progress = controller.progress("run-2")
    assert progress.started[ODD] == StartedHost(armed=True, confirming=True)
    (result,) = roll_out(
        [job], "run-2", controller.hosts, controller.options(), MemoryJournal(), progress=progress
    ).results
    assert result.outcome is HostOutcome.APPLIED


@RELAY
def test_a_relay_that_tells_without_end_is_kept_short() -> None:
    controller = Controller()
    jobs = [job for job in controller.jobs(DESIRED) if job.spec.id == ODD]
    steps, notes = [{"name": "s" * 15_000, "seconds": 0.1}] * 5000, ["n" * 15_000] * 5000

    def change(_operation: str, document: Any) -> Any:
        return document | {"steps": steps, "notes": notes, "cause": "c" * 15_000}

    odd = OddHosts(controller.hosts, ODD, change)
    (result,) = roll_out(jobs, "run-1", odd, controller.options(), MemoryJournal()).results
    assert result.outcome is HostOutcome.APPLIED
    assert len(result.cause) <= 1001
    assert sum(map(len, result.notes)) <= 1001
    assert len(result.steps) <= 1000


@pytest.mark.parametrize(
    ("outcomes", "whole"),
    [
        ([HostOutcome.UNREACHABLE], "partial"),
        ([HostOutcome.ROLLBACK_FAILED, HostOutcome.ROLLED_BACK], "partial"),
        ([HostOutcome.ROLLED_BACK, HostOutcome.NOT_STARTED, HostOutcome.UNCHANGED], "rolled-back"),
        ([HostOutcome.APPLIED, HostOutcome.UNREACHABLE], "partial"),
        ([HostOutcome.UNCHANGED], "nothing-to-do"),
    ],
)
def test_a_run_is_rolled_back_only_where_every_host_is_as_it_was(outcomes: list[HostOutcome], whole: str) -> None:
    assert outcome_of([HostResult(str(number), outcome) for number, outcome in enumerate(outcomes)]) == whole
