"""A facility's file as a command begins, describes, closes or reopens it: the smallest edit, held against all rules.

None of these writes anything: an edit is shown first, and written by whoever asked for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from provisioner.base.errors import UsageError
from provisioner.base.printable import printable
from provisioner.base.vietnamese import clean, fold
from provisioner.inventory.files.edit import Flow
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.loader.load import Loaded
from provisioner.inventory.model import (
    ManagingBody,
    Operating,
    Party,
    SurveyVerdict,
    UplinkKind,
)
from provisioner.inventory.model.facility import FacilityKind
from provisioner.inventory.operations.file_edit import Edits, FacilityText, FileEdit, frame_of
from provisioner.inventory.operations.next_id import next_facility

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class NewFacility:
    """What is known of a facility when it is registered; empty is what nobody said.

    Attributes:
        province: the province's slug.
        name: the building's name.
        kind: what it is when nobody is in quarantine.
        managing_body: who runs it.
        id: its id; the next free one of the province where it is left out.
        operating: whether people are in it.
        opens_on: the day on which people are to come.
        street, ward, district: where it is.
        people: for how many people it is.
        same_name: whether another facility of the province may have that name.
    """

    province: str
    name: str
    kind: FacilityKind
    managing_body: ManagingBody
    id: str = ""
    operating: Operating = Operating.OPEN
    opens_on: date | None = None
    street: str = ""
    ward: str = ""
    district: str = ""
    people: int | None = None
    same_name: bool = False


def added(edits: Edits, new: NewFacility) -> FileEdit:
    """The file of a new facility.

    Raises:
        UsageError: the id is in use or was, or another facility of the province has the name.
        InventoryError: what it says breaks a rule, or inventory.yml or the lock cannot be understood.
    """
    loaded = edits.load()
    frame_of(loaded)  # without the lock nobody knows which ids there were
    if not _ID.fullmatch(new.province):
        hint = "name its slug, e.g. bac-giang: see `provisioner geography`"
        raise UsageError(f"{printable(new.province, _SHOWN)} is no province", hint=hint)
    name = new.id or _next_id(loaded, new.province)
    _refuse_known(loaded, name)
    if not new.same_name and (twin := _namesake(loaded, new)):
        hint = "if it is another building add --same-name; if it is this one, edit that"
        raise UsageError(f"{twin} in {new.province} has this name already", hint=hint, object=twin)
    values: dict[str, object] = {
        "province": new.province,
        "name": clean(new.name),
        "kind": new.kind.value,
        "managing_body": new.managing_body.value,
        "operating": new.operating.value,
    }
    if new.opens_on:
        values["opens_on"] = new.opens_on.isoformat()
    location = {"street": clean(new.street), "ward": clean(new.ward), "district": clean(new.district)}
    if any(location.values()):
        values["location"] = {key: text for key, text in location.items() if text}
    if new.people is not None:
        values["capacity"] = {"people": new.people}
    path = edits.root / "facilities" / new.province / f"{name}.yml"
    text = FacilityText(path, f"version: 1\nid: {name}\n".encode())
    return edits.edit(loaded, name, None, text.with_values({(key,): value for key, value in values.items()}))


def _refuse_known(loaded: Loaded, name: str) -> None:
    """Refuse an id that somebody has or had: it is part of paths, addresses and the history."""
    if not _ID.fullmatch(name):
        hint = "an id is of small letters, digits and single hyphens, e.g. kcl-bg-003"
        raise UsageError(f"{printable(name, _SHOWN)} is no id", hint=hint)
    if name in loaded.outlines or f"facility/{name}" in loaded.places.sources:
        raise UsageError(f"there is a facility {name} already", hint="name another id", object=name)
    if name in _retired(loaded):
        hint = "name another id; to open that one again take its file back from Git"
        raise UsageError(f"{name} was a facility's id, and is not given out again", hint=hint, object=name)


def _retired(loaded: Loaded) -> set[str]:
    stones = loaded.frame.allocations.tombstones if loaded.frame else ()
    return {stone.object.split("/")[1] for stone in stones if stone.object.startswith("site/")}


def _next_id(loaded: Loaded, province: str) -> str:
    """The next free id of a province; a retired one is none."""
    owners = (owner.partition("/")[2] for owner in loaded.places.sources)
    return next_facility(province, (*loaded.outlines, *_retired(loaded), *owners))


def _namesake(loaded: Loaded, new: NewFacility) -> str:
    wanted = fold(new.name)
    here = (name for name, outline in loaded.outlines.items() if outline.province == new.province)
    return next((name for name in here if fold(loaded.facility(name).name) == wanted), "")


# --- what was found there ---------------------------------------------------------------------------


def contact_confirmed(edits: Edits, facility: str, day: date) -> FileEdit:
    """A facility's file in which the DIC's list names a current representative since a day.

    Raises:
        InventoryError: the facility cannot be read, or what it says then breaks a rule.
        UsageError: there is no such facility.
    """
    opened = edits.open(facility)
    return opened.edited(opened.text.with_values({("contact_confirmed_on",): day.isoformat()}))


@dataclass(frozen=True, slots=True)
class SurveyOrder:
    """What DIC, Health and the carrier found at a facility.

    Attributes:
        day: when they were there.
        by: who was.
        uplink: how it reaches the Internet.
        upload_mbps: megabits a second towards it; None where nobody measured.
        present, fit, missing: cameras that are there, that will do, that are to be added.
        verdict: what it comes to.
    """

    day: date
    by: Sequence[Party]
    uplink: UplinkKind
    upload_mbps: float | None
    present: int
    fit: int
    missing: int
    verdict: SurveyVerdict


def surveyed(edits: Edits, facility: str, order: SurveyOrder) -> FileEdit:
    """A facility's file with the survey; what an older one says beside (devices, gaps, obstacles) stays.

    Raises:
        InventoryError: the facility cannot be read, or what it says then breaks a rule.
        UsageError: there is no such facility.
    """
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    upload = {} if order.upload_mbps is None else {"upload_mbps": order.upload_mbps}
    values: dict[str, object] = {
        "surveyed_on": order.day.isoformat(),
        "by": [party.value for party in order.by],
        "uplink": Flow(kind=order.uplink.value, **upload),
        "cameras": Flow(present=order.present, fit=order.fit, missing=order.missing),
        "verdict": order.verdict.value,
    }
    if site.survey is None:
        changed = text.with_values({("survey",): values})
    else:
        below = {"uplink", "cameras"}
        places: dict[KeyPath, object] = {("survey", key): value for key, value in values.items() if key not in below}
        places |= {("survey", "uplink", "kind"): order.uplink.value}
        places |= {("survey", "uplink", key): value for key, value in upload.items()}
        counts = {"present": order.present, "fit": order.fit, "missing": order.missing}
        changed = text.with_values(places | {("survey", "cameras", key): count for key, count in counts.items()})
    return opened.edited(changed)


# --- closing and opening ----------------------------------------------------------------------------


def closed(edits: Edits, facility: str, day: date | None) -> FileEdit:
    """A facility's file, closed on a day: the next apply takes it off every host.

    Without a day it is today's, or the one that the file of a closed one has.

    Raises:
        UsageError: it is protected, or the day is one to come.
        InventoryError: the facility cannot be read, or what it says then breaks a rule.
    """
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    if site.operating is Operating.CLOSED and day is None:
        return opened.unchanged
    day = day or edits.today
    if site.protected and site.operating is not Operating.CLOSED:
        hint = "remove `protected: true` in a change of its own, have it reviewed and applied, then close it"
        raise UsageError(f"facility {facility} is protected", hint=hint, object=facility)
    if day > edits.today:
        hint = "close it on that day: the next apply takes its pictures off, whatever day the file names"
        raise UsageError(f"--on {day} is a day to come", hint=hint, object=facility)
    if site.opens_on and site.opens_on > day:
        text = text.without(("opens_on",))
    changes: dict[KeyPath, object] = {("operating",): Operating.CLOSED.value, ("closed_on",): day.isoformat()}
    return opened.edited(text.with_values(changes))


def reopened(edits: Edits, facility: str, operating: Operating, day: date | None) -> FileEdit:
    """A facility's file, open since a day, or prepared for people who come on it.

    Without a day it is today's, or the one that the file of an open one has.

    Raises:
        UsageError: it is to be closed, which is no opening, or people are to come on a day that is over.
        InventoryError: the facility cannot be read, or what it says then breaks a rule.
    """
    if not operating.is_carried:
        raise UsageError(f"{operating.value} is no opening", hint="open or preparing")
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    if site.operating is operating and day is None:
        return opened.unchanged
    day = day or edits.today
    if operating is Operating.PREPARING and day < edits.today:
        hint = "name the day on which they are to come; if they have come leave --opens-on out, or name it with --on"
        raise UsageError(f"--opens-on {day} is over", hint=hint, object=facility)
    key = "opened_on" if operating is Operating.OPEN else "opens_on"
    text = text.without(("closed_on",)).with_values({("operating",): operating.value, (key,): day.isoformat()})
    return opened.edited(text)
