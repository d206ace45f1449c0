"""Rules on tunnel pools, LANs, management networks and hosts' outer addresses.

Facility LANs may overlap (192.168.1.0/24 is everywhere), unless one relay reaches them without a tunnel. Names are not
resolved: no plan may change because the DNS did.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from itertools import product
from typing import NamedTuple

from provisioner.base.errors import Problem, Severity
from provisioner.base.text import AnyAddress, AnyNetwork, HostName, HostPlace, counted, msg
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model.facility import Access, relays_of
from provisioner.inventory.model.hosts import Centre, JumpHost, Relay
from provisioner.inventory.rules.view import View, overlapping_pairs

WIDEST_MANAGEMENT = {4: 8, 6: 32}  #: Minimum prefix length by family; for IPv6 a whole provider's.
_EVERYBODY = {4: 0, 6: 3}  #: Prefix length by family that covers all addresses; all assigned IPv6 is a /3.
_SMALLEST_POOL = 30
_FOUR, _SIX = 4, 6
#: A host: file, path, name, address, jump host, networks that SSH may come from.
_Managed = tuple[str, KeyPath, str, HostPlace, JumpHost | None, tuple[AnyNetwork, ...]]


class _RoutedLan(NamedTuple):
    """The LAN of a site without a tunnel; `owner` is its file."""

    lan: IPv4Network
    facility: str
    owner: str


def pools_of(view: View) -> list[tuple[str, KeyPath, IPv4Network]]:
    """Return the pools of tunnel addresses: name, path, network."""
    pools = view.inventory.settings.pools
    named = [("the centres' pool", ("pools", "centres"), pools.centres)]
    return [*named, *((msg("{c}'s pool", c), ("pools", "carriers", c), n) for c, n in sorted(pools.carriers.items()))]


def pools_are_complete(view: View) -> Iterator[Problem]:
    """Carriers and pools match, and each pool is large enough."""
    for carrier in view.inventory.carriers:
        if carrier not in view.inventory.settings.pools.carriers:
            message = msg("carrier {carrier} has no pool of tunnel addresses", carrier)
            hint = msg(
                "add pools.carriers.{carrier}: a private network that {carrier_2} does not use yet", carrier, carrier
            )
            yield view.problem("inventory", ("pools", "carriers"), "pool-missing", message, hint)
    for carrier in view.inventory.settings.pools.carriers:
        if not view.knows(f"carrier/{carrier}"):
            message = msg("the pool of {carrier} belongs to no carrier", carrier)
            hint = msg("write carriers/{carrier}.yml", carrier)
            yield view.problem("inventory", ("pools", "carriers", carrier), "carrier-unknown", message, hint)
    for name, path, network in pools_of(view):
        if network.prefixlen > _SMALLEST_POOL:
            message = msg("{name} {network} has no room for two addresses", name, network)
            hint = "write a network of /30 or larger"
            yield view.problem("inventory", path, "pool-too-small", message, hint)


def pools_do_not_overlap(view: View) -> Iterator[Problem]:
    """Pools do not overlap: WireGuard cannot route one address to two peers."""
    pools = pools_of(view)
    spans = (
        ("", int(pool.network_address), int(pool.broadcast_address) + 1, index)
        for index, (_, _, pool) in enumerate(pools)
    )
    for first, second in overlapping_pairs(spans):
        (name, _, pool), (other_name, path, other_pool) = pools[first], pools[second]
        message = msg("{other_name} {other} overlaps {name} {one}", other_name, other_pool, name, pool)
        yield view.problem("inventory", path, "pool-overlap", message, "choose separate networks")


def pools_keep_clear_of_carriers(view: View) -> Iterator[Problem]:
    """A pool, routed into tunnels, overlaps no carrier's or management network."""
    used: list[tuple[str, str, AnyNetwork, str]] = []
    for carrier in view.inventory.carriers.values():
        hint = "choose a network that the carrier does not use: a relay would lose its way to it"
        used += ((carrier.id, "own network", network, hint) for network in carrier.own_networks)
        used += ((carrier.id, "management network", network, hint) for network in carrier.management_networks)
    for centre in view.inventory.centres.values():
        hint = "choose a network that the centre does not use: it would lose its way to it"
        used += ((centre.id, "management network", network, hint) for network in centre.management_networks)
    for (name, path, pool), (owner, kind, network, hint) in product(pools_of(view), used):
        if pool.overlaps(network) and network.prefixlen:
            message = msg("{name} {pool} overlaps {id}'s {what} {network}", name, pool, owner, kind, network)
            yield view.problem("inventory", path, "pool-over-carrier-network", message, hint)


