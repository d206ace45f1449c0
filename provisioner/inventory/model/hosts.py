"""Managed hosts, and the lock with their allocations.

`carriers/<carrier>.yml` and `centres/<centre>.yml` name the hosts; entries of `allocations.lock.yml` are permanent.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from provisioner.base.addresses import AnyAddress, HostName, HostPlace
from provisioner.base.text import endpoint_text, msg
from provisioner.inventory.model.base import (
    Day,
    FileSlug,
    HostAddress,
    HostKey,
    IpAddress,
    IpNetwork,
    Model,
    Port,
    Principal,
    PublicKey,
    SafeName,
    Slug,
    Text,
    TunnelAddress,
    Version,
)


class Ssh(Model):
    """How the controller logs in: a normal user with sudo, and the host key that it must see.

    In the place of one key there may be `host_ca`, the key of who signs hosts' keys: then the host has to show a
    certificate of it that names `principal`, by default the host's id (a jump host's address).
    """

    user: SafeName
    port: Port = 22
    host_key: HostKey | None = None
    host_ca: HostKey | None = None
    principal: Principal | None = None

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        if self.host_key is not None and self.host_ca is not None:
            raise ValueError("host_key is one key and host_ca signs keys: write one of the two")
        if self.host_key is not None and self.principal is not None:
            raise ValueError("principal is a name in a certificate: write it beside host_ca, without host_key")
        return self

    def with_host_ca(self, host_ca: HostKey | None, principal: str) -> Ssh:
        """Return these settings with a default CA and principal."""
        if self.host_key is not None:
            return self
        named = {"host_ca": self.host_ca or host_ca, "principal": self.principal or principal}
        return self.model_copy(update=named)

    def place(self, address: HostPlace) -> str:
        """Where the host of an address is logged in to, as `user@address:port`."""
        return f"{self.user}@{endpoint_text(address, self.port)}"


class JumpHost(Model):
    """A host through which SSH goes to others (ssh's ProxyJump). It is not managed: nothing on it is read or changed.

    `inside` is the address from which the hosts behind it see it come, where that is not `address`.
    """

    address: HostAddress
    inside: IpAddress | None = None
    ssh: Ssh

    def with_host_ca(self, host_ca: HostKey | None) -> JumpHost:
        """Return this jump host with a default CA."""
        return self.model_copy(update={"ssh": self.ssh.with_host_ca(host_ca, str(self.address))})

    @property
    def ssh_source(self) -> AnyAddress | None:
        """Source address of its SSH for the hosts behind it, if known."""
        return self.inside or (None if isinstance(self.address, HostName) else self.address)


class Relay(Model):
    """A host of a carrier that pulls cameras through tunnels and serves the centres.

    `address` is where the controller's SSH goes; `endpoint` is where gateways and centres send
    WireGuard (the same, unless the relay has a second interface). Either may be a host name: gateways
    resolve it, centres get `endpoint_address`.
    """

    id: FileSlug
    address: HostAddress
    endpoint: HostAddress | None = None
    endpoint_address: IpAddress | None = None
    """The address behind the endpoint, where that is a name: centres send WireGuard there."""
    wireguard_port: Port = 51820
    further_wireguard_ports: Annotated[tuple[Port, ...], Field(max_length=4)] = ()
    """UDP ports at which it takes WireGuard as well, for gateways whose line passes few ports: 443, 53."""
    ssh: Ssh
    jump: JumpHost | None = None
    """Its own jump host, in the place of its carrier's."""
    max_paths: Annotated[int, Field(ge=1)] = 1000
    protected: bool = False
    """Whether it may leave the inventory only after this was removed, in a change of its own."""
    drain_to: Slug | None = None
    """The relay of the same carrier onto which it is being emptied; `relay drain` writes it."""

    @property
    def wireguard_endpoint(self) -> HostPlace:
        """WireGuard endpoint for gateways."""
        return self.endpoint or self.address

    @property
    def tunnel_ports(self) -> tuple[int, ...]:
        """UDP ports of WireGuard for gateways, WireGuard's own port first."""
        return self.wireguard_port, *self.further_wireguard_ports

    @property
    def named_endpoint(self) -> str:
        """Endpoint's name and port if gateways use a name; else empty."""
        host = self.wireguard_endpoint
        return endpoint_text(host, self.wireguard_port) if isinstance(host, HostName) else ""

    @property
    def endpoints(self) -> tuple[tuple[str, HostPlace], ...]:
        """WireGuard endpoints of all peers, with their keys in the file."""
        named = ((self._endpoint_key, self.wireguard_endpoint), ("endpoint_address", self.endpoint_address))
        return tuple((key, host) for key, host in named if host is not None)

    @property
    def _endpoint_key(self) -> str:
        return "endpoint" if self.endpoint is not None else "address"

    @property
    def centre_endpoint(self) -> AnyAddress | None:
        """WireGuard endpoint for centres; `None` if a name lacks its address."""
        host = self.wireguard_endpoint
        return self.endpoint_address if isinstance(host, HostName) else host


_WIDEST_ROUTED = 8


def _not_everything(network: IPv4Network) -> IPv4Network:
    if network.prefixlen < _WIDEST_ROUTED:
        raise ValueError(
            msg(
                "a network in which sites are reached without a tunnel is of /{widest_routed} or smaller",
                _WIDEST_ROUTED,
            )
        )
    return network


RoutedNetwork = Annotated[IPv4Network, AfterValidator(_not_everything)]


class Carrier(Model):
    """`carriers/<carrier>.yml`: a designated enterprise, its management networks and its relays."""

    version: Version
    id: FileSlug
    name: Text
    management_networks: Annotated[tuple[IpNetwork, ...], Field(min_length=1)]
    own_networks: tuple[IpNetwork, ...] = ()
    routed_networks: tuple[RoutedNetwork, ...] = ()
    """Where the LANs of sites are that its relays reach without a tunnel, over the carrier's own network."""
    host_ca: HostKey | None = None
    """Who signs the SSH host keys of its relays and jump hosts, of those that name neither a key nor another CA."""
    jump: JumpHost | None = None
    """The jump host of all its relays; without one SSH goes to each of them directly."""
    centres: Annotated[tuple[Slug, ...], Field(min_length=1)]
    relays: Annotated[tuple[Relay, ...], Field(min_length=1)]
    reader_tls: ReaderTls | None = None
    """How readers' connections to its relays are encrypted; the tunnel alone encrypts them where nothing is written."""
    publishers: Publishers | None = None
    """Whether sites may push to its relays, and from where; without this none does."""

    @property
    def certificates(self) -> ReaderTls | None:
        """Settings of its relays' certificates, if they have any."""
        return self.reader_tls or (ReaderTls(encryption="optional") if self.publishers else None)

    def jump_to(self, relay: Relay) -> JumpHost | None:
        """Return a relay's jump host, with CA and principal."""
        jump = relay.jump or self.jump
        return jump.with_host_ca(self.host_ca) if jump else None

    def ssh_to(self, relay: Relay) -> Ssh:
        """Return a relay's SSH settings, with CA and principal."""
        return relay.ssh.with_host_ca(self.host_ca, relay.id)


class ReaderTls(Model):
    """How readers' connections to a carrier's relays are encrypted (RTSPS, port 8322).

    `encryption` is MediaMTX's `rtspEncryption`: with `optional` a reader may come without, with `strict` none may.
    """

    encryption: Literal["optional", "strict"]
    days: Annotated[int, Field(ge=7, le=3650)] = 730
    """For how many days a certificate counts that a relay's key signs itself."""
    warn_days: Annotated[int, Field(ge=1, le=365)] = 30
    """How many days before the end of a certificate `validate`, `plan` and `verify` warn."""


def _some_network(network: IPv4Network) -> IPv4Network:
    if network.prefixlen < _WIDEST_ROUTED:
        raise ValueError(
            msg(
                "a network from which sites push is of /{widest_routed} or smaller; leave it out for all",
                _WIDEST_ROUTED,
            )
        )
    return network


PublisherNetwork = Annotated[IPv4Network, AfterValidator(_some_network)]


class Publishers(Model):
    """That sites push to a carrier's relays, encrypted (RTSPS, port 8322, IPv4), each by a login a stream."""

    networks: tuple[PublisherNetwork, ...] = ()
    """Where such sites come from; anywhere where nothing is written."""


ReadPrefix = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*)?$", max_length=127)
]
"""Prefix of readable paths: a province's slug, or `<province>/<facility>`."""


