"""Verdicts to incidents: what is broken once is reported once, with all the paths that suffer. Pure.

What is one thing is put together before (`wholes`): then all of its paths name the same object.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from provisioner.verify.condition import Condition
from provisioner.verify.result import Cause, HostReport, Incident, Layer, PathVerdict, Verdict

_DOWN = frozenset({Verdict.DOWN, Verdict.QUARANTINED})
_CAUSES = {Condition.DISK_FULL: Cause.DISK_FULL, Condition.CLOCK_OFF: Cause.CLOCK_OFF}


def incidents_of(verdicts: Sequence[PathVerdict]) -> tuple[Incident, ...]:
    """The incidents, the highest layer and the most paths first; what is in a maintenance window raises none.

    What a camera's one stream lacks is part of the incident of another one that is down: somebody goes there once.
    """
    failing = [v for v in verdicts if v.verdict not in {Verdict.UP, Verdict.MAINTENANCE}]
    down = {v.object: v.cause for v in reversed(failing) if v.layer is Layer.CAMERA and v.verdict in _DOWN}
    groups: dict[tuple[Layer, str, Cause], list[PathVerdict]] = defaultdict(list)
    # The first of a group says what is wrong.
    for verdict in sorted(failing, key=lambda v: v.verdict not in _DOWN):
        if verdict.layer is not None:
            is_less = verdict.layer is Layer.CAMERA and verdict.verdict not in _DOWN
            cause = down.get(verdict.object, verdict.cause) if is_less else verdict.cause
            groups[verdict.layer, verdict.object, cause].append(verdict)
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
