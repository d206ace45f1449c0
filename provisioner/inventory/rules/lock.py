"""Rules on the lock's entries, and on the relays' WireGuard ports."""

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from provisioner.base.errors import Problem
from provisioner.base.text import msg
from provisioner.inventory.allocation import next_pool_carrier_of, numbered, pool_carrier_of, ported, prefix_carriers_of
from provisioner.inventory.model.facility import Operating, relays_of
from provisioner.inventory.model.hosts import CentreAllocation, OwnKeyStage, Relay, RelayAllocation, SiteAllocation
from provisioner.inventory.model.policy import Recovery
from provisioner.inventory.outline import Outline
from provisioner.inventory.rules.view import OwnerPath, View

ALLOCATION_MISSING = "allocation-missing"
HOST_KEYS_MISSING = "host-keys-missing"
GATEWAY_KEY_MISSING = "gateway-key-missing"
KEYS_MISSING = frozenset({HOST_KEYS_MISSING, GATEWAY_KEY_MISSING})
LOCK_GAPS = KEYS_MISSING | {ALLOCATION_MISSING}  #: Problems of values that other commands write into the lock.

RUN_ALLOCATE = "run `provisioner allocate` and commit allocations.lock.yml"
RUN_KEYS = "run `provisioner keys init` and commit allocations.lock.yml"
_NEVER_EDIT = "take the file back from Git: `provisioner allocate` alone writes it"

#: An entry's path in the lock, its address, and its expected pool.
Entry = tuple[tuple[str, ...], IPv4Address, IPv4Network | None]
_NEEDED_BY_THE_HOST: Final = {
    68: "by it the host hears of its own address (DHCP)",
    546: "by it the host hears of its own address (DHCPv6)",
}
_OF_MEDIAMTX: Final = {
    8322: "it is the number of the relay's encrypted RTSP",
    8554: "it is the number of the relay's RTSP",
    9997: "it is the number of MediaMTX's Control API",
}


def addresses_are_of_their_pools(view: View) -> Iterator[Problem]:
    """Recorded addresses are in their pool: pools with used addresses cannot move."""
    for path, address, pool in _address_entries(view):
        if pool is not None and address not in pool:
            message = msg(
                "{path} {path_2}: {address} lies outside the pool {pool}", path[0][:-1], path[1], address, pool
            )
            hint = "set the pool back in inventory.yml: addresses that are in use do not move"
            yield view.problem("allocations", (*path, "tunnel_address"), "allocation-outside-pool", message, hint)


def _address_entries(view: View) -> Iterator[Entry]:
    """Yield recorded tunnel addresses: path in the lock, address, pool."""
    lock, pools = view.inventory.allocations, view.inventory.settings.pools
    carriers = {relay: carrier.id for relay, (carrier, _) in view.relays_by_id.items()}
    for name, relay in lock.relays.items():
        yield ("relays", name), relay.tunnel_address, pools.carriers.get(carriers.get(name, ""))
    for name, centre in lock.centres.items():
        yield ("centres", name), centre.tunnel_address, pools.centres
    for name, site in lock.sites.items():
        yield ("sites", name), site.tunnel_address, pools.carriers.get(site.carrier)
        if site.successor:
            pool = pools.carriers.get(site.successor.carrier)
            yield ("sites", name, "successor"), site.successor.tunnel_address, pool


def addresses_are_recorded_once(view: View) -> Iterator[Problem]:
    """A tunnel address belongs to one peer and is never reused."""
    lock = view.inventory.allocations
    owners = {
        tombstone.tunnel_address: msg("the removed {object}", tombstone.object)
        for tombstone in lock.tombstones
        if tombstone.tunnel_address
    }
    for path, address, _ in _address_entries(view):
        name = _owner_of(path)
        if address in owners:
            code = "allocation-reused" if owners[address].startswith("the removed") else "allocation-duplicate"
            message = msg("{name}: {address} belongs to {owners}", name, address, owners[address])
            yield view.problem("allocations", (*path, "tunnel_address"), code, message, _NEVER_EDIT)
        owners.setdefault(address, name)


