"""The change of gateways' keys: stages, steps, waits for people.

The next step follows from files, vault and relays, so the same command resumes an interrupted change. A blocked site or
relay does not stop others. The vault's pre-shared keys are generated, promoted and removed.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from provisioner.base.errors import HostError, LockedError, PolicyError, ProvisionerError, UsageError
from provisioner.base.groups import gathered
from provisioner.base.text import did_you_mean, msg, named, printable
from provisioner.desired.limit import Limit
from provisioner.desired.spec import NEXT
from provisioner.hosts.facts import HostFacts
from provisioner.inventory.files.revision import keys_since
from provisioner.inventory.loader.frozen_secrets import valid_secrets
from provisioner.inventory.loader.secrets import write_carrier_secrets
from provisioner.inventory.model.facility import Connection, Facility
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import CarrierSecrets, Secrets
from provisioner.inventory.new_secrets import tidied, with_next_psks
from provisioner.inventory.rules.lock import KEYS_MISSING
from provisioner.inventory.rules.logins import SECRETS_GAPS
from provisioner.operations.apply.apply import Sessions, StepAttendant, StepTerms, StepwiseOutcome, StepwiseRun
from provisioner.operations.edit.file_edit import Edits, EditsOfMany, FileEdit
from provisioner.operations.edit.keys import key_changes_taken_back, key_changes_written
from provisioner.operations.hosts.decommission import record_run
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan, plan_of_some
from provisioner.plan.change import Change, Impact, Resource
from provisioner.plan.guards.policy import TRUST
from provisioner.record import read_history
from provisioner.record.entries import Operation, of_facilities
from provisioner.record.lifecycle.evidence import KeyAge, key_ages
from provisioner.record.state_folder import state_folder_of

_SecretsEdit = Callable[[CarrierSecrets, Inventory, Collection[str]], CarrierSecrets]
_SHOWN = 80


class KeyStage(StrEnum):
    """Stage of a gateway's key change."""

    NONE = "none"  #: No change is in progress.
    UNREPORTED = "unreported"  #: The next key is unknown: the technician with the package reports it.
    UNSTAGED = "unstaged"  #: The next key is known, but not to each relay.
    STAGED = "staged"  #: Each relay knows both keys, but the gateway has not used the next one.
    SEEN = "seen"  #: The gateway uses its next key: the present one can be removed.
    ENDING = "ending"  #: The file has only the new key; a relay may still have the former one.
    UNREAD = "unread"  #: A relay's keys are unknown: it is not readable, or may restore its last-good state.


@dataclass(frozen=True)
class KeyChangeProgress:
    """Progress of some gateways' key changes, by facility id."""

    stages: Mapping[str, KeyStage]
    relays: Mapping[str, tuple[str, ...]]
    planned: Planned | None  #: The plan of those relays; `None` without relays.
    left_out: Mapping[str, str]  #: Why no step is possible.

    def at(self, *stages: KeyStage) -> tuple[str, ...]:
        """Return the facilities at some stages, sorted."""
        return tuple(sorted(name for name, stage in self.stages.items() if stage in stages))


def _record_rotated(session: Session, facilities: Collection[str]) -> str:
    document = {"schema": "provisioner/keys-rotated", "version": 1, "drawn": dict.fromkeys(sorted(facilities), "")}
    return record_run(session, Operation.ROTATE, of_facilities(facilities), document, session.secrets.digest_key)


def recorded_key_ages(session: Session) -> tuple[tuple[KeyAge, ...], int]:
    """Return key ages by Git and history, and the policy's days."""
    inventory = session.part(KEYS_MISSING).inventory
    folder = state_folder_of(session.environment, inventory.settings.id)
    drawn = read_history(folder, lambda history: (history.psks_drawn(), history.publish_keys_drawn()), ({}, {}))
    return key_ages(inventory, keys_since(session.root), *drawn), inventory.settings.policy.key_days


