"""A verification recorded in the history."""

from __future__ import annotations

from contextlib import closing

from provisioner import __version__
from provisioner.base.errors import StateError
from provisioner.history.git_notes import note_head
from provisioner.history.records import Ending, Operation, Run
from provisioner.history.store import open_history
from provisioner.history.who import who
from provisioner.pipeline import Session, new_run_id
from provisioner.runs.holdings import contents_of, shown_of_facilities, shown_of_hosts
from provisioner.runs.journal import state_place
from provisioner.verify.document import verify_document
from provisioner.verify.result import VerifyResult, exit_code


class NoteError(StateError):
    """The Git note of a recorded run could not be written."""


_OUTCOMES = {0: "up", 1: "not-up"}


def record_verification(session: Session, result: VerifyResult, limit: tuple[str, ...] = ()) -> str:
    """Record a verification that is over: the run's id.

    Only what was checked is recorded: a limit leaves facilities out, and nothing is said of them.

    Args:
        session: the session that verified.
        result: what it found.
        limit: the `KIND=NAME` texts that chose the paths.

    Raises:
        StateError: it cannot be recorded; what was found stays true.
        NoteError: it is recorded, and the Git note that was wished could not be written.
    """
    contents = contents_of(session.served)
    run = Run(
        id=new_run_id(),
        operation=Operation.VERIFY,
        started=result.started_at,
        commit=session.commit,
        digest=session.digest,
        who=who(session.environment),
        tool=__version__,
        limit=limit,
    )
    ending = Ending(
        finished=result.finished_at,
        outcome=_OUTCOMES[exit_code(result)],
        document=verify_document(result),
        holdings=shown_of_hosts(session.state, contents, result),
        checks=shown_of_facilities(session.state, contents, result),
    )
    place = state_place(session)
    with closing(open_history(place)) as history:
        head = history.end(run, ending)
    if warning := note_head(session.root, session.environment, place.inventory, session.commit, head):
        raise NoteError(f"this verification is recorded, and {warning}", object=run.id)
    return run.id
