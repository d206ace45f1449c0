"""Sites that need a new package after an apply. Pure.

A technician installed on the gateway: the relay's public key, addresses and port, the site's address, its pre-shared
key, and the ports of its devices. If a plan changes one of these, the site is dark until a new package is installed.
Undoing a manual change on a host needs no package: the host's own file still matches the package.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from operator import itemgetter
from typing import NamedTuple

from provisioner.base.secret import keyed_digest
from provisioner.base.text import endpoint_text, msg
from provisioner.desired.render.host import NFT_FILE, READERS_FILE, TRUST_FILE, WG_FILE
from provisioner.desired.spec import HostSpec, Peer
from provisioner.desired.trust import Trust
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import ElementSet, HostFacts, element_of, source_in
from provisioner.plan.diff.comparison import Comparison, host_of

_SITE, _RELAY = "site/", "relay/"
_Endpoint = tuple[str, int]  #: Address and port of a device for a relay.


@dataclass(frozen=True, slots=True)
class SitePackageNeed:
    """A site whose gateway needs a new site package after this change, and the reason."""

    facility: str
    relay: str
    reason: str


def sites_of(spec: HostSpec) -> list[str]:
    """Return the facilities that a relay pulls from, by its peers."""
    return [peer.name.removeprefix(_SITE) for peer in spec.tunnel.peers if peer.name.startswith(_SITE)]


def pushing_sites_of(spec: HostSpec) -> list[str]:
    """Return the facilities that push to a relay."""
    return sorted({path.facility for path in spec.paths if path.access.is_pushed})


def former_keys(
    specs: Sequence[HostSpec], facts: Mapping[str, HostFacts], recorded: Mapping[str, frozenset[str]]
) -> dict[str, str]:
    """Return relays' former public keys that differ from the inventory's.

    Centres know them, unlike the replacement of a lost relay. Without a centre the relay's tunnel counts. `recorded`
    has the keys in the lock, also next ones.
    """
    tunnels = {spec.id: facts[spec.id].tunnel for spec in specs if spec.relay}
    live_keys = {relay: tunnel["public_key"] for relay, tunnel in tunnels.items() if tunnel is not None}
    for spec in specs:
        for peer in (peer for peer in spec.tunnel.peers if peer.name.startswith(_RELAY)):
            if key := _recorded_key(facts[spec.id], peer):
                live_keys[peer.name.removeprefix(_RELAY)] = key
    return {relay: key for relay, key in live_keys.items() if key and key not in recorded.get(relay, {key})}


def _recorded_key(facts: HostFacts, peer: Peer) -> str:
    """Return a host's key for a peer, by its file or tunnel."""
    if facts.trust and peer.name in facts.trust.keys:
        return facts.trust.keys[peer.name].partition(" ")[0]
    addresses = sorted(map(str, peer.allowed_ips))
    live = facts.tunnel["peers"] if facts.tunnel else {}
    return next((key for key, answer in live.items() if answer["allowed_ips"] == addresses), "")


class MovedEndpoint(NamedTuple):
    """Former and new WireGuard endpoint of a relay, as `address:port`."""

    was: str
    is_now: str

    def concerns(self, site: str, before: Trust | None, after: Trust | None) -> bool:
        """Return whether the endpoint changes for a site's dialled port."""
        (host, _, port), (new_host, _, new_port) = self.was.rpartition(":"), self.is_now.rpartition(":")
        ports = before.ports if before else {}, after.ports if after else {}
        return (host, str(ports[0].get(site, port))) != (new_host, str(ports[1].get(site, new_port)))


def moved_endpoints(specs: Iterable[Comparison]) -> dict[str, MovedEndpoint]:
    """Return changed endpoints by relay, as known to centres."""
    moved: dict[str, MovedEndpoint] = {}
    for at in specs:
        live = at.facts.tunnel["peers"] if at.facts.tunnel and rewrites(at, at.spec.names.wg_file) else {}
        for peer in at.spec.tunnel.peers:
            live_peer = live.get(peer.public_key)
            if peer.name.startswith(_RELAY) and peer.endpoint and live_peer and live_peer["endpoint"]:
                desired = endpoint_text(*peer.endpoint)
                if live_peer["endpoint"] != desired:
                    moved[peer.name.removeprefix(_RELAY)] = MovedEndpoint(live_peer["endpoint"], desired)
    return moved


def rewrites(comparison: Comparison, path: str) -> bool:
    """Return whether a plan changes the content of an existing file."""
    file, live = comparison.files.get(path), comparison.facts.files.get(path)
    return (
        file is not None
        and live is not None
        and live["digest"] != keyed_digest(comparison.spec.digest_key, file.content)
    )


