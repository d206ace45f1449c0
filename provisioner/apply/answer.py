"""What a host answers to the calls of a change, as typed values. Pure.

The one parser of the documents that the on-host program writes (`wire.ChangeAnswer`). What it does not know is no
outcome: a word that is new here says nothing about the host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from provisioner.base.printable import printable
from provisioner.hosts.document import Fields, UnreadableError, parsed
from provisioner.hosts.facts import HostFacts, facts_in
from provisioner.verify.evidence import RelayEvidence, relay_evidence

_WORD_SHOWN = 40
# More than any transaction of ours has, or a person reads; a run keeps them of every answer.
_MOST_STEPS, _MOST_NOTES = 100, 100


class ChangeState(StrEnum):
    """What a host says of a change."""

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
    """What a change was refused for before anything was touched."""

    CHECK = "check"
    LOCK_OUT = "lock-out"


@dataclass(frozen=True, slots=True)
class StepTime:
    """A step of the transaction on the host, and the seconds that it took."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class PathSession:
    """A path at one moment.

    Attributes:
        available: whether it gives a stream, `since` when, by the relay's words.
        received: the bytes that came from its source since then.
        flowed: whether bytes came in the last moments before the switch.
        readers: its readers by id.
    """

    available: bool
    since: str = ""
    received: int = 0
    flowed: bool = False
    readers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PeerSession:
    """A peer of the tunnel at one moment: its last handshake, the bytes that came from it, what it may send."""

    handshake: int
    received: int = 0
    allowed_ips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveRules:
    """The live rules: the devices in the set of cameras, each `address . port`, and digests.

    Attributes:
        rest: of all else in our table; empty where it is not loaded.
        doors: of those who may come in: the elements of its other sets.
        around: of what else may stand between a relay and its cameras: other tables, the tunnel's routes.
    """

    cameras: frozenset[str]
    rest: str
    doors: str = ""
    around: str = ""


