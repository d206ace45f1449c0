"""Facilities in outline: what rules across files and lists of all facilities need of a facility's file.

Outlines of ten thousand facilities come from the cache in a twentieth of the time that the facilities themselves take.
What needs more of a facility takes the `Facility`, or adds a field here.
"""

from __future__ import annotations

from datetime import date
from functools import cache, lru_cache
from typing import NamedTuple

from provisioner.base.private_text import path_as_read
from provisioner.inventory.allocate import asked_devices_of, devices_of
from provisioner.inventory.model import (
    Access,
    Blocked,
    Camera,
    ClaimedConnection,
    ConnectionPlan,
    Facility,
    Frame,
    Inventory,
    ManagingBody,
    Model,
    Operating,
    Party,
    PlanState,
    ProvinceScheme,
    Recorder,
    Slug,
    SurveyVerdict,
    accept_of,
    relays_of,
)
from provisioner.inventory.model.base import use_of
from provisioner.inventory.signed import SignOffProof, Worth, agreed_on, proofs_of, signed_content, unsigned_by


class PlanOutline(NamedTuple):
    """A plan or successor, with the hash of what is signed and what its sign-offs prove by themselves.

    Attributes:
        agreed_on: the last day of the sign-offs, if all three parties have signed exactly what an agreed plan says.
        unsigned: the parties that have not signed what the plan says now.
    """

    state: PlanState
    carrier: str
    relay: str
    access: Access
    proofs: tuple[SignOffProof, ...] = ()
    content: str = ""
    agreed_on: date | None = None
    backup_relay: str = ""
    unsigned: tuple[Party, ...] = ()

    @property
    def agreed(self) -> bool:
        """Whether the plan says that it is agreed."""
        return self.state is PlanState.AGREED


class Remarks(Model):
    """What stands in a facility's way, what is claimed of it, and what reports show of its devices."""

    blocked: Blocked | None = None
    claimed_connection: ClaimedConnection | None = None
    devices: dict[Slug, dict[str, bool | int | str]] | None = None
    """Of each device that has any, by its id, the fields that are marked `Use(status=True)`."""


_NO_REMARKS = Remarks.model_construct(blocked=None, claimed_connection=None, devices=None)


class Outline(NamedTuple):
    """A facility without its devices, the text of its survey, and its place.

    Attributes:
        id: the facility's id; `province`, `province_scheme`, `operating` as well are as in its file.
        plan: carrier, relay and access mode, and whether that is agreed; `successor` is the next connection's.
        has_gateway: whether the file describes the site's router; `public_key` and `lan` are the router's.
        devices: what a relay reaches: recorders, and cameras with an address of their own; sorted.
        cameras: how many there are.
        paths: how many media paths those have: one each stream.
        protected: as in its file; so is `managing_body`.
        recorders: how many there are.
        rtsp_paths: the paths and queries that stand in it for devices' RTSP addresses, each once, a line each, as they
            are read; empty where all are the makes' own.
        public_addresses: from where a site that pushes comes, where that is known.
        next_key: while its gateway's key is changed the next one; empty where nobody reported that yet.
        relay_port: the port of its relays that its gateway dials; 0 where that is their first one.
        changing_logins: those of its devices of which either login is taken for a while (`accept`); sorted.
        asked_devices: those of its devices that are asked about themselves by ONVIF; sorted.
        contact_confirmed_on: as in its file; so are `opens_on` and `closed_on`. `surveyed_on` is the survey's.
        survey_verdict: the survey's, if there is one; `present`, `fit` and `missing` are the cameras that it counted.
        remarks: its `Remarks` as JSON; empty where there are none.
    """

    id: str
    province: str
    province_scheme: ProvinceScheme | None
    operating: Operating
    plan: PlanOutline | None
    successor: PlanOutline | None
    has_gateway: bool
    public_key: str | None
    lan: str | None
    devices: tuple[str, ...]
    cameras: int
    paths: int
    protected: bool
    managing_body: ManagingBody
    recorders: int = 0
    rtsp_paths: str = ""
    asked_devices: tuple[str, ...] = ()
    contact_confirmed_on: date | None = None
    surveyed_on: date | None = None
    opens_on: date | None = None
    closed_on: date | None = None
    remarks: str = ""
    changing_logins: tuple[str, ...] = ()
    next_key: str | None = None
    relay_port: int = 0
    public_addresses: tuple[str, ...] = ()
    survey_verdict: SurveyVerdict | None = None
    present: int = 0
    fit: int = 0
    missing: int = 0

    @property
    def read_remarks(self) -> Remarks:
        """What stands in its way, and what is claimed of it; read from their text each time."""
        return Remarks.model_validate_json(self.remarks) if self.remarks else _NO_REMARKS

    @property
    def carried_plans(self) -> tuple[PlanOutline, ...]:
        """The plans that hosts carry out: as `Facility.carried_plans` has them."""
        if not self.operating.is_carried or not self.has_gateway:
            return ()
        return tuple(plan for plan in (self.plan, self.successor) if plan and plan.agreed)

    @property
    def relays(self) -> tuple[str, ...]:
        """The relays that carry it, one a connection."""
        return tuple(relay for _, relay in relays_of(self.carried_plans))

    @property
    def rendered(self) -> bool:
        """Whether hosts carry this facility."""
        return bool(self.carried_plans)


