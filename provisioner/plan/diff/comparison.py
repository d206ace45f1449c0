"""Comparison of one host: desired state, files and facts. Pure.

`Fleet` has facts about the other hosts. MediaMTX's file is parsed as far as needed, in the form of the on-host
program's answers.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network

from provisioner.base.groups import gathered
from provisioner.base.secret import Secret, keyed_digest
from provisioner.desired.render.host import MEDIAMTX_FILE, SENTINEL_PREFIX, RenderedFile
from provisioner.desired.spec import NEXT, SITE, HostSpec, MediaPath, Peer
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import HostFacts, source_in
from provisioner.plan.change import NOBODY, Action, Audience, Change, Impact, Resource
from provisioner.plan.diff.users import USERS, PushChange, pushes_changed

_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
_SETTING_LINE = re.compile(r"^([A-Za-z][A-Za-z0-9]*): (.*)$", re.MULTILINE)
_SENTINEL_LINE = re.compile(rf'^  "({SENTINEL_PREFIX}[0-9a-f]+)": ', re.MULTILINE)


@dataclass(frozen=True)
class Fleet:
    """Facts about the other hosts for one host's comparison."""

    #: Desired paths of each relay; during a change of carrier a path is at two relays.
    serving: Mapping[str, frozenset[str]] = field(default_factory=dict)
    relays: Mapping[str, str] = field(default_factory=dict)  #: Relays by tunnel address.
    audiences: Audience = field(default_factory=dict)  #: Live readers by relay and path, of readable relays.
    #: Province and facility by the gateway's public key, also of closed facilities.
    sites: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    #: By relay, the public key known to centres, if the inventory has another one.
    former_keys: Mapping[str, str] = field(default_factory=dict)
    #: Readable relays with a peer in their tunnels, by its public key.
    holders: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: Facilities that relays serve in the desired state; `cached_sites` are all.
    served_sites: frozenset[str] = frozenset()
    cached_sites: frozenset[str] = frozenset()
    next_keys: Mapping[str, str] = field(default_factory=dict)  #: Next public keys of relays that change their key.

    def served_by(self, path: str) -> tuple[str, ...]:
        """Return the desired relays of a path."""
        return tuple(relay for relay, paths in self.serving.items() if path in paths)


def canonical(document: object) -> bytes:
    """Return a document as JSON, byte-identical to the on-host program's."""
    return _CANONICAL.encode(document).encode()


def sentinel_of(content: bytes) -> str:
    """Return the sentinel's name in a rendered relay file."""
    line = _SENTINEL_LINE.search(content.decode())
    return line[1] if line else ""


def settings_of(content: bytes, key: Secret) -> dict[str, object]:
    """Return a rendered relay file's settings, in the on-host program's form."""
    settings: dict[str, object] = {}
    for name, text in _SETTING_LINE.findall(content.decode()):
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        if name == "authInternalUsers":
            value = [{**user, "pass": keyed_digest(key, user["pass"].encode())} for user in value]
        settings[name] = value
    return settings


