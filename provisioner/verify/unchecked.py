"""Live paths of frozen facilities or closed hosts, named and `unknown`. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from provisioner.base.errors import FrozenFacility
from provisioner.base.groups import gathered
from provisioner.desired.spec import HostSpec, LeftOutHost
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.runner import CallOutcome
from provisioner.plan.diff.files import frozen_on
from provisioner.verify.result import Cause, Finding, HostReport, Incident, Layer, PathVerdict, Verdict, VerifyResult

_SEPARATORS = 3  # province/facility/camera/stream


def with_frozen(
    result: VerifyResult,
    relays: Sequence[tuple[HostSpec, HostFacts]],
    chosen: Mapping[str, Collection[str]],
    facilities: Collection[FrozenFacility],
) -> VerifyResult:
    """Add live paths of frozen facilities, so the result is not green."""
    verdicts = [
        _of_frozen(spec, name, spec.frozen_names[facility])
        for spec, facts in relays
        for name, facility in facts.held["paths"].items()
        if name in chosen.get(spec.id, ()) and facility in spec.frozen_names
    ]
    by_id = {frozen.id: frozen for spec, _ in relays for frozen in spec.held}
    by_facility = gathered((verdict.facility, verdict.path) for verdict in verdicts)
    incidents = tuple(
        Incident(_frozen_finding(by_id[name]), tuple(sorted(set(paths)))) for name, paths in sorted(by_facility.items())
    )
    of_host = {spec.id: tuple(sorted(frozen_on(spec, facts))) for spec, facts in relays}
    return replace(
        result,
        paths=tuple(sorted((*result.paths, *verdicts), key=attrgetter("path", "relay"))),
        incidents=(*result.incidents, *incidents),
        hosts=tuple(replace(report, held=of_host.get(report.host, ())) for report in result.hosts),
        held=tuple(facilities),
    )


def _of_frozen(spec: HostSpec, name: str, facility: FrozenFacility) -> PathVerdict:
    province, _, camera, _ = name.split("/") if name.count("/") == _SEPARATORS else (facility.province, "", "", "")
    names = (name, spec.carriers[0], province, facility.id, camera, spec.id)
    return PathVerdict(*names, Verdict.UNKNOWN, 0, _frozen_finding(facility), None)


def _frozen_finding(facility: FrozenFacility) -> Finding:
    return Finding(Cause.HELD, Layer.SITE, facility.id, facility.text)


def with_shut(result: VerifyResult, left_out: Sequence[tuple[LeftOutHost, Sequence[str]]]) -> VerifyResult:
    """Add hosts with closed secrets, so the result is not green."""
    verdicts = [_of_shut(host, name) for host, names in left_out for name in sorted(names)]
    incidents = tuple(Incident(_shut(host), tuple(sorted(names))) for host, names in left_out if names)
    reports = tuple(HostReport(host.id, CallOutcome.FAILED.value, host.reason, None) for host, _ in left_out)
    return replace(
        result,
        paths=tuple(sorted((*result.paths, *verdicts), key=attrgetter("path", "relay"))),
        incidents=(*result.incidents, *incidents),
        hosts=tuple(sorted((*result.hosts, *reports), key=attrgetter("host"))),
    )


def _of_shut(host: LeftOutHost, name: str) -> PathVerdict:
    path = next(path for path in host.paths if path.name == name)
    names = (name, host.carriers[0], path.province, path.facility, path.camera, host.id)
    return PathVerdict(*names, Verdict.UNKNOWN, 0, _shut(host), None)


def _shut(host: LeftOutHost) -> Finding:
    return Finding(Cause.NOT_CHECKED, Layer.HOST, host.id, host.reason)