class Viewer(Model):
    """Somebody at a monitoring centre who reads with a login of his own, and no more than what is listed here."""

    id: Slug
    name: Text | None = None
    """What it is called; no name of a person."""
    reads: Annotated[tuple[ReadPrefix, ...], Field(min_length=1)]
    """The provinces, or facilities, whose paths it may read."""
    networks: tuple[IPv4Network, ...] = ()
    """At a hub, where it comes from; elsewhere viewers come from the centre itself."""


class Hub(Model):
    """A centre that offers the paths of all its carriers itself, each on demand from the relay that serves it.

    Its viewers read there, at one address and from networks of their own, and relays know none of them.
    """

    address: IPv4Address
    """The centre's own address at which viewers read."""
    reader_tls: ReaderTls = ReaderTls(encryption="strict")
    """How its readers' connections are encrypted: they come from outside of the tunnel."""


class Centre(Model):
    """`centres/<centre>.yml`: a monitoring centre; it reads from every carrier that names it.

    SSH to it comes from the management networks of those carriers, and from its own.
    """

    version: Version
    id: FileSlug
    name: Text
    address: HostAddress
    ssh: Ssh
    management_networks: tuple[IpNetwork, ...] = ()
    jump: JumpHost | None = None
    """The jump host through which SSH goes to it; those of carriers are for their relays alone."""
    protected: bool = False
    """Whether it may leave the inventory, or stop reading, only after this was removed, in a change of its own."""
    shared: bool = False
    """Whether other inventories have sides of their own on the same host; each of them has to say so."""
    reads: tuple[ReadPrefix, ...] = ()
    """The provinces, or facilities, whose paths it may read; all of them where nothing is written."""
    viewers: tuple[Viewer, ...] = ()
    """Who reads at this centre with a login of his own; each comes from the centre's address in the tunnel."""
    hub: Hub | None = None
    """Whether it offers all paths itself, and viewers read from it; without this it only reads."""

    @property
    def ssh_to(self) -> Ssh:
        """Its SSH settings, with principal."""
        return self.ssh.with_host_ca(None, self.id)

    @property
    def jump_to(self) -> JumpHost | None:
        """Its jump host, with principal."""
        return self.jump.with_host_ca(None) if self.jump else None


