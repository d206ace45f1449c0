"""Paths of facilities that are held: live, not checked, unknown. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from provisioner.base.held import HeldFacility
from provisioner.desired.spec import HostSpec
from provisioner.hosts.facts import HostFacts
from provisioner.plan.diff import held_on
from provisioner.verify.result import Cause, Incident, Layer, PathVerdict, Verdict, VerifyResult

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
