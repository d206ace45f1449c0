"""The lock of an inventory, completed: tunnel addresses, and the ports or prefixes of sites. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from provisioner.base.diagnostics import Problem
from provisioner.base.errors import InventoryError
from provisioner.inventory.allocate.holders import (
    asked_devices_of,
    devices_of,
    next_pool_carrier_of,
    numbered,
    pool_carrier_of,
    ported,
    prefix_carriers_of,
)
from provisioner.inventory.allocate.taken import Taken
from provisioner.inventory.allocate.tombstones import CENTRES, tombstone_order, tombstones_of
from provisioner.inventory.model import (
    SHORTEST_PREFIX,
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
_ADD_CAPACITY: Final = "add capacity in inventory.yml; addresses that were in use are not given out again"
_PREFIX_IS_FULL: Final = (
    "agree pull_portmap for this facility, which has thousands of ports, or split it; numbers that were in use are not"
    " given out again"
)


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
        sites = [held for site in lock.sites.values() for held in (site, site.successor) if held]
        entries = (*lock.relays.values(), *lock.centres.values(), *sites, *self.tombstones)
        self.taken = Taken(
            {entry.tunnel_address for entry in entries if entry.tunnel_address},
            {entry.prefix for entry in (*sites, *self.tombstones) if entry.prefix},
        )
        self.problems: list[Problem] = []

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
            carrier, later = pool_carrier_of(facility), next_pool_carrier_of(facility)
            if carrier and (address := self._site_address(facility, carrier)):
                second = self._site_address(facility, later) if later else None
                ports, asked = self._ports(facility)
                length, numbers = self._numbers(facility)
                allocations[name] = SiteAllocation(
                    carrier=carrier,
                    tunnel_address=address,
                    ports=ports,
                    onvif_ports=asked or None,
                    prefix=self._prefix(facility, carrier, length),
                    numbers=numbers or None,
                    successor=self._successor(facility, later, second, length),
                )
        return allocations

    def _successor(
        self, facility: Facility, carrier: str | None, address: IPv4Address | None, length: int
    ) -> SuccessorAllocation | None:
        if carrier is None or address is None:
            return None
        prefix = self._prefix(facility, carrier, length)
        return SuccessorAllocation(carrier=carrier, tunnel_address=address, prefix=prefix)

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

    def _numbers(self, facility: Facility) -> tuple[int, dict[str, int]]:
        """The length of a site's prefixes, and each device's number in them.

        It is the recorded one, or the first that no device of this site ever had. A prefix that is recorded keeps its
        length; a new one has room for the devices that there are, and is no smaller than the settings say.
        """
        old = self.inventory.allocations.sites.get(facility.id)
        recorded: Mapping[str, int] = old.device_numbers if old else {}
        gone = {stone.number for stone in self.tombstones if stone.pool == f"site/{facility.id}"}
        devices = numbered(facility, devices_of(facility))
        used = gone | set(recorded.values())
        free = (number for number in range(1, _devices_in(SHORTEST_PREFIX) + 1) if number not in used)
        numbers = {device: recorded.get(device) or next(free, 0) for device in devices}
        last = max(numbers.values(), default=0)
        known = next((held.prefix for held in (old, old.successor if old else None) if held and held.prefix), None)
        lengths = range(self.inventory.settings.pools.site_prefix_length, SHORTEST_PREFIX - 1, -1)
        length = known.prefixlen if known else next((n for n in lengths if _devices_in(n) >= last), SHORTEST_PREFIX)
        if 0 in numbers.values() or last > _devices_in(length):
            why = f"its prefix of /{length} has room for {_devices_in(length)} devices, those that it had included"
            self._exhausted(f"site/{facility.id}", "prefix", why, _PREFIX_IS_FULL)
        return length, dict(sorted(numbers.items()))

    def _prefix(self, facility: Facility, carrier: str, length: int) -> IPv4Network | None:
        """The site's recorded prefix of a carrier, or the first that is free; None where its plans need none there."""
        if carrier not in prefix_carriers_of(facility):
            return None
        old = self.inventory.allocations.sites.get(facility.id)
        for held in (old, old.successor if old else None):
            if held and held.carrier == carrier and held.prefix:
                return held.prefix
        pool = f"carriers/{carrier}"
        network = self._pool(pool, f"site/{facility.id}")
        prefix = self.taken.next_prefix(network, length) if network else None
        if network and prefix is None:
            self._exhausted(
                f"site/{facility.id}", "pool", f"no prefix of /{length} is left in the pool {pool} {network}"
            )
        return prefix

    def _next(self, pool: str, name: str) -> IPv4Address | None:
        """Take the first free address of a pool."""
        network = self._pool(pool, name)
        address = self.taken.next_address(network) if network else None
        if network and address is None:
            self._exhausted(name, "pool", f"no address is left in the pool {pool} {network}")
        return address

    def _pool(self, pool: str, name: str) -> IPv4Network | None:
        pools = self.inventory.settings.pools
        network = pools.centres if pool == CENTRES else pools.carriers.get(pool.partition("/")[2])
        if network is None:
            self._exhausted(name, "pool", f"there is no pool {pool}")
        return network

    def _exhausted(self, name: str, what: str, why: str, hint: str = _ADD_CAPACITY) -> None:
        message = f"{name.replace('/', ' ', 1)}: {why}"
        self.problems.append(Problem("", 0, 0, f"{what}-exhausted", message, hint, name))


def _devices_in(length: int) -> int:
    """How many devices a prefix has room for, without its network's own address and the broadcast address."""
    return (1 << (32 - length)) - 2


def _free_ports(first: int, used: Collection[int | None]) -> Iterator[int]:
    return (port for port in range(first, _LAST_PORT + 1) if port not in used)
