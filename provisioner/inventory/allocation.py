"""Allocation of tunnel addresses, ports and prefixes into the lock. Pure.

Recorded entries never change. New entries take the first free value, in the order of ids, so that the order of files
and list items does not matter. Removed entries leave a tombstone and are never reused.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import chain
from typing import Final, NamedTuple, Protocol

from provisioner.base.errors import InventoryError, Problem
from provisioner.base.text import msg
from provisioner.inventory.model import hosts
from provisioner.inventory.model.devices import device_of
from provisioner.inventory.model.facility import Access, AnyPlan, Facility, Operating
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.renamed_ids import moved_lock

_BITS = 32
CENTRES: Final = "centres"  #: The centres' pool in tombstones; a carrier's is `carriers/<id>`.
_LAST_PORT: Final = 65535
_ADD_CAPACITY: Final = "add capacity in inventory.yml; addresses that were in use are not given out again"
_PREFIX_IS_FULL: Final = (
    "agree pull_portmap for this facility, which has thousands of ports, or split it; numbers that were in use are not"
    " given out again"
)


class SiteNeeds(NamedTuple):
    """A site's allocations by access mode, beside a tunnel address."""

    device_ports: bool = False  #: Whether each device gets a port of that address.
    device_numbers: bool = False  #: Whether the site gets a prefix, and each device a number in it.


NEEDS: Final[Mapping[Access, SiteNeeds]] = {
    Access.PULL_PORTMAP: SiteNeeds(device_ports=True),
    Access.PULL_NAT_MAP: SiteNeeds(device_numbers=True),
    Access.ROUTED: SiteNeeds(),
    Access.PUBLISH: SiteNeeds(),
}


class Holder(Protocol):
    """A facility, or its outline."""

    @property
    def operating(self) -> Operating:
        """Its operating state."""

    @property
    def plan(self) -> AnyPlan | None:
        """Its plan."""

    @property
    def successor(self) -> AnyPlan | None:
        """The next connection's plan."""


def carrier_of(facility: Holder) -> str | None:
    """Return the carrier of an open facility's plan, also if only proposed."""
    return facility.plan.carrier if facility.plan and facility.operating is not Operating.CLOSED else None


def next_carrier_of(facility: Holder) -> str | None:
    """Return the carrier of the successor, if it is another one."""
    carrier, successor = carrier_of(facility), facility.successor
    return successor.carrier if carrier and successor and successor.carrier != carrier else None


def pool_carrier_of(facility: Holder) -> str | None:
    """Return the carrier of a facility's tunnel address, if any."""
    return carrier_of(facility) if facility.plan and facility.plan.access.has_tunnel else None


def next_pool_carrier_of(facility: Holder) -> str | None:
    """Return the next carrier of a second tunnel address during a change."""
    # A successor over another relay of the same carrier keeps the address.
    successor = facility.successor
    return (
        next_carrier_of(facility) if pool_carrier_of(facility) and successor and successor.access.has_tunnel else None
    )


def devices_of(facility: Facility) -> tuple[str, ...]:
    """Return the devices with an address, sorted: recorders and single cameras."""
    return tuple(sorted({device_of(camera) for camera in facility.cameras} | {r.id for r in facility.recorders}))


def probed_devices_of(facility: Facility) -> tuple[str, ...]:
    """Return the devices with ONVIF, sorted."""
    recorders = (recorder.id for recorder in facility.recorders if recorder.onvif)
    return tuple(sorted((*recorders, *(camera.id for camera in facility.cameras if camera.onvif))))


def ported(facility: Holder, devices: tuple[str, ...]) -> tuple[str, ...]:
    """Return the devices that get a port, by access mode."""
    # Without a plan the access mode is unknown, so recorded ports do not become tombstones yet.
    return devices if any(needs.device_ports for needs in _needs_of(facility)) else ()


def numbered(facility: Holder, devices: tuple[str, ...]) -> tuple[str, ...]:
    """Return the devices that get a number, as `ported`."""
    return devices if any(needs.device_numbers for needs in _needs_of(facility)) else ()


