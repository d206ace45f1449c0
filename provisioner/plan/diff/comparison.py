"""One host as it is compared: desired state, files and facts. Pure.

What is known of the other hosts comes with it (`Fleet`). MediaMTX's file is read here as far as a plan has to
understand it, in the form in which the on-host program describes the live one.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network

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
    """What one host's plan has to know of the other hosts.

    Attributes:
        serving: the paths that each relay serves by the desired state; a path is at two relays while its
            province changes its carrier.
        relays: relays by tunnel address.
        audiences: live readers by relay and path, of the relays that were read.
        sites: province and facility by the gateway's public key, of every facility that has one, closed ones too.
        former_keys: by relay, the public key that centres knew it by, where the inventory has another one now.
        holders: by a peer's public key, the relays that were read and have it in their tunnels.
        served_sites: the facilities that some relay serves by the desired state.
        known_sites: the facilities of the inventory.
        next_keys: by relay that changes its own key, its next public key.
    """

    serving: Mapping[str, frozenset[str]] = field(default_factory=dict)
    relays: Mapping[str, str] = field(default_factory=dict)
    audiences: Audience = field(default_factory=dict)
    sites: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    former_keys: Mapping[str, str] = field(default_factory=dict)
    holders: Mapping[str, frozenset[str]] = field(default_factory=dict)
    served_sites: frozenset[str] = frozenset()
    known_sites: frozenset[str] = frozenset()
    next_keys: Mapping[str, str] = field(default_factory=dict)

    def served_by(self, path: str) -> tuple[str, ...]:
        """The relays that serve a path by the desired state."""
        return tuple(relay for relay, paths in self.serving.items() if path in paths)


def canonical(document: object) -> bytes:
    """A document as JSON, byte for byte as the on-host program does."""
    return _CANONICAL.encode(document).encode()


def sentinel_of(content: bytes) -> str:
    """The sentinel's name out of a rendered relay file."""
    line = _SENTINEL_LINE.search(content.decode())
    return line[1] if line else ""


