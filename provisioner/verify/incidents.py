"""Verdicts to incidents: what is broken once is reported once, with all the paths that suffer. Pure.

What is one thing is put together before (`wholes`): then all of its paths name the same object.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from provisioner.verify.condition import Condition
from provisioner.verify.result import Cause, HostReport, Incident, Layer, PathVerdict, Verdict

_CAUSES = {Condition.DISK_FULL: Cause.DISK_FULL, Condition.CLOCK_OFF: Cause.CLOCK_OFF}


def incidents_of(verdicts: Sequence[PathVerdict]) -> tuple[Incident, ...]:
    """The incidents, the highest layer and the most paths first; what is in a maintenance window raises none."""
    groups: dict[tuple[Layer, str, Cause], list[PathVerdict]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.verdict not in {Verdict.UP, Verdict.MAINTENANCE} and verdict.layer is not None:
            groups[verdict.layer, verdict.object, verdict.cause].append(verdict)
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
