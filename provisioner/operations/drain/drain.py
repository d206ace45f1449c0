"""A drain: its progress, steps, waits for people, and ends.

Progress follows from the inventory's files and both relays. Pictures over the new relay must be as good as before.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, Protocol

from provisioner.base.errors import HostError, LockedError, PolicyError, ProvisionerError, StateError, UsageError
from provisioner.base.text import did_you_mean, named, printable
from provisioner.desired.limit import Limit
from provisioner.desired.spec import NEXT, RTSP_PORT, SITE
from provisioner.hosts.facts import HostFacts
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.signed import unsigned_by
from provisioner.operations.apply.apply import Sessions, StepAttendant, StepTerms, StepwiseOutcome, StepwiseRun
from provisioner.operations.apply.verification import record_verification, verify_with_memory
from provisioner.operations.edit.file_edit import Edits, FileEdit
from provisioner.operations.edit.relay_drain import DrainEdits, DrainRequest, drain_finished, drain_started, refuse_pair
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan
from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.verify.judge import LEVELS
from provisioner.verify.network import tunnel_check
from provisioner.verify.path_history import VerifyOptions
from provisioner.verify.result import PathVerdict, Verdict

_RELAY_IS_DEAD = "a relay that is dead is not drained: provisioner relay restore, or relay replace"


@dataclass(frozen=True)
class DrainLook:
    """Progress of a drain; a facility is in one group at most."""

    request: DrainRequest
    planned: Planned
    unsigned: tuple[str, ...]  #: The parties still have to sign the successor.
    waiting: tuple[str, ...]  #: The new relay does not have the signed successor yet.
    unseen: tuple[str, ...]  #: The new relay never heard the gateway: its package is not installed, or it is off.
    both: tuple[str, ...]  #: Both relays and the gateway are connected; pictures are to be proved.
    leaving: tuple[str, ...]  #: The files name the new relay, but the old one still has it.
    paths: Mapping[str, int]
    viewers: Mapping[str, int]
    held: frozenset[str]  #: Frozen facilities of which the old relay has something.
    address: IPv4Address  #: The new relay's tunnel address for readers.
    port: int = RTSP_PORT

    @property
    def read_on(self) -> str:
        """The new relay's URL for readers, without a path."""
        return f"{'rtsp' if self.port == RTSP_PORT else 'rtsps'}://{self.address}:{self.port}"

    @property
    def is_over(self) -> bool:
        """Whether no site is left at the old relay or moving."""
        return not (self.unsigned or self.waiting or self.unseen or self.both or self.leaving)


def look_at_drain(session: Session, request: DrainRequest, *, allow: Mapping[str, int]) -> DrainLook:
    """Read a drain's progress from both relays and the files.

    Raises `UsageError` if the relays are no pair; `PolicyError` if another inventory owns one, or the new one was never
    applied.
    """
    refuse_pair(session.served, request)
    planned = make_plan(session, Limit({"host": frozenset({request.relay, request.to})}), allow=allow)
    planned.refuse_foreign()
    _refuse_unready(planned, request)
    moving = [f for f in session.served.facilities.values() if _is_moving(f, request)]
    changing = {change.facility for change in planned.plan.pending if change.host == request.to}
    signed = [f.id for f in moving if f.successor and f.successor.agreed and not unsigned_by(f, f.successor)]
    reached = _heard_facilities(session, planned.facts[request.to], request.to)
    carried = [name for name in signed if name not in changing]
    spec = session.state.hosts[request.relay]
    target_sites = {f.id for f in session.served.facilities.values() if f.plan and f.plan.relay == request.to}
    relay_facts = planned.facts[request.relay]
    target = session.state.hosts[request.to]
    return DrainLook(
        request,
        planned,
        unsigned=tuple(f.id for f in moving if f.id not in signed),
        waiting=tuple(name for name in signed if name in changing),
        unseen=tuple(name for name in carried if name not in reached),
        both=tuple(name for name in carried if name in reached),
        leaving=tuple(
            sorted({c.facility for c in planned.plan.pending if _removes_site(c, request.relay)} & target_sites)
        ),
        paths=dict(sorted(Counter(path.facility for path in spec.paths).items())),
        viewers={path: number for path, number in sorted(relay_facts.viewers.items()) if number},
        held=frozenset(frozen.facility.id for frozen in planned.plan.held if request.relay in frozen.hosts),
        address=target.tunnel.address,
        port=target.relay.own_port if target.relay else RTSP_PORT,
    )


def _is_moving(facility: Facility, request: DrainRequest) -> bool:
    plan, successor = facility.plan, facility.successor
    pair = (plan.relay, successor.relay) if plan and successor else None
    return pair == (request.relay, request.to) and facility.operating.is_carried


