"""A host's answers around its change, and what they show. Pure.

This is the only parser of the on-host program's documents (`wire.ChangeAnswer`). An unknown outcome is no outcome.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from provisioner.desired.spec import HostSpec, MediaPath
from provisioner.hosts.answers import parsed, wire
from provisioner.hosts.facts import HostFacts, device_value, facts_in
from provisioner.hosts.runner import CallOutcome
from provisioner.operations.rollout.affected_paths import Served, device_of
from provisioner.verify.case import Case
from provisioner.verify.evidence import HostEvidence, RelayEvidence, relay_evidence
from provisioner.verify.judge import GATE_LEVELS
from provisioner.verify.paths import PathToCheck

# A stream of which no byte came for so long stands still; the slowest cameras send a picture a second.
_STILL_S = 2.0

# The look at the switch itself is no measure of that: it comes half a second after the last one before.
_AT_SWITCH_S = -0.5

# MediaMTX says of a stream that stands still that it is lost after 10 s.
_SAID_S = 12.0

# A switch cuts a stream within seconds: at once, or after the packets that were under way.
MOMENT_S = 6.0


class ChangeState(StrEnum):
    """A host's state of a change."""

    ARMED = "armed"
    STALE = "stale"
    LOCKED = "locked"
    BUSY = "busy"
    REFUSED = "refused"
    NOT_STARTED = "not-started"
    APPLIED = "applied"
    ROLLED_BACK = "rolled-back"
    ROLLBACK_FAILED = "rollback-failed"


class CheckRefusal(StrEnum):
    """Reason why a host refused a change before it began."""

    CHECK = "check"
    LOCK_OUT = "lock-out"


@dataclass(frozen=True, slots=True)
class Look:
    """A look at a host: sessions, and evidence on read paths."""

    sessions: wire.SessionsAnswer | None = None
    relay: RelayEvidence | None = None
    waited_s: float = 0.0  #: Seconds after its call, or after the switch; 0 if the program does not wait.
    first: wire.SessionsAnswer | None = None  #: The sessions when the call arrived, if looked at.


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """A host's answer during a change."""

    state: ChangeState
    cause: str = ""
    receipt: str = ""
    refusal: CheckRefusal | None = None
    holder: str = ""
    steps: Sequence[wire.StepAnswer] = ()
    notes: tuple[str, ...] = ()
    facts: HostFacts | None = None
    before: Look = Look()
    after: Look = Look()
    switched: float | None = None  #: The switch in seconds since boot, if known.
    affected: tuple[str, ...] = ()  #: Of a rollback, paths that differ.
    removed: tuple[str, ...] = ()  #: Those of them that go.


@dataclass(frozen=True, slots=True)
class GateResult:
    """Result of a look at a host."""

    up: frozenset[str] = frozenset()  #: Read paths with a picture; `why_not` has the others' causes.
    why_not: Mapping[str, str] = field(default_factory=dict)
    sessions: wire.SessionsAnswer | None = None
    ports: Mapping[str, str] = field(default_factory=dict)  #: Answers of tried devices, by `address . port`.
    said: Mapping[str, str] = field(default_factory=dict)  #: MediaMTX's recent errors on paths' sources.


@dataclass(frozen=True, slots=True)
class Reading:
    """The last read of a path: dark since, and last good."""

    asked_s: float
    up: bool
    dark_s: float = 0.0
    good_s: float | None = None


@dataclass(frozen=True, slots=True)
class Absence:
    """A path that lost its stream after the switch."""

    since_s: float
    alive_s: float
    port: str = ""  #: Its device's answer; empty if not tried.
    said: str = ""  #: MediaMTX's error on its source then.
    asked_s: float = 0.0  #: The time of that.
    mute: bool = False  #: Whether the device is reachable and MediaMTX reports no error, so does not try.

    @property
    def at_switch(self) -> bool:
        """Whether the switch can be its cause."""
        return self.alive_s <= MOMENT_S


