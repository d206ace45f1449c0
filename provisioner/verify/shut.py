"""Paths of relays whose secrets stayed shut: named, and unknown. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter

from provisioner.desired.spec import LeftOutHost
from provisioner.hosts.runner import CallOutcome
from provisioner.verify.result import Cause, HostReport, Incident, Layer, PathVerdict, Verdict, VerifyResult


def with_shut(result: VerifyResult, left_out: Sequence[tuple[LeftOutHost, Sequence[str]]]) -> VerifyResult:
    """A result that also names what was not opened, so that it is not green.

    Args:
        result: what came of the hosts that were asked.
        left_out: each host that was to be asked and was left out, with the names of the paths that were chosen.
    """
    verdicts = [_verdict(host, name) for host, names in left_out for name in sorted(names)]
    incidents = tuple(
        Incident(Layer.HOST, host.id, Cause.NOT_CHECKED, tuple(sorted(names)), host.reason)
        for host, names in left_out
        if names
    )
    reports = tuple(HostReport(host.id, CallOutcome.FAILED.value, host.reason, None) for host, _ in left_out)
    return replace(
        result,
        paths=tuple(sorted((*result.paths, *verdicts), key=attrgetter("path", "relay"))),
        incidents=(*result.incidents, *incidents),
        hosts=tuple(sorted((*result.hosts, *reports), key=attrgetter("host"))),
    )


def _verdict(host: LeftOutHost, name: str) -> PathVerdict:
    path = next(path for path in host.paths if path.name == name)
    return PathVerdict(
        path=name,
        carrier=host.carriers[0],
        province=path.province,
        facility=path.facility,
        camera=path.camera,
        relay=host.id,
        verdict=Verdict.UNKNOWN,
        level=0,
        cause=Cause.NOT_CHECKED,
        checked_at=None,
        layer=Layer.HOST,
        object=host.id,
        detail=host.reason,
    )
