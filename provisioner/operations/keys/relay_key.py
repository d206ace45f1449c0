"""The change of a relay's own key: begun, published, ended, or cancelled.

The next step follows from the lock and the relay, so the same command resumes an interrupted change. Packages and
centres get the next key only after the relay was applied with both. When a change is cancelled, they get the present
key again before the relay forgets the next one.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Protocol

from provisioner.base.errors import LockedError, PolicyError, UsageError
from provisioner.desired.limit import Limit
from provisioner.desired.recovery_key import recovery_key
from provisioner.desired.spec import LEFT, SITE
from provisioner.hosts.keys import make_next_key
from provisioner.inventory.files.edit import write_lock
from provisioner.inventory.model.hosts import Allocations, NextRelayKey, OwnKeyStage
from provisioner.operations.apply.apply import Sessions, StepAttendant, StepTerms, StepwiseRun
from provisioner.operations.edit import keys as key_edits
from provisioner.operations.hosts.decommission import record_done
from provisioner.operations.keys.rotation import KeysOutcome, refuse_cutting_plan
from provisioner.operations.pipeline.session import Session, called_host
from provisioner.operations.pipeline.stages import Planned, make_plan
from provisioner.plan.change import Change, Resource
from provisioner.plan.guards.policy import TRUST
from provisioner.record.entries import Operation
from provisioner.record.state_folder import who, who_text

_LOOKS: Final = 5  #: Reads of centres after a key change: they send handshakes within a second.

#: Reads of a host with an unconfirmed change, a second apart: the dead-man switch takes a minute.
_LOOKS_AT_ARMED: Final = 90


@dataclass(frozen=True)
class OwnKeyProgress:
    """Progress of a relay's own key change."""

    relay: str
    following: NextRelayKey | None  #: The next key in the lock; `None` without a change.
    answers: bool
    moved: Mapping[str, int]  #: Peers last heard with the next key, by name, with the Unix time.
    waiting: tuple[str, ...]  #: Peers last heard with the present key, or never.
    remains: bool = False  #: Whether the relay has a next key that the lock does not have.

    @property
    def sites_waiting(self) -> tuple[str, ...]:
        """The facilities that have not moved."""
        return tuple(name.removeprefix(SITE) for name in self.waiting if name.startswith(SITE))


class OwnKeyAttendant(StepAttendant, Protocol):
    """Observer of a relay's key change; it waits for centres."""

    def asks(self, progress: OwnKeyProgress, question: str) -> None:
        """Show the progress and the next step; ask to continue."""

    def written(self, paths: Collection[Path], message: str) -> None:
        """Files were written."""

    def waits(self) -> None:
        """Wait a moment for centres."""


@dataclass
class OwnKeyOutcome(KeysOutcome):
    """Result of a call: last progress, applies in order, written files."""

    progress: OwnKeyProgress
    is_over: bool = False
    is_unfinished: bool = False  #: Whether a possible step is missing, since a host was not applied.


def progress_of_own_key(session: Session, relay: str) -> OwnKeyProgress:
    """Read the progress of a relay's own key change."""
    return _progress_from(session, relay, _relay_plan(session, relay, {}))


def _relay_plan(session: Session, relay: str, allow: Mapping[str, int]) -> Planned:
    planned = make_plan(session, Limit({"host": frozenset({relay})}), allow=allow)
    planned.refuse_foreign()
    if relay in planned.unreadable:
        raise planned.unreadable[relay]
    return planned


def _progress_from(session: Session, relay: str, planned: Planned) -> OwnKeyProgress:
    facts = planned.facts[relay]
    next_key = session.inventory.allocations.relays[relay].next_key
    second = facts.tunnel.get("following") if facts.tunnel else None
    present_key = facts.tunnel["public_key"] if facts.tunnel else ""
    peers = {peer.public_key: peer.name for peer in session.state.hosts[relay].tunnel.peers if peer.allowed_ips}
    # Frozen facilities stay on the relay, and their gateways have to move as well.
    peers |= {key: name for key, name in facts.held["peers"].items() if name.startswith(SITE)}
    if next_key is not None and present_key == next_key.public_key:  # the relay has ended it, and the lock not yet
        return OwnKeyProgress(relay, next_key, answers=True, moved=dict.fromkeys(peers.values(), 0), waiting=())
    answers = second is not None and next_key is not None and second["public_key"] == next_key.public_key
    moved = second["moved"] if second is not None else {}
    return OwnKeyProgress(
        relay,
        next_key,
        answers=answers,
        moved={peers[key]: at for key, at in sorted(moved.items()) if key in peers},
        waiting=tuple(name for key, name in peers.items() if key not in moved),
        remains=second is not None and next_key is None,
    )


