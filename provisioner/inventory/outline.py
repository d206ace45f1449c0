"""Outlines of facilities, cached: twenty times as fast as facilities."""

from datetime import date
from functools import cache
from typing import NamedTuple

from provisioner.base.private_text import path_as_read
from provisioner.inventory.allocation import devices_of, probed_devices_of
from provisioner.inventory.model import facility as models
from provisioner.inventory.model.base import Model, Slug, use_of
from provisioner.inventory.model.devices import Camera, Recorder, accept_of
from provisioner.inventory.model.facility import Facility, Operating
from provisioner.inventory.model.inventory import BaseInventory, Inventory
from provisioner.inventory.model.orders import ManagingBody
from provisioner.inventory.model.policy import ProvinceScheme
from provisioner.inventory.signed import SignOffProof, agreed_on, proofs_of, signed_content, unsigned_by


class PlanOutline(NamedTuple):
    """A plan or successor, with its content's hash and its sign-offs' proofs."""

    state: models.PlanState
    carrier: str
    relay: str
    access: models.Access
    proofs: tuple[SignOffProof, ...] = ()
    content: str = ""
    #: The last day of the sign-offs, if all three parties have signed exactly this agreed plan.
    agreed_on: date | None = None
    backup_relay: str = ""
    unsigned: tuple[models.Party, ...] = ()  #: Parties that have not signed this content.

    @property
    def agreed(self) -> bool:
        """Whether the plan's state is agreed."""
        return self.state is models.PlanState.AGREED


class Remarks(Model):
    """A facility's block and claims, and the fields for reports."""

    blocked: models.Blocked | None = None
    claimed_connection: models.ClaimedConnection | None = None
    fields: dict[str, bool | int | str] | None = None  #: The facility's fields with `Use(status=True)`.
    #: The same by device; devices without any are left out.
    devices: dict[Slug, dict[str, bool | int | str]] | None = None


_NO_REMARKS = Remarks.model_construct(blocked=None, claimed_connection=None, fields=None, devices=None)


class Outline(NamedTuple):
    """A facility without its devices and the text of its survey."""

    id: str  #: The facility's id; `province`, `province_scheme`, `operating` are as in its file.
    province: str
    province_scheme: ProvinceScheme | None
    operating: Operating
    plan: PlanOutline | None  #: Its plan; `successor` is the next connection's.
    successor: PlanOutline | None
    has_gateway: bool  #: Whether the file has a gateway; `public_key` and `lan` are the gateway's.
    public_key: str | None
    lan: str | None
    devices: tuple[str, ...]  #: Recorders, and cameras with an address of their own, sorted.
    cameras: int
    paths: int  #: The number of paths, one a stream.
    protected: bool  #: As in its file; so is `managing_body`.
    managing_body: ManagingBody
    recorders: int = 0
    rtsp_paths: str = ""  #: RTSP paths and queries of the file, one a line, as read; empty if all are the makes'.
    probed_devices: tuple[str, ...] = ()  #: Devices with ONVIF, sorted.
    #: As in its file; so are `opens_on` and `closed_on`. `surveyed_on` is the survey's.
    contact_confirmed_on: date | None = None
    surveyed_on: date | None = None
    opens_on: date | None = None
    closed_on: date | None = None
    remarks: str = ""  #: Its `Remarks` as JSON, or empty.
    changing_logins: tuple[str, ...] = ()  #: Devices whose old and new logins are both accepted (`accept`), sorted.
    next_key: str | None = None  #: The gateway's next key during a change; empty until it is reported.
    relay_port: int = 0  #: The relays' port that its gateway dials; 0 for their first one.
    public_addresses: tuple[str, ...] = ()  #: Addresses that a pushing site comes from, if known.
    #: The survey's, if any; `present`, `fit` and `missing` are its numbers of cameras.
    survey_verdict: models.SurveyVerdict | None = None
    present: int = 0
    fit: int = 0
    missing: int = 0

    @property
    def read_remarks(self) -> Remarks:
        """The remarks, parsed each time."""
        return Remarks.model_validate_json(self.remarks) if self.remarks else _NO_REMARKS

    @property
    def carried_plans(self) -> tuple[PlanOutline, ...]:
        """The plans that hosts carry out, as `Facility.carried_plans`."""
        if not self.operating.is_carried or not self.has_gateway:
            return ()
        return tuple(plan for plan in (self.plan, self.successor) if plan and plan.agreed)

    @property
    def relays(self) -> tuple[str, ...]:
        """The relays that carry it, one a connection."""
        return tuple(relay for _, relay in models.relays_of(self.carried_plans))

    @property
    def rendered(self) -> bool:
        """Whether hosts carry this facility."""
        return bool(self.carried_plans)


