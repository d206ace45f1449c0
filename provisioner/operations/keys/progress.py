"""Changes of gateways' keys: their stage, their ages, their pre-shared keys.

The stage follows from files, the vault and the relays. The vault's pre-shared keys are generated, promoted and removed.
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
from provisioner.inventory.model.facility import Connection, Facility
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import CarrierSecrets, Secrets
from provisioner.inventory.new_secrets import tidied, with_next_psks
from provisioner.inventory.rules import GATEWAY_KEY_MISSING, HOST_KEYS_MISSING
from provisioner.inventory.rules.logins import LOGIN_MISSING, SECRETS_MISSING
from provisioner.operations.hosts.decommission import record_run
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan
from provisioner.record import history_at
from provisioner.record.entries import Operation, of_facilities
from provisioner.record.lifecycle.evidence import KeyAge, key_ages
from provisioner.record.state_folder import StateFolder, state_folder_of

_SecretsEdit = Callable[[CarrierSecrets, Inventory, Collection[str]], CarrierSecrets]
_SHOWN = 80


class KeyStage(StrEnum):
    """Stage of a gateway's key change."""

    NONE = "none"
    """No change is in progress."""
    UNREPORTED = "unreported"
    """The next key is unknown: the technician with the package reports it."""
    UNSTAGED = "unstaged"
    """The next key is known, but not to each relay."""
    STAGED = "staged"
    """Each relay knows both keys, but the gateway has not used the next one."""
    SEEN = "seen"
    """The gateway uses its next key: the present one can be removed."""
    ENDING = "ending"
    """The file has only the new key; a relay may still have the former one."""
    UNREAD = "unread"
    """A relay's keys are unknown: it is not readable, or may restore its last-good state."""


@dataclass(frozen=True)
class KeyChangeProgress:
    """Progress of some gateways' key changes, by facility id.

    Attributes:
        planned: the plan of those relays; `None` without relays.
        left_out: why no step is possible.
    """

    stages: Mapping[str, KeyStage]
    relays: Mapping[str, tuple[str, ...]]
    planned: Planned | None
    left_out: Mapping[str, str]

    def at(self, *stages: KeyStage) -> tuple[str, ...]:
        """Return the facilities at some stages, sorted."""
        return tuple(sorted(name for name, stage in self.stages.items() if stage in stages))


def record_rotated(session: Session, facilities: Collection[str]) -> str:
    """Record gateways' finished key changes; return a failure's reason, or empty."""
    document = {"schema": "provisioner/keys-rotated", "version": 1, "drawn": dict.fromkeys(sorted(facilities), "")}
    return record_run(session, Operation.ROTATE, of_facilities(facilities), document, session.secrets.digest_key)


def recorded_key_ages(session: Session) -> tuple[tuple[KeyAge, ...], int]:
    """Return each key's age, and the policy's days between changes.

    Ages come from Git and the history. No host is called, and no vault opened.
    """
    inventory = session.part({GATEWAY_KEY_MISSING, HOST_KEYS_MISSING}).inventory
    psks, to_push = _drawn_moments(state_folder_of(session.environment, inventory.settings.id))
    return key_ages(inventory, keys_since(session.root), psks, to_push), inventory.settings.policy.key_days


def _drawn_moments(folder: StateFolder) -> tuple[dict[str, datetime], dict[str, datetime]]:
    history = history_at(folder)
    if history is None:
        return {}, {}
    with closing(history):
        return dict(history.psks_drawn()), dict(history.publish_keys_drawn())


def draw_psks(session: Session) -> tuple[Path, ...]:
    """Generate missing pre-shared keys of next keys; return the written files."""
    inventory = session.readable.inventory
    changing = [
        facility for facility in inventory.facilities.values() if facility.gateway and facility.gateway.next_key
    ]
    return _write_secrets(session, changing, with_next_psks)


def tidy_psks(session: Session, facilities: Collection[str]) -> tuple[Path, ...]:
    """Remove former pre-shared keys after a change; as `draw_psks`."""
    inventory = session.readable.inventory
    return _write_secrets(session, [inventory.facilities[name] for name in sorted(facilities)], tidied)


def drop_psks(session: Session, facilities: Collection[str]) -> tuple[Path, ...]:
    """Remove next pre-shared keys of cancelled changes; as `draw_psks`."""
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
    for carrier, sites in sorted(names.items()):
        current = secrets.carriers.get(carrier)
        if current is None:  # nothing of it was opened
            continue
        after = edit(current, part.inventory, sites)
        if after != current and write_carrier_secrets(session.root, carrier, after, session.passwords):
            written.append(session.root / f"secrets/carriers/{carrier}.yml")
    return tuple(written)


