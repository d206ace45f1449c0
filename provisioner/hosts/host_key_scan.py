"""The door to `ssh-keyscan`: which SSH host key a host shows to who asks from this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Final

from provisioner.base.child_process import OutputTooLongError, StillRunningError, run_quietly, small_environment
from provisioner.base.endpoint import endpoint_text
from provisioner.base.errors import HostError
from provisioner.hosts.call_target import CallTarget
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.hosts.shown_key import KINDS_SHOWN, NAME_IT, is_show_key, is_shown_key

SCAN_S: Final = 20.0
"""So long one host is asked at most."""
_MOST_BYTES: Final = 64 * 1024
_AT_ONCE: Final = 8


class HostKeyScans:
    """Carries calls that ask which key a host shows, and no others.

    Args:
        environment: the caller's environment (where programs are).
        asker: who asks, as people would say it.
    """

    def __init__(self, environment: Mapping[str, str], asker: str = "this machine") -> None:
        self._environment, self._asker = environment, asker

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """An answer for every call, by host id."""
        return {answer.host: answer for answer in self.stream(calls, timeout_s=timeout_s)}

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """An answer for every call, as soon as it is there; what could not be begun in time is not begun."""
        until = time.monotonic() + timeout_s
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for one in as_completed([pool.submit(self._asked, call, until) for call in calls]):
                yield one.result()

    def expect(self, specs: Sequence[CallTarget]) -> None:
        """Nothing has to be started."""

    def close(self) -> None:
        """Nothing is open."""

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