@dataclass(frozen=True)
class Comparison:
    """One host, desired and live."""

    spec: HostSpec
    files: Mapping[str, RenderedFile]
    facts: HostFacts
    fleet: Fleet

    @cached_property
    def live_paths(self) -> Mapping[str, wire.PathAnswer]:
        """Paths in the host's relay file, by name."""
        return self.facts.relay["paths"] if self.facts.relay else {}

    @cached_property
    def same_relay_file(self) -> bool:
        """Whether the live relay file equals the rendered one."""
        file, live = self.files.get(MEDIAMTX_FILE), self.facts.files.get(MEDIAMTX_FILE)
        if file is None or live is None or self.facts.relay is None:
            return False
        return live["digest"] == keyed_digest(self.spec.digest_key, file.content)

    @cached_property
    def live_peers(self) -> Mapping[str, wire.PeerAnswer]:
        """The tunnel's peers by public key.

        During a gateway's key change the host decides which of the two peers has the addresses. This is no difference,
        so they are moved to the present peer.
        """
        peers = dict(self.facts.tunnel["peers"]) if self.facts.tunnel else {}
        for present, following in self.spec.key_changes.values():
            first, second = peers.get(present), peers.get(following)
            if first and second and second["allowed_ips"] and not first["allowed_ips"]:
                peers[present] = {**first, "allowed_ips": second["allowed_ips"]}
                peers[following] = {**second, "allowed_ips": []}
        return peers

    @cached_property
    def last_names(self) -> Mapping[str, str]:
        """Peers' names at the last apply by public key: `site/…`, `next/…` etc."""
        keys = self.facts.trust.keys if self.facts.trust else {}
        return {value.partition(" ")[0]: name for name, value in keys.items()}

    def holds_peer(self, public_key: str) -> bool:
        """Return whether a live peer is a frozen facility's."""
        kind, _, facility = self.facts.held["peers"].get(public_key, "").partition("/")
        return f"{kind}/" in {SITE, NEXT} and facility in self.spec.frozen_names

    @cached_property
    def viewers(self) -> Mapping[str, int]:
        """Live readers by path."""
        return self.facts.viewers

    @property
    def takes_next_key(self) -> bool:
        """Whether the first tunnel takes the second's key and port."""
        second = self.facts.tunnel.get("following") if self.facts.tunnel else None
        desired = self.spec.tunnel
        return second is not None and desired.following is None and desired.listen_port == second["listen_port"]

    def reached_by(self, *, second: bool) -> tuple[Peer, ...]:
        """Return the peers at the second, or first, tunnel of a relay."""
        second_tunnel = self.facts.tunnel.get("following") if self.facts.tunnel else None
        moved = second_tunnel["moved"] if second_tunnel else {}
        return tuple(
            peer for peer in self.spec.tunnel.peers if peer.allowed_ips and (peer.public_key in moved) == second
        )

    @property
    def peers_losing_key(self) -> tuple[Peer, ...]:
        """Peers whose key of the relay stops working with the plan."""
        live, desired = self.facts.tunnel.get("following") if self.facts.tunnel else None, self.spec.tunnel.following
        if live is None or (live["public_key"], live["listen_port"]) == desired:
            return ()
        return self.reached_by(second=not self.takes_next_key)

    @property
    def everybody(self) -> Audience:
        """All readers at this relay, or at a centre's relays."""
        if self.spec.relay is not None:
            return self.audience(self.viewers)
        allowed = (ip for peer in self.spec.tunnel.peers for ip in peer.allowed_ips)
        return self.at_relays(map(str, allowed))

    @property
    def served_here(self) -> Audience:
        """All readers of this host's MediaMTX, of a relay or hub."""
        return self.audience(self.viewers) if self.spec.media is not None else self.everybody

    def at_relays(self, networks: Iterable[str]) -> Audience:
        """Return the readers at relays with tunnel addresses in these networks."""
        addresses = (address for network in networks for address in _addresses_in(network, self.fleet.relays))
        relays = (self.fleet.relays[address] for address in addresses)
        return {relay: self.fleet.audiences[relay] for relay in relays if self.fleet.audiences.get(relay)}

    def watching(self, *paths: str) -> Audience:
        """Return the readers of these paths at this relay."""
        return self.audience({path: self.viewers[path] for path in paths if path in self.viewers})

    def audience(self, viewers: Mapping[str, int]) -> Audience:
        """Return readers by path as this relay's audience."""
        return {self.spec.id: dict(sorted(viewers.items()))} if viewers else NOBODY

    @cached_property
    def desired_by_address(self) -> Mapping[str, list[MediaPath]]:
        """Desired paths by source address."""
        return gathered((str(path.source.address), path) for path in self.spec.paths if path.source is not None)

    @cached_property
    def pushes_changed(self) -> Mapping[str, PushChange]:
        """Pushed paths cut by a new login or removed addresses."""
        file, live = self.files.get(MEDIAMTX_FILE), self.facts.relay
        if file is None or live is None or not any(path.access.is_pushed for path in self.spec.paths):
            return {}
        return pushes_changed(live["settings"].get(USERS), settings_of(file.content, self.spec.digest_key).get(USERS))

    @cached_property
    def cached_sites(self) -> frozenset[str]:
        """Facilities that already have a path at the relay."""
        return frozenset(facility for name in self.live_paths if (facility := owner_of_path(name)[1]))

    @cached_property
    def provinces(self) -> Mapping[str, str]:
        """Provinces of the host's facilities."""
        return {path.facility: path.province for path in self.spec.paths}

    @cached_property
    def live_by_address(self) -> Mapping[str, list[str]]:
        """Live paths by source address."""
        return gathered((host_of(source_in(path) or ""), name) for name, path in self.live_paths.items())

    def pulled_from(self, network: str) -> list[str]:
        """Return live paths with a source in an address or network."""
        by_address = self.live_by_address
        return [path for address in _addresses_in(network, by_address) for path in by_address[address]]

    def site_at(self, network: str) -> tuple[str, str]:
        """Return an address's province and facility, by desired or live paths."""
        for address in _addresses_in(network, self.desired_by_address):
            path = self.desired_by_address[address][0]
            return path.province, path.facility
        names = self.pulled_from(network)
        return owner_of_path(names[0]) if names else ("", "")

    def change(
        self,
        resource: Resource,
        name: str,
        action: Action,
        impact: Impact,
        reason: str,
        *,
        cut: Audience = NOBODY,
        where: tuple[str, str] = ("", ""),
    ) -> Change:
        """Return a change of this host; `where` is its province and facility."""
        return Change(self.spec.id, resource, name, action, impact, reason, cut, *where)

    def noop(self, resource: Resource, name: str, reason: str, where: tuple[str, str] = ("", "")) -> Change:
        """Return a no-op with its reason."""
        return Change(self.spec.id, resource, name, Action.NOOP, Impact.NONE, reason, NOBODY, *where)


def _addresses_in(network: str, addresses: Collection[str]) -> list[str]:
    address, _, length = network.partition("/")
    if length in {"", "32"}:
        return [address] if address in addresses else []
    try:
        whole = IPv4Network(network, strict=False)
    except ValueError:
        return []
    return [candidate for candidate in addresses if _is_in(candidate, whole)]


def _is_in(address: str, network: IPv4Network) -> bool:
    try:
        return IPv4Address(address) in network
    except ValueError:
        return False


def host_of(source: str) -> str:
    """Return the host of a source URL."""
    return source.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]


def owner_of_path(path: str) -> tuple[str, str]:
    """Return province and facility from a path's name, or empty texts."""
    parts = path.split("/")
    return (parts[0], parts[1]) if len(parts) == 4 else ("", "")  # noqa: PLR2004 (province/facility/camera/stream)
