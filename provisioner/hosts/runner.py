"""Calls to hosts and their answers, for any carrier of calls."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from provisioner.base.errors import HostError
from provisioner.base.text import endpoint_text, msg
from provisioner.desired.names import HostNames
from provisioner.desired.owner import Owner
from provisioner.desired.render.templates import host_module
from provisioner.hosts.call_target import CallTarget
from provisioner.hosts.unreachable import unreachable_by


def call_refusal(request: Mapping[str, object], sizes: Mapping[str, int], side: str) -> str:
    """Return why hosts refuse a call, after "it"; empty if valid."""
    return str(host_module("machine/carried").refusal(request, sizes, HostNames(side).ours))


def call_digest(request: Mapping[str, object], files: Mapping[str, bytes]) -> str:
    """Return the digest of a change, without parts set after the plan."""
    return str(host_module("machine/carried").digest(request, files))


UNPROVED = "it has not proved that it is the host that was managed before; it got no request"

_ADOPT_HINT: Final = (
    "ask them first: hosts adopt shows the owner and leaves the host as it is, and the next"
    " plan shows the cuts of a take-over; if it is not intended, find out who changed the"
    " address, the vault or that host"
)
#: Next steps by the owner's other use; empty if adoptable.
FOREIGN_HINTS: Final = {
    "": "",
    "alone": (
        "either all inventories of a centre share it, or one inventory has it alone: the other"
        " inventory takes it out of service, writes `shared: true` into its own file of the"
        " centre, and sets it up anew; then both can use it"
    ),
    "shared": "write `shared: true` into this inventory's file of the centre, for a side of its own beside theirs; a"
    " relay cannot be shared",
}


@dataclass(frozen=True, slots=True)
class HostCall:
    """One operation for one host."""

    spec: CallTarget
    # One of `wire.Request`. `Any`: whoever carries it is not to know their parts, and a host in a test looks into them.
    request: Mapping[str, Any] = field(repr=False)  #: For the on-host program; may contain secrets, never shown.
    files: Mapping[str, bytes] = field(repr=False, default_factory=dict)  #: Contents under `files/`, by name.
    artefact: Path | None = None
    shares: bool = False  #: Whether the call may use and leave a shared connection.
    unproved: bool = False  #: Whether a host without proof of identity may get it; a person decided so for this plan.
    #: The group of calls that share a connection. After a change the group has the change's name, so the new connection
    #: proves that the host is reachable.
    since: str = ""
    #: Replaces program and bundle, for a host that may lack Python. It has no secret and proves nothing.
    script: "ShellScript | None" = None
    #: A change's plan with its approvals (`plan.saved.file`), for a node whose operators require it.
    warrant: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class ShellScript:
    """A text for a host's shell."""

    text: str = field(repr=False)
    as_root: bool  #: Whether root runs it, with sudo if needed.


class CallOutcome(StrEnum):
    """The result of a call."""

    ANSWERED = "answered"
    UNREACHABLE = "unreachable"
    FAILED = "failed"
    UNPROVED = "unproved"  #: The host did not prove its identity, so no data was sent.
    REFUSED = "refused"  #: The carrier's node refused the call, so no data was sent.


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """A host's answer, or the failure as data."""

    host: str
    outcome: CallOutcome
    document: Mapping[str, object] = field(repr=False, default_factory=dict)
    error: str = ""  #: The reason without an answer.
    hint: str = ""
    owner: Owner | None = None
    foreign: bool = False  #: Whether that is another owner, so the host cannot count as new.
    bare: bool = False  #: Whether it reported that it has no owner.


class HostRunner(Protocol):
    """Carries calls to hosts in parallel, one round trip each."""

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """Return all answers by host id."""


@runtime_checkable
class OpenRunner(HostRunner, Protocol):
    """A `HostRunner` that yields answers as they arrive, with start and end."""

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """Yield each answer as it arrives; thread-safe."""

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """Return all answers by host id."""
        return {answer.host: answer for answer in self.stream(calls, timeout_s=timeout_s)}

    def expect(self, specs: Sequence[CallTarget]) -> None:  # noqa: ARG002 (whoever has something to start takes it)
        """Prepare for calls to these hosts; send nothing yet."""
        return

    def prove(self, specs: Sequence[CallTarget]) -> None:  # noqa: ARG002 (as above)
        """Let expected hosts prove their identity; the first call reports a failure."""
        return

    def close(self) -> None:
        """End the runner; open calls get no answer."""
        return


