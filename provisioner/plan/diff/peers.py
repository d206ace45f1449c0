"""WireGuard peers: desired against the live interface. Pure.

`wg syncconf` changes only the necessary sessions. WireGuard identifies a peer by its key: a peer with a new key is
removed and added, and its traffic reconnects. A new pre-shared key is used from the next handshake, within about two
minutes. A removed allowed IP is unreachable at once.
"""

from collections.abc import Iterable, Iterator, Mapping

from provisioner.base.secret import keyed_digest
from provisioner.base.text import endpoint_text, msg
from provisioner.desired.spec import LEFT, NEXT, SITE, Peer
from provisioner.hosts.answers import wire
from provisioner.plan.change import NOBODY, Action, Audience, Change, Impact, Resource
from provisioner.plan.diff.comparison import Comparison, owner_of_path
from provisioner.plan.diff.packages import psk_is_renewed, rewrites

_CENTRE, _RELAY = "centre/", "relay/"
_SHORT = 8
_ANSWERS_S = 180  #: WireGuard ends a session without a handshake after this time.


def peer_changes(comparison: Comparison) -> Iterator[Change]:
    """Yield a change for each desired or live peer."""
    live_peers = comparison.live_peers
    strangers = {key: peer for key, peer in live_peers.items() if not comparison.holds_peer(key)}
    desired = comparison.spec.tunnel.peers
    live = {peer.public_key: strangers.pop(peer.public_key, None) for peer in desired}
    for peer in desired:
        present = live[peer.public_key]
        if present is not None:
            yield _present_peer_change(comparison, peer, present)
        elif old := _old_key(comparison, peer, strangers):
            strangers.pop(old)
            yield _key_change(comparison, peer, old)
        else:
            reason = _reason_for_new(comparison, peer)
            where = _province_and_facility(comparison, peer)
            yield comparison.change(Resource.PEER, peer.name, Action.CREATE, Impact.HOT, reason, where=where)
    for public_key in sorted(strangers):
        yield _foreign_peer_removal(comparison, public_key, strangers[public_key])
    yield from (_losing_key(comparison, peer) for peer in comparison.peers_losing_key if peer.name.startswith(SITE))


def _losing_key(comparison: Comparison, peer: Peer) -> Change:
    impact, cut = _impact_of_loss(comparison, peer.name, {str(network) for network in peer.allowed_ips})
    reason = "it has a key with which the relay answers no more: it is dark until its package is installed"
    return _peer_update(comparison, peer, impact, reason, cut)._replace(name=f"{LEFT}{peer.name.removeprefix(SITE)}")


def _reason_for_new(comparison: Comparison, peer: Peer) -> str:
    if comparison.facts.tunnel is None:
        return "there is no tunnel yet"
    if peer.name.startswith(NEXT):
        return (
            "the gateway's next key: beside the present one, and without an address until the gateway is seen with it"
        )
    return "the tunnel does not have it"


def _old_key(comparison: Comparison, peer: Peer, strangers: Mapping[str, wire.PeerAnswer]) -> str | None:
    """Return the unwanted live peer with this peer's address, if any."""
    # It does not count if another facility is behind it.
    addresses = {str(network) for network in peer.allowed_ips}
    # A hub pulls from relays, which are not facilities: those are behind them.
    pulled_from = () if peer.name.startswith(_RELAY) else addresses
    behind = {owner_of_path(path)[1] for ip in pulled_from for path in comparison.pulled_from(ip)}
    if behind - {peer.name.removeprefix(SITE)}:
        return None
    return next((key for key in sorted(strangers) if addresses & set(strangers[key]["allowed_ips"])), None)


def _present_peer_change(comparison: Comparison, peer: Peer, live: wire.PeerAnswer) -> Change:
    """Compare a peer with the live tunnel's peer of the same key."""
    differing = _peer_differences(comparison, peer, live)
    if not differing:
        reason = "the tunnel has it with the same addresses, pre-shared key and endpoint"
        return comparison.noop(Resource.PEER, peer.name, reason, _province_and_facility(comparison, peer))
    lost = set(live["allowed_ips"]) - {str(network) for network in peer.allowed_ips}
    if not lost and peer.name.startswith(SITE) and psk_is_renewed(comparison, peer, live):
        # Its gateway has the old one until somebody installs its new package there.
        lost = set(live["allowed_ips"])
    impact, cut = _impact_of_loss(comparison, peer.name, lost) if lost else (Impact.HOT, NOBODY)
    return _peer_update(comparison, peer, impact, "; ".join(differing), cut)


def _peer_update(comparison: Comparison, peer: Peer, impact: Impact, reason: str, cut: Audience) -> Change:
    return comparison.change(
        Resource.PEER, peer.name, Action.UPDATE, impact, reason, cut=cut, where=_province_and_facility(comparison, peer)
    )


