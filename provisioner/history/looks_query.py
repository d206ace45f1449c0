"""The looks of runs as their rows have them, read with care: what cannot be read is named, and hides no other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import Connection, Select, select

from provisioner.availability.kept import ABSENT, MARKS, UNREAD, mark_of
from provisioner.availability.looks import ByPath, Listing, LookTable, Sweep, table_of
from provisioner.base.printable import printable
from provisioner.history.database import has_table, open_database
from provisioner.history.place import StatePlace
from provisioner.history.rows import DAMAGE, entry_name
from provisioner.history.seal import SealVerdict
from provisioner.history.tables import stored, verdicts
from provisioner.history.verdict_rows import PackedProvince, causes_of, plane_of, read_listing, seal_message

_COLUMNS: Final = ("province", "at", "number", "run", "paths", "marks", "causes", "seal")
_SHOWN: Final = 63
_POSSIBLE: Final = bytes(sorted(MARKS | {ABSENT}))
_T = TypeVar("_T")


@dataclass
class ReadLooks:
    """The looks that were asked for, by province.

    Attributes:
        damaged: the records that could not be read; from its moment on nobody knows what such a one saw.
        unproved: how many are not proved by the vault's key, which is open.
    """

    tables: dict[str, LookTable] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    unproved: int = 0

    def by_path(self, of: Callable[[LookTable], Mapping[str, _T]]) -> ByPath[_T]:
        """What is said of each path of each province."""
        said: dict[str, _T] = {}
        carriers: dict[str, str] = {}
        for table in self.tables.values():
            said |= of(table)
            carriers |= zip(table.paths, table.carriers, strict=True)
        return ByPath(said, sorted(self.damaged), self.unproved, carriers)


def read_looks(
    place: StatePlace,
    prefix: str,
    begin: datetime | None,
    until: datetime | None,
    *,
    with_causes: bool = True,
    newest: int | None = None,
) -> ReadLooks:
    """The looks at the paths whose names begin with a prefix, in a time; both of its ends are in it.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    database = open_database(place, create=False)
    if database is None:
        return ReadLooks()
    with closing(database), database.reading() as connection:
        if not has_table(connection, verdicts):
            return ReadLooks()
        query = _rows(place.inventory, prefix, begin, until)
        if newest is not None:
            query = query.where(verdicts.c.number <= newest)
        return _looks(connection, place, query, prefix, with_causes=with_causes)


def province_looks(
    connection: Connection, place: StatePlace, province: str, begin: datetime, until: datetime
) -> ReadLooks:
    """The looks at a province's paths in a time, both of whose ends are in it, and not why; within a transaction."""
    prefix = f"{province}/"
    return _looks(connection, place, _rows(place.inventory, prefix, begin, until), prefix, with_causes=False)


def _looks(
    connection: Connection,
    place: StatePlace,
    query: Select[*tuple[object, ...]],
    prefix: str,
    *,
    with_causes: bool,
) -> ReadLooks:
    looks = ReadLooks()
    reader = _Reader(connection, place, looks, with_causes=with_causes)
    for row in connection.execute(query):
        reader.take(*row)
    reader.finish(prefix)
    return looks


def _rows(inventory: str, prefix: str, begin: datetime | None, until: datetime | None) -> Select[*tuple[object, ...]]:
    query = select(*(stored(verdicts.c[name]) for name in _COLUMNS)).where(verdicts.c.inventory == inventory)
    province, slash, _ = prefix.partition("/")
    if slash:
        query = query.where(verdicts.c.province == province)
    if begin is not None:
        query = query.where(verdicts.c.at >= begin)
    return query if until is None else query.where(verdicts.c.at <= until)


class _Reader:
    """Rows to sweeps, with care: a row that is not as it was recorded is named, and stands for not knowing."""

    def __init__(self, connection: Connection, place: StatePlace, looks: ReadLooks, *, with_causes: bool) -> None:
        self._connection, self._place, self._looks = connection, place, looks
        self._with_causes = with_causes
        self._listings: dict[str, Listing | None] = {}
        self._sweeps: dict[str, list[Sweep]] = defaultdict(list)
        self._lost: dict[str, list[int]] = defaultdict(list)

    def take(self, province: object, at: object, number: object, *rest: object) -> None:
        """Take one row as it is stored."""
        try:
            sweep = self._sweep(province, at, number, *rest)
        except DAMAGE:
            where = printable(province, _SHOWN) if isinstance(province, str) else "no province"
            self._looks.damaged.append(f"{where}, entry {entry_name(number)}")
            if isinstance(province, str) and isinstance(at, int):
                self._lost[province].append(at)
        else:
            self._sweeps[str(province)].append(sweep)

    def _sweep(self, *row: object) -> Sweep:
        province, at, number, run, name, marks, causes, seal = row
        if not (isinstance(province, str) and isinstance(name, str) and isinstance(run, str) and isinstance(seal, str)):
            raise TypeError("texts were expected")
        if not (isinstance(at, int) and isinstance(number, int)):
            raise TypeError("whole numbers were expected")
        marks, causes = row_bytes(marks), row_bytes(causes)
        if self._place.keys.secret is not None:
            packed = PackedProvince(province, name, marks, causes)
            self._prove(seal, seal_message(self._place.inventory, packed, run, number, at))
        listing = self._listing(name)
        plane = plane_of(marks, len(listing.paths))
        if plane.translate(None, _POSSIBLE):
            raise ValueError("no look has such a mark")
        if not self._with_causes:
            return Sweep(at, run, listing, plane, b"")
        return Sweep(at, run, listing, plane, *causes_of(causes, len(listing.paths)))

    def _prove(self, seal: str, message: str) -> None:
        verdict = self._place.keys.judge_seal(seal, message)
        if verdict is SealVerdict.FALSE:
            raise ValueError("its seal is false")
        self._looks.unproved += verdict is not SealVerdict.GENUINE

    def _listing(self, name: str) -> Listing:
        if name not in self._listings:
            self._listings[name] = read_listing(self._connection, self._place.inventory, name)
        listing = self._listings[name]
        if listing is None:
            raise LookupError("its list of paths is gone")
        return listing

    def finish(self, prefix: str) -> None:
        """Put the looks of each province together."""
        for province in sorted(self._sweeps, key=lambda name: f"{name}/"):
            sweeps = self._sweeps[province]
            newest = max(sweeps, key=lambda sweep: (sweep.at, sweep.order)).listing
            sweeps += [_unread(at, newest) for at in self._lost[province]]
            self._looks.tables[province] = table_of(sweeps, prefix, with_causes=self._with_causes)


def _unread(at: int, listing: Listing) -> Sweep:
    width = len(listing.paths)
    return Sweep(at, "", listing, bytes([mark_of(UNREAD)]) * width, b"\1" * width, ("", UNREAD.cause))


def row_bytes(value: object) -> bytes:
    """What a column of bytes has.

    Raises:
        TypeError: it has something else.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, memoryview):
        return bytes(value)
    raise TypeError("bytes were expected")
