"""Tunnel addresses, ports and prefixes of what is new, recorded in the lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

from provisioner.base.held import HeldFacility
from provisioner.inventory.allocate import allocate as allocations_for
from provisioner.inventory.files.lock import write_lock
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.held import valid_part
from provisioner.inventory.loader.load import load
from provisioner.inventory.model import Allocations, Tombstone
from provisioner.inventory.operations.file_edit import SIGN_OFFS
from provisioner.inventory.rules import ALLOCATION_MISSING, GATEWAY_KEY_MISSING, HOST_KEYS_MISSING

_TOLERATED = frozenset({ALLOCATION_MISSING, HOST_KEYS_MISSING, GATEWAY_KEY_MISSING, *SIGN_OFFS})
"""What comes after an address: keys, and the agreement to a plan, which need not wait for each other."""


class AllocatedItem(NamedTuple):
    """One entry of the lock: an object with its tunnel address or prefix, a device with its port or its address."""

    object: str
    address: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Allocation:
    """What was recorded.

    Attributes:
        path: the lock's file; None where it was not written, as nothing is new.
        assigned: what is in use now and was not.
        retired: what is gone and will not be given out again.
        held: facilities with errors of their own: what is recorded of them stayed as it is.
    """

    path: Path | None
    assigned: tuple[AllocatedItem, ...]
    retired: tuple[AllocatedItem, ...]
    held: tuple[HeldFacility, ...] = ()


def allocate(root: Path, environment: Mapping[str, str], *, today: date) -> Allocation:
    """Load an inventory that is valid but for its lock, and bring the lock up to date.

    Args:
        root: the inventory's folder.
        environment: the caller's environment (where the cache is).
        today: the day on which designations have to hold.

    Raises:
        InventoryError: a problem concerns all, or a pool has nothing left.
    """
    part = valid_part(load(root, today=today, cache=cache_of(root, environment)), root, tolerate=_TOLERATED)
    old, new = part.inventory.allocations, allocations_for(part.inventory, part.names)
    path = write_lock(root, new) if new != old else None
    return Allocation(path, tuple(_assigned(old, new)), tuple(_retired(old, new)), tuple(part.held.values()))


def _entries(lock: Allocations) -> Iterator[AllocatedItem]:
    """Everything that a lock holds in use."""
    for kind, hosts in (("relay", lock.relays), ("centre", lock.centres), ("site", lock.sites)):
        for name, host in hosts.items():
            yield AllocatedItem(f"{kind}/{name}", str(host.tunnel_address))
    for name, site in lock.sites.items():
        if site.successor:
            yield AllocatedItem(f"site/{name}", str(site.successor.tunnel_address))
        for prefix in site.prefixes:
            yield AllocatedItem(f"site/{name}", str(prefix))
            for device, number in site.device_numbers.items():
                yield AllocatedItem(f"site/{name}/{device}", str(prefix[number]))
        for device, port in site.ports.items():
            yield AllocatedItem(f"site/{name}/{device}", port=port)
        for device, port in site.asked_ports.items():
            yield AllocatedItem(f"site/{name}/{device}/onvif", port=port)


def _assigned(old: Allocations, new: Allocations) -> Iterator[AllocatedItem]:
    known = set(_entries(old))
    return (item for item in _entries(new) if item not in known)


def _retired(old: Allocations, new: Allocations) -> Iterator[AllocatedItem]:
    known = set(old.tombstones)
    for stone in new.tombstones:
        if stone not in known:
            yield AllocatedItem(stone.object, _address_of(stone, new), stone.port or 0)


def _address_of(stone: Tombstone, lock: Allocations) -> str:
    """What address is gone; that of a device by its number, in the prefix that its site has."""
    if stone.number:
        site = lock.sites.get(stone.pool.partition("/")[2])
        return ", ".join(str(prefix[stone.number]) for prefix in site.prefixes) if site else ""
    return str(stone.tunnel_address or stone.prefix or "")
