"""A night: verify, record, compare, report, notify, measure.

No step's failure hides another's result. The verification is recorded and written before other steps, so that a hanging
webhook or a full disk later loses no part of it. The file is beside the record. Metrics and timers read it without the
vault: it contains times, ids and the program's own words, but no path's verdict.
"""

import json
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from provisioner.base import errors
from provisioner.base.document import Count, Moment, Printed, Row, Said, Seconds, of
from provisioner.base.files import make_own_folder, read_regular, refuse_link, replace_file
from provisioner.base.text import Document, local_iso, msg
from provisioner.desired.limit import Limit
from provisioner.operations.apply.verification import (
    NoteError,
    expect_verification,
    record_verification,
    verify_with_memory,
)
from provisioner.operations.nightly import notices as night_notices
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan
from provisioner.plan.document import DriftDocument, plan_document, plan_ending
from provisioner.record.leases import night_lease, this_process
from provisioner.record.state_folder import state_folder, state_folder_of
from provisioner.verify.document import SummaryRow, VerifyDocument, verify_document
from provisioner.verify.path_history import VerifyOptions
from provisioner.verify.result import Verdict, VerifyResult, exit_code

_FRAMES: Final = 3
NIGHT_FILE: Final = "night.json"
_MOST_BYTES: Final = 64 * 1024
_SCHEMA: Final = "provisioner/night"


class NightStep(StrEnum):
    """The steps of a night, in order."""

    VERIFY = "verify"
    RECORD = "record"
    DRIFT = "drift"
    REPORT = "report"
    NOTIFY = "notify"
    PUBLISH = "publish"
    METRICS = "metrics"


class StepState(StrEnum):
    """State of a step: done with any result, failed, or not needed."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class StepOutcome(NamedTuple):
    """A step's exit code, sentences (worst first) and state."""

    code: int = 0
    sentences: tuple[str, ...] = ()
    state: StepState = StepState.DONE


@dataclass(frozen=True)
class StepResult:
    """One step of a night; `error` is its failure."""

    step: NightStep
    outcome: StepOutcome
    error: errors.ProvisionerError | None = None
    seconds: float = 0.0

    @property
    def lines(self) -> tuple[str, ...]:
        """Return the step's sentences for the end of the night."""
        if self.error is None:
            return tuple(f"{self.step}: {sentence}" for sentence in self.outcome.sentences)
        hint = f"; {self.error.hint}" if self.error.hint else ""
        return (f"{self.step}: {self.error.message}{hint}", *(f"{self.step}: {s}" for s in self.outcome.sentences))


@dataclass(frozen=True)
class NightOptions:
    """Options of a night."""

    ending: Callable[[VerifyResult], tuple[str, ...]]  #: The last lines of a verification.
    page: Callable[[VerifyResult], str]
    limits: tuple[str, ...] = ()  #: The `KIND=NAME` texts that choose paths and hosts.
    limit: Limit = field(default_factory=Limit)
    verification: VerifyOptions = field(default_factory=VerifyOptions)
    fail_on: Verdict = Verdict.DEGRADED
    report: Path | None = None
    tells: bool = True
    publish: Callable[[], tuple[str, ...]] | None = None  #: Reports to the ministry; returns failed ways with reasons.
    metrics: Callable[[str], None] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every path is verified at all levels."""
        return not self.limits and self.verification.sample is None and self.verification.level is None


@dataclass
class NightRun:
    """A night's progress."""

    inventory: str
    options: NightOptions
    started: datetime
    run: str = ""
    result: VerifyResult | None = field(default=None, repr=False)
    document: VerifyDocument | None = field(default=None, repr=False)
    planned: Planned | None = field(default=None, repr=False)
    sendings: tuple[night_notices.Sending, ...] = ()
    notes: list[str] = field(default_factory=list)
    steps: list[StepResult] = field(default_factory=list)
    finished: datetime | None = None
    is_reported: bool = False  #: Whether the verification's reports are written.

    @property
    def code(self) -> int:
        """The exit code of the worst step."""
        return errors.worst_of(*(step.outcome.code for step in self.steps))

    @property
    def is_complete(self) -> bool:
        """Whether every path was verified and recorded, and every host compared."""
        done = {step.step for step in self.steps if step.outcome.state is StepState.DONE}
        return self.options.is_whole and {NightStep.VERIFY, NightStep.RECORD, NightStep.DRIFT} <= done

    @property
    def drifted(self) -> frozenset[str] | None:
        """The hosts that differ from the inventory; `None` if not compared."""
        if self.planned is None or self.result is None:
            return None
        unread = {host.host for host in self.result.hosts if host.drift} & self.planned.unreadable.keys()
        return frozenset({change.host for change in self.planned.plan.pending} | unread)

    @property
    def ending(self) -> tuple[str, ...]:
        """The last lines, worst step first, notes last."""
        by_rank = sorted(self.steps, key=lambda step: errors.rank_of(step.outcome.code))
        return (*(line for step in by_rank for line in step.lines), *(f"note: {note}" for note in self.notes))


