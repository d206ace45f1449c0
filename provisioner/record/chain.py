"""Check of the record: chain, seals, and rows beside the chain."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from sqlalchemy import Connection, Row, Table, UniqueConstraint, inspect, select
from sqlalchemy.exc import DBAPIError

from provisioner.base.document import Count, UnlessEmpty
from provisioner.base.text import canonical_text
from provisioner.record.database import BEFORE, REVISION, has_table, revision_of, seals_of
from provisioner.record.entries import (
    CHANGING,
    Cut,
    EndedContent,
    EntryKind,
    FacilityCheck,
    Operation,
    checks_digest,
    digest,
    genesis,
    linked,
    moment_text,
)
from provisioner.record.heads import latest_cut
from provisioner.record.state_folder import Head, RecordKeys, SealVerdict
from provisioner.record.tables import (
    DAMAGE,
    NO_LONGER_READ,
    checks,
    documents,
    entries,
    entry_content,
    events,
    held,
    holdings,
    host_epochs,
    metadata,
    migrations,
    moment,
    stored,
    unpacked,
    verdicts,
)
from provisioner.record.verdict_rows import PathLists, row_seals, stored_digest

_LONGEST_SHOWN = 70
# Clocks of several machines differ, and a verification may begin before a change that it is recorded after.
_CLOCKS_DIFFER = timedelta(minutes=15)
_NO_NUMBERS = (
    "runs changed hosts, and no number of a run on a host is there: either an older version recorded them all, or"
    " somebody took the numbers away; history verify --hosts compares them with the hosts' own"
)
_NOT_OURS = (
    "no entry is by the vault's key: the vault's digest key was renewed and nothing was recorded since, or this is"
    " another record than ours"
)


@dataclass(frozen=True, slots=True)
class HistoryFault:
    """A fault of a chain entry, or of something beside the chain."""

    number: Count  #: 0 beside the chain, e.g. for a run's journal.
    message: str
    host: UnlessEmpty = ""  #: It has an entry of `run` that the record lacks, or a forged one.
    run: UnlessEmpty = ""
    hint: UnlessEmpty = ""


@dataclass(frozen=True, slots=True)
class Seals:
    """Numbers of entries by what proves them."""

    keyed: int = 0  #: Sealed with the vault's key.
    unkeyed: int = 0  #: Without a seal: an older version wrote them, or somebody removed the seals.
    unproved: int = 0  #: Sealed with an unknown key.
    signed: int = 0
    proved: int = 0  #: Signed with a known public key.


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The result of a check of the chain."""

    length: int
    head: str  #: The last hash; a copy shows later whether entries were cut off.
    faults: tuple[HistoryFault, ...]
    seals: Seals = Seals()
    remarks: tuple[HistoryFault, ...] = ()  #: They may have a good reason.

    @property
    def whole(self) -> bool:
        """Return whether the check found no fault."""
        return not self.faults


class _EntryRow(NamedTuple):
    """An entry's columns as stored; a tampered column may have another type."""

    inventory: str
    number: int
    run: str
    step: str
    operation: str
    content: str
    previous: str
    hash: str
    at: int


def sets_faults(connection: Connection, inventory: str) -> Iterator[str]:
    """Yield sets of facilities that are missing or differ from their hash."""
    query = select(held.c.digest, held.c.facility, held.c.content).where(held.c.inventory == inventory)
    sets: dict[str, dict[str, str]] = {digest(canonical_text({})): {}}
    for row in connection.execute(query):
        sets.setdefault(row.digest, {})[row.facility] = row.content
    for name, facilities in sets.items():
        if digest(canonical_text(facilities)) != name:
            yield f"the set of facilities {name} was changed"
    named = select(holdings.c.held).where(holdings.c.inventory == inventory, holdings.c.held.is_not(None)).distinct()
    for row in connection.execute(named):
        if row.held not in sets:
            yield f"the set of facilities {row.held} is missing"


