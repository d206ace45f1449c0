"""Changes of gateways' keys: their stage, their ages, their pre-shared keys.

The stage follows from files, the vault and the relays. Pre-shared keys are drawn, taken over and removed in the vault.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from provisioner.base.errors import UsageError
from provisioner.base.text import did_you_mean, printable
from provisioner.desired.limit import Limit
from provisioner.hosts.facts import HostFacts
from provisioner.inventory.files.revision import keys_since
from provisioner.inventory.loader.frozen_secrets import valid_secrets
from provisioner.inventory.loader.secrets import write_carrier_secrets
from provisioner.inventory.model import CarrierSecrets, Connection, Facility, Inventory, Secrets
from provisioner.inventory.new_secrets import tidied, with_next_psks
from provisioner.inventory.rules import GATEWAY_KEY_MISSING, HOST_KEYS_MISSING
from provisioner.inventory.rules.logins import LOGIN_MISSING, SECRETS_MISSING
from provisioner.operations.hosts.decommission import record_run
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan
from provisioner.record import history_at
from provisioner.record.entries import Operation, of_facilities
from provisioner.record.lifecycle.evidence import KeyAge, key_ages
from provisioner.record.place import StatePlace, state_place_of

_SecretsEdit = Callable[[CarrierSecrets, Inventory, Collection[str]], CarrierSecrets]
_SHOWN = 80


class KeyStage(StrEnum):
    """How far the change of a gateway's key is."""

    NONE = "none"
    """None is under way."""
    UNREPORTED = "unreported"
    """The gateway's next key is not known yet: its package is handed out, and its technician reports it."""
    UNSTAGED = "unstaged"
    """It is known, and a relay has still to learn it."""
    STAGED = "staged"
    """Every relay knows both keys, and the gateway was not seen with the next one."""
    SEEN = "seen"
    """The gateway is there with its next key: the present one can go."""
    ENDING = "ending"
    """The file has the new key alone, and a relay may still have the former one."""
    UNREAD = "unread"
    """It is not known what a relay of it holds: it could not be read, or may go back to what it held before."""


@dataclass(frozen=True)
class KeyLook:
    """How far the changes of some gateways' keys are.

    Attributes:
        stages: of each facility that was asked for, by id.
        relays: the relays that carry each.
        planned: the plan of all those relays as the files are now; None where there is none of them.
        left_out: by facility, why nothing can be done for it.
    """

    stages: Mapping[str, KeyStage]
    relays: Mapping[str, tuple[str, ...]]
    planned: Planned | None
    left_out: Mapping[str, str]

    def at(self, *stages: KeyStage) -> tuple[str, ...]:
        """The facilities that are at one of some stages, in the order of ids."""
        return tuple(sorted(name for name, stage in self.stages.items() if stage in stages))


def record_rotated(session: Session, facilities: Collection[str]) -> str:
    """Record that gateways have new keys alone: why that could not be, empty where it could."""
    said = {
        "schema": "provisioner/keys-rotated",
        "version": 1,
        "drawn": dict.fromkeys(sorted(facilities), ""),
    }
    return record_run(session, Operation.ROTATE, of_facilities(facilities), said, session.secrets.digest_key)


def known_ages(session: Session) -> tuple[tuple[KeyAge, ...], int]:
    """How old every key is, by Git and by the history, and after how many days the next one is due.

    No host is asked, and no vault opened.

    Raises:
        InventoryError: the inventory cannot be read.
        StateError: there is a history, and it cannot be read.
    """
    inventory = session.part({GATEWAY_KEY_MISSING, HOST_KEYS_MISSING}).inventory
    psks, to_push = _drawn_moments(state_place_of(session.environment, inventory.settings.id))
    return key_ages(inventory, keys_since(session.root), psks, to_push), inventory.settings.policy.key_days


def _drawn_moments(place: StatePlace) -> tuple[dict[str, datetime], dict[str, datetime]]:
    history = history_at(place)
    if history is None:
        return {}, {}
    with closing(history):
        return dict(history.psks_drawn()), dict(history.publish_keys_drawn())


