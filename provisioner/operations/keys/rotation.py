"""The change of gateways' keys: its steps, and its waits for people.

The next step follows from files, vault and relays each time, so that the same command resumes it wherever it ended. One
site that cannot go on stops no other, and one relay no other one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from provisioner.base.errors import HostError, LockedError, PolicyError, ProvisionerError, UsageError
from provisioner.desired.spec import NEXT
from provisioner.operations.apply.apply import apply_plan
from provisioner.operations.apply.intent import Applied, RunOptions
from provisioner.operations.edit.file_edit import Edits, EditsOfMany, FileEdit
from provisioner.operations.edit.keys import key_changes_taken_back, key_changes_written
from provisioner.operations.keys.progress import (
    KeyLook,
    KeyStage,
    by_relay,
    chosen_sites,
    draw_psks,
    drop_psks,
    look_at_keys,
    record_rotated,
    settled_facts,
    tidy_psks,
    under_way,
)
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, plan_of_some
from provisioner.operations.rollout import HostOutcome
from provisioner.plan.change import Change, Impact, Resource
from provisioner.plan.guards.policy import TRUST, named

Sessions = Callable[[], Session]
"""A new session: what was read of the inventory before an edit does not count after it."""

_DONE = frozenset({HostOutcome.APPLIED, HostOutcome.UNCHANGED})
_NEXT_KEY = f"key of {NEXT}"


@dataclass(frozen=True)
class KeyOrder:
    """Whose keys are changed.

    Attributes:
        facilities: the facilities that are named.
        carriers: carriers all of whose sites are meant.
        begins: whether changes begin where none is under way; else those that are go on.
    """

    facilities: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()
    begins: bool = True


@dataclass(frozen=True)
class KeyTerms:
    """What is allowed to a change of keys.

    Attributes:
        allow: limits of the policy that are raised.
        options: how its runs go.
        dry_run: whether it only looks.
    """

    allow: Mapping[str, int] = field(default_factory=dict)
    options: RunOptions = field(default_factory=RunOptions)
    dry_run: bool = False


@dataclass
class KeyOutcome:
    """What has come of a call.

    Attributes:
        look: how far the changes are, by the last look.
        begun: the facilities whose change began in this call.
        ended: those whose gateways have their new keys alone now.
        left_out: by facility, why nothing more was done for it.
        runs: what was applied, in this order.
        interrupted: whether somebody asked to stop.
        written: the files that were written.
    """

    look: KeyLook
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    runs: list[Applied] = field(default_factory=list)
    interrupted: bool = False
    written: list[Path] = field(default_factory=list)


class StepAttendant(Protocol):
    """Who is shown what is done, and is asked before."""

    def applies(self, planned: Planned) -> None:
        """Show what hosts will be changed to; ask."""

    def applied(self, applied: Applied) -> None:
        """Hosts were changed, or not."""

    def warns(self, sentence: str) -> None:
        """Something was wished and not had."""

    @property
    def has_enough(self) -> bool:
        """Whether somebody asked to stop."""
        ...


class KeyAttendant(StepAttendant, Protocol):
    """Who attends a change of gateways' keys, and waits for gateways."""

    def begins(self, look: KeyLook, edits: EditsOfMany) -> None:
        """Show what is so, and which files will be written; ask."""

    def written(self, edits: Sequence[FileEdit], vault: Sequence[Path]) -> None:
        """Files were written."""

    def waits(self, sites: Sequence[str]) -> bool:
        """Wait some seconds for gateways that have to change to their next keys: whether to look again."""
        ...


def refusal_of(planned: Planned, relay: str, *, spare: Callable[[Change], bool] = lambda _: False) -> None:
    """Refuse to apply a host as a step of a change of keys.

    Args:
        planned: a plan of it.
        relay: the host.
        spare: which changes may cut somebody.

    Raises:
        HostError: it cannot be read.
        PolicyError: it is somebody else's, its plan is refused, or it would cut somebody: a change of keys cuts nobody.
    """
    planned.refuse_foreign()
    if relay in planned.unreadable:
        error = planned.unreadable[relay]
        raise HostError(error.message, hint=error.hint, object=relay)
    if planned.plan.refused:
        first = planned.plan.refused[0]
        raise PolicyError(first.message, hint=first.hint, object=first.host or relay)
    cutting = [c for c in planned.plan.pending if c.impact.rank >= Impact.PATH.rank and not spare(c)]
    if cutting:
        names = sorted({f"{c.resource.value} {c.name}" for c in cutting})
        message = f"other changes of it would cut readers: {named(names)}; look at them, and apply them first"
        raise PolicyError(message, hint=f"provisioner plan --limit host={relay} --details", object=relay)