# --- the lock --------------------------------------------------------------------------------------

SHORTEST_PREFIX: Final = 24
LONGEST_PREFIX: Final = 29
"""Range of a site's prefix length: for 254 to 6 devices."""


def _sized(prefix: IPv4Network) -> IPv4Network:
    if not SHORTEST_PREFIX <= prefix.prefixlen <= LONGEST_PREFIX:
        raise ValueError(
            msg("a site's prefix is of /{shortest_prefix} to /{longest_prefix}", SHORTEST_PREFIX, LONGEST_PREFIX)
        )
    return prefix


OverlayPrefix = Annotated[IPv4Network, AfterValidator(_sized)]
DeviceNumber = Annotated[int, Field(ge=1, le=254)]
"""A device's offset in its site's prefix; the network's own address is unused."""

HashedSecret = Annotated[str, StringConstraints(pattern=r"^sha256:[A-Za-z0-9+/]{43}=$")]


SealedBox = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{128}$")]
"""96 bytes in base64: the sender's public key, the sealed key, an HMAC-SHA-256."""


class SealedKey(Model):
    """A relay's WireGuard private key, sealed on the relay to the recovery key; public, as only that opens it.

    Attributes:
        recovery: the recovery key's public half.
        public_key: the public half of the key that is sealed.
        box: what is sealed.
    """

    recovery: PublicKey
    public_key: PublicKey
    box: SealedBox


CertificateText = Annotated[str, StringConstraints(pattern=r"^MI[A-Za-z0-9+/]{200,}=*$", max_length=8192)]
"""A certificate: DER in base64, a sequence of more than 127 bytes."""


class NextCertificate(Model):
    """The certificate that a relay is to show next; `certificate renew` writes it where sites push to the relay.

    Attributes:
        certificates: as the relay's own: what it shows first, and behind it those that signed it.
        since: the day on which it was made or recorded.
    """

    certificates: tuple[CertificateText, ...] = Field(min_length=1)
    since: Day


class OwnKeyStage(StrEnum):
    """How far the change of a relay's own key is: whom the next key is told, and which interface has it."""

    BEGUN = "begun"
    """The relay answers with both, or is to; packages and centres have the present key. So it is as well while a change
    is taken back."""
    MOVING = "moving"
    """The relay answers with both; packages and centres have the next key."""
    ENDING = "ending"
    """The next key is the relay's only one, or is to be."""


class NextRelayKey(Model):
    """The key that follows a relay's own one; `keys rotate --relay` writes it.

    Attributes:
        public_key: its public half.
        port: the UDP port at which the relay answers with it.
        since: the day on which the change began.
        stage: how far it is.
        sealed_key: the private half, sealed; None where the inventory has no recovery key.
    """

    public_key: PublicKey
    port: Port
    since: Day
    stage: OwnKeyStage
    sealed_key: SealedKey | None = None


