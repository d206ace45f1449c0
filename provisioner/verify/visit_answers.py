"""The answers of a visit, taken as they come: a relay is judged once it and the centres that read it have answered.

What a host tells of a thousand paths and of its own files is let go of as soon as they are judged: a country's answers
are never there together. Kept is what is asked of a host afterwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from provisioner.hosts.facts import HostFacts
from provisioner.hosts.runner import HostAnswer
from provisioner.plan.changes import Change, pending
from provisioner.verify.accounts import DeviceAccount
from provisioner.verify.evidence import HostEvidence, parse_evidence
from provisioner.verify.judge import Judged
from provisioner.verify.wanted import PathToCheck

Compare = Callable[[HostFacts], Iterable[Change]]
"""What differs from the desired state on a host, from its facts."""


@dataclass(frozen=True, slots=True)
class HeardHost:
    """What is kept of a host's answer.

    Attributes:
        evidence: without its facts, and what it tells of paths.
        version: of what serves paths there, as it names itself; empty where nothing does, None without facts.
        firewalls: of others, as its facts name them.
        drift: what differs from the desired state; None where that could not be read.
        accounts: what devices told of themselves, by their names.
        read: the paths that it read as their relay; None where it told of none.
        refused: those of them that it could not read at all.
    """

    evidence: HostEvidence
    version: str | None = None
    firewalls: tuple[str, ...] = ()
    drift: tuple[Change, ...] | None = None
    accounts: Mapping[str, DeviceAccount] = field(default_factory=dict)
    read: frozenset[str] | None = None
    refused: frozenset[str] = frozenset()


def heard_of(evidence: HostEvidence, drift: tuple[Change, ...] | None) -> HeardHost:
    """What is kept of what a host says."""
    facts, relay = evidence.facts, evidence.relay
    heard = HeardHost(replace(evidence, facts=None, relay=None, centre=None), drift=drift)
    if facts is not None:
        running = facts.runtime.version if facts.runtime else ""
        version = running or (facts.program.version if facts.program else "")
        heard = replace(heard, version=version, firewalls=tuple(facts.firewalls))
    if relay is None:
        return heard
    refused = frozenset(name for name, read in relay.reads.items() if read.is_refused)
    return replace(heard, accounts=relay.accounts, read=frozenset(relay.reads), refused=refused)


class JudgesRelay(Protocol):
    """Who judges the paths of one relay."""

    def __call__(
        self,
        targets: Sequence[PathToCheck],
        evidence: Mapping[str, HostEvidence],
        drift: Mapping[str, Sequence[Change]],
    ) -> Judged:
        """The verdicts on a relay's paths, by what it and their centres say."""
        ...


class VisitAnswers:
    """The answers of one visit.

    Args:
        targets: the paths that are judged.
        asked: by relay, the centres that are asked for its paths.
        compare: what differs from the desired state on a host.
        judge: judges the paths of one relay.
        before: what hosts that are not asked again said a moment ago.
    """

    def __init__(
        self,
        targets: Iterable[PathToCheck],
        asked: Mapping[str, frozenset[str]],
        compare: Compare,
        judge: JudgesRelay,
        before: Mapping[str, HostEvidence],
    ) -> None:
        self._targets: dict[str, list[PathToCheck]] = defaultdict(list)
        for target in targets:
            self._targets[target.relay.id].append(target)
        self._missing = {relay: {relay, *asked.get(relay, ())} for relay in self._targets}
        self._waiting: dict[str, set[str]] = defaultdict(set)
        for relay, hosts in self._missing.items():
            for host in hosts:
                self._waiting[host].add(relay)
        self._compare, self._judge, self._before = compare, judge, before
        self._evidence: dict[str, HostEvidence] = {}
        self._drift: dict[str, tuple[Change, ...]] = {}
        self.heard: dict[str, HeardHost] = {}
        """By host, what is kept of its answer."""
        self.judged: list[Judged] = []
        """The verdicts so far, a relay's together."""

    @property
    def kept(self) -> frozenset[str]:
        """The hosts of which all that they said is still there: a relay waits for it."""
        return frozenset(self._evidence)

    def take(self, answer: HostAnswer) -> None:
        """Take a host's answer, and judge the relays for which it was the last one."""
        host = answer.host
        if host in self.heard:
            return
        evidence = parse_evidence(answer)
        drift = None if evidence.facts is None else pending(self._compare(evidence.facts))
        self.heard[host], self._evidence[host] = heard_of(evidence, drift), evidence
        if drift is not None:
            self._drift[host] = drift
        for relay in sorted(self._waiting.get(host, ())):
            self._missing[relay].discard(host)
            if not self._missing[relay]:
                self._settle(relay)

    def _settle(self, relay: str) -> None:
        """Judge a relay's paths, and let go of what no other relay needs."""
        targets = self._targets.pop(relay)
        hosts = {relay, *(centre.id for target in targets for centre in target.centres)}
        evidence = {host: one for host in hosts if (one := self._evidence.get(host) or self._before.get(host))}
        drift = {host: self._drift[host] for host in hosts if host in self._drift}
        self.judged.append(self._judge(targets, evidence, drift))
        for host in hosts:
            self._waiting[host].discard(relay)
            if not self._waiting[host]:
                self._evidence.pop(host, None)
