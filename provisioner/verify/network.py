"""Checks of a host, its tunnels, cameras' ports and lossy lines. Pure.

The meaning of a silence rests on facts of WireGuard and of our gateways (docs/internals/verify.md). A live peer that
gets packets and has none to send answers within 10 s.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple

from provisioner.base.groups import grouped
from provisioner.base.text import Sentence, msg
from provisioner.desired.access import Access
from provisioner.desired.names import ALONE, HostNames
from provisioner.desired.spec import NEXT, SITE, HostSpec
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import ElementSet, SetElement, device_value
from provisioner.verify.case import NOT_DUE, PASSED, Case, Check, failed, not_checked
from provisioner.verify.devices import Device, chain_name
from provisioner.verify.result import Cause, Layer
from provisioner.verify.sources import push_check

# Measured: 5 % on a line without loss between hosts so busy that they drop packets themselves; a third to a half on a
# line that loses every third packet, or has 40 % of the needed rate. There each connection loses at least the second
# figure.
_LOSES, _LOSES_EACH = 0.2, 0.12
# So many packets say something of a line, and so few of a connection do.
_FEWEST, _FEWEST_EACH = 100, 20
# Of one device whose own cable loses packets the connections are fewer.
_MOST_OF_THEM = 2 / 3


# WireGuard rejects a session's packets after 180 s without a new handshake.
_HANDSHAKE_S = 180
_CHANGES_NAMED = 3
# A relay has a network a site, and asks of each of its paths.
_KNOWN_PLACES = 4_096
# ICMP's codes of a destination that is not reached: its network, host, port, and three ways to be forbidden.
_NO_NETWORK, _NO_HOST, _NO_PORT = 0, 1, 3
_PROHIBITED = frozenset({9, 10, 13})


class Unreached(NamedTuple):
    """The meaning of an unreached device in an access mode."""

    silent: tuple[Cause, str]  #: Cause and message of a silence.
    unmapped: tuple[Cause, str]  #: Cause and message if the gateway itself refuses.


_NO_PORT_OR_SILENT: Final = (
    "{where} does not answer through the tunnel: the gateway lacks its port map, or the device is silent"
)
_NO_PORT_MAPPED: Final = "the gateway has no port map for {where}"
_NO_ADDRESS_OR_SILENT: Final = (
    "{where} does not answer through the tunnel: the gateway lacks its address map, or the device is silent"
)
_NO_ADDRESS: Final = "the gateway has no address map for {where}"
_NOT_LED_OR_SILENT: Final = "{where} does not answer: the device is silent, or the carrier's network does not reach it"
_REFUSED_ON_THE_WAY: Final = "a rule of the carrier's network or of the site's router refuses the connection to {where}"


#: The meaning by access mode, except for pushing sites, which are not called.
UNANSWERED: Final[Mapping[Access, Unreached]] = {
    Access.PULL_PORTMAP: Unreached(
        silent=(Cause.PORT_MAP_OR_CAMERA, _NO_PORT_OR_SILENT), unmapped=(Cause.PORT_MAP_MISSING, _NO_PORT_MAPPED)
    ),
    Access.ROUTED: Unreached(
        silent=(Cause.CARRIER_OR_CAMERA, _NOT_LED_OR_SILENT), unmapped=(Cause.FOREIGN_FIREWALL, _REFUSED_ON_THE_WAY)
    ),
    Access.PULL_NAT_MAP: Unreached(
        silent=(Cause.ADDRESS_MAP_OR_CAMERA, _NO_ADDRESS_OR_SILENT), unmapped=(Cause.ADDRESS_MAP_MISSING, _NO_ADDRESS)
    ),
}


def site_line_check(case: Case) -> Check | None:
    """Return the failure of a site's lossy line, if measured."""
    share = _lost_share(sources_at(case))
    if share is None:
        return None
    relay = case.target.relay
    detail = msg(
        "{share} of the packets over the site's line to {id} come after a lost one: it loses packets, or is too slow",
        f"{share:.0%}",
        relay.id,
    )
    return failed(Layer.SITE, case.target.path.facility, Cause.STARVED, detail)