def draw_psks(session: Session) -> tuple[Path, ...]:
    """Draw the pre-shared key of each next key that has none, by the files as they are: what was written.

    Raises:
        SecretsError: the vault cannot be opened.
        InventoryError: what concerns all is invalid.
    """
    inventory = session.readable.inventory
    changing = [one for one in inventory.facilities.values() if one.gateway and one.gateway.next_key]
    return _write_secrets(session, changing, with_next_psks)


def tidy_psks(session: Session, facilities: Collection[str]) -> tuple[Path, ...]:
    """Let the former pre-shared keys of gateways go whose change of keys is over: what was written.

    Raises:
        SecretsError, InventoryError: as `draw_psks`.
    """
    inventory = session.readable.inventory
    return _write_secrets(session, [inventory.facilities[name] for name in sorted(facilities)], tidied)


def drop_psks(session: Session, facilities: Collection[str]) -> tuple[Path, ...]:
    """Let the next pre-shared keys of gateways go that keep their present ones: what was written.

    Raises:
        SecretsError, InventoryError: as `draw_psks`.
    """
    inventory = session.readable.inventory
    return _write_secrets(session, [inventory.facilities[name] for name in sorted(facilities)], _without_next)


def _write_secrets(session: Session, facilities: Collection[Facility], edit: _SecretsEdit) -> tuple[Path, ...]:
    names: dict[str, set[str]] = defaultdict(set)
    for facility in facilities:
        for plan in facility.carried_plans:
            names[plan.carrier].add(facility.id)
    if not names:
        return ()
    tolerate = {SECRETS_MISSING, LOGIN_MISSING}
    part, secrets = valid_secrets(session.root, session.passwords, session.readable, tolerate=tolerate)
    written = []
    for carrier, of in sorted(names.items()):
        known = secrets.carriers.get(carrier)
        if known is None:  # nothing of it was opened
            continue
        after = edit(known, part.inventory, of)
        if after != known and write_carrier_secrets(session.root, carrier, after, session.passwords):
            written.append(session.root / f"secrets/carriers/{carrier}.yml")
    return tuple(written)


def _without_next(known: CarrierSecrets, inventory: Inventory, facilities: Collection[str]) -> CarrierSecrets:
    known = tidied(known, inventory, facilities)
    following = {name: psk for name, psk in known.next_psks.items() if name not in facilities}
    return known.model_copy(update={"next_psks": following})


def chosen_sites(inventory: Inventory, facilities: Collection[str], carriers: Collection[str]) -> tuple[str, ...]:
    """The facilities that are meant: the named ones, and those that relays of named carriers carry.

    Raises:
        UsageError: there is no such facility or carrier, or hosts do not carry a named one.
    """
    for name in facilities:
        if name not in inventory.facilities:
            hint = did_you_mean(name, inventory.facilities, "name the id in its file")
            raise UsageError(f"there is no facility {printable(name, _SHOWN)}", hint=hint, object=name)
        if not _tunnelled(inventory.facilities[name]):
            hint = "a gateway has keys to change once its plan is agreed, and the facility open or preparing"
            raise UsageError(f"no relay carries facility {name}", hint=hint, object=name)
    for name in carriers:
        if name not in inventory.carriers:
            hint = did_you_mean(name, inventory.carriers, f"carriers are: {', '.join(sorted(inventory.carriers))}")
            raise UsageError(f"there is no carrier {printable(name, _SHOWN)}", hint=hint, object=name)
    of_carriers = (
        c.facility.id for c in inventory.connections if c.plan.carrier in carriers and c.plan.access.has_tunnel
    )
    return tuple(sorted({*facilities, *of_carriers}))


def under_way(inventory: Inventory, secrets: Secrets) -> frozenset[str]:
    """The facilities whose gateways' keys are being changed, by files and vault."""
    return frozenset(
        name
        for name, facility in inventory.facilities.items()
        if _tunnelled(facility) and (_following(facility) is not None or _is_ending(facility, secrets))
    )