def prefix_carriers_of(facility: Holder) -> frozenset[str]:
    """Return the carriers in whose pools a site has a prefix."""
    plans = (facility.plan, facility.successor) if carrier_of(facility) else ()
    return frozenset(plan.carrier for plan in plans if plan and NEEDS[plan.access].device_numbers)


def _needs_of(facility: Holder) -> list[SiteNeeds]:
    modes = [plan.access for plan in (facility.plan, facility.successor) if plan] or list(Access)
    return [NEEDS[mode] for mode in modes]


class Taken:
    """Addresses and prefixes that are or were in use, never reused."""

    def __init__(self, addresses: Collection[IPv4Address], prefixes: Collection[IPv4Network]) -> None:
        self._addresses = set(addresses)
        self._prefixes: dict[int, set[int]] = defaultdict(set)
        self._used: dict[int, set[int]] = {}
        self._free: dict[IPv4Network, Iterator[IPv4Address]] = {}
        self._blocks: dict[tuple[IPv4Network, int], Iterator[int]] = {}
        for prefix in prefixes:
            self._prefixes[prefix.prefixlen].add(_block(prefix.network_address, prefix.prefixlen))

    def next_address(self, network: IPv4Network) -> IPv4Address | None:
        """Take the first free address of a pool, or return `None`."""
        free = self._free.setdefault(network, _addresses(network))
        address = next((a for a in free if a not in self._addresses and not self._is_in_a_prefix(a)), None)
        if address is not None:
            self._addresses.add(address)
            for length, used in self._used.items():
                used.add(_block(address, length))
        return address

    def next_prefix(self, network: IPv4Network, length: int) -> IPv4Network | None:
        """Take the first prefix of a pool without used addresses, or `None`."""
        used = self._used_of(length)
        blocks = self._blocks.setdefault((network, length), _networks_of_length(network, length))
        block = next((candidate for candidate in blocks if candidate not in used), None)
        if block is None:
            return None
        self._prefixes[length].add(block)
        for other_length, other_blocks in self._used.items():
            other_blocks.update(_blocks_of(block, length, other_length))
        return IPv4Network((block << (_BITS - length), length))

    def _used_of(self, length: int) -> set[int]:
        if length not in self._used:
            used = {_block(address, length) for address in self._addresses}
            for other_length, blocks in self._prefixes.items():
                used.update(covered for block in blocks for covered in _blocks_of(block, other_length, length))
            self._used[length] = used
        return self._used[length]

    def _is_in_a_prefix(self, address: IPv4Address) -> bool:
        return any(_block(address, length) in blocks for length, blocks in self._prefixes.items())


def _block(address: IPv4Address, length: int) -> int:
    """Return the number of the network around an address, counted from 0.0.0.0."""
    return int(address) >> (_BITS - length)


def _blocks_of(block: int, length: int, wanted: int) -> range:
    if wanted <= length:
        return range(block >> (length - wanted), (block >> (length - wanted)) + 1)
    return range(block << (wanted - length), (block + 1) << (wanted - length))


def _networks_of_length(network: IPv4Network, length: int) -> Iterator[int]:
    """Yield a pool's networks of a length, if it is large enough."""
    if network.prefixlen > length:
        return iter(())
    first = _block(network.network_address, length)
    return iter(range(first, first + (1 << (length - network.prefixlen))))


def _addresses(network: IPv4Network) -> Iterator[IPv4Address]:
    """Yield a pool's addresses; old routers drop those ending in .0."""
    return (address for address in network.hosts() if int(address) & 0xFF)


def tombstones_of(inventory: Inventory, frozen: Collection[str] = ()) -> tuple[hosts.Tombstone, ...]:
    """Return all tombstones; frozen facilities (`frozen`) get no new ones."""
    return tuple(
        chain(inventory.allocations.tombstones, _host_tombstones(inventory), _site_tombstones(inventory, frozen))
    )


def _host_tombstones(inventory: Inventory) -> Iterator[hosts.Tombstone]:
    """Yield the addresses of removed relays and centres."""
    lock = inventory.allocations
    for name, relay in lock.relays.items():
        if name not in inventory.relays:
            address = relay.tunnel_address
            yield hosts.Tombstone(object=f"relay/{name}", pool=_pool_of(inventory, address), tunnel_address=address)
    for name, centre in lock.centres.items():
        if name not in inventory.centres:
            yield hosts.Tombstone(object=f"centre/{name}", pool=CENTRES, tunnel_address=centre.tunnel_address)