def lans_keep_clear_of_pools(view: View) -> Iterator[Problem]:
    """A LAN is outside the pools: inside, it would be unreachable."""
    pools = pools_of(view)
    overlaps: dict[str, list[tuple[str, IPv4Network]]] = {}
    for owner, facility in view.facilities():
        lan = facility.lan
        if lan is None:
            continue
        if lan not in overlaps:  # a country has thousands of LANs and a handful of different ones
            overlaps[lan] = [(name, pool) for name, _, pool in pools if pool.overlaps(IPv4Network(lan))]
        for name, pool in overlaps[lan]:
            message = msg("the LAN {lan} overlaps {name} {pool}", lan, name, pool)
            hint = "renumber the LAN, or move the pool before anything is allocated from it"
            yield view.problem(owner, ("gateway", "lan"), "lan-over-pool", message, hint)


def routed_networks_keep_clear(view: View) -> Iterator[Problem]:
    """Networks of sites without tunnels overlap no pool and no management network."""
    pools = pools_of(view)
    for carrier in view.inventory.carriers.values():
        for index, network in enumerate(carrier.routed_networks):
            owner, path = f"carrier/{carrier.id}", ("routed_networks", index)
            for name, _, pool in pools:
                if pool.overlaps(network):
                    message = msg("the routed network {network} overlaps {name} {pool}", network, name, pool)
                    hint = "name the networks of the sites alone: a relay sends into a pool by its tunnel"
                    yield view.problem(owner, path, "routed-network-over-pool", message, hint)
            for manager, networks in management_of(view):
                if any(managed.version == _FOUR and managed.overlaps(network) for managed in networks):
                    message = msg(
                        "the routed network {network} overlaps a management network of {manager}", network, manager
                    )
                    hint = "name the networks of the sites alone: SSH would come in from a site"
                    yield view.problem(owner, path, "routed-network-over-management", message, hint)


def routed_lans_are_the_carriers(view: View) -> Iterator[Problem]:
    """A LAN without a tunnel is unique, in its carrier's routed networks."""
    # A relay distinguishes sites by their tunnels, and these sites only by their addresses.
    spans: dict[str, list[_RoutedLan]] = defaultdict(list)
    for owner, facility in view.facilities():
        lan = IPv4Network(facility.lan) if facility.lan else None
        routed = [plan for plan in facility.carried_plans if plan.access is Access.ROUTED]
        for plan, relay in relays_of(routed) if lan is not None else ():
            carrier = view.inventory.carriers.get(plan.carrier)
            if lan is None or carrier is None:
                continue
            spans[relay].append(_RoutedLan(lan, facility.id, owner))
            if relay == plan.relay and not any(lan.subnet_of(network) for network in carrier.routed_networks):
                listed = ", ".join(map(str, carrier.routed_networks)) or "none"
                message = msg("the LAN {lan} is outside the routed networks of {id}: {listed}", lan, carrier.id, listed)
                hint = msg(
                    "correct gateway.lan, or add the network to routed_networks in carriers/{id}.yml", carrier.id
                )
                yield view.problem(owner, ("gateway", "lan"), "routed-lan-outside", message, hint)
    for relay, listed_lans in sorted(spans.items()):
        yield from _routed_overlaps(view, relay, sorted(listed_lans))


