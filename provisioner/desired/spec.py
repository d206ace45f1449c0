"""Types of the desired state, and systemd units by name. Pure.

There is one `HostSpec` a managed host, and one `SiteSpec` a gateway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from typing import Final, NamedTuple, Protocol

from provisioner.base.addresses import AnyAddress, AnyNetwork, HostName, HostPlace
from provisioner.base.frozen import HeldFacility
from provisioner.base.roles import may_read
from provisioner.base.secret import Secret
from provisioner.desired.names import ALONE, HostNames
from provisioner.desired.owner import Owner
from provisioner.desired.trust import AppliedPolicy, Trust
from provisioner.inventory.model import Access, GatewaySystem, JumpHost, MediamtxArtefact, Ssh, StreamName

SITE: Final = "site/"
NEXT: Final = "next/"
"""What the names of a site's peers begin with: by its gateway's key, and by the one that follows."""
LEFT: Final = "left/"
"""How a plan begins the name of a site that is left with a key with which its relay answers no more."""
TUNNEL = ALONE.tunnel
RTSP_PORT = 8554
RTSPS_PORT = 8322
API_PORT = 9997
# Ethernet would allow 1420 and PPPoE 1412; 1380 also passes mobile uplinks, and one value on both
# ends keeps a camera's segments from being too large for the gateway's side of the tunnel.
TUNNEL_MTU = 1380
KEEPALIVE_S = 25
ANYWHERE: Final = IPv4Network("0.0.0.0/0")
"""From where sites push where nobody says from which networks."""
UNIT_MEDIAMTX = "provisioner-mediamtx.service"

UNIT_NFT = ALONE.unit_nft

UNIT_QUARANTINE = "provisioner-quarantine.service"

UNIT_REVERT = ALONE.unit_revert

UNIT_WG = ALONE.unit_wg


class HostKind(StrEnum):
    """What a managed host is for."""

    RELAY = "relay"
    CENTRE = "centre"


class StreamSource(NamedTuple):
    """Where a relay pulls a stream from: through the tunnel, at an address of the site.

    This and `MediaPath` are tuples, as a country has two hundred thousand of each.
    """

    address: IPv4Address
    port: int
    rtsp_path: str
    username: str
    password: Secret


class LoginChange(NamedTuple):
    """A device's change of login: either is taken, and a relay asks with the old one until that is refused.

    Attributes:
        until: the last day on which that holds.
        new: the source by the new login.
        done: whether the path is pulled by the new login.
    """

    until: date
    new: StreamSource
    done: bool = False


class FormerPicture(NamedTuple):
    """What was agreed of a stream before, and the last day on which that is taken as well."""

    until: date
    codec: str
    width: int
    height: int
    fps: int | None = None
    least_kbps: int | None = None

    @property
    def words(self) -> str:
        """What it looks like, e.g. `h264 640x360`."""
        return f"{self.codec} {self.width}x{self.height}"


class MediaPath(NamedTuple):
    """One path of a relay: a stream of a camera, always pulled or on demand, or pushed by its site.

    `source` is where the relay pulls it from; None of one that is pushed.

    `access` is how the relay reaches the camera's site. `alias_of` is the path's own name where this is an old
    one that is still served (`moved`). `fps` and `least_kbps` are what was agreed of its rate, and `dark_hours` when
    its camera may see nothing. `login_change` and `former` are of a setting under change. `beside` tells that another
    relay has the path in the first place, and always pulls it.
    """

    name: str
    province: str
    facility: str
    camera: str
    device: str
    stream: StreamName
    source: StreamSource | None
    on_demand: bool
    codec: str
    width: int
    height: int
    audio: bool = False
    access: Access = Access.PULL_PORTMAP
    alias_of: str = ""
    fps: int | None = None
    least_kbps: int | None = None
    dark_hours: tuple[str, ...] = ()
    login_change: LoginChange | None = None
    former: FormerPicture | None = None
    beside: bool = False

    @property
    def pulled(self) -> StreamSource:
        """Where the relay pulls it from.

        Raises:
            TypeError: its site pushes it.
        """
        if self.source is None:
            raise TypeError(f"{self.name} is pulled from nowhere: its site pushes it")
        return self.source

    def as_seen(self, frame: tuple[str, int, int]) -> MediaPath:
        """The path as it was agreed where its picture is the former one, which is still taken; else as it is."""
        old = self.former
        if old is None or frame != old[1:4]:
            return self
        if frame != (self.codec, self.width, self.height):
            return self._replace(
                codec=old.codec, width=old.width, height=old.height, fps=old.fps, least_kbps=old.least_kbps
            )
        # Of two rates of one picture nobody sees which it is to be: the lower one is enough.
        return self._replace(fps=_lower(self.fps, old.fps), least_kbps=_lower(self.least_kbps, old.least_kbps))


class AskedDevice(NamedTuple):
    """A device that is asked about itself by ONVIF: where the probe finds it, and what it has to say.

    Attributes:
        device: the recorder, or the camera with an address of its own.
        model: its model, as `serial` its serial number, in its own words; None where it may be any.
        profile: the media profile that it has to have; None where that is not asked.
        size: the width and height that its profile has to be set to, in pixels; None of a recorder.
        former_size: what that was before, while it is taken as well.
    """

    province: str
    facility: str
    device: str
    address: IPv4Address
    port: int
    model: str | None = None
    serial: str | None = None
    profile: str | None = None
    size: tuple[int, int] | None = None
    former_size: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """The device within its facility, as verdicts name it."""
        return f"{self.facility}/{self.device}"


@dataclass(frozen=True, slots=True)
class Peer:
    """A WireGuard peer. `name` is `site/…`, `centre/…` or `relay/…`; allowed IPs never overlap on a host.

    `next/…` is a site's, too: its gateway is changing to that key, and the host gives it the site's addresses once the
    gateway was seen with it.
    """

    name: str
    public_key: str
    psk: Secret
    allowed_ips: tuple[IPv4Network, ...]
    endpoint: tuple[AnyAddress, int] | None = None
    keepalive_s: int | None = None


class SecondKey(NamedTuple):
    """The key that follows a relay's own one, and the UDP port at which its own interface takes packets."""

    public_key: str
    port: int