def sources_at(case: Case) -> Sequence[wire.ArrivalAnswer]:
    """Return the relay's connections to the path's address."""
    return case.of_relay("sources", lambda: _by_address(case))[case.device[0]]


def _by_address(case: Case) -> Mapping[str, list[wire.ArrivalAnswer]]:
    sources = case.relay.deliveries["sources"] if case.relay.deliveries else ()
    return grouped(sources, lambda source: source["address"])


def arrivals_at(case: Case, centre: HostSpec) -> Sequence[wire.ArrivalAnswer]:
    """Return a centre's connections to the path's relay."""
    host, address = case.hosts.get(centre.id), str(case.target.relay.tunnel.address)
    incoming = host.centre.incoming if host and host.centre else ()
    return case.of_relay(("arrivals", centre.id), lambda: [row for row in incoming if row["address"] == address])


def centre_line_check(case: Case, centre: HostSpec) -> Check | None:
    """Return the failure of a lossy line between relay and centre."""
    relay = case.target.relay
    share = case.of_relay(("lost", centre.id), lambda: _lost_share(arrivals_at(case, centre)))
    if share is None:
        return None
    detail = msg(
        "{share} of the packets from {id} to {id_2} come after a lost one: the line loses packets, or is too slow",
        f"{share:.0%}",
        relay.id,
        centre.id,
    )
    return failed(Layer.RELAY, relay.id, Cause.STARVED, detail)


def _lost_share(arrivals: Iterable[wire.ArrivalAnswer]) -> float | None:
    """Return the share of disordered packets if the line itself is lossy."""
    measured = [arrival for arrival in arrivals if arrival["segments"] >= _FEWEST_EACH]
    total = sum(arrival["segments"] for arrival in measured)
    losing = [arrival for arrival in measured if arrival["disordered"] >= _LOSES_EACH * arrival["segments"]]
    share = sum(arrival["disordered"] for arrival in measured) / total if total else 0.0
    if total < _FEWEST or share < _LOSES or len(losing) < _MOST_OF_THEM * len(measured):
        return None
    return share


def host_check(case: Case) -> Check:
    """Check the drift of the path's relay and of answering centres."""
    answered = (c.id for c in case.target.centres if c.id in case.hosts and case.hosts[c.id].centre)
    hosts = {host: case.drift_of(host) for host in (case.target.relay.id, *answered)}
    for host, changes in hosts.items():
        if changes is None:
            error = case.hosts[host].error
            why = msg("its facts were not read: {error}", error) if error else "its facts were not read"
            return not_checked(host, why, Cause.CANNOT_CHECK)
    for host, changes in hosts.items():
        if changes:
            first = ", ".join(f"{c.action.value} {c.resource.value} {c.name}" for c in changes[:_CHANGES_NAMED])
            more = len(changes) - _CHANGES_NAMED
            listed = msg("{first} and {more} more", first, more) if more > 0 else first
            return failed(Layer.HOST, host, Cause.DRIFT, msg("it differs from the inventory: {listed}", listed))
    return PASSED


def tunnel_check(case: Case) -> Check:
    """Check handshake, allowed IPs and route; without tunnel, any arrival."""
    if not case.target.path.access.has_tunnel:
        return push_check(case) if case.target.path.access.is_pushed else _carrier_check(case)
    site, relay = case.target.path.facility, case.target.relay.id
    tunnel, address = case.relay.tunnel, case.device[0]
    if not tunnel["peers"]:
        return failed(Layer.TUNNEL, relay, Cause.TUNNEL_DOWN, "the relay's tunnel is not up")
    peer = _peer_of(case)
    if peer is None:
        return failed(Layer.TUNNEL, site, Cause.TUNNEL_DOWN, "the relay's tunnel lacks the site's peer")
    if not any(_covers(network, address) for network in peer["allowed_ips"]):
        return failed(
            Layer.TUNNEL, site, Cause.TUNNEL_DOWN, msg("the relay's tunnel lacks {address} of the site", address)
        )
    if not any(_covers(network, address) for network in tunnel["routes"]):
        return failed(
            Layer.TUNNEL,
            relay,
            Cause.TUNNEL_DOWN,
            msg("the relay has no route to {address} through its tunnel", address),
        )
    return _peer_check(case, peer)