def unvouched_rows(connection: Connection, inventory: str, ended: set[int], runs: set[str]) -> Iterator[str]:
    """Yield the rows without an entry in the chain."""
    tables = [(checks, "checks of facilities"), (holdings, "what hosts hold")]
    if has_table(connection, verdicts):
        tables.append((verdicts, "verdicts on paths"))
    for table, label in tables:
        for number in _each(connection, table, "number", inventory):
            if number not in ended:
                yield f"there are rows of {label} that are no ended run's ({_quoted(number)})"
    for table, label in ((documents, "a document"), (events, "a journal")):
        for run in _each(connection, table, "run", inventory):
            if run not in runs:
                yield f"there is {label} of a run that has no entry ({_quoted(run)})"
    yield from _unowned_rows(connection, (*tables, (documents, "documents"), (events, "a journal")))
    yield from _epoch_faults(connection, inventory, runs)
    numbers = set(_each(connection, entries, "number", inventory))
    for number in seals_of(connection, inventory):
        if number not in numbers:
            yield f"there is a seal of an entry that is not there ({number})"


def _epoch_faults(connection: Connection, inventory: str, runs: set[str]) -> Iterator[str]:
    if has_table(connection, host_epochs):
        for run in _each(connection, host_epochs, "run", inventory):
            if run not in runs:
                yield f"there is a number on a host of a run that has no entry ({_quoted(run)})"
        yield from _unowned_rows(connection, [(host_epochs, "runs' numbers on hosts")])


def missing_parts(connection: Connection) -> Iterator[str]:
    """Yield the missing tables, indexes and unique constraints of the database's revision."""
    revision, inspector = revision_of(connection), inspect(connection)
    names = set(inspector.get_table_names())
    if revision == BEFORE:
        # Of a database from before revisions it is not known which tables it has; this one came after them.
        if host_epochs.name in names:
            yield f"the table {migrations.name} is missing or empty"
        return
    for table in metadata.sorted_tables:
        if table.name not in names:
            if table.name not in NO_LONGER_READ and (revision == REVISION or table is not host_epochs):
                yield f"the table {table.name} is missing"
            continue
        present = {
            part["name"] for part in (*inspector.get_indexes(table.name), *inspector.get_unique_constraints(table.name))
        }
        rules = [part.name for part in table.constraints if isinstance(part, UniqueConstraint)]
        for name in (*(str(part.name) for part in table.indexes), *map(str, rules)):
            if name not in present:
                yield f"the table {table.name} lacks {name}"


def _quoted(value: object) -> str:
    return ascii(value)[:_LONGEST_SHOWN]


def _each(connection: Connection, table: Table, name: str, inventory: str) -> list[object]:
    raw = stored(table.c[name])
    return list(connection.scalars(select(raw).where(table.c.inventory == inventory).distinct()))


def _unowned_rows(connection: Connection, tables: Iterable[tuple[Table, str]]) -> Iterator[str]:
    """Yield rows of inventories without any entry; other checks miss those."""
    recorded = _inventories(connection, entries)
    for table, label in tables:
        for inventory in sorted(_quoted(name) for name in _inventories(connection, table) - recorded):
            yield f"there are rows of {label} of an inventory that has no entry ({inventory})"


def _inventories(connection: Connection, table: Table) -> set[object]:
    return set(connection.scalars(select(stored(table.c.inventory)).distinct()))


def checked(connection: Connection, inventory: str, keys: RecordKeys) -> ChainReport:
    """Check the whole history of an inventory."""
    # First, since PostgreSQL refuses all further queries after one for a missing table.
    missing = _guarded(lambda: missing_parts(connection), "the database does not say which tables it has")
    chain = _Chain(connection, inventory, keys)
    for number in chain.numbers():
        chain.take(number)
    of_sets = _guarded(lambda: sets_faults(connection, inventory), "what hosts were shown to hold cannot be read")
    rows = _guarded(
        lambda: unvouched_rows(connection, inventory, chain.ended, chain.runs), "a row beside cannot be read"
    )
    if keys.secret and chain.seals.unproved and not chain.seals.keyed:
        rows.append(_NOT_OURS)
    if not missing and chain.changes:
        with suppress(*DAMAGE, DBAPIError):
            if has_table(connection, host_epochs) and not _each(connection, host_epochs, "host", inventory):
                chain.remarks.append(HistoryFault(0, _NO_NUMBERS))
    faults = (*chain.faults, *(HistoryFault(0, message) for message in (*missing, *of_sets, *rows)))
    return ChainReport(chain.length, chain.previous, faults, chain.seals, tuple(chain.remarks))


