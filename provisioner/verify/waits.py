"""Where the time of a verification went. Pure; parts of a visit overlap, so that they add up to more than the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from provisioner.hosts.document import Fields, UnreadableError, fields_of

PARTS: Mapping[str, str] = MappingProxyType(
    {
        "reads": "pictures",
        "centre reads": "pictures",
        "samples": "flow",
        "facts": "facts",
        "ports": "ports",
        "causes": "causes",
    }
)
"""The parts of a visit, in the host program's words, and in ours."""

_MOST_PARTS = 50
# Shorter ones are not worth a reader's time.
_SHOWN_S = 0.1


@dataclass(frozen=True, slots=True)
class HostWait:
    """One host: when it had answered, how long its visit took by its own word, and what for.

    Attributes:
        answered_s: seconds from when all were asked until its answer; None where none came.
        visit_s: seconds on the host itself; None where it did not say.
        parts: seconds by the host program's words for them.
    """

    host: str
    answered_s: float | None = None
    visit_s: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waits:
    """The whole: until hosts were asked, until the last one had answered, and each host."""

    before_s: float = 0.0
    asked_s: float = 0.0
    hosts: Mapping[str, HostWait] = field(default_factory=dict)

    @property
    def total_s(self) -> float:
        """All of it."""
        return self.before_s + self.asked_s

    @property
    def last(self) -> HostWait | None:
        """The host that all waited for, of those that answered."""
        answered = [wait for wait in self.hosts.values() if wait.answered_s is not None]
        return max(answered, key=lambda wait: wait.answered_s or 0.0, default=None)


def together(rounds: Iterable[Waits]) -> Waits:
    """The waits of several rounds in one; what is said of a host is of the round in which it was first asked."""
    every = list(rounds)
    hosts = {host: wait for one in reversed(every) for host, wait in one.hosts.items()}
    return Waits(sum(one.before_s for one in every), sum(one.asked_s for one in every), hosts)


def host_wait(host: str, document: Mapping[str, object], answered_s: float | None) -> HostWait:
    """A host's part, out of its answer; what it says of its time is worth nothing where it cannot be read."""
    try:
        answer = fields_of(document)
        visit = _seconds(answer, "seconds") if answer.has("seconds") else None
        return HostWait(host, answered_s, visit, _parts(answer))
    except UnreadableError:
        return HostWait(host, answered_s)


def _parts(answer: Fields) -> dict[str, float]:
    if not answer.has("spans"):
        return {}
    spans: Sequence[Fields] = list(answer.each("spans"))[:_MOST_PARTS]
    seconds = {span.text("what"): _seconds(span, "seconds") for span in spans}
    return {what: seconds[what] for what in PARTS if what in seconds}


def _seconds(fields: Fields, name: str) -> float:
    return max(0.0, fields.measure(name))


def waits_line(waits: Waits) -> str:
    """The whole in one line, for the host that all others waited for; what it did side by side, the longest first."""
    head = f"took {waits.total_s:.1f} s: {waits.before_s:.1f} s until hosts were asked"
    last = waits.last
    if last is None or last.answered_s is None:
        return f"{head}, {waits.asked_s:.1f} s for answers that did not come"
    if last.visit_s is None:
        return f"{head}, {last.answered_s:.1f} s for {last.host}, the last to answer"
    way = max(0.0, last.answered_s - last.visit_s)
    head = f"{head}, {way:.1f} s on the way to {last.host}, {last.visit_s:.1f} s there"
    parts = sorted(last.parts.items(), key=lambda part: -part[1])
    named = ", ".join(f"{PARTS[what]} {seconds:.1f} s" for what, seconds in parts if seconds >= _SHOWN_S)
    return f"{head} ({named})" if named else head
