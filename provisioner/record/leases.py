"""Leases of the night, the agent and each run; epochs of hosts.

Of all machines that share an inventory's history, one may run the night, one may be the leading agent, and one process
may carry out a run, so that no run is resumed twice at once. In a folder a lease is a kernel lock on a file; on a
database server it is a lock of a connection. Both end with the process, however it ends. The text beside the lock names
the holder. If the text is still there, the last holder did not end properly.

Each run takes an epoch, a number that the host remembers, before it changes the host. A host refuses a lower epoch, and
the same epoch from another run. A run that was superseded, on a hung controller or by a late message, changes nothing.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from provisioner.base.errors import LockedError, StateError
from provisioner.base.files import make_own_folder, refuse_link
from provisioner.base.text import local_time, printable
from provisioner.record.database import Database, has_table, made_database
from provisioner.record.state_folder import StateFolder, who, who_text
from provisioner.record.tables import host_epochs, leases, stored

NIGHTLY: Final = "nightly"
AGENT: Final = "agent"
_RUN: Final = "run-"
FILE: Final = f"{NIGHTLY}.lease"
_MOST_READ: Final = 4096
_FIELDS: Final = ("who", "process", "since")
_LONGEST: Final = 200
_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """The holder of a lease: user, machine and job; process id; start."""

    who: str
    process: str
    since: str

    @property
    def text(self) -> str:
        """The holder in words."""
        return f"{self.who or 'somebody'} (process {self.process or '?'}) since {self.since or 'an unknown time'}"


def this_process(environment: Mapping[str, str], since: datetime) -> LeaseHolder:
    """Return this process as a holder."""
    return LeaseHolder(who_text(who(environment)), str(os.getpid()), local_time(since))


@dataclass(frozen=True, slots=True)
class TakenLease:
    """A lease that this process took."""

    before: LeaseHolder | None = None  #: The previous holder, if it did not return the lease.
    #: Returns false if the server and its lock went away.
    is_held: Callable[[], bool] = field(default=lambda: True, compare=False)


def take_epochs(
    connection: Connection, inventory: str, run: str, on_hosts: Mapping[str, int], at: datetime
) -> dict[str, int]:
    """Take the next epoch of each host, or keep this run's.

    The transaction must not overlap another writer of the inventory. `on_hosts` has the epoch found on each host, or 0;
    a record that was lost, or that another controller does not share, lacks that epoch.
    """
    query = select(host_epochs.c.host, host_epochs.c.number, host_epochs.c.run)
    recorded = {
        host: (number, last)
        for host, number, last in connection.execute(query.where(host_epochs.c.inventory == inventory))
        if host in on_hosts
    }
    epochs: dict[str, int] = {}
    for host, floor in on_hosts.items():
        number, last = recorded.get(host, (0, ""))
        epochs[host] = number if last == run and number >= floor else max(number, floor) + 1
    new = [host for host in epochs if host not in recorded]
    moved = [host for host in epochs if host in recorded and recorded[host] != (epochs[host], run)]
    rows = {host: {"number": epochs[host], "run": run, "at": at} for host in epochs}
    if new:
        connection.execute(insert(host_epochs), [{"inventory": inventory, "host": host} | rows[host] for host in new])
    if moved:
        of_host = host_epochs.c.inventory == inventory, host_epochs.c.host == bindparam("of_host")
        connection.execute(update(host_epochs).where(*of_host), [{"of_host": host} | rows[host] for host in moved])
    return epochs


def epochs_of(connection: Connection, inventory: str) -> dict[str, int]:
    """Return the last epoch of each host that has one."""
    if not has_table(connection, host_epochs):
        return {}
    query = select(stored(host_epochs.c.host), stored(host_epochs.c.number)).where(host_epochs.c.inventory == inventory)
    return {str(host): number for host, number in connection.execute(query) if isinstance(number, int)}


# --- leases ----------------------------------------------------------------------------------------
@contextmanager
def night_lease(folder: StateFolder, holder: LeaseHolder) -> Iterator[TakenLease]:
    """Hold an inventory's night, or raise `LockedError` or `StateError`."""
    with _take_lease(folder, NIGHTLY, holder) as lease:
        yield lease


@contextmanager
def agent_lease(folder: StateFolder, holder: LeaseHolder) -> Iterator[TakenLease]:
    """Hold the lease of an inventory's leading agent; raises as `night_lease`."""
    with _take_lease(folder, AGENT, holder) as lease:
        yield lease


@contextmanager
def run_lease(folder: StateFolder, run: str, holder: LeaseHolder) -> Iterator[TakenLease]:
    """Hold the lease of a run; raises as `night_lease`."""
    with _take_lease(folder, f"{_RUN}{run}", holder) as lease:
        yield lease