class OutlinedInventory(BaseInventory):
    """An inventory with outlines of facilities, sorted by id."""

    facilities: dict[Slug, Outline]


def outlined(inventory: Inventory) -> OutlinedInventory:
    """Return an inventory with outlines of its facilities."""
    return inventory.with_facilities_as(
        OutlinedInventory, {name: outline_of(facility) for name, facility in inventory.facilities.items()}
    )


def outline_of(facility: Facility) -> Outline:
    """Return a facility's outline."""
    gateway, survey = facility.gateway, facility.survey
    return Outline(
        id=facility.id,
        province=facility.province,
        province_scheme=facility.province_scheme,
        operating=facility.operating,
        plan=_plan_outline(facility, facility.plan),
        successor=_plan_outline(facility, facility.successor),
        has_gateway=gateway is not None,
        public_key=gateway.public_key if gateway else None,
        lan=str(gateway.lan) if gateway else None,
        devices=devices_of(facility),
        cameras=len(facility.cameras),
        paths=sum(2 if camera.streams.main else 1 for camera in facility.cameras),
        protected=facility.protected,
        managing_body=facility.managing_body,
        recorders=len(facility.recorders),
        rtsp_paths=rtsp_paths_of(facility),
        probed_devices=probed_devices_of(facility),
        contact_confirmed_on=facility.contact_confirmed_on,
        surveyed_on=survey.surveyed_on if survey else None,
        opens_on=facility.opens_on,
        closed_on=facility.closed_on,
        remarks=_packed_remarks(facility),
        changing_logins=changing_logins_of(facility),
        next_key=(gateway.next_key.public_key or "") if gateway and gateway.next_key else None,
        relay_port=facility.relay_port,
        public_addresses=tuple(map(str, gateway.public_addresses)) if gateway else (),
        survey_verdict=survey.verdict if survey else None,
        present=survey.cameras.present if survey else 0,
        fit=survey.cameras.fit if survey else 0,
        missing=survey.cameras.missing if survey else 0,
    )


def changing_logins_of(facility: Facility) -> tuple[str, ...]:
    """Return devices with a login change, ended or not, sorted."""
    accepts = accept_of(facility.cameras, facility.recorders)
    return tuple(sorted(device for device, accept in accepts.items() if accept.old.login))


def rtsp_paths_of(facility: Facility) -> str:
    """Return the RTSP paths in a facility's file, as `Outline.rtsp_paths`."""
    streams = (s for camera in facility.cameras for s in (camera.streams.sub, camera.streams.main) if s)
    return "\n".join(sorted({path_as_read(stream.rtsp_path) for stream in streams if stream.rtsp_path}))


def _packed_remarks(facility: Facility) -> str:
    every: tuple[Recorder | Camera, ...] = (*facility.recorders, *facility.cameras)
    devices = {device.id: shown for device in every if (shown := _shown(device))}
    fields, blocked, claimed = _shown(facility), facility.blocked, facility.claimed_connection
    if not (fields or devices or blocked or claimed):
        return ""
    remarks = Remarks(blocked=blocked, claimed_connection=claimed, fields=fields or None, devices=devices or None)
    return remarks.model_dump_json(exclude_none=True)


def _shown(part: Facility | Recorder | Camera) -> dict[str, bool | int | str]:
    names = _in_status(type(part))
    return part.model_dump(mode="json", include=names, exclude_defaults=True) if names else {}


@cache
def _in_status(model: type[Model]) -> set[str]:
    return {name for name, field in model.model_fields.items() if use_of(field).status}


def _plan_outline(facility: Facility, plan: models.ConnectionPlan | None) -> PlanOutline | None:
    if plan is None:
        return None
    content = signed_content(facility, plan)
    proofs, day = proofs_of(facility, plan, content), agreed_on(facility, plan, content)
    backup = plan.backup_relay or ""
    unsigned = unsigned_by(facility, plan, content)
    return PlanOutline(plan.state, plan.carrier, plan.relay, plan.access, proofs, content, day, backup, unsigned)