def draw_psks(session: Session) -> tuple[Path, ...]:
    """Generate missing pre-shared keys of next keys; return the written files."""
    inventory = session.readable.inventory
    changing = [
        facility for facility in inventory.facilities.values() if facility.gateway and facility.gateway.next_key
    ]
    return _write_secrets(session, changing, with_next_psks)


def _edit_psks(session: Session, facilities: Collection[str], edit: _SecretsEdit) -> tuple[Path, ...]:
    inventory = session.readable.inventory
    return _write_secrets(session, [inventory.facilities[name] for name in sorted(facilities)], edit)


def _write_secrets(session: Session, facilities: Collection[Facility], edit: _SecretsEdit) -> tuple[Path, ...]:
    names = gathered((plan.carrier, facility.id) for facility in facilities for plan in facility.carried_plans)
    if not names:
        return ()
    part, secrets = valid_secrets(session.root, session.passwords, session.readable, tolerate=SECRETS_GAPS)
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
    """Return named facilities and those on carriers' relays, or raise `UsageError`."""
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


def _changing_facilities(inventory: Inventory, secrets: Secrets) -> frozenset[str]:
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
    """Return facts of relays whose last change cannot be rolled back."""
    return {host: facts for host, facts in planned.facts.items() if facts.armed is None} if planned else {}


def stage_of(facility: Facility, secrets: Secrets, relays: Iterable[HostFacts | None]) -> KeyStage:
    """Return a gateway key's stage; unconfirmed relays' facts are `None`. Pure."""
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
    names = gathered((relay, site) for site in sorted(sites) for relay in progress.relays.get(site, ()))
    return {relay: tuple(of_relay) for relay, of_relay in sorted(names.items())}


_NEXT_KEY = f"key of {NEXT}"


@dataclass(frozen=True)
class KeyChangeRequest:
    """Requested key changes, of facilities and of carriers' sites."""

    facilities: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()
    begins: bool = True


@dataclass
class KeysOutcome(StepwiseOutcome):
    """Result of a change of keys, with the written files."""

    written: list[Path] = field(default_factory=list, kw_only=True)
    interrupted: bool = field(default=False, kw_only=True)


@dataclass
class KeyOutcome(KeysOutcome):
    """Result of a call: last progress, applies in order, written files."""

    progress: KeyChangeProgress
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)  #: Facilities whose gateways have only new keys now.
    left_out: dict[str, str] = field(default_factory=dict)  #: By facility, why no further step was possible.


class KeyAttendant(StepAttendant, Protocol):
    """Observer of gateways' key changes; it waits for gateways."""

    def begins(self, progress: KeyChangeProgress, edits: EditsOfMany) -> None:
        """Show progress and planned edits; ask."""

    def written(self, edits: Sequence[FileEdit], vault: Sequence[Path]) -> None:
        """Files were written."""

    def waits(self, sites: Sequence[str]) -> bool:
        """Wait some seconds for gateways; return whether to read again."""


def refuse_cutting_plan(planned: Planned, relay: str, *, spare: Callable[[Change], bool] = lambda _: False) -> None:
    """Refuse to apply a host if its plan would cut readers (`PolicyError`).

    `spare` tells which changes may cut them. A refused plan, or another inventory's host, is refused too.
    """
    planned.refuse_host(relay)
    cutting = [c for c in planned.plan.pending if c.impact.rank >= Impact.PATH.rank and not spare(c)]
    if cutting:
        names = sorted({f"{c.resource.value} {c.name}" for c in cutting})
        message = f"other changes of it would cut readers: {named(names)}; look at them, and apply them first"
        raise PolicyError(message, hint=f"provisioner plan --limit host={relay} --details", object=relay)


