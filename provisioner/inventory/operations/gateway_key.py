"""A gateway's public key, written into its facility's file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import unified_diff
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from provisioner.base.errors import UsageError
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.load import Loaded, load
from provisioner.inventory.model import PublicKey
from provisioner.inventory.operations.named import edit_file, facility_file, facility_named

_KEY: Final = TypeAdapter(PublicKey)
_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """What became of a facility's file.

    Attributes:
        path: the file.
        key: the gateway's public key, as the file has it now.
        before: the key that it had; empty where there was none.
        diff: the lines that are others now, as `diff -U0` has them; none where the file had the key.
    """

    path: Path
    key: str
    before: str = ""
    diff: tuple[str, ...] = ()


def set_gateway_key(
    root: Path, facility: str, key: str, *, replaces: bool, today: date, environment: Mapping[str, str]
) -> GatewayKey:
    """Write the key that a gateway's installation printed into its facility's file.

    Args:
        root: the inventory's folder.
        facility: the facility's id.
        key: 32 bytes in base64, as WireGuard prints them.
        replaces: whether another key may stand there: its tunnel ends with the next apply.
        today: the day on which designations have to hold.
        environment: the caller's environment (where the cache is).

    Raises:
        InventoryError: the file cannot be understood, edited or written.
        UsageError: that is no key, another peer has it, another one stands there, or the facility has no gateway.
    """
    try:
        _KEY.validate_python(key)
    except ValidationError:
        hint = "it is the last line that the package prints on the gateway: 44 characters that end in ="
        raise UsageError(
            "this is no WireGuard public key (not repeated here: it may be something secret)", hint=hint
        ) from None
    loaded = load(root, today=today, cache=cache_of(root, environment))
    site = facility_named(loaded, facility)
    if site.gateway is None:
        hint = "describe the router first: gateway: { lan: 192.168.1.0/24, lan_interface: br-lan }"
        raise UsageError(f"facility {facility} has no gateway", hint=hint, object=facility)
    for other, known in _peers(loaded):
        if known == key and other != facility:
            hint = "a key is one gateway's: install the site's own package there, and note what that prints"
            raise UsageError(f"{other} has this key", hint=hint, object=facility)
    before = site.gateway.public_key or ""
    if site.gateway.next_key is not None and before != key:
        hint = f"note what change-key.sh prints with --next, or end the change first: provisioner keys keep {facility}"
        raise UsageError(f"the key of {facility}'s gateway is being changed", hint=hint, object=facility)
    if before and before != key and not replaces:
        message = f"facility {facility} has another key, {before[:_SHOWN]}…, and its tunnel would end"
        hint = "if its gateway was made anew add --replace"
        raise UsageError(message, hint=hint, object=facility)
    return _written(root, facility_file(root, site), key, before)


def _peers(loaded: Loaded) -> Iterator[tuple[str, str]]:
    """Each peer with its public key: hosts, and the gateways of facilities."""
    if loaded.frame is not None:
        lock = loaded.frame.allocations
        for hosts in (lock.relays, lock.centres):
            yield from ((name, host.public_key) for name, host in hosts.items() if host.public_key)
    yield from ((name, outline.public_key) for name, outline in loaded.outlines.items() if outline.public_key)
    yield from ((name, outline.next_key) for name, outline in loaded.outlines.items() if outline.next_key)


def _written(root: Path, path: Path, key: str, before: str) -> GatewayKey:
    by_hand = f"write it by hand: gateway: {{ public_key: {key} }}"
    texts = edit_file(root, path, {("gateway", "public_key"): key}, by_hand)
    was, now = (text.decode("utf-8-sig").splitlines() for text in texts)
    lines = unified_diff(was, now, n=0, lineterm="")
    diff = tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))
    return GatewayKey(path, key, before, diff)
