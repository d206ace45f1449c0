"""The SSH host key that a host of an inventory shows: asked for from where the host is reached, without logging in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from provisioner.hosts.call_target import TargetHost
from provisioner.hosts.host_key_scan import SCAN_S
from provisioner.hosts.shown_key import ShownKey, is_shown_key, key_shown, show_key_call
from provisioner.inventory.operations.host_key import KeyedHost

__all__ = ["ShownKey", "is_host_key", "scanned_key"]


def scanned_key(environment: Mapping[str, str], root: Path, host: KeyedHost) -> ShownKey:
    """What a host shows; nothing proves that it is the host's own but a person who compares it.

    Args:
        environment: the caller's (where programs are, the file of nodes).
        root: the inventory's folder.
        host: it; the key by which it is known so far is no matter.

    Raises:
        HostError: it shows none, or is not reached.
        UsageError: the file of nodes cannot be used.
    """
    from provisioner.pipeline.stages import key_askers  # noqa: PLC0415 (a key may be named, and it loads all of a session)

    asked = TargetHost(host.id, host.carriers, host.address, host.ssh, host.jump)
    answer = key_askers(environment, root).call([show_key_call(asked)], timeout_s=SCAN_S)[asked.id]
    return ShownKey(key_shown(asked, answer))


def is_host_key(text: str) -> bool:
    """Whether a text is a host key, whole, as an inventory may name it."""
    return is_shown_key(text)
