"""Rows of facilities and surveys, and the values they want."""

from datetime import date
from enum import Enum

from provisioner.base.vietnamese import fold
from provisioner.importing.forms.forms import FACILITIES
from provisioner.importing.grid import error, note, warning
from provisioner.importing.proposal.edits import FacilityDraft, FieldPath
from provisioner.importing.proposal.identity import unit_part
from provisioner.importing.tables.files import ReadRow
from provisioner.inventory.model.facility import Capacity, Facility, Location, Operating, Survey

_PLAIN = tuple(key for key in FACILITIES.fields_of(Facility) if key != "province")
_LOCATION = FACILITIES.fields_of(Location)
_CAPACITY = FACILITIES.fields_of(Capacity)
_UPLINK = {
    "uplink_kind": "kind",
    "uplink_provider": "provider",
    "upload_mbps": "upload_mbps",
    "uplink_address": "address",
    "router": "router",
}
#: Keys of a claim in sheets, with its own.
CLAIM = {"connected_on": "connected_on", "claim_source": "source", "claimed_cameras": "cameras"}
_COUNTS = ("present", "fit", "missing")
_DEVICES = ("rtsp", "logins")
_FOUND = ("gaps", "verdict", "obstacles", "advice")
_NEW_SURVEY = ("by", "uplink_kind", *_COUNTS, "verdict")
_BLOCK = {
    "block_reason": "reason",
    "block_owner": "owner",
    "block_since": "since",
    "block_next": "next_action",
    "block_due": "due",
}


def want_facility(draft: FacilityDraft, row: ReadRow) -> None:
    """Process a row of the sheet of facilities."""
    known_by = {"name", *_LOCATION} if draft.existing and not row.has_facility_id else set()
    # The key is the same in another spelling: keep the file's own.
    for key in _PLAIN:
        if key not in known_by:
            draft.want(row, (key,), key)
    for key in _LOCATION:
        if key not in known_by:
            draft.want(row, ("location", key), key)
    if draft.existing is None:
        draft.want(row, ("province",), "province", draft.province)
    else:
        _report_differences(draft, row, draft.existing, named=not known_by)
    _want_capacity(draft, row)
    _want_claim(draft, row)


def _want_claim(draft: FacilityDraft, row: ReadRow) -> None:
    is_new = draft.existing is None or draft.existing.claimed_connection is None
    if any(row.get(key) is not None for key in CLAIM) and (not is_new or draft.require(row, *list(CLAIM)[:2])):
        for key, name in CLAIM.items():
            draft.want(row, ("claimed_connection", name), key)


def _report_differences(draft: FacilityDraft, row: ReadRow, existing: Facility, *, named: bool) -> None:
    """Report another name or ward for an id, and leaving hosts."""
    name, ward = row.text("name"), row.text("ward")
    if named and name and fold(name) != fold(existing.name):
        draft.say(row, warning("facility-renamed", facility=draft.facility), "name")
    old_ward = existing.location.ward if existing.location else None
    if named and ward and old_ward and unit_part(ward).key != unit_part(old_ward).key:
        draft.say(row, warning("facility-moved", facility=draft.facility), "ward")
    carried = (None, Operating.OPEN.value, Operating.PREPARING.value)
    if existing.rendered and row.get("operating") not in carried:
        draft.say(row, warning("facility-leaves-hosts", facility=draft.facility), "operating")


def _want_capacity(draft: FacilityDraft, row: ReadRow) -> None:
    capacity = draft.existing.capacity if draft.existing else None
    filled = [key for key in _CAPACITY if row.get(key) is not None]
    if filled and capacity is None and "people" not in filled:
        draft.say(row, error("capacity-people"), "people")
        return
    for key in filled:
        draft.want(row, ("capacity", key), key)


def want_survey(draft: FacilityDraft, row: ReadRow) -> None:
    """Process a row of surveys; a later survey replaces the old one."""
    _want_block(draft, row)
    _want_lan(draft, row)
    old_survey = draft.existing.survey if draft.existing else None
    if not draft.require(row, "surveyed_on"):
        return
    day = date.fromisoformat(row.required_text("surveyed_on"))
    if old_survey is not None and day < old_survey.surveyed_on:
        draft.say(row, error("survey-older", day=f"{old_survey.surveyed_on:%d/%m/%Y}"), "surveyed_on")
        return
    if old_survey is None or day > old_survey.surveyed_on:
        if not draft.require(row, *_NEW_SURVEY):
            return
        if old_survey is not None:
            draft.rewritten.add(("survey",))
            _keep_site(draft, row, old_survey)
            draft.say(row, note("survey-newer", day=f"{old_survey.surveyed_on:%d/%m/%Y}"), "surveyed_on")
    _want_findings(draft, row)


def _keep_site(draft: FacilityDraft, row: ReadRow, survey: Survey) -> None:
    """Keep an older survey's values if the table lacks their columns."""
    of_site: dict[str, tuple[FieldPath, object]] = {
        key: (("survey", "uplink", name), getattr(survey.uplink, name)) for key, name in _UPLINK.items()
    }
    of_site |= {key: (("survey", key), getattr(survey, key)) for key in _DEVICES}
    for key, (path, value) in of_site.items():
        if key not in row.table.places:
            draft.want(row, path, key, value.value if isinstance(value, Enum) else value)


def _want_findings(draft: FacilityDraft, row: ReadRow) -> None:
    draft.want(row, ("survey", "surveyed_on"), "surveyed_on")
    draft.want(row, ("survey", "by"), "by")
    for key, name in _UPLINK.items():
        draft.want(row, ("survey", "uplink", name), key)
    for key in _DEVICES:
        draft.want(row, ("survey", key), key)
    for key in _COUNTS:
        draft.want(row, ("survey", "cameras", key), key)
    for key in _FOUND:
        draft.want(row, ("survey", key), key)


def _want_lan(draft: FacilityDraft, row: ReadRow) -> None:
    lan = row.text("lan")
    if lan is None:
        return
    if draft.existing and draft.existing.gateway:
        draft.want(row, ("gateway", "lan"), "lan")
    else:
        draft.lan = lan
        draft.say(row, note("lan-not-kept"), "lan")


def _want_block(draft: FacilityDraft, row: ReadRow) -> None:
    """Process a facility's obstacle; the file's own is never removed."""
    reason = row.get("block_reason")
    obstacle = draft.existing.blocked if draft.existing else None
    filled = {key for key in _BLOCK if row.get(key) not in (None, "")}
    if reason == "":
        if obstacle is not None:
            draft.say(row, warning("block-stands"), "block_reason")
        return
    if not filled:
        return
    if obstacle is None:
        needed = [key for key in ("block_reason", "block_owner", "block_next", "block_due") if key not in filled]
        if needed:
            headers = "; ".join(row.table.form.by_key[key].header for key in needed)
            draft.say(row, error("block-incomplete", columns=headers), "block_reason")
            return
        draft.want(row, ("blocked", "since"), "block_since", row.get("block_since") or row.get("surveyed_on"))
    for key, name in _BLOCK.items():
        draft.want(row, ("blocked", name), key)
