"""A facility's survey, connection plans with sign-offs, blocks, and gateway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated, Protocol, TypeVar

from pydantic import Field, StringConstraints

from provisioner.inventory.model.base import Count, Day, LanNetwork, Model, Port, PublicKey, Slug, Text
from provisioner.inventory.model.devices import Zone


class Party(StrEnum):
    """Who surveys a facility and agrees its plan (letter 1407/BTTTT-CVT, item 2)."""

    DIC = "dic"
    HEALTH = "health"
    CARRIER = "carrier"

    @property
    def words(self) -> str:
        """Name of the party in sentences."""
        return {Party.DIC: "the DIC", Party.HEALTH: "the Health department", Party.CARRIER: "the carrier"}[self]


# --- survey ---------------------------------------------------------------------------------------


class UplinkKind(StrEnum):
    """How a facility reaches the Internet."""

    FIBRE = "fibre"
    LEASED_LINE = "leased_line"
    MOBILE = "mobile"
    OTHER = "other"
    NONE = "none"


class UplinkAddress(StrEnum):
    """What address the uplink has from outside."""

    STATIC = "static"
    DYNAMIC = "dynamic"
    CGNAT = "cgnat"


class Uplink(Model):
    """A facility's line."""

    kind: UplinkKind
    provider: Text | None = None
    upload_mbps: Annotated[float, Field(gt=0, le=100_000)] | None = None
    """Megabits a second towards the Internet; cameras' rates are held against it."""
    address: UplinkAddress | None = None
    router: Text | None = None
    """Make and model of the modem or router."""


class RtspState(StrEnum):
    """Whether the devices give their video out by RTSP."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    CLOUD_ONLY = "cloud_only"
    LOCKED = "locked"


class LoginState(StrEnum):
    """Whether the devices' logins were handed over (they go into the vault, never into this file)."""

    RECEIVED = "received"
    MISSING = "missing"


class CameraCount(Model):
    """How many cameras the survey found, how many of them will do, and how many are to be added."""

    present: Count
    fit: Count
    missing: Count


class SurveyVerdict(StrEnum):
    """What the survey says."""

    READY = "ready"
    NEEDS_CAMERAS = "needs_cameras"
    NEEDS_REPAIR = "needs_repair"
    NEEDS_REPLACEMENT = "needs_replacement"
    NEEDS_UPLINK = "needs_uplink"
    NOT_POSSIBLE = "not_possible"


class Survey(Model):
    """The state of a facility's cameras as DIC, Health and the carrier found it; no person is named here."""

    surveyed_on: Day
    """The day of the survey."""
    by: Annotated[tuple[Party, ...], Field(min_length=1)]
    """Who took part."""
    uplink: Uplink
    rtsp: RtspState | None = None
    logins: LoginState | None = None
    cameras: CameraCount
    gaps: tuple[Zone, ...] = ()
    """Zones of order 4403/CV-BCĐ that exist here and have no camera that will do."""
    verdict: SurveyVerdict
    obstacles: Text | None = None
    advice: Text | None = None


# --- plan -----------------------------------------------------------------------------------------


class Access(StrEnum):
    """How a site's pictures come to its relay: how that reaches the cameras, or that the site pushes them."""

    PULL_PORTMAP = "pull_portmap"
    """One tunnel address a site, and a port of it for each device."""
    PULL_NAT_MAP = "pull_nat_map"
    """One overlay address a device, which keeps its own ports."""
    ROUTED = "routed"
    """No tunnel: the carrier's own network leads to the devices, at their own addresses."""
    PUBLISH = "publish"
    """No tunnel: the site's gateway pulls the devices and pushes each stream to the relay, encrypted."""

    @property
    def has_tunnel(self) -> bool:
        """Whether the site has our gateway with a tunnel, addresses and keys."""
        return self in {Access.PULL_PORTMAP, Access.PULL_NAT_MAP}

    @property
    def is_pushed(self) -> bool:
        """Whether the site's gateway pushes; relays cannot reach the site."""
        return self is Access.PUBLISH


class PlanState(StrEnum):
    """Whether DIC, Health and the carrier have agreed the connection plan."""

    PROPOSED = "proposed"
    AGREED = "agreed"


class Signature(Model):
    """A party's own word, by its key (`signers.yml`); without it a sign-off is what the file's author claims."""

    inventory: Slug
    """The id of the inventory that it was made for."""
    sshsig: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=8192)]
    """What `ssh-keygen -Y sign` made, without the lines around it; `provisioner sign-off` writes it."""


class SignOff(Model):
    """One party's agreement to what the plan says, by a hash of the signed content."""

    by: Party
    signed_on: Day
    """The day of the agreement."""
    content: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
    """What was signed; `provisioner sign-off` writes it, and any later edit of the content shows."""
    source: Text
    """The minutes or letter that holds the agreement; no name of a person."""
    signature: Signature | None = None
    """The party's signature over all of this."""


