"""Recorded runs, proofs of the record, and retention.

Each run has its steps. The check proves that no entry was changed, removed or forged. Retention follows the inventory's
policy, and a run records what was removed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from provisioner.base.errors import HostError, InventoryError, SecretsError, UsageError
from provisioner.base.text import Document, counted, did_you_mean, printable
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import HostFacts, parse_facts
from provisioner.hosts.observe import OBSERVE_TIMEOUT_S, observe_request
from provisioner.hosts.runner import CallOutcome, HostCall, unanswered
from provisioner.inventory.loader.load import load_settings
from provisioner.inventory.model.policy import Retention
from provisioner.operations.apply.journal import keyed_state_folder
from provisioner.operations.apply.run import state_of
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import new_run
from provisioner.record import heads as held_heads
from provisioner.record import read_history
from provisioner.record.chain import ChainReport, HistoryFault
from provisioner.record.entries import Cut, Event, Operation, Recorded, genesis
from provisioner.record.event_log import EventLog
from provisioner.record.retention import RetentionClass, prune, retention_classes
from provisioner.record.state_folder import Head, StateFolder, public_key, record_keys, state_folder_of
from provisioner.record.store import History, find_history
from provisioner.record.tables import DamagedRecordError

_RETENTION_HINT = "write policy.retention in inventory.yml: document_days, verdict_days"


@dataclass(frozen=True, slots=True)
class PastRun:
    """A recorded run, finished or not."""

    recorded: Recorded
    events: tuple[Event, ...]  #: Its steps; empty in a list if it has finished.
    damaged: str = ""

    @property
    def state(self) -> str:
        """Its outcome or progress."""
        return "damaged" if self.damaged and not self.recorded.finished else state_of(self.recorded, self.events)


@dataclass(frozen=True, slots=True)
class HistoryCheck(ChainReport):
    """Result of a check of the whole history."""

    closed: str = ""
    notes: int = 0  #: Number of entries in Git notes.
    hosts: tuple[str, ...] | None = None  #: The hosts asked, if any.
    unanswered: Mapping[str, HostError] = field(default_factory=dict)  #: By host, why it was not asked.


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """Options of a check."""

    hosts: bool = False
    public: Sequence[Path] = ()
    lost: range = range(0)  #: Numbers of entries known as lost after a restore from backup.


class PastRuns:
    """An inventory's recorded runs; every method may raise `StateError`."""

    def __init__(self, history: History, log: EventLog) -> None:
        self._history = history
        self._log = log

    def newest(self, number: int) -> tuple[PastRun, ...]:
        """Return the newest readable runs, with a limit."""
        runs = self._history.past(number).runs
        return tuple(self._with_events(run) if run.finished is None else PastRun(run, ()) for run in runs)

    def damaged(self, number: int) -> tuple[str, ...]:
        """Return unreadable entries of the newest runs."""
        return self._history.past(number).damaged

    def run(self, name: str) -> PastRun:
        """Return a run with all its steps, or raise `UsageError`."""
        runs = {recorded.run.id: recorded for recorded in self._history.past().runs}
        recorded = runs.get(name)
        if recorded is None:
            names = ("verify", *reversed(runs))
            hint = did_you_mean(name, names, "`provisioner history` lists them")
            raise UsageError(f"no run is called {printable(name, 80)}", hint=hint, object=name)
        return self._with_events(recorded)

    def _with_events(self, recorded: Recorded) -> PastRun:
        try:
            return PastRun(recorded, self._log.of(recorded.run.id))
        except DamagedRecordError as error:
            return PastRun(recorded, (), error.message)

    def document(self, name: str) -> Document | None:
        """Return a run's document; `None` if it has not ended."""
        return self._history.document(name)

    def chain(self) -> ChainReport:
        """Check all entries' hashes and seals, and journals against recorded hashes."""
        chain = self._history.verify_chain()
        faults, remarks = self._changed_journals(chain)
        return replace(chain, faults=(*chain.faults, *faults), remarks=(*chain.remarks, *remarks))

    def epochs(self) -> Mapping[str, int]:
        """Return the number of the last run on each host."""
        return self._history.epochs()

    def entries(self) -> tuple[dict[int, Head], frozenset[str]]:
        """Return all entries' heads by number, and the runs that have one."""
        heads = self._history.heads()
        return heads, frozenset(head.run for head in heads.values())

    def _changed_journals(self, chain: ChainReport) -> tuple[list[HistoryFault], list[HistoryFault]]:
        faults, remarks = [], []
        for recorded in self._history.past().runs:
            name = recorded.run.id
            try:
                if recorded.finished is None:
                    (self._log.proved if chain.seals.keyed and recorded.intent else self._log.of)(name)
                    continue
                stored_digest = str((self._history.document(name) or {}).get("journal") or "")
                if not stored_digest or stored_digest == self._log.digest_of(name):
                    continue
            except DamagedRecordError as error:
                faults.append(HistoryFault(0, error.message))
                continue
            if later := self._log.steps_after(name, stored_digest):
                message = f"two processes carried out run {name} at once: {counted(later, 'step')} came after its end"
                remarks.append(HistoryFault(0, message))
            else:
                faults.append(HistoryFault(0, f"the journal of run {name} was changed"))
        return faults, remarks


