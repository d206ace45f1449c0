"""A host's identity: its owner's mark, and its SSH host key.

The mark is judged before the host gets anything that it could store.

This machine or the carrier's node asks for the host key (`ssh-keyscan`), in the form of a call. Only a person who
compares the fingerprint on the host proves the key.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from provisioner.base.errors import HostError
from provisioner.base.processes import OutputTooLongError, StillRunningError, run_quietly, small_environment
from provisioner.base.ssh_signature import SignatureFormError, public_key_of
from provisioner.base.text import endpoint_text
from provisioner.desired.owner import Owner
from provisioner.hosts.call_target import CallTarget
from provisioner.hosts.runner import UNPROVED, CallOutcome, HostAnswer, HostCall, OpenRunner

if TYPE_CHECKING:
    from provisioner_host.wire import OwnerToMark


_NOT_PROVED = UNPROVED.partition(";")[0]

SHOW_KEY: Final = "show-key"  #: An operation for the call's carrier, not for the host: read its host key.
KINDS_SHOWN: Final = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")  #: Kinds of host keys, preferred first.
NAME_IT: Final = "or name the key: --host-key HOST='ssh-ed25519 …'"
_LONGEST_KEY: Final = 4096

SCAN_S: Final = 20.0  #: The most seconds for one host.
_MOST_BYTES: Final = 64 * 1024
_AT_ONCE: Final = 8


def may_be_declared_new(spec: CallTarget, owner: Owner | None) -> bool:
    """Return whether a person may declare an unproved host new.

    Unproved means that the host did not prove, with its identity key, that it was managed before. `owner` is the
    inventory that its mark names; `None` without a mark. A mark's claim (inventory, key, time) is what a person adopts.
    Another inventory's host may be declared new only if it was released, or if exactly this claim was adopted.
    """
    if owner is None or is_free(spec, owner):
        return True
    if owner.shape:
        return False
    return spec.adopted is not None and owner.claim == spec.adopted.claim


def is_free(spec: CallTarget, owner: Owner) -> bool:
    """Return whether the host is this inventory's or released."""
    return not owner.shape and (owner.released or (spec.owner is not None and owner.is_same(spec.owner)))


def claims_of(spec: CallTarget) -> list[list[str]]:
    """Return acceptable marks (inventory, key, time; without time any)."""
    claims = [[spec.owner.inventory, spec.owner.key, ""]] if spec.owner else []
    return claims + ([[spec.adopted.inventory, spec.adopted.key, spec.adopted.at]] if spec.adopted else [])


def with_owner(spec: CallTarget, answer: HostAnswer) -> HostAnswer:
    """Name the owner in an answer if the host is another's."""
    if answer.outcome is not CallOutcome.UNPROVED or may_be_declared_new(spec, answer.owner):
        return answer
    owner = answer.owner.words if answer.owner else ""
    message = f"{_NOT_PROVED}, and belongs to {owner}; nothing was sent to it"
    differs_in_use = answer.owner is not None and answer.owner.shape
    adopt = "" if differs_in_use else f": to take it over, provisioner hosts adopt {spec.id}"
    return replace(answer, error=f"{message}{adopt}", foreign=True)


def owner_to_mark(spec: CallTarget) -> "OwnerToMark | None":
    """Return the owner for a host's mark."""
    owner = spec.owner
    return {"inventory": owner.inventory, "key": owner.key, "host": spec.id} if owner else None


def show_key_call(host: CallTarget) -> HostCall:
    """Return the call that reads a host's SSH key."""
    return HostCall(host, {"operation": SHOW_KEY})


def is_show_key(call: HostCall) -> bool:
    """Return whether a call reads the SSH key only."""
    return call.script is None and call.request.get("operation") == SHOW_KEY


def host_key_of(host: CallTarget, answer: HostAnswer) -> str:
    """Return an answer's host key (kind, base64), or raise `HostError`."""
    if answer.outcome is not CallOutcome.ANSWERED:
        raise HostError(answer.error, hint=answer.hint or f"do what is said of it, {NAME_IT}", object=host.id)
    line = answer.document.get("host_key")
    if not isinstance(line, str) or not is_host_key_line(line):
        place = endpoint_text(host.address, host.ssh.port)
        message = f"what came as the host key of {host.id} ({place}) is none that an inventory may name"
        raise HostError(message, hint=f"ask whoever looks after what answered, {NAME_IT}", object=host.id)
    return line


def is_host_key_line(line: str) -> bool:
    """Return whether a text is exactly one key of a preferred kind."""
    try:
        return len(line) <= _LONGEST_KEY and public_key_of(line).kind in KINDS_SHOWN
    except SignatureFormError:
        return False


class HostKeyScans(OpenRunner):
    """Carries only calls that read host keys."""

    def __init__(self, environment: Mapping[str, str], asker: str = "this machine") -> None:
        self._environment, self._asker = environment, asker

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """Yield each answer as it arrives; late calls are not started."""
        until = time.monotonic() + timeout_s
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for future in as_completed([pool.submit(self._scan_host, call, until) for call in calls]):
                yield future.result()

    def _scan_host(self, call: HostCall, until: float) -> HostAnswer:
        host = call.spec
        try:
            _refuse_unaskable(call, until)
            key = self._scanned(str(host.address), host.ssh.port)
        except HostError as error:
            return HostAnswer(host.id, CallOutcome.UNREACHABLE, error=error.message, hint=error.hint or "")
        return HostAnswer(host.id, CallOutcome.ANSWERED, {"host_key": key})

    def _scanned(self, address: str, port: int) -> str:
        argv = ["ssh-keyscan", "-T", "10", "-p", str(port), "-t", "ed25519,ecdsa,rsa", "--", address]
        environment = small_environment(self._environment)
        try:
            done = run_quietly(argv, environment, timeout_s=SCAN_S, most_bytes=_MOST_BYTES)
        except OSError:
            hint = f"there: apt-get install openssh-client, {NAME_IT}"
            raise HostError(f"ssh-keyscan cannot be run by {self._asker}", hint=hint) from None
        except (StillRunningError, OutputTooLongError):
            done = None
        lines = done.output.decode(errors="replace").splitlines() if done else []
        keys = {key.partition(" ")[0]: key for key in map(_key_of, lines) if key}
        for kind in KINDS_SHOWN:
            if kind in keys:
                return keys[kind]
        hint = f"see that its sshd runs and can be reached from there, {NAME_IT}"
        raise HostError(f"{endpoint_text(address, port)} shows {self._asker} no SSH host key", hint=hint)


def _refuse_unaskable(call: HostCall, until: float) -> None:
    """Refuse other calls, hosts behind a jump host, and late calls."""
    host = call.spec
    if not is_show_key(call):
        raise HostError("whoever asks for host keys does nothing else")
    if host.jump is not None:
        raise HostError(
            f"{host.id} is behind a jump host, which passes on logins alone: it shows its key to nobody else",
            hint=f"read it there (ssh-keygen -lf /etc/ssh/ssh_host_*.pub), {NAME_IT}",
        )
    if time.monotonic() > until:
        raise HostError(f"nobody came to ask {host.id} for its host key in time")


def _key_of(line: str) -> str:
    """Return kind and key of a line of ssh-keyscan; empty if invalid."""
    words = line.split()
    if line.startswith("#") or len(words) < 3:  # noqa: PLR2004 (host, kind, key)
        return ""
    key = " ".join(words[1:3])
    return key if is_host_key_line(key) else ""