def _routed_overlaps(view: View, relay: str, spans: Sequence[_RoutedLan]) -> Iterator[Problem]:
    # In this order networks come right after the one that holds them all.
    inside: list[_RoutedLan] = []
    for span in spans:
        if not (inside and span.lan.subnet_of(inside[0].lan)):
            inside = []
        inside.append(span)
        widest = inside[0]
        if widest.facility != span.facility:
            pairs = [(span, widest), *([(widest, span)] if len(inside) == 2 else [])]  # noqa: PLR2004 (the first that meets it)
            for first, second in pairs:
                message = msg(
                    "the LAN {lan} overlaps that of {facility}, {lan_2}: {relay} reaches both routed",
                    first.lan,
                    second.facility,
                    second.lan,
                    relay,
                )
                name = first.facility
                hint = msg(
                    "renumber one of the two, or agree pull_portmap for {name}: behind tunnels LANs may be alike", name
                )
                yield view.problem(first.owner, ("gateway", "lan"), "routed-lan-overlap", message, hint)


def lans_keep_clear_of_endpoints(view: View) -> Iterator[Problem]:
    """A LAN does not contain its relay's endpoint, which would be unreachable."""
    relays = {name: relay.centre_endpoint for name, (_, relay) in view.relays_by_id.items()}
    inside: dict[tuple[str, str], bool] = {}
    for owner, facility in view.facilities():
        lan = facility.lan
        calling = [plan for plan in facility.carried_plans if plan.access is not Access.ROUTED]
        for plan, relay in relays_of(calling) if lan is not None else ():
            endpoint = relays.get(relay)
            if lan is None or endpoint is None:
                continue
            if (lan, relay) not in inside:
                inside[lan, relay] = endpoint in IPv4Network(lan)
            if inside[lan, relay]:
                message = msg(
                    "the LAN {lan} has {endpoint} in it, where the gateway is to send WireGuard to {relay}",
                    lan,
                    endpoint,
                    relay,
                )
                if plan.access.is_pushed:
                    message = msg(
                        "the LAN {lan} has {endpoint} in it, where the gateway is to push to {relay}",
                        lan,
                        endpoint,
                        relay,
                    )
                hint = "correct the LAN, or write under endpoint of the relay where the site reaches it"
                severity = Severity.WARNING
                yield view.problem(owner, ("gateway", "lan"), "lan-over-endpoint", message, hint, severity=severity)


def management_is_narrow(view: View) -> Iterator[Problem]:
    """A management network, which may use SSH, is not the whole Internet."""
    for owner, networks in management_of(view):
        for index, network in enumerate(networks):
            if network.prefixlen >= WIDEST_MANAGEMENT[network.version]:
                continue
            severity = Severity.WARNING if network.prefixlen > _EVERYBODY[network.version] else Severity.ERROR
            message = msg(
                "the management network {network} opens SSH to {addresses}",
                network,
                counted(network.num_addresses, "address"),
            )
            if network.version == _SIX:
                bits = network.max_prefixlen - network.prefixlen
                message = msg("the management network {network} opens SSH to 2^{bits} addresses", network, bits)
            hint = "name the NOC's own networks"
            path = ("management_networks", index)
            yield view.problem(owner, path, "management-network-open", message, hint, severity=severity)


def management_is_not_nearly_everybody(view: View) -> Iterator[Problem]:
    """Management networks together do not cover most of a family's addresses."""
    for owner, networks in management_of(view):
        for version, everybody in _EVERYBODY.items():
            of_family = [network for network in networks if network.version == version]
            if not of_family or any(network.prefixlen <= everybody for network in of_family):
                continue  # of one that is everybody by itself it is said
            half = 2 ** (of_family[0].max_prefixlen - everybody - 1)
            if sum(network.num_addresses for network in _collapsed(of_family)) > half:
                message = msg(
                    "the management networks open SSH to most of all IPv{version} addresses together", version
                )
                hint = "name the NOC's own networks"
                yield view.problem(owner, ("management_networks",), "management-network-open", message, hint)