def _removes_site(change: Change, relay: str) -> bool:
    is_site = change.resource in {Resource.PATH, Resource.PEER}
    return change.host == relay and is_site and change.action is Action.DELETE and bool(change.facility)


def _heard_facilities(session: Session, facts: HostFacts, relay: str) -> frozenset[str]:
    """Return facilities whose gateways the relay heard, and those without tunnel."""
    live_peers = facts.tunnel["peers"] if facts.tunnel else {}
    heard_keys = {key for key, peer in live_peers.items() if peer["endpoint"]}
    spec = session.state.hosts[relay]
    peers = [p for p in spec.tunnel.peers if p.name.startswith((SITE, NEXT)) and p.public_key in heard_keys]
    routed = {path.facility for path in spec.paths if not path.access.has_tunnel}
    return frozenset({*(peer.name.partition("/")[2] for peer in peers), *routed})


def _refuse_unready(planned: Planned, request: DrainRequest) -> None:
    for host in (request.relay, request.to):
        if host in planned.unreadable:
            error = planned.unreadable[host]
            hint = f"{error.hint}; {_RELAY_IS_DEAD}" if host == request.relay else error.hint
            raise HostError(error.message, hint=hint, object=host)
    if not planned.facts[request.to].confirmed:
        hint = "apply it first, with the centres that are to read there: provisioner apply --allow trust=NUMBER"
        raise PolicyError(f"{request.to} was never applied", hint=hint, object=request.to)


def _refuse_cutting(planned: Planned, relay: str, allowed: Collection[str]) -> None:
    cutting = [c for c in planned.plan.pending if c.impact.rank >= Impact.PATH.rank and c.facility not in allowed]
    if cutting:
        names = sorted({f"{c.resource.value} {c.name}" for c in cutting})
        hint = f"look at them, and apply them first: provisioner plan --limit host={relay} --details"
        raise PolicyError(
            f"other changes of {relay} would cut readers as well: {named(names)}", hint=hint, object=relay
        )


