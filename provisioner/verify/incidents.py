"""Incidents: each fault once, with all its paths. Pure.

Verdicts about one object (both streams of a camera, a recorder's channels, all devices of a site) first get the same
object, so that a verdict and its incident agree.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, Protocol, TypeVar

from provisioner.base.groups import gathered, grouped
from provisioner.base.text import counted, msg
from provisioner.record.availability.path_state import PathState, StoredVerdict, after
from provisioner.verify.paths import PathToCheck
from provisioner.verify.result import (
    IMPERFECT,
    TELLING,
    VAGUE,
    Cause,
    DeviceReport,
    Finding,
    HostReport,
    Incident,
    Layer,
    PathVerdict,
    Verdict,
    VerifyResult,
)

GroupKey = tuple[Layer, str, Cause]  #: The layer, object and cause of failing paths that are one incident.
Groups = dict[GroupKey, list[PathVerdict]]  #: Failing paths by incident.
Devices = Mapping[tuple[str, str], set[str]]  #: The names of all paths of a device, by facility and device.

_OF_CAMERA = frozenset({Layer.CAMERA, Layer.STREAM, Layer.PICTURE})
_OF_DEVICE = frozenset({Layer.SITE, Layer.RECORDER, Layer.CAMERA})

NO_INCIDENT = frozenset({Verdict.UP, Verdict.MAINTENANCE})  #: Verdicts without an incident.
_DOWN = frozenset({Verdict.DOWN, Verdict.QUARANTINED})
_PLACES = {cause.value: place for place, cause in enumerate(Cause)}

REMEMBERED: Final = timedelta(days=40)  #: The longest search into the past; older incidents have at least this age.


class FailingPath(Protocol):
    """A path that is not up."""

    @property
    def verdict(self) -> str:
        """The verdict."""

    @property
    def finding(self) -> Finding:
        """The fault."""


_P = TypeVar("_P", bound=FailingPath)


def paths_by_incident(verdicts: Sequence[PathVerdict], targets: Iterable[PathToCheck]) -> tuple[PathVerdict, ...]:
    """Return the verdicts with layer and object of the largest broken part."""
    groups: Groups = gathered(
        ((verdict.layer, verdict.object, verdict.cause), verdict)
        for verdict in with_specific_causes(verdicts)
        if verdict.verdict is not Verdict.UP and verdict.layer is not None
    )
    paths_by_device: dict[tuple[str, str], set[str]] = defaultdict(set)
    for target in targets:
        paths_by_device[target.path.facility, target.path.device].add(target.path.name)
    _merge(groups, _by_camera(groups))
    _merge(groups, _by_recorder(groups, paths_by_device))
    _merge(groups, _by_site(groups, paths_by_device))
    replaced = {
        (path_verdict.path, path_verdict.relay): replace(
            path_verdict, finding=replace(path_verdict.finding, layer=layer, object=name, cause=cause)
        )
        for (layer, name, cause), of_group in groups.items()
        for path_verdict in of_group
    }
    return tuple(replaced.get((path_verdict.path, path_verdict.relay), path_verdict) for path_verdict in verdicts)


def with_specific_causes(verdicts: Sequence[PathVerdict]) -> tuple[PathVerdict, ...]:
    """Give both streams of a down camera the more specific cause."""
    specific: dict[tuple[str, str], PathVerdict] = {}
    for verdict in verdicts:
        if (
            verdict.verdict is Verdict.DOWN
            and verdict.layer in {*_OF_CAMERA, Layer.RECORDER}
            and verdict.cause in TELLING
        ):
            current = specific.setdefault((verdict.facility, verdict.camera), verdict)
            if TELLING.index(verdict.cause) < TELLING.index(current.cause):
                specific[verdict.facility, verdict.camera] = verdict
    return tuple(
        _with_specific_cause(verdict, specific.get((verdict.facility, verdict.camera))) for verdict in verdicts
    )


def _with_specific_cause(verdict: PathVerdict, specific: PathVerdict | None) -> PathVerdict:
    vague = verdict.verdict is Verdict.DOWN and verdict.cause in VAGUE and verdict.layer in _OF_CAMERA
    if not vague or specific is None or specific.cause is verdict.cause:
        return verdict
    name = verdict.path if specific.object == specific.path else specific.object
    return replace(verdict, finding=replace(specific.finding, object=name, level=verdict.finding.level))


def _merge(groups: Groups, merged: Mapping[GroupKey, Collection[GroupKey]]) -> None:
    for key, keys in merged.items():
        groups[key] = [verdict for part in sorted(keys) for verdict in groups.pop(part)]


def _by_camera(groups: Groups) -> dict[GroupKey, list[GroupKey]]:
    of_camera: dict[GroupKey, list[GroupKey]] = defaultdict(list)
    for key, verdicts in groups.items():
        cameras = {f"{verdict.facility}/{verdict.camera}" for verdict in verdicts}
        if key[0] in _OF_CAMERA and len(cameras) == 1:
            of_camera[Layer.CAMERA, cameras.pop(), key[2]].append(key)
    number: Counter[str] = Counter()
    for (_, name, _), keys in of_camera.items():
        number[name] += len(keys)
    return {key: keys for key, keys in of_camera.items() if number[key[1]] > 1}


def _by_recorder(groups: Groups, paths_by_device: Devices) -> dict[GroupKey, list[GroupKey]]:
    merged = {}
    keys_by_path = _keys_by_path(groups)
    for (site, name), paths in paths_by_device.items():
        for cause, keys in _groups_of_paths(groups, keys_by_path, paths, _OF_CAMERA).items():
            cameras = {verdict.camera for part in keys for verdict in groups[part]}
            if len(cameras) > 1 and {verdict.path for part in keys for verdict in groups[part]} == paths:
                merged[Layer.RECORDER, f"{site}/{name}", cause] = keys
    return merged


def _by_site(groups: Groups, paths_by_device: Devices) -> dict[GroupKey, list[GroupKey]]:
    of_site: dict[str, set[str]] = defaultdict(set)
    count: dict[str, int] = defaultdict(int)
    for (site, _), paths in paths_by_device.items():
        of_site[site] |= paths
        count[site] += 1
    merged = {}
    keys_by_path = _keys_by_path(groups)
    for site, paths in of_site.items():
        found = _groups_of_paths(groups, keys_by_path, paths, _OF_DEVICE) if count[site] > 1 else {}
        for cause, keys in found.items():
            if len(keys) > 1 and {verdict.path for part in keys for verdict in groups[part]} == paths:
                merged[Layer.SITE, site, cause] = keys
    return merged


def _keys_by_path(groups: Groups) -> Mapping[str, list[GroupKey]]:
    return grouped(groups, lambda key: groups[key][0].path)


def _groups_of_paths(
    groups: Groups, keys_by_path: Mapping[str, list[GroupKey]], paths: set[str], layers: Collection[Layer]
) -> dict[Cause, list[GroupKey]]:
    """Return keys of the layers' groups within a set, by cause."""
    keys = (key for path in sorted(paths) for key in keys_by_path.get(path, ()) if key[0] in layers)
    whole = (key for key in keys if {verdict.path for verdict in groups[key]} <= paths)
    return grouped(whole, lambda key: key[2])