class Sign(NamedTuple):
    """Last sign of life of a path or peer: session, bytes, time."""

    session: str
    received: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Watch:
    """The looks at a host before and after the switch.

    Times are seconds since the reported switch by the controller's clock, or since the first look after it.
    """

    before: GateResult = GateResult()
    served: Served = field(default_factory=Served)
    #: Always-pulled paths with a flowing stream before the switch.
    steady: Mapping[str, wire.SessionAnswer] = field(default_factory=dict)
    asked_s: float | None = None
    first: wire.SessionsAnswer | None = None
    last: wire.SessionsAnswer | None = None
    readings: Mapping[str, Reading] = field(default_factory=dict)
    why_not: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, Absence] = field(default_factory=dict)
    back: frozenset[str] = frozenset()  #: Paths that lost their stream and have one again.
    dropped: frozenset[str] = frozenset()  #: Paths without their former stream at the first look.
    signs: Mapping[str, Sign] = field(default_factory=dict)  #: Last signs of life of paths.
    heard: Mapping[str, Sign] = field(default_factory=dict)  #: Last signs of life of peers.

    @property
    def up(self) -> frozenset[str]:
        """The paths whose last read was good and that have a stream."""
        return frozenset(n for n, reading in self.readings.items() if reading.up and n not in self.absent)

    @classmethod
    def since(cls, before: GateResult, served: Served) -> "Watch":
        """Begin with the look before a switch."""
        return cls(before, served, _steady_sessions(before.sessions, served))

    def after(self, result: GateResult, at_s: float) -> "Watch":
        """Return this watch with one more look."""
        readings = {**self.readings, **_readings_after(self.readings, result, at_s)}
        why_not = {n: reason for n, reason in {**self.why_not, **result.why_not}.items() if n not in result.up}
        watch = replace(self, asked_s=at_s, readings=readings, why_not=why_not)
        if result.sessions is None:
            return watch
        watch = replace(watch, first=self.first or result.sessions, last=result.sessions)
        return watch if result.sessions["paths"] is None else watch._after_sessions(result, result.sessions, at_s)  # noqa: SLF001

    def _after_sessions(self, result: GateResult, now: wire.SessionsAnswer, at_s: float) -> "Watch":
        """Return the watch after a look at the relay's sessions."""
        signs, absent, back = dict(self.signs), {}, set(self.back)
        paths = now["paths"] or {}
        for name, session in self.steady.items():
            sign = signs.get(name) or Sign(session["since"], session["bytes"], _AT_SWITCH_S)
            alive = _stream_flows(sign, paths.get(name), at_s, flowed=session["flowed"])
            if alive is True:
                path = paths[name]
                back |= {name} if path["since"] != sign.session or name in self.absent else set()
                signs[name] = Sign(path["since"], path["bytes"], at_s)
            elif alive is False or name in self.absent:
                absent[name] = self.absent.get(name) or Absence(at_s, sign.at_s)
        absences = {
            name: _absence_after(absence, result, self.served.paths[name], at_s) for name, absence in absent.items()
        }
        reconnected = {name for name, session in self.steady.items() if _has_other_session(session, paths.get(name))}
        lost = {name for name in absent if absent[name].since_s <= 0} | back | reconnected
        return replace(
            self,
            signs=signs,
            absent=absences,
            back=frozenset(back - set(absent)),
            dropped=self.dropped if self.signs or self.absent else frozenset(lost),
            heard=_peer_signs(self.heard, now, at_s),
        )


def parse_report(host: str, document: object) -> ChangeReport:
    """Parse a host's answer about a change, or raise `HostError`."""
    return parsed(host, wire.ChangeAnswer, document, lambda answer: _change_report(host, answer))


def _change_report(host: str, answer: wire.ChangeAnswer) -> ChangeReport:
    state = ChangeState(answer["outcome"])
    # Other parts of an answer count only in these states.
    facts = answer.get("facts") if state in {ChangeState.APPLIED, ChangeState.STALE} else None
    holder = answer.get("holder") if state is ChangeState.LOCKED else None
    return ChangeReport(
        state=state,
        cause=answer["cause"],
        receipt=answer.get("receipt", ""),
        refusal=CheckRefusal(answer["refusal"]) if "refusal" in answer else None,
        holder=holder["run"] if holder else "",
        steps=answer["steps"],
        notes=tuple(answer["notes"]),
        facts=facts_in(host, facts) if facts else None,
        before=_look(answer["before"]) if "before" in answer else Look(),
        after=_look(answer["after"]) if "after" in answer else Look(),
        switched=answer.get("switched"),
        affected=tuple(answer.get("affected", ())),
        removed=tuple(answer.get("removed", ())),
    )


