"""A board, made of the inventory's facilities and of what verifications said of their paths. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from provisioner.base.vietnamese import fold
from provisioner.geography import ProvinceError
from provisioner.inventory.model import Camera, Facility, Inventory
from provisioner.lifecycle.status import FacilityStatus
from provisioner.verify.result import Verdict
from provisioner.web.board import Board, FacilityRow, SeenPath, total, worst_of
from provisioner.web.groups import by_carrier, by_province
from provisioner.web.incidents import incidents_of
from provisioner.web.merged import Merged


@dataclass(frozen=True, slots=True)
class SeenSince:
    """What the history of verdicts says of a path now.

    Attributes:
        verdict: of the last look that could tell.
        since: the first look of the state that lasts.
        looks: how many looks saw it.
        unknown_since: the first of the looks since that could not tell; None where the last one could.
    """

    verdict: str
    since: datetime
    looks: int
    unknown_since: datetime | None = None


def build_board(
    inventory: Inventory,
    statuses: Iterable[FacilityStatus],
    merged: Merged,
    *,
    since: Mapping[str, SeenSince],
    unread: Sequence[str] = (),
    revision: str = "",
) -> Board:
    """Put the inventory and what was seen together.

    Args:
        inventory: what the files say, without texts that are shown nowhere.
        statuses: where each facility stands.
        merged: what verifications said.
        since: since when each path is as it is, where the history of verdicts says it.
        unread: facilities whose files cannot be understood.
        revision: of what is recorded.
    """
    by_facility: dict[str, list[SeenPath]] = defaultdict(list)
    for path in merged.paths:
        by_facility[path.facility].append(_dated(path, since.get(path.name)))
    names = {carrier.id: carrier.name for carrier in inventory.carriers.values()}
    rows = []
    for status in statuses:
        facility = status.facility
        province = inventory.province_counted(facility)
        names[province] = _province_name(inventory, facility)
        rows.append(_facility_row(status, province, by_facility.pop(facility.id, [])))
    rows.sort(key=lambda row: (row.province, row.id))
    incidents = incidents_of(rows, merged.hosts)
    return Board(
        inventory=inventory.settings.id,
        scheme=inventory.settings.province_scheme,
        verified_at=merged.verified_at,
        oldest_at=merged.oldest_at,
        engine=merged.engine,
        counts=total(row.counts for row in rows),
        provinces=by_province(rows, incidents, names),
        carriers=by_carrier(rows, incidents, names),
        facilities=tuple(rows),
        incidents=incidents,
        unread=tuple(unread),
        revision=revision,
    )


def _province_name(inventory: Inventory, facility: Facility) -> str:
    try:
        return inventory.province_today(facility).name
    except ProvinceError:
        return facility.province


def _dated(path: SeenPath, seen: SeenSince | None) -> SeenPath:
    """A path with since when it is so; the history knows it of paths that are up as well."""
    if seen is None:
        return path
    if path.verdict == Verdict.UNKNOWN and seen.unknown_since:
        return replace(path, since=seen.unknown_since)
    if seen.verdict not in {path.verdict, path.would_be}:
        return path
    return replace(path, since=seen.since, looks=seen.looks)


def _facility_row(status: FacilityStatus, province: str, paths: list[SeenPath]) -> FacilityRow:
    facility = status.facility
    cameras = {camera.id: camera for camera in facility.cameras}
    placed = tuple(_placed(path, cameras.get(path.camera)) for path in paths)
    counts = total([Counter(path.verdict for path in placed)])
    worst = worst_of(counts)
    plans = [plan.carrier for plan in (facility.plan, facility.successor) if plan]
    location = facility.location
    address = [part for part in (location.street, location.ward, location.district) if part] if location else []
    return FacilityRow(
        id=facility.id,
        name=facility.name,
        key=f"{fold(facility.name)}-{facility.id}",
        province=province,
        carriers=tuple(sorted({*plans, *(path.carrier for path in placed)})),
        folder=facility.province,
        kind=facility.kind.value,
        managing_body=facility.managing_body.value,
        operating=facility.operating.value,
        address=", ".join(address),
        state=status.standing.state.value,
        timeliness=status.timeliness.value,
        cameras=facility.camera_count,
        counts=counts,
        worst=worst,
        since=min((p.since for p in placed if p.verdict == worst and p.since), default=None),
        paths=placed,
    )


def _placed(path: SeenPath, camera: Camera | None) -> SeenPath:
    return replace(path, zone=camera.zone.value, where=camera.location or "") if camera else path
