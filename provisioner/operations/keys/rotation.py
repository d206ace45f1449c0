"""The change of gateways' keys: its steps, and its waits for people.

The next step follows from files, vault and relays, so the same command resumes an interrupted change. A blocked site or
relay does not stop others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from provisioner.base.errors import HostError, LockedError, PolicyError, ProvisionerError, UsageError
from provisioner.base.text import named
from provisioner.desired.spec import NEXT
from provisioner.operations.apply.apply import apply_plan
from provisioner.operations.apply.run import Applied, RunOptions
from provisioner.operations.edit.file_edit import Edits, EditsOfMany, FileEdit
from provisioner.operations.edit.keys import key_changes_taken_back, key_changes_written
from provisioner.operations.keys.progress import (
    KeyChangeProgress,
    KeyStage,
    by_relay,
    changing_facilities,
    chosen_sites,
    draw_psks,
    drop_psks,
    progress_of_keys,
    record_rotated,
    settled_facts,
    tidy_psks,
)
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, plan_of_some
from provisioner.operations.rollout.result import HostOutcome
from provisioner.plan.change import Change, Impact, Resource
from provisioner.plan.guards.policy import TRUST

Sessions = Callable[[], Session]
"""Makes a new session: an older one does not know later edits."""

_DONE = frozenset({HostOutcome.APPLIED, HostOutcome.UNCHANGED})
_NEXT_KEY = f"key of {NEXT}"


@dataclass(frozen=True)
class KeyChangeRequest:
    """Requested key changes, of facilities and of carriers' sites.

    `begins` allows new changes, not only a continuation.
    """

    facilities: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()
    begins: bool = True


@dataclass(frozen=True)
class KeyTerms:
    """Raised policy limits (`allow`), run options, and `dry_run` of a key change."""

    allow: Mapping[str, int] = field(default_factory=dict)
    options: RunOptions = field(default_factory=RunOptions)
    dry_run: bool = False


@dataclass
class KeyOutcome:
    """Result of a call: last progress, applies in order, written files.

    Attributes:
        ended: facilities whose gateways have only new keys now.
        left_out: by facility, why no further step was possible.
    """

    progress: KeyChangeProgress
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    runs: list[Applied] = field(default_factory=list)
    interrupted: bool = False
    written: list[Path] = field(default_factory=list)


class StepAttendant(Protocol):
    """Observer of steps, asked before each."""

    def applies(self, planned: Planned) -> None:
        """Show the plan; ask."""

    def applied(self, applied: Applied) -> None:
        """Hosts were changed, or not."""

    def warns(self, sentence: str) -> None:
        """Show a problem that does not stop the change."""

    @property
    def has_enough(self) -> bool:
        """Whether somebody asked to stop."""


class KeyAttendant(StepAttendant, Protocol):
    """Observer of gateways' key changes; it waits for gateways."""

    def begins(self, progress: KeyChangeProgress, edits: EditsOfMany) -> None:
        """Show progress and planned edits; ask."""

    def written(self, edits: Sequence[FileEdit], vault: Sequence[Path]) -> None:
        """Files were written."""

    def waits(self, sites: Sequence[str]) -> bool:
        """Wait some seconds for gateways; return whether to read again."""


def refuse_cutting_plan(planned: Planned, relay: str, *, spare: Callable[[Change], bool] = lambda _: False) -> None:
    """Refuse to apply a host if its plan would cut readers.

    `spare` tells which changes may cut them.

    Raises:
        PolicyError: another inventory owns it, its plan is refused, or would cut readers.
    """
    planned.refuse_host(relay)
    cutting = [c for c in planned.plan.pending if c.impact.rank >= Impact.PATH.rank and not spare(c)]
    if cutting:
        names = sorted({f"{c.resource.value} {c.name}" for c in cutting})
        message = f"other changes of it would cut readers: {named(names)}; look at them, and apply them first"
        raise PolicyError(message, hint=f"provisioner plan --limit host={relay} --details", object=relay)