def _look(look: wire.LookAnswer) -> Look:
    relay = look["relay"]
    return Look(
        sessions=look["sessions"],
        relay=relay_evidence(relay) if relay else None,
        waited_s=look.get("waited_s", 0.0),
        first=look.get("first"),
    )


def paths_in(spec: HostSpec, paths: Iterable[MediaPath], look: Look) -> GateResult:
    """Return a look's result; up means level 5, a decoded key frame.

    A picture's origin is not checked: a change may move it, and one redirecting camera must not stop its relay's
    changes.
    """
    if look.relay is None:
        return GateResult(sessions=look.sessions)
    evidence = HostEvidence(spec.id, CallOutcome.ANSWERED, relay=look.relay)
    names_up, why_not = set(), {}
    found: dict[Hashable, object] = {}
    for path in paths:
        if path.name not in look.relay.samples:
            continue
        target = PathToCheck(spec, path, ())
        case = Case(target, look.relay, {spec.id: evidence}, {}, frozenset(), None, asks_origin=False, found=found)
        checks = [level.check(case) for level in GATE_LEVELS]
        failed = next((c.finding for c in checks if not c.passed and c.finding), None)
        if failed is None:
            names_up.add(path.name)
        else:
            why_not[path.name] = f"{failed.cause.value}: {failed.detail}" if failed.detail else failed.cause.value
    ports = {device_value(address, port): outcome for (address, port), outcome in look.relay.devices.items()}
    relay_errors = {name: messages[0] for name, messages in look.relay.errors.items() if messages}
    return GateResult(frozenset(names_up), why_not, look.sessions, ports, relay_errors)


def _steady_sessions(before: wire.SessionsAnswer | None, served: Served) -> dict[str, wire.SessionAnswer]:
    """Return the sessions that flowed before the switch, by path."""
    if before is None or before["paths"] is None:
        return {}
    measured, wanted = before["over_s"] >= _STILL_S, served.paths
    had = ((n, p) for n, p in before["paths"].items() if p["available"] and (p["flowed"] or not measured))
    return {n: p for n, p in had if n in wanted and not wanted[n].on_demand}


def _readings_after(previous: Mapping[str, Reading], result: GateResult, at_s: float) -> dict[str, Reading]:
    never = Reading(at_s, up=True)
    last_readings = {name: previous.get(name, never) for name in result.why_not}
    dark = {
        name: Reading(at_s, up=False, dark_s=at_s if last.up else last.dark_s, good_s=last.good_s)
        for name, last in last_readings.items()
    }
    return dark | {name: Reading(at_s, up=True, good_s=at_s) for name in result.up}


def _stream_flows(sign: Sign, now: wire.SessionAnswer | None, at_s: float, *, flowed: bool) -> bool | None:
    """Return whether a path's stream flows; `None` if it is too early.

    A path not measured before is never called still. A new session counts once it has bytes: MediaMTX may dial a camera
    repeatedly that sends no data.
    """
    if now is None or not now["available"]:
        return False
    if not flowed or now["bytes"] > (sign.received if now["since"] == sign.session else 0):
        return True
    return None if at_s - sign.at_s < _STILL_S else False


def _has_other_session(before: wire.SessionAnswer, now: wire.SessionAnswer | None) -> bool:
    return now is not None and now["available"] and now["since"] != before["since"]


def _absence_after(absence: Absence, result: GateResult, path: MediaPath, at_s: float) -> Absence:
    port = result.ports.get(device_of(path))
    if port is None:
        return absence
    paths = result.sessions["paths"] if result.sessions else None
    error, session = result.said.get(path.name, ""), (paths or {}).get(path.name)
    is_due = session is None or not session["available"] or at_s - absence.since_s >= _SAID_S
    mute = absence.mute or (port == "ok" and not error and is_due)
    return replace(absence, port=port, said=error, asked_s=at_s, mute=mute)


def _peer_signs(previous: Mapping[str, Sign], now: wire.SessionsAnswer, at_s: float) -> dict[str, Sign]:
    """Return each peer's last sign of life."""
    signs = dict(previous)
    for key, peer in now["peers"].items():
        if key not in previous or peer["received"] != previous[key].received:
            signs[key] = Sign("", peer["received"], at_s)
    return signs
