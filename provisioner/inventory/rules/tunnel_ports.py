"""Rules on the UDP ports at which relays take WireGuard, and on which of them gateways dial."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from provisioner.base.diagnostics import Problem
from provisioner.inventory.model import Operating, OwnKeyStage, Relay, relays_of
from provisioner.inventory.rules.view import View

_NEEDED_BY_THE_HOST: Final = {
    68: "by it the host hears of its own address (DHCP)",
    546: "by it the host hears of its own address (DHCPv6)",
}
_OF_MEDIAMTX: Final = {
    8322: "it is the number of the relay's encrypted RTSP",
    8554: "it is the number of the relay's RTSP",
    9997: "it is the number of MediaMTX's Control API",
}


def further_ports_are_free(view: View) -> Iterator[Problem]:
    """What comes to a further port of a relay is led to WireGuard: nothing else may be wanted there.

    Our other ports are of TCP; one number for two things would all the same be misread in rules and in lists of ports.
    """
    for carrier in view.inventory.carriers.values():
        for index, relay in enumerate(carrier.relays):
            for number, port in enumerate(relay.further_wireguard_ports):
                if why := _why_not(relay, number, port):
                    message = f"relay {relay.id} cannot take WireGuard at port {port} as well: {why}"
                    path = ("relays", index, "further_wireguard_ports", number)
                    hint = "take it out, or write another one, e.g. 443"
                    yield view.problem(f"carrier/{carrier.id}", path, "wireguard-port-unfit", message, hint)


def _why_not(relay: Relay, number: int, port: int) -> str:
    if port in relay.further_wireguard_ports[:number]:
        return "it is named twice"
    return unfit_port(relay, port)


def unfit_port(relay: Relay, port: int) -> str:
    """Why a relay cannot take WireGuard at a port beside its first one; empty where it can."""
    if port == relay.wireguard_port:
        return "it is its wireguard_port"
    if port == relay.ssh.port:
        return "it is the number of its SSH"
    return _OF_MEDIAMTX.get(port) or _NEEDED_BY_THE_HOST.get(port, "")


def next_keys_have_ports(view: View) -> Iterator[Problem]:
    """The next key of a relay answers at a port of its own, until it is the relay's only one."""
    lock = view.inventory.allocations
    for name, known in lock.relays.items():
        if name not in view.inventory.relays or known.next_key is None:
            continue
        relay, following = view.inventory.relays[name][1], known.next_key
        path = ("relays", name, "next_key")
        if following.stage is not OwnKeyStage.ENDING and (why := unfit_port(relay, following.port)):
            message = f"relay {name} cannot answer with its next key at port {following.port}: {why}"
            hint = "take the carrier's file back as it was when the change of its key began"
            yield view.problem("allocations", path, "wireguard-port-unfit", message, hint)


def gateways_dial_what_is_offered(view: View) -> Iterator[Problem]:
    """Every relay that a site is connected over, or is to be, takes WireGuard at the port that its gateway dials."""
    relays = {name: relay for name, (_, relay) in view.inventory.relays.items()}
    for owner, facility in view.facilities():
        port = facility.relay_port
        if not port or facility.operating is Operating.CLOSED:
            continue
        plans = [plan for plan in (facility.plan, facility.successor) if plan]
        tunnelled = [plan for plan in plans if plan.access.has_tunnel]
        if plans and not tunnelled:
            message = f"the gateway is to dial port {port} of its relay, and there is no tunnel: the site is routed"
            hint = "remove gateway.relay_port"
            yield view.problem(owner, ("gateway", "relay_port"), "relay-port-not-offered", message, hint)
        for _, name in relays_of(tunnelled):
            relay = relays.get(name)
            if relay is not None and port not in relay.tunnel_ports:
                offered = ", ".join(map(str, dict.fromkeys(relay.tunnel_ports)))
                message = f"the gateway is to dial port {port} of {name}, which takes WireGuard at {offered}"
                hint = f"write one of these, or add {port} to further_wireguard_ports of {name}"
                yield view.problem(owner, ("gateway", "relay_port"), "relay-port-not-offered", message, hint)


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    further_ports_are_free,
    gateways_dial_what_is_offered,
    next_keys_have_ports,
)