_RANKS: Mapping[Verdict, int] = {Verdict.UP: 2, Verdict.DEGRADED: 1}
_UP = _RANKS[Verdict.UP]
_TUNNEL = next(level.number for level in LEVELS if level.check is tunnel_check)
_SHARES = (0.1, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class SiteProof:
    """Verification of a site over the new relay."""

    facility: str
    reached: bool
    worse: Mapping[str, str]  #: Paths that are worse than over the old relay, with the cause.
    not_up: tuple[str, ...] = ()  #: Paths not up at either relay.

    @property
    def is_given(self) -> bool:
        """Whether the old relay can be cut without loss."""
        return self.reached and not self.worse

    def lost_since(self, before: "SiteProof") -> tuple[str, ...]:
        """Return the paths that the cut made worse."""
        return tuple(path for path in self.worse if path not in before.worse and path not in before.not_up)


def site_proofs(verdicts: Iterable[PathVerdict], facilities: Collection[str], relay: str) -> dict[str, SiteProof]:
    """Return each site's proof.

    A path must be as good over the new relay as over the old one, or up if the old one is not asked. A site whose
    tunnel does not reach the new relay is not proved, however bad the old relay: it may be down now, and know the old
    relay alone.
    """
    before: dict[str, int] = {}
    after: dict[str, list[PathVerdict]] = {facility: [] for facility in facilities}
    for verdict in verdicts:
        if verdict.relay != relay:
            before[verdict.path] = _RANKS.get(verdict.without_window, 0)
        elif verdict.facility in after:
            after[verdict.facility].append(verdict)
    return {facility: _site_proof(facility, paths, before) for facility, paths in after.items()}


def _site_proof(facility: str, paths: Iterable[PathVerdict], before: Mapping[str, int]) -> SiteProof:
    """Compare a site's paths with their ranks before the move."""
    worse, not_up, reached = {}, [], False
    for path in paths:
        rank = _RANKS.get(path.without_window, 0)
        reached = reached or rank > 0 or _TUNNEL in path.passed
        if rank < before.get(path.path, _UP):
            worse[path.path] = f"{path.without_window.value}: {path.cause.value or 'unknown'}"
        elif rank < _UP:
            not_up.append(path.path)
    return SiteProof(facility, reached, dict(sorted(worse.items())), tuple(sorted(not_up)))


def waves_of_sites(paths: Mapping[str, int]) -> tuple[tuple[str, ...], ...]:
    """Return the waves: the smallest site, then a tenth, a half, all."""
    ordered = sorted(paths, key=lambda site: (paths[site], site))
    waves, done = [], 0
    for until in (1, *(math.ceil(share * len(ordered)) for share in _SHARES)):
        if until > done and ordered:
            waves.append(tuple(ordered[done:until]))
            done = until
    return tuple(waves)


def write_all(root: Path, edits: Iterable[FileEdit]) -> None:
    """Write edits one by one; a failure leaves the earlier ones."""
    for edit in edits:
        edit.write(root)


def put_back(root: Path, edits: Iterable[FileEdit]) -> None:
    """Restore files to their text before edits, unless edited since."""
    for edit in edits:
        if edit.before is not None:
            try:
                FileEdit(edit.facility, edit.path, edit.after, edit.before).write(root)
            except LockedError:
                continue


def plan_of_relay(session: Session, relay: str, may_cut: Collection[str], allow: Mapping[str, int]) -> Planned:
    """Plan one relay for a step of a drain.

    Raises `PolicyError` if it is refused, would cut other readers, or another inventory owns the relay.
    """
    planned = make_plan(session, Limit({"host": frozenset({relay})}), allow=allow)
    planned.refuse_host(relay)
    _refuse_cutting(planned, relay, may_cut)
    return planned


def plan_letting_go(
    sessions: Sessions, relay: str, edits: Collection[FileEdit], may_cut: Collection[str], allow: Mapping[str, int]
) -> tuple[Session, Planned]:
    """Write files that cut sites at a relay, and plan it.

    Raises like `plan_of_relay`, or `HostError`, after restoring the files.
    """
    session = sessions()
    root = session.root
    try:
        write_all(root, edits)
        session = sessions()
        return session, plan_of_relay(session, relay, may_cut, allow)
    except BaseException:
        put_back(root, edits)
        raise


def prove(
    session: Session, facilities: Collection[str], relay: str, options: VerifyOptions
) -> tuple[dict[str, SiteProof], str]:
    """Verify sites over both relays; return proofs and a recording failure."""
    result = verify_with_memory(session, Limit({"facility": frozenset(facilities)}), options)
    unrecorded = ""
    try:
        record_verification(session, result, tuple(f"facility={name}" for name in sorted(facilities)))
    except StateError as error:
        unrecorded = error.message
    return site_proofs(result.paths, facilities, relay), unrecorded


_LOOKS: Final = 7  #: Reads for gateways after the new relay knows them: they connect within half a minute.
_SHOWN: Final = 80


class DrainEnd(StrEnum):
    """Reason for the end of a drain call."""

    DONE = "done"  #: All possible steps were taken.
    FAILED = "failed"  #: A relay was not applied; it keeps its former state.
    #: Sites that the files give to the new relay are not proved there, so the old one keeps them.
    UNPROVED = "unproved"
    WORSE = "worse"  #: After a cut, paths at the new relay are worse.
    REFUSED = "refused"  #: A step after others was refused; its files are restored.
    INTERRUPTED = "interrupted"


class Attendant(StepAttendant, Protocol):
    """Observer of a drain; it may refuse a step with an exception."""

    def begins(self, look: DrainLook, begun: DrainEdits) -> None:
        """Show progress and planned edits; ask."""

    def written(self, edits: Sequence[FileEdit], message: str) -> None:
        """Files were written."""

    def waits(self, unseen: Sequence[str]) -> None:
        """Wait some seconds for gateways."""

    def proved(self, proofs: Mapping[str, SiteProof]) -> None:
        """Sites were verified."""

    def lets_go(self, look: DrainLook, waves: Sequence[Sequence[str]]) -> None:
        """Show the sites to cut at the old relay, with readers; ask."""

    def cuts(self, planned: Planned) -> None:
        """Show the old relay's plan."""

    @property
    def verify_options(self) -> VerifyOptions:
        """Options of verifications."""


@dataclass(frozen=True)
class DrainTerms(StepTerms):
    """Terms of a drain; `unproved` are facilities moved without proof."""

    unproved: frozenset[str] = frozenset()


@dataclass
class DrainOutcome(StepwiseOutcome):
    """Result of a drain call: last progress, first edits, applies in order."""

    look: DrainLook
    begun: DrainEdits
    end: DrainEnd = DrainEnd.DONE
    proofs: dict[str, SiteProof] = field(default_factory=dict)
    moved: list[str] = field(default_factory=list)
    refusal: ProvisionerError | None = None

    @property
    def stopped(self) -> bool:
        """Whether the drain must not continue."""
        return self.end is not DrainEnd.DONE


def drain_relay(
    sessions: Sessions, edits: Edits, request: DrainRequest, terms: DrainTerms, attendant: Attendant
) -> DrainOutcome:
    """Take all possible steps of a drain; a repeated call resumes.

    Raises `UsageError` if the relays are no pair, the agreement cannot be recorded, or a site is not theirs;
    `InventoryError` or `SecretsError` before a step changes a file; `HostError` or `PolicyError` if a relay cannot be
    read, or a step is refused and its files restored.
    """
    session = sessions()
    look = look_at_drain(session, request, allow=terms.allow)
    started = drain_started(edits, request, look.held)
    _refuse_strangers(session, request, terms.unproved)
    outcome = DrainOutcome(look, started)
    attendant.begins(look, started)
    if terms.dry_run:
        return outcome
    run = _DrainRun(sessions, terms, attendant, outcome, edits, request)
    if started.edits:
        write_all(edits.root, started.edits)
        attendant.written(started.edits, f"{request.relay} is emptied onto {request.to}")
        run.look_again()
    for step in (run.carry, run.let_go):
        if not outcome.stopped:
            run.take(step)
    if outcome.runs:
        run.read_last()
    return outcome


def _refuse_strangers(session: Session, request: DrainRequest, names: Collection[str]) -> None:
    relays = {request.relay, request.to}
    facilities = sorted(f.id for f in session.served.facilities.values() if f.plan and f.plan.relay in relays)
    for name in sorted(set(names) - set(facilities)):
        hint = did_you_mean(name, facilities, f"name one that moves: {request.relay} has others as well")
        raise UsageError(f"--unproved {printable(name, _SHOWN)}: no site of these relays", hint=hint, object=name)


@dataclass
class _DrainRun(StepwiseRun[DrainTerms, Attendant, DrainOutcome]):
    edits: Edits
    request: DrainRequest

    def look_again(self) -> None:
        self.outcome.look = look_at_drain(self.sessions(), self.request, allow=self.terms.allow)

    def read_last(self) -> None:
        """Read the progress again, or derive it if that fails."""
        try:
            self.look_again()
        except ProvisionerError as error:
            self.by.warns(f"how far it is now is not known: {error.message}")
            look, moved = self.outcome.look, self.outcome.moved
            both, leaving = ([name for name in names if name not in moved] for names in (look.both, look.leaving))
            self.outcome.look = replace(look, both=tuple(both), leaving=tuple(leaving))

    def take(self, step: Callable[[], None]) -> None:
        """Take a step; only before any run its refusal is raised (`ProvisionerError`)."""
        try:
            step()
        except ProvisionerError as error:
            if not self.outcome.runs:
                raise
            self.outcome.end, self.outcome.refusal = DrainEnd.REFUSED, error

    def carry(self) -> None:
        """Apply signed successors at the new relay; wait for their gateways."""
        if not self.outcome.look.waiting:
            return
        session = self.sessions()
        planned = plan_of_relay(session, self.request.to, (), self.terms.allow)
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
        """Prove sites at both relays; cut the proved ones in waves."""
        look = self.outcome.look
        both = (*look.both, *(name for name in look.unseen if name in self.terms.unproved))
        if not (both or look.leaving):
            return
        self.prove(self.sessions(), (*both, *look.leaving))
        if not all(map(self.is_ready, look.leaving)):
            # A relay is applied as a whole: unproved sites would go with the proved ones.
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
        """Let the old relay drop some sites, after editing their files."""
        finished: Sequence[FileEdit] = ()
        if not is_written:
            judged = drain_finished(self.edits, names)
            for name, problems in judged.refused.items():
                self.by.warns(f"{name} stays: {problems[0].message}")
            finished, names = judged.edits, [name for name in names if name not in judged.refused]
            if not names:
                return
        session, planned = plan_letting_go(self.sessions, self.request.relay, finished, names, self.terms.allow)
        self.by.cuts(planned)
        try:
            is_applied = self.apply(session, planned)
        except ProvisionerError:  # the run could not begin: no host was touched
            put_back(self.edits.root, finished)
            raise
        if finished:
            self.by.written(finished, f"{self.request.to} has {', '.join(names)}")
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
        proofs, unrecorded = prove(session, names, self.request.to, self.by.verify_options)
        self.outcome.proofs |= proofs
        if unrecorded:
            self.by.warns(f"this verification is not recorded: {unrecorded}")
        self.by.proved(proofs)

    def apply(self, session: Session, planned: Planned) -> bool:
        applied = self.apply_shown(session, planned)
        if all(result.is_as_desired for result in applied.results):
            return True
        self.outcome.end = DrainEnd.INTERRUPTED if applied.ended == "interrupted" else DrainEnd.FAILED
        return False
