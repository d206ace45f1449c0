"""Rules on networks: tunnel pools keep clear of each other and of everything that is reached another way.

Facility LANs may overlap each other (192.168.1.0/24 is everywhere); that is normal, not a problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

from provisioner.base.counted import counted
from provisioner.base.diagnostics import Problem, Severity
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model import JumpHost
from provisioner.inventory.rules.view import View

_WIDEST_MANAGEMENT = 8
_SMALLEST_POOL = 30


def _pools(view: View) -> list[tuple[str, KeyPath, IPv4Network]]:
    pools = view.inventory.settings.pools
    named = [("the centres' pool", ("pools", "centres"), pools.centres)]
    return [*named, *((f"{c}'s pool", ("pools", "carriers", c), n) for c, n in sorted(pools.carriers.items()))]


def pools_are_complete(view: View) -> Iterator[Problem]:
    """Every carrier has a pool, and every pool belongs to a carrier and can hold addresses."""
    for carrier in view.inventory.carriers:
        if carrier not in view.inventory.settings.pools.carriers:
            message = f"carrier {carrier} has no pool of tunnel addresses"
            hint = f"add pools.carriers.{carrier}: a private network that {carrier} uses nowhere else"
            yield view.problem("inventory", ("pools", "carriers"), "pool-missing", message, hint)
    for carrier in view.inventory.settings.pools.carriers:
        if not view.knows(f"carrier/{carrier}"):
            message, hint = f"the pool of {carrier} belongs to no carrier", f"write carriers/{carrier}.yml"
            yield view.problem("inventory", ("pools", "carriers", carrier), "carrier-unknown", message, hint)
    for name, path, network in _pools(view):
        if network.prefixlen > _SMALLEST_POOL:
            message, hint = f"{name} {network} has no room for two addresses", "write a network of /30 or larger"
            yield view.problem("inventory", path, "pool-too-small", message, hint)


def pools_do_not_overlap(view: View) -> Iterator[Problem]:
    """A tunnel address belongs to one pool: WireGuard cannot route one address to two peers."""
    for (name, _, one), (other_name, path, other) in combinations(_pools(view), 2):
        if one.overlaps(other):
            message = f"{other_name} {other} overlaps {name} {one}"
            yield view.problem("inventory", path, "pool-overlap", message, "choose separate networks")


def pools_keep_clear_of_carriers(view: View) -> Iterator[Problem]:
    """A relay routes its pools into the tunnel: a pool over a carrier's or a management network cuts it off."""
    for name, path, pool in _pools(view):
        for carrier in view.inventory.carriers.values():
            for what, networks in (
                ("own network", carrier.own_networks),
                ("management network", carrier.management_networks),
            ):
                for network in networks:
                    if pool.overlaps(network) and network.prefixlen:
                        message = f"{name} {pool} overlaps {carrier.id}'s {what} {network}"
                        hint = "choose a network that the carrier does not use: a relay would lose its way to it"
                        yield view.problem("inventory", path, "pool-over-carrier-network", message, hint)
        for centre in view.inventory.centres.values():
            for network in centre.management_networks:
                if pool.overlaps(network) and network.prefixlen:
                    message = f"{name} {pool} overlaps {centre.id}'s management network {network}"
                    hint = "choose a network that the centre does not use: it would lose its way to it"
                    yield view.problem("inventory", path, "pool-over-carrier-network", message, hint)


def hosts_stand_outside_pools(view: View) -> Iterator[Problem]:
    """A host's outer address inside a pool would send the tunnel's own packets into the tunnel."""
    pools = _pools(view)
    for carrier in view.inventory.carriers.values():
        for index, relay in enumerate(carrier.relays):
            for key, address in (("address", relay.address), ("endpoint", relay.endpoint)):
                for name, _, pool in pools:
                    if address and address in pool:
                        message = f"relay {relay.id}: {key} {address} lies in {name} {pool}"
                        path = ("relays", index, key)
                        hint = "write the host's outer address, not its tunnel address"
                        yield view.problem(f"carrier/{carrier.id}", path, "host-address-in-pool", message, hint)
    for centre in view.inventory.centres.values():
        for name, _, pool in pools:
            if centre.address in pool:
                message = f"address {centre.address} lies in {name} {pool}"
                hint = "write the host's outer address, not its tunnel address"
                yield view.problem(f"centre/{centre.id}", ("address",), "host-address-in-pool", message, hint)


def jump_hosts_stand_outside_pools(view: View) -> Iterator[Problem]:
    """Nothing is in the tunnel but hosts and sites: who is on the way to a host is not."""
    pools = _pools(view)
    for owner, path, jump in _jump_hosts(view):
        for name, _, pool in pools:
            if jump.address in pool:
                message = f"the jump host's address {jump.address} lies in {name} {pool}"
                hint = "write the host's outer address, not its tunnel address"
                yield view.problem(owner, (*path, "address"), "host-address-in-pool", message, hint)


def _jump_hosts(view: View) -> Iterator[tuple[str, KeyPath, JumpHost]]:
    for carrier in view.inventory.carriers.values():
        if carrier.jump is not None:
            yield f"carrier/{carrier.id}", ("jump",), carrier.jump
        for index, relay in enumerate(carrier.relays):
            if relay.jump is not None:
                yield f"carrier/{carrier.id}", ("relays", index, "jump"), relay.jump
    for centre in view.inventory.centres.values():
        if centre.jump is not None:
            yield f"centre/{centre.id}", ("jump",), centre.jump