def _collapsed(networks: list[AnyNetwork]) -> Iterator[AnyNetwork]:
    four = collapse_addresses(network for network in networks if isinstance(network, IPv4Network))
    six = collapse_addresses(network for network in networks if isinstance(network, IPv6Network))
    yield from four
    yield from six


def management_of(view: View) -> Iterator[tuple[str, tuple[AnyNetwork, ...]]]:
    """Yield the owner and management networks of each carrier and centre."""
    for carrier in view.inventory.carriers.values():
        yield f"carrier/{carrier.id}", carrier.management_networks
    for centre in view.inventory.centres.values():
        yield f"centre/{centre.id}", centre.management_networks


def hosts_stand_outside_pools(view: View) -> Iterator[Problem]:
    """A host's outer address is not in a pool, inside tunnels."""
    pools = pools_of(view)
    hint = "write the host's outer address, not its tunnel address"
    for owner, path, _, relay in view.relays():
        for key, address in dict((("address", relay.address), *relay.endpoints)).items():
            for name, pool in _around(address, pools):
                message = msg("relay {id}: {key} {address} lies in {name} {pool}", relay.id, key, address, name, pool)
                yield view.problem(owner, (*path, key), "host-address-in-pool", message, hint)
    for centre in view.inventory.centres.values():
        for name, pool in _around(centre.address, pools):
            message = msg("address {address} lies in {name} {pool}", centre.address, name, pool)
            yield view.problem(f"centre/{centre.id}", ("address",), "host-address-in-pool", message, hint)


def _around(host: HostPlace, pools: Iterable[tuple[str, KeyPath, IPv4Network]]) -> Iterator[tuple[str, IPv4Network]]:
    return ((name, pool) for name, _, pool in pools if not isinstance(host, HostName) and host in pool)


def hosts_are_called_at_addresses_of_hosts(view: View) -> Iterator[Problem]:
    """An SSH address is valid from this machine, e.g. not link-local."""
    for owner, path, host, address in _named_hosts(view):
        if isinstance(address, HostName) or address.version != _SIX or not (kind := _unusable_reason(address)):
            continue
        message = msg("{what} is called at {address}, {kind}", host, address, kind)
        hint = "write an address of that host that this machine reaches, e.g. a global or a unique local one (fd00::/8)"
        yield view.problem(owner, path, "host-address-unusable", message, hint)


def _named_hosts(view: View) -> Iterator[tuple[str, KeyPath, str, HostPlace]]:
    """Yield hosts and jump hosts: owner, path, name, address."""
    yield from ((owner, (*path, "address"), _words(host), host.address) for owner, path, host in view.hosts())
    for route in view.jump_routes():
        yield route.owner, (*route.path, "address"), msg("the jump host of {id}", route.of), route.jump.address


def _words(host: Relay | Centre) -> str:
    return msg("relay {id}", host.id) if isinstance(host, Relay) else msg("centre {id}", host.id)


def endpoints_are_where_sites_can_send(view: View) -> Iterator[Problem]:
    """Sites and centres can reach a relay's WireGuard endpoint."""
    # An endpoint in a management network is a warning: sites seldom reach the NOC's network.
    for owner, path, _, relay in view.relays():
        for key, endpoint in relay.endpoints:
            if isinstance(endpoint, HostName):
                continue
            if kind := _unusable_reason(endpoint):
                message = msg("relay {id}: WireGuard packets cannot reach {endpoint}, {kind}", relay.id, endpoint, kind)
                hint = "write under endpoint the address at which sites and centres reach the relay"
                yield view.problem(owner, (*path, key), "relay-endpoint-unusable", message, hint)
            for holder, network in _narrow_management(view):
                if endpoint not in network:
                    continue
                message = msg(
                    "relay {id}: sites are to send WireGuard to {endpoint}, which lies in {whose}'s "
                    "management network {network}",
                    relay.id,
                    endpoint,
                    holder,
                    network,
                )
                hint = "if sites do not reach that network, write the relay's address for them under endpoint"
                yield view.warning(owner, (*path, key), "endpoint-in-management-network", message, hint)


