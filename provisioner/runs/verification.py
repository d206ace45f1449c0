"""A verification recorded in the history."""

from __future__ import annotations

from contextlib import closing

from provisioner import __version__
from provisioner.history.place import state_place_of
from provisioner.history.records import Ending, Operation, Run
from provisioner.history.store import open_history
from provisioner.history.who import who
from provisioner.pipeline import Session, new_run_id
from provisioner.runs.holdings import contents_of, shown_of_facilities, shown_of_hosts
from provisioner.verify.document import verify_document
from provisioner.verify.result import VerifyResult, exit_code

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
    """
    contents = contents_of(session.inventory)
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
    with closing(open_history(state_place_of(session.environment, session.inventory.settings.id))) as history:
        history.end(run, ending)
    return run.id