def _peer_differences(comparison: Comparison, peer: Peer, live: wire.PeerAnswer) -> list[str]:
    differing = []
    desired = sorted(map(str, peer.allowed_ips))
    if desired != list(live["allowed_ips"]):
        differing.append(msg("allowed IPs {allowed_ips} → {desired}", _listed(live["allowed_ips"]), _listed(desired)))
    if live["psk"] != keyed_digest(comparison.spec.digest_key, peer.psk.reveal().encode()):
        differing.append("pre-shared key differs: used from the next handshake on")
    if live["keepalive_s"] != peer.keepalive_s:
        differing.append(f"keepalive {live['keepalive_s'] or 'off'} → {peer.keepalive_s or 'off'}")
    # A peer without an endpoint of its own roams: its last address is not configuration.
    if (
        peer.endpoint is not None
        and live["endpoint"] != endpoint_text(*peer.endpoint)
        and not _roamed(comparison, live)
    ):
        differing.append(f"endpoint {live['endpoint'] or 'none'} → {endpoint_text(*peer.endpoint)}")
    return differing


def _roamed(comparison: Comparison, live: wire.PeerAnswer) -> bool:
    """Return whether an unchanged peer that answers sends from another address."""
    clock = comparison.facts.clock
    answers = clock is not None and max(clock) - live["handshake"] < _ANSWERS_S
    return answers and bool(live["endpoint"]) and not rewrites(comparison, comparison.spec.names.wg_file)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values) or "none"


def _key_change(comparison: Comparison, peer: Peer, old: str) -> Change:
    if comparison.fleet.next_keys.get(peer.name.removeprefix(_RELAY)) in {peer.public_key, old}:
        reason = msg(
            "public key {old} → {public_key}: the relay changes its own key, and answers with both",
            old,
            peer.public_key,
        )
        return comparison.change(Resource.PEER, peer.name, Action.UPDATE, Impact.HOT, reason)
    impact, cut = _impact_of_loss(comparison, peer.name, {str(network) for network in peer.allowed_ips})
    return _peer_update(comparison, peer, impact, msg("public key {old} → {public_key}", old, peer.public_key), cut)


def _foreign_peer_removal(comparison: Comparison, public_key: str, live: wire.PeerAnswer) -> Change:
    allowed = live["allowed_ips"]
    known_site = comparison.fleet.sites.get(public_key)
    if not known_site and (former := _former(comparison, public_key)):
        return _former_peer_removal(comparison, public_key, live, former)
    where = known_site or next(filter(any, (comparison.site_at(ip) for ip in allowed)), ("", ""))
    site = f"{SITE}{where[1]}" if where[1] else ""
    impact, cut = _impact_of_loss(comparison, site, set(allowed))
    if known_site:
        name, reason = site, msg("no path is pulled from {where} here from now on", where[1])
    else:
        name, reason = (
            f"unknown/{public_key}",
            msg("no site, centre or relay has this key; it holds {allowed}", _listed(allowed)),
        )
        reason += (", " + msg("from which {where} is pulled", where[1])) if site else ""
    return comparison.change(Resource.PEER, name, Action.DELETE, impact, reason, cut=cut, where=where)


def _former(comparison: Comparison, public_key: str) -> str:
    kind, slash, facility = comparison.last_names.get(public_key, "").partition("/")
    return facility if f"{kind}{slash}" in {SITE, NEXT} else ""


def _former_peer_removal(comparison: Comparison, public_key: str, live: wire.PeerAnswer, facility: str) -> Change:
    province, _ = next(
        (comparison.site_at(ip) for ip in live["allowed_ips"] if comparison.site_at(ip)[1] == facility), ("", "")
    )
    province = province or comparison.provinces.get(facility, "")
    short = f"{public_key[:_SHORT]}…"
    impact, cut = _impact_of_loss(comparison, f"{SITE}{facility}", set(live["allowed_ips"]))
    if facility in comparison.fleet.cached_sites:
        reason = msg("{short} is a former key of the gateway of {facility}", short, facility)
    else:
        reason = msg(
            "{short} was the gateway of {facility} when this host was applied last; no file has that key any more",
            short,
            facility,
        )
    name = f"former/{facility}/{public_key}"
    return comparison.change(Resource.PEER, name, Action.DELETE, impact, reason, cut=cut, where=(province, facility))


def _impact_of_loss(comparison: Comparison, name: str, lost: set[str]) -> tuple[Impact, Audience]:
    """Return the impact and readers if these addresses become unreachable."""
    if not lost:
        return Impact.HOT, NOBODY
    if comparison.spec.relay is None:
        return Impact.ALL, comparison.at_relays(sorted(lost))
    pulled = [path for ip in sorted(lost) for path in comparison.pulled_from(ip)]
    if name.startswith(_CENTRE) or not (pulled or name.startswith(SITE)):
        # A centre, or somebody who may be one: which of the readers are its own is not known.
        return Impact.ALL, comparison.everybody
    return Impact.PATH, comparison.watching(*pulled)


def _province_and_facility(comparison: Comparison, peer: Peer) -> tuple[str, str]:
    if not peer.name.startswith((SITE, NEXT)):
        return "", ""
    facility = peer.name.removeprefix(SITE).removeprefix(NEXT)
    return comparison.provinces.get(facility, ""), facility