@contextmanager
def _take_lease(folder: StateFolder, name: str, holder: LeaseHolder) -> Iterator[TakenLease]:
    if folder.file is not None:
        with _lease_in_folder(folder.file.parent / f"{name}.lease", folder.inventory, name, holder) as lease:
            yield lease
        return
    database = made_database(folder)
    with closing(database), _lease_on_server(database, folder.inventory, name, holder) as lease:
        yield lease


# --- a file ---------------------------------------------------------------------------------------
@contextmanager
def _lease_in_folder(file: Path, inventory: str, name: str, holder: LeaseHolder) -> Iterator[TakenLease]:
    with _locked_file(file, inventory, name) as stream:
        before = _holder_in(stream.read(_MOST_READ))
        _write_content(stream.fileno(), _text(holder))
        try:
            yield TakenLease(before)
        finally:
            _write_content(stream.fileno(), b"")
            if name.startswith(_RUN):
                with suppress(OSError):
                    file.unlink()


def _locked_file(file: Path, inventory: str, name: str) -> FileIO:
    """Open and lock a lease's file, though its last holder removes it."""
    for _ in range(_TRIES):
        try:
            make_own_folder(file.parent)
            refuse_link(file)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise _unusable(file, error) from None
        stream = FileIO(descriptor, "r+b")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), file.stat()):
                return stream
        except BlockingIOError:
            holder = _holder_in(stream.read(_MOST_READ))
            stream.close()
            raise _locked_error(inventory, name, holder) from None
        except FileNotFoundError:
            pass
        except OSError as error:
            stream.close()
            raise _unusable(file, error) from None
        stream.close()
    raise _locked_error(inventory, name, None)


def _locked_error(inventory: str, name: str, holder: LeaseHolder | None) -> LockedError:
    holder_text = holder.text if holder else "somebody who has not said who"
    hint = "wait until that one is over, or end its process: what a process had is free once it is gone"
    if name == NIGHTLY:
        subject = f"a night of the inventory {inventory} is run already"
    elif name == AGENT:
        subject = f"the inventory {inventory} is led already"
    else:
        subject = f"run {name.removeprefix(_RUN)} is being carried out"
    return LockedError(f"{subject}, by {holder_text}", hint=hint, object=inventory)


def _write_content(descriptor: int, content: bytes) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content, 0)
    except OSError:
        return


def _unusable(file: Path, error: OSError) -> StateError:
    hint = "see that the folder is yours and has room; PROVISIONER_STATE names another one"
    return StateError(f"the lease {file} cannot be taken: {error.strerror}", hint=hint)


# --- a server -------------------------------------------------------------------------------------
@contextmanager
def _lease_on_server(database: Database, inventory: str, name: str, holder: LeaseHolder) -> Iterator[TakenLease]:
    key = int.from_bytes(hashlib.sha256(f"provisioner/{name}/{inventory}".encode()).digest()[:8], "big", signed=True)
    with database.holding() as connection:
        is_ours = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key})
        with database.writing() as writer:
            before = _row(writer, inventory, name)
            if is_ours:
                _replace_holder(writer, inventory, name, holder)
        if not is_ours:
            raise _locked_error(inventory, name, before)
        try:
            yield TakenLease(before, lambda: _is_alive(connection))
        finally:
            with suppress(StateError), database.writing() as writer:
                _replace_holder(writer, inventory, name, None)


def _is_alive(connection: Connection) -> bool:
    """Return whether the lock's connection is alive; the lock ends with it."""
    try:
        return bool(connection.scalar(text("SELECT true")))
    except SQLAlchemyError:
        return False


def _row(connection: Connection, inventory: str, name: str) -> LeaseHolder | None:
    conditions = leases.c.inventory == inventory, leases.c.name == name
    content = connection.scalar(select(stored(leases.c.content)).where(*conditions))
    return _holder_in(content.encode()) if isinstance(content, str) else None


def _replace_holder(connection: Connection, inventory: str, name: str, holder: LeaseHolder | None) -> None:
    connection.execute(delete(leases).where(leases.c.inventory == inventory, leases.c.name == name))
    if holder:
        row = {"inventory": inventory, "name": name, "content": _text(holder).decode()}
        connection.execute(insert(leases).values(**row))


# --- who ------------------------------------------------------------------------------------------
def _text(holder: LeaseHolder) -> bytes:
    return json.dumps({name: getattr(holder, name) for name in _FIELDS}, ensure_ascii=False).encode()


def _holder_in(content: bytes) -> LeaseHolder | None:
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, Mapping):
        return None
    return LeaseHolder(*(printable(str(fields.get(name, "")), _LONGEST) for name in _FIELDS))