def ports_are_recorded_once(view: View) -> Iterator[Problem]:
    """A site's port belongs to one device for ever."""
    lock = view.inventory.allocations
    for name, site in lock.sites.items():
        removed = [tombstone for tombstone in lock.tombstones if tombstone.pool == f"site/{name}" and tombstone.port]
        owners = {tombstone.port: msg("the removed {object}", tombstone.object) for tombstone in removed}
        for key, ports in (("ports", site.ports), ("onvif_ports", site.device_onvif_ports)):
            for device, port in ports.items():
                if port in owners:
                    message = msg(
                        "site {name}: {device}: port {port} belongs to {owners}", name, device, port, owners[port]
                    )
                    path = ("sites", name, key, device)
                    yield view.problem("allocations", path, "allocation-port-duplicate", message, _NEVER_EDIT)
                owners.setdefault(port, device)


def prefixes_are_of_their_pools(view: View) -> Iterator[Problem]:
    """A recorded prefix is inside its carrier's pool."""
    pools = view.inventory.settings.pools.carriers
    for path, carrier, prefix in _prefixes(view):
        pool = pools.get(carrier)
        if pool is not None and not prefix.subnet_of(pool):
            message = msg("site {path}: {prefix} lies outside the pool {pool}", path[1], prefix, pool)
            hint = "set the pool back in inventory.yml: addresses that are in use do not move"
            yield view.problem("allocations", (*path, "prefix"), "allocation-outside-pool", message, hint)


def prefixes_are_recorded_once(view: View) -> Iterator[Problem]:
    """Prefixes do not overlap other prefixes or addresses, present or removed."""
    lock = view.inventory.allocations
    spans = [(prefix, _owner_of(path), path) for path, _, prefix in _prefixes(view)]
    if not spans and not any(stone.prefix for stone in lock.tombstones):
        return
    spans += [
        (stone.prefix, msg("the removed {object}", stone.object), ()) for stone in lock.tombstones if stone.prefix
    ]
    single = [(stone.tunnel_address, msg("the removed {object}", stone.object)) for stone in lock.tombstones]
    single += [(address, _owner_of(path)) for path, address, _ in _address_entries(view)]
    spans += [(IPv4Network(address), name, ()) for address, name in single if address]
    # In this order a network comes right after the one that it lies in, or after another one in that.
    spans.sort(key=lambda span: (int(span[0].network_address), span[0].prefixlen, not span[2]))
    whole, owner, outer_path = spans[0]
    for network, name, path in spans[1:]:
        if not network.subnet_of(whole):
            whole, owner, outer_path = network, name, path
        elif at := path or outer_path:
            overlapping, overlapped, holder = (network, whole, owner) if path else (whole, network, name)
            code = "allocation-reused" if holder.startswith("the removed") else "allocation-duplicate"
            message = msg("site {at}: {own} meets {other} of {whose}", at[1], overlapping, overlapped, holder)
            yield view.problem("allocations", (*at, "prefix"), code, message, _NEVER_EDIT)


def _owner_of(path: tuple[str, ...]) -> str:
    return f"{path[0][:-1]} {path[1]}"


def _prefixes(view: View) -> Iterator[tuple[tuple[str, ...], str, IPv4Network]]:
    """Yield recorded prefixes: path in the lock, carrier, prefix."""
    for name, site in view.inventory.allocations.sites.items():
        if site.prefix:
            yield ("sites", name), site.carrier, site.prefix
        if site.successor and site.successor.prefix:
            yield ("sites", name, "successor"), site.successor.carrier, site.successor.prefix


def numbers_are_recorded_once(view: View) -> Iterator[Problem]:
    """A number of a site's prefix belongs to one device for ever."""
    lock = view.inventory.allocations
    for name, site in lock.sites.items():
        if not site.numbers:
            continue
        removed = [tombstone for tombstone in lock.tombstones if tombstone.pool == f"site/{name}" and tombstone.number]
        owners = {tombstone.number: msg("the removed {object}", tombstone.object) for tombstone in removed}
        largest = min((prefix.num_addresses - 2 for prefix in site.prefixes), default=None)
        for device, number in site.numbers.items():
            path = ("sites", name, "numbers", device)
            if largest is not None and number > largest:
                message = msg("site {name}: {device}: number {number} is outside its prefix", name, device, number)
                yield view.problem("allocations", path, "allocation-outside-pool", message, _NEVER_EDIT)
            if number in owners:
                message = msg(
                    "site {name}: {device}: number {number} is that of {owners}", name, device, number, owners[number]
                )
                yield view.problem("allocations", path, "allocation-number-duplicate", message, _NEVER_EDIT)
            owners.setdefault(number, device)


