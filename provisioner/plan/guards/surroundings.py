"""What a machine itself has against a change, told before it costs a day: a place in the files, and a hint. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Final

from provisioner.base.diagnostics import Problem, Severity
from provisioner.desired.names import is_of_a_side
from provisioner.desired.spec import HostSpec
from provisioner.hosts.condition import Condition
from provisioner.hosts.facts import HostFacts
from provisioner.inventory.files.positions import KeyPath, Places
from provisioner.inventory.model import Inventory

_ENVELOPE: Final = 60
"""What WireGuard puts around a packet over IPv4: 20 bytes of IP, 8 of UDP, 32 of its own."""
_SMALLEST_MTU: Final = 576

CONDITIONS: Final = {
    Condition.CLOCK_OFF: ("host-clock-off", "set its clock right: timedatectl set-ntp true on it"),
    Condition.DISK_FULL: ("host-disk-full", "make room before anything is applied to it"),
    Condition.ANOTHER_FIREWALL: ("host-other-firewall", "see what it lets in before anything is applied"),
    Condition.CERTIFICATE_ENDS: ("certificate-ends", "renew it before readers refuse it, and apply"),
}
"""Of what is wrong with a host itself the code, and what is to be done."""


def host_warnings(inventory: Inventory, places: Places, spec: HostSpec, facts: HostFacts) -> Iterator[Problem]:
    """What to look at on a host before a plan is applied.

    Args:
        inventory: in whose files the host stands.
        places: where what they say stands.
        spec: the host.
        facts: what was read of it.
    """
    owner, block = _block(inventory, spec)

    def warning(code: str, message: str, hint: str, at: tuple[str, KeyPath] | None = None) -> Problem:
        whose, path = at or (owner, block)
        place = places.at(whose, *path)
        return Problem(place.file, place.line, place.column, code, message, hint, f"host/{spec.id}", Severity.WARNING)

    for fault in facts.faults:
        code, hint = CONDITIONS[fault.condition]
        yield warning(code, f"{spec.id}: {fault.detail}", hint)
    for network, device in facts.routes_elsewhere:
        if spec.side and is_of_a_side(device):
            continue  # the plan is refused
        message = (
            f"{spec.id} reaches {network} by {device}, and the tunnel is to have that network: sites there would not be"
            " reached, or what is there now would not"
        )
        hint, pool = "move the pool, or remove the route", _pool(inventory, spec, network)
        yield warning("pool-routed-elsewhere", message, hint, ("inventory", pool) if pool else None)
    if spec.adopted is not None and spec.owner is not None and facts.owner and facts.owner.is_same(spec.owner):
        message = f"{spec.id} is this inventory's: what the lock says of taking it over is spent"
        hint = f"remove it: provisioner hosts adopt {spec.id}"
        yield warning("adoption-spent", message, hint, ("allocations", ("adopted", spec.id)))
    around, needed = facts.surroundings, spec.tunnel.mtu + _ENVELOPE
    if _SMALLEST_MTU <= around.mtu < needed:
        message = (
            f"{spec.id} sends packets of {around.mtu} bytes at most by {around.device}, and those of the tunnel take"
            f" {needed}: large ones would not arrive, and pictures stand still"
        )
        yield warning("host-mtu-small", message, f"raise the MTU of {around.device} to {needed} at least")
    for port in around.taken:
        message = (
            f"{spec.id}: port {port.port}/{port.protocol}, which is to be ours there, is taken by a program of the user"
            f" {port.user}"
        )
        at = (owner, (*block, "wireguard_port")) if port.protocol == "udp" and spec.relay else None
        hint = "stop that program, or give it another port"
        if at and spec.firewall and port.port in spec.firewall.further_ports:
            at = (owner, (*block, "further_wireguard_ports"))
            hint = "give that program another port, or take this one out: nothing would come to that program any more"
        elif at:
            hint = "give that program another port, or write another wireguard_port: gateways get new packages then"
        yield warning("host-port-taken", message, hint, at)


def _block(inventory: Inventory, spec: HostSpec) -> tuple[str, KeyPath]:
    """The file and the place where a host stands."""
    if spec.relay is None:
        return f"centre/{spec.id}", ()
    carrier = inventory.carriers[spec.carriers[0]]
    index = next((n for n, relay in enumerate(carrier.relays) if relay.id == spec.id), 0)
    return f"carrier/{carrier.id}", ("relays", index)


def _pool(inventory: Inventory, spec: HostSpec, network: str) -> KeyPath | None:
    """Where the pool stands in which a network lies; None where a host made one up."""
    try:
        within = IPv4Network(network, strict=False)
    except ValueError:
        return None
    pools = inventory.settings.pools
    if within.overlaps(pools.centres):
        return ("pools", "centres")
    of = (carrier for carrier in spec.carriers if carrier in pools.carriers)
    return next((("pools", "carriers", carrier) for carrier in of if within.overlaps(pools.carriers[carrier])), None)
