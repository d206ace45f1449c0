"""A verification that uses earlier ones, and its own record.

A host holds what was read from it, compared with the desired state of this inventory. As desired: the hash of the
facility's signed content. Different: only that something of it is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from provisioner import __version__
from provisioner.base.errors import StateError, UsageError
from provisioner.base.processes import without_collector
from provisioner.base.text import counted
from provisioner.desired.limit import Limit
from provisioner.desired.spec import DesiredState, HostKind, HostSpec
from provisioner.inventory.model import Inventory
from provisioner.inventory.signed import signed_content
from provisioner.operations.apply.journal import (
    ProofsSoFar,
    changes_since,
    expect_usual_time,
    remember_looks,
    state_place,
)
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import new_run_id, paths_to_verify, verify_inventory
from provisioner.operations.rollout import HostOutcome, HostResult
from provisioner.plan.change import Action, Change, Resource, pending
from provisioner.plan.diff import held_on
from provisioner.record.availability.path_state import PathState
from provisioner.record.entries import Ending, FacilityCheck, Holding, Operation, Run
from provisioner.record.heads import note_head
from provisioner.record.path_memory import add_references, each_memory, read_references
from provisioner.record.place import who
from provisioner.record.store import open_history
from provisioner.record.verdicts import read_since
from provisioner.verify.acceptance import acceptances
from provisioner.verify.document import verify_in_parts
from provisioner.verify.incidents import REMEMBERED
from provisioner.verify.judge import HIGHEST
from provisioner.verify.memory import Memories, memory_from, swept_paths
from provisioner.verify.path_history import Orders
from provisioner.verify.reference import References, references_document, references_from, report_on
from provisioner.verify.result import Accepted, Cause, PathVerdict, Verdict, VerifyResult, exit_code

Contents = Mapping[str, Mapping[str, str]]
"""By relay: the hash of the signed content of each facility that it should carry, by the facility's id."""

_UNLIKE = ""
_OUTCOMES = {0: "up", 1: "not-up"}


class NoteError(StateError):
    """What goes with a recorded run could not be written: its Git note, or what the next one has to know."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What earlier verifications left of paths.

    Attributes:
        memories: by the path's name.
        reason: why there is nothing of that; empty where it could be read.
        unread: how many paths have a memory that this program did not write.
    """

    memories: Memories = field(default_factory=lambda: MappingProxyType({}))
    reason: str = ""
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Acceptances:
    """What a person accepted.

    Attributes:
        run: the run in which it is recorded.
        references: by path, all references that it has from then on.
    """

    run: str
    references: Mapping[str, References]


def contents_of(inventory: Inventory) -> Contents:
    """What each relay should carry."""
    contents: dict[str, dict[str, str]] = {relay: {} for relay in inventory.relays}
    for connection in inventory.connections:
        content = signed_content(connection.facility, connection.plan)
        contents[connection.relay][connection.facility.id] = content
    return contents


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


def _is_known(verdict: PathVerdict) -> bool:
    """Whether it is known how a path is; what is not up in a maintenance window is no outage of the facility."""
    return _is_proved(verdict) or verdict.verdict not in {Verdict.UNKNOWN, Verdict.MAINTENANCE}


def _is_proved(verdict: PathVerdict) -> bool:
    """Whether a path was up up to the monitoring centre; what was not checked is not."""
    up = verdict.without_window is Verdict.UP and verdict.level == HIGHEST.number
    return up and verdict.checked_at is not None


def recall(session: Session, paths: Collection[str]) -> Recalled:
    """What earlier verifications left of paths; where that cannot be read, nothing, and why.

    `paths` are what their memories are called.
    A memory that cannot be read is none: the path is looked at as if for the first time.
    """
    place = state_place(session)
    try:
        read = each_memory(place, paths)
        if read is None:
            return Recalled(reason=f"no run was ever recorded in {place.shown}")
        known, unread = {}, 0
        with without_collector():
            for path, document in read:
                if document is None or (memory := memory_from(document)) is None:
                    unread += 1
                else:
                    known[path] = memory
    except StateError as error:
        return Recalled(reason=error.message)
    return Recalled(known, unread=unread)


def verify_with_memory(session: Session, limit: Limit, orders: Orders) -> VerifyResult:
    """Check paths by what earlier verifications left of them.

    Args:
        session: the inventory.
        limit: which paths.
        orders: how far it goes; what is remembered is added.

    Raises:
        InventoryError, SecretsError, RenderError, UsageError: as `pipeline.verify_inventory`.
    """
    names, memories = paths_to_verify(session, limit)
    recalled, accepted = recall(session, memories), recall_references(session, names)
    forgot = recalled.reason
    if recalled.unread:
        forgot = f"what is remembered of {counted(recalled.unread, 'path')} is not what this program wrote"
    orders = replace(orders, memories=recalled.memories, forgot=forgot, references=accepted)
    orders = replace(orders, changes=lambda since: changes_since(session, since))
    proofs = ProofsSoFar(state_place(session))
    with without_collector():
        result = verify_inventory(session, limit, replace(orders, keep=proofs.take))
    result = replace(result, looks=(*proofs.unwritten, *result.looks))
    reports = {path: report for path in names if (report := report_on(accepted.get(path, ())))}
    return replace(result, references=reports, before=_since_before(session, result))


