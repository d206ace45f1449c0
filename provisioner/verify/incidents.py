"""Verdicts to incidents: what is broken once is reported once, with all the paths that suffer. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import product

from provisioner.verify.network import UNANSWERED
from provisioner.verify.result import Cause, Incident, Layer, PathVerdict, Verdict
from provisioner.verify.wanted import PathToCheck

Key = tuple[Layer, str, Cause]
# What all channels of a recorder have together is the recorder's.
_OF_CHANNELS = ((Layer.CAMERA, Cause.SILENT), (Layer.PICTURE, Cause.NO_VIDEO))


def incidents_of(verdicts: Sequence[PathVerdict], targets: Iterable[PathToCheck]) -> tuple[Incident, ...]:
    """The incidents, the highest layer and the most paths first; what is in a maintenance window raises none."""
    groups: dict[Key, list[PathVerdict]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.verdict not in {Verdict.UP, Verdict.MAINTENANCE} and verdict.layer is not None:
            groups[verdict.layer, verdict.object, verdict.cause].append(verdict)
    devices = {target.path.name: (target.path.facility, target.path.device) for target in targets}
    groups = _whole_sites(groups, devices)
    groups = _whole_recorders(groups, devices)
    incidents = (
        Incident(layer, name, cause, tuple(sorted(p.path for p in paths)), paths[0].detail)
        for (layer, name, cause), paths in groups.items()
    )
    return tuple(sorted(incidents, key=lambda i: (i.layer.rank, -len(i.paths), i.object, i.cause)))


def _whole_sites(
    groups: dict[Key, list[PathVerdict]], devices: dict[str, tuple[str, str]]
) -> dict[Key, list[PathVerdict]]:
    """Make one incident of a site none of whose devices is reached, for the cause that its access mode names."""
    of_site: dict[str, set[str]] = defaultdict(set)
    for facility, device in devices.values():
        of_site[facility].add(f"{facility}/{device}")
    for (facility, names), cause in product(of_site.items(), sorted(set(UNANSWERED.values()))):
        missing = [(Layer.SITE, name, cause) for name in sorted(names)]
        if len(missing) > 1 and all(key in groups for key in missing):
            groups[Layer.SITE, facility, cause] = [p for key in missing for p in groups.pop(key)]
    return groups


def _whole_recorders(
    groups: dict[Key, list[PathVerdict]], devices: dict[str, tuple[str, str]]
) -> dict[Key, list[PathVerdict]]:
    """Make one incident of a recorder all of whose channels are silent, or show that they have no video."""
    of_device: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path, device in devices.items():
        of_device[device].add(path)
    for ((site, name), paths), (layer, cause) in product(of_device.items(), _OF_CHANNELS):
        alike = {
            key: verdicts
            for key, verdicts in groups.items()
            if (key[0], key[2]) == (layer, cause) and {p.path for p in verdicts} <= paths
        }
        if len(alike) > 1 and {p.path for verdicts in alike.values() for p in verdicts} == paths:
            groups[Layer.RECORDER, f"{site}/{name}", cause] = [p for key in alike for p in groups.pop(key)]
    return groups