def _pool_of(inventory: Inventory, address: IPv4Address) -> str:
    """Return a removed relay's pool; its carrier's file may be gone, too."""
    pools = inventory.settings.pools.carriers
    return next((f"carriers/{name}" for name, pool in sorted(pools.items()) if address in pool), "carriers")


def _site_tombstones(inventory: Inventory, frozen: Collection[str]) -> Iterator[hosts.Tombstone]:
    """Yield addresses, prefixes and ports that sites no longer need."""
    for name, site in inventory.allocations.sites.items():
        if name in frozen:
            continue
        facility = inventory.facilities.get(name)
        carriers = {pool_carrier_of(facility), next_pool_carrier_of(facility)} if facility else set()
        prefix_carriers = prefix_carriers_of(facility) if facility else frozenset[str]()
        for allocation in (site, site.successor):
            pool = f"carriers/{allocation.carrier}" if allocation else ""
            if allocation and allocation.carrier not in carriers:
                yield hosts.Tombstone(object=f"site/{name}", pool=pool, tunnel_address=allocation.tunnel_address)
            if allocation and allocation.prefix and allocation.carrier not in prefix_carriers:
                yield hosts.Tombstone(object=f"site/{name}", pool=pool, prefix=allocation.prefix)
        if facility is None:
            continue
        pool = f"site/{name}"
        for device in sorted(set(site.ports) - set(ported(facility, devices_of(facility)))):
            yield hosts.Tombstone(object=f"site/{name}/{device}", pool=pool, port=site.ports[device])
        for device in sorted(set(site.device_onvif_ports) - set(ported(facility, probed_devices_of(facility)))):
            yield hosts.Tombstone(object=f"site/{name}/{device}/onvif", pool=pool, port=site.device_onvif_ports[device])
        # A removed prefix takes its numbers along.
        numbers = numbered(facility, devices_of(facility))
        for device in sorted(set(site.device_numbers) - set(numbers)) if numbers else ():
            yield hosts.Tombstone(object=f"site/{name}/{device}", pool=pool, number=site.device_numbers[device])


def tombstone_order(tombstone: hosts.Tombstone) -> tuple[str, int, int, int, str]:
    """Return a tombstone's sort key."""
    address = tombstone.tunnel_address or (tombstone.prefix.network_address if tombstone.prefix else 0)
    return tombstone.pool, int(address), tombstone.port or 0, tombstone.number or 0, tombstone.object


def allocate(inventory: Inventory, frozen: Collection[str] = ()) -> hosts.Allocations:
    """Return the complete lock; `frozen` entries stay, a used-up pool raises `InventoryError`."""
    lock = moved_lock(
        inventory.allocations,
        inventory.settings.moved,
        {name: devices_of(facility) for name, facility in inventory.facilities.items()},
    )
    inventory = inventory.model_copy(update={"allocations": lock})
    frozen_sites = {name: site for name, site in lock.sites.items() if name in frozen}
    work = _Allocation(inventory, tombstones_of(inventory, frozen))
    relays = work.relay_allocations()
    centres = work.centre_allocations()
    sites = dict(sorted({**frozen_sites, **work.site_allocations()}.items()))
    if work.problems:
        raise InventoryError("addresses are used up", problems=tuple(work.problems), hint="see the problems listed")
    tombstones = tuple(sorted(work.tombstones, key=tombstone_order))
    marks = protected_marks(inventory, lock.protected)
    adopted = {host: owner for host, owner in (lock.adopted or {}).items() if host in relays or host in centres}
    return hosts.Allocations(
        relays=relays, centres=centres, sites=sites, tombstones=tombstones, protected=marks, adopted=adopted or None
    )


def protected_marks(inventory: Inventory, recorded: Collection[str]) -> tuple[str, ...]:
    """Return protected objects, and recorded ones whose block was deleted."""
    # Only an edit of the block removes a protection.
    protected: dict[str, bool] = {f"facility/{f.id}": f.protected for f in inventory.facilities.values()}
    protected |= {f"relay/{name}": relay.protected for name, (_, relay) in inventory.relays.items()}
    protected |= {f"centre/{name}": centre.protected for name, centre in inventory.centres.items()}
    deleted = set(recorded) - set(protected)
    return tuple(sorted(deleted | {name for name, is_protected in protected.items() if is_protected}))