@dataclass(frozen=True, slots=True)
class Tunnel:
    """The interface `wg-prov` (`wgp-…` on a shared centre): one address, one route a pool, never a route a peer.

    While a relay changes its own key there is `wg-prov-next` beside it, with the key of `following` and in all else the
    same; the host gives whoever is there a route of his own.
    """

    address: IPv4Address
    listen_port: int | None
    routes: tuple[IPv4Network, ...]
    peers: tuple[Peer, ...]
    mtu: int = TUNNEL_MTU
    following: SecondKey | None = None


class HubDoor(NamedTuple):
    """Where a hub's readers come, and from where: nobody else reaches its ports."""

    address: IPv4Address
    ports: tuple[int, ...]
    networks: tuple[IPv4Network, ...]


@dataclass(frozen=True, slots=True)
class Firewall:
    """What our table lets through.

    On a relay all else is dropped in input and forward. A centre is somebody's machine with services of its own: the
    table guards its SSH and its end of the tunnel there, and leaves all else alone.

    Attributes:
        management_networks: where new SSH may come from.
        ssh_port: the port that this is about.
        wireguard_port: where peers send WireGuard; a centre only ever sends first.
        further_ports: the UDP ports at which the same is taken, too.
        second_port: the UDP port of the second tunnel, while a relay changes its own key.
        centres: on a relay, who may read from it.
        cameras: on a relay, the devices that it may reach, through the tunnel or in one of the networks of `routed`.
        onvif: on a relay, where its probe may ask devices about themselves.
        relays: on a centre, the relays that it reads from.
        reader_ports: the ports of RTSP, on a relay those of its own, on a centre those at which it reads.
        hub: on a hub, where its readers come: its address, its ports and their networks.
        routed: on a relay, the networks in which it reaches devices by no tunnel, and nothing else.
        publishers: on a relay, the networks from which sites push to it; none where none may.
        speaks_ipv6: whether the host is managed, called or sent to over IPv6, or by a name, which may mean that.
    """

    management_networks: tuple[AnyNetwork, ...]
    ssh_port: int
    wireguard_port: int | None = None
    centres: tuple[IPv4Address, ...] = ()
    cameras: tuple[tuple[IPv4Address, int], ...] = ()
    onvif: tuple[tuple[IPv4Address, int], ...] = ()
    relays: tuple[IPv4Address, ...] = ()
    routed: tuple[IPv4Network, ...] = ()
    speaks_ipv6: bool = False
    reader_ports: tuple[int, ...] = (RTSP_PORT,)
    hub: HubDoor | None = None
    further_ports: tuple[int, ...] = ()
    publishers: tuple[IPv4Network, ...] = ()
    second_port: int | None = None

    @property
    def tunnel_ports(self) -> tuple[int, ...]:
        """The UDP ports at which a relay takes WireGuard, the first tunnel's own one first; none on a centre."""
        own = (self.wireguard_port,) if self.wireguard_port else ()
        return *own, *self.further_ports, *((self.second_port,) if self.second_port else ())

    def management_of(self, version: int) -> tuple[AnyNetwork, ...]:
        """Those of the management networks that are of one family: 4 or 6."""
        return tuple(network for network in self.management_networks if network.version == version)