def _without_next(secrets: CarrierSecrets, inventory: Inventory, facilities: Collection[str]) -> CarrierSecrets:
    secrets = tidied(secrets, inventory, facilities)
    following = {name: psk for name, psk in secrets.next_psks.items() if name not in facilities}
    return secrets.model_copy(update={"next_psks": following})


def chosen_sites(inventory: Inventory, facilities: Collection[str], carriers: Collection[str]) -> tuple[str, ...]:
    """Return the named facilities and those on named carriers' relays.

    Raises:
        UsageError: a facility or carrier is unknown, or no host carries a named facility.
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


def changing_facilities(inventory: Inventory, secrets: Secrets) -> frozenset[str]:
    """Return the facilities whose key change is in progress."""
    return frozenset(
        name
        for name, facility in inventory.facilities.items()
        if _tunnelled(facility) and (_following(facility) is not None or _is_ending(facility, secrets))
    )


def progress_of_keys(session: Session, sites: Collection[str], *, allow: Mapping[str, int]) -> KeyChangeProgress:
    """Read relays, files and vault for some sites' key changes."""
    inventory, secrets = session.served, session.secrets
    left_out = {name: f"it is held: {session.held[name].reason}" for name in sites if name in session.held}
    facilities = [inventory.facilities[name] for name in sorted(sites) if name in inventory.facilities]
    relays = {f.id: tuple(sorted({c.relay for c in _tunnelled(f)})) for f in facilities}
    hosts = frozenset(relay for of_site in relays.values() for relay in of_site if relay in session.state.hosts)
    planned = make_plan(session, Limit({"host": hosts}), allow=allow) if hosts else None
    facts = settled_facts(planned)
    stages = {}
    for facility in facilities:
        if closed := [relay for relay in relays[facility.id] if relay not in session.state.hosts]:
            left_out[facility.id] = f"the secrets of {', '.join(closed)} stayed shut"
        else:
            stages[facility.id] = stage_of(facility, secrets, [facts.get(relay) for relay in relays[facility.id]])
            if stages[facility.id] is KeyStage.UNREAD:
                left_out[facility.id] = "; ".join(_not_settled(relays[facility.id], planned))
    return KeyChangeProgress(stages, relays, planned, left_out)


def _tunnelled(facility: Facility) -> tuple[Connection, ...]:
    return tuple(connection for connection in facility.connections if connection.plan.access.has_tunnel)


def _not_settled(relays: Iterable[str], planned: Planned | None) -> Iterator[str]:
    facts = planned.facts if planned else {}
    if unread := [relay for relay in relays if relay not in facts]:
        yield f"{', '.join(unread)} could not be read"
    if armed := [relay for relay in relays if relay in facts and facts[relay].armed is not None]:
        yield f"{', '.join(armed)} may go back to what was there before: a change waits for the word of its controller"


def settled_facts(planned: Planned | None) -> Mapping[str, HostFacts]:
    """Return facts of relays whose last change is confirmed.

    An unconfirmed change may be rolled back within a minute.
    """
    return {host: facts for host, facts in planned.facts.items() if facts.armed is None} if planned else {}


def stage_of(facility: Facility, secrets: Secrets, relays: Iterable[HostFacts | None]) -> KeyStage:
    """Return the stage of a gateway's key change. Pure.

    `relays` has facts of each relay that carries it; `None` if unreadable or unconfirmed.
    """
    following = _following(facility)
    if following is None:
        return KeyStage.ENDING if _is_ending(facility, secrets) else KeyStage.NONE
    if not following:
        return KeyStage.UNREPORTED
    all_facts = list(relays)
    tunnels = [facts.tunnel for facts in all_facts if facts is not None]
    peers = [tunnel["peers"].get(following) if tunnel else None for tunnel in tunnels]
    if any(peer is not None and peer["allowed_ips"] for peer in peers):
        return KeyStage.SEEN
    if None in all_facts:
        return KeyStage.UNREAD
    return KeyStage.UNSTAGED if None in peers else KeyStage.STAGED


def _following(facility: Facility) -> str | None:
    """Return the next key, empty if not reported; `None` without a change."""
    following = facility.gateway.next_key if facility.gateway else None
    return (following.public_key or "") if following else None


def _is_ending(facility: Facility, secrets: Secrets) -> bool:
    key = facility.gateway.public_key if facility.gateway else None
    psks = (carrier.next_psks.get(facility.id) for carrier in secrets.carriers.values())
    return key is not None and any(psk is not None and psk.follows != key for psk in psks)


def by_relay(progress: KeyChangeProgress, sites: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the relays of some sites, each with its sites."""
    names: dict[str, list[str]] = defaultdict(list)
    for site in sorted(sites):
        for relay in progress.relays.get(site, ()):
            names[relay].append(site)
    return {relay: tuple(of_relay) for relay, of_relay in sorted(names.items())}
