"""Facilities with surveys, connection plans and gateways; maintenance windows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated, Protocol, TypeVar

from pydantic import Field, StringConstraints

from provisioner.inventory.model.base import (
    Count,
    Day,
    FileSlug,
    LanNetwork,
    Model,
    Port,
    Positive,
    PublicKey,
    Slug,
    Text,
    Use,
    Version,
)
from provisioner.inventory.model.devices import Camera, Recorder, StreamName, Zone
from provisioner.inventory.model.orders import ManagingBody
from provisioner.inventory.model.policy import Moment, ProvinceScheme


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
    cameras: Annotated[int, Field(ge=0, le=10_000)] | None = None  #: The number of cameras, as in the source.
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


class Operating(StrEnum):
    """Whether people are in the facility. Hosts carry facilities that are open or about to open."""

    OPEN = "open"
    PREPARING = "preparing"
    STANDBY = "standby"
    CLOSED = "closed"

    @property
    def is_carried(self) -> bool:
        """Whether hosts carry such a facility; cameras are connected before people come."""
        return self is Operating.OPEN or self is Operating.PREPARING


class FacilityKind(StrEnum):
    """The building's normal use."""

    SCHOOL = "school"
    DORMITORY = "dormitory"
    HOTEL = "hotel"
    BARRACKS = "barracks"
    HOSPITAL = "hospital"
    FACTORY = "factory"
    OTHER = "other"


class Location(Model):
    """The address of a facility for people. The province is a field of its own, since it is part of the paths."""

    #: Number and street, hamlet or village; the facility's own address, never a person's.
    street: Annotated[Text | None, Use(option="Number and street, hamlet or village.")] = None
    #: Commune, ward or special zone (xã, phường, đặc khu).
    ward: Annotated[Text | None, Use(option="Commune, ward or special zone.")] = None
    #: The district as the province wrote it; districts were abolished on 2025-07-01.
    district: Annotated[Text | None, Use(option="The district, as the province wrote it.")] = None


class Capacity(Model):
    """The size of a facility; `validate` compares the number of cameras with it."""

    people: Annotated[Positive, Use(option="The facility's capacity in people.")]
    rooms: Positive | None = None
    floors: Positive | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """A facility carried by one relay: an agreed plan with its gateway."""

    facility: "Facility"
    plan: ConnectionPlan  #: The agreed plan, or the agreed successor.
    relay: str  #: The plan's relay, or its backup relay.
    gateway: Gateway
    successor: bool  #: Whether this is the next connection, made before the old one ends.

    @property
    def is_backup(self) -> bool:
        """Whether the relay pulls only for readers."""
        return self.relay != self.plan.relay

    @property
    def is_first(self) -> bool:
        """Whether stored states of its paths have the paths' own names."""
        # A facility has one such connection.
        return self.plan is self.facility.plan and not self.is_backup


class Facility(Model):
    """A quarantine facility; the file has the facility's id as its name.

    A facility is registered first. Survey, plan, gateway and cameras follow. Its state follows from this file and from
    the results of apply and verify; it is not a field.
    """

    version: Version
    id: FileSlug  #: Unique in the whole inventory, frozen at registration.
    #: The province's slug, frozen at registration: no merger of provinces changes it.
    province: Annotated[Slug, Use(option="")]
    #: The list with the slug, if it is not the inventory's list. It is frozen with the slug.
    province_scheme: ProvinceScheme | None = None
    name: Annotated[Text, Use(option="The building's name.")]
    kind: Annotated[FacilityKind, Use(option="The building's normal use.")]
    managing_body: Annotated[ManagingBody, Use(option="The body that runs the facility.")]
    #: `preparing` before people come, `open` while they are there. `closed` removes the facility from every host.
    operating: Annotated[Operating, Use(option="")]
    #: The planned day of the first people; it stays as a record.
    opens_on: Annotated[Day | None, Use(option="The planned day of arrival.")] = None
    opened_on: Day | None = None
    closed_on: Day | None = None
    location: Location | None = None
    capacity: Capacity | None = None
    notice_posted_on: Day | None = None  #: The day since which a notice tells people that cameras record here.
    #: The day on which the DIC's list named a current representative. Only contacts/ has the name.
    contact_confirmed_on: Day | None = None
    survey: Survey | None = None
    plan: ConnectionPlan | None = None
    #: The next connection, over another relay or carrier. Both connections serve until the next one is accepted.
    successor: ConnectionPlan | None = None
    #: A connection made without this program. It is a statement that no run has proved.
    claimed_connection: ClaimedConnection | None = None
    blocked: Blocked | None = None
    #: Protection of its paths against removal; remove this setting first, in a change of its own.
    protected: bool = False
    gateway: Gateway | None = None
    recorders: tuple[Recorder, ...] = ()
    cameras: tuple[Camera, ...] = ()

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Its connections on hosts, if open or preparing, with an agreed plan."""
        plans = self.carried_plans
        gateway = self.gateway if plans else None
        if gateway is None:
            return ()
        return tuple(Connection(self, p, relay, gateway, p is self.successor) for p, relay in relays_of(plans))

    @property
    def carried_plans(self) -> tuple[ConnectionPlan, ...]:
        """The plans of its connections."""
        if not self.operating.is_carried or self.gateway is None:
            return ()
        return tuple(plan for plan in (self.plan, self.successor) if plan and plan.agreed)

    @property
    def rendered(self) -> bool:
        """Whether hosts carry this facility."""
        return bool(self.carried_plans)

    @property
    def relay_port(self) -> int:
        """The relays' port that its gateway dials; 0 for their first one."""
        return (self.gateway.relay_port or 0) if self.gateway else 0


class MaintenanceWindow(Model):
    """A time of announced work. Its paths are measured and shown, but raise no alarm."""

    begin: Moment = Field(alias="from")  #: The first minute, in Vietnam's time unless a zone is written.
    until: Moment  #: The first minute after the window.
    reason: Text  #: The work, e.g. `new switch`; no name of a person.
    facilities: tuple[Slug, ...] = ()  #: Facilities in the window, by id.
    hosts: tuple[Slug, ...] = ()  #: Relays and centres whose paths are in the window, by id.
    carriers: tuple[Slug, ...] = ()  #: Carriers whose paths are all in the window, by id.
    everything: bool = False  #: Whether every path is in the window.

    @property
    def names(self) -> frozenset[tuple[str, str]]:
        """Its objects, each with the kind."""
        kinds = {"facilities": self.facilities, "hosts": self.hosts, "carriers": self.carriers}
        return frozenset((kind, name) for kind, names in kinds.items() for name in names)

    def is_over(self, moment: datetime) -> bool:
        """Return whether it has ended."""
        return self.until <= moment

    def is_open(self, moment: datetime) -> bool:
        """Return whether it has begun and not ended."""
        return self.begin <= moment < self.until


class Maintenance(Model):
    """`maintenance.yml`: the maintenance windows of an inventory."""

    version: Version
    windows: tuple[MaintenanceWindow, ...] = ()


def path_name(facility: Facility, camera: Camera, stream: StreamName) -> str:
    """Return a path's name, e.g. `bac-giang/kcl-001/cam-03/sub`."""
    return f"{facility.province}/{facility.id}/{camera.id}/{stream}"
