"""What is gone, and leaves its address or its port to nobody. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import IPv4Address
from itertools import chain
from typing import Final

from provisioner.inventory.allocate.holders import (
    asked_devices_of,
    devices_of,
    next_pool_carrier_of,
    numbered,
    pool_carrier_of,
    ported,
    prefix_carriers_of,
)
from provisioner.inventory.model import Inventory, Tombstone

CENTRES: Final = "centres"
"""The pool of centres, as tombstones name it; that of a carrier is `carriers/<id>`."""


def tombstones_of(inventory: Inventory, held: Collection[str] = ()) -> tuple[Tombstone, ...]:
    """The old tombstones and those of everything that is gone now, which nothing is that is held."""
    return tuple(chain(inventory.allocations.tombstones, _gone_hosts(inventory), _gone_sites(inventory, held)))


def _gone_hosts(inventory: Inventory) -> Iterator[Tombstone]:
    lock = inventory.allocations
    for name, relay in lock.relays.items():
        if name not in inventory.relays:
            address = relay.tunnel_address
            yield Tombstone(object=f"relay/{name}", pool=_pool_of(inventory, address), tunnel_address=address)
    for name, centre in lock.centres.items():
        if name not in inventory.centres:
            yield Tombstone(object=f"centre/{name}", pool=CENTRES, tunnel_address=centre.tunnel_address)


def _pool_of(inventory: Inventory, address: IPv4Address) -> str:
    """Name the pool of a removed relay's address; its carrier's file may be gone as well."""
    pools = inventory.settings.pools.carriers
    return next((f"carriers/{name}" for name, pool in sorted(pools.items()) if address in pool), "carriers")


def _gone_sites(inventory: Inventory, kept: Collection[str]) -> Iterator[Tombstone]:
    for name, site in inventory.allocations.sites.items():
        if name in kept:
            continue
        facility = inventory.facilities.get(name)
        carriers = {pool_carrier_of(facility), next_pool_carrier_of(facility)} if facility else set()
        of_prefixes = prefix_carriers_of(facility) if facility else frozenset[str]()
        for held in (site, site.successor):
            pool = f"carriers/{held.carrier}" if held else ""
            if held and held.carrier not in carriers:
                yield Tombstone(object=f"site/{name}", pool=pool, tunnel_address=held.tunnel_address)
            if held and held.prefix and held.carrier not in of_prefixes:
                yield Tombstone(object=f"site/{name}", pool=pool, prefix=held.prefix)
        if facility is None:
            continue
        pool = f"site/{name}"
        for device in sorted(set(site.ports) - set(ported(facility, devices_of(facility)))):
            yield Tombstone(object=f"site/{name}/{device}", pool=pool, port=site.ports[device])
        for device in sorted(set(site.asked_ports) - set(ported(facility, asked_devices_of(facility)))):
            yield Tombstone(object=f"site/{name}/{device}/onvif", pool=pool, port=site.asked_ports[device])
        # Where the site has no prefix any more, that is gone as a whole, and its numbers with it.
        numbers = numbered(facility, devices_of(facility))
        for device in sorted(set(site.device_numbers) - set(numbers)) if numbers else ():
            yield Tombstone(object=f"site/{name}/{device}", pool=pool, number=site.device_numbers[device])


def tombstone_order(stone: Tombstone) -> tuple[str, int, int, int, str]:
    """The place of a tombstone in the lock."""
    address = stone.tunnel_address or (stone.prefix.network_address if stone.prefix else 0)
    return stone.pool, int(address), stone.port or 0, stone.number or 0, stone.object
