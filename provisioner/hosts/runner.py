"""Calls to hosts and their answers, whoever carries them.

`ansible` is the real carrier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from provisioner.base.errors import HostError
from provisioner.base.text import endpoint_text, msg
from provisioner.desired.owner import Owner
from provisioner.hosts.call_target import CallTarget
from provisioner.hosts.unreachable import unreachable_by

UNPROVED = "it has not proved that it is the host that was managed before; nothing was sent to it"

_ADOPT_HINT: Final = (
    "ask them first: adopting shows whose it is and changes nothing there, and the next plan shows what a take-over"
    " cuts; if it is not meant, find out who changed the address, the vault or that host"
)
FOREIGN_HINTS: Final = {
    "": "",
    "alone": "a centre is shared by all of its inventories or by none: that one takes it out of service, writes"
    " `shared: true` into its own file of the centre, and sets it up anew; then there is room for both",
    "shared": "write `shared: true` into this inventory's file of the centre, for a side of its own beside theirs; a"
    " relay cannot be shared",
}
"""What is to be done about a host that is somebody else's in another shape; empty where it may be adopted."""


@dataclass(frozen=True, slots=True)
class HostCall:
    """One operation for one host.

    Attributes:
        request: the JSON document for the on-host program; it may hold secrets and is never shown.
        files: contents that travel beside it, by name under `files/`.
        artefact: a large file that travels as `files/artefact`.
        shares: whether it may go over a connection that an earlier call made, and leave it to the next one. A change
            may share the observation's.
        since: of calls that share, whose connection they may share: one that was made for a call with the same word,
            and so for none before. What proves that a host can be reached after a change names the change.
        script: what is fed to the host's shell in the place of program and bundle, for a host that may have no Python
            yet. It holds no secret, and nothing is proved before or by it.
        unproved: whether it may go to a host that does not prove that it is the one that it was: somebody has said
            so for this plan.
        warrant: of a change, the plan that it is of and who approved that (`plan.saved.file`), for a carrier whose
            own people have to; who calls a host itself has no use for it.
    """

    spec: CallTarget
    # One of `wire.Request`. `Any`: whoever carries it is not to know their parts, and a host in a test looks into them.
    request: Mapping[str, Any] = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False, default_factory=dict)
    artefact: Path | None = None
    shares: bool = False
    unproved: bool = False
    since: str = ""
    script: ShellScript | None = None
    warrant: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class ShellScript:
    """A text for a host's shell.

    Attributes:
        text: it; its last line of output is the answer, as our program on hosts writes one.
        as_root: whether root's shell reads it, by sudo where the login is not root's.
    """

    text: str = field(repr=False)
    as_root: bool


class CallOutcome(StrEnum):
    """How a call ended."""

    ANSWERED = "answered"
    UNREACHABLE = "unreachable"
    FAILED = "failed"
    UNPROVED = "unproved"
    """It did not prove that it is the host that it was: nothing was sent to it."""
    REFUSED = "refused"
    """Its carrier's node does not carry the call, by its own people's word: nothing was sent to it."""


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """What a host answered, or why there is no answer. One host's failure is data, not an exception.

    Attributes:
        host: the host's id.
        outcome: how the call ended.
        document: what it answered.
        error: why there is no answer.
        hint: what to do about that, where the cause says it.
        owner: whose the host is, where it did not prove itself; None where nothing of anybody's is on it, or known.
        foreign: whether that is somebody else, so that nobody may take it for new.
        bare: whether it said that nothing of anybody's is on it.
    """

    host: str
    outcome: CallOutcome
    document: Mapping[str, object] = field(repr=False, default_factory=dict)
    error: str = ""
    hint: str = ""
    owner: Owner | None = None
    foreign: bool = False
    bare: bool = False


class HostRunner(Protocol):
    """Carries calls to hosts, all at once, in one round trip each; over a new connection unless one may be shared."""

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """An answer for every call, by host id."""
        ...


@runtime_checkable
class OpenRunner(HostRunner, Protocol):
    """A `HostRunner` with each answer as soon as it is there, and with a start and an end; whoever is one names it."""

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """An answer for every call, in the order in which they come; several threads may do so at once."""
        ...

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """An answer for every call, by host id."""
        return {answer.host: answer for answer in self.stream(calls, timeout_s=timeout_s)}

    def expect(self, specs: Sequence[CallTarget]) -> None:  # noqa: ARG002 (whoever has something to start takes it)
        """Start for calls to these hosts that are about to come; nothing is sent to them before."""
        return

    def prove(self, specs: Sequence[CallTarget]) -> None:  # noqa: ARG002 (as above)
        """Have hosts that are expected prove themselves now; of one that does not the first call to it tells."""
        return

    def close(self) -> None:
        """End it; calls on their way have no answer any more."""
        return