def psk_is_renewed(comparison: Comparison, peer: Peer, live: wire.PeerAnswer) -> bool:
    """Return whether the inventory, not a repair, changes a peer's pre-shared key."""
    differs = live["psk"] != keyed_digest(comparison.spec.digest_key, peer.psk.reveal().encode())
    return differs and rewrites(comparison, comparison.spec.names.psk_file)


def needs_of_relay(comparison: Comparison) -> Iterator[SitePackageNeed]:
    """Yield the needs of one readable relay's sites, once a site."""
    live = comparison.live_peers
    for peer in comparison.spec.tunnel.peers:
        if not peer.name.startswith(_SITE):
            continue
        site = peer.name.removeprefix(_SITE)
        if comparison.takes_next_key:
            if peer in comparison.reached_by(second=False):
                yield SitePackageNeed(
                    site, comparison.spec.id, "it was not seen with the relay's next key, the only one now"
                )
            continue
        reason = (
            _other_name(comparison)
            or _port_change_text(comparison, site)
            or _other_relay_address(comparison)
            or _need_of_site(comparison, peer, live.get(peer.public_key))
        )
        if reason:
            yield SitePackageNeed(site, comparison.spec.id, reason)
    yield from _taken_down(comparison, live)
    yield from _pushing_site_needs(comparison)


def _pushing_site_needs(comparison: Comparison) -> Iterator[SitePackageNeed]:
    is_shown_anew, renamed = rewrites(comparison, READERS_FILE), _other_name(comparison)
    needed: dict[str, str] = dict.fromkeys(pushing_sites_of(comparison.spec), renamed) if renamed else {}
    for path in comparison.spec.paths:
        if not path.access.is_pushed or path.alias_of:
            continue
        changed, live = comparison.pushes_changed.get(path.name), comparison.live_paths.get(path.name)
        if is_shown_anew and live is not None:
            needed[path.facility] = "its relay shows another certificate, which a package refuses that does not name it"
        elif changed is not None and changed.is_renewed:
            needed.setdefault(path.facility, "the login by which it pushes is another one")
        elif live is None and path.facility in comparison.cached_sites:
            needed.setdefault(path.facility, "its gateway has to push a stream more")
    yield from (SitePackageNeed(facility, comparison.spec.id, reason) for facility, reason in sorted(needed.items()))


def _other_name(comparison: Comparison) -> str:
    # A host stores its endpoint with the facts that it is trusted by (`Trust`).
    applied, wanted = comparison.facts.trust, comparison.spec.trust
    if applied is None or wanted is None or not rewrites(comparison, TRUST_FILE):
        return ""
    if applied.endpoint.rpartition(":")[0] == wanted.endpoint.rpartition(":")[0]:
        return ""
    return msg(
        "the relay's endpoint {endpoint} → {endpoint_2}",
        applied.endpoint or "by address",
        wanted.endpoint or "by address",
    )


def _port_change_text(comparison: Comparison, site: str) -> str:
    """Return how the port that a gateway dials changes, or empty."""
    tunnel, live = comparison.spec.tunnel, comparison.facts.tunnel
    if live is None or tunnel.listen_port is None:
        return ""
    desired = comparison.spec.trust.ports if comparison.spec.trust else {}
    previous = comparison.facts.trust.ports if comparison.facts.trust else desired
    before = live["listen_port"] if rewrites(comparison, WG_FILE) else tunnel.listen_port
    old_port, new_port = previous.get(site, before), desired.get(site, tunnel.listen_port)
    if old_port == new_port:
        return ""
    if site in previous or site in desired:
        return msg("the port of the relay that its gateway dials {was} → {is_now}", old_port, new_port)
    return msg("the relay's WireGuard port {was} → {is_now}", old_port, new_port)


def _other_relay_address(comparison: Comparison) -> str:
    tunnel, live = comparison.spec.tunnel, comparison.facts.tunnel
    if (
        live is None
        or not rewrites(comparison, WG_FILE)
        or not live["addresses"]
        or live["addresses"] == [f"{tunnel.address}/32"]
    ):
        return ""
    return msg("the relay's tunnel address {addresses} → {address}/32", ", ".join(live["addresses"]), tunnel.address)


