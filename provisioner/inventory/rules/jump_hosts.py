"""Rules on jump hosts: what they reach lets them in, and they are nobody that this inventory manages behind itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from provisioner.base.diagnostics import Problem
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model import JumpHost
from provisioner.inventory.model.addresses import AnyNetwork, HostName, HostPlace
from provisioner.inventory.rules.networks import pools_of
from provisioner.inventory.rules.view import View


@dataclass(frozen=True, slots=True)
class _Road:
    """A jump host as it is written, what is called through it, and from where SSH is let in there.

    Attributes:
        owner: the file.
        path: where in it the jump host stands.
        jump: the jump host.
        hosts: the hosts behind it, with their addresses.
        networks: the management networks of these hosts.
        named: whose networks they are, for people.
    """

    owner: str
    path: KeyPath
    jump: JumpHost
    hosts: tuple[tuple[str, HostPlace], ...]
    networks: tuple[AnyNetwork, ...]
    named: str


def _roads(view: View) -> Iterator[_Road]:
    for carrier in view.inventory.carriers.values():
        owner, networks, named = f"carrier/{carrier.id}", carrier.management_networks, carrier.id
        if carrier.jump is not None:
            behind = tuple((relay.id, relay.address) for relay in carrier.relays if relay.jump is None)
            yield _Road(owner, ("jump",), carrier.jump, behind, networks, named)
        for index, relay in enumerate(carrier.relays):
            if relay.jump is not None:
                here = ((relay.id, relay.address),)
                yield _Road(owner, ("relays", index, "jump"), relay.jump, here, networks, named)
    for centre in view.inventory.centres.values():
        if centre.jump is not None:
            networks = view.inventory.ssh_sources(centre.id)
            behind = ((centre.id, centre.address),)
            yield _Road(f"centre/{centre.id}", ("jump",), centre.jump, behind, networks, centre.id)


def jump_hosts_may_come_in(view: View) -> Iterator[Problem]:
    """Hosts see SSH come from their jump host: rules that let that in nowhere would lock the controller out."""
    # Of a centre, a carrier that cannot be read may be the one whose networks let it in.
    unread = any(owner.startswith("carrier/") for owner in view.broken)
    for road in (one for one in _roads(view) if one.hosts):
        seen, key = road.jump.seen_as, "inside" if road.jump.inside else "address"
        if seen is None:
            message = (
                f"hosts see the jump host {road.jump.address} come from an address, and their rules go by that, not by"
                " a name"
            )
            hint = "write under jump.inside the address that they see it come from"
            yield view.problem(road.owner, (*road.path, "address"), "jump-without-inside", message, hint)
            continue
        if any(seen in network for network in road.networks) or (unread and road.owner.startswith("centre/")):
            continue
        message = (
            f"SSH comes from the jump host {seen}, which is in no management network of {road.named}: the first apply"
            " would lock it out"
        )
        hint = (
            f"add {seen}/{seen.max_prefixlen} to management_networks, or write under jump.inside the address that hosts"
            " see it come from"
        )
        yield view.problem(road.owner, (*road.path, key), "jump-outside-management", message, hint)


def jump_hosts_stand_before_their_hosts(view: View) -> Iterator[Problem]:
    """A host cannot be the way to itself, and what is reached through a tunnel is no way to the tunnel's end."""
    pools = pools_of(view)
    for road in _roads(view):
        for name, address in road.hosts:
            if address in _addresses(road.jump):
                message, hint = f"the jump host {address} is {name} itself", "write the host that SSH goes through"
                yield view.problem(road.owner, (*road.path, "address"), "jump-is-the-host", message, hint)
        for address in _addresses(road.jump):
            for name, _, pool in pools:
                if not isinstance(address, HostName) and address in pool:
                    message = f"the jump host {address} lies in {name} {pool}"
                    hint = "write its outer address: a tunnel cannot be the way to its own end"
                    yield view.problem(road.owner, (*road.path, "address"), "jump-in-pool", message, hint)


def _addresses(jump: JumpHost) -> Iterable[HostPlace]:
    return dict.fromkeys(place for place in (jump.address, jump.seen_as) if place is not None)


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    jump_hosts_may_come_in,
    jump_hosts_stand_before_their_hosts,
)
