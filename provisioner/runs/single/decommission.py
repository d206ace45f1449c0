"""A host that nothing uses any more: everything of ours taken off it, so that it says itself that nothing is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.base.errors import HostError, PolicyError
from provisioner.base.json_document import Document
from provisioner.desired.spec import HostSpec
from provisioner.history.records import Operation
from provisioner.hosts.document import Fields, parsed
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.observe import observe
from provisioner.hosts.owner import is_free, owner_to_mark
from provisioner.hosts.runner import CallOutcome, HostCall, UnprovedHostError, unanswered
from provisioner.inventory.model import Inventory
from provisioner.inventory.operations.own_key import refuse_changing
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import refuse_foreign
from provisioner.plan.guards.measures import named
from provisioner.plan.guards.policy import TRUST
from provisioner.runs.single.called import CalledHost, called_host
from provisioner.runs.single.record import record_done

if TYPE_CHECKING:  # the host's own package: its types are for the type checker, the module is not installed here
    from provisioner_host.wire import RemoveRequest

REMOVE_TIMEOUT_S = 120.0
_MOST_NOTES = 10


@dataclass(frozen=True)
class Decommission:
    """What taking a host out of service would do.

    Attributes:
        called: the host as it is called.
        is_bare: whether it says itself that nothing of anybody's is on it: there is nothing to be done.
        is_unproved: whether it proves nothing: its mark is this inventory's, and the rest was cut off in the middle.
        facts: what was read of it; None where it was asked nothing.
        peers: public keys of peers through which nobody is served, as this inventory knows them.
    """

    called: CalledHost
    is_bare: bool
    is_unproved: bool
    facts: HostFacts | None
    peers: frozenset[str]

    @property
    def host(self) -> str:
        """The host's id."""
        return self.called.spec.id

    @property
    def file(self) -> str:
        """The file of the inventory in which the host's block stands."""
        spec = self.called.spec
        return f"carriers/{spec.carriers[0]}.yml" if spec.carriers else f"centres/{spec.id}.yml"


def see_decommission(session: Session, host: str, *, allow: Mapping[str, int]) -> Decommission:
    """Look at a host that is to be taken out of service; nothing is changed.

    Args:
        session: the inventory.
        host: the host's id.
        allow: `trust` has to be there for a host that proves nothing, before it is asked for more.

    Raises:
        UsageError: the inventory has no such host.
        InventoryError, SecretsError: the inventory is invalid, or the vault cannot be opened.
        HostError: the host could not be read.
        PolicyError: something still uses it, it is protected, it still serves sites, or it is somebody else's.
    """
    called = called_host(session, host)
    _refuse_used(session, called.inventory, host)
    facts, errors = observe([called.spec], {host: ()}, session.runner)
    refuse_foreign(errors)
    error = errors.get(host)
    peers = frozenset(of.public_key for of in called.inventory.allocations.centres.values() if of.public_key)
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
    seen = Decommission(called, is_bare=False, is_unproved=not facts[host].proved, facts=facts[host], peers=peers)
    _refuse_serving(seen, facts[host])
    return seen


def _refuse_used(session: Session, inventory: Inventory, host: str) -> None:
    """Refuse a host that the inventory uses, or keeps from going.

    Raises:
        PolicyError: it does.
    """
    refuse_changing(inventory.allocations, host, "be taken out of service")
    if host in inventory.relays:
        plans = ((name, plan) for name, of in session.loaded.outlines.items() for plan in (of.plan, of.successor))
        users = sorted({name for name, plan in plans if plan is not None and host in (plan.relay, plan.backup_relay)})
        kind, what = "relay", "let another relay carry them, and apply that"
        protected = inventory.relays[host][1].protected
    else:
        users = sorted(carrier.id for carrier in inventory.carriers.values() if host in carrier.centres)
        kind, what = "centre", "take it out of their files, and apply that"
        protected = inventory.centres[host].protected
    if users:
        raise PolicyError(f"{host} is still in use by {named(users)}", hint=what, object=host)
    if protected:
        hint = "remove `protected` from its block, in a change of its own, and apply that"
        raise PolicyError(f"{kind} {host} is protected", hint=hint, object=host)


def _refuse_serving(seen: Decommission, facts: HostFacts) -> None:
    """Refuse a host whose tunnel has peers that may be served: a plan says whom it cuts, and this does not.

    Raises:
        PolicyError: it has, or it is another inventory's by its mark.
    """
    mark = facts.owner
    if mark is not None and not is_free(seen.called.spec, mark):
        hint = "it is being taken over: apply that first, or leave it to its owner"
        raise PolicyError(f"{seen.host} belongs to {mark.words}", hint=hint, object=seen.host)
    live = set(facts.tunnel.peers) if facts.tunnel else set()
    if others := sorted(live - seen.peers):
        message = f"{seen.host} still serves {len(others)} of its peers: {named([f'{key[:8]}…' for key in others])}"
        hint = "apply the inventory first: its plan says whom that cuts"
        raise PolicyError(message, hint=hint, object=seen.host)


def decommission(session: Session, seen: Decommission, *, trusted: int) -> tuple[str, ...]:
    """Take everything of ours off a host, and have it say itself that nothing is there: notes of what stays.

    Args:
        session: the inventory.
        seen: what was seen.
        trusted: how many hosts need not prove that they were managed before.

    Raises:
        HostError: the host could not be reached, or not all of it went: the same again finishes.
        PolicyError: it became somebody else's meanwhile.
    """
    spec = seen.called.spec
    owner = owner_to_mark(spec)
    if owner is None or seen.facts is None:
        raise HostError(f"{spec.id} was not looked at", object=spec.id)
    request: RemoveRequest = {
        "operation": "remove",
        "owner": owner,
        "run": seen.facts.confirmed,
        "peers": sorted(seen.peers),
    }
    call = HostCall(spec, request, unproved=seen.is_unproved and trusted > 0)
    answer = session.runner.call([call], timeout_s=REMOVE_TIMEOUT_S)[spec.id]
    if answer.outcome is not CallOutcome.ANSWERED:
        error = unanswered(spec, answer)
        refuse_foreign({spec.id: error})
        raise error
    notes = parsed(spec.id, answer.document, _notes)
    _, errors = observe([spec], {spec.id: ()}, session.runner)
    notes = (*notes, *_last_look(spec, errors.get(spec.id)))
    document: Document = {
        "schema": "provisioner/hosts-decommission",
        "version": 1,
        "host": spec.id,
        "notes": list(notes),
    }
    left = record_done(session, Operation.DECOMMISSION, [spec.id], document, seen.called.secrets.digest_key)
    return (*notes, left) if left else notes


def _last_look(spec: HostSpec, left: HostError | None) -> tuple[str, ...]:
    """What the host says of itself after it: a note where it may say nothing.

    Raises:
        HostError: something of ours is there.
    """
    if isinstance(left, UnprovedHostError) and left.bare:
        return ()
    if isinstance(left, UnprovedHostError) and left.owner is None:
        return ("it could not be asked once more: its user may do no more than call the program that is gone",)
    hint = f"run the same command again; if it stays so, look at {spec.names.etc} and {spec.names.state} there"
    raise HostError(f"{spec.id} does not say that nothing of ours is on it any more", hint=hint, object=spec.id)


def _notes(answer: Fields) -> tuple[str, ...]:
    answer.flag("removed")
    return answer.sentences("notes", _MOST_NOTES)
