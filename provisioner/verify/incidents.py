"""Verdicts to incidents: what is broken once is reported once, with all the paths that suffer. Pure.

What is one thing is put together before (`wholes`): then all of its paths name the same object.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from provisioner.verify.condition import Condition
from provisioner.verify.result import Cause, HostReport, Incident, Layer, PathVerdict, Verdict

NO_INCIDENT = frozenset({Verdict.UP, Verdict.MAINTENANCE})
"""What raises none."""
_DOWN = frozenset({Verdict.DOWN, Verdict.QUARANTINED})
_CAUSES = {Condition.DISK_FULL: Cause.DISK_FULL, Condition.CLOCK_OFF: Cause.CLOCK_OFF}


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


_P = TypeVar("_P", bound=FailingPath)


def incident_causes(failing: Iterable[_P]) -> list[tuple[_P, str]]:
    """Each failing path with the cause that its incident has; those that are down come first, and speak for the others.

    What a camera's one stream lacks is part of the incident of another one that is down: somebody goes there once.
    """
    paths = sorted(failing, key=lambda path: path.verdict not in _DOWN)
    down = {p.object: p.cause for p in reversed(paths) if p.layer == Layer.CAMERA and p.verdict in _DOWN}

    def cause_of(path: _P) -> str:
        is_less = path.layer == Layer.CAMERA and path.verdict not in _DOWN
        return down.get(path.object, path.cause) if is_less else path.cause

    return [(path, cause_of(path)) for path in paths]


def incidents_of(verdicts: Sequence[PathVerdict]) -> tuple[Incident, ...]:
    """The incidents, the highest layer and the most paths first; what is in a maintenance window raises none."""
    failing = (verdict for verdict in verdicts if verdict.verdict not in NO_INCIDENT)
    groups: dict[tuple[Layer, str, Cause], list[PathVerdict]] = defaultdict(list)
    for verdict, cause in incident_causes(failing):
        if verdict.layer is not None:
            groups[verdict.layer, verdict.object, Cause(cause)].append(verdict)
    incidents = (
        Incident(layer, name, cause, tuple(sorted(p.path for p in paths)), paths[0].detail)
        for (layer, name, cause), paths in groups.items()
    )
    return tuple(sorted(incidents, key=lambda i: (i.layer.rank, -len(i.paths), i.object, i.cause)))


def of_hosts(hosts: Iterable[HostReport]) -> tuple[Incident, ...]:
    """The incidents of what is wrong with hosts themselves: no path hangs on them."""
    return tuple(
        Incident(Layer.HOST, report.host, _CAUSES[finding.condition], (), finding.detail)
        for report in hosts
        for finding in report.findings
    )