class ConnectionPlan(Model):
    """What DIC, Health and the carrier agree: who carries the site, over which relay, and how.

    The signed content is the carrier, its relays, the access mode, the recorders and the cameras with
    their streams. An agreed plan carries the sign-offs of all three over exactly that.
    """

    state: PlanState
    carrier: Slug
    relay: Slug
    backup_relay: Slug | None = None
    """Another relay of the carrier that has the site's tunnel and its paths as well, and pulls for readers alone."""
    access: Access = Access.PULL_PORTMAP
    sign_offs: tuple[SignOff, ...] = ()

    @property
    def agreed(self) -> bool:
        """Whether the plan's state is agreed; rules check the sign-offs."""
        return self.state is PlanState.AGREED


class OverRelays(Protocol):
    """A plan, or its outline, with its relays."""

    @property
    def relay(self) -> str:
        """The relay that always pulls."""

    @property
    def backup_relay(self) -> str | None:
        """The relay that pulls only for readers, if any."""


_Plan = TypeVar("_Plan", bound=OverRelays)


def relays_of(plans: Sequence[_Plan]) -> Iterator[tuple[_Plan, str]]:
    """Return a site's relays with their plan, each once.

    A relay that always pulls is not a backup of another plan.
    """
    pulling = {plan.relay for plan in plans}
    for plan in plans:
        yield plan, plan.relay
        if plan.backup_relay and plan.backup_relay not in pulling:
            pulling.add(plan.backup_relay)
            yield plan, plan.backup_relay


# --- what stands in the way -----------------------------------------------------------------------


class BlockReason(StrEnum):
    """Why a facility cannot be connected yet; the reasons that provinces reported."""

    NO_COOPERATION = "no_cooperation"
    NO_CAMERAS = "no_cameras"
    OBSOLETE_DEVICE = "obsolete_device"
    RTSP_UNAVAILABLE = "rtsp_unavailable"
    CREDENTIALS_MISSING = "credentials_missing"
    NO_UPLINK = "no_uplink"
    CGNAT_UDP_BLOCKED = "cgnat_udp_blocked"
    SECURITY_POLICY = "security_policy"
    NEEDS_INVESTMENT = "needs_investment"
    NOT_IN_SCOPE = "not_in_scope"


class BlockOwner(StrEnum):
    """Who has to act."""

    FACILITY = "facility"
    DIC = "dic"
    HEALTH = "health"
    CARRIER = "carrier"
    PROVINCE = "province"
    MINISTRY = "ministry"


class Blocked(Model):
    """What keeps a facility from being connected, and who does what about it until when."""

    reason: BlockReason
    owner: BlockOwner
    since: Day
    next_action: Text
    due: Day


class ClaimedConnection(Model):
    """A connection that a document reports, of an annex of 2021 or over a cloud service; nothing here proves it."""

    connected_on: Day
    """The day on which it was made, as the source has it."""
    source: Text
    """The report or annex that says so; no name of a person."""
    carrier: Slug | None = None
    """Who made it; it need not be a carrier of this inventory."""
    cameras: Count | None = None
    """How many cameras it is said to have."""
    note: Text | None = None


class GatewaySystem(StrEnum):
    """What a site's router runs, and so what its package is made of."""

    LINUX = "linux"
    ROUTEROS = "routeros"
    OPENWRT = "openwrt"
    WIREGUARD = "wireguard"
    """Another router that takes a WireGuard file; what that file cannot say is set by hand, as its sheet says."""


class NextKey(Model):
    """The key that follows a gateway's present one: relays know both until the gateway was seen with the new one."""

    since: Day
    """The day on which the change of keys began."""
    public_key: PublicKey | None = None
    """The new key's public half; missing until somebody reports it."""


class Gateway(Model):
    """The site's router into the tunnel. The private key is born on it and stays there.

    Of a routed site it is the carrier's, and only its LAN is of use. Of a site that pushes it is a machine in that LAN.
    """

    public_key: PublicKey | None = None
    next_key: NextKey | None = None
    """While its key is changed, the one that follows; `keys rotate` and `gateway set-key --next` write it."""
    lan: LanNetwork
    lan_interface: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9._-]{0,14}$")] | None = None
    system: GatewaySystem = GatewaySystem.LINUX
    """What it runs; its site package is made for that."""
    relay_port: Port | None = None
    """The UDP port of its relays that it dials, where its line does not pass their `wireguard_port`."""
    public_addresses: tuple[IPv4Address, ...] = ()
    """Where a site that pushes comes from, if that is known: its relay then takes its logins from there alone."""