class OutlinedInventory(Frame):
    """An inventory whose facilities are in outline. Mappings are by id and in the order of ids."""

    facilities: dict[Slug, Outline]


def outlined(inventory: Inventory) -> OutlinedInventory:
    """Return an inventory with its facilities in outline."""
    return inventory.joined(OutlinedInventory, {name: outline_of(one) for name, one in inventory.facilities.items()})


def outline_of(facility: Facility) -> Outline:
    """A facility's outline."""
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
        asked_devices=asked_devices_of(facility),
        contact_confirmed_on=facility.contact_confirmed_on,
        surveyed_on=survey.surveyed_on if survey else None,
        opens_on=facility.opens_on,
        closed_on=facility.closed_on,
        remarks=_remarks_of(facility),
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
    """The devices whose login is under change, whether or not the day of it is over; sorted."""
    accepts = accept_of(facility.cameras, facility.recorders)
    return tuple(sorted(device for device, accept in accepts.items() if accept.old.login))


def rtsp_paths_of(facility: Facility) -> str:
    """The RTSP paths that stand in a facility's file, as `Outline.rtsp_paths` has them."""
    streams = (s for camera in facility.cameras for s in (camera.streams.sub, camera.streams.main) if s)
    return "\n".join(sorted({path_as_read(stream.rtsp_path) for stream in streams if stream.rtsp_path}))


def _remarks_of(facility: Facility) -> str:
    devices = _shown_devices(facility) or None
    if facility.blocked is None and facility.claimed_connection is None and devices is None:
        return ""
    remarks = Remarks(blocked=facility.blocked, claimed_connection=facility.claimed_connection, devices=devices)
    return remarks.model_dump_json(exclude_none=True)


def _shown_devices(facility: Facility) -> dict[str, dict[str, bool | int | str]]:
    shown = {}
    devices: tuple[Recorder | Camera, ...] = (*facility.recorders, *facility.cameras)
    for one in devices:
        if names := _in_status(type(one)):
            shown[one.id] = one.model_dump(mode="json", include=names, exclude_defaults=True)
    return {device: values for device, values in shown.items() if values}


@cache
def _in_status(model: type[Model]) -> set[str]:
    return {name for name, field in model.model_fields.items() if use_of(field).status}


def _plan_outline(facility: Facility, plan: ConnectionPlan | None) -> PlanOutline | None:
    if plan is None:
        return None
    content = signed_content(facility, plan)
    proofs, day = proofs_of(facility, plan, content), agreed_on(facility, plan, content)
    backup = plan.backup_relay or ""
    unsigned = unsigned_by(facility, plan, content)
    return PlanOutline(plan.state, plan.carrier, plan.relay, plan.access, proofs, content, day, backup, unsigned)