def _need_of_site(comparison: Comparison, peer: Peer, live: wire.PeerAnswer | None) -> str:
    if live is None:
        others = comparison.fleet.holders.get(peer.public_key, frozenset()) - {comparison.spec.id}
        if not others:
            return ""
        if staying := others & _relays_of_site(comparison, peer):
            return msg("{id} serves it from now on, beside {others}", comparison.spec.id, ", ".join(sorted(staying)))
        return msg("{id} serves it from now on, instead of {others}", comparison.spec.id, ", ".join(sorted(others)))
    if psk_is_renewed(comparison, peer, live):
        return "its pre-shared key is another one"
    desired = sorted(map(str, peer.allowed_ips))
    if live["allowed_ips"] != desired and rewrites(comparison, WG_FILE):
        return _other_addresses(", ".join(live["allowed_ips"]) or "none", ", ".join(desired))
    return _other_devices(comparison, peer)


def _relays_of_site(comparison: Comparison, peer: Peer) -> set[str]:
    """Return the relays that the state serves a peer's site from."""
    _, facility = comparison.fleet.sites.get(peer.public_key, ("", ""))
    paths = [path.name for path in comparison.spec.paths if path.facility == facility]
    return {relay for path in paths for relay in comparison.fleet.served_by(path)}


def _other_addresses(allowed_ips: str, desired: str) -> str:
    if "," in allowed_ips + desired:
        return msg("its addresses {allowed_ips} → {desired}", allowed_ips, desired)
    return msg("its tunnel address {allowed_ips} → {desired}", allowed_ips, desired)


def _other_devices(comparison: Comparison, peer: Peer) -> str:
    facility = peer.name.removeprefix(_SITE)
    previous = {
        _endpoint_of(source_in(live) or "")
        for network in peer.allowed_ips
        for live in (comparison.live_paths[name] for name in comparison.pulled_from(str(network)))
    }
    sources = [path.source for path in comparison.spec.paths if path.facility == facility and path.source is not None]
    wanted = {(str(source.address), source.port) for source in sources}
    if not previous or previous == wanted:
        return _onvif_change(comparison, peer)
    return _mapping_change(peer, wanted - previous, previous - wanted)


def _mapping_change(peer: Peer, wanted: Collection[_Endpoint], unwanted: Collection[_Endpoint]) -> str:
    more, less = _endpoints_text(peer, wanted), _endpoints_text(peer, unwanted)
    if more:
        return msg("its gateway has to lead {more} to a device", more)
    return msg("its gateway still leads {less}", less) if less else ""


def _onvif_change(comparison: Comparison, peer: Peer) -> str:
    if not rewrites(comparison, NFT_FILE):
        return ""
    elements = (element_of(entry["name"]) for entry in comparison.facts.firewall["differences"])
    differing = (entry.device for entry in elements if entry and entry.set is ElementSet.ONVIF)
    endpoints = {device for device in differing if device and _is_of(peer, device[0])}
    devices = comparison.spec.relay.asked if comparison.spec.relay else ()
    desired = {(str(entry.address), entry.port) for entry in devices if _is_of(peer, str(entry.address))}
    return _mapping_change(peer, endpoints & desired, endpoints - desired)


def _is_of(peer: Peer, address: str) -> bool:
    try:
        return any(IPv4Address(address) in network for network in peer.allowed_ips)
    except ValueError:  # what a host calls an address need not be one
        return False


def _endpoints_text(peer: Peer, places: Iterable[_Endpoint]) -> str:
    """Return devices' addresses for messages: ports if the address is single."""
    if len(peer.allowed_ips) == 1 and peer.allowed_ips[0].prefixlen == peer.allowed_ips[0].max_prefixlen:
        return ", ".join(msg("port {port}", port) for _, port in sorted(places, key=itemgetter(1)))
    return ", ".join(f"{address}:{port}" for address, port in sorted(places))


def _endpoint_of(source: str) -> _Endpoint:
    endpoint = source.partition("://")[2].partition("/")[0].rpartition("@")[2]
    host = host_of(source)
    port = endpoint.removeprefix(host).removeprefix(":")
    return host, int(port) if port.isascii() and port.isdigit() else 0


def _taken_down(comparison: Comparison, live: Mapping[str, wire.PeerAnswer]) -> Iterator[SitePackageNeed]:
    """Yield sites without any relay: their gateways still need a take-down."""
    for key in sorted(live.keys() - {peer.public_key for peer in comparison.spec.tunnel.peers}):
        facility = comparison.fleet.sites.get(key, ("", ""))[1]
        if facility and facility not in comparison.fleet.served_sites:
            yield SitePackageNeed(
                facility, comparison.spec.id, "no relay serves it any more: its package takes the gateway down"
            )