def begin_own_key(
    sessions: Sessions, request: key_edits.OwnKeyRequest, terms: StepTerms, attendant: OwnKeyAttendant, today: date
) -> OwnKeyOutcome:
    """Begin or resume a relay's key change: add a key, tell centres.

    Raises `UsageError` if the change cannot begin, or is ending; `HostError` or `PolicyError` if a host cannot be read,
    or a step is refused, and the same command resumes; `LockedError` if a host's change stays unconfirmed.
    """
    key_change = _OwnKeyChange.opened(sessions, request, terms, attendant)
    relay, next_key = key_edits.relay_named(key_change.session.inventory, request.relay), key_change.next_key
    if next_key is None:
        if not request.port:
            hint = "name a UDP port that lines pass: --port 51821; it becomes the relay's own one when the change ends"
            raise UsageError(f"at which port is {relay.id} to answer with its next key?", hint=hint, object=relay.id)
        key_edits.refuse_begin(key_change.session.inventory, relay, request.port)
    elif request.port not in {0, next_key.port}:
        message = f"{relay.id} answers with its next key at port {next_key.port} since {next_key.since.isoformat()}"
        raise UsageError(message, hint="leave --port out to go on; take it back with --cancel", object=relay.id)
    elif next_key.stage is OwnKeyStage.ENDING:
        hint = f"provisioner keys rotate --relay {relay.id} --finish"
        raise UsageError(f"the change of the key of {relay.id} is just ending", hint=hint, object=relay.id)
    port = next_key.port if next_key else request.port
    attendant.asks(key_change.outcome.progress, "begin")
    if terms.dry_run:
        return key_change.outcome
    if next_key is None or next_key.stage is OwnKeyStage.BEGUN:
        key_change.make_key(port, next_key.since if next_key else today)
        if not key_change.apply({relay.id}):
            return key_change.unfinished()
        key_change.write(
            key_edits.at_stage(key_change.lock, relay.id, OwnKeyStage.MOVING), "packages and centres have it"
        )
    if not key_change.apply(key_change.centres):
        return key_change.unfinished()
    key_change.read_progress()
    return key_change.outcome


def end_own_key(
    sessions: Sessions, request: key_edits.OwnKeyRequest, terms: StepTerms, attendant: OwnKeyAttendant
) -> OwnKeyOutcome:
    """End a relay's key change after all peers use the next key.

    Raises `UsageError` if no change has begun; `PolicyError` if some peers, which are listed, have not moved, or a step
    is refused.
    """
    key_change = _OwnKeyChange.opened(sessions, request, terms, attendant)
    next_key = key_change.existing_next_key()
    if next_key.stage is OwnKeyStage.BEGUN:
        hint = f"go on with it: provisioner keys rotate --relay {request.relay}; or take it back: --cancel"
        raise UsageError(f"nobody was told the next key of {request.relay} yet", hint=hint, object=request.relay)
    if next_key.stage is OwnKeyStage.MOVING:
        key_change.refuse_unmoved()
        attendant.asks(key_change.outcome.progress, "finish")
        if terms.dry_run:
            return key_change.outcome
        key_change.write(key_edits.at_stage(key_change.lock, request.relay, OwnKeyStage.ENDING), "the change ends")
    elif terms.dry_run:
        return key_change.outcome
    key_change.write_port(next_key.port)
    if not key_change.apply({request.relay}, ends=True):
        return key_change.unfinished()
    key_change.write(key_edits.with_key_taken(key_change.lock, request.relay), "the next key is its own one")
    key_change.record()
    key_change.read_progress()
    key_change.outcome.is_over = True
    return key_change.outcome