class RelayAllocation(Model):
    """What `allocate` and `keys init` recorded of a relay; `certificates` is what it shows readers, its own first.

    The packages of sites that push name `next_certificate` beside that, until it takes its place.
    """

    tunnel_address: TunnelAddress
    public_key: PublicKey | None = None
    api_hash: HashedSecret | None = None
    probe_hash: HashedSecret | None = None
    sealed_key: SealedKey | None = None
    certificates: tuple[CertificateText, ...] | None = None
    next_certificate: NextCertificate | None = None
    next_key: NextRelayKey | None = None

    @property
    def own_key(self) -> PublicKey | None:
        """Desired public key of its first interface."""
        ends = self.next_key is not None and self.next_key.stage is OwnKeyStage.ENDING
        return self.next_key.public_key if self.next_key and ends else self.public_key

    @property
    def announced_key(self) -> NextRelayKey | None:
        """The next key, if packages and centres already have it."""
        return self.next_key if self.next_key and self.next_key.stage is not OwnKeyStage.BEGUN else None

    @property
    def second_key(self) -> NextRelayKey | None:
        """The key of the second interface, if there is one."""
        return self.next_key if self.next_key and self.next_key.stage is not OwnKeyStage.ENDING else None

    def own_port(self, port: int) -> int:
        """Return the desired UDP port of its first interface."""
        ends = self.next_key is not None and self.next_key.stage is OwnKeyStage.ENDING
        return self.next_key.port if self.next_key and ends else port


class CentreAllocation(Model):
    """What `allocate` and `keys init` recorded of a centre; hashes and certificates of a hub alone."""

    tunnel_address: TunnelAddress
    public_key: PublicKey | None = None
    api_hash: HashedSecret | None = None
    probe_hash: HashedSecret | None = None
    certificates: tuple[CertificateText, ...] | None = None


class SuccessorAllocation(Model):
    """A site's second tunnel address and prefix, in the next carrier's pool; ports and numbers are the same."""

    carrier: Slug
    tunnel_address: TunnelAddress
    prefix: OverlayPrefix | None = None


class SiteAllocation(Model):
    """A site's tunnel address and the port of each of its devices (a camera of its own, or a recorder).

    `onvif_ports` are second ports, of the devices that are asked by ONVIF; most sites have none. A site whose devices
    have an address each has a prefix for them, and the number of each device in it.
    """

    carrier: Slug
    tunnel_address: TunnelAddress
    ports: dict[Slug, Port]
    onvif_ports: dict[Slug, Port] | None = None
    prefix: OverlayPrefix | None = None
    numbers: dict[Slug, DeviceNumber] | None = None
    successor: SuccessorAllocation | None = None

    @property
    def device_onvif_ports(self) -> dict[str, int]:
        """The devices' ports for ONVIF, or empty."""
        return self.onvif_ports or {}

    @property
    def device_numbers(self) -> dict[str, int]:
        """The devices' numbers in the site's prefixes, or empty."""
        return self.numbers or {}

    @property
    def prefixes(self) -> tuple[IPv4Network, ...]:
        """The site's prefixes, also in the next carrier's pool."""
        return tuple(allocation.prefix for allocation in (self, self.successor) if allocation and allocation.prefix)


class Tombstone(Model):
    """An address, a port, a prefix, or a device's number in one, that was in use and is not given out again."""

    object: str
    pool: str
    tunnel_address: TunnelAddress | None = None
    port: Port | None = None
    prefix: OverlayPrefix | None = None
    number: DeviceNumber | None = None


class Adopted(Model):
    """The owner from whom a host is to be taken over, as its mark named it; one without a mark has no word of this.

    `at` is the moment of the mark: one that the owner has written since is not the one that somebody looked at.
    """

    inventory: Slug | Literal[""] = ""
    key: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{32})?$")] = ""
    at: Annotated[str, StringConstraints(pattern=r"^([0-9-]{10}T[0-9:]{8}Z)?$")] = ""


class Allocations(Model):
    """`allocations.lock.yml`: written by `allocate`, `keys init` and `hosts adopt` alone, reviewed in Git."""

    version: Version = 1
    relays: dict[Slug, RelayAllocation] = {}
    centres: dict[Slug, CentreAllocation] = {}
    sites: dict[Slug, SiteAllocation] = {}
    tombstones: tuple[Tombstone, ...] = ()
    protected: tuple[str, ...] = ()
    """What is protected, e.g. `facility/kcl-bg-001`: known here even when its own block is deleted."""
    adopted: dict[Slug, Adopted] | None = None
    """Hosts that are to be taken over from another owner, by id; spent once they are ours. Most locks have none."""
