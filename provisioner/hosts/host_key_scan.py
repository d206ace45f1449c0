"""The SSH host key that a host shows, asked for by `ssh-keyscan`: nothing proves yet that it is the host's own."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Final

from provisioner.base.child_process import OutputTooLongError, StillRunningError, run_quietly, small_environment
from provisioner.base.endpoint import endpoint_text
from provisioner.base.errors import HostError

_KINDS: Final = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
"""Those that an inventory may name, the one to be preferred first."""
_TIMEOUT_S: Final = 20
_MOST_BYTES: Final = 64 * 1024


def scanned_key(address: str, port: int, environment: Mapping[str, str]) -> str:
    """The host key that a host shows, as an inventory has it: its kind, and what it is in base64.

    Args:
        address: an address of either family, or a name, which ssh-keyscan resolves on this machine.
        port: where its sshd listens.
        environment: the caller's environment (where programs are).

    Raises:
        HostError: it shows none that an inventory may name, or ssh-keyscan cannot be run.
    """
    argv = ["ssh-keyscan", "-T", "10", "-p", str(port), "-t", "ed25519,ecdsa,rsa", "--", address]
    try:
        done = run_quietly(argv, small_environment(environment), timeout_s=_TIMEOUT_S, most_bytes=_MOST_BYTES)
    except OSError:
        raise HostError("ssh-keyscan cannot be run", hint="apt-get install openssh-client", object=address) from None
    except (StillRunningError, OutputTooLongError):
        done = None
    keys = dict(filter(None, map(_key_of, done.output.decode(errors="replace").splitlines()))) if done else {}
    for kind in _KINDS:
        if kind in keys:
            return f"{kind} {keys[kind]}"
    hint = "see that its sshd runs and can be reached from here, or name the key: --host-key HOST='ssh-ed25519 …'"
    raise HostError(f"{endpoint_text(address, port)} shows no SSH host key", hint=hint, object=address)


def _key_of(line: str) -> tuple[str, str] | None:
    """Kind and key of a line that names them."""
    words = line.split()
    if line.startswith("#") or len(words) < 3 or words[1] not in _KINDS:  # noqa: PLR2004 (host, kind, key)
        return None
    return (words[1], words[2]) if _raw(words[2]) else None


def _raw(key: str) -> bytes:
    try:
        return base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return b""


def fingerprint_of(host_key: str) -> str:
    """`SHA256:…`, as `ssh-keygen -l` prints it; empty of what is no key."""
    raw = _raw(host_key.partition(" ")[2])
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=") if raw else ""