class _Chain:
    """Walk along the chain: compares each entry with its neighbours and rows."""

    def __init__(self, connection: Connection, inventory: str, keys: RecordKeys) -> None:
        self._connection, self._inventory, self._keys = connection, inventory, keys
        self._sealed = seals_of(connection, inventory)
        self._proofs = _Proofs(keys)
        self._cut = latest_cut(connection, inventory, keys)
        self._lists = PathLists(connection, inventory)
        self._last_at: datetime | None = None
        self._due = 1
        self.previous = genesis(inventory)
        self.length = 0
        self.faults: list[HistoryFault] = []
        self.remarks: list[HistoryFault] = []
        self.ended: set[int] = set()
        self.runs: set[str] = set()
        self.changes = False

    @property
    def seals(self) -> Seals:
        return self._proofs.seals

    def numbers(self) -> Iterator[int]:
        raw = stored(entries.c.number)
        query = select(raw).where(entries.c.inventory == self._inventory).order_by(entries.c.number)
        for number in self._connection.scalars(query).all():
            self.length += 1
            if isinstance(number, int) and not isinstance(number, bool):
                yield number
            else:
                self.faults.append(HistoryFault(0, "an entry's number is no number"))

    def take(self, number: int) -> None:
        if number < self._due:
            self.faults.append(HistoryFault(number, "it stands twice"))
        elif number > self._due:
            self.faults.append(HistoryFault(self._due, f"it is missing: the next one is {number}"))
        self._due = number + 1
        try:
            row = _entry(self._connection, self._inventory, number)
            messages = list(self._entry_faults(row))
            self.previous = row.hash
        except (*DAMAGE, DBAPIError):
            # Perhaps only its hash is unreadable; then the next entry is not compared with it.
            messages, self.previous = ["a value of it cannot be read"], ""
        self.faults += [HistoryFault(number, message) for message in messages]

    def _entry_faults(self, row: _EntryRow) -> Iterator[str]:
        if not isinstance(row.hash, str) or not isinstance(row.previous, str):
            raise TypeError("a hash is a text")
        if row.previous != self.previous:
            yield "it does not follow the entry before"
        seal, signature = self._sealed.get(row.number, ("", ""))
        yield from self._proofs.seal_faults(
            Head(row.run, row.number, row.hash, seal).message(row.inventory), seal, signature
        )
        if not isinstance(row.content, str) or row.hash != linked(row.previous, row.content):
            yield "its content was changed"
            return
        yield from self._content_faults(row)

    def _content_faults(self, row: _EntryRow) -> Iterator[str]:
        plain = cast("Mapping[str, object]", entry_content(row.content, row.number))
        columns = {"number": row.number, "run": row.run, "step": row.step, "operation": row.operation}
        if columns | {"at": moment_text(moment(row.at))} != {name: plain[name] for name in (*columns, "at")}:
            yield "a column says something else than its content"
        if plain.get("history", self._inventory) != self._inventory:
            yield "it is of another inventory's history"
        if plain.get("keyed") and not self._sealed.get(row.number, ("", ""))[0]:
            yield "it was keyed when it was written, and its seal is gone"
        self.runs.add(row.run)
        self.changes = self.changes or row.operation in CHANGING
        at = moment(row.at)
        if self._last_at is not None and at < self._last_at - _CLOCKS_DIFFER:
            message = f"it says {moment_text(at)}, the entry before {moment_text(self._last_at)}: a clock was set back"
            self.remarks.append(HistoryFault(row.number, message))
        self._last_at = at
        if row.step == EntryKind.ENDED:
            self.ended.add(row.number)
            yield from _ending_faults(self._connection, row, cast("EndedContent", plain), self._cut, self._lists)
            by_rows = row_seals(self._connection, row.inventory, row.number, self._keys)
            is_keyed = self._proofs.latest is SealVerdict.GENUINE
            if SealVerdict.FALSE in by_rows or (is_keyed and by_rows - {SealVerdict.GENUINE}):
                yield "a seal of what it kept of paths is not by the key of the entry"