@dataclass(frozen=True, slots=True)
class User:
    """A MediaMTX user. The hash is MediaMTX's own `sha256:` form of a random secret.

    `reads` are the beginnings of the paths that a reader may read; all of them where there is none. `publishes` is the
    one path that a site's user may push. Without `addresses` he may come from anywhere.
    """

    name: str
    secret_hash: str
    addresses: tuple[str, ...]
    action: str
    reads: tuple[str, ...] = ()
    publishes: str = ""


@dataclass(frozen=True, slots=True)
class ReaderEncryption:
    """How a relay encrypts its readers' connections.

    Attributes:
        strict: whether nobody may read without.
        server: its private key and certificates, as PEM.
        fingerprint: SHA-256 over its certificate, in hexadecimal; by it its readers know it.
        until: the last moment at which that counts.
        warn_days: how many days before that people are warned.
    """

    strict: bool
    server: Secret
    fingerprint: str
    until: datetime
    warn_days: int


@dataclass(frozen=True, slots=True)
class RelayService:
    """What MediaMTX on a relay does; `asked` are the devices that a verification asks about themselves.

    `tls` is how readers' connections are encrypted; None where only the tunnel encrypts them. `publishing` is the
    encryption by which sites push, at all of the relay's addresses; None where none may.
    """

    address: IPv4Address
    users: tuple[User, ...]
    paths: tuple[MediaPath, ...]
    artefact: MediamtxArtefact
    asked: tuple[AskedDevice, ...] = ()
    tls: ReaderEncryption | None = None
    publishing: ReaderEncryption | None = None

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports of RTSP at which it listens, to readers and to sites that push."""
        return tuple(sorted({*reader_ports(self.tls), *([RTSPS_PORT] if self.publishing else [])}))

    @property
    def certificate(self) -> ReaderEncryption | None:
        """The certificate that it shows, to readers and to sites that push."""
        return self.tls or self.publishing

    @property
    def own_port(self) -> int:
        """The port at which the relay's own probe reads: the one without encryption, where there is one."""
        return reader_ports(self.tls)[0]


