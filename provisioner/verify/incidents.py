"""Verdicts to incidents: what is broken once is reported once, with all the paths that suffer. Pure.

What is one thing is put together before (`wholes`): then all of its paths name the same object.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from provisioner.base.counted import counted
from provisioner.hosts.condition import Condition
from provisioner.verify.result import IMPERFECT, Cause, DeviceReport, HostReport, Incident, Layer, PathVerdict, Verdict

NO_INCIDENT = frozenset({Verdict.UP, Verdict.MAINTENANCE})
"""What raises none."""
_DOWN = frozenset({Verdict.DOWN, Verdict.QUARANTINED})
_PLACES = {cause.value: place for place, cause in enumerate(Cause)}
_CAUSES = {
    Condition.DISK_FULL: Cause.DISK_FULL,
    Condition.CLOCK_OFF: Cause.CLOCK_OFF,
    Condition.ANOTHER_FIREWALL: Cause.ANOTHER_FIREWALL,
    Condition.CERTIFICATE_ENDS: Cause.CERTIFICATE_ENDS,
}


class FailingPath(Protocol):
    """A path that is not up, as whoever looks at a verification has it."""

    @property
    def verdict(self) -> str:
        """What was said of it."""

    @property
    def layer(self) -> str | None:
        """The layer of what is broken."""

    @property
    def object(self) -> str:
        """What is broken."""

    @property
    def cause(self) -> str:
        """Why."""

    @property
    def detail(self) -> str:
        """The evidence in words."""


_P = TypeVar("_P", bound=FailingPath)


def incident_causes(failing: Iterable[_P]) -> list[tuple[_P, str]]:
    """Each failing path with the cause that its incident has; the worse come first, and speak for the others.

    What is wrong with a camera's streams, with each in its way, is one incident: somebody goes there once.
    """
    paths = sorted(failing, key=_gravity)
    of_camera = {path.object: path.cause for path in reversed(paths) if path.layer == Layer.CAMERA}
    return [(p, of_camera[p.object] if p.layer == Layer.CAMERA else p.cause) for p in paths]


def _gravity(path: FailingPath) -> tuple[bool, bool, int]:
    """A path's place: who is down comes first, of these who shows no picture; and each cause has a place of its own."""
    place = _PLACES.get(path.cause, len(_PLACES))
    return path.verdict not in _DOWN, path.cause in IMPERFECT, place


def incident_detail(paths: Sequence[FailingPath]) -> str:
    """The detail of an incident of these paths, the worst first, with what is said of those that have another cause."""
    others = {path.cause: path.detail for path in reversed(paths) if path.cause != paths[0].cause}
    more = (f"; in its other stream {cause}, {detail}" for cause, detail in sorted(others.items()))
    return paths[0].detail + "".join(more)


def incidents_of(verdicts: Sequence[PathVerdict]) -> tuple[Incident, ...]:
    """The incidents, the highest layer and the most paths first; what is in a maintenance window raises none."""
    failing = (verdict for verdict in verdicts if verdict.verdict not in NO_INCIDENT)
    groups: dict[tuple[Layer, str, Cause], list[PathVerdict]] = defaultdict(list)
    for verdict, cause in incident_causes(failing):
        if verdict.layer is not None:
            groups[verdict.layer, verdict.object, Cause(cause)].append(verdict)
    served = {verdict.path: verdict.relay for verdict in verdicts if verdict.verdict is Verdict.UP}
    incidents = (
        Incident(
            layer, name, cause, tuple(sorted({p.path for p in paths})), incident_detail(paths) + _beside(paths, served)
        )
        for (layer, name, cause), paths in groups.items()
    )
    return tuple(sorted(incidents, key=lambda i: (i.layer.rank, -len(i.paths), i.object, i.cause)))


def _beside(paths: Iterable[PathVerdict], served: Mapping[str, str]) -> str:
    """Which of an incident's paths their readers have at another relay meanwhile."""
    count = Counter(served[path.path] for path in paths if path.path in served)
    said = (f"; up over {relay}: {counted(up, 'path')}" for relay, up in sorted(count.items()))
    return "".join(said)


def of_hosts(hosts: Iterable[HostReport]) -> tuple[Incident, ...]:
    """The incidents of what is wrong with hosts themselves: no path hangs on them."""
    return tuple(
        Incident(Layer.HOST, report.host, _CAUSES[finding.condition], (), finding.detail)
        for report in hosts
        for finding in report.findings
    )


def of_devices(devices: Iterable[DeviceReport]) -> tuple[Incident, ...]:
    """The incidents of what is wrong with devices themselves; a device at two relays has one of each."""
    faults = {
        (Layer.RECORDER if report.is_recorder else Layer.CAMERA, report.name, fault.cause): fault.detail
        for report in devices
        for fault in report.findings
    }
    return tuple(Incident(layer, name, cause, (), detail) for (layer, name, cause), detail in faults.items())
