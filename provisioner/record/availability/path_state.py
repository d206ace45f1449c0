"""The state of a path, its start, and the last nights. Pure.

`after` adds one check; `since` takes all recorded checks at once. A night is a day of Vietnam's calendar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from provisioner.base.text import VIETNAM
from provisioner.record.availability.verdict_table import ABSENT, VERDICTS, LookTable, StoredVerdict, verdict_of_mark

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STATES: Final = {"up": 0, "degraded": 1, "down": 2, "quarantined": 2, "unknown": 3}
_UNKNOWN, _NOT = 3, 4


def _state_code(mark: int) -> int:
    if mark == ABSENT:
        return _NOT
    verdict_number = mark & 0b111
    return _STATES[VERDICTS[verdict_number]] if verdict_number < len(VERDICTS) else _UNKNOWN


_STATE_OF: Final = bytes(_state_code(mark) for mark in range(256))
_UP: Final = (0, 1)
_WORST_FIRST: Final = ("down", "quarantined", "degraded", "up", "unknown")


@dataclass(frozen=True, slots=True)
class PathState:
    """The state of a path, and its start.

    Undecided checks neither end a state nor count for it; quarantined is a kind of down. `verdict`, `cause`, `level`
    and `maintenance` are of the last decided check, if any.

    Attributes:
        since: the first check of this state.
        looks: the number of consecutive checks in this state.
        last_look: the last of them.
        last_up: the last check with pictures, if any.
        unknown_since: the first of the undecided checks at the end, if any.
    """

    verdict: str
    cause: str
    level: int
    since: datetime
    looks: int
    last_look: datetime
    last_up: datetime | None = None
    unknown_since: datetime | None = None
    maintenance: bool = False

    def since_as(self, verdict: str) -> datetime | None:
        """Return the start of a verdict, or `None` in another state."""
        state = _STATES.get(verdict)
        if state == _UNKNOWN:
            return self.unknown_since
        return self.since if state == _STATES[self.verdict] else None


@dataclass(frozen=True, slots=True)
class WorstOfDay:
    """One day's worst verdict on a path: empty without a check, `maintenance` in a window."""

    day: date
    verdict: str = ""


Strip = tuple[WorstOfDay, ...]
"""One item per day, the earliest first."""


def after(state: PathState | None, stored: StoredVerdict, at: datetime) -> PathState:
    """Return a path's state after one more check, in time order."""
    now, before = _STATES[stored.verdict], None if state is None else _STATES[state.verdict]
    if state is not None and now == _UNKNOWN != before:
        return state if state.unknown_since else replace(state, unknown_since=at)
    start, looks = (state.since, state.looks) if state is not None and now == before else (at, 0)
    return PathState(
        verdict=stored.verdict,
        cause=stored.cause,
        level=stored.level,
        since=start,
        looks=looks + 1,
        last_look=at,
        last_up=at if now in _UP else state.last_up if state else None,
        unknown_since=start if now == _UNKNOWN else None,
        maintenance=stored.maintenance and now != _UNKNOWN,
    )


def since(table: LookTable, as_of: datetime | None = None) -> Mapping[str, PathState]:
    """Return the state of each checked path, as known at `as_of`."""
    sweeps = len(table.moments) if as_of is None else table.until((as_of - _EPOCH) // timedelta(microseconds=1))
    width = len(table.paths)
    marks = table.marks[: sweeps * width]
    by_path = {}
    for index, path in enumerate(table.paths):
        state = _path_state(table, index, marks[index::width])
        if state is not None:
            by_path[path] = state
    return by_path


def _path_state(table: LookTable, index: int, column: bytes) -> PathState | None:
    """Return a path's state from its codes, one per look."""
    states = column.translate(_STATE_OF)
    known_states = states.rstrip(bytes([_UNKNOWN, _NOT]))
    after = states[len(known_states) :].find(_UNKNOWN)
    if not known_states:
        return _unknown_state(table, index, column, states)
    state, last = known_states[-1], len(known_states) - 1
    other_codes = bytes(code for code in range(_UNKNOWN) if code != state)
    before = max(known_states.rfind(code) for code in other_codes)
    first = known_states.index(state, before + 1)
    last_up = max(known_states.rfind(code) for code in _UP)
    stored = verdict_of_mark(column[last], table.words[table.cause_column(index)[last]])
    return PathState(
        verdict=stored.verdict,
        cause=stored.cause,
        level=stored.level,
        since=_moment(table, first),
        looks=known_states.count(state, first),
        last_look=_moment(table, last),
        last_up=None if last_up < 0 else _moment(table, last_up),
        unknown_since=None if after < 0 else _moment(table, len(known_states) + after),
        maintenance=stored.maintenance,
    )


def _unknown_state(table: LookTable, index: int, column: bytes, states: bytes) -> PathState | None:
    """Return the state of a path that was never known."""
    first, last = states.find(_UNKNOWN), states.rfind(_UNKNOWN)
    if first < 0:
        return None
    stored = verdict_of_mark(column[last], table.words[table.cause_column(index)[last]])
    start = _moment(table, first)
    looks = states.count(_UNKNOWN)
    return PathState(
        stored.verdict, stored.cause, stored.level, start, looks, _moment(table, last), unknown_since=start
    )


def _moment(table: LookTable, sweep: int) -> datetime:
    return _EPOCH + table.moments[sweep] * timedelta(microseconds=1)


def nights(table: LookTable, last: date, number: int) -> Mapping[str, Strip]:
    """Return the last days of each path, earliest first."""
    days = [last - timedelta(days=back) for back in reversed(range(number))]
    of_day = [(_EPOCH + timedelta(microseconds=at)).astimezone(VIETNAM).date() for at in table.moments]
    sweeps = [[index for index, day in enumerate(of_day) if day == wanted] for wanted in days]
    strips: dict[tuple[bytes, bytes], Strip] = {}
    by_path = {}
    for index, path in enumerate(table.paths):
        columns = table.column(index), table.cause_column(index)
        if columns not in strips:
            strip = (_night(table, day, day_sweeps, *columns) for day, day_sweeps in zip(days, sweeps, strict=True))
            strips[columns] = tuple(strip)
        by_path[path] = strips[columns]
    return by_path


def _night(table: LookTable, day: date, sweeps: list[int], marks: bytes, causes: bytes) -> WorstOfDay:
    verdicts = (verdict_of_mark(marks[sweep], table.words[causes[sweep]]) for sweep in sweeps if marks[sweep] != ABSENT)
    worst = min(verdicts, key=lambda verdict: _WORST_FIRST.index(verdict.verdict), default=None)
    return WorstOfDay(day, ("maintenance" if worst.maintenance else worst.verdict) if worst else "")
