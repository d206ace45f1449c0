"""Hosts that change their owner: what is recorded before one is taken over, and the mark of one that is let go."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.base.errors import HostError, PolicyError
from provisioner.base.json_document import Document
from provisioner.base.secret import Secret
from provisioner.desired.owner import UNMARKED, Owner
from provisioner.desired.spec import HostSpec
from provisioner.history.records import Operation
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.observe import observe
from provisioner.hosts.owner import is_free, owner_to_mark
from provisioner.hosts.runner import CallOutcome, ForeignHostError, HostCall, UnprovedHostError, unanswered
from provisioner.inventory.files.lock import write_lock
from provisioner.inventory.model import Adopted, Allocations
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import refuse_foreign
from provisioner.runs.single.called import called_host
from provisioner.runs.single.record import record_done

if TYPE_CHECKING:  # the host's own package: its types are for the type checker, the module is not installed here
    from provisioner_host.wire import ReleaseRequest

RELEASE_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Adoption:
    """A host as `hosts adopt` sees it.

    Attributes:
        owner: from whom it would be taken over; None where there is nobody to take it from.
        lock: the inventory's lock once that is recorded, or once what was recorded is spent.
        recorded: the lock as it is.
        digest_key: the vault's, by which what is done is recorded; None where that file stayed shut.
    """

    host: str
    owner: Owner | None
    lock: Allocations
    recorded: Allocations
    digest_key: Secret | None = field(default=None, repr=False)

    @property
    def is_recorded(self) -> bool:
        """Whether the lock says it already."""
        return self.lock == self.recorded


def see_owner(session: Session, host: str) -> Adoption:
    """Look whose a host is; it is sent a challenge, and what reads it if it is ours.

    Raises:
        UsageError: the inventory has no such host.
        InventoryError, SecretsError: the inventory is invalid, or there is no key yet by which hosts know it.
        HostError: the host could not be read.
        PolicyError: it cannot be taken over, as one of two would have it alone and the other shares it.
    """
    called = called_host(session, host)
    spec, lock = called.spec, called.inventory.allocations
    facts, errors = observe([spec], {host: ()}, session.runner)
    owner = _other_owner(spec, facts[host]) if host in facts else _owner_by(spec, errors[host])
    others = {name: entry for name, entry in (lock.adopted or {}).items() if name != host}
    key = called.secrets.digest_key
    if owner is None:
        return Adoption(host, None, lock.model_copy(update={"adopted": others or None}), lock, key)
    entry = Adopted(inventory=owner.inventory, key=owner.key, at=owner.at)
    adopted = dict(sorted({**others, host: entry}.items()))
    return Adoption(host, owner, lock.model_copy(update={"adopted": adopted}), lock, key)


def _other_owner(spec: HostSpec, facts: HostFacts) -> Owner | None:
    """Of a host that proved itself: from whom it is to be taken over still, as no apply has done it yet."""
    mark = facts.owner or (UNMARKED if facts.installed else None)
    return None if spec.adopted is None or mark is None or is_free(spec, mark) else mark


def _owner_by(spec: HostSpec, error: HostError) -> Owner | None:
    """From whom a host that did not prove itself may be taken over, by its error.

    Raises:
        HostError: it could not be asked.
        PolicyError: it is not to be had: somebody has it alone, or it is shared, and the inventory says otherwise.
    """
    if isinstance(error, ForeignHostError):
        if error.owner.shape:
            raise PolicyError(error.message, hint=error.hint, object=error.object)
        return error.owner
    if not isinstance(error, UnprovedHostError):
        raise error
    return None if error.owner is None or is_free(spec, error.owner) else error.owner


def record_adoption(session: Session, adoption: Adoption, document: Document) -> tuple[Path, str]:
    """Write the lock, and that it was: the lock's path, and why the history has nothing of it, empty where it has.

    Raises:
        InventoryError: it cannot be written; the old one is untouched.
    """
    path = write_lock(session.root, adoption.lock)
    return path, record_done(session, Operation.ADOPT, [adoption.host], document, adoption.digest_key)


def see_releasable(session: Session, host: str) -> HostFacts:
    """Look at a host that is to be let go: it has to prove that it is this inventory's.

    Raises:
        UsageError: the inventory has no such host.
        InventoryError, SecretsError: as `see_owner`.
        HostError: the host could not be read, or did not prove itself.
        PolicyError: it belongs to another inventory, by its mark or its proof.
    """
    spec = called_host(session, host).spec
    facts, errors = observe([spec], {host: ()}, session.runner)
    refuse_foreign(errors)
    if host in errors:
        raise errors[host]
    mark = facts[host].owner
    if mark is not None and not is_free(spec, mark):
        hint = "it is being taken over: apply that first, or leave it to its owner"
        raise PolicyError(f"{host} belongs to {mark.words}: only its owner can let it go", hint=hint, object=host)
    return facts[host]


def release_host(session: Session, host: str, who: str, document: Document) -> str:
    """Replace a host's mark by one that says that it was let go: why the history has nothing of it, empty where it has.

    Raises:
        UsageError, InventoryError, SecretsError, PolicyError: as `see_releasable`.
        HostError: the host could not be reached, did not prove itself, or a change waits there.
    """
    called = called_host(session, host)
    spec, owner = called.spec, owner_to_mark(called.spec)
    if owner is None:
        raise HostError(f"{host} has no owner to be named", object=host)
    request: ReleaseRequest = {"operation": "release", "owner": owner, "who": who}
    answer = session.runner.call([HostCall(spec, request)], timeout_s=RELEASE_TIMEOUT_S)[host]
    if answer.outcome is not CallOutcome.ANSWERED:
        error = unanswered(spec, answer)
        refuse_foreign({host: error})
        raise error
    return record_done(session, Operation.RELEASE, [host], document, called.secrets.digest_key)