def look_at_keys(session: Session, sites: Collection[str], *, allow: Mapping[str, int]) -> KeyLook:
    """Look at the relays of some sites, and at what files and vault say; nothing is changed.

    Raises:
        InventoryError, SecretsError: the inventory is invalid, or its vault cannot be opened.
    """
    inventory, secrets = session.served, session.secrets
    left_out = {name: f"it is held: {session.held[name].reason}" for name in sites if name in session.held}
    facilities = [inventory.facilities[name] for name in sorted(sites) if name in inventory.facilities]
    relays = {f.id: tuple(sorted({c.relay for c in _tunnelled(f)})) for f in facilities}
    hosts = frozenset(relay for of in relays.values() for relay in of if relay in session.state.hosts)
    planned = make_plan(session, Limit({"host": hosts}), allow=allow) if hosts else None
    facts = settled_facts(planned)
    stages = {}
    for facility in facilities:
        if shut := [relay for relay in relays[facility.id] if relay not in session.state.hosts]:
            left_out[facility.id] = f"the secrets of {', '.join(shut)} stayed shut"
        else:
            stages[facility.id] = stage_of(facility, secrets, [facts.get(relay) for relay in relays[facility.id]])
            if stages[facility.id] is KeyStage.UNREAD:
                left_out[facility.id] = "; ".join(_not_settled(relays[facility.id], planned))
    return KeyLook(stages, relays, planned, left_out)


def _tunnelled(facility: Facility) -> tuple[Connection, ...]:
    """Its connections over a tunnel: only those have keys."""
    return tuple(connection for connection in facility.connections if connection.plan.access.has_tunnel)


def _not_settled(relays: Iterable[str], planned: Planned | None) -> Iterator[str]:
    """Why it is not known what some of a gateway's relays hold."""
    known = planned.facts if planned else {}
    if unread := [relay for relay in relays if relay not in known]:
        yield f"{', '.join(unread)} could not be read"
    if armed := [relay for relay in relays if relay in known and known[relay].armed is not None]:
        yield f"{', '.join(armed)} may go back to what was there before: a change waits for the word of its controller"


def settled_facts(planned: Planned | None) -> Mapping[str, HostFacts]:
    """What relays hold that wait for no word of a controller: what another one has now may be gone in a minute."""
    return {host: facts for host, facts in planned.facts.items() if facts.armed is None} if planned else {}


def stage_of(facility: Facility, secrets: Secrets, relays: Iterable[HostFacts | None]) -> KeyStage:
    """How far the change of one gateway's key is. Pure.

    Args:
        facility: as its file says it.
        secrets: the vault.
        relays: what each relay that carries it holds; None of one that could not be read, or may go back to what
            it held before.
    """
    following = _following(facility)
    if following is None:
        return KeyStage.ENDING if _is_ending(facility, secrets) else KeyStage.NONE
    if not following:
        return KeyStage.UNREPORTED
    every = list(relays)
    tunnels = [facts.tunnel for facts in every if facts is not None]
    held = [tunnel["peers"].get(following) if tunnel else None for tunnel in tunnels]
    if any(peer is not None and peer["allowed_ips"] for peer in held):
        return KeyStage.SEEN
    if None in every:
        return KeyStage.UNREAD
    return KeyStage.UNSTAGED if None in held else KeyStage.STAGED


def _following(facility: Facility) -> str | None:
    """The next key by the file, empty where nobody reported it; None where no change is under way."""
    following = facility.gateway.next_key if facility.gateway else None
    return (following.public_key or "") if following else None


def _is_ending(facility: Facility, secrets: Secrets) -> bool:
    key = facility.gateway.public_key if facility.gateway else None
    psks = (carrier.next_psks.get(facility.id) for carrier in secrets.carriers.values())
    return key is not None and any(psk is not None and psk.follows != key for psk in psks)


def by_relay(look: KeyLook, sites: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The relays of some sites, each with its own of them."""
    names: dict[str, list[str]] = defaultdict(list)
    for site in sorted(sites):
        for relay in look.relays.get(site, ()):
            names[relay].append(site)
    return {relay: tuple(of) for relay, of in sorted(names.items())}
