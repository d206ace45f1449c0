"""`provisioner allocate`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from provisioner.cli.context import Invocation, today
from provisioner.cli.output import print_document
from provisioner.inventory.allocate import allocate as allocations_for
from provisioner.inventory.files.lock import write_lock
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.load import load_inventory
from provisioner.inventory.model import Allocations
from provisioner.inventory.rules import ALLOCATION_MISSING, GATEWAY_KEY_MISSING, HOST_KEYS_MISSING

_TOLERATED = frozenset({ALLOCATION_MISSING, HOST_KEYS_MISSING, GATEWAY_KEY_MISSING})


@click.command()
@click.pass_obj
def allocate(invocation: Invocation) -> int:
    """Record tunnel addresses and ports of what is new.

    Writes allocations.lock.yml and nothing else; contacts no host. What is recorded never moves, and
    what was in use is not given out again. Commit the file.

    Example: provisioner -i inventories/example allocate
    """
    inventory = load_inventory(
        invocation.inventory, today=today(), tolerate=_TOLERATED, cache=cache_of(invocation.inventory, invocation.env)
    )
    old, new = inventory.allocations, allocations_for(inventory)
    assigned, retired = list(_assigned(old, new)), list(_retired(old, new))
    path = write_lock(invocation.inventory, new) if new != old else None
    if invocation.json:
        document = {
            "schema": "provisioner/allocate",
            "version": 1,
            "file": str(path or ""),
            "changed": path is not None,
        }
        print_document({**document, "assigned": assigned, "retired": retired})
        return 0
    for word, listed in (("assigned", assigned), ("retired", retired)):
        for item in listed:
            click.echo(f"{word} {item['object']}: {item['address'] or 'port'} {item['port'] or ''}".rstrip())
    click.echo(f"wrote {path}: commit it" if path else "nothing to allocate")
    return 0


def _item(name: str, address: object = "", port: int = 0) -> dict[str, object]:
    return {"object": name, "address": str(address), "port": port}


def _entries(lock: Allocations) -> Iterator[tuple[str, str, int]]:
    """Everything that a lock holds in use: object, address, port."""
    for kind, hosts in (("relay", lock.relays), ("centre", lock.centres), ("site", lock.sites)):
        for name, host in hosts.items():
            yield f"{kind}/{name}", str(host.tunnel_address), 0
    for name, site in lock.sites.items():
        if site.successor:
            yield f"site/{name}", str(site.successor.tunnel_address), 0
        for device, port in site.ports.items():
            yield f"site/{name}/{device}", "", port


def _assigned(old: Allocations, new: Allocations) -> Iterator[dict[str, object]]:
    known = set(_entries(old))
    for entry in _entries(new):
        if entry not in known:
            yield _item(*entry)


def _retired(old: Allocations, new: Allocations) -> Iterator[dict[str, object]]:
    known = set(old.tombstones)
    for stone in new.tombstones:
        if stone not in known:
            yield _item(stone.object, stone.tunnel_address or "", stone.port or 0)