def endpoints_are_where_sites_can_send(view: View) -> Iterator[Problem]:
    """Gateways and centres send WireGuard to a relay's endpoint: it has to be an address that they reach.

    A management network is where the NOC is. Sites seldom reach it, and who finds that out there has driven there.
    """
    for carrier in view.inventory.carriers.values():
        for index, relay in enumerate(carrier.relays):
            endpoint, key = relay.wireguard_endpoint, "endpoint" if relay.endpoint else "address"
            owner, path = f"carrier/{carrier.id}", ("relays", index, key)
            if kind := _of_no_host(endpoint):
                message = f"relay {relay.id}: nobody can send WireGuard to {endpoint}, {kind}"
                hint = "write under endpoint the address at which sites and centres reach the relay"
                yield view.problem(owner, path, "relay-endpoint-unusable", message, hint)
            for whose, network in _narrow_management(view):
                if endpoint not in network:
                    continue
                message = (
                    f"relay {relay.id}: sites are to send WireGuard to {endpoint}, which lies in {whose}'s"
                    f" management network {network}"
                )
                hint = "if sites do not reach that network write under endpoint where they reach the relay"
                code = "endpoint-in-management-network"
                yield view.problem(owner, path, code, message, hint, severity=Severity.WARNING)


def _narrow_management(view: View) -> Iterator[tuple[str, IPv4Network]]:
    """The management networks that are one, each with the carrier or centre whose it is, none twice."""
    seen: set[IPv4Network] = set()
    for owner, networks in _management(view):
        for network in networks:
            if network.prefixlen >= _WIDEST_MANAGEMENT and network not in seen:
                seen.add(network)
                yield owner.partition("/")[2], network


def _of_no_host(address: IPv4Address) -> str:
    """What an address is that is no host's for others; nothing of any other one."""
    if address.is_unspecified:
        return "which is no address"
    if address.is_loopback:
        return "a host's own loopback"
    if address.is_link_local:
        return "a link-local address"
    return "which is no address of one host" if address.is_multicast or address.is_reserved else ""


def lans_keep_clear_of_pools(view: View) -> Iterator[Problem]:
    """A facility's LAN inside a tunnel pool would be unreachable, or would swallow the tunnel."""
    pools = _pools(view)
    overlaps: dict[str, list[tuple[str, IPv4Network]]] = {}
    for owner, facility in view.facilities():
        lan = facility.lan
        if lan is None:
            continue
        if lan not in overlaps:  # a country has thousands of LANs and a handful of different ones
            overlaps[lan] = [(name, pool) for name, _, pool in pools if pool.overlaps(IPv4Network(lan))]
        for name, pool in overlaps[lan]:
            message = f"the LAN {lan} overlaps {name} {pool}"
            hint = "renumber the LAN, or move the pool before anything is allocated from it"
            yield view.problem(owner, ("gateway", "lan"), "lan-over-pool", message, hint)


def lans_keep_clear_of_endpoints(view: View) -> Iterator[Problem]:
    """A gateway looks for what lies in its LAN in there: a relay with such an address is never knocked at."""
    relays = {name: relay.wireguard_endpoint for name, (_, relay) in view.inventory.relays.items()}
    inside: dict[tuple[str, str], bool] = {}
    for owner, facility in view.facilities():
        lan = facility.lan
        for plan in facility.connections if lan is not None else ():
            endpoint = relays.get(plan.relay)
            if lan is None or endpoint is None:
                continue
            if (lan, plan.relay) not in inside:
                inside[lan, plan.relay] = endpoint in IPv4Network(lan)
            if inside[lan, plan.relay]:
                message = f"the LAN {lan} has {endpoint} in it, where the gateway is to send WireGuard to {plan.relay}"
                hint = "correct the LAN, or write under endpoint of the relay where the site reaches it"
                severity = Severity.WARNING
                yield view.problem(owner, ("gateway", "lan"), "lan-over-endpoint", message, hint, severity=severity)


def management_is_narrow(view: View) -> Iterator[Problem]:
    """Management networks are where SSH may come from: the whole Internet is not one of them."""
    for owner, networks in _management(view):
        for index, network in enumerate(networks):
            if network.prefixlen >= _WIDEST_MANAGEMENT:
                continue
            severity = Severity.WARNING if network.prefixlen else Severity.ERROR
            message = f"the management network {network} opens SSH to {counted(network.num_addresses, 'address')}"
            hint = "name the NOC's own networks"
            path = ("management_networks", index)
            yield view.problem(owner, path, "management-network-open", message, hint, severity=severity)


def _management(view: View) -> Iterator[tuple[str, tuple[IPv4Network, ...]]]:
    for carrier in view.inventory.carriers.values():
        yield f"carrier/{carrier.id}", carrier.management_networks
    for centre in view.inventory.centres.values():
        yield f"centre/{centre.id}", centre.management_networks


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    pools_are_complete,
    pools_do_not_overlap,
    pools_keep_clear_of_carriers,
    hosts_stand_outside_pools,
    jump_hosts_stand_outside_pools,
    endpoints_are_where_sites_can_send,
    lans_keep_clear_of_pools,
    lans_keep_clear_of_endpoints,
    management_is_narrow,
)
