"""The steps of a drain that change something: files, the new relay, the old one; and the proof between them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from provisioner.base.errors import HostError, LockedError, PolicyError, StateError
from provisioner.desired.limit import Limit
from provisioner.inventory.operations.file_edit import FileEdit
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import Planned, make_plan
from provisioner.runs.drain.look import refuse_cutting
from provisioner.runs.drain.proof import SiteProof, site_proofs
from provisioner.runs.verification import record_verification, verify_with_memory
from provisioner.verify.orders import Orders

Sessions = Callable[[], Session]
"""A new session: what was read of the inventory before an edit does not count after it."""


def write_all(root: Path, edits: Iterable[FileEdit]) -> None:
    """Write edits, one file after the other; what is written when one cannot be stays, and is valid by itself.

    Raises:
        LockedError, InventoryError: a file cannot be written.
    """
    for edit in edits:
        edit.write(root)


def put_back(root: Path, edits: Iterable[FileEdit]) -> None:
    """Let files say what they said before they were edited; those that somebody has edited since stay.

    Raises:
        InventoryError: a file cannot be written.
    """
    for edit in edits:
        if edit.before is not None:
            try:
                FileEdit(edit.facility, edit.path, edit.after, edit.before).write(root)
            except LockedError:
                continue


def plan_of_one(session: Session, relay: str, may_cut: Collection[str], allow: Mapping[str, int]) -> Planned:
    """The plan of one relay alone, which is to be applied as a step of a drain.

    Args:
        session: a session of the files as they are now.
        relay: the relay.
        may_cut: the facilities whose readers may be cut there.
        allow: limits of the policy that are raised.

    Raises:
        PolicyError: it is refused, would cut somebody else, or the relay is somebody else's.
        HostError: the relay cannot be read.
    """
    planned = make_plan(session, Limit({"host": frozenset({relay})}), allow=allow)
    planned.refuse_foreign()
    if relay in planned.unreadable:
        error = planned.unreadable[relay]
        raise HostError(error.message, hint=error.hint, object=relay)
    if planned.plan.refused:
        first = planned.plan.refused[0]
        raise PolicyError(first.message, hint=first.hint, object=first.host or relay)
    refuse_cutting(planned, relay, may_cut)
    return planned


def plan_letting_go(
    sessions: Sessions, relay: str, edits: Collection[FileEdit], may_cut: Collection[str], allow: Mapping[str, int]
) -> tuple[Session, Planned]:
    """Write the files by which a relay lets sites go, and make its plan; where that is refused they are as before.

    Raises:
        PolicyError, HostError: as `plan_of_one`; the files say again what they said.
        LockedError, InventoryError: a file cannot be written.
    """
    session = sessions()
    root = session.root
    try:
        write_all(root, edits)
        session = sessions()
        return session, plan_of_one(session, relay, may_cut, allow)
    except BaseException:
        put_back(root, edits)
        raise


def prove(session: Session, facilities: Collection[str], to: str, orders: Orders) -> tuple[dict[str, SiteProof], str]:
    """Verify sites over both relays, and record it: each site's proof, and why it could not be recorded, if so.

    Args:
        session: a session of the files as they are now.
        facilities: the sites.
        to: the new relay.
        orders: how far the verification goes.

    Raises:
        InventoryError, SecretsError, RenderError, UsageError: as for any verification.
    """
    limit = Limit({"facility": frozenset(facilities)})
    result = verify_with_memory(session, limit, orders)
    unrecorded = ""
    try:
        record_verification(session, result, tuple(f"facility={name}" for name in sorted(facilities)))
    except StateError as error:
        unrecorded = error.message
    return site_proofs(result.paths, facilities, to), unrecorded
