"""Rules on where hosts are called and sent to, outside of the tunnel: addresses of either family, and names.

What a name leads to is asked by nobody here: no plan may change because the DNS did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Network

from provisioner.base.diagnostics import Problem, Severity
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model import JumpHost
from provisioner.inventory.model.addresses import AnyAddress, AnyNetwork, HostName, HostPlace
from provisioner.inventory.rules.networks import WIDEST_MANAGEMENT, management_of, pools_of
from provisioner.inventory.rules.view import View

_SIX = 6


def hosts_stand_outside_pools(view: View) -> Iterator[Problem]:
    """A host's outer address inside a pool would send the tunnel's own packets into the tunnel."""
    pools = pools_of(view)
    hint = "write the host's outer address, not its tunnel address"
    for carrier in view.inventory.carriers.values():
        for index, relay in enumerate(carrier.relays):
            for key, address in dict((("address", relay.address), *relay.endpoints)).items():
                for name, pool in _around(address, pools):
                    message = f"relay {relay.id}: {key} {address} lies in {name} {pool}"
                    path = ("relays", index, key)
                    yield view.problem(f"carrier/{carrier.id}", path, "host-address-in-pool", message, hint)
    for centre in view.inventory.centres.values():
        for name, pool in _around(centre.address, pools):
            message = f"address {centre.address} lies in {name} {pool}"
            yield view.problem(f"centre/{centre.id}", ("address",), "host-address-in-pool", message, hint)


def _around(place: HostPlace, pools: Iterable[tuple[str, KeyPath, IPv4Network]]) -> Iterator[tuple[str, IPv4Network]]:
    """The pools that an address lies in, and what they are called; what a name leads to is not known."""
    return ((name, pool) for name, _, pool in pools if not isinstance(place, HostName) and place in pool)


def hosts_are_called_at_addresses_of_hosts(view: View) -> Iterator[Problem]:
    """SSH goes to one host's address, from this machine: an IPv6 address of a link means nothing beyond that link."""
    for owner, path, what, address in _called(view):
        if isinstance(address, HostName) or address.version != _SIX or not (kind := _of_no_host(address)):
            continue
        message = f"{what} is called at {address}, {kind}"
        hint = "write an address of that host that this machine reaches, e.g. a global or a unique local one (fd00::/8)"
        yield view.problem(owner, path, "host-address-unusable", message, hint)


def _called(view: View) -> Iterator[tuple[str, KeyPath, str, HostPlace]]:
    for carrier in view.inventory.carriers.values():
        owner = f"carrier/{carrier.id}"
        if carrier.jump is not None:
            yield owner, ("jump", "address"), f"the jump host of {carrier.id}", carrier.jump.address
        for index, relay in enumerate(carrier.relays):
            yield owner, ("relays", index, "address"), f"relay {relay.id}", relay.address
            if relay.jump is not None:
                place: KeyPath = ("relays", index, "jump", "address")
                yield owner, place, f"the jump host of {relay.id}", relay.jump.address
    for centre in view.inventory.centres.values():
        yield f"centre/{centre.id}", ("address",), f"centre {centre.id}", centre.address
        if centre.jump is not None:
            yield f"centre/{centre.id}", ("jump", "address"), f"the jump host of {centre.id}", centre.jump.address


def endpoints_are_where_sites_can_send(view: View) -> Iterator[Problem]:
    """Gateways and centres send WireGuard to a relay's endpoint: it has to be an address that they reach.

    A management network is where the NOC is. Sites seldom reach it, and who finds that out there has driven there.
    """
    for carrier in view.inventory.carriers.values():
        for index, relay in enumerate(carrier.relays):
            owner = f"carrier/{carrier.id}"
            for key, endpoint in relay.endpoints:
                path = ("relays", index, key)
                if isinstance(endpoint, HostName):
                    continue
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


