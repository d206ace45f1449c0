"""A verification that uses earlier ones, and its own record.

A holding is a host's facts compared with the desired state: the hash of the facility's signed content if equal, else
only its presence.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime

from provisioner.base.errors import StateError, UsageError
from provisioner.base.groups import grouped
from provisioner.base.processes import without_collector
from provisioner.base.text import counted
from provisioner.desired.limit import Limit
from provisioner.desired.spec import DesiredState, HostKind, HostSpec
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.signed import signed_content
from provisioner.operations.apply import journal
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import new_run, new_run_id, paths_to_verify, verify_inventory
from provisioner.operations.rollout.result import HostOutcome, HostResult
from provisioner.plan.change import Action, Change, Resource, pending
from provisioner.plan.diff.files import frozen_on
from provisioner.record.availability.path_state import PathState
from provisioner.record.entries import Ending, FacilityCheck, Holding, Operation
from provisioner.record.heads import note_head
from provisioner.record.path_memory import add_references, each_memory, read_references
from provisioner.record.state_folder import who
from provisioner.record.store import open_history
from provisioner.record.verdicts import read_since
from provisioner.verify.acceptance import acceptances
from provisioner.verify.document import verify_in_parts
from provisioner.verify.incidents import REMEMBERED
from provisioner.verify.judge import HIGHEST
from provisioner.verify.memory import Memories, memory_from, swept_paths
from provisioner.verify.path_history import VerifyOptions
from provisioner.verify.reference import References, references_document, references_from, report_on
from provisioner.verify.result import Accepted, Cause, PathVerdict, Verdict, VerifyResult, exit_code

Contents = Mapping[str, Mapping[str, str]]  #: By relay: hash of signed content of each facility, by id.

_UNLIKE = ""
_OUTCOMES = {0: "up", 1: "not-up"}


class NoteError(StateError):
    """A recorded run's Git note or path memories could not be written."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """Path memories of earlier verifications, by path name."""

    memories: Memories = field(default_factory=dict)
    reason: str = ""
    unread: int = 0  #: Number of memories that this program did not write.


@dataclass(frozen=True, slots=True)
class Acceptances:
    """Accepted pictures: the run that records them, and all references by path."""

    run: str
    references: Mapping[str, References]


def contents_of(inventory: Inventory) -> Contents:
    """Return what each relay should carry."""
    contents: dict[str, dict[str, str]] = {relay: {} for relay in inventory.relays}
    for connection in inventory.connections:
        contents[connection.relay][connection.facility.id] = signed_content(connection.facility, connection.plan)
    return contents


def holding(
    spec: HostSpec, contents: Mapping[str, str], differing: Iterable[Change], at: datetime, held: Iterable[str] = ()
) -> Holding:
    """Return a relay's holding from its differences to the desired state."""
    open_changes = pending(differing)
    absent = {
        (change.facility, change.name)
        for change in open_changes
        if change.resource is Resource.PATH and change.action is Action.CREATE
    }
    touched = {change.facility for change in open_changes if change.facility}
    present = {path.facility for path in spec.paths if (path.facility, path.name) not in absent}
    carried = {
        facility: _UNLIKE if facility in touched else content
        for facility, content in contents.items()
        if facility in present
    }
    strangers = {change.facility for change in open_changes if change.facility and change.facility not in contents}
    return Holding(spec.id, at, carried | dict.fromkeys({*strangers, *held}, _UNLIKE), exact=not open_changes)


def proved_by_change(
    operation: Operation,
    state: DesiredState,
    contents: Contents,
    results: Sequence[HostResult],
    *,
    differing: Iterable[Change],
    at: datetime,
) -> tuple[Holding, ...]:
    """Return holdings of hosts that a run started."""
    by_host = grouped(differing, lambda change: change.host)
    holdings = []
    for result in results:
        spec = state.hosts.get(result.host)
        if spec is None or spec.kind is not HostKind.RELAY:
            continue
        if result.facts is not None:
            holdings.append(holding(spec, contents[spec.id], by_host[spec.id], at, frozen_on(spec, result.facts)))
        elif _left_unknown(operation, result.outcome):
            holdings.append(Holding(spec.id, at, None))
    return tuple(holdings)