def _peer_of(case: Case) -> wire.PeerEvidenceAnswer | None:
    """Return the site's peer: with the addresses, else the present one."""
    peers, site, keys = case.relay.tunnel["peers"], case.target.path.facility, case.peer_keys
    present = peers.get(keys.get(f"{SITE}{site}", ""))
    if present is not None and present["allowed_ips"]:
        return present
    following = peers.get(keys.get(f"{NEXT}{site}", ""))
    return following if following and following["allowed_ips"] else present


def _peer_check(case: Case, peer: wire.PeerEvidenceAnswer) -> Check:
    site, relay, age = case.target.path.facility, case.target.relay.id, peer["handshake_age_s"]
    # A clock that jumped back gives a negative age, which still proves a handshake.
    fresh = age is not None and age <= _HANDSHAKE_S
    if _tunnel_carries_data(case, peer) or (fresh and not _silent(case, peer)):
        return PASSED
    if case.firewall_blocks("input"):
        return failed(Layer.FIREWALL, relay, Cause.FIREWALL, "the relay's input rules have changed")
    if drop := case.relay.closer.tunnel_drop:
        return dropped(drop, relay, "the tunnel's own packets")
    if _relay_is_cut_off(case):
        detail = "no packet comes through any tunnel of the relay: its own line is cut, or its address is another one"
        return failed(Layer.TUNNEL, relay, Cause.TUNNEL_DOWN, detail)
    if peer["received_bytes"][1] > peer["received_bytes"][0] and not fresh:
        detail = "the site sends packets that do not decrypt: its key or pre-shared key differs"
    elif peer["received_bytes"][1] > peer["received_bytes"][0]:
        # A key that was changed since the handshake looks the same as an interface that is down.
        detail = msg(
            "the gateway sends packets, {age} s after its handshake, and answers no ping: its tunnel's interface is "
            "down, or its key or pre-shared key was changed",
            f"{age:.0f}",
        )
    elif age is None:
        detail = "the gateway never made a handshake: it is off, has no line, or does not know this relay"
    elif not fresh:
        detail = msg("the last handshake was {age} s ago: the gateway is off, or its line is cut", f"{age:.0f}")
    else:
        detail = msg(
            "the site sends no packet, {age} s after its handshake: its line is cut, or its gateway is off",
            f"{age:.0f}",
        )
    return failed(Layer.TUNNEL, site, Cause.TUNNEL_DOWN, detail)


def _tunnel_carries_data(case: Case, peer: wire.PeerEvidenceAnswer) -> bool:
    """Return whether data came through this tunnel, which needs a valid session.

    A gateway that tries another key also sends packets, but answers no ping.
    """
    answered = any(case.relay.devices.get(d) in {"ok", "refused"} for d in case.siblings)
    heard = peer["received_bytes"][1] > peer["received_bytes"][0] and not _answers_no_ping(case)
    return peer["handshake_age_s"] is not None and (answered or heard or _site_flows(case))


def _site_flows(case: Case) -> bool:
    names = (path.name for path in case.of_site)
    pairs = (case.relay.samples.get(name, (None, None)) for name in names)
    return any(b and a and b["available"] and b["inbound_bytes"] > a["inbound_bytes"] for a, b in pairs)


def _answers_no_ping(case: Case) -> bool:
    """Return whether the gateway ignored a ping that no rule blocks."""
    return case.gateway is not None and not case.gateway["small"] and not _is_blocked(case)


def _relay_is_cut_off(case: Case) -> bool:
    """Return whether no packet came from any of several peers."""
    peers = case.relay.tunnel["peers"].values()
    counts = (peer["received_bytes"] for peer in peers)
    return len(peers) > 1 and case.of_relay("cut_off", lambda: all(now == before for before, now in counts))


