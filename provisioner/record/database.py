"""The only access to the database; an unusable one raises `StateError`."""

import hashlib
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, cast

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, insert, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from provisioner.base.errors import StateError, os_errors
from provisioner.base.files import make_own_folder, refuse_link
from provisioner.base.text import canonical_text, printable
from provisioner.record import tables
from provisioner.record.entries import EndedContent, EntryKind, Run, StartContent, genesis, linked
from provisioner.record.state_folder import VARIABLE, Head, RecordKeys, SealVerdict, StateFolder
from provisioner.record.tables import PRUNED_SCHEMA

REVISION: Final = "2"  #: The revision of `record.tables`; each has a module in `record/migrations/versions`.
KNOWN: Final = frozenset({"1", REVISION})
BEFORE: Final = ""  #: The revision of a database made before revisions were counted.
MIGRATIONS: Final = Path(__file__).with_name("migrations")  #: The folder of migrations.
_WAIT_S = 30
_SHOWN = 20
_TO_WRITE = "provisioner_to_write"
_SQLITE, _POSTGRESQL = "sqlite", "postgresql"
_URL_HINT = f"{VARIABLE} is a folder, or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
_LOGIN = re.compile(r"[^\s\"']*@")
_DRIVER_HINT = "install it: pip install 'provisioner[postgresql]'"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry to append."""

    run: Run
    step: EntryKind
    at: datetime
    content: StartContent | EndedContent


def revision_of(connection: Connection) -> str | None:
    """Return the revision of a database's tables, or `None` without tables."""
    inspector = inspect(connection)
    if not inspector.has_table(tables.entries.name):
        return None
    number = (
        connection.scalar(select(tables.migrations.c.version_num))
        if inspector.has_table(tables.migrations.name)
        else None
    )
    return BEFORE if number is None else str(number)


def bring_up(connection: Connection) -> None:
    """Make or migrate the tables; the caller holds the schema's lock."""
    revision = revision_of(connection)
    if revision is None:
        tables.metadata.create_all(connection)
        connection.execute(insert(tables.migrations).values(version_num=REVISION))
    elif revision != REVISION:
        # Alembic is needed only once for each database and release.
        from alembic import command, config  # noqa: PLC0415

        migration = config.Config(attributes={"connection": connection})
        migration.set_main_option("script_location", str(MIGRATIONS))
        command.upgrade(migration, "head")
    if connection.scalar(select(tables.schema.c.version)) is None:
        connection.execute(insert(tables.schema).values(version=tables.SCHEMA))


class Database:
    """An open database; each connection is a transaction, made on demand.

    Methods raise `StateError` if the database does not answer, or stays locked.
    """

    def __init__(self, folder: StateFolder, engine: Engine) -> None:
        self.place = folder
        self._engine = engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a snapshot; a malformed row raises `DamagedRecordError` inside the context."""
        with (
            _database_errors(self.place, "read"),
            self._connect(isolation_level="REPEATABLE READ") as connection,
            _damage_errors(self.place),
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that no other writer of this inventory overlaps."""
        with _database_errors(self.place, "written"), self._connect() as connection, connection.begin():
            _lock_out_writers(connection, self.place.inventory)
            yield connection

    @contextmanager
    def holding(self) -> Iterator[Connection]:
        """Open a connection without a transaction; its locks end with it."""
        with _database_errors(self.place, "locked"):
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with connection:
            yield connection

    def _connect(self, isolation_level: str | None = None) -> Connection:
        connection = self._engine.connect()
        if isolation_level is None:
            return connection.execution_options(**{_TO_WRITE: True})
        if connection.dialect.name == _POSTGRESQL:
            return connection.execution_options(isolation_level=isolation_level)
        return connection

    def compact(self) -> None:
        """Return the disk space of deleted rows; a server does so itself."""
        if self.place.file is None:
            return
        with _database_errors(self.place, "made smaller"), closing(self._engine.raw_connection()) as connection:
            connection.cursor().execute("VACUUM")
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def open_database(folder: StateFolder, *, create: bool) -> Database | None:
    """Open a place's database, if any or `create`, or raise `StateError`."""
    if folder.file and not folder.file.exists() and not create:
        return None
    if folder.file:
        _make_private(folder.file)
    with _database_errors(folder, "opened"):
        database = Database(folder, _engine_of(folder))
    with ExitStack() as opened:
        opened.callback(database.close)
        with database.reading() as connection:
            revision = revision_of(connection)
            if revision is not None:
                _refuse_other_version(connection, folder, revision)
        if revision is None and not create:
            return None
        if create and revision != REVISION:
            with database.writing() as connection:
                _lock_out_writers(connection, "schema")
                bring_up(connection)
        opened.pop_all()
    return database


