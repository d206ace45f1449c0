"""What a template is filled with: the inventory of a province as rows. Reading them back changes nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from provisioner.contacts.model import PERSONAL_FIELDS, Contact, revealed
from provisioner.geography import by_slug
from provisioner.importing.forms import choices as words
from provisioner.importing.forms.all_forms import FORM_OF
from provisioner.importing.forms.choices import DeviceKind
from provisioner.importing.forms.columns import FormKind
from provisioner.inventory.model import Camera, Facility, Inventory, Recorder, StreamName

TemplateRow = Mapping[str, str]
"""A row: texts by the keys of their columns."""

_GROUP = 3


@dataclass(frozen=True)
class TemplateContent:
    """What a template is filled with.

    Attributes:
        inventory: what there is.
        province: the slug of the facilities' folder.
        contacts: the province's contacts, or none.
    """

    inventory: Inventory
    province: str
    contacts: tuple[Contact, ...] = ()

    @property
    def _facilities(self) -> tuple[Facility, ...]:
        return tuple(f for _, f in sorted(self.inventory.facilities.items()) if f.province == self.province)

    def rows(self, kind: FormKind) -> tuple[TemplateRow, ...]:
        """The rows of a sheet."""
        if kind is FormKind.CONTACTS:
            rows = [_contact(contact) for contact in self.contacts]
        elif kind is FormKind.FACILITIES:
            rows = [self._facility(facility) for facility in self._facilities]
        elif kind is FormKind.SURVEYS:
            rows = [_survey(facility) for facility in self._facilities if facility.survey]
        else:
            rows = [row for facility in self._facilities for row in _devices(facility)]
        return tuple(_texts(kind, row) for row in rows)

    def _facility(self, facility: Facility) -> dict[str, object]:
        scheme = self.inventory.scheme_of(facility.province_scheme)
        capacity = facility.capacity.model_dump() if facility.capacity else {}
        plain = ("name", "kind", "managing_body", "operating", "opens_on", "opened_on", "closed_on", "notice_posted_on")
        own = {key: getattr(facility, key) for key in plain}
        where = facility.location.model_dump() if facility.location else {}
        named = {"facility_id": facility.id, "province": by_slug(facility.province, scheme).name}
        return named | own | where | capacity


def _survey(facility: Facility) -> dict[str, object]:
    survey, blocked = facility.survey, facility.blocked
    if survey is None:
        return {}
    row = {
        "facility_id": facility.id,
        "facility_name": facility.name,
        "surveyed_on": survey.surveyed_on,
        "by": "; ".join(words.PARTIES.label(party) for party in survey.by),
        "uplink_kind": survey.uplink.kind,
        "uplink_provider": survey.uplink.provider,
        "upload_mbps": survey.uplink.upload_mbps,
        "uplink_address": survey.uplink.address,
        "router": survey.uplink.router,
        "lan": facility.gateway.lan if facility.gateway else None,
        **survey.cameras.model_dump(),
        "gaps": "; ".join(words.ZONES.label(zone) for zone in survey.gaps),
        **{key: getattr(survey, key) for key in ("rtsp", "logins", "verdict", "obstacles", "advice")},
    }
    if blocked:
        row |= {"block_reason": blocked.reason, "block_owner": blocked.owner, "block_since": blocked.since}
        row |= {"block_next": blocked.next_action, "block_due": blocked.due}
    return row


def _devices(facility: Facility) -> Iterator[dict[str, object]]:
    shared = {"facility_id": facility.id, "facility_name": facility.name}
    for recorder in facility.recorders:
        yield shared | _recorder(recorder)
    for camera in facility.cameras:
        yield shared | _camera(camera)


def _recorder(recorder: Recorder) -> dict[str, object]:
    row = {"device": DeviceKind.RECORDER, "recorder_id": recorder.id}
    keys = ("make", "model", "address", "port", "analog_channels", "ip_channels")
    return row | {key: getattr(recorder, key) for key in keys}


def _camera(camera: Camera) -> dict[str, object]:
    row: dict[str, object] = {"camera_id": camera.id, "audio": "Có" if camera.audio else None}
    row |= {key: getattr(camera, key) for key in ("zone", "location", "model")}
    if camera.recorder:
        numbered = {"ip_channel": camera.ip_channel} if camera.ip_channel else {"channel": camera.channel}
        row |= {"device": DeviceKind.CHANNEL, "recorder_id": camera.recorder, **numbered}
    else:
        row |= {"device": DeviceKind.CAMERA, "make": camera.make, "address": camera.address, "port": camera.port}
    for name in StreamName:
        stream = camera.streams.sub if name is StreamName.SUB else camera.streams.main
        if stream:
            row[f"{name.value}_size"] = f"{stream.width}x{stream.height}"
            row |= {f"{name.value}_{key}": getattr(stream, key) for key in ("codec", "kbps", "fps", "rtsp_path")}
    return row


def _contact(contact: Contact) -> dict[str, object]:
    personal = {key: revealed(getattr(contact, key)) for key in PERSONAL_FIELDS}
    days = {"valid_from": contact.valid_from, "valid_to": contact.valid_to}
    return {"facility_id": contact.facility, "role": contact.role, **personal, **days}


def _texts(kind: FormKind, row: Mapping[str, object]) -> TemplateRow:
    columns = FORM_OF[kind].by_key
    return {key: _text(columns[key].choice, value) for key, value in row.items() if value not in (None, "")}


def _text(choice: words.Choice | None, value: object) -> str:
    if choice is not None and isinstance(value, str) and value in choice.words:
        return choice.label(value)
    if isinstance(value, date):
        return f"{value:%d/%m/%Y}"
    return decimal_text(value) if isinstance(value, float) else str(value)


def decimal_text(value: float) -> str:
    """A number with a comma; three digits behind it would be read as grouped thousands, so there are four."""
    whole, _, rest = f"{value:f}".rstrip("0").rstrip(".").partition(".")
    return f"{whole},{rest}{'0' if len(rest) == _GROUP else ''}" if rest else whole
