"""The lease of a night: one at a time for an inventory, over all machines that share its history.

In a folder it is a lock of the kernel's on a file, on a database server one of a connection's: each is gone with the
process that had it, however that ended. What stands beside says who has it; where that is not cleared, somebody ended
without a word.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, delete, insert, select, text

from provisioner.base.errors import LockedError, StateError
from provisioner.base.own_folder import make_own_folder, refuse_link
from provisioner.base.printable import printable
from provisioner.history.database import Database, open_database
from provisioner.history.place import StatePlace
from provisioner.history.tables import leases, stored

FILE: Final = "nightly.lease"
_NIGHTLY: Final = "nightly"
_MOST_READ: Final = 4096
_FIELDS: Final = ("who", "process", "since")
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """Who has a lease.

    Attributes:
        who: user, machine and job.
        process: the number of the process on that machine.
        since: since when, as people read it.
    """

    who: str
    process: str
    since: str

    @property
    def text(self) -> str:
        """Who it is, in words."""
        return f"{self.who or 'somebody'} (process {self.process or '?'}) since {self.since or 'an unknown time'}"


@dataclass(frozen=True, slots=True)
class NightLease:
    """A lease that is held; `before` is who had it and ended without giving it back."""

    before: LeaseHolder | None = None


@contextmanager
def night_lease(place: StatePlace, holder: LeaseHolder) -> Iterator[NightLease]:
    """Hold the lease of an inventory's night.

    Raises:
        LockedError: somebody else has it.
        StateError: it cannot be asked for.
    """
    if place.file is not None:
        with _in_folder(place.file.parent / FILE, place.inventory, holder) as lease:
            yield lease
        return
    database = open_database(place, create=True)
    if database is None:
        raise TypeError("a database that may be made is there")
    with closing(database), _on_server(database, place.inventory, holder) as lease:
        yield lease


def _refused(inventory: str, holder: LeaseHolder | None) -> LockedError:
    by = holder.text if holder else "somebody who has not said who"
    hint = "wait until that one is over, or end its process: what a process had is free once it is gone"
    return LockedError(f"a night of the inventory {inventory} is run already, by {by}", hint=hint, object=inventory)


# --- a file ---------------------------------------------------------------------------------------


@contextmanager
def _in_folder(file: Path, inventory: str, holder: LeaseHolder) -> Iterator[NightLease]:
    try:
        make_own_folder(file.parent)
        refuse_link(file)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _unusable(file, error) from None
    with os.fdopen(descriptor, "r+b", buffering=0) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _refused(inventory, _holder_in(stream.read(_MOST_READ))) from None
        except OSError as error:
            raise _unusable(file, error) from None
        before = _holder_in(stream.read(_MOST_READ))
        _write(stream.fileno(), _text(holder))
        try:
            yield NightLease(before)
        finally:
            _write(stream.fileno(), b"")


def _write(descriptor: int, content: bytes) -> None:
    """Say who has it; on a full disk nobody says it, and the lock holds all the same."""
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
def _on_server(database: Database, inventory: str, holder: LeaseHolder) -> Iterator[NightLease]:
    key = int.from_bytes(
        hashlib.sha256(f"provisioner/{_NIGHTLY}/{inventory}".encode()).digest()[:8], "big", signed=True
    )
    with database.holding() as connection:
        is_ours = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key})
        with database.writing() as other:
            leases.create(other, checkfirst=True)
            before = _row(other, inventory)
            if is_ours:
                _replace(other, inventory, holder)
        if not is_ours:
            raise _refused(inventory, before)
        try:
            yield NightLease(before)
        finally:
            with suppress(StateError), database.writing() as other:
                _replace(other, inventory, None)


def _row(connection: Connection, inventory: str) -> LeaseHolder | None:
    own = leases.c.inventory == inventory, leases.c.name == _NIGHTLY
    content = connection.scalar(select(stored(leases.c.content)).where(*own))
    return _holder_in(content.encode()) if isinstance(content, str) else None


def _replace(connection: Connection, inventory: str, holder: LeaseHolder | None) -> None:
    connection.execute(delete(leases).where(leases.c.inventory == inventory, leases.c.name == _NIGHTLY))
    if holder:
        row = {"inventory": inventory, "name": _NIGHTLY, "content": _text(holder).decode()}
        connection.execute(insert(leases).values(**row))


# --- who ------------------------------------------------------------------------------------------


def _text(holder: LeaseHolder) -> bytes:
    return json.dumps({name: getattr(holder, name) for name in _FIELDS}, ensure_ascii=False).encode()


def _holder_in(content: bytes) -> LeaseHolder | None:
    """Who is named there; None where nobody is."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, Mapping):
        return None
    return LeaseHolder(*(printable(str(fields.get(name, "")), _LONGEST) for name in _FIELDS))
