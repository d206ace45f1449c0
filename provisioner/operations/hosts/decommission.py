"""Hosts that change owner or go out of service, and their record.

A decommissioned host loses all of the program's files and confirms it. Such an action has one history entry when it is
done, and no journal. If it cannot be recorded, it is not undone.
"""

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from provisioner.base.errors import HostError, PolicyError, StateError
from provisioner.base.secret import Secret
from provisioner.base.text import Document, msg, named
from provisioner.desired.owner import UNMARKED, Owner
from provisioner.desired.spec import HostSpec
from provisioner.hosts.answers import read_answer, wire
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.identity import is_free, owner_to_mark
from provisioner.hosts.observe import observe
from provisioner.hosts.runner import CallOutcome, ForeignHostError, HostCall, UnprovedHostError, unanswered
from provisioner.inventory.files.edit import write_lock
from provisioner.inventory.loader.load import load_settings
from provisioner.inventory.model.hosts import Adopted, Allocations
from provisioner.inventory.model.inventory import Inventory
from provisioner.operations.edit.keys import refuse_changing
from provisioner.operations.pipeline.session import CalledHost, Session, called_host
from provisioner.operations.pipeline.stages import new_run, refuse_foreign
from provisioner.plan.guards.policy import TRUST
from provisioner.record.entries import Ending, Operation, of_hosts
from provisioner.record.state_folder import record_keys, state_folder_of

UNRECORDED_HINT = msg("see that the history can be written to (PROVISIONER_STATE); no step has to be done again")
RELEASE_TIMEOUT_S = 60.0
REMOVE_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Adoption:
    """A host to adopt."""

    host: str
    owner: Owner | None
    lock: Allocations  #: The lock with the adoption, or without a completed one.
    recorded: Allocations
    #: The vault's, for the record; `None` if its file stayed closed.
    digest_key: Secret | None = field(default=None, repr=False)

    @property
    def is_recorded(self) -> bool:
        """Whether the lock is up to date."""
        return self.lock == self.recorded


@dataclass(frozen=True)
class Decommission:
    """A host to decommission."""

    called: CalledHost
    is_bare: bool  #: Whether it says that it has no files of any inventory.
    is_unproved: bool  #: Whether it proves no owner: its mark is this inventory's, and removal was interrupted.
    facts: HostFacts | None
    peers: frozenset[str]  #: Public keys of peers without viewers, by this inventory.

    @property
    def host(self) -> str:
        """The host's id."""
        return self.called.spec.id

    @property
    def file(self) -> str:
        """The inventory file of the host."""
        spec = self.called.spec
        return f"carriers/{spec.carriers[0]}.yml" if spec.carriers else f"centres/{spec.id}.yml"


def record_done(
    session: Session, operation: Operation, hosts: Iterable[str], document: Document, digest_key: Secret | None
) -> str:
    """Record an action on hosts, without secrets; return any failure."""
    return record_run(session, operation, of_hosts(hosts), document, digest_key)


def record_run(
    session: Session, operation: Operation, limit: tuple[str, ...], document: Document, digest_key: Secret | None
) -> str:
    """Record an action, as `record_done`; `limit` describes its objects."""
    # The database's library takes long to import.
    from provisioner.record import heads, store  # noqa: PLC0415

    now = datetime.now(UTC)
    run = new_run(session, operation, started=now, limit=limit)
    inventory = load_settings(session.root).id
    try:
        keys = record_keys(digest_key, session.environment, inventory)
        folder = replace(state_folder_of(session.environment, inventory), keys=keys)
        with closing(store.open_history(folder)) as history:
            head = history.end(run, Ending(now, "done", document))
    except StateError as error:
        return f"this is done, and not recorded: {error.message}"
    warning = heads.note_head(session.root, session.environment, inventory, session.commit, head)
    return f"this is recorded, and {warning}" if warning else ""


