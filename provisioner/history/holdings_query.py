"""What runs have shown hosts to hold, read out of the tables: now, ever, and no more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import cast

from sqlalchemy import BigInteger, Connection, Subquery, and_, func, or_, select, type_coerce

from provisioner.history.records import BegunContent, EntryKind, recorded_of
from provisioner.history.rows import entry_content
from provisioner.history.tables import entries, held, holdings, microseconds, moment
from provisioner.lifecycle.evidence import Content, Shown, Word

_Sight = tuple[str, str | None, bool]
_EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Span:
    """A host was shown to hold the same, once or often."""

    host: str
    held: Mapping[str, str] | None
    exact: bool
    first: Shown
    last: Shown


class HoldingsQuery:
    """What the runs of one inventory have shown hosts to hold, as one transaction reads it."""

    def __init__(self, connection: Connection, inventory: str) -> None:
        self._connection = connection
        self._mine = inventory

    @cached_property
    def words(self) -> dict[str, Word]:
        """By host, the last word on it; a change that was begun and not ended takes the word back."""
        last: dict[str, Word] = {}
        for span in sorted(self._spans, key=lambda span: span.last):
            last[span.host] = Word(span.last, span.held, span.exact)
        for host, began in self._unfinished():
            if host not in last or last[host].shown.at <= began.at:
                last[host] = Word(began, None, exact=False)
        return dict(sorted(last.items()))

    def carried(self) -> dict[Content, dict[str, Shown]]:
        """By content and host, when the host was first shown to hold it."""
        by_content: dict[Content, dict[str, Shown]] = defaultdict(dict)
        for span in self._spans:
            for content in (item for item in (span.held or _EMPTY).items() if item[1]):
                by_content[content][span.host] = min(span.first, by_content[content].get(span.host, span.first))
        return dict(by_content)

    def holders(self) -> dict[str, frozenset[str]]:
        """By facility, every host that ever was shown to hold it."""
        by_facility: dict[str, set[str]] = defaultdict(set)
        for span in self._spans:
            for facility in span.held or ():
                by_facility[facility].add(span.host)
        return {facility: frozenset(hosts) for facility, hosts in by_facility.items()}

    def without(self) -> dict[tuple[str, str], Shown]:
        """By facility and host, since when a host that once held it is shown to be without it."""
        last_held: dict[tuple[str, str], Shown] = {}
        for span in self._spans:
            for facility in span.held or ():
                key = facility, span.host
                last_held[key] = max(span.last, last_held.get(key, span.last))
        gone = {key: last for key, last in last_held.items() if not self.words[key[1]].may_hold(key[0])}
        since = {pair: self._next_known(*pair) for pair in {(host, last) for (_, host), last in gone.items()}}
        return {(facility, host): since[host, last] for (facility, host), last in gone.items()}

    @cached_property
    def _spans(self) -> tuple[_Span, ...]:
        spans = self._grouped()
        at = type_coerce(holdings.c.at, BigInteger)
        same = and_(
            holdings.c.host == spans.c.host,
            holdings.c.held.is_not_distinct_from(spans.c.held),
            holdings.c.exact == spans.c.exact,
        )
        query = (
            select(spans, at.label("moment"), entries.c.run)
            .select_from(holdings)
            .join(spans, same)
            .join(entries, and_(entries.c.inventory == holdings.c.inventory, entries.c.number == holdings.c.number))
            .where(holdings.c.inventory == self._mine, or_(at == spans.c.first, at == spans.c.last))
            .order_by(holdings.c.number.desc())
        )
        shown: dict[_Sight, dict[int, Shown]] = defaultdict(dict)
        ends: dict[_Sight, tuple[int, int]] = {}
        for row in self._connection.execute(query):
            key = row.host, row.held, row.exact
            shown[key][row.moment] = Shown(moment(row.moment), row.run)
            ends[key] = row.first, row.last
        return tuple(
            _Span(key[0], self._held(key[1]), key[2], shown[key][first], shown[key][last])
            for key, (first, last) in ends.items()
        )

    def _grouped(self) -> Subquery:
        at = type_coerce(holdings.c.at, BigInteger)
        by = holdings.c.host, holdings.c.held, holdings.c.exact
        query = select(*by, func.min(at).label("first"), func.max(at).label("last"))
        return query.where(holdings.c.inventory == self._mine).group_by(*by).subquery()

    def _held(self, digest: str | None) -> Mapping[str, str] | None:
        return None if digest is None else self._sets.get(digest, _EMPTY)

    @cached_property
    def _sets(self) -> dict[str, dict[str, str]]:
        sets: dict[str, dict[str, str]] = defaultdict(dict)
        query = select(held.c.digest, held.c.facility, held.c.content).where(held.c.inventory == self._mine)
        for row in self._connection.execute(query):
            if None in row:
                raise TypeError("a set names facilities and their contents")
            sets[row.digest][row.facility] = row.content
        return dict(sets)

    def _unfinished(self) -> Iterator[tuple[str, Shown]]:
        """The hosts that runs were about to change of which no end is recorded, and when those began."""
        ended = select(entries.c.run).where(entries.c.inventory == self._mine, entries.c.step == EntryKind.ENDED.value)
        began = entries.c.step == EntryKind.BEGUN.value, entries.c.run.not_in(ended)
        query = select(entries.c.number, entries.c.content).where(entries.c.inventory == self._mine, *began)
        for row in self._connection.execute(query.order_by(entries.c.number)):
            recorded = recorded_of(cast("BegunContent", entry_content(row.content, row.number)), None)
            yield from ((host, Shown(recorded.run.started, recorded.run.id)) for host in recorded.hosts)

    def _next_known(self, host: str, after: Shown) -> Shown:
        """When a host was next seen whole after a moment; of two sights of one moment its last word is later."""
        at = type_coerce(holdings.c.at, BigInteger)
        query = (
            select(at.label("moment"), entries.c.run)
            .join(entries, and_(entries.c.inventory == holdings.c.inventory, entries.c.number == holdings.c.number))
            .where(holdings.c.inventory == self._mine, holdings.c.host == host, holdings.c.exact)
            .where(at > microseconds(after.at))
            .order_by(at, holdings.c.number)
            .limit(1)
        )
        row = self._connection.execute(query).first()
        return Shown(moment(row.moment), row.run) if row else self.words[host].shown