class _Proofs:
    """Seals and signatures along the chain; later entries need what earlier have."""

    def __init__(self, keys: RecordKeys) -> None:
        self._keys = keys
        self._verdicts: list[tuple[SealVerdict, SealVerdict]] = []

    @property
    def seals(self) -> Seals:
        by_seal = [seal for seal, _ in self._verdicts]
        by_signature = [signature for _, signature in self._verdicts]
        return Seals(
            keyed=by_seal.count(SealVerdict.GENUINE),
            unkeyed=by_seal.count(SealVerdict.NONE),
            unproved=by_seal.count(SealVerdict.OTHER_KEY),
            signed=len(by_signature) - by_signature.count(SealVerdict.NONE),
            proved=by_signature.count(SealVerdict.GENUINE),
        )

    @property
    def latest(self) -> SealVerdict:
        return self._verdicts[-1][0]

    def seal_faults(self, message: str, seal: str, signature: str) -> Iterator[str]:
        sealed, signed = self._keys.judge_seal(seal, message), self._keys.judge_signature(signature, message)
        before = {verdict for verdict, _ in self._verdicts}, {verdict for _, verdict in self._verdicts}
        self._verdicts.append((sealed, signed))
        if sealed is SealVerdict.FALSE:
            yield "its seal is not by the vault's key: it was written or changed by somebody else"
        if sealed is SealVerdict.NONE and before[0] - {SealVerdict.NONE}:
            yield "it is unkeyed, and an entry before it is keyed: an older version or somebody else wrote it"
        if sealed is SealVerdict.OTHER_KEY and SealVerdict.GENUINE in before[0]:
            yield "its seal is by another key than the vault's, and an entry before it has the vault's"
        if signed is SealVerdict.FALSE:
            yield "its signature is not by the key that it names"
        if signed in {SealVerdict.NONE, SealVerdict.OTHER_KEY} and SealVerdict.GENUINE in before[1]:
            yield "it is not signed by a key that is known, and an entry before it is"


def _guarded(read: Callable[[], Iterator[str]], message: str) -> list[str]:
    try:
        return list(read())
    except (*DAMAGE, DBAPIError):
        return [message]


def _entry(connection: Connection, inventory: str, number: int) -> _EntryRow:
    columns = (stored(entries.c[name]) for name in _EntryRow._fields)
    query = select(*columns).where(entries.c.inventory == inventory, entries.c.number == number)
    return _EntryRow._make(connection.execute(query).first() or ())


def _ending_faults(
    connection: Connection, row: _EntryRow, content: EndedContent, cut: Cut, lists: PathLists
) -> Iterator[str]:
    packed = stored(documents.c.packed)
    document = select(packed).where(documents.c.inventory == row.inventory, documents.c.run == row.run)
    document_digest = _document_digest(connection.execute(document).first())
    may_be_gone = row.operation == Operation.VERIFY and _is_before(row, cut.documents)
    if document_digest != content["document"] and not (may_be_gone and document_digest is None):
        yield "its document is missing or was changed"
    conditions = checks.c.inventory == row.inventory, checks.c.number == row.number
    recorded = (
        FacilityCheck(c.facility, c.content, c.relay, c.at, c.pulled, c.checked, c.proved)
        for c in connection.execute(select(checks).where(*conditions))
    )
    if checks_digest(recorded) != content["checks"]:
        yield "its checks of facilities were changed"
    exact = stored(holdings.c.exact).label("flag")
    of_hosts = select(holdings.c.host, holdings.c.at, holdings.c.held, exact)
    of_hosts = of_hosts.where(holdings.c.inventory == row.inventory, holdings.c.number == row.number)
    by_host = {h.host: [moment_text(h.at), h.held, _flag(h.flag)] for h in connection.execute(of_hosts)}
    if by_host != content["holdings"]:
        yield "what it says of hosts was changed"
    verdicts_digest = stored_digest(connection, row.inventory, row.number, lists)
    if verdicts_digest != content.get("verdicts", "") and not (not verdicts_digest and _is_before(row, cut.verdicts)):
        yield "what it kept of paths is missing or was changed"


def _is_before(row: _EntryRow, at: datetime | None) -> bool:
    return at is not None and moment(row.at) < at


def _flag(value: object) -> bool:
    if value not in (0, 1) or isinstance(value, float):
        raise TypeError("yes or no was expected")
    return bool(value)


def _document_digest(row: Row[object] | None) -> str | None:
    if row is None:
        return None
    try:
        return digest(unpacked(row[0]))
    except DAMAGE:
        return ""