def see_owner(session: Session, host: str) -> Adoption:
    """Read a host's owner: a challenge, and facts if it is ours.

    Raises `PolicyError` if only one side declares it shared.
    """
    called = called_host(session, host)
    spec, lock = called.spec, called.inventory.allocations
    facts, errors = observe([spec], {host: ()}, session.runner)
    owner = _other_owner(spec, facts[host]) if host in facts else _owner_by(spec, errors[host])
    other_entries = {name: entry for name, entry in (lock.adopted or {}).items() if name != host}
    key = called.secrets.digest_key
    if owner is None:
        return Adoption(host, None, lock.model_copy(update={"adopted": other_entries or None}), lock, key)
    entry = Adopted(inventory=owner.inventory, key=owner.key, at=owner.at)
    adopted = dict(sorted({**other_entries, host: entry}.items()))
    return Adoption(host, owner, lock.model_copy(update={"adopted": adopted}), lock, key)


def _other_owner(spec: HostSpec, facts: HostFacts) -> Owner | None:
    """Return a proved host's former owner until an apply takes it over."""
    mark = facts.owner or (UNMARKED if facts.installed else None)
    return None if spec.adopted is None or mark is None or is_free(spec, mark) else mark


def _owner_by(spec: HostSpec, error: HostError) -> Owner | None:
    """Return the owner of an unproved host that may be adopted."""
    if isinstance(error, ForeignHostError):
        if error.owner.shape:
            raise PolicyError(error.message, hint=error.hint, object=error.object)
        return error.owner
    if not isinstance(error, UnprovedHostError):
        raise error
    return None if error.owner is None or is_free(spec, error.owner) else error.owner


def record_adoption(session: Session, adoption: Adoption, document: Document) -> tuple[Path, str]:
    """Write and record the lock; return its path and a record failure.

    Raises `InventoryError` if it cannot be written; the old one is untouched.
    """
    path = write_lock(session.root, adoption.lock)
    return path, record_done(session, Operation.ADOPT, [adoption.host], document, adoption.digest_key)


def see_releasable(session: Session, host: str) -> HostFacts:
    """Read a host to release, which must prove its owner (else `HostError`)."""
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


def release_host(session: Session, facts: HostFacts, actor: str, document: Document) -> str:
    """Mark an unchanged host as released; return a record failure, or empty.

    Raises like `see_releasable`; `HostError` also if it has an unconfirmed change.
    """
    host = facts.host
    called = called_host(session, host)
    spec, owner = called.spec, owner_to_mark(called.spec)
    if owner is None:
        raise HostError(f"{host} has no owner to be named", object=host)
    request: wire.ReleaseRequest = {
        "operation": "release",
        "owner": owner,
        "run": facts.confirmed,
        "marked": facts.marked,
        "who": actor,
    }
    answer = session.runner.call([HostCall(spec, request)], timeout_s=RELEASE_TIMEOUT_S)[host]
    if answer.outcome is not CallOutcome.ANSWERED:
        error = unanswered(spec, answer)
        refuse_foreign({host: error})
        raise error
    return record_done(session, Operation.RELEASE, [host], document, called.secrets.digest_key)


def see_decommission(session: Session, host: str, *, allow: Mapping[str, int]) -> Decommission:
    """Read a host to decommission.

    An unproved host is read only if `allow` has `trust`. Raises `PolicyError` if it is in use, protected, still serves
    sites, or belongs to another inventory.
    """
    called = called_host(session, host)
    _refuse_used(session, called.inventory, host)
    facts, errors = observe([called.spec], {host: ()}, session.runner)
    refuse_foreign(errors)
    error = errors.get(host)
    peers = frozenset(
        centre.public_key for centre in called.inventory.allocations.centres.values() if centre.public_key
    )
    if isinstance(error, UnprovedHostError):
        if error.bare:
            return Decommission(called, is_bare=True, is_unproved=True, facts=None, peers=peers)
        if not allow.get(TRUST, 0):
            return Decommission(called, is_bare=False, is_unproved=True, facts=None, peers=peers)
        facts, errors = observe([called.spec], {host: ()}, session.runner, unproved=True)
        refuse_foreign(errors)
        error = errors.get(host)
    if error is not None:
        raise error
    reading = Decommission(called, is_bare=False, is_unproved=not facts[host].proved, facts=facts[host], peers=peers)
    _refuse_serving(reading, facts[host])
    return reading


