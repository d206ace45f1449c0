"""Facilities with their connections, and maintenance windows."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from provisioner.inventory.model import connection
from provisioner.inventory.model.base import Day, FileSlug, Model, Positive, Slug, Text, Use, Version
from provisioner.inventory.model.devices import Camera, Recorder, StreamName
from provisioner.inventory.model.orders import ManagingBody
from provisioner.inventory.model.policy import Moment, ProvinceScheme


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
    plan: connection.ConnectionPlan  #: The agreed plan, or the agreed successor.
    relay: str  #: The plan's relay, or its backup relay.
    gateway: connection.Gateway
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
    survey: connection.Survey | None = None
    plan: connection.ConnectionPlan | None = None
    #: The next connection, over another relay or carrier. Both connections serve until the next one is accepted.
    successor: connection.ConnectionPlan | None = None
    #: A connection made without this program. It is a statement that no run has proved.
    claimed_connection: connection.ClaimedConnection | None = None
    blocked: connection.Blocked | None = None
    #: Protection of its paths against removal; remove this setting first, in a change of its own.
    protected: bool = False
    gateway: connection.Gateway | None = None
    recorders: tuple[Recorder, ...] = ()
    cameras: tuple[Camera, ...] = ()

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Its connections on hosts, if open or preparing, with an agreed plan."""
        plans = self.carried_plans
        gateway = self.gateway if plans else None
        if gateway is None:
            return ()
        return tuple(
            Connection(self, p, relay, gateway, p is self.successor) for p, relay in connection.relays_of(plans)
        )

    @property
    def carried_plans(self) -> tuple[connection.ConnectionPlan, ...]:
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