@dataclass
class _Allocation:
    inventory: Inventory
    tombstones: tuple[hosts.Tombstone, ...]

    def __post_init__(self) -> None:
        lock = self.inventory.allocations
        sites = [allocation for site in lock.sites.values() for allocation in (site, site.successor) if allocation]
        entries = (*lock.relays.values(), *lock.centres.values(), *sites, *self.tombstones)
        self.taken = Taken(
            {entry.tunnel_address for entry in entries if entry.tunnel_address},
            {entry.prefix for entry in (*sites, *self.tombstones) if entry.prefix},
        )
        self.problems: list[Problem] = []

    def relay_allocations(self) -> dict[str, hosts.RelayAllocation]:
        old = self.inventory.allocations.relays
        allocations: dict[str, hosts.RelayAllocation] = {}
        for name, (carrier, _) in sorted(self.inventory.relays.items()):
            if name in old:
                allocations[name] = old[name]
            elif address := self._next_address(f"carriers/{carrier.id}", f"relay/{name}"):
                allocations[name] = hosts.RelayAllocation(tunnel_address=address)
        return allocations

    def centre_allocations(self) -> dict[str, hosts.CentreAllocation]:
        old = self.inventory.allocations.centres
        allocations: dict[str, hosts.CentreAllocation] = {}
        for name in sorted(self.inventory.centres):
            if name in old:
                allocations[name] = old[name]
            elif address := self._next_address(CENTRES, f"centre/{name}"):
                allocations[name] = hosts.CentreAllocation(tunnel_address=address)
        return allocations

    def site_allocations(self) -> dict[str, hosts.SiteAllocation]:
        allocations: dict[str, hosts.SiteAllocation] = {}
        for name, facility in sorted(self.inventory.facilities.items()):
            carrier, next_carrier = pool_carrier_of(facility), next_pool_carrier_of(facility)
            if carrier and (address := self._site_address(facility, carrier)):
                next_address = self._site_address(facility, next_carrier) if next_carrier else None
                ports, onvif_ports = self._device_ports(facility)
                length, numbers = self._prefix_and_numbers(facility)
                allocations[name] = hosts.SiteAllocation(
                    carrier=carrier,
                    tunnel_address=address,
                    ports=ports,
                    onvif_ports=onvif_ports or None,
                    prefix=self._prefix(facility, carrier, length),
                    numbers=numbers or None,
                    successor=self._successor_allocation(facility, next_carrier, next_address, length),
                )
        return allocations

    def _successor_allocation(
        self, facility: Facility, carrier: str | None, address: IPv4Address | None, length: int
    ) -> hosts.SuccessorAllocation | None:
        if carrier is None or address is None:
            return None
        prefix = self._prefix(facility, carrier, length)
        return hosts.SuccessorAllocation(carrier=carrier, tunnel_address=address, prefix=prefix)

    def _site_address(self, facility: Facility, carrier: str) -> IPv4Address | None:
        old = self.inventory.allocations.sites.get(facility.id)
        for allocation in (old, old.successor if old else None):
            if allocation and allocation.carrier == carrier:
                return allocation.tunnel_address
        return self._next_address(f"carriers/{carrier}", f"site/{facility.id}")

    def _device_ports(self, facility: Facility) -> tuple[dict[str, int], dict[str, int]]:
        """Return devices' ports and ONVIF ports; ONVIF moves no video port."""
        old = self.inventory.allocations.sites.get(facility.id)
        recorded: Mapping[str, int] = old.ports if old else {}
        recorded_onvif: Mapping[str, int] = old.device_onvif_ports if old else {}
        removed = {tombstone.port for tombstone in self.tombstones if tombstone.pool == f"site/{facility.id}"}
        used = removed | set(recorded.values()) | set(recorded_onvif.values())
        ports = range(self.inventory.settings.pools.first_site_port, _LAST_PORT + 1)
        free = (port for port in ports if port not in used)
        return (
            self._ports_of_devices(facility, ported(facility, devices_of(facility)), recorded, free),
            self._ports_of_devices(facility, ported(facility, probed_devices_of(facility)), recorded_onvif, free),
        )

    def _ports_of_devices(
        self, facility: Facility, devices: tuple[str, ...], recorded: Mapping[str, int], free: Iterator[int]
    ) -> dict[str, int]:
        ports: dict[str, int] = {}
        for device in devices:
            port = recorded.get(device) or next(free, None)
            if port is None:
                self._exhausted(
                    f"site/{facility.id}", "ports", msg("its ports above {last_port} do not exist", _LAST_PORT)
                )
                break
            ports[device] = port
        return dict(sorted(ports.items()))

    def _prefix_and_numbers(self, facility: Facility) -> tuple[int, dict[str, int]]:
        """Return a site's prefix length, kept if recorded, and its devices' numbers."""
        old = self.inventory.allocations.sites.get(facility.id)
        recorded: Mapping[str, int] = old.device_numbers if old else {}
        removed = {tombstone.number for tombstone in self.tombstones if tombstone.pool == f"site/{facility.id}"}
        devices = numbered(facility, devices_of(facility))
        used = removed | set(recorded.values())
        free = (number for number in range(1, _devices_in(hosts.SHORTEST_PREFIX) + 1) if number not in used)
        numbers = {device: recorded.get(device) or next(free, 0) for device in devices}
        last = max(numbers.values(), default=0)
        prefix = next(
            (
                allocation.prefix
                for allocation in (old, old.successor if old else None)
                if allocation and allocation.prefix
            ),
            None,
        )
        lengths = range(self.inventory.settings.pools.site_prefix_length, hosts.SHORTEST_PREFIX - 1, -1)
        length = (
            prefix.prefixlen if prefix else next((n for n in lengths if _devices_in(n) >= last), hosts.SHORTEST_PREFIX)
        )
        if 0 in numbers.values() or last > _devices_in(length):
            reason = msg(
                "its prefix of /{length} has room for {length_2} devices, those that it had included",
                length,
                _devices_in(length),
            )
            self._exhausted(f"site/{facility.id}", "prefix", reason, _PREFIX_IS_FULL)
        return length, dict(sorted(numbers.items()))

    def _prefix(self, facility: Facility, carrier: str, length: int) -> IPv4Network | None:
        """Return a site's recorded or first free prefix, or `None` if unneeded."""
        if carrier not in prefix_carriers_of(facility):
            return None
        old = self.inventory.allocations.sites.get(facility.id)
        for allocation in (old, old.successor if old else None):
            if allocation and allocation.carrier == carrier and allocation.prefix:
                return allocation.prefix
        pool = f"carriers/{carrier}"
        network = self._pool_network(pool, f"site/{facility.id}")
        prefix = self.taken.next_prefix(network, length) if network else None
        if network and prefix is None:
            self._exhausted(
                f"site/{facility.id}",
                "pool",
                msg("no prefix of /{length} is left in the pool {pool} {network}", length, pool, network),
            )
        return prefix

    def _next_address(self, pool: str, name: str) -> IPv4Address | None:
        network = self._pool_network(pool, name)
        address = self.taken.next_address(network) if network else None
        if network and address is None:
            self._exhausted(name, "pool", msg("no address is left in the pool {pool} {network}", pool, network))
        return address

    def _pool_network(self, pool: str, name: str) -> IPv4Network | None:
        pools = self.inventory.settings.pools
        network = pools.centres if pool == CENTRES else pools.carriers.get(pool.partition("/")[2])
        if network is None:
            self._exhausted(name, "pool", msg("there is no pool {pool}", pool))
        return network

    def _exhausted(self, name: str, resource: str, reason: str, hint: str = _ADD_CAPACITY) -> None:
        message = f"{name.replace('/', ' ', 1)}: {reason}"
        self.problems.append(Problem("", 0, 0, f"{resource}-exhausted", message, hint, name))


def _devices_in(length: int) -> int:
    """Return a prefix's capacity, without network and broadcast address."""
    return (1 << (32 - length)) - 2
