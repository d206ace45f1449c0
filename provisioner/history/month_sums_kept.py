"""Sums of months kept up: those that are missing, or are not of what lies there, are made by whoever records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, and_, delete, func, insert, select

from provisioner.availability.measured import Span
from provisioner.availability.months import month_of
from provisioner.history.database import has_table, open_database
from provisioner.history.month_sums import MonthSums, made_sums, stored_sums
from provisioner.history.place import StatePlace
from provisioner.history.tables import microseconds, moment, month_sums, stored, verdicts

AT_ONCE: Final = 200
"""So many are made by one who records, the newest first: of years that nobody summed each night takes a part."""

_Key = tuple[str, int]


def keep_month_sums(place: StatePlace, longest: timedelta, now: datetime, at_once: int = AT_ONCE) -> int:
    """Sum the months that are over and have no sums of what lies there: how many were made.

    Args:
        place: where the history is, with the keys that seal it.
        longest: how long a look stands for at most.
        now: a month that ended by then is over.
        at_once: so many at most.

    Raises:
        StateError: there is a history, and it cannot be read or written; what is recorded stays as it is.
    """
    database = open_database(place, create=False)
    if database is None:
        return 0
    with closing(database):
        with database.reading() as connection:
            if not (has_table(connection, verdicts) and has_table(connection, month_sums)):
                return 0
            asked = _Asked(connection, place, longest, now)
            made = [one for province, month in asked.due[:at_once] if (one := asked.made(province, month))]
            gone = asked.gone
        if made or gone:
            with database.writing() as connection:
                _write(connection, place, made, gone)
    return len(made)


def _write(connection: Connection, place: StatePlace, made: Iterable[MonthSums], gone: Iterable[_Key]) -> None:
    mine = month_sums.c.inventory == place.inventory
    for province, begin in [*gone, *(_key(one.province, one.month) for one in made)]:
        own = month_sums.c.province == province, month_sums.c.begin == moment(begin)
        connection.execute(delete(month_sums).where(mine, *own))
    rows = [_columns(place.inventory, one) for one in made]
    if rows:
        connection.execute(insert(month_sums), rows)


def _columns(inventory: str, one: MonthSums) -> dict[str, object]:
    times = {"begin": one.month.begin, "until": one.month.until, "since": one.since}
    counted = {"rows": one.rows, "newest": one.newest, "of": one.of}
    return {
        "inventory": inventory,
        "province": one.province,
        "packed": one.packed,
        "seal": one.seal,
        **times,
        **counted,
    }


def _key(province: str, month: Span) -> _Key:
    return province, microseconds(month.begin)


class _Asked:
    """What is there, and what is due of it.

    Attributes:
        due: the months without sums that hold, the newest first.
        gone: sums that are of nothing any more.
    """

    def __init__(self, connection: Connection, place: StatePlace, longest: timedelta, now: datetime) -> None:
        self._connection, self._place, self._longest = connection, place, longest
        wanted = {_key(province, month): month for province, month in self._over(now)}
        lying = self._lying()
        there = {_key(one.province, one.month): one for one in stored_sums(connection, place.inventory) if one}
        holding = {
            key
            for key, one in there.items()
            if one.month == wanted.get(key)
            and one.since == one.month.begin - longest
            and lying.get(key) == (one.rows, one.newest)
            and place.keys.vouch_for(one.seal, one.message(place.inventory))
        }
        due = sorted(wanted.keys() - holding, key=lambda key: (-key[1], key[0]))
        self.due = [(province, wanted[province, begin]) for province, begin in due]
        self.gone = sorted(there.keys() - wanted.keys())

    def _over(self, now: datetime) -> Iterator[tuple[str, Span]]:
        """The months of each province that are over, from its first verdict to its last."""
        first, last = func.min(stored(verdicts.c.at)), func.max(stored(verdicts.c.at))
        query = select(stored(verdicts.c.province), first, last).where(verdicts.c.inventory == self._place.inventory)
        for province, begin, end in self._connection.execute(query.group_by(verdicts.c.province)):
            if isinstance(province, str) and isinstance(begin, int) and isinstance(end, int):
                month = month_of(moment(begin))
                while month.until <= now and month.begin - self._longest <= moment(end):
                    yield province, month
                    month = month_of(month.until)

    def _lying(self) -> dict[tuple[object, object], tuple[object, object]]:
        """How many verdicts are counted by each row of sums now, and the newest entry of them."""
        at = and_(
            verdicts.c.inventory == month_sums.c.inventory,
            verdicts.c.province == month_sums.c.province,
            verdicts.c.at >= month_sums.c.since,
            verdicts.c.at < month_sums.c.until,
        )
        key = stored(month_sums.c.province), stored(month_sums.c.begin)
        counted = func.count(verdicts.c.number), func.max(stored(verdicts.c.number))
        query = select(*key, *counted).select_from(month_sums.outerjoin(verdicts, at))
        mine = query.where(month_sums.c.inventory == self._place.inventory)
        rows = self._connection.execute(mine.group_by(month_sums.c.province, month_sums.c.begin))
        return {(province, begin): (number, newest or 0) for province, begin, number, newest in rows}

    def made(self, province: str, month: Span) -> MonthSums | None:
        """The sums of a month, made of what lies there."""
        return made_sums(self._connection, self._place, province, month, self._longest)
