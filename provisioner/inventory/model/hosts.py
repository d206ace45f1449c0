"""Managed hosts, and the lock with their permanent allocations."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from provisioner.base.text import AnyAddress, HostName, HostPlace, endpoint_text, msg
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
    """The controller's login: a normal user with sudo, and the host key that it requires.

    Instead of one key, `host_ca` names the public key of the CA that signs hosts' keys. Then the host has to show a
    certificate of that CA that names `principal`, by default the host's id (a jump host's address).
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

    def login_at(self, address: HostPlace) -> str:
        """The login and place of a host's address, as `user@address:port`."""
        return f"{self.user}@{endpoint_text(address, self.port)}"


class JumpHost(Model):
    """A host through which SSH reaches other hosts (ssh's ProxyJump). The program does not manage, read or change it.

    `inside` is the source address that the hosts behind it see, if that differs from `address`.
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

    The controller's SSH connects to `address`. Gateways and centres send WireGuard to `endpoint`, the same address
    unless the relay has a second interface. Either may be a host name: gateways resolve it, centres get
    `endpoint_address`.
    """

    id: FileSlug
    address: HostAddress
    endpoint: HostAddress | None = None
    #: The endpoint's address if `endpoint` is a name; centres send WireGuard to it.
    endpoint_address: IpAddress | None = None
    wireguard_port: Port = 51820
    #: Further UDP ports for WireGuard, for gateways behind a line that passes few ports: 443, 53.
    further_wireguard_ports: Annotated[tuple[Port, ...], Field(max_length=4)] = ()
    ssh: Ssh
    jump: JumpHost | None = None  #: The relay's own jump host, instead of its carrier's.
    max_paths: Annotated[int, Field(ge=1)] = 1000
    #: Protection against removal from the inventory; remove this setting first, in a change of its own.
    protected: bool = False
    #: The relay of the same carrier that takes over the facilities; `relay drain` writes it.
    drain_to: Slug | None = None

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
        key = "endpoint" if self.endpoint is not None else "address"
        named = ((key, self.wireguard_endpoint), ("endpoint_address", self.endpoint_address))
        return tuple((key, host) for key, host in named if host is not None)

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
    #: Networks with the LANs of sites that its relays reach without a tunnel, over the carrier's own network.
    routed_networks: tuple[RoutedNetwork, ...] = ()
    #: The CA that signs SSH host keys of its relays and jump hosts, unless one names its own key or CA.
    host_ca: HostKey | None = None
    jump: JumpHost | None = None  #: The jump host of all its relays; without it SSH connects to each relay directly.
    centres: Annotated[tuple[Slug, ...], Field(min_length=1)]
    relays: Annotated[tuple[Relay, ...], Field(min_length=1)]
    #: Encryption of readers' connections to its relays. If absent, the tunnel alone encrypts them.
    reader_tls: ReaderTls | None = None
    #: Permission for sites to push to its relays, and their source networks. If absent, sites may not push.
    publishers: Publishers | None = None

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
    """Encryption of readers' connections to a carrier's relays (RTSPS, port 8322).

    `encryption` is MediaMTX's `rtspEncryption`: `optional` also allows readers without encryption, `strict` refuses
    them.
    """

    encryption: Literal["optional", "strict"]
    days: Annotated[int, Field(ge=7, le=3650)] = 730  #: Validity of a self-signed certificate of a relay, in days.
    #: Days before a certificate's end from which on `validate`, `plan` and `verify` warn.
    warn_days: Annotated[int, Field(ge=1, le=365)] = 30


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
    """Permission for sites to push to a carrier's relays over RTSPS (port 8322, IPv4), with a login for each stream."""

    networks: tuple[PublisherNetwork, ...] = ()  #: Source networks of such sites; any source if absent.


#: Prefix of readable paths: a province's slug, or `<province>/<facility>`.
ReadPrefix = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*)?$", max_length=127)
]


class Viewer(Model):
    """A reader at a monitoring centre with a login of its own, who may read only the listed paths."""

    id: Slug
    name: Text | None = None  #: The viewer's name in this inventory, not the name of a person.
    #: The provinces or facilities whose paths the viewer may read.
    reads: Annotated[tuple[ReadPrefix, ...], Field(min_length=1)]
    #: At a hub, the viewer's source networks. At other centres viewers come from the centre itself.
    networks: tuple[IPv4Network, ...] = ()


class Hub(Model):
    """A centre that serves the paths of all its carriers itself, and pulls each on demand from its relay.

    Its viewers read at the hub's address, from networks of their own. Relays do not know them.
    """

    address: IPv4Address  #: The centre's own address at which viewers read.
    #: Encryption of its readers' connections, which come from outside of the tunnel.
    reader_tls: ReaderTls = ReaderTls(encryption="strict")


