"""The SSH host key that a host shows to everybody, asked for as a call: who reaches the host looks. Pure.

That is this machine, or the node of the host's carrier. Nothing proves that the key is the host's own but a person who
compares its fingerprint there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

from provisioner.base.endpoint import endpoint_text
from provisioner.base.errors import HostError
from provisioner.base.ssh_signature import SignatureFormError, public_key_of
from provisioner.hosts.call_target import CallTarget
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall

SHOW_KEY: Final = "show-key"
"""The operation that no host hears of: whoever carries the call looks which key the host shows."""
KINDS_SHOWN: Final = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
"""The kinds of keys that are asked for, the one to be preferred first."""
NAME_IT: Final = "or name the key: --host-key HOST='ssh-ed25519 …'"
_LONGEST_KEY: Final = 4096


@dataclass(frozen=True, slots=True)
class ShownKey:
    """The host key that a host shows, and its fingerprint, for a person to compare."""

    host_key: str

    @property
    def fingerprint(self) -> str:
        """It."""
        return fingerprint_of(self.host_key)


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


def fingerprint_of(host_key: str) -> str:
    """`SHA256:…`, as `ssh-keygen -l` prints it; empty of what is no key."""
    try:
        raw = base64.b64decode(host_key.partition(" ")[2], validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=") if raw else ""