PackedProof = tuple[str, str, str, str, str, str]
"""What a sign-off proves in JSON, where a tuple is a list: it is only ever taken apart."""
PackedPlan = tuple[str, str, str, str, list[PackedProof], str, str, str, list[str]]
"""A plan's outline in JSON, where a tuple is a list: it is only ever taken apart."""
_Plans = tuple[PackedPlan | None, PackedPlan | None]
_Gateway = tuple[bool, str | None, str | None]
_Days = tuple[str, str, str, str]
_Words = list[str]
_Next = tuple[str | None, int]
_Survey = tuple[str, int, int, int]
PackedOutline = tuple[
    str,
    str,
    str | None,
    str,
    *_Plans,
    *_Gateway,
    _Words,
    int,
    int,
    bool,
    str,
    int,
    str,
    _Words,
    *_Days,
    str,
    _Words,
    *_Next,
    _Words,
    *_Survey,
]
"""An outline in JSON, likewise: its values in their order."""


def packed(outline: Outline) -> list[object]:
    """An outline as JSON's own values, without names: it is written ten thousand times."""
    plans = _packed_plan(outline.plan), _packed_plan(outline.successor)
    days = map(_written, outline[-13:-9])
    following = outline.next_key, outline.relay_port, list(outline.public_addresses)
    rest = outline.remarks, list(outline.changing_logins), *following, outline.survey_verdict or "", *outline[-3:]
    return [*outline[:4], *plans, *outline[6:-13], *days, *rest]


def _packed_plan(plan: PlanOutline | None) -> list[object] | None:
    return [*plan[:-3], _written(plan.agreed_on), plan.backup_relay, list(plan.unsigned)] if plan else None


def _written(day: date | None) -> str:
    return day.isoformat() if day else ""


def unpacked(values: PackedOutline) -> Outline:
    """The outline that was packed.

    Raises:
        ValueError, TypeError, LookupError: these are no packed outline.
    """
    name, province, scheme, operating, plan, successor = values[:6]
    has_gateway, key, lan, devices, cameras, paths, protected, body, recorders, rtsp_paths, asked = values[6:17]
    confirmed, surveyed, opens, closed, remarks, changing, following, relay_port, public = values[17:26]
    verdict, present, fit, missing = values[26:]
    return Outline(
        name,
        province,
        ProvinceScheme(scheme) if scheme else None,
        _OPERATING[operating],
        _unpacked_plan(plan),
        _unpacked_plan(successor),
        has_gateway,
        key,
        lan,
        tuple(devices),
        cameras,
        paths,
        protected,
        _BODIES[body],
        recorders,
        rtsp_paths,
        tuple(asked),
        _day(confirmed),
        _day(surveyed),
        _day(opens),
        _day(closed),
        remarks,
        tuple(changing),
        following,
        relay_port,
        tuple(public),
        _VERDICTS[verdict] if verdict else None,
        present,
        fit,
        missing,
    )


def _unpacked_plan(values: PackedPlan | None) -> PlanOutline | None:
    if not values:
        return None
    state, carrier, relay, access, listed, content, agreed, backup, missing = values
    proofs = tuple([_unpacked_proof(tuple(proof)) for proof in listed])
    unsigned = tuple([_PARTIES[party] for party in missing])
    return PlanOutline(_STATES[state], carrier, relay, _ACCESS[access], proofs, content, _day(agreed), backup, unsigned)


# A country's facilities are signed on the same few days, by the same few keys.
@lru_cache(maxsize=4096)
def _unpacked_proof(values: PackedProof) -> SignOffProof:
    party, day, worth, inventory, key, fault = values
    return SignOffProof(_PARTIES[party], day, _WORTHS[worth], inventory, key, fault)


@lru_cache(maxsize=4096)
def _day(written: str) -> date | None:
    return date.fromisoformat(written) if written else None


# An enumeration's own look-up takes as long as all the rest of an outline.
_OPERATING = {member.value: member for member in Operating}
_BODIES = {member.value: member for member in ManagingBody}
_ACCESS = {member.value: member for member in Access}
_STATES = {member.value: member for member in PlanState}
_PARTIES = {member.value: member for member in Party}
_VERDICTS = {member.value: member for member in SurveyVerdict}
_WORTHS = {member.value: member for member in Worth}