def missing_allocations(view: View) -> Iterator[Problem]:
    """Exactly the hosts, sites and devices with a tunnel have allocations."""
    lock = view.inventory.allocations
    relays, centres = set(view.relays_by_id), set(view.inventory.centres)
    yield from _missing_address_problems(view, "relay", relays, lock.relays)
    yield from _missing_address_problems(view, "centre", centres, lock.centres)
    for owner, facility in view.facilities():
        carrier, later = pool_carrier_of(facility), next_pool_carrier_of(facility)
        if carrier is None:
            continue
        site = lock.sites.get(facility.id)
        second = site.successor.carrier if site and site.successor else None
        if site is None or site.carrier != carrier:
            message = msg("no tunnel address of {carrier} is recorded", carrier)
            yield view.problem(owner, (), ALLOCATION_MISSING, message, RUN_ALLOCATE)
        elif later and second != later:
            message = msg("no tunnel address of the next carrier {later} is recorded", later)
            yield view.problem(owner, ("successor",), ALLOCATION_MISSING, message, RUN_ALLOCATE)
        elif second and not later:
            message = msg(
                "site {id}: its address of {second} is recorded, but the file names no successor", facility.id, second
            )
            yield _of_site(view, facility.id, message)
        elif message := _lacking_devices_text(facility, site):
            yield view.problem(owner, (), ALLOCATION_MISSING, message, RUN_ALLOCATE)
        elif message := _surplus_devices_text(facility, site):
            yield _of_site(view, facility.id, message)
    yield from _obsolete_entries(view)


def _lacking_devices_text(facility: Outline, site: SiteAllocation) -> str:
    devices, numbers = ported(facility, facility.devices), numbered(facility, facility.devices)
    if lacking := sorted(set(devices) - set(site.ports)):
        return msg("no port is recorded for {lacking}", ", ".join(lacking))
    if lacking := sorted(set(ported(facility, facility.probed_devices)) - set(site.device_onvif_ports)):
        return msg("no port for ONVIF is recorded for {lacking}", ", ".join(lacking))
    if lacking := sorted(prefix_carriers_of(facility) - _prefixed(site)):
        return msg("no prefix of {lacking} is recorded for its devices' addresses", ", ".join(lacking))
    lacking = sorted(set(numbers) - set(site.device_numbers))
    return msg("no address is recorded for {lacking}", ", ".join(lacking)) if lacking else ""


def _surplus_devices_text(facility: Outline, site: SiteAllocation) -> str:
    name = facility.id
    devices = {*ported(facility, facility.devices), *numbered(facility, facility.devices)}
    if surplus := sorted({*site.ports, *site.device_numbers} - devices):
        return msg("site {name}: {surplus} left the facility's file", name, ", ".join(surplus))
    if surplus := sorted(set(site.device_onvif_ports) - set(ported(facility, facility.probed_devices))):
        return msg("site {name}: a port for ONVIF is recorded, and not asked for: {surplus}", name, ", ".join(surplus))
    if surplus := sorted(_prefixed(site) - prefix_carriers_of(facility)):
        return msg(
            "site {name}: its prefix of {surplus} is recorded, and no plan asks for one", name, ", ".join(surplus)
        )
    if surplus := sorted(set(site.ports) - set(ported(facility, facility.devices))):
        return msg("site {name}: ports are recorded, and no plan asks for them: {surplus}", name, ", ".join(surplus))
    surplus = sorted(set(site.device_numbers) - set(numbered(facility, facility.devices)))
    return (
        msg("site {name}: addresses are recorded, and no plan asks for them: {surplus}", name, ", ".join(surplus))
        if surplus
        else ""
    )


def _prefixed(site: SiteAllocation) -> frozenset[str]:
    return frozenset(allocation.carrier for allocation in (site, site.successor) if allocation and allocation.prefix)


def _of_site(view: View, site: str, message: str) -> Problem:
    return view.problem("allocations", ("sites", site), ALLOCATION_MISSING, message, RUN_ALLOCATE, concerns=(site,))