def rotate_keys(
    sessions: Sessions, edits: Edits, request: KeyChangeRequest, terms: StepTerms, attendant: KeyAttendant
) -> KeyOutcome:
    """Take all possible steps of gateways' key changes, or raise `UsageError`."""
    session = sessions()
    if not terms.dry_run and draw_psks(session):  # a call that was ended between a file and the vault
        session = sessions()
    named = chosen_sites(session.readable.inventory, request.facilities, request.carriers)
    sites = named or tuple(sorted(_changing_facilities(session.readable.inventory, session.secrets)))
    progress = progress_of_keys(session, sites, allow=terms.allow)
    outcome = KeyOutcome(progress, left_out=dict(progress.left_out))
    run = _RotationRun(sessions, terms, attendant, outcome, edits, sites, session)
    begins = progress.at(KeyStage.NONE) if request.begins and named else ()
    begins = run.without_busy_relays(begins)
    if not run.write(begins) or terms.dry_run:
        return run.outcome
    run.apply()
    while run.is_waiting and attendant.waits(run.outcome.progress.at(KeyStage.STAGED)):
        run.look_again()
        if run.outcome.progress.at(KeyStage.SEEN):
            run.write(())
            run.apply()
    return run.outcome


def keep_keys(
    sessions: Sessions, edits: Edits, request: KeyChangeRequest, terms: StepTerms, attendant: KeyAttendant
) -> KeyOutcome:
    """Cancel key changes, unless a gateway used its next key (`UsageError`)."""
    session = sessions()
    sites = chosen_sites(session.readable.inventory, request.facilities, request.carriers)
    progress = progress_of_keys(session, sites, allow=terms.allow)
    for name, stage in progress.stages.items():
        if stage in {KeyStage.SEEN, KeyStage.ENDING}:
            hint = f"go on with it: provisioner keys rotate --finish {name}"
            raise UsageError(f"the gateway of {name} has its next key already", hint=hint, object=name)
        if stage is KeyStage.NONE:
            hint = msg("provisioner keys status lists those that are under way")
            message = msg("no change of the key of the gateway of {facility} is under way", name)
            raise UsageError(message, hint=hint, object=name)
    outcome = KeyOutcome(progress, left_out=dict(progress.left_out))
    run = _RotationRun(sessions, terms, attendant, outcome, edits, sites, session)
    judged = key_changes_taken_back(
        edits, [name for name in progress.stages if progress.stages[name] is not KeyStage.UNREAD]
    )
    attendant.begins(progress, judged)
    if terms.dry_run:
        return run.outcome
    # The vault first: a file without a next key never has one in the vault that would count for another key.
    vault = _edit_psks(session, [edit.facility for edit in judged.edits], _without_next)
    run.save_edits(judged, vault)
    run.look_again()
    run.apply(also=sites)
    return run.outcome