class UnprovedHostError(HostError):
    """A host did not prove its identity: new, or not ours."""

    owner: Owner | None = None  #: From its mark, if any.
    bare: bool = False  #: Whether it reported that it has no owner.


class ForeignHostError(HostError):
    """Another owner's mark is on the host; only an adoption allows changes."""

    def __init__(self, message: str, *, hint: str, host: str, owner: Owner) -> None:
        super().__init__(message, hint=hint, object=host)
        self.owner = owner


class CallsWatcher(Protocol):
    """Receives the progress of calls and runs, from several threads."""

    def started(self, operation: str, hosts: Mapping[str, int]) -> None:
        """Report the start of an operation, with paths by host."""

    def answered(self, operation: str, host: str, outcome: str) -> None:
        """Report a host's answer; an empty outcome means no answer."""

    def stepped(self, host: str, step: str, state: str, detail: Mapping[str, object]) -> None:
        """Report a run's step of a host; empty for the run itself."""

    def expect(self, seconds: float, runs: int) -> None:
        """Report the expected seconds of a run, from earlier runs."""


def unanswered(spec: CallTarget, answer: HostAnswer) -> HostError:
    """Return the error for a host without a valid answer."""
    login = f"{spec.id} ({spec.ssh.login_at(spec.address)})"
    if answer.foreign and answer.owner is not None:
        return ForeignHostError(
            f"{login}: {answer.error}",
            hint=FOREIGN_HINTS[answer.owner.shape] or _ADOPT_HINT,
            host=spec.id,
            owner=answer.owner,
        )
    if answer.outcome is CallOutcome.UNPROVED:
        error = UnprovedHostError(
            f"{login}: {answer.error}",
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
        hint = "the carrier's staff decide in the node's file which calls are carried: ask them"
        return HostError(f"{login}: {answer.error}", hint=answer.hint or hint, object=spec.id)
    return HostError(
        msg("{id} could not be read: {error}", spec.id, answer.error),
        hint=msg(
            "log in as {user} and check that `sudo -n true` and `python3 --version` (3.9 or later) work", spec.ssh.user
        ),
        object=spec.id,
    )


class AttendedRunner(OpenRunner):
    """A runner that reports its calls to a watcher."""

    def __init__(self, runner: OpenRunner, watcher: CallsWatcher) -> None:
        self._runner = runner
        self._watcher = watcher

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """Yield each answer as it arrives."""
        operations = {call.spec.id: str(call.request.get("operation", "")) for call in calls}
        for operation in sorted(set(operations.values())):
            hosts = {call.spec.id: _paths(call.request) for call in calls if operations[call.spec.id] == operation}
            self._watcher.started(operation, hosts)
        try:
            for answer in self._runner.stream(calls, timeout_s=timeout_s):
                if answer.host in operations:
                    self._watcher.answered(operations.pop(answer.host), answer.host, answer.outcome.value)
                yield answer
        finally:
            for host, operation in operations.items():
                self._watcher.answered(operation, host, "")

    def expect(self, specs: Sequence[CallTarget]) -> None:
        """Prepare for calls to these hosts."""
        self._runner.expect(specs)

    def prove(self, specs: Sequence[CallTarget]) -> None:
        """Let expected hosts prove their identity."""
        self._runner.prove(specs)

    def close(self) -> None:
        """End the runner."""
        self._runner.close()


def _paths(request: Mapping[str, object]) -> int:
    parts = [request.get("relay"), request.get("gate")]
    centre = request.get("centre")
    if isinstance(centre, Mapping) and isinstance(relays := centre.get("relays"), Sequence):
        parts += relays
    return sum(
        len(paths) for part in parts if isinstance(part, Mapping) and isinstance(paths := part.get("paths"), list)
    )