def _missing_address_problems(
    view: View, kind: str, names: set[str], recorded: Mapping[str, object]
) -> Iterator[Problem]:
    for name in sorted(names - set(recorded)):
        owner, path = _position_of(view, kind, name)
        message = msg("{kind}no tunnel address is recorded", _named(kind, name))
        yield view.problem(owner, path, ALLOCATION_MISSING, message, RUN_ALLOCATE)


def _named(kind: str, name: str) -> str:
    """Return a relay's name inside its carrier's file; empty for a centre."""
    return (msg("relay {name}", name) + ": ") if kind == "relay" else ""


def _position_of(view: View, kind: str, name: str) -> OwnerPath:
    return (f"centre/{name}", ()) if kind == "centre" else view.relay_places[name]


def _obsolete_entries(view: View) -> Iterator[Problem]:
    """Entries of closed or removed objects have to become tombstones."""
    lock = view.inventory.allocations
    connected = {name for name, facility in view.outlines.items() if pool_carrier_of(facility)}
    connected |= {owner.partition("/")[2] for owner in view.broken if owner.startswith("facility/")}
    obsolete = [("sites", name) for name in lock.sites if name not in connected]
    if not any(owner.startswith("carrier/") for owner in view.broken):
        obsolete += [("relays", name) for name in lock.relays if name not in view.relays_by_id]
    obsolete += [("centres", name) for name in lock.centres if not view.knows(f"centre/{name}")]
    for kind, name in obsolete:
        message = msg("{kind} {name} is closed or gone, but its address is still recorded as in use", kind[:-1], name)
        if kind == "sites" and name in view.outlines and view.outlines[name].operating is not Operating.CLOSED:
            message = msg("site {name} needs no tunnel, but its address is still recorded as in use", name)
        if kind == "sites":
            yield _of_site(view, name, message)
        else:
            yield view.problem("allocations", (kind, name), ALLOCATION_MISSING, message, RUN_ALLOCATE)


def missing_keys(view: View) -> Iterator[Problem]:
    """Relays, centres and rendered sites have the public keys for their peers."""
    lock = view.inventory.allocations
    for kind, hosts in (("relay", lock.relays), ("centre", lock.centres)):
        listed_hosts = view.relays_by_id if kind == "relay" else view.inventory.centres
        for name, host in hosts.items():
            if name in listed_hosts and (lacking := _lacking_keys(host, is_hub=kind == "centre" and view.is_hub(name))):
                owner, path = _position_of(view, kind, name)
                message = msg("{kind}not recorded yet: {lacking}", _named(kind, name), ", ".join(lacking))
                yield view.problem(owner, path, HOST_KEYS_MISSING, message, RUN_KEYS)
    for owner, facility in view.facilities():
        tunnelled = any(plan.access.has_tunnel for plan in facility.carried_plans)
        if tunnelled and facility.public_key is None:
            message = "the gateway's public key is not known"
            hint = msg(
                "make the site's package with `provisioner site-package {id}`, install it on the "
                "gateway, and note the key that it prints: provisioner gateway set-key {id_2} KEY",
                facility.id,
                facility.id,
            )
            yield view.problem(owner, ("gateway",), GATEWAY_KEY_MISSING, message, hint)


def is_sealed(relay: RelayAllocation, recovery: Recovery | None) -> bool:
    """Return whether a relay's tunnel key is sealed to today's recovery key."""
    sealed = relay.sealed_key
    is_current = recovery is not None and sealed is not None and sealed.recovery == recovery.public_key
    return is_current and sealed is not None and sealed.public_key == relay.public_key


def sealed_keys(view: View) -> Iterator[Problem]:
    """Relays' tunnel keys are sealed; otherwise their loss costs site visits."""
    recovery = view.inventory.settings.recovery
    for name, relay in view.inventory.allocations.relays.items():
        if recovery is None or relay.public_key is None or name not in view.relays_by_id:
            continue
        sealed = relay.sealed_key
        if sealed is None:
            message = msg("relay {name} has not sealed its tunnel's key to the recovery key", name)
        elif sealed.recovery != recovery.public_key:
            message = msg("relay {name} has sealed its tunnel's key to a former recovery key", name)
        elif sealed.public_key != relay.public_key:
            message = msg("relay {name} has sealed a former key of its tunnel", name)
        else:
            continue
        yield view.warning("allocations", ("relays", name), "sealed-key-missing", message, RUN_KEYS)


