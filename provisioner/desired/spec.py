"""Desired state: a `HostSpec` a host, a `SiteSpec` a gateway. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cache, partial
from ipaddress import IPv4Address, IPv4Network
from typing import Final, NamedTuple

from provisioner.base.errors import FrozenFacility
from provisioner.base.roles import may_read
from provisioner.base.secret import Secret
from provisioner.base.text import AnyAddress, AnyNetwork, HostName, HostPlace
from provisioner.desired.names import ALONE, HostNames
from provisioner.desired.owner import Owner
from provisioner.desired.trust import AppliedPolicy, Trust
from provisioner.inventory.model.devices import Stream, StreamName
from provisioner.inventory.model.facility import Access, GatewaySystem
from provisioner.inventory.model.hosts import JumpHost, Ssh
from provisioner.inventory.model.policy import MediamtxArtefact

SITE: Final = "site/"
NEXT: Final = "next/"  #: Name prefixes of a site's peers: with its gateway's present key, and with its next key.
LEFT: Final = "left/"  #: Prefix in plans for a site with a key that its relay no longer accepts.
TUNNEL = ALONE.tunnel
_names_of = cache(HostNames)
RTSP_PORT = 8554
RTSPS_PORT = 8322
API_PORT = 9997
# Ethernet would allow 1420 and PPPoE 1412; 1380 also passes mobile uplinks, and one value on both
# ends keeps a camera's segments from being too large for the gateway's side of the tunnel.
TUNNEL_MTU = 1380
KEEPALIVE_S = 25
ANYWHERE: Final = IPv4Network("0.0.0.0/0")  #: Network of pushing sites if the carrier has not limited it.
UNIT_MEDIAMTX = "provisioner-mediamtx.service"

UNIT_NFT = ALONE.unit_nft

UNIT_QUARANTINE = "provisioner-quarantine.service"

UNIT_REVERT = ALONE.unit_revert

UNIT_WG = ALONE.unit_wg


class HostKind(StrEnum):
    """Kind of a managed host."""

    RELAY = "relay"
    CENTRE = "centre"


class StreamSource(NamedTuple):
    """A pulled stream's address and login; a tuple, as there are 200,000."""

    address: IPv4Address
    port: int
    rtsp_path: str
    username: str
    password: Secret


class LoginChange(NamedTuple):
    """A device's login change; a relay uses the old login until refused."""

    until: date  #: The last day of both logins.
    new: StreamSource
    done: bool = False  #: Whether the new one is in use.


class FormerPicture(NamedTuple):
    """A stream's former picture, and the last day of its validity."""

    until: date
    stream: Stream  #: With the former values.

    @property
    def frame(self) -> tuple[str, int, int]:
        """Codec, width and height."""
        return self.stream.codec.value, self.stream.width, self.stream.height

    @property
    def words(self) -> str:
        """Codec and size, e.g. `h264 640x360`."""
        return "{} {}x{}".format(*self.frame)


class MediaPath(NamedTuple):
    """A path of a relay: pulled always or on demand, or pushed."""

    name: str
    province: str
    facility: str
    camera: str
    device: str
    stream: StreamName
    source: StreamSource | None  #: `None` if pushed.
    on_demand: bool
    codec: str
    width: int
    height: int
    audio: bool = False
    access: Access = Access.PULL_PORTMAP
    alias_of: str = ""  #: The new name, if this is an old one (`moved`).
    fps: int | None = None  #: As agreed, like `least_kbps`.
    least_kbps: int | None = None
    dark_hours: tuple[str, ...] = ()  #: When the camera may be dark.
    tour: bool = False  #: Whether the camera turns.
    login_change: LoginChange | None = None  #: A setting under change, like `former`.
    former: FormerPicture | None = None
    beside: bool = False  #: Whether another relay always pulls the path.

    @property
    def pulled(self) -> StreamSource:
        """The source of a pulled path; `TypeError` if its site pushes it."""
        if self.source is None:
            raise TypeError(f"{self.name} is pulled from nowhere: its site pushes it")
        return self.source

    def with_former_picture(self, frame: tuple[str, int, int]) -> "MediaPath":
        """Return the path with its former values if that picture is shown."""
        if self.former is None or frame != self.former.frame:
            return self
        old = self.former.stream
        if frame != (self.codec, self.width, self.height):
            codec, width, height = frame
            return self._replace(codec=codec, width=width, height=height, fps=old.fps, least_kbps=old.least_kbps)
        # The picture does not show which of two rates applies: the lower one is enough.
        return self._replace(fps=_lower(self.fps, old.fps), least_kbps=_lower(self.least_kbps, old.least_kbps))