def _since_before(session: Session, result: VerifyResult) -> Mapping[str, PathState]:
    """Since when paths that are not up had been what they were; nothing where that cannot be read."""
    failing = {path.path for path in result.paths if path.without_window is not Verdict.UP}
    provinces = sorted({path.partition("/")[0] for path in failing})
    try:
        place = state_place(session)
        begin = result.started_at - REMEMBERED
        of = [read_since(place, f"{province}/", result.started_at, begin) for province in provinces]
    except StateError:
        return {}
    return {path: one for part in of for path, one in part.items() if path in failing}


def recall_references(session: Session, paths: Collection[str]) -> Mapping[str, References]:
    """What people accepted of the pictures of some paths, and of the others of their facilities.

    Where it cannot be read it is nothing: then nothing is compared, and documents say so.
    """
    sites = {path.rsplit("/", 2)[0] for path in paths}
    beside = {path.name for _, path in session.state.paths if path.name.rsplit("/", 2)[0] in sites}
    try:
        read = read_references(state_place(session), {*paths, *beside})
    except StateError:
        return {}
    return {path: of for path, document in read.documents.items() if (of := references_from(document))}


def refuse_job(session: Session) -> None:
    """Refuse to accept pictures where nobody looks at them.

    Raises:
        UsageError: a job of a pipeline runs this.
    """
    if job := who(session.environment)["job"]:
        hint = "run it by hand, after you have looked at the pictures"
        raise UsageError(f"--accept is a person's word, and this is the job {job}", hint=hint)


def accept_pictures(session: Session, result: VerifyResult, *, renew: bool) -> tuple[VerifyResult, Acceptances]:
    """Accept what each path of a verification shows: the result with what came of it, to be recorded.

    Args:
        session: the session that verified.
        result: what it found.
        renew: whether earlier references of the paths are forgotten.
    """
    known = recall_references(session, [path.path for path in result.paths])
    run = new_run_id()
    answers = acceptances(result, known, run, renew=renew)
    accepted = tuple(Accepted(one.path, one.refused, one.notes) for one in answers)
    kept = {one.path: one.references for one in answers if not one.refused}
    reports = {path: report for path, of in kept.items() if (report := report_on(of))}
    shown = replace(result, accepted=accepted, references={**result.references, **reports})
    return shown, Acceptances(run, kept)


def expect_verification(session: Session, limit: tuple[str, ...], orders: Orders) -> None:
    """Tell whoever watches how long such a verification usually takes; `limit` holds the texts that chose the paths."""
    narrowed = _narrowed(orders.sample.text if orders.sample else None, orders.level)
    expect_usual_time(session, Operation.VERIFY, limit=(*limit, *narrowed))


def record_verification(
    session: Session, result: VerifyResult, limit: tuple[str, ...] = (), accepted: Acceptances | None = None
) -> str:
    """Record a verification that is over, and what the next one has to know of its paths: the run's id.

    Only what was checked is recorded: a limit, a sample and a level leave something out, and nothing is said of that.

    Args:
        session: the session that verified.
        result: what it found.
        limit: the `KIND=NAME` texts that chose the paths.
        accepted: the pictures that a person accepted in it.

    Raises:
        StateError: it cannot be recorded; what was found stays true, and nothing is accepted.
        NoteError: it is recorded, and the Git note that was wished, or the memory of its paths, could not be written.
    """
    scope = result.scope
    sample = scope.sample.asked if scope.sample else None
    contents, narrowed = contents_of(session.served), (*limit, *_narrowed(sample, scope.level))
    run = Run(
        id=accepted.run if accepted else new_run_id(),
        operation=Operation.VERIFY,
        started=result.started_at,
        commit=session.commit,
        digest=session.digest,
        who=who(session.environment),
        tool=__version__,
        limit=narrowed,
    )
    ending = Ending(
        finished=result.finished_at,
        outcome=_OUTCOMES[exit_code(result)],
        document=verify_in_parts(result),
        holdings=shown_of_hosts(session.state, contents, result),
        checks=shown_of_facilities(session.state, contents, result),
        swept=swept_paths(result, whole=not narrowed),
    )
    place = state_place(session)
    with closing(open_history(place)) as history:
        head = history.end(run, ending)
    if accepted is not None:
        documents = {path: references_document(of) for path, of in accepted.references.items()}
        add_references(place, documents, result.finished_at)
    try:
        remember_looks(place, result.looks, result.finished_at)
    except StateError as error:
        message = f"this verification is recorded, and what it saw of paths is not remembered: {error.message}"
        raise NoteError(message, hint=error.hint, object=run.id) from None
    if warning := note_head(session.root, session.environment, place.inventory, session.commit, head):
        raise NoteError(f"this verification is recorded, and {warning}", object=run.id)
    return run.id


def _narrowed(sample: str | None, level: int | None) -> tuple[str, ...]:
    """What a run left out beside its limit: of that it says nothing, and takes nothing back."""
    sampled = (f"sample={sample}",) if sample else ()
    return sampled if level is None else (*sampled, f"level={level}")