def cancel_own_key(
    sessions: Sessions, request: key_edits.OwnKeyRequest, terms: StepTerms, attendant: OwnKeyAttendant
) -> OwnKeyOutcome:
    """Cancel a relay's key change: restore the present key, drop the next.

    Raises `UsageError` if no change is in progress, or it is ending; `PolicyError` if some sites, which are listed, use
    the next key, or a step is refused.
    """
    key_change = _OwnKeyChange.opened(sessions, request, terms, attendant)
    if not key_change.outcome.progress.remains:
        next_key = key_change.existing_next_key()
        if next_key.stage is OwnKeyStage.ENDING:
            hint = f"provisioner keys rotate --relay {request.relay} --finish"
            raise UsageError(
                f"the change of the key of {request.relay} is just ending", hint=hint, object=request.relay
            )
    attendant.asks(key_change.outcome.progress, "cancel")
    if terms.dry_run:
        return key_change.outcome
    if key_change.next_key is not None:
        if key_change.next_key.stage is OwnKeyStage.MOVING:
            key_change.write(
                key_edits.at_stage(key_change.lock, request.relay, OwnKeyStage.BEGUN),
                "packages have the present key again",
            )
        if not key_change.apply(key_change.centres):
            return key_change.unfinished()
        key_change.read_progress(until=lambda progress: not any(name.startswith("centre/") for name in progress.moved))
        key_change.refuse_moved()
        key_change.write(key_edits.with_own_next_key(key_change.lock, request.relay, None), "the change is taken back")
    if not key_change.apply({request.relay}, ends=True):
        return key_change.unfinished()
    key_change.read_progress()
    key_change.outcome.is_over = True
    return key_change.outcome