class ProbedDevice(NamedTuple):
    """A device with ONVIF: address for the probe, and expected values."""

    province: str
    facility: str
    device: str  #: A recorder, or a camera with an address of its own.
    address: IPv4Address
    port: int
    model: str | None = None  #: Expected, as are `serial` and `profile`, unless `None`.
    serial: str | None = None
    profile: str | None = None
    size: tuple[int, int] | None = None  #: Expected width and height of the profile in pixels; `None` of a recorder.
    former_size: tuple[int, int] | None = None  #: The former size while that is accepted.

    @property
    def name(self) -> str:
        """The device's name in verdicts: facility and device."""
        return f"{self.facility}/{self.device}"


@dataclass(frozen=True, slots=True)
class Peer:
    """A WireGuard peer, named `site/…`, `next/…`, `centre/…` or `relay/…`.

    Allowed IPs never overlap on a host. `next/…` has a site's next key: the host moves the site's addresses to this
    peer once the gateway uses it.
    """

    name: str
    public_key: str
    psk: Secret
    allowed_ips: tuple[IPv4Network, ...]
    endpoint: tuple[AnyAddress, int] | None = None
    keepalive_s: int | None = None


class SecondKey(NamedTuple):
    """A relay's next key, and the UDP port of its own interface."""

    public_key: str
    port: int


@dataclass(frozen=True, slots=True)
class Tunnel:
    """The interface `wg-prov` (`wgp-…` on a shared centre).

    It has one address and one route a pool, never a route a peer. While a relay changes its key, `wg-prov-next` is a
    copy with the key of `following`; the host adds a route for each peer that uses it.
    """

    address: IPv4Address
    listen_port: int | None
    routes: tuple[IPv4Network, ...]
    peers: tuple[Peer, ...]
    mtu: int = TUNNEL_MTU
    following: SecondKey | None = None


class HubAccess(NamedTuple):
    """Address, ports and networks of a hub's readers; others are blocked."""

    address: IPv4Address
    ports: tuple[int, ...]
    networks: tuple[IPv4Network, ...]


@dataclass(frozen=True, slots=True)
class Firewall:
    """Traffic that our table allows.

    On a relay all other traffic in input and forward is dropped. A centre is somebody's machine with other services:
    there the table protects only SSH and the tunnel.
    """

    management_networks: tuple[AnyNetwork, ...]  #: Networks that new SSH may come from.
    ssh_port: int
    #: UDP port of WireGuard, as `further_ports`; a centre always sends first and has no such port.
    wireguard_port: int | None = None
    centres: tuple[IPv4Address, ...] = ()  #: On a relay, the centres that may read.
    #: On a relay, devices that it may reach, through the tunnel or in `routed` networks.
    cameras: tuple[tuple[IPv4Address, int], ...] = ()
    onvif: tuple[tuple[IPv4Address, int], ...] = ()  #: On a relay, ONVIF addresses that its probe may use.
    relays: tuple[IPv4Address, ...] = ()  #: On a centre, the relays that it reads from.
    routed: tuple[IPv4Network, ...] = ()  #: On a relay, networks of devices without a tunnel.
    speaks_ipv6: bool = False  #: Whether the host uses IPv6, or a name, which may resolve to it.
    reader_ports: tuple[int, ...] = (RTSP_PORT,)  #: RTSP ports, on a relay its own, on a centre those of its relays.
    hub: HubAccess | None = None  #: On a hub, its readers' address, ports and networks.
    further_ports: tuple[int, ...] = ()
    publishers: tuple[IPv4Network, ...] = ()
    second_port: int | None = None  #: UDP port of the second tunnel during a change of the relay's key.

    @property
    def tunnel_ports(self) -> tuple[int, ...]:
        """A relay's UDP ports of WireGuard, the first tunnel's first."""
        first = (self.wireguard_port,) if self.wireguard_port else ()
        return *first, *self.further_ports, *((self.second_port,) if self.second_port else ())

    def management_of(self, version: int) -> tuple[AnyNetwork, ...]:
        """Return the management networks of a family: 4 or 6."""
        return tuple(network for network in self.management_networks if network.version == version)


