"""A host's identity: its owner's mark, and the key it shows.

A host's mark says whose it is. It is judged before the host is sent anything that it could keep.

The SSH host key that a host shows to everybody is asked for as a call: this machine looks, or the node of the host's
carrier (`ssh-keyscan`). Only a person who compares its fingerprint there proves that the key is the host's own.
"""

from __future__ import annotations

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

SHOW_KEY: Final = "show-key"
"""The operation that no host hears of: whoever carries the call looks which key the host shows."""
KINDS_SHOWN: Final = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
"""The kinds of keys that are asked for, the one to be preferred first."""
NAME_IT: Final = "or name the key: --host-key HOST='ssh-ed25519 …'"
_LONGEST_KEY: Final = 4096

SCAN_S: Final = 20.0
"""So long one host is asked at most."""
_MOST_BYTES: Final = 64 * 1024
_AT_ONCE: Final = 8


def is_open(spec: CallTarget, owner: Owner | None) -> bool:
    """Whether a host that has not proved itself may be taken for new, if somebody says so.

    Args:
        spec: the host.
        owner: whose it is by its mark; None where nothing of anybody's is on it.
    """
    if owner is None or is_free(spec, owner):
        return True
    if owner.shape:
        return False
    return spec.adopted is not None and owner.claim == spec.adopted.claim


def is_free(spec: CallTarget, owner: Owner) -> bool:
    """Whether there is nobody to take a host over from: by its mark it is this inventory's, or was let go."""
    return not owner.shape and (owner.released or _is_own(spec, owner))


def _is_own(spec: CallTarget, owner: Owner) -> bool:
    return spec.owner is not None and owner.is_same(spec.owner)


def claims_of(spec: CallTarget) -> list[list[str]]:
    """The same as a list for who stands between: inventory, key and moment of each mark that is no hindrance.

    An empty moment with an inventory is any moment; all empty is what has no mark.
    """
    own = [[spec.owner.inventory, spec.owner.key, ""]] if spec.owner else []
    return own + ([[spec.adopted.inventory, spec.adopted.key, spec.adopted.at]] if spec.adopted else [])


def judged(spec: CallTarget, answer: HostAnswer) -> HostAnswer:
    """An answer, with whose the host is in its words where it is another one's."""
    if answer.outcome is not CallOutcome.UNPROVED or is_open(spec, answer.owner):
        return answer
    owner = answer.owner.words if answer.owner else ""
    said = f"{_NOT_PROVED}, and belongs to {owner}; nothing was sent to it"
    shaped = answer.owner is not None and answer.owner.shape
    adopt = "" if shaped else f": to take it over, provisioner hosts adopt {spec.id}"
    return replace(answer, error=f"{said}{adopt}", foreign=True)


def owner_to_mark(spec: CallTarget) -> OwnerToMark | None:
    """What a host's mark is to say of whose it is."""
    owner = spec.owner
    return {"inventory": owner.inventory, "key": owner.key, "host": spec.id} if owner else None


def show_key_call(host: CallTarget) -> HostCall:
    """The call by which it is asked which key a host shows."""
    return HostCall(host, {"operation": SHOW_KEY})


def is_show_key(call: HostCall) -> bool:
    """Whether a call asks for that, and the host itself is to hear nothing."""
    return call.script is None and call.request.get("operation") == SHOW_KEY


def key_shown(host: CallTarget, answer: HostAnswer) -> str:
    """The host key of an answer, as an inventory has it: its kind, and what it is in base64.

    Raises:
        HostError: there is none in it.
    """
    if answer.outcome is not CallOutcome.ANSWERED:
        raise HostError(answer.error, hint=answer.hint or f"do what is said of it, {NAME_IT}", object=host.id)
    line = answer.document.get("host_key")
    if not isinstance(line, str) or not is_shown_key(line):
        place = endpoint_text(host.address, host.ssh.port)
        message = f"what came as the host key of {host.id} ({place}) is none that an inventory may name"
        raise HostError(message, hint=f"ask whoever looks after what answered, {NAME_IT}", object=host.id)
    return line


def is_shown_key(line: str) -> bool:
    """Whether a text is a key, whole and nothing else, of a kind that is asked for."""
    try:
        return len(line) <= _LONGEST_KEY and public_key_of(line).kind in KINDS_SHOWN
    except SignatureFormError:
        return False


class HostKeyScans(OpenRunner):
    """Carries calls that ask which key a host shows, and no others.

    Args:
        environment: the caller's environment (where programs are).
        asker: who asks, as people would say it.
    """

    def __init__(self, environment: Mapping[str, str], asker: str = "this machine") -> None:
        self._environment, self._asker = environment, asker

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """An answer for every call, as soon as it is there; what could not be begun in time is not begun."""
        until = time.monotonic() + timeout_s
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for one in as_completed([pool.submit(self._asked, call, until) for call in calls]):
                yield one.result()

    def _asked(self, call: HostCall, until: float) -> HostAnswer:
        host = call.spec
        try:
            _refuse_unaskable(call, until)
            key = self._scanned(str(host.address), host.ssh.port)
        except HostError as error:
            return HostAnswer(host.id, CallOutcome.UNREACHABLE, error=error.message, hint=error.hint or "")
        return HostAnswer(host.id, CallOutcome.ANSWERED, {"host_key": key})

    def _scanned(self, address: str, port: int) -> str:
        """The host key that a host shows.

        Raises:
            HostError: it shows none that an inventory may name, or ssh-keyscan cannot be run.
        """
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
    """Refuse what is no question for a host's key, one that nobody but a jump host could ask, and one too late.

    Raises:
        HostError: it is such a one.
    """
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
    """Kind and key of a line that names them; empty of another one."""
    words = line.split()
    if line.startswith("#") or len(words) < 3:  # noqa: PLR2004 (host, kind, key)
        return ""
    key = " ".join(words[1:3])
    return key if is_shown_key(key) else ""