def _silent(case: Case, peer: wire.PeerEvidenceAnswer) -> bool:
    """Return whether packets went out and no answer came.

    Not if a rule drops packets to the site's devices: then only the tunnel's own went out.
    """
    outcomes = {case.relay.devices.get(d) for d in case.siblings}
    return outcomes == {"timeout"} and peer["sent_bytes"][1] > peer["sent_bytes"][0] and not _is_blocked(case)


def port_check(case: Case) -> Check:
    """Check that the camera's port answers the relay, if pulled."""
    if case.target.path.access.is_pushed:
        return NOT_DUE
    outcome, where = case.relay.devices.get(case.device), case.where
    if outcome is None:
        return _untried_check(case)
    if outcome in _OUTCOMES:
        return _OUTCOMES[outcome](case, where)
    return failed(case.device_layer, case.device_name, Cause.UNKNOWN, msg("the relay cannot connect to {where}", where))


def _untried_check(case: Case) -> Check:
    where, relay = case.where, case.target.relay.id
    if case.device not in case.relay.not_installed:
        return not_checked(relay, msg("{where} was not tried", where))
    return not_checked(relay, msg("the installed rules of {relay} lack {where}: apply its plan first", relay, where))


def _open_check(case: Case, where: str) -> Check:
    """Judge a reachable device, from which rules may still block MediaMTX."""
    drop = case.relay.closer.drop_of(case.device)
    flows = case.flowed or case.target.path.on_demand
    if drop is None or flows or _is_halted(case, drop):
        return PASSED
    return dropped(drop, case.target.relay.id, msg("what goes to {where}", where))


def _is_halted(case: Case, drop: wire.DropAnswer) -> bool:
    """Return whether our rules block a device that caused too many connections."""
    sources = case.relay.sources
    return sources is not None and case.device in sources.halted and _is_of(drop, case.target.relay.names)


def _is_of(drop: wire.DropAnswer, host: HostNames) -> bool:
    return (drop["family"], drop["table"]) == ("inet", host.table)


def _refused_check(case: Case, where: str) -> Check:
    icmp = case.relay.closer.icmp.get(case.device)
    if icmp is None:
        detail = msg("{where} refuses the connection: the device runs", where)
        return failed(case.device_layer, case.device_name, Cause.CAMERA_REFUSES, detail)
    if _is_own(case, case.device):
        return _blocked_check(case, where)
    cause, template = UNANSWERED[case.target.path.access].unmapped
    return failed(Layer.SITE, case.device_name, cause, Sentence(template, {"where": where}))


def _carrier_check(case: Case) -> Check:
    """Check the carrier's network: any answering device or router proves it."""
    if any(_is_led_to(case, device) for device in case.siblings):
        return PASSED
    where, relay = case.where, case.target.relay.id
    outcomes = [outcome for device in case.siblings if (outcome := case.relay.devices.get(device))]
    if not outcomes:
        return _untried_check(case)
    if drop := case.relay.closer.drop_of(case.device):
        return dropped(drop, relay, msg("what goes to {where}", where))
    if _cameras_blocked(case) or "not-permitted" in outcomes or _says_itself(case, _NO_PORT):
        return _blocked_check(case, where)
    if outcomes == ["timeout"]:
        return _unanswered(case, where)
    return _carrier_network_check(case)


def _carrier_network_check(case: Case) -> Check:
    icmp = case.relay.closer.icmp
    names = sorted({icmp[device]["sender"] for device in case.siblings if device in icmp and not _is_own(case, device)})
    heard = (" " + msg("({names} has no route)", " and ".join(names))) if names else ""
    detail = msg("no device of the site answers over the carrier's network{heard}", heard)
    return failed(Layer.CARRIER, case.target.path.facility, Cause.CARRIER_NETWORK_DOWN, detail)


def _is_led_to(case: Case, device: Device) -> bool:
    """Return whether a device, or a router of its site, answered."""
    outcome, icmp = case.relay.devices.get(device), case.relay.closer.icmp.get(device)
    if outcome == "ok" or (outcome == "refused" and icmp is None):
        return True
    foreign = icmp is not None and not _is_own(case, device)
    return foreign and icmp is not None and (outcome, icmp["code"]) in {("no-route", _NO_HOST), ("refused", _NO_PORT)}


