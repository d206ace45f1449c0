"""Whatever JSON one host answers: it is that host's error, and what the others told stays."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.errors import HostError
from provisioner.desired.spec import HostKind
from provisioner.hosts.keys import make_host_keys
from provisioner.hosts.observe import observe
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.inventory.model.hosts import SealedKey
from provisioner.operations.rollout.gate import GateRules
from provisioner.operations.rollout.job import RolloutOptions
from provisioner.operations.rollout.result import HostOutcome, HostResult
from provisioner.operations.rollout.waves import roll_out
from provisioner.plan.diff import changes_of
from provisioner.plan.plan import items_of
from provisioner.verify.evidence import parse_evidence
from tests import fleets, inventories
from tests.odd import ODDITIES, OddHosts, Oddity, odd_document
from tests.simulated import MemoryJournal, SimulatedHosts
from tests.unit.operations.rollout.world import Controller, state
from tests.unit.verify.world import CENTRE, RELAY, documents

DESIRED = state({"kcl-bg-001": 2})
FILES = fleets.files_of(DESIRED)
HOST, OTHER = "relay-viettel-1", "centre"
SOME = st.lists(ODDITIES, min_size=1, max_size=3)


def hosts() -> SimulatedHosts:
    """Hosts that are as desired, with a state of before."""
    controller = Controller()
    controller.apply(DESIRED)
    return controller.hosts


HOSTS = hosts()
GOOD, _ = observe(DESIRED.hosts.values(), FILES, HOSTS)


@given(SOME)
@settings(max_examples=300, deadline=None)
def test_an_odd_answer_to_observe_is_one_hosts_error(oddities: list[Oddity]) -> None:
    odd = OddHosts(HOSTS, HOST, lambda _operation, document: odd_document(document, oddities))
    facts, errors = observe(DESIRED.hosts.values(), FILES, odd)
    assert facts[OTHER] == GOOD[OTHER]
    assert (HOST in facts) != (HOST in errors)
    if HOST in errors:
        error = errors[HOST]
        assert (error.exit_code, error.object) == (5, HOST)
        assert HOST in error.message
        assert error.hint
        assert error.message.isprintable()
    else:
        # What could be read can be compared, and put in words.
        changes_of(DESIRED.hosts[HOST], FILES[HOST], facts[HOST])
        items_of(facts[HOST])


@given(SOME)
@settings(max_examples=200, deadline=None)
def test_an_odd_answer_to_keys_is_one_hosts_error(oddities: list[Oddity]) -> None:
    digest = "sha256:" + "A" * 43 + "="

    class Keys:
        """Hosts that have keys."""

        def call(self, calls: list[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
            """A key for every host."""
            assert timeout_s > 0
            return {call.spec.id: HostAnswer(call.spec.id, CallOutcome.ANSWERED, keys(call.spec.id)) for call in calls}

    recovery = inventories.public_key("recovery")

    def keys(host: str) -> dict[str, object]:
        key = inventories.public_key(host)
        sealed = {"sealed": {"recovery": recovery, "public_key": key, "box": "A" * 128}} if host == HOST else {}
        return {"public_key": key, "api_hash": digest, "probe_hash": digest, **sealed}

    odd = OddHosts(Keys(), HOST, lambda _operation, document: odd_document(document, oddities))  # type: ignore[arg-type]  # a list is a sequence
    made, errors = make_host_keys(tuple(DESIRED.hosts.values()), odd, fleets.templates(), recovery=recovery)
    assert made[OTHER].recorded == {"public_key": keys(OTHER)["public_key"]}
    # What goes into the lock is these, and nothing that a host chose to add; a host without a box has none.
    sealed = SealedKey(recovery=recovery, public_key=inventories.public_key(HOST), box="A" * 128)
    whole = {**keys(HOST), "sealed_key": sealed}
    del whole["sealed"]
    assert HOST in errors or made[HOST].recorded in (whole, {k: v for k, v in whole.items() if k != "sealed_key"})
    assert all(isinstance(error, HostError) for error in errors.values())


@given(st.sampled_from([RELAY, CENTRE]), SOME)
@settings(max_examples=300, deadline=None)
def test_an_odd_answer_to_a_probe_is_no_evidence(host: str, oddities: list[Oddity]) -> None:
    odd = odd_document(documents()[host], oddities)
    evidence = parse_evidence(HostAnswer(host, CallOutcome.ANSWERED, odd))
    assert evidence.outcome is CallOutcome.ANSWERED or evidence.error.startswith("its answer cannot be read: ")


OPERATIONS = ("apply", "look", "confirm", "status", "abort", "rollback")


@given(
    oddities=st.dictionaries(st.sampled_from(OPERATIONS), SOME, min_size=1), rollback=st.booleans(), dark=st.booleans()
)
@settings(max_examples=200, deadline=None)
def test_no_odd_answer_to_a_change_makes_it_more_than_was_proved(
    oddities: dict[str, list[Oddity]], *, rollback: bool, dark: bool
) -> None:
    controller = Controller()
    if rollback:
        controller.apply(state({}), "run-0")
        controller.apply(DESIRED, "run-1")
    host = controller.hosts.hosts.setdefault(HOST, type(HOSTS.hosts[HOST])())
    if dark:
        host.dark = {path.name for path in DESIRED.hosts[HOST].paths}
    jobs = controller.jobs(DESIRED, rollback="" if rollback else None)

    def change(operation: str, document: Any) -> Any:
        return odd_document(document, oddities.get(operation, ()))

    options = RolloutOptions(
        clock=controller.clock, sleep=controller.clock.sleep, gate=GateRules(patience_s=3, settle_s=1), max_failed=9
    )
    odd = OddHosts(controller.hosts, HOST, change)
    done = roll_out(jobs, "run-2", odd, options, MemoryJournal())
    results = {result.host: result for result in done.results}
    assert results[OTHER].outcome is HostOutcome.APPLIED
    assert_proved(results[HOST], controller.hosts, "run-2")


def assert_proved(result: HostResult, told: SimulatedHosts, run: str) -> None:
    """A result claims no more than the host's own receipt does."""
    receipt = told.hosts[result.host].receipts.get(run, ("none", ""))[0]
    if result.outcome in {HostOutcome.APPLIED, HostOutcome.ROLLED_BACK, HostOutcome.ROLLBACK_FAILED}:
        assert receipt == result.outcome.value
    if result.outcome is HostOutcome.NOT_STARTED:
        assert told.hosts[result.host].writes == 0 or told.hosts[result.host].armed is None


def test_the_hosts_of_these_laws_are_of_both_kinds() -> None:
    assert {spec.kind for spec in DESIRED.hosts.values()} == {HostKind.RELAY, HostKind.CENTRE}
