"""A verification with what earlier ones left, and its own record in the history."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType

from provisioner import __version__
from provisioner.availability.since import PathSince
from provisioner.base.collector import without_collector
from provisioner.base.counted import counted
from provisioner.base.errors import StateError, UsageError
from provisioner.desired.limit import Limit
from provisioner.history.git_notes import note_head
from provisioner.history.month_sums_kept import keep_month_sums
from provisioner.history.path_memory import each_memory
from provisioner.history.records import Ending, Operation, Run
from provisioner.history.store import open_history
from provisioner.history.verdicts import read_since
from provisioner.history.view_references import add_references, read_references
from provisioner.history.who import who
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import new_run_id, paths_to_verify, verify_inventory
from provisioner.runs.holdings import contents_of, shown_of_facilities, shown_of_hosts
from provisioner.runs.journal import expect_usual_time, state_place
from provisioner.runs.meanwhile.proofs import ProofsSoFar, remember_looks
from provisioner.runs.meanwhile.windows import changes_since
from provisioner.verify.acceptance import acceptances
from provisioner.verify.document import verify_in_parts
from provisioner.verify.in_a_row import REMEMBERED
from provisioner.verify.kept import swept_paths
from provisioner.verify.memory import Memories, memory_from
from provisioner.verify.orders import Orders
from provisioner.verify.reference import References, references_document, references_from, report_on
from provisioner.verify.result import Accepted, Verdict, VerifyResult, exit_code


class NoteError(StateError):
    """What goes with a recorded run could not be written: its Git note, or what the next one has to know."""


_OUTCOMES = {0: "up", 1: "not-up"}


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
    return replace(result, references=reports, before=_before(session, result))


def _before(session: Session, result: VerifyResult) -> Mapping[str, PathSince]:
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


def _narrowed(sample: str | None, level: int | None) -> tuple[str, ...]:
    """What a run left out beside its limit: of that it says nothing, and takes nothing back."""
    sampled = (f"sample={sample}",) if sample else ()
    return sampled if level is None else (*sampled, f"level={level}")


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
    # Sums save time later: where they cannot be made now the next verification makes them.
    with suppress(StateError):
        longest = timedelta(hours=session.inventory.settings.policy.availability.longest_hours)
        keep_month_sums(place, longest, result.finished_at)
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