class HubPath(NamedTuple):
    """A path that a hub offers: it pulls it on demand from the relay that serves it, as the centre's reader."""

    name: str
    province: str
    facility: str
    relay: str
    source: Secret
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class HubService:
    """What MediaMTX on a hub does: `address` is where its readers come, `networks` are where they come from."""

    address: IPv4Address
    users: tuple[User, ...]
    paths: tuple[HubPath, ...]
    artefact: MediamtxArtefact
    tls: ReaderEncryption
    networks: tuple[IPv4Network, ...]

    @property
    def certificate(self) -> ReaderEncryption:
        """The certificate that it shows to its readers."""
        return self.tls

    @property
    def own_port(self) -> int:
        """The port at which the hub's own probe reads."""
        return reader_ports(self.tls)[0]


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What one managed host should hold.

    Attributes:
        id: the relay's or the centre's id.
        carriers: the carriers that the host serves, one for a relay.
        digest_key: key of the HMAC digests over this host's files.
        readers: on a centre, the reader secret of each carrier.
        identity: the key that is left on it, by which it proves that it is the same host.
        trust: what is trusted about it; None where only its keys are to be made, as `policy`.
        policy: what holds plans back, which every host remembers.
        held: on a relay, the facilities of which it keeps what it has; nothing of them is in the rest.
        lifted: on a relay, the paths whose quarantine somebody lifts.
        owner: what its mark says once it is ours; None where nobody needs to know.
        adopted: the owner from whom it is to be taken over, as somebody recorded in the lock.
        jump: the host through which SSH goes to it; None where it goes there directly.
        side: on a centre that several inventories share, what this one's side is called; else empty.
        reads: on a centre, the beginnings of the paths that it may read; all of them where there is none.
        hub: on a centre that offers the paths of its carriers itself, what its MediaMTX does.
        is_hub: whether it is to be one: it has keys of its own for that, before it has paths.
    """

    id: str
    kind: HostKind
    carriers: tuple[str, ...]
    address: HostPlace
    ssh: Ssh
    digest_key: Secret
    tunnel: Tunnel
    firewall: Firewall | None = None
    relay: RelayService | None = None
    readers: dict[str, Secret] = field(default_factory=dict)
    identity: Secret = field(default_factory=partial(Secret, ""))
    trust: Trust | None = None
    policy: AppliedPolicy | None = None
    held: tuple[HeldFacility, ...] = ()
    lifted: frozenset[str] = frozenset()
    owner: Owner | None = None
    adopted: Owner | None = None
    jump: JumpHost | None = None
    side: str = ""
    reads: tuple[str, ...] = ()
    hub: HubService | None = None
    is_hub: bool = False

    def may_read(self, path: str) -> bool:
        """Whether a centre may read a path of its carriers."""
        return may_read(path, self.reads)

    @property
    def media(self) -> RelayService | HubService | None:
        """What MediaMTX does on it; None where there is none."""
        return self.relay or self.hub

    @property
    def names(self) -> HostNames:
        """What things of ours are called on it."""
        return HostNames(self.side)

    @property
    def held_names(self) -> Mapping[str, HeldFacility]:
        """What is held, by every id that the host may know it by."""
        return {name: one for one in self.held for name in one.names}

    @property
    def key_changes(self) -> Mapping[str, tuple[str, str]]:
        """The sites whose gateways change their keys, each with the present key and the next one."""
        keys = {peer.name: peer.public_key for peer in self.tunnel.peers}
        sites = (name.removeprefix(NEXT) for name in keys if name.startswith(NEXT))
        return {site: (keys[f"{SITE}{site}"], keys[f"{NEXT}{site}"]) for site in sites}

    @property
    def paths(self) -> tuple[MediaPath, ...]:
        """The media paths of a relay; none on a centre."""
        return self.relay.paths if self.relay else ()


@dataclass(frozen=True, slots=True)
class SiteLink:
    """A site's end of its tunnel to one relay: `address` is the site's own in that carrier's pool."""

    relay: str
    relay_public_key: str
    relay_endpoint: tuple[HostPlace, int]
    relay_address: IPv4Address
    address: IPv4Address
    psk: Secret

    @property
    def goes_by_name(self) -> bool:
        """Whether the gateway has to resolve where the relay is."""
        return isinstance(self.relay_endpoint[0], HostName)


class PushEnd(NamedTuple):
    """Where a site pushes a stream: a relay, its endpoint, the certificate that it has to show, and the login.

    `following` is the certificate that it may show as well, as it is to be the next one; empty where there is none.
    """

    relay: str
    endpoint: tuple[HostPlace, int]
    fingerprint: str
    user: str
    password: Secret
    following: str = ""


