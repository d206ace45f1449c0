"""An answer that is not understood is asked for again, and never told as more than it proves."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from provisioner.hosts.ansible.play import answer_of
from provisioner.hosts.observe import observe
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.operations.rollout.result import HostOutcome, HostResult, NotStartedBecause, exit_code
from provisioner.operations.rollout.waves import Rollout, roll_out
from tests import fleets
from tests.odd import OddHosts, nested
from tests.simulated import NO_SESSIONS, MemoryJournal, peer_session
from tests.unit.operations.rollout.world import Controller, state

RELAY, CENTRE = "relay-viettel-1", "centre"
DESIRED = state({"kcl-bg-001": 2})


def changed(controller: Controller, change: Callable[[str, Any], Any]) -> tuple[HostResult, Rollout]:
    """Change the relay, whose answers are changed."""
    jobs = [job for job in controller.jobs(DESIRED) if job.spec.id == RELAY]
    odd = OddHosts(controller.hosts, RELAY, change)
    done = roll_out(jobs, "run-1", odd, controller.options(), MemoryJournal())
    return done.results[0], done


def once(operation: str, **fields: Any) -> Callable[[str, Any], Any]:
    """The first answer to an operation, with other fields."""
    asked: list[str] = []

    def change(of: str, document: Any) -> Any:
        asked.append(of)
        return document | fields if of == operation and asked.count(of) == 1 else document

    return change


@pytest.mark.parametrize(
    ("operation", "word"),
    [(of, word) for of in ("apply", "look", "confirm") for word in ("exploded", "", None, 7)]
    + [("apply", "applied"), ("look", "stale"), ("confirm", "armed")],
)
def test_a_host_that_is_not_understood_once_is_asked_again_and_goes_on(operation: str, word: object) -> None:
    controller = Controller()
    result, _ = changed(controller, once(operation, outcome=word))
    assert (result.outcome, result.cause) == (HostOutcome.APPLIED, "")
    assert ("status", RELAY) in controller.hosts.calls
    assert [name for name, _ in controller.hosts.calls].count("apply") == 1


@pytest.mark.parametrize(("operation", "named"), [("apply", True), ("look", False), ("confirm", False)])
def test_a_change_that_went_wrong_after_a_first_answer_nobody_understood_names_that_answer(
    operation: str, *, named: bool
) -> None:
    """Of the call that begins a change nobody knows what it did: what it answered is part of the cause."""

    def change(of: str, document: Any) -> Any:
        if of == "status":
            return document | {"outcome": "rolled-back", "cause": "nobody confirmed the change in time"}
        return document | {"outcome": 7} if of == operation else document

    result, _ = changed(Controller(), change)
    assert result.outcome is HostOutcome.ROLLED_BACK
    assert result.cause.startswith("nobody confirmed the change in time")
    assert ("gave an answer that cannot be read" in result.cause) is named


@pytest.mark.parametrize("operation", ["apply", "confirm"])
def test_an_outcome_that_stays_unknown_is_told_as_that_and_never_as_rolled_back(operation: str) -> None:
    word = "rolled-forward\x1b[2J" + "!" * 500

    def change(of: str, document: Any) -> Any:
        return document | {"outcome": word} if of in {operation, "status"} else document

    result, done = changed(Controller(), change)
    assert result.outcome is HostOutcome.UNREACHABLE
    assert result.is_failure
    assert exit_code(done.results) == 5
    assert result.cause == (
        f"what became of the change is not known: {RELAY} gave an answer that cannot be read: outcome is"
        " not one of 'armed', 'stale', 'locked', 'busy', 'refused', 'not-started', 'applied', 'rolled-back' or"
        " 'rollback-failed';"
        " look on it at /var/lib/provisioner/receipts/run-1.json, and plan anew"
    )


@pytest.mark.parametrize("operation", ["look", "confirm"])
@pytest.mark.parametrize("word", ["refused", "not-started"])
def test_a_host_that_has_waited_is_never_told_as_not_started(operation: str, word: str) -> None:
    def change(of: str, document: Any) -> Any:
        return document | {"outcome": word} if of in {operation, "status"} else document

    controller = Controller()
    result, done = changed(controller, change)
    assert controller.hosts.hosts[RELAY].writes == 1
    assert (result.outcome, result.refusal, exit_code(done.results)) == (HostOutcome.UNREACHABLE, None, 5)
    assert result.cause.startswith("what became of the change is not known: ")
    assert f"answered “{word}”" in result.cause


def test_a_host_that_cannot_be_looked_at_goes_back() -> None:
    def change(of: str, document: Any) -> Any:
        return document | {"after": "nothing"} if of == "look" else document

    controller = Controller()
    result, done = changed(controller, change)
    assert result.outcome is HostOutcome.ROLLED_BACK
    assert controller.hosts.hosts[RELAY].receipts["run-1"][0] == "rolled-back"
    assert "path gate: the host could not be looked at" in result.cause
    assert exit_code(done.results) == 7


@pytest.mark.parametrize(
    ("operation", "outcome"),
    [("look", HostOutcome.ROLLED_BACK), ("status", HostOutcome.UNREACHABLE), ("abort", HostOutcome.ROLLED_BACK)],
)
def test_a_host_that_nobody_confirmed_is_never_told_as_applied(operation: str, outcome: HostOutcome) -> None:
    # What leads to that call: a start that is not understood, looks that are not.
    unclear = {"status": "apply", "abort": "look"}.get(operation)

    def change(of: str, document: Any) -> Any:
        return (
            document | {"outcome": "applied" if of == operation else "what"} if of in {operation, unclear} else document
        )

    controller = Controller()
    result, _ = changed(controller, change)
    assert ("confirm", RELAY) not in controller.hosts.calls
    assert result.outcome is outcome


def test_a_gate_that_has_failed_stays_so_where_the_word_to_go_back_is_lost() -> None:
    controller = Controller()
    looks: list[str] = []

    def change(of: str, document: Any) -> Any:
        if of == "look":
            looks.append(of)
            peers = {"key": peer_session(0 if len(looks) == 1 else 5, 9)}
            return document | {"after": {"sessions": NO_SESSIONS | {"peers": peers}, "relay": None}}
        if of in {"apply", "status"} and document["outcome"] == "armed":
            return document | {
                "before": {"sessions": NO_SESSIONS | {"peers": {"key": peer_session(5, 9)}}, "relay": None}
            }
        return document

    class Lost:
        """Hosts whose first word of an abort never arrives."""

        lost = False

        def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
            """No answer to the first abort."""
            if not self.lost and calls[0].request["operation"] == "abort":
                self.lost = True
                return {c.spec.id: HostAnswer(c.spec.id, CallOutcome.UNREACHABLE, error="no route") for c in calls}
            return OddHosts(controller.hosts, RELAY, change).call(calls, timeout_s=timeout_s)

    controller.apply(state({"kcl-bg-001": 1}), "run-0")
    jobs = [job for job in controller.jobs(DESIRED) if job.spec.id == RELAY]
    (result,) = roll_out(jobs, "run-1", Lost(), controller.options(), MemoryJournal()).results
    assert (result.outcome, len(looks)) == (HostOutcome.ROLLED_BACK, 1)
    assert "the session of peer key was reset" in result.cause


@pytest.mark.parametrize(
    ("refusal", "cause", "because", "code"),
    [
        ("lock-out", "the rules would keep you out", NotStartedBecause.LOCK_OUT, 6),
        ("check", "check relay: its log says lock-out: nothing", NotStartedBecause.CHECK, 7),
        (None, "check tunnel: no", NotStartedBecause.CHECK, 7),
    ],
)
def test_a_lock_out_is_known_by_its_field_whatever_the_sentence(
    refusal: str | None, cause: str, because: NotStartedBecause, code: int
) -> None:
    fields = {"refusal": refusal} if refusal else {}
    result, done = changed(Controller(), once("apply", outcome="refused", cause=cause, **fields))
    assert (result.outcome, result.refusal, result.cause) == (HostOutcome.NOT_STARTED, because, cause)
    assert exit_code(done.results) == code


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("units", {"x": {"active": "active"}}, "units.x.enabled is missing"),
        ("files", [], "files is no object"),
        ("live_digest", 7, "live_digest is no text"),
        ("tunnel", nested(900), "tunnel is no object"),
    ],
)
def test_one_odd_answer_to_observe_leaves_the_others_and_is_told(field: str, value: object, problem: str) -> None:
    controller = Controller()
    odd = OddHosts(controller.hosts, RELAY, lambda _operation, document: document | {field: value})
    facts, errors = observe(DESIRED.hosts.values(), fleets.files_of(DESIRED), odd)
    assert set(facts) == {CENTRE}
    assert errors[RELAY].message == f"{RELAY} gave an answer that cannot be read: {problem}"
    assert (errors[RELAY].exit_code, errors[RELAY].object) == (5, RELAY)
    assert "log in on that host" in errors[RELAY].hint


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"ok": True}, {"ok": True, "answer": []}, {"ok": False, "error": nested(900)}, {"error": None}],
)
def test_what_no_program_of_ours_wrote_is_a_failed_call(document: object) -> None:
    answer = answer_of(RELAY, document)
    assert (answer.outcome, answer.error) == (CallOutcome.FAILED, "its answer is none that its program writes")