def _narrow_management(view: View) -> Iterator[tuple[str, AnyNetwork]]:
    """The management networks that are one, each with the carrier or centre whose it is, none twice."""
    seen: set[AnyNetwork] = set()
    for owner, networks in management_of(view):
        for network in networks:
            if network.prefixlen >= WIDEST_MANAGEMENT[network.version] and network not in seen:
                seen.add(network)
                yield owner.partition("/")[2], network


def named_endpoints_have_an_address(view: View) -> Iterator[Problem]:
    """Gateways resolve a name; a centre's tunnel has an address: no plan may change because the DNS did."""
    for carrier in view.inventory.carriers.values():
        for index, relay in enumerate(carrier.relays):
            owner, at = f"carrier/{carrier.id}", ("relays", index)
            if isinstance(relay.wireguard_endpoint, HostName) and relay.endpoint_address is None:
                message = (
                    f"relay {relay.id}: centres send WireGuard to an address, and {relay.wireguard_endpoint} is a name"
                )
                hint = "write that address under endpoint_address; gateways go by the name"
                yield view.problem(owner, (*at, relay.endpoints[0][0]), "relay-endpoint-unnumbered", message, hint)
            elif relay.endpoint_address is not None and not isinstance(relay.wireguard_endpoint, HostName):
                message = f"relay {relay.id}: endpoint_address stands beside an address, and would count for nothing"
                hint = "remove it; or write under endpoint the name that gateways are to resolve"
                yield view.problem(owner, (*at, "endpoint_address"), "relay-endpoint-twice", message, hint)


def _of_no_host(address: AnyAddress) -> str:
    """What an address is that is no host's for others; nothing of any other one."""
    if address.is_unspecified:
        return "which is no address"
    if address.is_loopback:
        return "a host's own loopback"
    if address.is_link_local:
        return "a link-local address"
    return "which is no address of one host" if address.is_multicast or address.is_reserved else ""


def hosts_let_in_the_family_that_they_are_called_in(view: View) -> Iterator[Problem]:
    """Who calls an IPv6 address comes from one: rules with IPv4 networks alone would shut the controller out."""
    unread = any(owner.startswith("carrier/") for owner in view.broken)
    for owner, path, what, address, jump, networks in _managed(view):
        if isinstance(address, HostName) or (unread and owner.startswith("centre/")):
            continue
        family = f"IPv{address.version}"
        if jump is None and networks and all(network.version != address.version for network in networks):
            message = f"{what} is called over {family}, and SSH may come to it from no {family} network"
            hint = f"add the {family} network that this machine calls from to management_networks"
            yield view.problem(owner, (*path, "address"), "management-of-other-family", message, hint)
        if jump is not None and jump.seen_as is not None and jump.seen_as.version != address.version:
            message = f"{what} is called over {family}, and would not see its jump host come from {jump.seen_as}"
            hint = f"write under jump.inside the {family} address that it sees the jump host come from"
            yield view.problem(owner, (*path, "address"), "jump-of-other-family", message, hint)


_Managed = tuple[str, KeyPath, str, HostPlace, JumpHost | None, tuple[AnyNetwork, ...]]
"""A host: its file, where it stands there, what it is called, its address, its jump host, from where SSH may come."""


def _managed(view: View) -> Iterator[_Managed]:
    for carrier in view.inventory.carriers.values():
        for index, relay in enumerate(carrier.relays):
            jump, path = relay.jump or carrier.jump, ("relays", index)
            yield f"carrier/{carrier.id}", path, f"relay {relay.id}", relay.address, jump, carrier.management_networks
    for centre in view.inventory.centres.values():
        networks = view.inventory.ssh_sources(centre.id)
        yield f"centre/{centre.id}", (), f"centre {centre.id}", centre.address, centre.jump, networks


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    hosts_stand_outside_pools,
    hosts_are_called_at_addresses_of_hosts,
    endpoints_are_where_sites_can_send,
    named_endpoints_have_an_address,
    hosts_let_in_the_family_that_they_are_called_in,
)