def incident_causes(failing: Iterable[_P]) -> list[tuple[_P, Cause]]:
    """Return failing paths, worst first, with one cause a camera."""
    paths = sorted(failing, key=_gravity)
    of_camera = {
        finding.object: finding.cause for path in reversed(paths) if (finding := path.finding).layer is Layer.CAMERA
    }
    return [(p, of_camera[f.object] if (f := p.finding).layer is Layer.CAMERA else f.cause) for p in paths]


def _gravity(path: FailingPath) -> tuple[bool, bool, int]:
    """Sort by down, then without a picture, then by cause."""
    cause = path.finding.cause
    return path.verdict not in _DOWN, cause in IMPERFECT, _PLACES.get(cause, len(_PLACES))


def incident_details(paths: Sequence[FailingPath]) -> tuple[str, ...]:
    """Return the worst path's detail, then one for each other cause."""
    first, *rest = (path.finding for path in paths)
    details = {finding.cause: finding.detail for finding in reversed(rest) if finding.cause is not first.cause}
    return first.detail, *(_of_other_stream(cause, detail) for cause, detail in sorted(details.items()))


def _of_other_stream(cause: Cause, detail: str) -> str:
    return (
        msg("its other stream: {cause}, {detail}", cause, detail) if detail else msg("its other stream: {cause}", cause)
    )


def incidents_of(verdicts: Sequence[PathVerdict]) -> tuple[Incident, ...]:
    """Return incidents, highest layer and most paths first; without maintenance."""
    failing = (verdict for verdict in verdicts if verdict.verdict not in NO_INCIDENT)
    groups = gathered(
        ((verdict.layer, verdict.object, cause), verdict)
        for verdict, cause in incident_causes(failing)
        if verdict.layer is not None
    )
    served = {verdict.path: verdict.relay for verdict in verdicts if verdict.verdict is Verdict.UP}
    incidents = (_incident(*key, paths, served) for key, paths in groups.items())
    return tuple(sorted(incidents, key=lambda i: (i.finding.rank, -len(i.paths), i.object, i.cause)))


def _incident(
    layer: Layer, name: str, cause: Cause, paths: Sequence[PathVerdict], served: Mapping[str, str]
) -> Incident:
    detail, *others = incident_details(paths)
    names = tuple(sorted({path.path for path in paths}))
    return Incident(Finding(cause, layer, name, detail), names, (*others, *_up_elsewhere(paths, served)))


def _up_elsewhere(paths: Iterable[PathVerdict], served: Mapping[str, str]) -> Iterator[str]:
    """Yield how many of the incident's paths are up at another relay."""
    count = Counter(served[path.path] for path in paths if path.path in served)
    yield from (msg("up over {relay}: {paths}", relay, counted(up, "path")) for relay, up in sorted(count.items()))


def of_hosts(hosts: Iterable[HostReport], beside: Collection[Incident]) -> tuple[Incident, ...]:
    """Return incidents of hosts' own faults that no path's incident has."""
    told = {(incident.layer, incident.object, incident.cause) for incident in beside}
    findings = (finding for report in hosts for finding in report.findings)
    return tuple(Incident(f, ()) for f in findings if (f.layer, f.object, f.cause) not in told)


def of_devices(devices: Iterable[DeviceReport]) -> tuple[Incident, ...]:
    """Return incidents of devices' own faults, once even with two relays."""
    findings = {
        (finding.layer, finding.object, finding.cause): finding for report in devices for finding in report.findings
    }
    return tuple(Incident(finding, ()) for finding in findings.values())


def in_a_row(result: VerifyResult, incident: Incident) -> PathState | None:
    """Return the state of the incident's longest-failing path, or `None` if new."""
    wanted = frozenset(incident.paths)
    states = (
        after(before, StoredVerdict(path.without_window.value), result.finished_at)
        for path in result.paths
        if path.path in wanted and path.without_window is not Verdict.UNKNOWN
        if (before := result.before.get(path.path))
    )
    return min(
        (state for state in states if state.looks > 1), key=lambda state: (state.since, -state.looks), default=None
    )
