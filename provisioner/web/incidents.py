"""Paths to incidents, for whoever sees those paths: what is broken once stands there once. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from provisioner.verify.incidents import NO_INCIDENT, incident_causes, incident_detail
from provisioner.verify.result import Layer
from provisioner.web.board import WORST_FIRST, FacilityRow, IncidentRow, SeenPath, worst_of

_LAYERS: Final = [layer.value for layer in Layer]
_VERDICTS: Final = (*WORST_FIRST, "")


def incidents_of(facilities: Iterable[FacilityRow], hosts: Iterable[IncidentRow]) -> tuple[IncidentRow, ...]:
    """The incidents of some facilities' paths, as `verify.incidents` makes them, the worst and the largest first.

    Args:
        facilities: with the paths that are seen, each of which names what is broken.
        hosts: what is wrong with hosts themselves.
    """
    by_id = {facility.id: facility for facility in facilities}
    failing = (path for facility in by_id.values() for path in facility.paths if path.verdict not in NO_INCIDENT)
    groups: dict[tuple[str, str, str], list[tuple[SeenPath, FacilityRow]]] = defaultdict(list)
    for path, cause in incident_causes(failing):
        if path.layer:
            groups[path.layer, path.object, cause].append((path, by_id[path.facility]))
    incidents = [_incident(key, of) for key, of in groups.items()]
    return tuple(sorted([*incidents, *hosts], key=_gravity))


def _incident(key: tuple[str, str, str], of: Sequence[tuple[SeenPath, FacilityRow]]) -> IncidentRow:
    layer, what, cause = key
    return IncidentRow(
        layer=layer,
        object=what,
        cause=cause,
        verdict=worst_of(Counter(path.verdict for path, _ in of)),
        detail=incident_detail([path for path, _ in of]),
        since=min((path.since for path, _ in of if path.since), default=None),
        paths=tuple(path.name for path, _ in of),
        facilities=tuple(sorted({facility.id for _, facility in of})),
        provinces=tuple(sorted({facility.province for _, facility in of})),
        carriers=tuple(sorted({path.carrier for path, _ in of})),
    )


def _gravity(one: IncidentRow) -> tuple[int, int, int, str, str]:
    layer = _LAYERS.index(one.layer) if one.layer in _LAYERS else len(_LAYERS)
    return _VERDICTS.index(one.verdict), -len(one.paths), layer, one.object, one.cause