class _Holders:
    """Holders of record entries: this machine, Git notes, and hosts if asked."""

    def __init__(self, session: Session, folder: StateFolder) -> None:
        self._session = session
        self.asked: tuple[str, ...] | None = None
        self.unanswered: dict[str, HostError] = {}
        self.confirmed: dict[str, str] = {}
        self.epochs: dict[str, int] = {}
        own_head = held_heads.remembered(folder)
        notes = held_heads.noted(session.root, folder.inventory)
        self.notes = len(notes)
        self.held = [held_heads.WitnessedHead(f"this machine ({folder.remembered})", own_head)] if own_head else []
        self.held += [held_heads.WitnessedHead(f"the Git note on {commit[:12]}", head) for commit, head in notes]

    def ask_hosts(self) -> None:
        session = self._session
        calls = []
        for spec in session.state.hosts.values():
            request, contents = observe_request(spec, session.files[spec.id])
            calls.append(HostCall(spec, {**request, "receipts": True}, contents))
        answers = session.runner.call(calls, timeout_s=OBSERVE_TIMEOUT_S)
        self.asked = tuple(sorted(call.spec.id for call in calls))
        for call in calls:
            answer = answers[call.spec.id]
            try:
                if answer.outcome is not CallOutcome.ANSWERED:
                    raise unanswered(call.spec, answer)
                self._add_facts(parse_facts(call.spec.id, answer.document))
            except HostError as error:
                self.unanswered[call.spec.id] = error

    def _add_facts(self, facts: HostFacts) -> None:
        self.epochs[facts.host] = facts.epoch
        if facts.recorded is not None:
            self.held += _witnessed_heads(facts.host, "manifest", [facts.recorded])
        elif facts.confirmed:
            # An older version or another program wrote the manifest, so it does not name the entry.
            self.confirmed[facts.host] = facts.confirmed
        self.held += _witnessed_heads(
            facts.host, "receipt", (receipt for receipt in facts.receipts if receipt != facts.recorded)
        )


@contextmanager
def past_runs(session: Session) -> Iterator[PastRuns]:
    """Open the history of a session's inventory, or raise `UsageError`."""
    folder = _folder_of(session)
    with _opened_runs(folder) as runs:
        if runs is None:
            raise _no_record(folder)
        yield runs


def run_names(root: Path, environment: Mapping[str, str], number: int) -> tuple[str, ...]:
    """Return the newest recorded runs' ids, newest first, with a limit."""
    folder = state_folder_of(environment, load_settings(root).id)
    runs = read_history(folder, lambda history: history.past(number).runs, ())
    return tuple(recorded.run.id for recorded in runs)


