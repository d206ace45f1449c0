"""What runs saw of paths, kept for years: since when, night by night, and for what share of a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import func, select

from provisioner.base.text import start_of
from provisioner.record.availability.measured import LONGEST_STANDING, Measured, Span, measured
from provisioner.record.availability.path_state import PathState, Strip, nights, since
from provisioner.record.availability.verdict_table import ByPath, KeptVerdict, SweptPaths
from provisioner.record.database import has_table, open_database
from provisioner.record.entries import Ending, Operation, Run
from provisioner.record.place import StatePlace
from provisioner.record.state_queries import ReadLooks, read_looks
from provisioner.record.store import open_history
from provisioner.record.tables import stored, verdicts

_PROVINCE: Final = re.compile(r"[a-z0-9-]{1,63}")


def record_verdicts(
    place: StatePlace,
    run_id: str,
    at: datetime,
    kept: Mapping[str, KeptVerdict],
    carriers: Mapping[str, str] | None = None,
    *,
    whole: bool = True,
) -> None:
    """Record a verification of which nothing else is known: what it saw of paths.

    Args:
        place: where the history is, with the keys that seal it.
        run_id: the run's id.
        at: when it ended.
        kept: by path, what it saw.
        carriers: by path, its carrier.
        whole: whether those are all paths of each province that it names.

    Raises:
        StateError: it cannot be recorded.
    """
    run = Run(run_id, Operation.VERIFY, at, "", "", {}, "")
    with closing(open_history(place)) as history:
        history.end(run, Ending(at, "", swept=SweptPaths(kept, carriers or {}, whole)))


def read_since(
    place: StatePlace, prefix: str = "", as_of: datetime | None = None, begin: datetime | None = None
) -> ByPath[PathState]:
    """Since when each path is what it is, of those whose names begin with a prefix.

    Args:
        place: where the history is, with the keys that rows are held against.
        prefix: `""` for all, or `<province>/`, `<province>/<facility>/` and so on.
        as_of: what was known at that moment.
        begin: from when on looks are read; what is older is that old at least.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    return read_looks(place, prefix, begin, as_of).by_path(lambda table: since(table, as_of))


def read_nights(place: StatePlace, prefix: str, last: date, number: int) -> ByPath[Strip]:
    """What was seen day by day of each path, the earliest of so many days first; days are Vietnam's.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    first = start_of(last - timedelta(days=number - 1))
    looks = read_looks(place, prefix, first, start_of(last + timedelta(days=1)))
    return looks.by_path(lambda table: nights(table, last, number))


def read_availability(
    place: StatePlace, prefix: str, span: Span, longest: timedelta = LONGEST_STANDING
) -> ByPath[Measured]:
    """How long each path was what within a span.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    return read_span(place, prefix, span, longest).by_path(lambda table: measured(table, span, longest))


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is kept of a time.

    Attributes:
        rows: how many rows.
        provinces: those that they are of, the one with the most to read first.
        newest: the newest entry that any of them belongs to; 0 where there is none.
    """

    rows: int = 0
    provinces: tuple[str, ...] = ()
    newest: int = 0


def read_extent(place: StatePlace, span: Span, longest: timedelta = LONGEST_STANDING) -> Extent | None:
    """How much is kept of what `read_span` reads; None where rows are not as rows are: who reads all of them says so.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    database = open_database(place, create=False)
    if database is None:
        return Extent()
    province, number = stored(verdicts.c.province), func.max(stored(verdicts.c.number))
    query = select(province, func.count(), func.sum(func.length(verdicts.c.marks)), number).group_by(province)
    mine = verdicts.c.inventory == place.inventory, verdicts.c.at >= span.begin - longest, verdicts.c.at <= span.until
    with closing(database), database.reading() as connection:
        rows = connection.execute(query.where(*mine)).all() if has_table(connection, verdicts) else []
    extent = Extent()
    for name, count, _, newest in sorted(rows, key=lambda row: -int(row[2] or 0)):
        if not (isinstance(name, str) and _PROVINCE.fullmatch(name) and isinstance(newest, int)):
            return None
        extent = Extent(extent.rows + count, (*extent.provinces, name), max(extent.newest, newest))
    return extent


def read_span(
    place: StatePlace, prefix: str, span: Span, longest: timedelta = LONGEST_STANDING, newest: int | None = None
) -> ReadLooks:
    """The looks that tell how long paths were what within a span; not why.

    Args:
        place: where the history is, with the keys that rows are held against.
        prefix: as `read_since` takes it.
        span: of which time.
        longest: how long a look stands for at most.
        newest: the newest entry that counts: so what is read in parts is of one moment.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    return read_looks(place, prefix, span.begin - longest, span.until, with_causes=False, newest=newest)