def _left_unknown(operation: Operation, outcome: HostOutcome) -> bool:
    if operation is Operation.ROLLBACK:
        return outcome not in {HostOutcome.NOT_STARTED, HostOutcome.UNCHANGED}
    return outcome in {HostOutcome.APPLIED, HostOutcome.UNREACHABLE, HostOutcome.ROLLBACK_FAILED}


def _proof_of_hosts(state: DesiredState, contents: Contents, result: VerifyResult) -> tuple[Holding, ...]:
    reports = {report.host: report for report in result.hosts if report.drift is not None}
    relays = ((spec, reports[spec.id]) for spec in state.hosts.values() if spec.relay and spec.id in reports)
    return tuple(
        holding(spec, contents[spec.id], report.drift or (), result.started_at, report.held) for spec, report in relays
    )


def _proof_of_facilities(state: DesiredState, contents: Contents, result: VerifyResult) -> tuple[FacilityCheck, ...]:
    verdicts = {(verdict.relay, verdict.path): verdict for verdict in result.paths}
    return tuple(
        check
        for relay, facilities in sorted(contents.items())
        if relay in state.hosts
        for facility, content in sorted(facilities.items())
        for check in _facility_checks(state.hosts[relay], facility, content, verdicts)
    )


def _facility_checks(
    spec: HostSpec, facility: str, content: str, verdicts: Mapping[tuple[str, str], PathVerdict]
) -> Iterator[FacilityCheck]:
    pulled = [path.name for path in spec.paths if path.facility == facility and not path.on_demand]
    path_verdicts = [verdicts[spec.id, name] for name in pulled if (spec.id, name) in verdicts]
    visited = [verdict for verdict in path_verdicts if verdict.cause is not Cause.NOT_ASKED]
    moments = [verdict.checked_at for verdict in visited if verdict.checked_at is not None]
    # Without evidence of a path there is no time to record.
    if moments:
        proved = sum(_is_proved(verdict) for verdict in visited)
        checked = sum(_is_counted(verdict) for verdict in visited)
        # A good sample does not prove the rest, so the whole keeps its state. A bad one is news.
        if len(visited) == len(path_verdicts) or checked > proved:
            yield FacilityCheck(facility, content, spec.id, max(moments), len(pulled), checked, proved)


def _is_counted(verdict: PathVerdict) -> bool:
    """Return whether a path's state counts; in maintenance only up counts."""
    return _is_proved(verdict) or verdict.verdict not in {Verdict.UNKNOWN, Verdict.MAINTENANCE}


def _is_proved(verdict: PathVerdict) -> bool:
    is_up = verdict.without_window is Verdict.UP and verdict.level == HIGHEST.number
    return is_up and verdict.checked_at is not None


def recall(session: Session, paths: Collection[str]) -> Recalled:
    """Read memories of paths, or the reason of failure."""
    folder = journal.keyed_state_folder(session)
    try:
        read = each_memory(folder, paths)
        if read is None:
            return Recalled(reason=f"no run was ever recorded in {folder.text}")
        memories, unread = {}, 0
        with without_collector():
            for path, document in read:
                if document is None or (memory := memory_from(document)) is None:
                    unread += 1
                else:
                    memories[path] = memory
    except StateError as error:
        return Recalled(reason=error.message)
    return Recalled(memories, unread=unread)


def verify_with_memory(session: Session, limit: Limit, options: VerifyOptions) -> VerifyResult:
    """Verify paths with earlier memories; errors as `pipeline.verify_inventory`."""
    names, memories = paths_to_verify(session, limit)
    recalled, accepted = recall(session, memories), recall_references(session, names)
    forgot = recalled.reason
    if recalled.unread:
        forgot = f"what is remembered of {counted(recalled.unread, 'path')} is not what this program wrote"
    options = replace(options, memories=recalled.memories, forgot=forgot, references=accepted)
    options = replace(options, changes=lambda since: journal.changes_since(session, since))
    proofs = journal.ProofsSoFar(journal.keyed_state_folder(session))
    with without_collector():
        result = verify_inventory(session, limit, replace(options, keep=proofs.take))
    result = replace(result, looks=(*proofs.unwritten, *result.looks))
    reports = {path: report for path in names if (report := report_on(accepted.get(path, ())))}
    return replace(result, references=reports, before=_since_before(session, result))