def _lacking_keys(host: RelayAllocation | CentreAllocation, *, is_hub: bool) -> list[str]:
    parts: list[tuple[str, object]] = [("public key", host.public_key)]
    if is_hub:
        parts.append(("certificate", host.certificates))
    if is_hub or isinstance(host, RelayAllocation):
        parts += [("API password hash", host.api_hash), ("probe password hash", host.probe_hash)]
    return [name for name, value in parts if value is None]


def further_ports_are_free(view: View) -> Iterator[Problem]:
    """A relay's further ports, redirected to WireGuard, have no other use."""
    # Our other ports are TCP, but the same number twice would be misread in rules and port lists.
    for owner, path, _, relay in view.relays():
        for number, port in enumerate(relay.further_wireguard_ports):
            if reason := _why_not(relay, number, port):
                message = msg("relay {id} cannot take WireGuard at port {port} as well: {why}", relay.id, port, reason)
                hint = "take it out, or write another one, e.g. 443"
                port_path = (*path, "further_wireguard_ports", number)
                yield view.problem(owner, port_path, "wireguard-port-unfit", message, hint)


def _why_not(relay: Relay, number: int, port: int) -> str:
    if port in relay.further_wireguard_ports[:number]:
        return "it is named twice"
    return unfit_port(relay, port)


def unfit_port(relay: Relay, port: int) -> str:
    """Return why a further WireGuard port is impossible; otherwise empty."""
    if port == relay.wireguard_port:
        return "it is its wireguard_port"
    if port == relay.ssh.port:
        return "it is the number of its SSH"
    return _OF_MEDIAMTX.get(port) or _NEEDED_BY_THE_HOST.get(port, "")


def next_keys_have_ports(view: View) -> Iterator[Problem]:
    """A relay's next key has its own port while two keys exist."""
    lock = view.inventory.allocations
    for name, entry in lock.relays.items():
        if name not in view.relays_by_id or entry.next_key is None:
            continue
        relay, following = view.relays_by_id[name][1], entry.next_key
        path = ("relays", name, "next_key")
        if following.stage is not OwnKeyStage.ENDING and (reason := unfit_port(relay, following.port)):
            message = msg(
                "relay {name} cannot answer with its next key at port {port}: {why}", name, following.port, reason
            )
            hint = "take the carrier's file back as it was when the change of its key began"
            yield view.problem("allocations", path, "wireguard-port-unfit", message, hint)


def gateways_dial_what_is_offered(view: View) -> Iterator[Problem]:
    """A site's relays, present and next, offer its gateway's relay_port."""
    relays = {name: relay for name, (_, relay) in view.relays_by_id.items()}
    for owner, facility in view.facilities():
        port = facility.relay_port
        if not port or facility.operating is Operating.CLOSED:
            continue
        plans = [plan for plan in (facility.plan, facility.successor) if plan]
        tunnelled = [plan for plan in plans if plan.access.has_tunnel]
        if plans and not tunnelled:
            message = msg(
                "the gateway is to dial port {port} of its relay, and there is no tunnel: the site is routed", port
            )
            hint = "remove gateway.relay_port"
            yield view.problem(owner, ("gateway", "relay_port"), "relay-port-not-offered", message, hint)
        for _, name in relays_of(tunnelled):
            relay = relays.get(name)
            if relay is not None and port not in relay.tunnel_ports:
                offered = ", ".join(map(str, dict.fromkeys(relay.tunnel_ports)))
                message = msg(
                    "the gateway is to dial port {port} of {name}, which takes WireGuard at {offered}",
                    port,
                    name,
                    offered,
                )
                hint = msg("write one of these, or add {port} to further_wireguard_ports of {name}", port, name)
                yield view.problem(owner, ("gateway", "relay_port"), "relay-port-not-offered", message, hint)


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    further_ports_are_free,
    gateways_dial_what_is_offered,
    next_keys_have_ports,
    addresses_are_of_their_pools,
    addresses_are_recorded_once,
    ports_are_recorded_once,
    prefixes_are_of_their_pools,
    prefixes_are_recorded_once,
    numbers_are_recorded_once,
    sealed_keys,
    missing_allocations,
    missing_keys,
)