def check_history(session: Session, options: CheckOptions) -> HistoryCheck:
    """Check the record's hashes and seals, and compare it with other holders.

    Raises `UsageError` if no run was recorded here, and no holder has an entry; `SecretsError` if hosts are to be
    asked, and the vault is closed.
    """
    place, closed = _with_keys(session, options)
    holders = _Holders(session, place)
    if options.hosts:
        holders.ask_hosts()
    with _opened_runs(place) as runs:
        if runs is None and not holders.held and not holders.confirmed:
            raise _no_record(place)
        chain = runs.chain() if runs else ChainReport(0, genesis(place.inventory), ())
        entries, names = runs.entries() if runs else ({}, frozenset[str]())
        epochs = runs.epochs() if runs else {}
    record = held_heads.Witnesses(place.inventory, entries, place.keys, options.lost)
    of_others = map(_fault_of, record.lacking(holders.held))
    of_runs = (
        HistoryFault(0, message, host, holders.confirmed[host], held_heads.UNKNOWN_RUN_HINT)
        for host, message in held_heads.unknown_runs(holders.confirmed, names)
    )
    return HistoryCheck(
        chain.length,
        chain.head,
        (*chain.faults, *of_others, *of_runs),
        chain.seals,
        (*chain.remarks, *_hosts_ahead(holders.epochs, epochs)),
        closed,
        holders.notes,
        holders.asked,
        holders.unanswered,
    )


def _hosts_ahead(on_hosts: Mapping[str, int], recorded: Mapping[str, int]) -> Iterator[HistoryFault]:
    """Yield hosts that report more runs than recorded; hosts may lie."""
    for host, number in sorted(on_hosts.items()):
        if number > (highest := recorded.get(host, 0)):
            message = f"{host} says that run number {number} began to change it, and the record knows {highest} at most"
            yield HistoryFault(0, message, host)


def _with_keys(session: Session, options: CheckOptions) -> tuple[StateFolder, str]:
    """Return the history's location with keys, and why seals are unchecked."""
    folder, closed, digest_key = _folder_of(session), "", None
    try:
        digest_key = session.secrets.digest_key
    except (SecretsError, InventoryError) as error:
        if options.hosts:
            raise
        closed = error.message
    keys = record_keys(digest_key, session.environment, folder.inventory)
    return replace(folder, keys=replace(keys, public=(*keys.public, *map(public_key, options.public)))), closed


def _folder_of(session: Session) -> StateFolder:
    return state_folder_of(session.environment, session.inventory.settings.id)


@contextmanager
def _opened_runs(folder: StateFolder) -> Iterator[PastRuns | None]:
    history = find_history(folder)
    if history is None:
        yield None
        return
    with closing(history), closing(EventLog(folder, create=False)) as log:
        yield PastRuns(history, log)


def _no_record(folder: StateFolder) -> UsageError:
    return UsageError("no run was ever recorded here", hint=f"looked in {folder.text}; PROVISIONER_STATE names another")


def _fault_of(fault: held_heads.HeadFault) -> HistoryFault:
    head = fault.held.head
    return HistoryFault(head.number, fault.message, fault.held.host, head.run, fault.hint)


def cut_at(retention: Retention, now: datetime) -> Cut:
    """Return what a policy removes at a time."""
    days = retention.document_days, retention.verdict_days
    return Cut(*(None if number is None else now - timedelta(days=number) for number in days))


def retention_preview(
    root: Path, environment: Mapping[str, str], now: datetime
) -> tuple[Retention, tuple[RetentionClass, ...]]:
    """Return the policy, the history's content, and what would be removed."""
    settings = load_settings(root)
    retention = settings.policy.retention
    return retention, retention_classes(state_folder_of(environment, settings.id), cut_at(retention, now))


def prune_expired(session: Session, now: datetime) -> tuple[RetentionClass, ...]:
    """Remove what is older than the policy allows, and record it.

    Raises `UsageError` if the policy removes no data; `SecretsError` if the vault, whose key seals the record, cannot
    be opened. No data was removed after `StateError` or `DamagedRecordError`.
    """
    retention = session.inventory.settings.policy.retention
    if retention == Retention():
        raise UsageError("policy.retention is not set: all records stay", hint=_RETENTION_HINT)
    at = now.astimezone(UTC)
    run = new_run(session, Operation.PRUNE, started=at)
    return prune(keyed_state_folder(session), run, at, cut_at(retention, at))


def _witnessed_heads(host: str, where: str, entries: Iterable[wire.RecordHead]) -> Iterator[held_heads.WitnessedHead]:
    heads = (Head(entry["run"], entry["sequence"], entry["head"], entry["seal"]) for entry in entries)
    return (held_heads.WitnessedHead(f"{host} ({where})", head, host) for head in heads)