@dataclass
class _RotationRun(StepwiseRun[StepTerms, KeyAttendant, KeyOutcome]):
    edits: Edits
    sites: Collection[str]
    session: Session  #: The session of the last progress.

    @property
    def is_waiting(self) -> bool:
        return not self.outcome.interrupted and bool(self.outcome.progress.at(KeyStage.STAGED))

    def without_busy_relays(self, begins: Sequence[str]) -> tuple[str, ...]:
        """Leave out sites whose relay changes its key, too."""
        lock = self.session.readable.inventory.allocations.relays
        free = []
        for name in begins:
            busy = [r for r in self.outcome.progress.relays.get(name, ()) if r in lock and lock[r].next_key is not None]
            if busy:
                self.outcome.left_out[name] = f"{busy[0]} changes its own key: let that end first"
            else:
                free.append(name)
        return tuple(free)

    def look_again(self) -> None:
        self.session = self.sessions()
        self.outcome.progress = progress_of_keys(self.session, self.sites, allow=self.terms.allow)
        self.outcome.left_out |= self.outcome.progress.left_out

    def write(self, begins: Collection[str]) -> bool:
        """Write files of beginning and ending changes; return whether to continue."""
        progress = self.outcome.progress
        ends = progress.at(KeyStage.SEEN)
        judged = key_changes_written(self.edits, begins=begins, ends=ends, since=self.edits.today)
        self.by.begins(progress, judged)
        if self.terms.dry_run:
            return False
        self.save_edits(judged, ())
        if begins:
            self.outcome.begun += [name for name in begins if name not in judged.refused]
            self.outcome.written += (drawn := draw_psks(self.sessions()))
            self.by.written((), drawn)
        if judged.edits:
            self.look_again()
        return True

    def save_edits(self, judged: EditsOfMany, vault: Sequence[Path]) -> None:
        """Write edits one by one; a failed one does not stop others."""
        self.outcome.left_out |= {name: problems[0].message for name, problems in judged.refused.items()}
        written = []
        for edit in judged.edits:
            try:
                edit.write(self.edits.root)
            except LockedError as error:
                self.outcome.left_out[edit.facility] = error.message
            else:
                written.append(edit)
        self.outcome.written += [*(edit.path for edit in written), *vault]
        if written or vault:
            self.by.written(written, vault)

    def apply(self, *, also: Collection[str] = ()) -> None:
        """Apply relays with keys to add or remove, without cutting readers."""
        progress = self.outcome.progress
        sites = {*progress.at(KeyStage.UNSTAGED, KeyStage.ENDING), *also}
        if progress.planned is not None:
            self.apply_ready(progress.planned, by_relay(progress, sites))
        self.tidy(sites)

    def apply_ready(self, full_plan: Planned, sites_by_relay: Mapping[str, Sequence[str]]) -> None:
        ready: list[str] = []
        for relay, names in sites_by_relay.items():
            try:
                ready += [relay] if self.has_work(full_plan, relay) else []
            except (HostError, PolicyError) as error:
                self.outcome.left_out |= dict.fromkeys(names, f"{relay}: {error.message}")
        if ready and not self.by.has_enough:
            self.apply_to(full_plan, ready)
        elif ready:
            self.outcome.interrupted = True

    def has_work(self, full_plan: Planned, relay: str) -> bool:
        planned = self.plan_of(full_plan, (relay,))
        refuse_cutting_plan(planned, relay)
        return bool(planned.plan.hosts)

    def apply_to(self, full_plan: Planned, relays: Sequence[str]) -> None:
        planned = self.plan_of(full_plan, relays)
        self.by.applies(planned)
        self.outcome.interrupted = self.apply_shown(self.session, planned).ended == "interrupted"

    def plan_of(self, full_plan: Planned, relays: Sequence[str]) -> Planned:
        """Plan some relays; trust the next keys of the named sites."""
        allow = self.terms.allow
        trusted = [c for c in full_plan.plan.pending if c.resource is Resource.TRUST and c.name.startswith(_NEXT_KEY)]
        of_sites = [c for c in trusted if c.host in relays and c.name.removeprefix(_NEXT_KEY) in self.sites]
        if of_sites:
            allow = {**allow, TRUST: max(allow.get(TRUST, 0), len(of_sites))}
        return plan_of_some(self.session, full_plan, relays, allow=allow)

    def tidy(self, sites: Collection[str]) -> None:
        """Read again and remove former pre-shared keys that no relay uses."""
        try:
            self.look_again()
        except ProvisionerError as error:
            self.by.warns(f"how far it is now is not known: {error.message}")
            return
        progress = self.outcome.progress
        pending = {c.facility for c in progress.planned.plan.pending if c.facility} if progress.planned else set()
        read = set(settled_facts(progress.planned))
        unread = {relay for of_site in progress.relays.values() for relay in of_site} - read
        ended = [
            name
            for name in progress.at(KeyStage.ENDING)
            if name in sites and name not in pending and unread.isdisjoint(progress.relays[name])
        ]
        if ended:
            vault = _edit_psks(self.sessions(), ended, tidied)
            if failure := _record_rotated(self.sessions(), ended):
                self.by.warns(failure)
            self.outcome.ended += ended
            self.outcome.written += vault
            self.by.written((), vault)
            self.outcome.progress = replace(progress, stages={**progress.stages, **dict.fromkeys(ended, KeyStage.NONE)})