@dataclass(frozen=True, slots=True)
class User:
    """A MediaMTX user; the hash is MediaMTX's `sha256:` form."""

    name: str
    secret_hash: str
    addresses: tuple[str, ...]  #: Empty for any.
    action: str
    reads: tuple[str, ...] = ()  #: Prefixes of paths; empty for any.
    publishes: str = ""  #: The one path that a site's user may push.


@dataclass(frozen=True, slots=True)
class ReaderEncryption:
    """Encryption of readers' connections, mandatory if `strict`."""

    strict: bool
    server: Secret  #: Private key and certificates, as PEM.
    fingerprint: str  #: SHA-256 of the certificate, in hexadecimal, which readers check.
    until: datetime  #: The last moment of its validity.
    warn_days: int  #: Days of warning before that.


@dataclass(frozen=True, slots=True)
class _MediaService:
    address: IPv4Address
    users: tuple[User, ...]
    artefact: MediamtxArtefact


@dataclass(frozen=True, slots=True)
class RelayService(_MediaService):
    """Desired MediaMTX of a relay."""

    paths: tuple[MediaPath, ...]
    asked: tuple[ProbedDevice, ...] = ()  #: Devices whose ONVIF is verified.
    tls: ReaderEncryption | None = None  #: For readers, if not only the tunnel encrypts.
    publishing: ReaderEncryption | None = None  #: For pushing sites, at all addresses.

    @property
    def ports(self) -> tuple[int, ...]:
        """RTSP ports for readers and pushing sites."""
        return tuple(sorted({*reader_ports(self.tls), *([RTSPS_PORT] if self.publishing else [])}))

    @property
    def certificate(self) -> ReaderEncryption | None:
        """Certificate for readers and pushing sites."""
        return self.tls or self.publishing

    @property
    def own_port(self) -> int:
        """Port of the relay's own probe: unencrypted if possible."""
        return reader_ports(self.tls)[0]


class HubPath(NamedTuple):
    """A path that a hub pulls on demand from a relay."""

    name: str
    province: str
    facility: str
    relay: str
    source: Secret
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class HubService(_MediaService):
    """Desired MediaMTX of a hub, with its readers' address and networks."""

    paths: tuple[HubPath, ...]
    tls: ReaderEncryption
    networks: tuple[IPv4Network, ...]

    @property
    def certificate(self) -> ReaderEncryption:
        """Certificate for readers."""
        return self.tls

    @property
    def own_port(self) -> int:
        """Port of the hub's own probe."""
        return reader_ports(self.tls)[0]


@dataclass(frozen=True, slots=True)
class HostSpec:
    """Desired state of one managed host."""

    id: str
    kind: HostKind
    carriers: tuple[str, ...]  #: The carriers that the host serves, one for a relay.
    address: HostPlace
    ssh: Ssh
    digest_key: Secret  #: Key of the HMAC digests of this host's files.
    tunnel: Tunnel
    firewall: Firewall | None = None
    relay: RelayService | None = None
    readers: dict[str, Secret] = field(default_factory=dict)  #: On a centre, the reader secret of each carrier.
    #: A key stored on the host, which proves that it is the same host.
    identity: Secret = field(default_factory=partial(Secret, ""))
    trust: Trust | None = None  #: `None` if only keys are made, as `policy`, which every host stores.
    policy: AppliedPolicy | None = None
    #: On a relay, frozen facilities, whose configuration it keeps; they are in no other field.
    held: tuple[FrozenFacility, ...] = ()
    lifted: frozenset[str] = frozenset()  #: On a relay, paths whose quarantine is lifted.
    owner: Owner | None = None  #: Its mark once it is ours, if needed.
    adopted: Owner | None = None  #: The former owner recorded in the lock, for a takeover.
    jump: JumpHost | None = None
    side: str = ""  #: The inventory's side of a shared centre; else empty.
    reads: tuple[str, ...] = ()  #: On a centre, prefixes of readable paths; empty for all.
    hub: HubService | None = None
    is_hub: bool = False  #: Whether it will be a hub, which has its own keys before it has paths.

    def may_read(self, path: str) -> bool:
        """Return whether a centre may read a path of its carriers."""
        return may_read(path, self.reads)

    @property
    def media(self) -> RelayService | HubService | None:
        """Its MediaMTX, if any."""
        return self.relay or self.hub

    @property
    def names(self) -> HostNames:
        """Names of our objects on it."""
        return _names_of(self.side)

    @property
    def frozen_names(self) -> Mapping[str, FrozenFacility]:
        """Frozen facilities by each id that the host may know."""
        return {name: facility for facility in self.held for name in facility.names}

    @property
    def key_changes(self) -> Mapping[str, tuple[str, str]]:
        """Present and next key of each site that changes its key."""
        keys = {peer.name: peer.public_key for peer in self.tunnel.peers}
        sites = (name.removeprefix(NEXT) for name in keys if name.startswith(NEXT))
        return {site: (keys[f"{SITE}{site}"], keys[f"{NEXT}{site}"]) for site in sites}

    @property
    def paths(self) -> tuple[MediaPath, ...]:
        """The media paths of a relay; empty on a centre."""
        return self.relay.paths if self.relay else ()