def made_database(folder: StateFolder) -> Database:
    """Open the database of a place to write, or make it."""
    database = open_database(folder, create=True)
    if database is None:
        raise TypeError("a database that may be made is there")
    return database


def has_table(connection: Connection, table: Table) -> bool:
    """Return whether the database has a table; older versions have fewer."""
    return inspect(connection).has_table(table.name)


def _refuse_other_version(connection: Connection, folder: StateFolder, revision: str) -> None:
    if revision not in KNOWN | {BEFORE}:
        raise StateError(
            f"the history in {folder.text} is ahead: its tables are of revision {printable(revision, _SHOWN)}, and"
            f" this program knows them up to {REVISION}",
            hint="install the version of provisioner that other machines with this history have",
        )
    version = connection.scalar(select(tables.schema.c.version))
    if version not in {tables.SCHEMA, PRUNED_SCHEMA}:
        supported = f"{tables.SCHEMA} and {PRUNED_SCHEMA}"
        raise StateError(
            f"the history in {folder.text} is of another version ({version}; this program's are {supported})",
            hint="use the version of provisioner that wrote it last",
        )


# --- SQLite and PostgreSQL ------------------------------------------------------------------------
def _engine_of(folder: StateFolder) -> Engine:
    if folder.file:
        url = URL.create(_SQLITE, database=str(folder.file))
        engine = create_engine(url, connect_args={"timeout": _WAIT_S}, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin)
        return engine
    return create_engine(_server_url(folder.url), hide_parameters=True, connect_args={"connect_timeout": _WAIT_S})


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Prepare SQLite for several processes.

    SQLAlchemy begins and ends transactions: Python's module would begin some too late. With the write-ahead log readers
    do not block writers: a check of a long chain takes longer than a step of an apply can wait.
    """
    connection.isolation_level = None
    # Invalid UTF-8 is an error of its row, not of the whole query.
    connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    # Another process that creates the file now switches the mode itself; the file stores it.
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")


def _begin(connection: Connection) -> None:
    """Begin a transaction; lock at once, before a writer reads."""
    to_write = connection.get_execution_options().get(_TO_WRITE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if to_write else "BEGIN")


def _server_url(named: str) -> URL:
    try:
        url = make_url(named)
    except (ArgumentError, ValueError):
        raise StateError(f"{VARIABLE} is neither a folder nor a database URL", hint=_URL_HINT) from None
    if url.get_backend_name() != _POSTGRESQL:
        raise StateError(f"{VARIABLE} names a database of the kind {url.get_backend_name()}", hint=_URL_HINT)
    return url.set(drivername=f"{_POSTGRESQL}+psycopg")


def _lock_out_writers(connection: Connection, lock_name: str) -> None:
    """Wait until no other process writes; SQLite's `BEGIN IMMEDIATE` does so itself."""
    if connection.dialect.name == _POSTGRESQL:
        key = int.from_bytes(hashlib.sha256(f"provisioner/{lock_name}".encode()).digest()[:8], "big", signed=True)
        connection.execute(text(f"SET LOCAL lock_timeout = '{_WAIT_S}s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _make_private(file: Path) -> None:
    hint = f"give yourself the folder, or name another one with {VARIABLE}"
    with os_errors(f"the history {file} cannot be opened", hint, StateError):
        make_own_folder(file.parent)
        file.parent.chmod(0o700)
        refuse_link(file)
        # Only a new file is opened here: to close a file takes away every lock that this process has on it,
        # SQLite's too, and the last of other processes to leave would then remove the log that is in use.
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        file.chmod(0o600)


@contextmanager
def _damage_errors(folder: StateFolder) -> Iterator[None]:
    """Turn errors from a tampered row into one that quotes nothing."""
    try:
        yield
    except SQLAlchemyError:  # some are of two kinds
        raise
    except tables.DAMAGE:
        raise tables.DamagedRecordError(
            f"the history in {folder.text} is damaged: a row of it cannot be read"
        ) from None


@contextmanager
def _database_errors(folder: StateFolder, verb: str) -> Iterator[None]:
    """Turn the database's errors into ours, without the query and its values."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise StateError(f"{folder.text} needs the driver {error.name}", hint=_DRIVER_HINT) from None
    except NoSuchModuleError:
        raise StateError(f"{VARIABLE} names an unknown kind of database", hint=_URL_HINT) from None
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__).strip().partition("\n")[0]
        # Of a password with an at sign, the driver takes the rest for the server's name.
        reason = _LOGIN.sub("***@", reason)
        raise StateError(
            f"the history in {folder.text} cannot be {verb}: {reason}",
            hint=f"see that it is there, has room and is not held by another process; {VARIABLE} names another place",
        ) from None


# --- the newest entry ------------------------------------------------------------------------------
def append(connection: Connection, folder: StateFolder, entry: Entry) -> Head:
    """Append an entry while `writing`; a tampered newest raises `DamagedRecordError`."""
    last = _newest_entry(connection, folder)
    number, previous = (last.number + 1, last.hash) if last else (1, genesis(folder.inventory))
    # The inventory's id stands in the entry, too: it cannot pass for one of another inventory's record.
    header = {"number": number, "history": folder.inventory, "keyed": folder.keys.secret is not None}
    text = canonical_text({**entry.content, **header})
    run = entry.run
    row = {"inventory": folder.inventory, "number": number, "run": run.id, "step": entry.step.value, "at": entry.at}
    chained = {"content": text, "previous": previous, "hash": linked(previous, text)}
    connection.execute(insert(tables.entries).values(**row, operation=run.operation.value, **chained))
    return _store_seal(connection, folder, Head(run.id, number, chained["hash"]))


def _store_seal(connection: Connection, folder: StateFolder, head: Head) -> Head:
    message = head.message(folder.inventory)
    seal, signature = folder.keys.seal(message), folder.keys.sign(message)
    if seal or signature:
        key_columns = {"inventory": folder.inventory, "number": head.number}
        connection.execute(insert(tables.seals).values(**key_columns, seal=seal, signature=signature))
    return Head(head.run, head.number, head.hash, seal)


def _newest_entry(connection: Connection, folder: StateFolder) -> Head | None:
    """Return the newest entry, checked with its hash and its seal."""
    number = tables.stored(tables.entries.c.number)
    newest = (
        select(number)
        .where(tables.entries.c.inventory == folder.inventory)
        .order_by(tables.entries.c.number.desc())
        .limit(1)
    )
    row = connection.execute(newest).first()
    if row is None:
        return None
    try:
        head = head_at(connection, folder.inventory, cast("int", row[0]))
        if head is not None and _is_whole(connection, folder.inventory, head, folder.keys):
            return head
    except tables.DAMAGE:
        pass
    raise tables.DamagedRecordError(
        f"the history in {folder.text} is damaged: its newest entry ({tables.entry_name(row[0])}) is not as it was"
        " recorded"
    )


def _is_whole(connection: Connection, inventory: str, head: Head, keys: RecordKeys) -> bool:
    conditions = tables.entries.c.inventory == inventory, tables.entries.c.number == head.number
    row = connection.execute(select(tables.entries.c.previous, tables.entries.c.content).where(*conditions)).one()
    sealed = keys.judge_seal(head.seal, head.message(inventory))
    return linked(row.previous, row.content) == head.hash and sealed is not SealVerdict.FALSE


# --- entries as others keep them ------------------------------------------------------------------
def head_at(connection: Connection, inventory: str, number: int) -> Head | None:
    """Return an entry's head, or `None` if there is no such number."""
    query = select(tables.entries.c.run, tables.entries.c.number, tables.entries.c.hash)
    row = connection.execute(
        query.where(tables.entries.c.inventory == inventory, tables.entries.c.number == number)
    ).first()
    if row is None:
        return None
    return Head(row.run, row.number, row.hash, seals_of(connection, inventory, number).get(row.number, ("", ""))[0])


def heads_of(connection: Connection, inventory: str) -> dict[int, Head]:
    """Return the heads of all well-formed entries by number."""
    query = select(
        tables.stored(tables.entries.c.run),
        tables.stored(tables.entries.c.number),
        tables.stored(tables.entries.c.hash),
    )
    rows = connection.execute(query.where(tables.entries.c.inventory == inventory)).all()
    sealed = seals_of(connection, inventory)
    return {
        number: Head(run, number, name, sealed.get(number, ("", ""))[0])
        for run, number, name in rows
        if isinstance(number, int) and isinstance(run, str) and isinstance(name, str)
    }


def seals_of(connection: Connection, inventory: str, number: int | None = None) -> Mapping[int, tuple[str, str]]:
    """Return seal and signature of sealed entries, or of one."""
    if not has_table(connection, tables.seals):
        return {}
    query = select(
        tables.stored(tables.seals.c.number),
        tables.stored(tables.seals.c.seal),
        tables.stored(tables.seals.c.signature),
    )
    query = query.where(tables.seals.c.inventory == inventory)
    rows = connection.execute(query if number is None else query.where(tables.seals.c.number == number)).all()
    return {
        sealed: (str(seal), str(signature))
        for sealed, seal, signature in rows
        if isinstance(sealed, int) and seal is not None
    }
