"""`allocations.lock.yml`: what was assigned to whom, for ever."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Network
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from provisioner.inventory.model.base import Day, Model, Port, PublicKey, Slug, TunnelAddress, Version

SHORTEST_PREFIX: Final = 24
LONGEST_PREFIX: Final = 29
"""The lengths between which a site's prefix is: it has room for 254 devices at most, and for 6 at least."""


def _sized(prefix: IPv4Network) -> IPv4Network:
    if not SHORTEST_PREFIX <= prefix.prefixlen <= LONGEST_PREFIX:
        raise ValueError(f"a site's prefix is of /{SHORTEST_PREFIX} to /{LONGEST_PREFIX}")
    return prefix


OverlayPrefix = Annotated[IPv4Network, AfterValidator(_sized)]
DeviceNumber = Annotated[int, Field(ge=1, le=254)]
"""A device's place in its site's prefix: its address is so many after the network's own, which nobody has."""

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
        """The public key that its first interface is to have."""
        ends = self.next_key is not None and self.next_key.stage is OwnKeyStage.ENDING
        return self.next_key.public_key if self.next_key and ends else self.public_key

    @property
    def announced_key(self) -> NextRelayKey | None:
        """The next key, where packages and centres have it; None where they have the present one."""
        return self.next_key if self.next_key and self.next_key.stage is not OwnKeyStage.BEGUN else None

    @property
    def second_key(self) -> NextRelayKey | None:
        """The key that has an interface of its own beside the first one; None where there is one interface."""
        return self.next_key if self.next_key and self.next_key.stage is not OwnKeyStage.ENDING else None

    def own_port(self, port: int) -> int:
        """The UDP port that its first interface is to have, where its carrier's file says this one."""
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
    def asked_ports(self) -> dict[str, int]:
        """The ports by which devices are asked by ONVIF; none where nobody is."""
        return self.onvif_ports or {}

    @property
    def device_numbers(self) -> dict[str, int]:
        """The number of each device in the site's prefixes; none where the site has no prefix."""
        return self.numbers or {}

    @property
    def prefixes(self) -> tuple[IPv4Network, ...]:
        """The site's prefixes: one, and one more in the next carrier's pool."""
        return tuple(held.prefix for held in (self, self.successor) if held and held.prefix)


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