def _is_own(case: Case, device: Device) -> bool:
    icmp = case.relay.closer.icmp.get(device)
    return icmp is not None and (icmp.get("own") or icmp["sender"] == str(case.target.relay.tunnel.address))


def _says_itself(case: Case, code: int) -> bool:
    icmp = case.relay.closer.icmp.get(case.device)
    return icmp is not None and icmp["code"] == code and _is_own(case, case.device)


def _no_route_check(case: Case, where: str) -> Check:
    if not case.target.path.access.has_tunnel:
        return _unroutable_check(case, where)
    site, icmp = case.target.path.facility, case.relay.closer.icmp.get(case.device)
    if _is_own(case, case.device):
        return _blocked_check(case, where)
    if icmp is not None and icmp["code"] in _PROHIBITED:
        detail = msg(
            "the gateway {sender} forbids {where}: a rule that is not of the site package", icmp["sender"], where
        )
        return failed(Layer.SITE, site, Cause.FOREIGN_FIREWALL, detail)
    if (icmp is not None and icmp["code"] == _NO_NETWORK) or _site_is_dark(case):
        return _site_network(case)
    detail = msg("the gateway does not find {where} on its network", where)
    return failed(case.device_layer, case.device_name, Cause.CAMERA_UNPLUGGED, detail)


def _unroutable_check(case: Case, where: str) -> Check:
    site, icmp = case.target.path.facility, case.relay.closer.icmp.get(case.device)
    if icmp is not None and icmp["code"] in _PROHIBITED:
        if _is_own(case, case.device):
            return _blocked_check(case, where)
        detail = msg(
            "{sender} forbids {where}: a rule of the carrier's network or of the site's router", icmp["sender"], where
        )
        return failed(Layer.SITE, site, Cause.FOREIGN_FIREWALL, detail)
    if icmp is not None and icmp["code"] == _NO_HOST and not _is_own(case, case.device):
        detail = msg("{sender} does not find {where} on its network", icmp["sender"], where)
        return failed(case.device_layer, case.device_name, Cause.CAMERA_UNPLUGGED, detail)
    return _carrier_network_check(case)


def _site_network(case: Case) -> Check:
    detail = "the gateway answers and reaches no device of the site"
    return failed(Layer.SITE, case.target.path.facility, Cause.SITE_NETWORK_DOWN, detail)


def _site_is_dark(case: Case) -> bool:
    outcomes = {case.relay.devices.get(device) for device in case.siblings}
    icmp = case.relay.closer.icmp
    return (
        len(case.siblings) > 1
        and outcomes <= {"no-route", "timeout"}
        and not _is_blocked(case)
        and not any(icmp[device]["code"] in _PROHIBITED for device in case.siblings if device in icmp)
    )


def _is_blocked(case: Case) -> bool:
    return _cameras_blocked(case) or any(case.relay.closer.drop_of(device) for device in case.siblings)


def _timeout_check(case: Case, where: str) -> Check:
    if drop := case.relay.closer.drop_of(case.device):
        return dropped(drop, case.target.relay.id, msg("what goes to {where}", where))
    if _cameras_blocked(case):
        return _blocked_check(case, where)
    # Without a tunnel, `_carrier_check` has found the carrier's network before.
    return _gateway_timeout_check(case, where) if case.target.path.access.has_tunnel else _unanswered(case, where)


def _gateway_timeout_check(case: Case, where: str) -> Check:
    """Explain a device that does not answer behind its gateway."""
    if _takes_nothing_new(case):
        detail = (
            "the gateway passes open streams and no new connection: its connection table is full (conntrack -C), or its"
            " rules drop new ones"
        )
        return failed(Layer.SITE, case.target.path.facility, Cause.NOT_FORWARDED, detail)
    gateway, errors = case.gateway, case.relay.errors.get(case.target.path.name, ())
    seen_missing = bool(errors) and "no route to host" in errors[0]
    maps = (gateway is not None and gateway["refuses"]) or seen_missing
    # Some of a site's devices are told to be away, and others not in time: a gateway's kernel tells a few a second.
    away = any(case.relay.devices.get(device) == "no-route" for device in case.siblings)
    if (maps or away) and _site_is_dark(case):
        return _site_network(case) if away or seen_missing else _not_forwarded(case)
    if seen_missing:
        return _no_route_check(case, where)
    if maps:
        detail = msg("{where} answers no connection, and the gateway finds the device: it drops them, or hangs", where)
        return failed(case.device_layer, case.device_name, Cause.CAMERA_SHUT, detail)
    return _unanswered(case, where)