class Centre(Model):
    """`centres/<centre>.yml`: a monitoring centre. It reads from every carrier that names it.

    It accepts SSH from the management networks of those carriers and from its own.
    """

    version: Version
    id: FileSlug
    name: Text
    address: HostAddress
    ssh: Ssh
    management_networks: tuple[IpNetwork, ...] = ()
    jump: JumpHost | None = None  #: The jump host for SSH to the centre. A carrier's jump host is for its relays only.
    #: Protection against removal, also as a reader; remove this setting first, in a change of its own.
    protected: bool = False
    #: Whether other inventories also use this host, each with a side of its own. Each of them has to set this.
    shared: bool = False
    #: The provinces or facilities whose paths the centre may read; all paths if absent.
    reads: tuple[ReadPrefix, ...] = ()
    #: Viewers at this centre with logins of their own; each comes from the centre's address in the tunnel.
    viewers: tuple[Viewer, ...] = ()
    #: The hub's settings: the centre itself serves all paths to viewers. If absent, the centre only reads.
    hub: Hub | None = None

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
LONGEST_PREFIX: Final = 29  #: Range of a site's prefix length: for 254 to 6 devices.


def _sized(prefix: IPv4Network) -> IPv4Network:
    if not SHORTEST_PREFIX <= prefix.prefixlen <= LONGEST_PREFIX:
        raise ValueError(
            msg("a site's prefix is of /{shortest_prefix} to /{longest_prefix}", SHORTEST_PREFIX, LONGEST_PREFIX)
        )
    return prefix


OverlayPrefix = Annotated[IPv4Network, AfterValidator(_sized)]
#: A device's offset in its site's prefix; the network's own address is unused.
DeviceNumber = Annotated[int, Field(ge=1, le=254)]

HashedSecret = Annotated[str, StringConstraints(pattern=r"^sha256:[A-Za-z0-9+/]{43}=$")]


#: 96 bytes in base64: the sender's public key, the sealed key, an HMAC-SHA-256.
SealedBox = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{128}$")]


class SealedKey(Model):
    """A relay's WireGuard private key, sealed to the recovery key.

    It is public, as only that key opens it.
    """

    recovery: PublicKey  #: The recovery key's public half.
    public_key: PublicKey  #: The public half of the sealed key.
    box: SealedBox  #: The sealed private key.


#: A certificate: DER in base64, a sequence of more than 127 bytes.
CertificateText = Annotated[str, StringConstraints(pattern=r"^MI[A-Za-z0-9+/]{200,}=*$", max_length=8192)]


class NextCertificate(Model):
    """The next certificate of a relay; `certificate renew` writes it if sites push to the relay."""

    #: The relay's certificate, then the certificates that signed it.
    certificates: tuple[CertificateText, ...] = Field(min_length=1)
    since: Day  #: The day on which the certificate was made or recorded.


class OwnKeyStage(StrEnum):
    """The stage of a change of a relay's own key: which peers know the next key, and which interface uses it."""

    #: The relay answers with both, or is to; packages and centres have the present key. So it is as well while a change
    #: is taken back.
    BEGUN = "begun"
    MOVING = "moving"  #: The relay answers with both; packages and centres have the next key.
    ENDING = "ending"  #: The next key is the relay's only one, or is to be.


class NextRelayKey(Model):
    """The key that follows a relay's own one; `keys rotate --relay` writes it."""

    public_key: PublicKey  #: The public half of the next key.
    port: Port  #: The UDP port at which the relay answers with the next key.
    since: Day  #: The day on which the change began.
    stage: OwnKeyStage  #: The stage of the change.
    sealed_key: SealedKey | None = None  #: The private half, sealed; `None` if the inventory has no recovery key.


class HostAllocation(Model):
    """Values of a relay or centre that `allocate` and `keys init` recorded."""

    tunnel_address: TunnelAddress
    public_key: PublicKey | None = None
    api_hash: HashedSecret | None = None
    probe_hash: HashedSecret | None = None


class RelayAllocation(HostAllocation):
    """Values of a relay that `allocate` and `keys init` recorded. `certificates` begins with the relay's own.

    Packages of sites that push also name `next_certificate`, until it replaces the present one.
    """

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


class CentreAllocation(HostAllocation):
    """Values of a centre that `allocate` and `keys init` recorded; only a hub has hashes and certificates."""

    certificates: tuple[CertificateText, ...] | None = None


class SuccessorAllocation(Model):
    """A site's second tunnel address and prefix, in the next carrier's pool; ports and numbers are the same."""

    carrier: Slug
    tunnel_address: TunnelAddress
    prefix: OverlayPrefix | None = None


class SiteAllocation(Model):
    """A site's tunnel address and the port of each of its devices: cameras with an address, and recorders.

    `onvif_ports` are the second ports of devices that verify asks by ONVIF; most sites have no such port. If each
    device of a site has its own tunnel address, the site has a prefix for them and a number for each device.
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
    """An address, a port, a prefix or a device's number that was in use. It is not allocated again."""

    object: str
    pool: str
    tunnel_address: TunnelAddress | None = None
    port: Port | None = None
    prefix: OverlayPrefix | None = None
    number: DeviceNumber | None = None


class Adopted(Model):
    """The former owner of a host to take over, by the host's mark; all fields are empty without a mark.

    `at` is the time of the mark. A mark that the owner wrote later is another one, and nobody has reviewed it.
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
    #: Protected objects, e.g. `facility/kcl-bg-001`. Their protection stays known after their own block is deleted.
    protected: tuple[str, ...] = ()
    #: Hosts to take over from another owner, by id. An entry has no effect once this inventory owns the host.
    adopted: dict[Slug, Adopted] | None = None
