"""Recorded verdicts on paths: current state, nights, availability.

Functions raise `StateError` if the history cannot be read or written. `prefix` is `""` for all, or `<province>/`,
`<province>/<facility>/` and so on. A check counts for `longest` at most.
"""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import func, select

from provisioner.base.text import start_of
from provisioner.record.availability.measured import LONGEST_STANDING, Measured, Span, measured
from provisioner.record.availability.path_state import PathState, Strip, nights, since
from provisioner.record.availability.verdict_table import ByPath
from provisioner.record.database import has_table, open_database
from provisioner.record.state_folder import StateFolder
from provisioner.record.state_queries import ReadLooks, read_looks
from provisioner.record.tables import stored, verdicts

_PROVINCE: Final = re.compile(r"[a-z0-9-]{1,63}")


def read_since(
    folder: StateFolder, prefix: str = "", as_of: datetime | None = None, begin: datetime | None = None
) -> ByPath[PathState]:
    """Return the state of each path and its start.

    `as_of` returns the state as known at that time. Checks before `begin` are not read: an older state is at least that
    old.
    """
    return read_looks(folder, prefix, begin, as_of).by_path(lambda table: since(table, as_of))


def read_nights(folder: StateFolder, prefix: str, last: date, number: int) -> ByPath[Strip]:
    """Return each path's days, earliest first, by Vietnam's calendar."""
    first = start_of(last - timedelta(days=number - 1))
    looks = read_looks(folder, prefix, first, start_of(last + timedelta(days=1)))
    return looks.by_path(lambda table: nights(table, last, number))


def read_availability(
    folder: StateFolder, prefix: str, span: Span, longest: timedelta = LONGEST_STANDING
) -> ByPath[Measured]:
    """Return how long each path had which verdict within a span."""
    return read_span(folder, prefix, span, longest).by_path(lambda table: measured(table, span, longest))


@dataclass(frozen=True, slots=True)
class Extent:
    """The amount of rows of a span; the largest provinces come first.

    `newest` is the newest entry with such rows, or 0.
    """

    rows: int = 0
    provinces: tuple[str, ...] = ()
    newest: int = 0


def read_extent(folder: StateFolder, span: Span, longest: timedelta = LONGEST_STANDING) -> Extent | None:
    """Return the amount of rows for `read_span`, or `None` if malformed."""
    database = open_database(folder, create=False)
    if database is None:
        return Extent()
    province, number = stored(verdicts.c.province), func.max(stored(verdicts.c.number))
    query = select(province, func.count(), func.sum(func.length(verdicts.c.marks)), number).group_by(province)
    conditions = (
        verdicts.c.inventory == folder.inventory,
        verdicts.c.at >= span.begin - longest,
        verdicts.c.at <= span.until,
    )
    with closing(database), database.reading() as connection:
        rows = connection.execute(query.where(*conditions)).all() if has_table(connection, verdicts) else []
    extent = Extent()
    for name, count, _, newest in sorted(rows, key=lambda row: -int(row[2] or 0)):
        if not (isinstance(name, str) and _PROVINCE.fullmatch(name) and isinstance(newest, int)):
            return None
        extent = Extent(extent.rows + count, (*extent.provinces, name), max(extent.newest, newest))
    return extent


def read_span(
    folder: StateFolder, prefix: str, span: Span, longest: timedelta = LONGEST_STANDING, newest: int | None = None
) -> ReadLooks:
    """Return the checks that show path times within a span, without causes.

    `newest` is the newest entry that counts, so that parts read one after the other agree.
    """
    return read_looks(folder, prefix, span.begin - longest, span.until, with_causes=False, newest=newest)