def tried(work: Callable[[], StepOutcome]) -> tuple[StepOutcome, errors.ProvisionerError | None]:
    """Run a step; any exception is its failure alone."""
    try:
        return work(), None
    except errors.ProvisionerError as error:
        return StepOutcome(error.exit_code, state=StepState.FAILED), error
    except Exception as error:  # noqa: BLE001 (a defect in one step loses nothing of another one)
        defect = _defect_error(error)
        return StepOutcome(defect.exit_code, state=StepState.FAILED), defect


def _defect_error(error: Exception) -> errors.ProvisionerError:
    """Return a defect's location, without the exception's words, which may quote values."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    where = ", ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
    hint = msg("this is a defect of provisioner: report it with this line, which names no inventory value")
    return errors.ProvisionerError(msg("internal error ({name} at {where})", type(error).__name__, where), hint=hint)


class StepRow(Row):
    """A step of a night."""

    step: NightStep
    state: StepState = of("outcome", "state")
    code: Count = of("outcome", "code")
    message: str
    hint: str
    seconds: Seconds


class NightDocument(Printed, name="nightly", title="A night"):
    """Output of `provisioner nightly --output json`; `nightly.json` lacks two keys."""

    inventory: Said
    started_at: Moment
    finished_at: Moment | None
    run: str  #: The recorded verification; empty if recording failed.
    complete: bool  #: Whether every path was verified, the result recorded, and every host compared.
    exit_code: Count
    summary: SummaryRow | None
    drifted: tuple[Said, ...] | None  #: The hosts that differ from the inventory; null if they were not compared.
    steps: tuple[StepRow, ...]
    notices: tuple[night_notices.SendingRow, ...]
    notes: tuple[str, ...]
    ending: tuple[str, ...]  #: The last lines, worst first.
    verify: Document | None  #: The `verify` document; null without a verification.
    drift: Document | None  #: The `drift` document; null if hosts were not compared.


def night_document(night: NightRun, *, everything: bool = True) -> Document:
    """Return the `nightly` document, with `everything` verification and drift too."""
    planned = night.planned
    drift = plan_document(planned.plan, model=DriftDocument) if everything and planned else None
    document = NightDocument(
        inventory=night.inventory,
        started_at=night.started,
        finished_at=night.finished,
        run=night.run,
        complete=night.is_complete,
        exit_code=night.code,
        summary=night.document.summary if night.document else None,
        drifted=sorted(night.drifted) if night.drifted is not None else None,
        steps=[_step_row(step) for step in night.steps],
        notices=[sending.row for sending in night.sendings],
        notes=night.notes,
        ending=night.ending,
        verify=None,
        drift=None,
    )
    # The documents of a country are large: they are handed on as they are.
    verify = night.document.plain if everything and night.document else None
    return document.plain | {"verify": verify, "drift": drift}


def _step_row(step: StepResult) -> StepRow:
    message, hint = (step.error.message, step.error.hint) if step.error else ("", "")
    return StepRow.made_of(step, message=message, hint=hint, seconds=round(step.seconds, 2))


def notice_lines(sendings: Sequence[night_notices.Sending]) -> tuple[str, ...]:
    """Return a line a receiver on its notice."""
    return tuple(_notice_line(sending) for sending in sendings)


def _notice_line(sending: night_notices.Sending) -> str:
    counts = ", ".join(f"{number} {change}" for change, number in sending.turns.items() if number)
    tail = f": {sending.message}" if sending.message else f" ({counts})" if counts else ""
    return f"{sending.receiver.id} ({sending.receiver.kind}, {sending.receiver.role}): {sending.outcome}{tail}"


def night_file(environment: Mapping[str, str], inventory: str) -> Path:
    """Return the file's path, one a machine even with a shared database."""
    return state_folder(environment) / inventory / NIGHT_FILE