@dataclass(frozen=True, slots=True)
class SiteLink:
    """A site's end of a tunnel; `address` is the site's own."""

    relay: str
    relay_public_key: str
    relay_endpoint: tuple[HostPlace, int]
    relay_address: IPv4Address
    address: IPv4Address
    psk: Secret

    @property
    def goes_by_name(self) -> bool:
        """Whether the gateway has to resolve the relay's name."""
        return isinstance(self.relay_endpoint[0], HostName)


class PushEndpoint(NamedTuple):
    """A relay that a site pushes to: endpoint and certificate's fingerprint."""

    relay: str
    endpoint: tuple[HostPlace, int]
    fingerprint: str
    following: str = ""  #: The next certificate's, which is also accepted, or empty.


class PushEnd(NamedTuple):
    """The end of a pushed stream at one relay, with its login."""

    at: PushEndpoint
    user: str
    password: Secret


class PushedStream(NamedTuple):
    """A stream that a gateway pulls, and pushes to its relays."""

    path: str
    device: str
    source: StreamSource
    ends: tuple[PushEnd, ...]


class DeviceMap(NamedTuple):
    """A gateway's map to its devices."""

    template_values: Mapping[str, object]  #: For the templates of the site package.
    #: The devices: id, port or address for relays, own address and port.
    listed: Sequence[tuple[str, str, IPv4Address, int]]


@dataclass(frozen=True, slots=True)
class SiteSpec:
    """Desired state of a site's gateway.

    During a change of carrier it has two links; `devices` is valid for both. A routed site has no link, only `relays`.
    If `changes_key`, the package changes the gateway's key, to `next_key` if known, and the links have the next
    pre-shared keys. A pushing site has `pushed`, and its gateway runs the program `artefact`.
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
    """A path of a host that is left out, for reports."""

    name: str
    province: str
    facility: str
    camera: str


@dataclass(frozen=True, slots=True)
class LeftOutHost:
    """A host whose secrets could not be opened."""

    id: str
    kind: HostKind
    carriers: tuple[str, ...]
    shut: tuple[str, ...]  #: E.g. `secrets/carriers/vnpt.yml (vault id secrets-vnpt)`.
    paths: tuple[LeftOutPath, ...] = ()
    reads: tuple[str, ...] = ()

    def may_read(self, path: str) -> bool:
        """Return whether a centre may read a path of its carriers."""
        return may_read(path, self.reads)

    @property
    def reason(self) -> str:
        """Why it is left out, in a sentence."""
        return f"{self.id} is left out: its secrets stayed shut: {', '.join(self.shut)}"


@dataclass(frozen=True, slots=True)
class DesiredState:
    """Desired state of all managed hosts, sorted by id."""

    hosts: dict[str, HostSpec]
    #: Hosts whose secrets could not be opened: neither planned nor verified, never counted as up.
    left_out: dict[str, LeftOutHost] = field(default_factory=dict)
    #: Frozen facilities, in no other field: hosts keep their configuration.
    held: Mapping[str, FrozenFacility] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[tuple[HostSpec, MediaPath], ...]:
        """Every media path with its relay."""
        return tuple((h, p) for h in self.hosts.values() for p in h.paths)


def _lower(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else min(first, second)


def reader_ports(tls: ReaderEncryption | None) -> tuple[int, ...]:
    """Return the ports for readers."""
    if tls is None:
        return (RTSP_PORT,)
    return (RTSPS_PORT,) if tls.strict else (RTSP_PORT, RTSPS_PORT)


def units_of(spec: HostSpec) -> tuple[str, ...]:
    """Return a host's units, in the order of their start."""
    media = (UNIT_MEDIAMTX, UNIT_QUARANTINE) if spec.relay else (UNIT_MEDIAMTX,) if spec.hub else ()
    names = spec.names
    return (names.unit_nft, names.unit_wg, *media, names.unit_revert)
