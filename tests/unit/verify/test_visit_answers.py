"""Answers as they come: judged as if they had come together, and let go of."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.desired.spec import DesiredState, HostSpec
from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.plan.change import Change
from provisioner.verify.evidence import HostEvidence, parse_evidence
from provisioner.verify.judge import SeparateVerdicts, judge, judge_each, put_together
from provisioner.verify.paths import PathToCheck, select
from provisioner.verify.requests import ProbeLimits, probe_calls
from provisioner.verify.result import PathVerdict
from provisioner.verify.run import JudgesRelay, VisitAnswers

from .test_verify_laws import worlds
from .world import CENTRE, FINISHED, RELAY, change, observe_requests, relay_spec, state

BACKUP = "edge-2"


def with_backup() -> DesiredState:
    """The world with a second relay that has all paths of the first one beside it."""
    relay = relay_spec()
    assert relay.relay
    paths = tuple(path._replace(beside=True) for path in relay.relay.paths)
    backup = replace(relay, id=BACKUP, relay=replace(relay.relay, paths=paths))
    hosts: dict[str, HostSpec] = {**state().hosts, BACKUP: backup}
    return DesiredState(hosts)


def judging(asked: int | None) -> JudgesRelay:
    """Who judges a relay's paths."""

    def judged(
        targets: Sequence[PathToCheck], evidence: Mapping[str, HostEvidence], drift: Mapping[str, Sequence[Change]]
    ) -> SeparateVerdicts:
        return judge_each(targets, evidence, drift, FINISHED, max_level=asked)

    return judged


def gathering(
    targets: Sequence[PathToCheck], asked: int | None, changes: Sequence[Change], *, centres: bool = True
) -> VisitAnswers:
    """What takes the answers of a visit to these paths."""
    relays = {target.relay.id for target in targets}
    of_relay = dict.fromkeys(relays, frozenset({CENTRE} if centres else ()))
    return VisitAnswers(
        targets, of_relay, lambda facts: [c for c in changes if c.host == facts.host], judging(asked), before={}
    )


def at_once(
    targets: Sequence[PathToCheck], answers: Mapping[str, HostAnswer], asked: int | None, changes: Sequence[Change]
) -> tuple[PathVerdict, ...]:
    """The verdicts with all evidence there."""
    evidence = {host: parse_evidence(answer) for host, answer in answers.items()}
    drift = {e.host: tuple(c for c in changes if c.host == e.host) for e in evidence.values() if e.facts is not None}
    return judge(targets, evidence, drift, FINISHED, max_level=asked)


@given(
    worlds(),
    worlds(),
    st.permutations([RELAY, BACKUP, CENTRE]),
    st.sampled_from([None, 4, 5]),
    st.sampled_from([(), (change(),)]),
)
@settings(max_examples=150, deadline=None)
def test_in_whatever_order_answers_come_the_verdicts_are_those_of_all_together(
    first: dict[str, HostAnswer],
    second: dict[str, HostAnswer],
    order: list[str],
    asked: int | None,
    changes: tuple[Change, ...],
) -> None:
    answers = {**first, BACKUP: replace(second[RELAY], host=BACKUP)}
    targets = select(with_backup())
    taking = gathering(targets, asked, changes)
    for host in order:
        taking.take(answers[host])
    assert put_together(taking.judged, targets) == at_once(targets, answers, asked, changes)
    assert not taking.hosts_in_memory


@given(worlds())
@settings(max_examples=50, deadline=None)
def test_a_relay_that_no_centre_reads_for_this_run_is_judged_when_it_answers(answers: dict[str, HostAnswer]) -> None:
    targets = select(with_backup())
    taking = gathering(targets, 4, (), centres=False)
    for number, host in enumerate((RELAY, BACKUP), start=1):
        taking.take(replace(answers[RELAY], host=host))
        assert (len(taking.judged), taking.hosts_in_memory) == (number, frozenset())
    # What is asked of it afterwards is there.
    assert set(taking.host_answers) == {RELAY, BACKUP}
    for one in taking.host_answers.values():
        assert (one.evidence.relay, one.evidence.facts, one.evidence.centre) == (None, None, None)
        assert one.facts is None or (one.facts.relay, one.facts.tunnel, one.facts.viewers) == (None, None, {})


def test_who_answers_twice_is_heard_once() -> None:
    targets = select(state())
    taking = gathering(targets, 4, (), centres=False)
    refused = HostAnswer(RELAY, CallOutcome.UNREACHABLE, error="no route")
    taking.take(refused)
    taking.take(HostAnswer(RELAY, CallOutcome.FAILED, error="there is no answer"))
    assert len(taking.judged) == 1
    assert taking.host_answers[RELAY].evidence.error == "no route"


def _asked(level: int) -> dict[str, Any]:
    limits = ProbeLimits(samples_suffice=level == 4)
    return dict(probe_calls(select(state()), observe_requests(), limits)[0].request["relay"])


def test_where_samples_suffice_the_relay_is_told_so() -> None:
    assert _asked(4)["samples_suffice"] is True
    assert "samples_suffice" not in _asked(5)