@dataclass
class _OwnKeyChange(StepwiseRun[StepTerms, OwnKeyAttendant, OwnKeyOutcome]):
    session: Session
    request: key_edits.OwnKeyRequest

    @classmethod
    def opened(
        cls, sessions: Sessions, request: key_edits.OwnKeyRequest, terms: StepTerms, by: OwnKeyAttendant
    ) -> "_OwnKeyChange":
        session = sessions()
        key_edits.relay_named(session.inventory, request.relay)
        for name in request.leaves:
            if name not in session.inventory.facilities:
                raise UsageError(f"there is no facility {name} to be left", object=name)
        planned = _plan_when_confirmed(lambda: _relay_plan(session, request.relay, terms.allow), by)
        outcome = OwnKeyOutcome(_progress_from(session, request.relay, planned))
        return cls(sessions, terms, by, outcome, session, request)

    @property
    def lock(self) -> Allocations:
        return self.session.inventory.allocations

    @property
    def next_key(self) -> NextRelayKey | None:
        return self.lock.relays[self.request.relay].next_key

    @property
    def centres(self) -> frozenset[str]:
        return frozenset(self.session.inventory.relays[self.request.relay][0].centres)

    def unfinished(self) -> OwnKeyOutcome:
        self.outcome.is_unfinished = True
        return self.outcome

    # --- refusals -----------------------------------------------------------------------------
    def existing_next_key(self) -> NextRelayKey:
        if self.next_key is None:
            hint = f"begin one: provisioner keys rotate --relay {self.request.relay} --port PORT"
            message = f"no change of the key of {self.request.relay} is under way"
            raise UsageError(message, hint=hint, object=self.request.relay)
        return self.next_key

    def refuse_unmoved(self) -> None:
        if not self.outcome.progress.answers:
            hint = f"go on with it first: provisioner keys rotate --relay {self.request.relay}"
            raise PolicyError(
                f"{self.request.relay} does not answer with its next key", hint=hint, object=self.request.relay
            )
        unmoved = key_edits.blocking_peers(self.outcome.progress.waiting, self.request.leaves)
        if unmoved:
            message = f"{len(unmoved)} of {self.request.relay} were not seen with its next key: {', '.join(unmoved)}"
            hint = (
                "they would be dark: install their new packages first (provisioner site-package FACILITY --out DIR);"
                " a site that may be dark until somebody is there: --leave FACILITY; a centre:"
                f" provisioner keys rotate --relay {self.request.relay}"
            )
            raise PolicyError(message, hint=hint, object=self.request.relay)

    def refuse_moved(self) -> None:
        moved = key_edits.blocking_peers(self.outcome.progress.moved, self.request.leaves)
        if moved:
            message = f"{len(moved)} of {self.request.relay} are there with its next key: {', '.join(moved)}"
            hint = (
                "they would be dark: their packages have the present key again, install those, and run this again;"
                " a site that may be dark until somebody is there: --leave FACILITY"
            )
            raise PolicyError(message, hint=hint, object=self.request.relay)

    # --- steps --------------------------------------------------------------------------------
    def read_progress(self, *, until: Callable[[OwnKeyProgress], bool] | None = None) -> None:
        self.session = self.sessions()
        for number in range(_LOOKS if until else 1):
            if number:
                self.by.waits()
            planned = _plan_when_confirmed(
                lambda: _relay_plan(self.session, self.request.relay, self.terms.allow), self.by
            )
            self.outcome.progress = _progress_from(self.session, self.request.relay, planned)
            if until is None or until(self.outcome.progress):
                break

    def make_key(self, port: int, since: date) -> None:
        """Let the relay make a missing next key; record it."""
        called = called_host(self.session, self.request.relay)
        recovery = recovery_key(called.inventory.settings, called.secrets)
        actor = who_text(who(self.session.environment))
        made = make_next_key(
            called.spec, self.session.runner, self.session.templates.host_program, who=actor, recovery=recovery
        )
        current = self.next_key
        if current is not None and current.public_key == made.following:
            return
        next_key = NextRelayKey(
            public_key=made.following, port=port, since=since, stage=OwnKeyStage.BEGUN, sealed_key=made.sealed_following
        )
        self.write(key_edits.with_own_next_key(self.lock, self.request.relay, next_key), "a next key")

    def write(self, lock: Allocations, step: str) -> None:
        if lock != self.lock:
            path = write_lock(self.session.root, lock)
            self.outcome.written.append(path)
            self.session = self.sessions()
            self.by.written([path], f"key of {self.request.relay}: {step}")

    def write_port(self, port: int) -> None:
        edit = key_edits.wireguard_port_edit(self.session.root, self.session.inventory, self.request.relay, port)
        if edit.changed:
            edit.write(self.session.root)
            self.outcome.written.append(edit.path)
            self.session = self.sessions()
            self.by.written([edit.path], f"key of {self.request.relay}: its port is {port}")

    def apply(self, hosts: Collection[str], *, ends: bool = False) -> bool:
        """Apply hosts; return whether all have the desired state."""
        if self.by.has_enough:
            self.outcome.interrupted = True
            return False
        if not hosts:
            return True
        limit = Limit({"host": frozenset(hosts)})
        planned = _plan_when_confirmed(lambda: make_plan(self.session, limit, allow=self.terms.allow), self.by)
        trusted = [
            change
            for change in planned.plan.pending
            if change.resource is Resource.TRUST and change.name == f"key of relay/{self.request.relay}"
        ]
        allow: Mapping[str, int] = self.terms.allow
        if trusted:
            allow = {**allow, TRUST: max(allow.get(TRUST, 0), len(trusted))}
            planned = make_plan(self.session, limit, allow=allow)
        for host in sorted(hosts):
            # Sites that are left were named: they may be cut.
            refuse_cutting_plan(planned, host, spare=_leaves_a_site if ends else lambda _: False)
        if not planned.plan.hosts:
            return True
        self.by.applies(planned)
        applied = self.apply_shown(self.session, planned)
        self.outcome.interrupted = applied.ended == "interrupted"
        self.session = self.sessions()
        return not self.outcome.interrupted and all(result.is_as_desired for result in applied.results)

    def record(self) -> None:
        document = {"schema": "provisioner/keys-rotated", "version": 1, "relay": self.request.relay, "drawn": {}}
        digest_key = self.session.secrets.digest_key
        if failure := record_done(self.session, Operation.ROTATE, [self.request.relay], dict(document), digest_key):
            self.by.warns(failure)


def _plan_when_confirmed(plan: Callable[[], Planned], by: OwnKeyAttendant) -> Planned:
    """Plan once all hosts' changes are confirmed; others may be rolled back."""
    for _ in range(_LOOKS_AT_ARMED):
        planned = plan()
        armed = sorted(host for host, facts in planned.facts.items() if facts.armed is not None)
        if not armed:
            return planned
        by.waits()
    host = armed[0]
    message = f"a change of {host} waits for the word of its controller, and what it has now may be gone in a minute"
    raise LockedError(message, hint="run the same command again once that is over", object=host)


def _leaves_a_site(change: Change) -> bool:
    return change.resource is Resource.PEER and change.name.startswith(LEFT)