def _takes_nothing_new(case: Case) -> bool:
    """Return whether nothing new gets through a gateway whose open streams flow.

    One device may refuse new connections by itself; several, or a gateway that answers no ping either, do not.
    """
    outcomes = [case.relay.devices.get(device) for device in case.siblings]
    silent = len(outcomes) > 1 or _answers_no_ping(case)
    return silent and set(outcomes) == {"timeout"} and _site_flows(case)


def _not_forwarded(case: Case) -> Check:
    detail = (
        "the gateway maps its devices, and none answers: forwarding is off (net.ipv4.ip_forward), or its rules differ"
    )
    return failed(Layer.SITE, case.target.path.facility, Cause.NOT_FORWARDED, detail)


def _unanswered(case: Case, where: str) -> Check:
    """Judge a silence that an older gateway does not explain."""
    cause, template = UNANSWERED[case.target.path.access].silent
    return failed(Layer.SITE, case.device_name, cause, Sentence(template, {"where": where}))


def _blocked_check(case: Case, where: str) -> Check:
    """Judge a relay whose own or foreign rules block its packets."""
    relay = case.target.relay.id
    if case.firewall_blocks("output", _element_of(case)):
        return failed(
            Layer.FIREWALL, relay, Cause.FIREWALL, msg("the relay's own rules drop connections to {where}", where)
        )
    chains = sorted(
        {chain_name(chain) for chain in case.relay.closer.chains if chain["hook"] in {"output", "postrouting"}}
    )
    by = f": {' or '.join(chains[:_CHANGES_NAMED])}" if chains else ""
    detail = msg("foreign rules on {relay} drop connections to {where}{by}", relay, where, by)
    return failed(Layer.FIREWALL, relay, Cause.FOREIGN_FIREWALL, detail)


_OUTCOMES: Final[Mapping[str, Callable[[Case, str], Check]]] = {
    "ok": _open_check,
    "refused": _refused_check,
    "no-route": _no_route_check,
    "timeout": _timeout_check,
    "not-permitted": _blocked_check,
}


def dropped(drop: wire.DropAnswer, host: str, traffic: str, names: HostNames = ALONE) -> Check:
    """Return the failure for a chain that dropped packets of the probe."""
    named = chain_name(drop)
    if _is_of(drop, names):
        detail = msg("our own {named} on {host} drops {what}", named, host, traffic)
        return failed(Layer.FIREWALL, host, Cause.FIREWALL, detail)
    detail = msg("the foreign {named} on {host} drops {what}", named, host, traffic)
    return failed(Layer.FIREWALL, host, Cause.FOREIGN_FIREWALL, detail)


def _cameras_blocked(case: Case) -> bool:
    """Return whether the relay's own rules block the device.

    Its table differs, or packets to a peer with a valid session are not counted as sent: another table may drop them.
    """
    peer = _peer_of(case)
    fresh = peer is not None and peer["handshake_age_s"] is not None and peer["handshake_age_s"] <= _HANDSHAKE_S
    kept_back = fresh and peer is not None and peer["sent_bytes"][1] == peer["sent_bytes"][0]
    return kept_back or case.firewall_blocks("output", _element_of(case))


def _element_of(case: Case) -> SetElement:
    return SetElement(ElementSet.CAMERAS, device_value(*case.device))


@lru_cache(_KNOWN_PLACES)
def _covers(network: str, address: str) -> bool:
    try:
        return ip_address(address) in ip_network(network)
    except ValueError:  # `ip` says `default` where a route is for everything
        return network.startswith("default")
