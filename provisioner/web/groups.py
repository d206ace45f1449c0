"""Facilities counted by province and by carrier. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from provisioner.web.board import FacilityRow, GroupRow, IncidentRow, total


def by_province(
    facilities: Iterable[FacilityRow], incidents: Iterable[IncidentRow], names: Mapping[str, str]
) -> Mapping[str, GroupRow]:
    """The provinces that have a facility, by slug."""
    groups: dict[str, list[FacilityRow]] = {}
    for facility in facilities:
        groups.setdefault(facility.province, []).append(facility)
    touched = Counter(slug for incident in incidents for slug in incident.provinces)
    return {
        slug: GroupRow(slug, names.get(slug, slug), len(of), total(f.counts for f in of), touched[slug])
        for slug, of in sorted(groups.items())
    }


def by_carrier(
    facilities: Iterable[FacilityRow], incidents: Iterable[IncidentRow], names: Mapping[str, str]
) -> Mapping[str, GroupRow]:
    """The carriers that carry something, by id."""
    counts: dict[str, Counter[str]] = {}
    carrying: Counter[str] = Counter()
    for facility in facilities:
        carrying.update(facility.carriers)
        for path in facility.paths:
            counts.setdefault(path.carrier, Counter())[path.verdict] += 1
    touched = Counter(carrier for incident in incidents for carrier in incident.carriers)
    return {
        id_: GroupRow(id_, names.get(id_, id_), carrying[id_], total([counts.get(id_, {})]), touched[id_])
        for id_ in sorted({*counts, *carrying})
    }