def settings_of(content: bytes, key: Secret) -> dict[str, object]:
    """A rendered relay file's settings as the on-host program describes them."""
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
        """The paths in the host's relay file, by name."""
        return self.facts.relay["paths"] if self.facts.relay else {}

    @cached_property
    def same_relay_file(self) -> bool:
        """Whether the live relay file is the rendered one, byte for byte: then so is all that is in it."""
        file, live = self.files.get(MEDIAMTX_FILE), self.facts.files.get(MEDIAMTX_FILE)
        if file is None or live is None or self.facts.relay is None:
            return False
        return live["digest"] == keyed_digest(self.spec.digest_key, file.content)

    @cached_property
    def live_peers(self) -> Mapping[str, wire.PeerAnswer]:
        """The tunnel's peers by public key.

        Which of a site's two peers has its addresses while its gateway changes its key is the host's to know, and no
        difference: here the present one has them, if one of the two does.
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
        """By public key, whose peer it was when the host was applied last: `site/…`, `next/…` and so on."""
        keys = self.facts.trust.keys if self.facts.trust else {}
        return {value.partition(" ")[0]: name for name, value in keys.items()}

    def holds_peer(self, public_key: str) -> bool:
        """Whether a live peer is one of a facility that is held, as the host's file names it."""
        kind, _, facility = self.facts.held["peers"].get(public_key, "").partition("/")
        return f"{kind}/" in {SITE, NEXT} and facility in self.spec.held_names

    @cached_property
    def viewers(self) -> Mapping[str, int]:
        """Live readers by path."""
        return self.facts.viewers

    @property
    def takes_next_key(self) -> bool:
        """Whether the plan ends the change of a relay's own key: the first tunnel takes key and port of the second."""
        second = self.facts.tunnel.get("following") if self.facts.tunnel else None
        desired = self.spec.tunnel
        return second is not None and desired.following is None and desired.listen_port == second["listen_port"]

    def reached_by(self, *, second: bool) -> tuple[Peer, ...]:
        """The peers of a relay that changes its own key that are at the second tunnel, or else at the first one."""
        beside = self.facts.tunnel.get("following") if self.facts.tunnel else None
        moved = beside["moved"] if beside else {}
        return tuple(
            peer for peer in self.spec.tunnel.peers if peer.allowed_ips and (peer.public_key in moved) == second
        )

    @property
    def left_by_key(self) -> tuple[Peer, ...]:
        """The peers that the plan leaves with a key with which the relay answers no more."""
        live, desired = self.facts.tunnel.get("following") if self.facts.tunnel else None, self.spec.tunnel.following
        if live is None or (live["public_key"], live["listen_port"]) == desired:
            return ()
        return self.reached_by(second=not self.takes_next_key)

    @property
    def everybody(self) -> Audience:
        """All who watch at this relay; on a centre, all who watch at its relays."""
        if self.spec.relay is not None:
            return self.audience(self.viewers)
        allowed = (ip for peer in self.spec.tunnel.peers for ip in peer.allowed_ips)
        return self.at_relays(map(str, allowed))

    @property
    def served_here(self) -> Audience:
        """All who watch at this host's own MediaMTX, be it a relay's or a hub's."""
        return self.audience(self.viewers) if self.spec.media is not None else self.everybody

    def at_relays(self, networks: Iterable[str]) -> Audience:
        """Those who watch at the relays whose tunnel addresses lie in these networks."""
        addresses = (address for network in networks for address in _within(network, self.fleet.relays))
        relays = (self.fleet.relays[address] for address in addresses)
        return {relay: self.fleet.audiences[relay] for relay in relays if self.fleet.audiences.get(relay)}

    def watching(self, *paths: str) -> Audience:
        """Those who watch these paths at this relay."""
        return self.audience({path: self.viewers[path] for path in paths if path in self.viewers})

    def audience(self, viewers: Mapping[str, int]) -> Audience:
        """Viewers by path as this relay's audience."""
        return {self.spec.id: dict(sorted(viewers.items()))} if viewers else NOBODY

    @cached_property
    def desired_by_address(self) -> Mapping[str, list[MediaPath]]:
        """The desired paths by the site's tunnel address."""
        paths: dict[str, list[MediaPath]] = defaultdict(list)
        for path in self.spec.paths:
            if path.source is not None:
                paths[str(path.source.address)].append(path)
        return paths

    @cached_property
    def pushes_changed(self) -> Mapping[str, PushChange]:
        """The paths whose sites are cut by another login, or may not come from where they may now."""
        file, live = self.files.get(MEDIAMTX_FILE), self.facts.relay
        if file is None or live is None or not any(path.access.is_pushed for path in self.spec.paths):
            return {}
        return pushes_changed(live["settings"].get(USERS), settings_of(file.content, self.spec.digest_key).get(USERS))

    @cached_property
    def known_sites(self) -> frozenset[str]:
        """The facilities of which the relay has a path already."""
        return frozenset(facility for name in self.live_paths if (facility := owner_of_path(name)[1]))

    @cached_property
    def provinces(self) -> Mapping[str, str]:
        """The provinces of the facilities that the host carries."""
        return {path.facility: path.province for path in self.spec.paths}

    @cached_property
    def live_by_address(self) -> Mapping[str, list[str]]:
        """The live paths by the address that they are pulled from."""
        names: dict[str, list[str]] = defaultdict(list)
        for name, path in self.live_paths.items():
            names[host_of(source_in(path) or "")].append(name)
        return names

    def pulled_from(self, network: str) -> list[str]:
        """The live paths that are pulled from a site's address, or from one in a network of its peer."""
        by_address = self.live_by_address
        return [path for address in _within(network, by_address) for path in by_address[address]]

    def site_at(self, network: str) -> tuple[str, str]:
        """Province and facility of a site's tunnel address or network: by the desired paths, else by the live ones."""
        for address in _within(network, self.desired_by_address):
            path = self.desired_by_address[address][0]
            return path.province, path.facility
        names = self.pulled_from(network)
        return owner_of_path(names[0]) if names else ("", "")

    def noop(self, resource: Resource, name: str, reason: str, where: tuple[str, str] = ("", "")) -> Change:
        """A resource of which nothing has to change, with why."""
        return Change(self.spec.id, resource, name, Action.NOOP, Impact.NONE, reason, NOBODY, *where)


def _within(network: str, addresses: Collection[str]) -> list[str]:
    """Those of some addresses that lie in a network; a network that a host made up has none."""
    address, _, length = network.partition("/")
    if length in {"", "32"}:
        return [address] if address in addresses else []
    try:
        whole = IPv4Network(network, strict=False)
    except ValueError:
        return []
    return [other for other in addresses if _is_in(other, whole)]


def _is_in(address: str, network: IPv4Network) -> bool:
    try:
        return IPv4Address(address) in network
    except ValueError:
        return False


def host_of(source: str) -> str:
    """The host of a source's address."""
    return source.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]


def owner_of_path(path: str) -> tuple[str, str]:
    """Province and facility of a path by its name; a name that is not of our form has none."""
    parts = path.split("/")
    return (parts[0], parts[1]) if len(parts) == 4 else ("", "")  # noqa: PLR2004 (province/facility/camera/stream)
