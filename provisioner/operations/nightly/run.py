"""A night: verify, record, compare, report, notify, measure.

No step's failure hides another's result. The verification is recorded and written before other steps, so that a hanging
webhook or a full disk later loses no part of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from provisioner.base.errors import HostError, InventoryError, ReportError, StateError, worst_of
from provisioner.base.files import replace_file
from provisioner.base.text import Document
from provisioner.operations.apply.verification import (
    NoteError,
    expect_verification,
    record_verification,
    verify_with_memory,
)
from provisioner.operations.nightly.night import (
    NightOptions,
    NightRun,
    NightStep,
    StepOutcome,
    StepResult,
    StepState,
    keep_night,
    night_document,
    tried,
)
from provisioner.operations.nightly.notices import Sending, night_report_of, problem_of, switchboard, tell_all
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan
from provisioner.plan.document import DriftDocument, plan_document, plan_ending
from provisioner.record.leases import night_lease, this_process
from provisioner.record.state_folder import state_folder_of
from provisioner.verify.document import verify_document
from provisioner.verify.result import VerifyResult, exit_code

_CHANGES: Final = 10
_HELD: Final = InventoryError.exit_code
_SKIPPED: Final = StepOutcome(state=StepState.SKIPPED)
_PAGE: Final = "verify.html"
_FULL_HINT: Final = "make room there, or name another folder with --report; the verification itself is kept"


class NightWatcher(Protocol):
    """Observer of finished steps."""

    def verified(self, result: VerifyResult) -> None:
        """The verification is over."""

    def compared(self, planned: Planned) -> None:
        """Hosts were compared with the inventory."""

    def notified(self, sendings: Sequence[Sending]) -> None:
        """Receivers were notified, or not."""


def run_night(session: Session, options: NightOptions, watcher: NightWatcher) -> NightRun:
    """Run a night under a lease, one at a time.

    Raises:
        LockedError: another night runs.
        InventoryError: there is no valid inventory.
    """
    night = NightRun(_inventory_id(session), options, datetime.now(UTC))
    with ExitStack() as stack:
        _take_lease(session, night, stack)
        steps: tuple[tuple[NightStep, Callable[[], StepOutcome]], ...] = (
            (NightStep.VERIFY, lambda: _verify_night(session, night, watcher)),
            (NightStep.RECORD, lambda: _record(session, night)),
            (NightStep.DRIFT, lambda: _compare_hosts(session, night, watcher)),
            (NightStep.REPORT, lambda: _write_reports(night)),
            (NightStep.NOTIFY, lambda: _notify_receivers(session, night, watcher)),
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
        message = f"the inventory {session.root} cannot be understood"
        raise InventoryError(message, problems=problems, hint="run: provisioner validate")
    return base_inventory.settings.id


def _take_lease(session: Session, night: NightRun, stack: ExitStack) -> None:
    """Take the lease, or raise `LockedError` if another night has it.

    Without a store the night goes on: it changes no host.
    """
    environment = session.environment
    holder = this_process(environment, night.started)
    try:
        lease = stack.enter_context(night_lease(state_folder_of(environment, night.inventory), holder))
    except StateError as error:
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
    return StepOutcome(worst_of(code, _HELD) if result.held else code, night.options.ending(result))


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
        HostError.exit_code if planned.unreadable else 0,
        _HELD if planned.plan.frozen_in_limit else 0,
        0 if planned.plan.is_empty else _CHANGES,
    )
    code = worst_of(*codes)
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
    board = switchboard(session)
    night.notes += board.notes
    night_report = night_report_of(session, night.document, night.run, night.drifted)
    night.sendings = tell_all(board, night_report)
    watcher.notified(night.sendings)
    if problem := problem_of(night.sendings):
        raise problem
    return StepOutcome() if night.sendings else _SKIPPED


def _write_metrics(session: Session, night: NightRun) -> StepOutcome:
    if night.options.metrics is None:
        return _SKIPPED
    # Metrics tell of this night as well: it is kept before them, and once more with what became of them.
    tried(lambda: _keep(session, night))
    night.options.metrics(night.inventory)
    return StepOutcome()


def _conclude(session: Session, night: NightRun) -> None:
    """Store the night's end and its document."""
    for work in (lambda: _report_night(night), lambda: _keep(session, night)):
        outcome, error = tried(work)
        if error is not None:
            step = NightStep.RECORD if isinstance(error, StateError) else NightStep.REPORT
            night.steps.append(StepResult(step, outcome, error))


def _keep(session: Session, night: NightRun) -> StepOutcome:
    keep_night(session.environment, night)
    return StepOutcome()


# --- files ----------------------------------------------------------------------------------------


def _folder(folder: Path) -> Path:
    """Make the folder for reports, or raise `ReportError`."""
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(f"the folder {folder} cannot be made: {error.strerror}", hint=_FULL_HINT) from None
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
    """Write a report atomically, or raise `ReportError`."""
    try:
        replace_file(file, text.encode(), mode=0o640)
    except OSError as error:
        raise ReportError(f"{file} cannot be written: {error.strerror}", hint=_FULL_HINT) from None