def _since_before(session: Session, result: VerifyResult) -> Mapping[str, PathState]:
    """Return since when failing paths had their state; empty if unreadable."""
    failing = {path.path for path in result.paths if path.without_window is not Verdict.UP}
    provinces = sorted({path.partition("/")[0] for path in failing})
    try:
        folder = journal.keyed_state_folder(session)
        begin = result.started_at - REMEMBERED
        states = [read_since(folder, f"{province}/", result.started_at, begin) for province in provinces]
    except StateError:
        return {}
    return {path: state for part in states for path, state in part.items() if path in failing}


def recall_references(session: Session, paths: Collection[str]) -> Mapping[str, References]:
    """Return accepted pictures of paths and their facilities' other paths.

    If unreadable they are empty: then no comparison is made, and documents say so.
    """
    sites = {path.rsplit("/", 2)[0] for path in paths}
    sibling_relays = {path.name for _, path in session.state.paths if path.name.rsplit("/", 2)[0] in sites}
    try:
        read = read_references(journal.keyed_state_folder(session), {*paths, *sibling_relays})
    except StateError:
        return {}
    return {path: references for path, document in read.documents.items() if (references := references_from(document))}


def refuse_job(session: Session) -> None:
    """Raise `UsageError` if a pipeline job accepts pictures."""
    if job := who(session.environment)["job"]:
        hint = "run it by hand, after you have looked at the pictures"
        raise UsageError(f"--accept is a person's word, and this is the job {job}", hint=hint)


def accept_pictures(session: Session, result: VerifyResult, *, renew: bool) -> tuple[VerifyResult, Acceptances]:
    """Accept a verification's pictures; `renew` drops earlier references."""
    previous = recall_references(session, [path.path for path in result.paths])
    run = new_run_id(result.started_at)
    tours = {path.name for _, path in session.state.paths if path.tour}
    answers = acceptances(result, previous, run, renew=renew, tours=tours)
    accepted = tuple(Accepted(answer.path, not answer.refused, answer.refused, answer.notes) for answer in answers)
    references = {answer.path: answer.references for answer in answers if not answer.refused}
    reports = {path: report for path, stored in references.items() if (report := report_on(stored))}
    updated = replace(result, accepted=accepted, references={**result.references, **reports})
    return updated, Acceptances(run, references)


def expect_verification(session: Session, limit: tuple[str, ...], options: VerifyOptions) -> None:
    """Tell the watcher how long such a verification usually takes."""
    narrowed = _narrowed(options.sample.text if options.sample else None, options.level)
    journal.expect_usual_time(session, Operation.VERIFY, limit=(*limit, *narrowed))


def record_verification(
    session: Session, result: VerifyResult, limit: tuple[str, ...] = (), accepted: Acceptances | None = None
) -> str:
    """Record a verification and its paths' memories; return the run's id.

    Only checked paths are recorded; limit, sample and level leave others out. Raises `StateError` if it cannot be
    recorded, and accepts no picture then; `NoteError` if it is recorded without the Git note or path memories.
    """
    scope = result.scope
    sample = scope.sample.asked if scope.sample else None
    contents, narrowed = contents_of(session.served), (*limit, *_narrowed(sample, scope.level))
    name = accepted.run if accepted else ""
    run = new_run(session, Operation.VERIFY, run=name, started=result.started_at, limit=narrowed)
    ending = Ending(
        finished=result.finished_at,
        outcome=_OUTCOMES[exit_code(result)],
        document=verify_in_parts(result),
        holdings=_proof_of_hosts(session.state, contents, result),
        checks=_proof_of_facilities(session.state, contents, result),
        swept=swept_paths(result, whole=not narrowed),
    )
    folder = journal.keyed_state_folder(session)
    with closing(open_history(folder)) as history:
        head = history.end(run, ending)
    if accepted is not None:
        documents = {path: references_document(references) for path, references in accepted.references.items()}
        add_references(folder, documents, result.finished_at)
    try:
        journal.remember_looks(folder, result.looks, result.finished_at)
    except StateError as error:
        message = f"this verification is recorded, and what it saw of paths is not remembered: {error.message}"
        raise NoteError(message, hint=error.hint, object=run.id) from None
    if warning := note_head(session.root, session.environment, folder.inventory, session.commit, head):
        raise NoteError(f"this verification is recorded, and {warning}", object=run.id)
    return run.id


def _narrowed(sample: str | None, level: int | None) -> tuple[str, ...]:
    """Return what a run left out beside its limit, for the record."""
    sampled = (f"sample={sample}",) if sample else ()
    return sampled if level is None else (*sampled, f"level={level}")
