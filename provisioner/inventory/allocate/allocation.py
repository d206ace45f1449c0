"""The lock of an inventory, completed: tunnel addresses and the ports of sites. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from provisioner.base.diagnostics import Problem
from provisioner.base.errors import InventoryError
from provisioner.inventory.allocate.holders import asked_devices_of, carrier_of, devices_of, next_carrier_of, ported
from provisioner.inventory.allocate.tombstones import CENTRES, tombstone_order, tombstones_of
from provisioner.inventory.model import (
    Allocations,
    CentreAllocation,
    Facility,
    Inventory,
    RelayAllocation,
    SiteAllocation,
    SuccessorAllocation,
    Tombstone,
)
from provisioner.inventory.moves import moved_lock

_LAST_PORT: Final = 65535


def allocate(inventory: Inventory, held: Collection[str] = ()) -> Allocations:
    """The lock of an inventory, complete; an equal value where nothing is missing.

    Args:
        inventory: what there is now.
        held: ids of facilities of which nothing can be said: what is recorded of them stays as it is.

    Raises:
        InventoryError: a pool or a site's range of ports is used up.
    """
    lock = moved_lock(
        inventory.allocations,
        inventory.settings.moved,
        {name: devices_of(facility) for name, facility in inventory.facilities.items()},
    )
    inventory = inventory.model_copy(update={"allocations": lock})
    kept = {name: site for name, site in lock.sites.items() if name in held}
    work = _Allocation(inventory, tombstones_of(inventory, held))
    relays = work.relays()
    centres = work.centres()
    sites = dict(sorted({**kept, **work.sites()}.items()))
    if work.problems:
        raise InventoryError("addresses are used up", problems=tuple(work.problems), hint="see the problems listed")
    stones = tuple(sorted(work.tombstones, key=tombstone_order))
    marks = protected_marks(inventory, lock.protected)
    adopted = {host: owner for host, owner in (lock.adopted or {}).items() if host in relays or host in centres}
    return Allocations(
        relays=relays, centres=centres, sites=sites, tombstones=stones, protected=marks, adopted=adopted or None
    )


def protected_marks(inventory: Inventory, recorded: Collection[str]) -> tuple[str, ...]:
    """What is protected, and what was when its block was deleted: only an edit of the block unprotects.

    Args:
        inventory: what there is now.
        recorded: what was protected before.
    """
    protected: dict[str, bool] = {f"facility/{f.id}": f.protected for f in inventory.facilities.values()}
    protected |= {f"relay/{name}": relay.protected for name, (_, relay) in inventory.relays.items()}
    protected |= {f"centre/{name}": centre.protected for name, centre in inventory.centres.items()}
    gone = set(recorded) - set(protected)
    return tuple(sorted(gone | {name for name, is_protected in protected.items() if is_protected}))


@dataclass
class _Allocation:
    """One run of `allocate`: what is taken grows as it goes."""

    inventory: Inventory
    tombstones: tuple[Tombstone, ...]

    def __post_init__(self) -> None:
        lock = self.inventory.allocations
        recorded = (lock.relays, lock.centres, lock.sites)
        self.taken = {entry.tunnel_address for listing in recorded for entry in listing.values()}
        self.taken |= {site.successor.tunnel_address for site in lock.sites.values() if site.successor}
        self.taken |= {stone.tunnel_address for stone in self.tombstones if stone.tunnel_address}
        self.problems: list[Problem] = []
        self._free: dict[IPv4Network, Iterator[IPv4Address]] = {}

    def relays(self) -> dict[str, RelayAllocation]:
        old = self.inventory.allocations.relays
        allocations: dict[str, RelayAllocation] = {}
        for name, (carrier, _) in sorted(self.inventory.relays.items()):
            if name in old:
                allocations[name] = old[name]
            elif address := self._next(f"carriers/{carrier.id}", f"relay/{name}"):
                allocations[name] = RelayAllocation(tunnel_address=address)
        return allocations

    def centres(self) -> dict[str, CentreAllocation]:
        old = self.inventory.allocations.centres
        allocations: dict[str, CentreAllocation] = {}
        for name in sorted(self.inventory.centres):
            if name in old:
                allocations[name] = old[name]
            elif address := self._next(CENTRES, f"centre/{name}"):
                allocations[name] = CentreAllocation(tunnel_address=address)
        return allocations

    def sites(self) -> dict[str, SiteAllocation]:
        allocations: dict[str, SiteAllocation] = {}
        for name, facility in sorted(self.inventory.facilities.items()):
            carrier, later = carrier_of(facility), next_carrier_of(facility)
            if carrier and (address := self._site_address(facility, carrier)):
                second = self._site_address(facility, later) if later else None
                ports, asked = self._ports(facility)
                allocations[name] = SiteAllocation(
                    carrier=carrier,
                    tunnel_address=address,
                    ports=ports,
                    onvif_ports=asked or None,
                    successor=SuccessorAllocation(carrier=later, tunnel_address=second) if later and second else None,
                )
        return allocations

    def _site_address(self, facility: Facility, carrier: str) -> IPv4Address | None:
        """The site's recorded address of a carrier; a successor that became the plan keeps its own."""
        old = self.inventory.allocations.sites.get(facility.id)
        for held in (old, old.successor if old else None):
            if held and held.carrier == carrier:
                return held.tunnel_address
        return self._next(f"carriers/{carrier}", f"site/{facility.id}")

    def _ports(self, facility: Facility) -> tuple[dict[str, int], dict[str, int]]:
        """Each device its port, and its second one where it is asked by ONVIF.

        It is the recorded one, or the first that no device of this site ever had. Video comes first, so that who asks
        by ONVIF moves nothing.
        """
        old = self.inventory.allocations.sites.get(facility.id)
        recorded: Mapping[str, int] = old.ports if old else {}
        asked: Mapping[str, int] = old.asked_ports if old else {}
        gone = {stone.port for stone in self.tombstones if stone.pool == f"site/{facility.id}"}
        used = gone | set(recorded.values()) | set(asked.values())
        free = _free_ports(self.inventory.settings.pools.first_site_port, used)
        return (
            self._assigned(facility, ported(facility, devices_of(facility)), recorded, free),
            self._assigned(facility, ported(facility, asked_devices_of(facility)), asked, free),
        )

    def _assigned(
        self, facility: Facility, devices: tuple[str, ...], recorded: Mapping[str, int], free: Iterator[int]
    ) -> dict[str, int]:
        """Each device its recorded port, or the next one that is free."""
        ports: dict[str, int] = {}
        for device in devices:
            port = recorded.get(device) or next(free, None)
            if port is None:
                self._exhausted(f"site/{facility.id}", "ports", f"its ports above {_LAST_PORT} do not exist")
                break
            ports[device] = port
        return dict(sorted(ports.items()))

    def _next(self, pool: str, name: str) -> IPv4Address | None:
        """Take the first free address of a pool."""
        pools = self.inventory.settings.pools
        network = pools.centres if pool == CENTRES else pools.carriers.get(pool.partition("/")[2])
        if network is None:
            self._exhausted(name, "pool", f"there is no pool {pool}")
            return None
        free = self._free.setdefault(network, _addresses(network))
        address = next((a for a in free if a not in self.taken), None)
        if address is None:
            self._exhausted(name, "pool", f"no address is left in the pool {pool} {network}")
            return None
        self.taken.add(address)
        return address

    def _exhausted(self, name: str, what: str, why: str) -> None:
        hint = "add capacity in inventory.yml; addresses that were in use are not given out again"
        message = f"{name.replace('/', ' ', 1)}: {why}"
        self.problems.append(Problem("", 0, 0, f"{what}-exhausted", message, hint, name))


def _addresses(network: IPv4Network) -> Iterator[IPv4Address]:
    """A pool's addresses in order; those that end in .0 are left out, as old routers drop them."""
    return (address for address in network.hosts() if int(address) & 0xFF)


def _free_ports(first: int, used: Collection[int | None]) -> Iterator[int]:
    return (port for port in range(first, _LAST_PORT + 1) if port not in used)
