"""The course of a drain: what follows what, where it waits for people, and where it stops."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Protocol

from provisioner.base.errors import ProvisionerError, UsageError
from provisioner.base.text import did_you_mean, printable
from provisioner.operations.apply.apply import apply_plan
from provisioner.operations.apply.intent import Applied, RunOptions
from provisioner.operations.drain.progress import DrainLook, look_at_drain
from provisioner.operations.drain.steps import (
    Sessions,
    SiteProof,
    plan_letting_go,
    plan_of_one,
    prove,
    put_back,
    waves_of_sites,
    write_all,
)
from provisioner.operations.edit.file_edit import Edits, FileEdit
from provisioner.operations.edit.relay_drain import DrainEdits, DrainOrder, drain_begun, drain_finished
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned
from provisioner.operations.rollout import HostOutcome
from provisioner.verify.path_history import Orders

_LOOKS: Final = 7
"""Times that gateways are looked for once the new relay knows them: they knock within half a minute."""
_SHOWN: Final = 80


class DrainEnd(StrEnum):
    """Why a call of a drain ended."""

    DONE = "done"
    """All was done that could be done now."""
    FAILED = "failed"
    """A relay was not applied: it is as it was before that."""
    UNPROVED = "unproved"
    """Sites that the files give to the new relay already are not proved there, and the old one keeps them."""
    WORSE = "worse"
    """After sites were let go something came worse at the new relay."""
    REFUSED = "refused"
    """A step was refused, or could not be taken, after others had been: its files are as they were before it."""
    INTERRUPTED = "interrupted"


class Attendant(Protocol):
    """Who is shown what a drain does, is asked before, and may end it by an exception where it is safe."""

    def begins(self, look: DrainLook, begun: DrainEdits) -> None:
        """Show what is so, and which files will be written; ask."""

    def written(self, edits: Sequence[FileEdit], what: str) -> None:
        """Files were written."""

    def applies(self, planned: Planned) -> None:
        """Show what the new relay will be changed to; ask."""

    def applied(self, applied: Applied) -> None:
        """A relay was changed, or not."""

    def waits(self, unseen: Sequence[str]) -> None:
        """Wait some seconds for gateways."""

    def proved(self, proofs: Mapping[str, SiteProof]) -> None:
        """Sites were verified."""

    def lets_go(self, look: DrainLook, waves: Sequence[Sequence[str]]) -> None:
        """Show which sites the old relay will let go, and who reads there; ask."""

    def cuts(self, planned: Planned) -> None:
        """Show what the old relay will be changed to."""

    def warns(self, sentence: str) -> None:
        """Something was wished and not had."""

    @property
    def has_enough(self) -> bool:
        """Whether somebody asked to stop."""
        ...

    @property
    def orders(self) -> Orders:
        """How verifications go."""
        ...


@dataclass(frozen=True)
class DrainTerms:
    """What is allowed to a drain.

    Attributes:
        allow: limits of the policy that are raised, in each of its plans.
        unproved: facilities that are let go without a proof.
        options: how its runs go.
        dry_run: whether it only looks.
    """

    allow: Mapping[str, int]
    unproved: frozenset[str] = frozenset()
    options: RunOptions = field(default_factory=RunOptions)
    dry_run: bool = False


@dataclass
class DrainOutcome:
    """What has come of a call of a drain.

    Attributes:
        look: how far it is, by the last look.
        begun: the files that let both relays carry all.
        end: why the call ended.
        runs: what was applied, in this order.
        proofs: what was proved of sites, by the last verification of each.
        moved: the sites that the old relay let go of in this call.
        refusal: why a step was not taken, after others had been.
    """

    look: DrainLook
    begun: DrainEdits
    end: DrainEnd = DrainEnd.DONE
    runs: list[Applied] = field(default_factory=list)
    proofs: dict[str, SiteProof] = field(default_factory=dict)
    moved: list[str] = field(default_factory=list)
    refusal: ProvisionerError | None = None

    @property
    def stopped(self) -> bool:
        """Whether it goes no further."""
        return self.end is not DrainEnd.DONE


def drain_relay(
    sessions: Sessions, edits: Edits, order: DrainOrder, terms: DrainTerms, attendant: Attendant
) -> DrainOutcome:
    """Do all that can be done now to empty a relay; called again, it goes on from there.

    Raises:
        UsageError: the relays are no pair, the agreement cannot be recorded, or a site is none of theirs.
        InventoryError, SecretsError: the inventory is invalid, or would be; the step that says so changes nothing.
        HostError, PolicyError: a relay cannot be read, or a step is refused: its files are as they were before it.
    """
    session = sessions()
    look = look_at_drain(session, order, allow=terms.allow)
    begun = drain_begun(edits, order, look.held)
    _refuse_strangers(session, order, terms.unproved)
    outcome = DrainOutcome(look, begun)
    attendant.begins(look, begun)
    if terms.dry_run:
        return outcome
    course = _Course(sessions, edits, order, terms, attendant, outcome)
    if begun.edits:
        write_all(edits.root, begun.edits)
        attendant.written(begun.edits, f"{order.relay} is emptied onto {order.to}")
        course.look_again()
    for step in (course.carry, course.let_go):
        if not outcome.stopped:
            course.take(step)
    if outcome.runs:
        course.look_at_last()
    return outcome


def _refuse_strangers(session: Session, order: DrainOrder, names: Collection[str]) -> None:
    relays = {order.relay, order.to}
    known = sorted(f.id for f in session.served.facilities.values() if f.plan and f.plan.relay in relays)
    for name in sorted(set(names) - set(known)):
        hint = did_you_mean(name, known, f"name one that moves: {order.relay} has others as well")
        raise UsageError(f"--unproved {printable(name, _SHOWN)}: no site of these relays", hint=hint, object=name)


@dataclass
class _Course:
    sessions: Sessions
    edits: Edits
    order: DrainOrder
    terms: DrainTerms
    by: Attendant
    outcome: DrainOutcome

    def look_again(self) -> None:
        self.outcome.look = look_at_drain(self.sessions(), self.order, allow=self.terms.allow)

    def look_at_last(self) -> None:
        """Look once more; where that cannot be, what was done counts all the same."""
        try:
            self.look_again()
        except ProvisionerError as error:
            self.by.warns(f"how far it is now is not known: {error.message}")
            look, moved = self.outcome.look, self.outcome.moved
            both, leaving = ([name for name in names if name not in moved] for names in (look.both, look.leaving))
            self.outcome.look = replace(look, both=tuple(both), leaving=tuple(leaving))

    def take(self, step: Callable[[], None]) -> None:
        """Take a step; what was done before one that is refused is told all the same.

        Raises:
            ProvisionerError: it is refused, and nothing was done before.
        """
        try:
            step()
        except ProvisionerError as error:
            if not self.outcome.runs:
                raise
            self.outcome.end, self.outcome.refusal = DrainEnd.REFUSED, error

    def carry(self) -> None:
        """Have the new relay carry what is signed, and wait a little for gateways that know it."""
        if not self.outcome.look.waiting:
            return
        session = self.sessions()
        planned = plan_of_one(session, self.order.to, (), self.terms.allow)
        self.by.applies(planned)
        if not self.apply(session, planned):
            return
        for _ in range(_LOOKS):
            self.look_again()
            if not self.outcome.look.unseen or self.by.has_enough:
                break
            self.by.waits(self.outcome.look.unseen)
        if self.by.has_enough:
            self.outcome.end = DrainEnd.INTERRUPTED

    def let_go(self) -> None:
        """Prove what both carry, and let the old relay go of what is proved, wave by wave."""
        look = self.outcome.look
        both = (*look.both, *(name for name in look.unseen if name in self.terms.unproved))
        if not (both or look.leaving):
            return
        self.prove(self.sessions(), (*both, *look.leaving))
        if not all(map(self.is_ready, look.leaving)):
            # A relay is applied as a whole: what is not proved would go with what is.
            self.outcome.end = DrainEnd.UNPROVED
            return
        ready = {name: look.paths.get(name, 0) for name in both if self.is_ready(name)}
        waves = ((look.leaving,) if look.leaving else ()) + waves_of_sites(ready)
        if not waves:
            return
        self.by.lets_go(look, waves)
        for wave in waves:
            if self.by.has_enough:
                self.outcome.end = DrainEnd.INTERRUPTED
            if self.outcome.stopped:
                return
            self.wave(wave, is_written=wave is look.leaving)

    def wave(self, names: Sequence[str], *, is_written: bool) -> None:
        finished: Sequence[FileEdit] = ()
        if not is_written:
            judged = drain_finished(self.edits, names)
            for name, problems in judged.refused.items():
                self.by.warns(f"{name} stays: {problems[0].message}")
            finished, names = judged.edits, [name for name in names if name not in judged.refused]
            if not names:
                return
        session, planned = plan_letting_go(self.sessions, self.order.relay, finished, names, self.terms.allow)
        self.by.cuts(planned)
        try:
            is_applied = self.apply(session, planned)
        except ProvisionerError:  # the run could not begin: no host was touched
            put_back(self.edits.root, finished)
            raise
        if finished:
            self.by.written(finished, f"{self.order.to} has {', '.join(names)}")
        if not is_applied:
            return
        self.outcome.moved += names
        before = {name: self.outcome.proofs[name] for name in names}
        self.prove(session, names)
        if any(self.outcome.proofs[name].lost_since(before[name]) for name in names if name not in self.terms.unproved):
            self.outcome.end = DrainEnd.WORSE

    def is_ready(self, name: str) -> bool:
        return self.outcome.proofs[name].is_given or name in self.terms.unproved

    def prove(self, session: Session, names: Sequence[str]) -> None:
        proofs, unrecorded = prove(session, names, self.order.to, self.by.orders)
        self.outcome.proofs |= proofs
        if unrecorded:
            self.by.warns(f"this verification is not recorded: {unrecorded}")
        self.by.proved(proofs)

    def apply(self, session: Session, planned: Planned) -> bool:
        applied = apply_plan(session, planned, options=self.terms.options)
        self.outcome.runs.append(applied)
        self.by.applied(applied)
        if all(result.outcome in {HostOutcome.APPLIED, HostOutcome.UNCHANGED} for result in applied.results):
            return True
        self.outcome.end = DrainEnd.INTERRUPTED if applied.ended == "interrupted" else DrainEnd.FAILED
        return False