@dataclass(frozen=True, slots=True)
class Sessions:
    """A host at one moment, `at` by its own clock: who reads what, over which peers, under which rules.

    Attributes:
        over_s: before a switch, for how long it was seen which paths flowed.
        started, paths: None where no relay answers.
        rules: None where they cannot be listed.
        changed: after a switch, the paths that the relay's file has otherwise than before.
        quarantined: the paths that are out of it, since their devices refuse the password.
    """

    started: str | None = None
    paths: Mapping[str, PathSession] | None = None
    peers: Mapping[str, PeerSession] = field(default_factory=dict)
    at: float = 0.0
    over_s: float = 0.0
    rules: LiveRules | None = None
    changed: frozenset[str] = frozenset()
    quarantined: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a host: its sessions, and the evidence about the paths that were read; each None where not looked.

    Attributes:
        waited_s: how long after its call, or after the switch, its moment was; 0 of a program that does not wait.
        first: the sessions as they were when it was asked for; None where that was not looked at.
    """

    sessions: Sessions | None = None
    relay: RelayEvidence | None = None
    waited_s: float = 0.0
    first: Sessions | None = None


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """One answer of a host on its way through a change.

    Attributes:
        refusal: what it was refused for, None where it was not.
        holder: the run that holds a host which is locked; empty where that is not said.
        facts: the host as it is, of a change that is confirmed or refused as stale.
        before: the look before the switch.
        after: a look after it.
        switched: when that was, by the host's clock since its boot; None where it does not say it.
        affected: of a rollback, the paths that differ between the two states.
        removed: those of them that go.
    """

    state: ChangeState
    cause: str = ""
    receipt: str = ""
    refusal: CheckRefusal | None = None
    holder: str = ""
    steps: tuple[StepTime, ...] = ()
    notes: tuple[str, ...] = ()
    facts: HostFacts | None = None
    before: Look = Look()
    after: Look = Look()
    switched: float | None = None
    affected: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def parse_report(host: str, document: object) -> ChangeReport:
    """A host's answer to a call of a change.

    Raises:
        HostError: it cannot be read, or says what is not known here.
    """
    return parsed(host, document, lambda answer: _answer(host, answer))


def _answer(host: str, answer: Fields) -> ChangeReport:
    state = _word(answer, "outcome", ChangeState)
    # What else an answer brings is read only where it counts.
    has_facts = state in {ChangeState.APPLIED, ChangeState.STALE} and answer.has("facts")
    holder = answer.below_or_none("holder") if state is ChangeState.LOCKED else None
    return ChangeReport(
        state=state,
        cause=answer.sentence("cause", ""),
        receipt=answer.sentence("receipt", ""),
        refusal=_word(answer, "refusal", CheckRefusal) if answer.has("refusal") else None,
        holder=holder.text("run") if holder else "",
        steps=tuple(map(_step, _each(answer, "steps")[:_MOST_STEPS])),
        notes=answer.sentences("notes", _MOST_NOTES),
        facts=facts_in(host, answer.below("facts")) if has_facts else None,
        before=_look(answer.below_or_none("before")),
        after=_look(answer.below_or_none("after")),
        switched=answer.measure("switched") if answer.has("switched") else None,
        affected=_texts(answer, "affected"),
        removed=_texts(answer, "removed"),
    )


_Word = TypeVar("_Word", bound=StrEnum)


def _word(answer: Fields, name: str, words: type[_Word]) -> _Word:
    text = answer.text(name)
    try:
        return words(text)
    except ValueError:
        raise UnreadableError(f"its {name} “{printable(text, _WORD_SHOWN)}” is not known") from None


def _texts(answer: Fields, name: str) -> tuple[str, ...]:
    return answer.texts(name) if answer.has(name) else ()


def _each(answer: Fields, name: str) -> tuple[Fields, ...]:
    return tuple(answer.each(name)) if answer.has(name) else ()


def _step(step: Fields) -> StepTime:
    seconds = step.measure("seconds")
    if seconds < 0:
        raise UnreadableError(f"{step.place}.seconds is no time")
    return StepTime(step.sentence("name"), seconds)


def _look(look: Fields | None) -> Look:
    if look is None:
        return Look()
    sessions, relay, first = (look.below_or_none(name) for name in ("sessions", "relay", "first"))
    return Look(
        sessions=_sessions(sessions) if sessions and sessions.values else None,
        relay=relay_evidence(relay) if relay else None,
        waited_s=look.measure("waited_s") if look.has("waited_s") else 0.0,
        first=_sessions(first) if first and first.values else None,
    )


def _sessions(sessions: Fields) -> Sessions:
    paths, rules = sessions.below_or_none("paths"), sessions.below_or_none("rules")
    return Sessions(
        started=sessions.text_or_none("started"),
        paths={name: _path(paths.below(name)) for name in paths.names()} if paths else None,
        peers={key: _peer(peer) for key, peer in sessions.named("peers")},
        at=sessions.measure("at") if sessions.has("at") else 0.0,
        over_s=sessions.measure("over_s") if sessions.has("over_s") else 0.0,
        rules=_rules(rules) if rules else None,
        changed=frozenset(_texts(sessions, "changed")),
        quarantined=frozenset(_texts(sessions, "quarantined")),
    )


def _rules(rules: Fields) -> LiveRules:
    return LiveRules(frozenset(rules.texts("cameras")), rules.text("rest"), rules.text("doors"), rules.text("around"))


def _path(path: Fields) -> PathSession:
    return PathSession(
        path.flag("available"),
        path.text("since"),
        path.amount("bytes"),
        path.flag("flowed"),
        frozenset(path.texts("readers")),
    )


def _peer(peer: Fields) -> PeerSession:
    return PeerSession(peer.amount("handshake"), peer.amount("received"), tuple(sorted(peer.texts("allowed_ips"))))
