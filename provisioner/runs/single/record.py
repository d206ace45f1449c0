"""What was done to hosts by name, as the history has it: one entry once it is done, and no journal.

Nothing of it waits for anything, so that there is nothing to be taken up again; and what cannot be recorded stays done.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

from provisioner import __version__
from provisioner.base.errors import StateError
from provisioner.base.json_document import Document
from provisioner.base.secret import Secret
from provisioner.history.git_notes import note_head
from provisioner.history.place import state_place_of
from provisioner.history.records import Ending, Operation, Run, of_hosts
from provisioner.history.seal import record_keys
from provisioner.history.who import who
from provisioner.inventory.loader.settings import load_settings
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import new_run_id

UNRECORDED_HINT = "see that the history can be written to (PROVISIONER_STATE); nothing has to be done again"


def record_done(
    session: Session, operation: Operation, hosts: Iterable[str], document: Document, digest_key: Secret | None
) -> str:
    """Record what was just done to hosts; a sentence on why that could not be, empty where it could.

    Args:
        session: the inventory's.
        operation: what it was.
        hosts: whom it was done to.
        document: the command's own; no secret is in it.
        digest_key: the vault's, by which entries are sealed; None where that file stayed shut.
    """
    return record_run(session, operation, of_hosts(hosts), document, digest_key)


def record_run(
    session: Session, operation: Operation, limit: tuple[str, ...], document: Document, digest_key: Secret | None
) -> str:
    """Record what was just done, whatever it is of, as `record_done` does; `limit` are the texts that say of what."""
    # The database's library takes as long to import as most of what is recorded here takes.
    from provisioner.history.store import open_history  # noqa: PLC0415

    now = datetime.now(UTC)
    run = Run(
        id=new_run_id(),
        operation=operation,
        started=now,
        commit=session.commit,
        digest=session.digest,
        who=who(session.environment),
        tool=__version__,
        limit=limit,
    )
    inventory = load_settings(session.root).id
    try:
        keys = record_keys(digest_key, session.environment, inventory)
        place = replace(state_place_of(session.environment, inventory), keys=keys)
        with closing(open_history(place)) as history:
            head = history.end(run, Ending(now, "done", document))
    except StateError as error:
        return f"this is done, and not recorded: {error.message}"
    warning = note_head(session.root, session.environment, inventory, session.commit, head)
    return f"this is recorded, and {warning}" if warning else ""
