"""A facility's survey, connection plans with sign-offs, blocks, and gateway."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated, Protocol, TypeVar

from pydantic import Field, StringConstraints

from provisioner.inventory.model.base import Count, Day, LanNetwork, Model, Port, PublicKey, Slug, Text
from provisioner.inventory.model.devices import Zone


class Party(StrEnum):
    """A party that surveys a facility and agrees its plan (letter 1407/BTTTT-CVT, item 2)."""

    DIC = "dic"
    HEALTH = "health"
    CARRIER = "carrier"

    @property
    def words(self) -> str:
        """Name of the party in sentences."""
        return {Party.DIC: "the DIC", Party.HEALTH: "the Health department", Party.CARRIER: "the carrier"}[self]


# --- survey ---------------------------------------------------------------------------------------
class UplinkKind(StrEnum):
    """The kind of a facility's line to the Internet."""

    FIBRE = "fibre"
    LEASED_LINE = "leased_line"
    MOBILE = "mobile"
    OTHER = "other"
    NONE = "none"


class UplinkAddress(StrEnum):
    """The kind of address that the uplink has from outside."""

    STATIC = "static"
    DYNAMIC = "dynamic"
    CGNAT = "cgnat"


class Uplink(Model):
    """A facility's line to the Internet."""

    kind: UplinkKind
    provider: Text | None = None
    #: Megabits a second towards the Internet. The cameras' rates are compared with it.
    upload_mbps: Annotated[float, Field(gt=0, le=100_000)] | None = None
    address: UplinkAddress | None = None
    router: Text | None = None  #: Make and model of the modem or router.


class RtspState(StrEnum):
    """Whether the devices serve their video over RTSP."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    CLOUD_ONLY = "cloud_only"
    LOCKED = "locked"


class LoginState(StrEnum):
    """Whether the devices' logins were handed over. Logins go into the vault, never into this file."""

    RECEIVED = "received"
    MISSING = "missing"


class CameraCount(Model):
    """Numbers of cameras in the survey: found, usable, and to be added."""

    present: Count
    fit: Count
    missing: Count


class SurveyVerdict(StrEnum):
    """The result of the survey."""

    READY = "ready"
    NEEDS_CAMERAS = "needs_cameras"
    NEEDS_REPAIR = "needs_repair"
    NEEDS_REPLACEMENT = "needs_replacement"
    NEEDS_UPLINK = "needs_uplink"
    NOT_POSSIBLE = "not_possible"


class Survey(Model):
    """The state of a facility's cameras as DIC, Health and the carrier found it, without names of persons."""

    surveyed_on: Day  #: The day of the survey.
    by: Annotated[tuple[Party, ...], Field(min_length=1)]  #: The parties that took part.
    uplink: Uplink
    rtsp: RtspState | None = None
    logins: LoginState | None = None
    cameras: CameraCount
    gaps: tuple[Zone, ...] = ()  #: Zones of order 4403/CV-BCĐ that the facility has without a usable camera.
    verdict: SurveyVerdict
    obstacles: Text | None = None
    advice: Text | None = None


# --- plan -----------------------------------------------------------------------------------------
class Access(StrEnum):
    """The way of a site's pictures to its relay: pulled in one of several ways, or pushed by the site."""

    PULL_PORTMAP = "pull_portmap"  #: One tunnel address a site, and a port of it for each device.
    PULL_NAT_MAP = "pull_nat_map"  #: One overlay address a device, which keeps its own ports.
    ROUTED = "routed"  #: No tunnel: the carrier's own network leads to the devices, at their own addresses.
    #: No tunnel: the site's gateway pulls the devices and pushes each stream to the relay, encrypted.
    PUBLISH = "publish"

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
    """A party's signature with its key (`signers.yml`). Without it a sign-off is a claim of the file's author."""

    inventory: Slug  #: The id of the signed inventory.
    #: The output of `ssh-keygen -Y sign` without its first and last line; `provisioner sign-off` writes it.
    sshsig: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=8192)]


class SignOff(Model):
    """A party's agreement to the plan, with a hash of the signed content."""

    by: Party
    signed_on: Day  #: The day of the agreement.
    #: The hash of the signed content; `provisioner sign-off` writes it. A later edit changes the content's hash.
    content: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
    source: Text  #: The minutes or letter with the agreement; no name of a person.
    signature: Signature | None = None  #: The party's signature over the sign-off.