def rotate_keys(
    sessions: Sessions, edits: Edits, order: KeyOrder, terms: KeyTerms, attendant: KeyAttendant
) -> KeyOutcome:
    """Do all that can be done now to change gateways' keys; called again, it goes on from there.

    Raises:
        UsageError: there is no such facility or carrier, or no relay carries it.
        InventoryError, SecretsError: the inventory is invalid, or its vault cannot be opened; nothing is changed.
    """
    session = sessions()
    if not terms.dry_run and draw_psks(session):  # a call that was ended between a file and the vault
        session = sessions()
    named = chosen_sites(session.readable.inventory, order.facilities, order.carriers)
    sites = named or tuple(sorted(under_way(session.readable.inventory, session.secrets)))
    look = look_at_keys(session, sites, allow=terms.allow)
    outcome = KeyOutcome(look, left_out=dict(look.left_out))
    course = _Course(sessions, edits, sites, terms, attendant, outcome, session)
    begins = look.at(KeyStage.NONE) if order.begins and named else ()
    begins = course.without_busy_relays(begins)
    if not course.write(begins) or terms.dry_run:
        return course.outcome
    course.apply()
    while course.is_waiting and attendant.waits(course.outcome.look.at(KeyStage.STAGED)):
        course.look_again()
        if course.outcome.look.at(KeyStage.SEEN):
            course.write(())
            course.apply()
    return course.outcome


def keep_keys(
    sessions: Sessions, edits: Edits, order: KeyOrder, terms: KeyTerms, attendant: KeyAttendant
) -> KeyOutcome:
    """Take changes of keys back: relays forget the next keys, and gateways keep their present ones.

    Raises:
        UsageError: a gateway was seen with its next key already, or no change of its key is under way.
        InventoryError, SecretsError: as `rotate_keys`.
    """
    session = sessions()
    sites = chosen_sites(session.readable.inventory, order.facilities, order.carriers)
    look = look_at_keys(session, sites, allow=terms.allow)
    for name, stage in look.stages.items():
        if stage in {KeyStage.SEEN, KeyStage.ENDING}:
            hint = f"go on with it: provisioner keys rotate --finish {name}"
            raise UsageError(f"the gateway of {name} has its next key already", hint=hint, object=name)
        if stage is KeyStage.NONE:
            hint = "provisioner keys status lists those that are under way"
            raise UsageError(f"no change of the key of {name}'s gateway is under way", hint=hint, object=name)
    outcome = KeyOutcome(look, left_out=dict(look.left_out))
    course = _Course(sessions, edits, sites, terms, attendant, outcome, session)
    judged = key_changes_taken_back(edits, [name for name in look.stages if look.stages[name] is not KeyStage.UNREAD])
    attendant.begins(look, judged)
    if terms.dry_run:
        return course.outcome
    # The vault first: a file without a next key never has one in the vault that would count for another key.
    vault = drop_psks(session, [edit.facility for edit in judged.edits])
    course.keep(judged, vault)
    course.look_again()
    course.apply(also=sites)
    return course.outcome