def _refuse_used(session: Session, inventory: Inventory, host: str) -> None:
    refuse_changing(inventory.allocations, host, "be taken out of service")
    if host in inventory.relays:
        plans = (
            (name, plan)
            for name, outline in session.loaded.outlines.items()
            for plan in (outline.plan, outline.successor)
        )
        users = sorted({name for name, plan in plans if plan is not None and host in (plan.relay, plan.backup_relay)})
        kind, remedy = "relay", "let another relay carry them, and apply that"
        protected = inventory.relays[host][1].protected
    else:
        users = sorted(carrier.id for carrier in inventory.carriers.values() if host in carrier.centres)
        kind, remedy = "centre", "take it out of their files, and apply that"
        protected = inventory.centres[host].protected
    if users:
        raise PolicyError(f"{host} is still in use by {named(users)}", hint=remedy, object=host)
    if protected:
        hint = "remove `protected` from its block, in a change of its own, and apply that"
        raise PolicyError(f"{kind} {host} is protected", hint=hint, object=host)


def _refuse_serving(reading: Decommission, facts: HostFacts) -> None:
    """Refuse a host that may serve peers (`PolicyError`): plans show cuts."""
    mark = facts.owner
    if mark is not None and not is_free(reading.called.spec, mark):
        hint = "it is being taken over: apply that first, or leave it to its owner"
        raise PolicyError(f"{reading.host} belongs to {mark.words}", hint=hint, object=reading.host)
    peers = set(facts.tunnel["peers"]) if facts.tunnel else set()
    if extra := sorted(peers - reading.peers):
        message = f"{reading.host} still serves {len(extra)} of its peers: {named([f'{key[:8]}…' for key in extra])}"
        raise PolicyError(message, hint="apply the inventory first: its plan says whom that cuts", object=reading.host)


def decommission(session: Session, reading: Decommission, *, trusted: int) -> tuple[str, ...]:
    """Remove all of the program's files from a host; return notes.

    `trusted` is the number of hosts that need not prove their owner. Raises `HostError` if the host could not be
    reached, or removal is incomplete: repeat the command.
    """
    spec = reading.called.spec
    owner = owner_to_mark(spec)
    if owner is None or reading.facts is None:
        raise HostError(f"{spec.id} was not looked at", object=spec.id)
    request: wire.RemoveRequest = {
        "operation": "remove",
        "owner": owner,
        "run": reading.facts.confirmed,
        "marked": reading.facts.marked,
        "peers": sorted(reading.peers),
    }
    call = HostCall(spec, request, unproved=reading.is_unproved and trusted > 0)
    answer = session.runner.call([call], timeout_s=REMOVE_TIMEOUT_S)[spec.id]
    if answer.outcome is not CallOutcome.ANSWERED:
        error = unanswered(spec, answer)
        refuse_foreign({spec.id: error})
        raise error
    host_notes = read_answer(spec.id, wire.RemoveAnswer, answer.document)["notes"]
    _, errors = observe([spec], {spec.id: ()}, session.runner)
    notes = (*host_notes, *_refuse_remains(spec, errors.get(spec.id)))
    document: Document = {
        "schema": "provisioner/hosts-decommission",
        "version": 1,
        "host": spec.id,
        "notes": list(notes),
    }
    failure = record_done(session, Operation.DECOMMISSION, [spec.id], document, reading.called.secrets.digest_key)
    return (*notes, failure) if failure else notes


def _refuse_remains(spec: HostSpec, error: HostError | None) -> tuple[str, ...]:
    """Read the host again, for notes; remaining files raise `HostError`."""
    if isinstance(error, UnprovedHostError) and error.bare:
        return ()
    if isinstance(error, UnprovedHostError) and error.owner is None:
        return ("it could not be asked once more: its user may do no more than call the program that is gone",)
    hint = f"run the same command again; if it stays so, look at {spec.names.etc} and {spec.names.state} there"
    raise HostError(f"{spec.id} does not say that nothing of ours is on it any more", hint=hint, object=spec.id)