def rotate_keys(
    sessions: Sessions, edits: Edits, request: KeyChangeRequest, terms: KeyTerms, attendant: KeyAttendant
) -> KeyOutcome:
    """Take all possible steps of gateways' key changes; a repeated call resumes.

    Raises:
        UsageError: a facility or carrier is unknown, or no relay carries the facility.
    """
    session = sessions()
    if not terms.dry_run and draw_psks(session):  # a call that was ended between a file and the vault
        session = sessions()
    named = chosen_sites(session.readable.inventory, request.facilities, request.carriers)
    sites = named or tuple(sorted(changing_facilities(session.readable.inventory, session.secrets)))
    progress = progress_of_keys(session, sites, allow=terms.allow)
    outcome = KeyOutcome(progress, left_out=dict(progress.left_out))
    run = _RotationRun(sessions, edits, sites, terms, attendant, outcome, session)
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
    sessions: Sessions, edits: Edits, request: KeyChangeRequest, terms: KeyTerms, attendant: KeyAttendant
) -> KeyOutcome:
    """Cancel key changes: relays forget the next keys.

    Raises:
        UsageError: a gateway already used its next key, or no change of its key is in progress.
    """
    session = sessions()
    sites = chosen_sites(session.readable.inventory, request.facilities, request.carriers)
    progress = progress_of_keys(session, sites, allow=terms.allow)
    for name, stage in progress.stages.items():
        if stage in {KeyStage.SEEN, KeyStage.ENDING}:
            hint = f"go on with it: provisioner keys rotate --finish {name}"
            raise UsageError(f"the gateway of {name} has its next key already", hint=hint, object=name)
        if stage is KeyStage.NONE:
            hint = "provisioner keys status lists those that are under way"
            raise UsageError(f"no change of the key of {name}'s gateway is under way", hint=hint, object=name)
    outcome = KeyOutcome(progress, left_out=dict(progress.left_out))
    run = _RotationRun(sessions, edits, sites, terms, attendant, outcome, session)
    judged = key_changes_taken_back(
        edits, [name for name in progress.stages if progress.stages[name] is not KeyStage.UNREAD]
    )
    attendant.begins(progress, judged)
    if terms.dry_run:
        return run.outcome
    # The vault first: a file without a next key never has one in the vault that would count for another key.
    vault = drop_psks(session, [edit.facility for edit in judged.edits])
    run.save_edits(judged, vault)
    run.look_again()
    run.apply(also=sites)
    return run.outcome


@dataclass
class _RotationRun:
    sessions: Sessions
    edits: Edits
    sites: Collection[str]
    terms: KeyTerms
    by: KeyAttendant
    outcome: KeyOutcome
    session: Session
    """The session of the last progress."""

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
        """Apply relays with keys to add or remove.

        A relay whose plan is refused, or would cut readers, is left out.
        """
        progress = self.outcome.progress
        sites = {*progress.at(KeyStage.UNSTAGED, KeyStage.ENDING), *also}
        if progress.planned is not None:
            self.apply_ready(progress.planned, by_relay(progress, sites))
        self.tidy(sites)

    def apply_ready(self, full_plan: Planned, sites_by_relay: Mapping[str, Sequence[str]]) -> None:
        """Apply the relays that have work for their sites."""
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
        applied = apply_plan(self.session, planned, options=self.terms.options)
        self.outcome.runs.append(applied)
        self.by.applied(applied)
        self.outcome.interrupted = applied.ended == "interrupted"

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
            vault = tidy_psks(self.sessions(), ended)
            if failure := record_rotated(self.sessions(), ended):
                self.by.warns(failure)
            self.outcome.ended += ended
            self.outcome.written += vault
            self.by.written((), vault)
            self.outcome.progress = replace(progress, stages={**progress.stages, **dict.fromkeys(ended, KeyStage.NONE)})