def _narrow_management(view: View) -> Iterator[tuple[str, AnyNetwork]]:
    yielded: set[AnyNetwork] = set()
    for owner, networks in management_of(view):
        for network in networks:
            if network.prefixlen >= WIDEST_MANAGEMENT[network.version] and network not in yielded:
                yielded.add(network)
                yield owner.partition("/")[2], network


def named_endpoints_have_an_address(view: View) -> Iterator[Problem]:
    """An endpoint with a name has an address for centres."""
    for owner, path, _, relay in view.relays():
        if isinstance(relay.wireguard_endpoint, HostName) and relay.endpoint_address is None:
            message = msg(
                "relay {id}: centres send WireGuard to an address, and {wireguard_endpoint} is a name",
                relay.id,
                relay.wireguard_endpoint,
            )
            hint = "write that address under endpoint_address; gateways go by the name"
            yield view.problem(owner, (*path, relay.endpoints[0][0]), "relay-endpoint-unnumbered", message, hint)
        elif relay.endpoint_address is not None and not isinstance(relay.wireguard_endpoint, HostName):
            message = msg("relay {id}: endpoint_address is beside an address, and has no effect", relay.id)
            hint = "remove it; or write under endpoint the name that gateways are to resolve"
            yield view.problem(owner, (*path, "endpoint_address"), "relay-endpoint-twice", message, hint)


def _unusable_reason(address: AnyAddress) -> str:
    """Return why an address is no host's for others; otherwise empty."""
    if address.is_unspecified:
        return "which is no address"
    if address.is_loopback:
        return "a host's own loopback"
    if address.is_link_local:
        return "a link-local address"
    return "which is no address of one host" if address.is_multicast or address.is_reserved else ""


def hosts_let_in_the_family_that_they_are_called_in(view: View) -> Iterator[Problem]:
    """Management networks include the address family of the SSH address."""
    unread = any(owner.startswith("carrier/") for owner in view.broken)
    for owner, path, host, address, jump, networks in _ssh_targets(view):
        if isinstance(address, HostName) or (unread and owner.startswith("centre/")):
            continue
        family = f"IPv{address.version}"
        if jump is None and networks and all(network.version != address.version for network in networks):
            message = msg(
                "{what} is called over {family}, and SSH may come to it from no {family_2} network",
                host,
                family,
                family,
            )
            hint = msg("add the {family} network that this machine calls from to management_networks", family)
            yield view.problem(owner, (*path, "address"), "management-of-other-family", message, hint)
        if jump is not None and jump.ssh_source is not None and jump.ssh_source.version != address.version:
            message = msg(
                "{what} is called over {family}, and would not see its jump host come from {seen_as}",
                host,
                family,
                jump.ssh_source,
            )
            hint = msg("write under jump.inside the {family} address that it sees the jump host come from", family)
            yield view.problem(owner, (*path, "address"), "jump-of-other-family", message, hint)


def _ssh_targets(view: View) -> Iterator[_Managed]:
    for owner, path, carrier, relay in view.relays():
        yield owner, path, _words(relay), relay.address, relay.jump or carrier.jump, carrier.management_networks
    for owner, centre in view.centres():
        yield owner, (), _words(centre), centre.address, centre.jump, view.inventory.ssh_sources(centre.id)


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    pools_are_complete,
    pools_do_not_overlap,
    pools_keep_clear_of_carriers,
    lans_keep_clear_of_pools,
    routed_networks_keep_clear,
    routed_lans_are_the_carriers,
    lans_keep_clear_of_endpoints,
    management_is_narrow,
    management_is_not_nearly_everybody,
    hosts_stand_outside_pools,
    hosts_are_called_at_addresses_of_hosts,
    endpoints_are_where_sites_can_send,
    named_endpoints_have_an_address,
    hosts_let_in_the_family_that_they_are_called_in,
)
