"""What a server is told of facilities: custom fields of its sites, where they are other than they should be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from provisioner.base.json_document import Document
from provisioner.importing.dcim.field_places import StatusMapping
from provisioner.importing.dcim.objects import DcimObject, value_at


@dataclass(frozen=True, slots=True)
class ToTell:
    """What a server has to be told.

    Attributes:
        changes: by object, the custom fields that differ.
        same: how many sites are as they should be.
        missing: facilities that no site of the server is.
        doubled: facilities that several sites of the server are; they are told nothing.
    """

    changes: tuple[tuple[DcimObject, Mapping[str, object]], ...]
    same: int
    missing: tuple[str, ...]
    doubled: tuple[str, ...]


def to_tell(objects: Iterable[DcimObject], mapping: StatusMapping, facilities: Iterable[Document]) -> ToTell:
    """What to tell a server of facilities.

    Args:
        objects: its sites.
        mapping: which site is which facility, and which custom field is what.
        facilities: of the `status` document.
    """
    sites: dict[str, list[DcimObject]] = {}
    for one in objects:
        name = value_at(one.fields, mapping.facility_id)
        if isinstance(name, str):
            sites.setdefault(name, []).append(one)
    changes: list[tuple[DcimObject, Mapping[str, object]]] = []
    missing: list[str] = []
    doubled: list[str] = []
    same = 0
    for facility in facilities:
        name = str(facility["facility"])
        known = sites.get(name, [])
        if len(known) != 1:
            (doubled if known else missing).append(name)
            continue
        differing = _differing(known[0], mapping, facility)
        same += not differing
        changes += [(known[0], differing)] if differing else []
    return ToTell(tuple(changes), same, tuple(missing), tuple(doubled))


def _differing(site: DcimObject, mapping: StatusMapping, facility: Document) -> Mapping[str, object]:
    present = site.fields.get("custom_fields")
    fields = present if isinstance(present, dict) else {}
    wanted = {custom: facility[ours] for custom, ours in mapping.fields.items()}
    return {name: value for name, value in wanted.items() if name not in fields or fields[name] != value}
