"""What a run showed of hosts and facilities, as the history keeps it. Pure.

What a host holds is what was read from it, held against the desired state of this very inventory: what is as desired
has the hash of the facility's signed content; of what differs only that something of it is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from provisioner.apply import HostOutcome, HostResult
from provisioner.desired.spec import DesiredState, HostKind, HostSpec
from provisioner.history.records import FacilityCheck, Holding, Operation
from provisioner.inventory.model import Inventory
from provisioner.inventory.signed import signed_content
from provisioner.plan.changes import Action, Change, Resource, pending
from provisioner.plan.diff import held_on
from provisioner.verify.levels import HIGHEST
from provisioner.verify.result import Cause, PathVerdict, Verdict, VerifyResult

Contents = Mapping[str, Mapping[str, str]]
"""By relay: the hash of the signed content of each facility that it should carry, by the facility's id."""

_UNLIKE = ""


def contents_of(inventory: Inventory) -> Contents:
    """What each relay should carry."""
    contents: dict[str, dict[str, str]] = {relay: {} for relay in inventory.relays}
    for connection in inventory.connections:
        content = signed_content(connection.facility, connection.plan)
        contents[connection.relay][connection.facility.id] = content
    return contents


# --- hosts ----------------------------------------------------------------------------------------


def holding(
    spec: HostSpec, contents: Mapping[str, str], differing: Iterable[Change], at: datetime, held: Iterable[str] = ()
) -> Holding:
    """What a relay holds, out of what differs on it from the desired state.

    Args:
        spec: the relay.
        contents: what it should carry.
        differing: the changes that would make it as desired; no-ops may be among them.
        at: the earliest moment at which it may have been read.
        held: facilities of which it keeps what it has, whatever that is.
    """
    open_changes = pending(differing)
    absent: dict[str, set[str]] = defaultdict(set)
    for change in open_changes:
        if change.resource is Resource.PATH and change.action is Action.CREATE:
            absent[change.facility].add(change.name)
    touched = {change.facility for change in open_changes if change.facility}
    paths: dict[str, set[str]] = defaultdict(set)
    for path in spec.paths:
        paths[path.facility].add(path.name)
    carried = {
        facility: _UNLIKE if facility in touched else content
        for facility, content in contents.items()
        if absent[facility] != paths[facility]
    }
    strangers = {change.facility for change in open_changes if change.facility and change.facility not in contents}
    unlike = dict.fromkeys({*strangers, *held}, _UNLIKE)
    return Holding(spec.id, at, carried | unlike, exact=not open_changes)


def shown_by_change(
    operation: Operation,
    state: DesiredState,
    contents: Contents,
    results: Sequence[HostResult],
    *,
    differing: Iterable[Change],
    at: datetime,
) -> tuple[Holding, ...]:
    """What a run that changes hosts showed of those that it had started.

    Args:
        operation: an apply, or a rollback.
        state: what every host should hold.
        contents: what each relay should carry.
        results: what became of the hosts that the run was to change, not of others.
        differing: what differed from the desired state on the hosts whose results have facts.
        at: when the run ended.
    """
    by_host: dict[str, list[Change]] = defaultdict(list)
    for change in differing:
        by_host[change.host].append(change)
    holdings = []
    for result in results:
        spec = state.hosts.get(result.host)
        if spec is None or spec.kind is not HostKind.RELAY:
            continue
        if result.facts is not None:
            held = held_on(spec, result.facts)
            holdings.append(holding(spec, contents[spec.id], by_host[spec.id], at, held))
        elif _left_unknown(operation, result.outcome):
            holdings.append(Holding(spec.id, at, None))
    return tuple(holdings)


def _left_unknown(operation: Operation, outcome: HostOutcome) -> bool:
    """Whether a host may be another than before: one that an apply returned to last-good is as it was."""
    if operation is Operation.ROLLBACK:
        return outcome not in {HostOutcome.NOT_STARTED, HostOutcome.UNCHANGED}
    return outcome in {HostOutcome.APPLIED, HostOutcome.UNREACHABLE, HostOutcome.ROLLBACK_FAILED}


def shown_of_hosts(state: DesiredState, contents: Contents, result: VerifyResult) -> tuple[Holding, ...]:
    """What a verification showed of the relays that it could compare with the desired state."""
    reports = {report.host: report for report in result.hosts if report.drift is not None}
    relays = ((spec, reports[spec.id]) for spec in state.hosts.values() if spec.relay and spec.id in reports)
    return tuple(
        holding(spec, contents[spec.id], report.drift or (), result.started_at, report.held) for spec, report in relays
    )


# --- facilities -----------------------------------------------------------------------------------


def shown_of_facilities(state: DesiredState, contents: Contents, result: VerifyResult) -> tuple[FacilityCheck, ...]:
    """What a verification showed of the pulled paths of each facility that it checked at all."""
    verdicts = {(verdict.relay, verdict.path): verdict for verdict in result.paths}
    return tuple(
        check
        for relay, facilities in sorted(contents.items())
        if relay in state.hosts
        for facility, content in sorted(facilities.items())
        for check in _checked(state.hosts[relay], facility, content, verdicts)
    )


def _checked(
    spec: HostSpec, facility: str, content: str, verdicts: Mapping[tuple[str, str], PathVerdict]
) -> Iterator[FacilityCheck]:
    pulled = [path.name for path in spec.paths if path.facility == facility and not path.on_demand]
    seen = [verdicts[spec.id, name] for name in pulled if (spec.id, name) in verdicts]
    asked = [verdict for verdict in seen if verdict.cause is not Cause.NOT_ASKED]
    moments = [verdict.checked_at for verdict in asked if verdict.checked_at is not None]
    # Where no path gave any evidence there is no moment, and nothing to tell.
    if moments:
        proved = sum(_is_proved(verdict) for verdict in asked)
        checked = sum(_is_known(verdict) for verdict in asked)
        # A sample that is good says nothing of the rest: what was known of the whole stays. One that is not is news.
        if len(asked) == len(seen) or checked > proved:
            yield FacilityCheck(facility, content, spec.id, max(moments), len(pulled), checked, proved)


def _is_proved(verdict: PathVerdict) -> bool:
    """Whether a path was up up to the monitoring centre; what was not checked is not."""
    up = verdict.without_window is Verdict.UP and verdict.level == HIGHEST.number
    return up and verdict.checked_at is not None


def _is_known(verdict: PathVerdict) -> bool:
    """Whether it is known how a path is; what is not up in a maintenance window is no outage of the facility."""
    return _is_proved(verdict) or verdict.verdict not in {Verdict.UNKNOWN, Verdict.MAINTENANCE}