class PushedStream(NamedTuple):
    """A stream that a site's gateway pulls from a device, and pushes to a path of each of its relays."""

    path: str
    device: str
    source: StreamSource
    ends: tuple[PushEnd, ...]


class DeviceMap(Protocol):
    """Where a gateway leads what a relay sends to the site's devices; each access mode has a form of its own."""

    @property
    def template_values(self) -> Mapping[str, object]:
        """What the templates of the mode's site package ask for, by name."""
        ...

    @property
    def listed(self) -> Sequence[tuple[str, str, IPv4Address, int]]:
        """The devices, each with the port or address by which a relay knows it, and its own address and port."""
        ...


@dataclass(frozen=True, slots=True)
class SiteSpec:
    """What a site's gateway should hold.

    While a province changes its carrier there are two links; `devices` holds for both. A routed site has none: `relays`
    names those that reach it. Where `changes_key` the package changes the gateway's key, to `next_key` where that is
    known already; the links' pre-shared keys are the next ones. A site that pushes has `pushed`, and its gateway runs
    the program `artefact`.
    """

    facility: str
    province: str
    access: Access
    links: tuple[SiteLink, ...]
    lan: IPv4Network
    lan_interface: str | None
    devices: DeviceMap
    mtu: int = TUNNEL_MTU
    system: GatewaySystem = GatewaySystem.LINUX
    relays: tuple[str, ...] = ()
    changes_key: bool = False
    next_key: str = ""
    pushed: tuple[PushedStream, ...] = ()
    artefact: MediamtxArtefact | None = None


class LeftOutPath(NamedTuple):
    """A path of a host that was left out: what a report has to name."""

    name: str
    province: str
    facility: str
    camera: str


@dataclass(frozen=True, slots=True)
class LeftOutHost:
    """A host about which nothing is said, since its secrets stayed shut.

    Attributes:
        id: the relay's or the centre's id.
        kind: relay or centre.
        carriers: the carriers that the host serves.
        shut: what would have to be opened, e.g. `secrets/carriers/vnpt.yml (vault id secrets-vnpt)`.
        paths: what a relay serves.
        reads: as of a host that is not left out.
    """

    id: str
    kind: HostKind
    carriers: tuple[str, ...]
    shut: tuple[str, ...]
    paths: tuple[LeftOutPath, ...] = ()
    reads: tuple[str, ...] = ()

    def may_read(self, path: str) -> bool:
        """Whether a centre may read a path of its carriers."""
        return may_read(path, self.reads)

    @property
    def reason(self) -> str:
        """Why it is left out, in a sentence."""
        return f"{self.id} is left out: its secrets stayed shut: {', '.join(self.shut)}"


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What every managed host should hold, by host id in order.

    `left_out` has the hosts whose secrets stayed shut: nothing is known of what they should hold, so that they are
    neither planned nor verified, and never counted as fine. `held` are the facilities with errors of their own: what
    hosts have of them stays, and nothing of them is in the rest.
    """

    hosts: dict[str, HostSpec]
    left_out: dict[str, LeftOutHost] = field(default_factory=dict)
    held: Mapping[str, HeldFacility] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[tuple[HostSpec, MediaPath], ...]:
        """Every media path with the relay that serves it."""
        return tuple((h, p) for h in self.hosts.values() for p in h.paths)


def _lower(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else min(one, other)


def reader_ports(tls: ReaderEncryption | None) -> tuple[int, ...]:
    """The ports at which readers may come."""
    if tls is None:
        return (RTSP_PORT,)
    return (RTSPS_PORT,) if tls.strict else (RTSP_PORT, RTSPS_PORT)


def units_of(spec: HostSpec) -> tuple[str, ...]:
    """The units that a host should have, in the order in which they start."""
    media = (UNIT_MEDIAMTX, UNIT_QUARANTINE) if spec.relay else (UNIT_MEDIAMTX,) if spec.hub else ()
    names = spec.names
    return (names.unit_nft, names.unit_wg, *media, names.unit_revert)