class ConnectionPlan(Model):
    """The connection plan that DIC, Health and the carrier agree: carrier, relay and access mode of the site.

    The signed content is the carrier, its relays, the access mode, the recorders and the cameras with their streams. An
    agreed plan has the sign-offs of all three parties over exactly this content.
    """

    state: PlanState
    carrier: Slug
    relay: Slug
    #: Another relay of the carrier with the site's tunnel and paths. It pulls a path only for readers.
    backup_relay: Slug | None = None
    access: Access = Access.PULL_PORTMAP
    sign_offs: tuple[SignOff, ...] = ()

    @property
    def agreed(self) -> bool:
        """Whether the plan's state is agreed; rules check the sign-offs."""
        return self.state is PlanState.AGREED


class AnyPlan(Protocol):
    """A plan, or its outline."""

    @property
    def carrier(self) -> str:
        """The carrier's id."""

    @property
    def access(self) -> Access:
        """The relay's way to the site's devices."""

    @property
    def relay(self) -> str:
        """The relay that always pulls."""

    @property
    def backup_relay(self) -> str | None:
        """The relay that pulls only for readers, if any."""


_Plan = TypeVar("_Plan", bound=AnyPlan)


def relays_of(plans: Sequence[_Plan]) -> Iterator[tuple[_Plan, str]]:
    """Return a site's relays with their plan, each once."""
    # A relay that always pulls is not a backup of another plan.
    pulling = {plan.relay for plan in plans}
    for plan in plans:
        yield plan, plan.relay
        if plan.backup_relay and plan.backup_relay not in pulling:
            pulling.add(plan.backup_relay)
            yield plan, plan.backup_relay


# --- what stands in the way -----------------------------------------------------------------------
class BlockReason(StrEnum):
    """Reasons that a facility cannot be connected yet, as provinces reported them."""

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
    """The party that has to act."""

    FACILITY = "facility"
    DIC = "dic"
    HEALTH = "health"
    CARRIER = "carrier"
    PROVINCE = "province"
    MINISTRY = "ministry"


class Blocked(Model):
    """The reason that a facility cannot be connected, with the next action, its owner and its day."""

    reason: BlockReason
    owner: BlockOwner
    since: Day
    next_action: Text
    due: Day


class ClaimedConnection(Model):
    """A connection that a document reports, such as an annex of 2021 or a cloud service. No run has proved it."""

    connected_on: Day  #: The day of the connection, as in the source.
    source: Text  #: The report or annex that names the connection; no name of a person.
    carrier: Slug | None = None  #: The company that made the connection; it need not be a carrier of this inventory.
    cameras: Count | None = None  #: The number of cameras, as in the source.
    note: Text | None = None


class GatewaySystem(StrEnum):
    """The operating system of a site's router; it decides the files of the site package."""

    LINUX = "linux"
    ROUTEROS = "routeros"
    OPENWRT = "openwrt"
    #: Another router that takes a WireGuard file; what that file cannot say is set by hand, as its sheet says.
    WIREGUARD = "wireguard"


class NextKey(Model):
    """The next key of a gateway. Relays know both keys until the gateway uses the new one."""

    since: Day  #: The day on which the change of keys began.
    public_key: PublicKey | None = None  #: The new key's public half; absent until it is reported.


class Gateway(Model):
    """The site's router into the tunnel. It generates its private key, which never leaves it.

    For a routed site it is the carrier's router, of which only the LAN is used. For a site that pushes it is a machine
    in that LAN.
    """

    public_key: PublicKey | None = None
    #: The next key, during a rotation; `keys rotate` and `gateway set-key --next` write it.
    next_key: NextKey | None = None
    lan: LanNetwork
    lan_interface: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9._-]{0,14}$")] | None = None
    system: GatewaySystem = GatewaySystem.LINUX  #: The gateway's operating system; its site package is made for it.
    #: The UDP port of its relays that the gateway uses if its line does not pass their `wireguard_port`.
    relay_port: Port | None = None
    #: Known source addresses of a site that pushes. If set, its relay accepts the site's logins only from them.
    public_addresses: tuple[IPv4Address, ...] = ()
