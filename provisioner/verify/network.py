"""Checks of the host, the tunnel and the camera's port. Pure.

What a silence means rests on facts of WireGuard and of our gateways (docs/design.md, part 7): a gateway
drops tunnel input to unmapped ports, answers "no route" for a camera that is not on its LAN, and passes a
camera's own refusal on. A live peer that gets packets and has none to send answers within 10 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from types import MappingProxyType
from typing import Final

from provisioner.desired.access import Access
from provisioner.verify.case import PASSED, Case, Check, failed, not_checked
from provisioner.verify.evidence import LivePeer
from provisioner.verify.result import Cause, Layer

# WireGuard rejects a session's packets after 180 s without a new handshake.
_HANDSHAKE_S = 180
_CHANGES_NAMED = 3
UNANSWERED: Final[Mapping[Access, Cause]] = MappingProxyType({Access.PULL_PORTMAP: Cause.PORT_MAP_MISSING})
"""What is missing at a site, by its access mode, where a device does not answer though the tunnel is up."""


def host_check(case: Case) -> Check:
    """Check that the hosts under the path equal the desired state; centres count as well as the relay.

    A centre that answered nothing at all is left to `centre_check`.
    """
    answered = (c.id for c in case.target.centres if c.id in case.hosts and case.hosts[c.id].centre)
    hosts = {host: case.drift_of(host) for host in (case.target.relay.id, *answered)}
    for host, changes in hosts.items():
        if changes is None:
            error = case.hosts[host].error
            return not_checked(host, f"its facts were not read: {error}" if error else "its facts were not read")
    for host, changes in hosts.items():
        if changes:
            first = ", ".join(f"{c.action.value} {c.resource.value} {c.name}" for c in changes[:_CHANGES_NAMED])
            more = f" and {len(changes) - _CHANGES_NAMED} more" if len(changes) > _CHANGES_NAMED else ""
            return failed(Layer.HOST, host, Cause.DRIFT, f"to mend: {first}{more}")
    return PASSED


def tunnel_check(case: Case) -> Check:
    """Check for a recent handshake, the allowed IPs and a route."""
    site, relay = case.target.path.facility, case.target.relay.id
    tunnel, address = case.relay.tunnel, case.device[0]
    if not tunnel.peers:
        return failed(Layer.TUNNEL, relay, Cause.TUNNEL_DOWN, "the relay's tunnel is not up")
    peer = tunnel.peers.get(case.target.peer_key)
    if peer is None:
        return failed(Layer.TUNNEL, site, Cause.TUNNEL_DOWN, "the relay's tunnel lacks the site's peer")
    if not any(_covers(network, address) for network in peer.allowed_ips):
        return failed(Layer.TUNNEL, site, Cause.TUNNEL_DOWN, f"the site's peer does not own {address}")
    if not any(_covers(network, address) for network in tunnel.routes):
        return failed(Layer.TUNNEL, relay, Cause.TUNNEL_DOWN, f"no route to {address} through the tunnel")
    return _peer_check(case, peer)


def _peer_check(case: Case, peer: LivePeer) -> Check:
    site, age = case.target.path.facility, peer.handshake_age_s
    # A clock that jumped back gives a negative age: nothing but a handshake makes one at all.
    fresh = age is not None and age <= _HANDSHAKE_S
    if _alive(case, peer) or (fresh and not _silent(case, peer)):
        return PASSED
    if case.firewall_blocks("input"):
        return failed(Layer.FIREWALL, case.target.relay.id, Cause.FIREWALL, "the relay's input rules have changed")
    if age is None:
        detail = "there was never a handshake"
    elif not fresh:
        detail = f"the last handshake was {age:.0f} s ago"
    else:
        detail = f"nothing came from the site, though its handshake is {age:.0f} s old"
    return failed(Layer.TUNNEL, site, Cause.TUNNEL_DOWN, detail)


def _alive(case: Case, peer: LivePeer) -> bool:
    """Whether something came through this tunnel while we looked; that needs a valid session."""
    answered = any(case.relay.devices.get(d) in {"ok", "refused"} for d in case.siblings)
    return peer.handshake_age_s is not None and (answered or peer.received[1] > peer.received[0])


def _silent(case: Case, peer: LivePeer) -> bool:
    """Whether packets went out and nothing at all came back: a tunnel that went down a moment ago."""
    outcomes = {case.relay.devices.get(d) for d in case.siblings}
    return outcomes == {"timeout"} and peer.sent[1] > peer.sent[0] and not _cameras_blocked(case)


def port_check(case: Case) -> Check:
    """Check that the camera's port answers from the relay."""
    outcome = case.relay.devices.get(case.device)
    name, where = case.device_name, f"{case.device[0]}:{case.device[1]}"
    if outcome is None:
        return not_checked(case.target.relay.id, f"{where} was not tried")
    match outcome:
        case "ok":
            return PASSED
        case "not-permitted":
            return _blocked(case, where)
        case "timeout":
            return _timeout_check(case, where)
    cause = {"refused": Cause.CAMERA_REFUSES, "no-route": Cause.CAMERA_UNPLUGGED}.get(outcome, Cause.UNKNOWN)
    return failed(case.device_layer, name, cause, f"{where}: {outcome}")


def _timeout_check(case: Case, where: str) -> Check:
    if _cameras_blocked(case):
        return _blocked(case, where)
    errors = case.relay.errors.get(case.target.path.name, ())
    if errors and "no route to host" in errors[0]:
        return failed(case.device_layer, case.device_name, Cause.CAMERA_UNPLUGGED, f"no route to {where}")
    detail = f"{where} does not answer though the tunnel is up"
    return failed(Layer.SITE, case.device_name, UNANSWERED[case.target.path.access], detail)


def _blocked(case: Case, where: str) -> Check:
    return failed(Layer.FIREWALL, case.target.relay.id, Cause.FIREWALL, f"the relay may not connect to {where}")


def _cameras_blocked(case: Case) -> bool:
    """Whether the relay's own rules keep it from the device, by its table or by packets that never left.

    Rules in another table may drop too; then packets to a peer with a valid session are not counted as sent.
    """
    peer = case.relay.tunnel.peers.get(case.target.peer_key)
    fresh = peer is not None and peer.handshake_age_s is not None and peer.handshake_age_s <= _HANDSHAKE_S
    kept_back = fresh and peer is not None and peer.sent[1] == peer.sent[0]
    return kept_back or case.firewall_blocks("output", "cameras", f"{case.device[0]} . {case.device[1]}")


def _covers(network: str, address: str) -> bool:
    try:
        return ip_address(address) in ip_network(network)
    except ValueError:  # `ip` says `default` where a route is for everything
        return network.startswith("default")
