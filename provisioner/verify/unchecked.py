"""Paths of facilities that are held: live, not checked, unknown. Pure.

Paths of relays whose secrets stayed shut: named, and unknown. Pure.

Settings under change, of which either is taken until a day: which of the two a path was seen by. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from provisioner.base.frozen import HeldFacility
from provisioner.desired.spec import HostSpec, LeftOutHost
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.runner import CallOutcome
from provisioner.plan.diff import held_on
from provisioner.verify.case import Case
from provisioner.verify.result import (
    NEW,
    OLD,
    Cause,
    HostReport,
    Incident,
    Layer,
    PathVerdict,
    SettingSeen,
    Verdict,
    VerifyResult,
)

_SEPARATORS = 3  # province/facility/camera/stream


def with_held(
    result: VerifyResult,
    relays: Sequence[tuple[HostSpec, HostFacts]],
    chosen: Mapping[str, Collection[str]],
    held: Collection[HeldFacility],
) -> VerifyResult:
    """A result that also names what is live of facilities that are held, so that it is not green.

    Args:
        result: what came of the paths that were checked.
        relays: the hosts that were read, each with its facts.
        chosen: by host, the names of held paths that a limit takes.
        held: the held facilities that were chosen.
    """
    verdicts = [
        _verdict(spec, name, spec.held_names[facility])
        for spec, facts in relays
        for name, facility in facts.held.paths.items()
        if name in chosen.get(spec.id, ()) and facility in spec.held_names
    ]
    known = {one.id: one for spec, _ in relays for one in spec.held}
    by_facility: dict[str, list[str]] = defaultdict(list)
    for verdict in verdicts:
        by_facility[verdict.facility].append(verdict.path)
    incidents = tuple(
        Incident(Layer.SITE, name, Cause.HELD, tuple(sorted(set(paths))), known[name].text)
        for name, paths in sorted(by_facility.items())
    )
    of_host = {spec.id: tuple(sorted(held_on(spec, facts))) for spec, facts in relays}
    return replace(
        result,
        paths=tuple(sorted((*result.paths, *verdicts), key=attrgetter("path", "relay"))),
        incidents=(*result.incidents, *incidents),
        hosts=tuple(replace(report, held=of_host.get(report.host, ())) for report in result.hosts),
        held=tuple(held),
    )


def _verdict(spec: HostSpec, name: str, held: HeldFacility) -> PathVerdict:
    province, _, camera, _ = name.split("/") if name.count("/") == _SEPARATORS else (held.province, "", "", "")
    return PathVerdict(
        path=name,
        carrier=spec.carriers[0],
        province=province,
        facility=held.id,
        camera=camera,
        relay=spec.id,
        verdict=Verdict.UNKNOWN,
        level=0,
        cause=Cause.HELD,
        checked_at=None,
        layer=Layer.SITE,
        object=held.id,
        detail=held.text,
    )


def with_shut(result: VerifyResult, left_out: Sequence[tuple[LeftOutHost, Sequence[str]]]) -> VerifyResult:
    """A result that also names what was not opened, so that it is not green.

    Args:
        result: what came of the hosts that were asked.
        left_out: each host that was to be asked and was left out, with the names of the paths that were chosen.
    """
    verdicts = [_verdict_shut(host, name) for host, names in left_out for name in sorted(names)]
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


def _verdict_shut(host: LeftOutHost, name: str) -> PathVerdict:
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


def settings_seen(case: Case) -> tuple[SettingSeen, ...]:
    """The settings of a path that are under change; nothing is seen of one by which no picture came."""
    return tuple(_settings(case))


def _settings(case: Case) -> Iterator[SettingSeen]:
    path, frame = case.target.path, case.frame
    if (change := path.login_change) is not None:
        came = bool(frame or case.flowed)
        seen = NEW if change.done else OLD
        yield SettingSeen("login", f"{path.facility}/{path.device}", change.until, seen if came else "")
    if (former := path.former) is not None:
        is_new, is_old = frame == (path.codec, path.width, path.height), frame == former[1:4]
        seen = "" if is_new == is_old else NEW if is_new else OLD
        yield SettingSeen("picture", f"{path.facility}/{path.camera}", former.until, seen)