@dataclass
class _Course:
    sessions: Sessions
    edits: Edits
    sites: Collection[str]
    terms: KeyTerms
    by: KeyAttendant
    outcome: KeyOutcome
    session: Session
    """The one in which the last look was taken."""

    @property
    def is_waiting(self) -> bool:
        return not self.outcome.interrupted and bool(self.outcome.look.at(KeyStage.STAGED))

    def without_busy_relays(self, begins: Sequence[str]) -> tuple[str, ...]:
        """Those whose relays change no key of their own: a gateway would have to follow both at once."""
        lock = self.session.readable.inventory.allocations.relays
        free = []
        for name in begins:
            busy = [r for r in self.outcome.look.relays.get(name, ()) if r in lock and lock[r].next_key is not None]
            if busy:
                self.outcome.left_out[name] = f"{busy[0]} changes its own key: let that end first"
            else:
                free.append(name)
        return tuple(free)

    def look_again(self) -> None:
        self.session = self.sessions()
        self.outcome.look = look_at_keys(self.session, self.sites, allow=self.terms.allow)
        self.outcome.left_out |= self.outcome.look.left_out

    def write(self, begins: Collection[str]) -> bool:
        """Write the files of changes that begin and of those that end; whether to go on."""
        look = self.outcome.look
        ends = look.at(KeyStage.SEEN)
        judged = key_changes_written(self.edits, begins=begins, ends=ends, since=self.edits.today)
        self.by.begins(look, judged)
        if self.terms.dry_run:
            return False
        self.keep(judged, ())
        if begins:
            self.outcome.begun += [name for name in begins if name not in judged.refused]
            self.outcome.written += (drawn := draw_psks(self.sessions()))
            self.by.written((), drawn)
        if judged.edits:
            self.look_again()
        return True

    def keep(self, judged: EditsOfMany, vault: Sequence[Path]) -> None:
        """Write edits, one file after the other; one that cannot be written stops no other."""
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
        """Bring the relays to what the files say that have something to learn or to forget, as they were last seen.

        A relay whose plan is refused, or would cut somebody, is left as it is, and the others go on.
        """
        look = self.outcome.look
        due = {*look.at(KeyStage.UNSTAGED, KeyStage.ENDING), *also}
        if look.planned is not None:
            self.bring(look.planned, by_relay(look, due))
        self.tidy(due)

    def bring(self, seen: Planned, due: Mapping[str, Sequence[str]]) -> None:
        """Bring those of some relays to it that have something to do for their sites."""
        ready: list[str] = []
        for relay, names in due.items():
            try:
                ready += [relay] if self.has_work(seen, relay) else []
            except (HostError, PolicyError) as error:
                self.outcome.left_out |= dict.fromkeys(names, f"{relay}: {error.message}")
        if ready and not self.by.has_enough:
            self.apply_to(seen, ready)
        elif ready:
            self.outcome.interrupted = True

    def has_work(self, seen: Planned, relay: str) -> bool:
        planned = self.plan_of(seen, (relay,))
        refusal_of(planned, relay)
        return bool(planned.plan.hosts)

    def apply_to(self, seen: Planned, relays: Sequence[str]) -> None:
        planned = self.plan_of(seen, relays)
        self.by.applies(planned)
        applied = apply_plan(self.session, planned, options=self.terms.options)
        self.outcome.runs.append(applied)
        self.by.applied(applied)
        self.outcome.interrupted = applied.ended == "interrupted"

    def plan_of(self, seen: Planned, relays: Sequence[str]) -> Planned:
        """The plan of some relays, with what is allowed.

        The next keys of the sites that were named are trusted, as somebody has just said so.
        """
        allow = self.terms.allow
        trusted = [c for c in seen.plan.pending if c.resource is Resource.TRUST and c.name.startswith(_NEXT_KEY)]
        own = [c for c in trusted if c.host in relays and c.name.removeprefix(_NEXT_KEY) in self.sites]
        if own:
            allow = {**allow, TRUST: max(allow.get(TRUST, 0), len(own))}
        return plan_of_some(self.session, seen, relays, allow=allow)

    def tidy(self, due: Collection[str]) -> None:
        """Look once more, and let the former pre-shared keys go of what no relay has under its former key."""
        try:
            self.look_again()
        except ProvisionerError as error:
            self.by.warns(f"how far it is now is not known: {error.message}")
            return
        look = self.outcome.look
        pending = {c.facility for c in look.planned.plan.pending if c.facility} if look.planned else set()
        read = set(settled_facts(look.planned))
        unread = {relay for of in look.relays.values() for relay in of} - read
        over = [
            name
            for name in look.at(KeyStage.ENDING)
            if name in due and name not in pending and unread.isdisjoint(look.relays[name])
        ]
        if over:
            vault = tidy_psks(self.sessions(), over)
            if left := record_rotated(self.sessions(), over):
                self.by.warns(left)
            self.outcome.ended += over
            self.outcome.written += vault
            self.by.written((), vault)
            self.outcome.look = replace(look, stages={**look.stages, **dict.fromkeys(over, KeyStage.NONE)})