def keep_night(environment: Mapping[str, str], night: NightRun) -> None:
    """Store a night's end, or raise `StateError`."""
    file = night_file(environment, night.inventory)
    last = _moments(night) if night.is_complete else last_night(file).get("last_complete")
    document = {"schema": _SCHEMA, "version": 1, "inventory": night.inventory, **_moments(night)}
    document |= {"complete": night.is_complete, "exit_code": night.code, "last_complete": last}
    document |= {"steps": {step.step.value: step.outcome.state.value for step in night.steps}}
    text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    hint = msg("make room, or give yourself the folder; until then this night counts as one that did not happen")
    with errors.os_errors(msg("{file} cannot be written", file), hint, errors.StateError):
        make_own_folder(file.parent)
        refuse_link(file)
        replace_file(file, text.encode())


def _moments(night: NightRun) -> Document:
    finished = local_iso(night.finished) if night.finished else None
    return {"started_at": local_iso(night.started), "finished_at": finished, "run": night.run}


def last_night(file: Path) -> Document:
    """Return the file's content; empty if missing or invalid."""
    try:
        document = json.loads(read_regular(file, most=_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) and document.get("schema") == _SCHEMA else {}


_CHANGES: Final = 10
_HELD: Final = errors.InventoryError.exit_code
_SKIPPED: Final = StepOutcome(state=StepState.SKIPPED)
_PAGE: Final = "verify.html"
_FULL_HINT: Final = msg("make room there, or name another folder with --report; the verification itself is kept")


class NightWatcher(Protocol):
    """Observer of finished steps."""

    def verified(self, result: VerifyResult) -> None:
        """The verification is over."""

    def compared(self, planned: Planned) -> None:
        """Hosts were compared with the inventory."""

    def notified(self, sendings: Sequence[night_notices.Sending]) -> None:
        """Receivers were notified, or not."""


def run_night(session: Session, options: NightOptions, watcher: NightWatcher) -> NightRun:
    """Run a night under a lease; or raise `LockedError` if another runs."""
    night = NightRun(_inventory_id(session), options, datetime.now(UTC))
    with ExitStack() as stack:
        _take_lease(session, night, stack)
        steps: tuple[tuple[NightStep, Callable[[], StepOutcome]], ...] = (
            (NightStep.VERIFY, lambda: _verify_night(session, night, watcher)),
            (NightStep.RECORD, lambda: _record(session, night)),
            (NightStep.DRIFT, lambda: _compare_hosts(session, night, watcher)),
            (NightStep.REPORT, lambda: _write_reports(night)),
            (NightStep.NOTIFY, lambda: _notify_receivers(session, night, watcher)),
            (NightStep.PUBLISH, lambda: _publish(night)),
        )
        for step, work in steps:
            _run_step(night, step, work)
        night.finished = datetime.now(UTC)
        _run_step(night, NightStep.METRICS, lambda: _write_metrics(session, night))
        _conclude(session, night)
    return night


def _run_step(night: NightRun, step: NightStep, work: Callable[[], StepOutcome]) -> None:
    began = time.monotonic()
    outcome, error = tried(work)
    night.steps.append(StepResult(step, outcome, error, time.monotonic() - began))


def _inventory_id(session: Session) -> str:
    base_inventory = session.loaded.frame
    if base_inventory is None:
        problems = tuple(problem for problem in session.loaded.problems if problem.stops)
        message = msg("the inventory {root} cannot be understood", session.root)
        raise errors.InventoryError(message, problems=problems, hint=msg("run: provisioner validate"))
    return base_inventory.settings.id


def _take_lease(session: Session, night: NightRun, stack: ExitStack) -> None:
    """Take the lease, if there is a store, or raise `LockedError`."""
    environment = session.environment
    holder = this_process(environment, night.started)
    try:
        lease = stack.enter_context(night_lease(state_folder_of(environment, night.inventory), holder))
    except errors.StateError as error:
        night.notes.append(f"there is no lease, and another night may run beside this one: {error.message}")
        return
    if lease.before:
        night.notes.append(f"the night of {lease.before.text} ended without a word; its lease was taken over")


# --- the steps ------------------------------------------------------------------------------------
def _verify_night(session: Session, night: NightRun, watcher: NightWatcher) -> StepOutcome:
    expect_verification(session, night.options.limits, night.options.verification)
    result = verify_with_memory(session, night.options.limit, night.options.verification)
    night.result, night.document = result, verify_document(result)
    watcher.verified(result)
    code = exit_code(result, night.options.fail_on)
    return StepOutcome(errors.worst_of(code, _HELD) if result.held else code, night.options.ending(result))


def _record(session: Session, night: NightRun) -> StepOutcome:
    """Record the verification and write its report at once, before later steps."""
    if night.result is None:
        return _SKIPPED
    try:
        night.run = record_verification(session, night.result, night.options.limits)
    except NoteError as error:
        night.run = error.object
        night.notes.append(error.message)
    finally:
        tried(lambda: _write_verification(night))
    return StepOutcome()


def _compare_hosts(session: Session, night: NightRun, watcher: NightWatcher) -> StepOutcome:
    planned = make_plan(session, night.options.limit, is_judged=False)
    night.planned = planned
    watcher.compared(planned)
    codes = (
        errors.HostError.exit_code if planned.unreadable else 0,
        _HELD if planned.plan.frozen_in_limit else 0,
        0 if planned.plan.is_empty else _CHANGES,
    )
    code = errors.worst_of(*codes)
    return StepOutcome(code, plan_ending(planned.plan, judged=False) if code else ())


def _write_reports(night: NightRun) -> StepOutcome:
    if night.options.report is None:
        return _SKIPPED
    _write_verification(night)
    folder = _folder(night.options.report)
    if night.planned is not None:
        _write(folder / "drift.json", plan_document(night.planned.plan, model=DriftDocument))
    return StepOutcome()


def _notify_receivers(session: Session, night: NightRun, watcher: NightWatcher) -> StepOutcome:
    if not night.options.tells or night.document is None:
        return _SKIPPED
    board = night_notices.switchboard(session)
    night.notes += board.notes
    night_report = night_notices.night_report_of(session, night.document, night.run, night.drifted)
    night.sendings = night_notices.tell_all(board, night_report)
    watcher.notified(night.sendings)
    if problem := night_notices.problem_of(night.sendings):
        raise problem
    return StepOutcome() if night.sendings else _SKIPPED


def _publish(night: NightRun) -> StepOutcome:
    if night.options.publish is None:
        return _SKIPPED
    failed = night.options.publish()
    return StepOutcome(errors.NoticeError.exit_code, failed, StepState.FAILED) if failed else StepOutcome()


def _write_metrics(session: Session, night: NightRun) -> StepOutcome:
    if night.options.metrics is None:
        return _SKIPPED
    # Metrics tell of this night as well: it is kept before them, and once more with what became of them.
    tried(lambda: _keep(session, night))
    night.options.metrics(night.inventory)
    return StepOutcome()


def _conclude(session: Session, night: NightRun) -> None:
    for work in (lambda: _report_night(night), lambda: _keep(session, night)):
        outcome, error = tried(work)
        if error is not None:
            step = NightStep.RECORD if isinstance(error, errors.StateError) else NightStep.REPORT
            night.steps.append(StepResult(step, outcome, error))


def _keep(session: Session, night: NightRun) -> StepOutcome:
    keep_night(session.environment, night)
    return StepOutcome()


# --- files ----------------------------------------------------------------------------------------
def _folder(folder: Path) -> Path:
    with errors.os_errors(msg("the folder {folder} cannot be made", folder), _FULL_HINT, errors.ReportError):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    return folder


def _write_verification(night: NightRun) -> StepOutcome:
    if night.options.report is None or night.is_reported:
        return _SKIPPED
    if night.result is not None and night.document is not None:
        folder = _folder(night.options.report)
        _write(folder / "verify.json", night.document.plain)
        _write_text(folder / _PAGE, night.options.page(night.result))
        night.is_reported = True
    return StepOutcome()


def _report_night(night: NightRun) -> StepOutcome:
    if night.options.report is not None:
        _write(_folder(night.options.report) / "nightly.json", night_document(night, everything=False))
    return StepOutcome()


def _write(file: Path, document: Document) -> None:
    _write_text(file, json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def _write_text(file: Path, text: str) -> None:
    with errors.os_errors(msg("{file} cannot be written", file), _FULL_HINT, errors.ReportError):
        replace_file(file, text.encode(), mode=0o640)