class UnprovedHostError(HostError):
    """A host did not prove that it is the one that was managed before: a stranger, or a new one.

    Attributes:
        owner: whose it was, by its mark; None where nothing of anybody's is on it.
        bare: whether it said so.
    """

    owner: Owner | None = None
    bare: bool = False


class ForeignHostError(HostError):
    """A host belongs to somebody else by its mark: no command changes it before it was adopted.

    Attributes:
        owner: who that is.
    """

    def __init__(self, message: str, *, hint: str, host: str, owner: Owner) -> None:
        super().__init__(message, hint=hint, object=host)
        self.owner = owner


class CallsWatcher(Protocol):
    """Whoever wants to know how far calls to hosts and runs are; it is told from several threads at once."""

    def begun(self, operation: str, hosts: Mapping[str, int]) -> None:
        """An operation was begun on hosts, each with the number of paths that it is about there; 0 where of none."""
        ...

    def answered(self, operation: str, host: str, outcome: str) -> None:
        """One of them has answered, or nothing more is to come from it: then the outcome is empty."""
        ...

    def stepped(self, host: str, step: str, state: str, detail: Mapping[str, object]) -> None:
        """A run has written down a step of a host, or of its own: then the host is empty."""
        ...

    def expect(self, seconds: float, runs: int) -> None:
        """The run that begins now will take about so long, as so many earlier runs did."""
        ...


def unanswered(spec: CallTarget, answer: HostAnswer) -> HostError:
    """The error of a host that could not be reached, did not prove itself, or whose program failed."""
    place = f"{spec.id} ({spec.ssh.place(spec.address)})"
    if answer.foreign and answer.owner is not None:
        return ForeignHostError(
            f"{place}: {answer.error}",
            hint=FOREIGN_HINTS[answer.owner.shape] or _ADOPT_HINT,
            host=spec.id,
            owner=answer.owner,
        )
    if answer.outcome is CallOutcome.UNPROVED:
        error = UnprovedHostError(
            f"{place}: {answer.error}",
            hint="if it is new or was installed anew, see that its user may use sudo, and say so for one plan: --allow"
            " trust=NUMBER; if not, find out whose machine that is, and who changed the address or the host key",
            object=spec.id,
        )
        error.owner, error.bare = answer.owner, answer.bare
        return error
    if answer.outcome is CallOutcome.UNREACHABLE:
        return HostError(
            msg(
                "{id} ({address}) could not be reached: {error}",
                spec.id,
                endpoint_text(spec.address, spec.ssh.port),
                answer.error,
            ),
            hint=answer.hint or unreachable_by(answer.error).hint,
            object=spec.id,
        )
    if answer.outcome is CallOutcome.REFUSED:
        hint = "its carrier's people say in the node's file what is carried: ask them"
        return HostError(f"{place}: {answer.error}", hint=answer.hint or hint, object=spec.id)
    return HostError(
        msg("{id} could not be read: {error}", spec.id, answer.error),
        hint=msg(
            "log in as {user} and check that `sudo -n true` and `python3 --version` (3.9 or later) work", spec.ssh.user
        ),
        object=spec.id,
    )


class AttendedRunner(OpenRunner):
    """A runner whose calls somebody watches; it carries them as the other one does."""

    def __init__(self, runner: OpenRunner, watcher: CallsWatcher) -> None:
        self._runner = runner
        self._watcher = watcher

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """An answer for every call, in the order in which they come."""
        asked = {call.spec.id: str(call.request.get("operation", "")) for call in calls}
        for operation in sorted(set(asked.values())):
            hosts = {call.spec.id: _paths(call.request) for call in calls if asked[call.spec.id] == operation}
            self._watcher.begun(operation, hosts)
        try:
            for answer in self._runner.stream(calls, timeout_s=timeout_s):
                if answer.host in asked:
                    self._watcher.answered(asked.pop(answer.host), answer.host, answer.outcome.value)
                yield answer
        finally:
            for host, operation in asked.items():
                self._watcher.answered(operation, host, "")

    def expect(self, specs: Sequence[CallTarget]) -> None:
        """Start for calls to these hosts that are about to come."""
        self._runner.expect(specs)

    def prove(self, specs: Sequence[CallTarget]) -> None:
        """Have expected hosts prove themselves now."""
        self._runner.prove(specs)

    def close(self) -> None:
        """End it."""
        self._runner.close()


def _paths(request: Mapping[str, object]) -> int:
    """How many paths are looked at by a call: a relay's own, those that a centre reads, those of a gate."""
    parts = [request.get("relay"), request.get("gate")]
    centre = request.get("centre")
    if isinstance(centre, Mapping) and isinstance(relays := centre.get("relays"), Sequence):
        parts += relays
    return sum(
        len(paths) for part in parts if isinstance(part, Mapping) and isinstance(paths := part.get("paths"), list)
    )
