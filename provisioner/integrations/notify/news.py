"""News for one reader: a night's changes, limited by role. Pure.

Data that a reader may not see is removed here, before any text is made.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from provisioner.base.roles import Matter, Reach, ReaderScope, Whereabouts
from provisioner.integrations.notify.night import HOST_SIGHT, ITSELF, NightItem, NightReport, device_in, host_in
from provisioner.verify.incidents import incident_causes
from provisioner.verify.result import Cause, Finding, Layer, Verdict, WithFinding, summary_of

_WORST_FIRST: Final = (Verdict.DOWN, Verdict.QUARANTINED, Verdict.UNKNOWN, Verdict.DEGRADED)


@dataclass(frozen=True, slots=True)
class NotifiedProblem:
    """A notified trouble of a path or host.

    Attributes:
        first: the date of its first night, in Vietnam.
    """

    verdict: Verdict
    cause: Cause
    first: date


@dataclass(frozen=True)
class LastNotice:
    """A receiver's knowledge from notices.

    Attributes:
        scope: the reader's role then; another role's knowledge does not count.
        known: troubles by key of the path or host.
        alerts: labels of active alerts.
    """

    scope: str = ""
    known: Mapping[str, NotifiedProblem] = field(default_factory=dict)
    alerts: tuple[Mapping[str, str], ...] = ()


NOTHING_KNOWN: Final = LastNotice()


class Turn(StrEnum):
    """A change since the last notice."""

    NEW = "new"
    CHANGED = "changed"
    BACK = "back"
    STANDING = "standing"


@dataclass(frozen=True, slots=True)
class NewsItem(WithFinding):
    """A present or ended fault with its paths.

    Attributes:
        turn: the change since the last notice.
        verdict: the worst of its paths; `up` if ended.
        finding: the fault; if ended, the facility or host with the former cause. Evidence only for readers who may see
            a site's network.
        first: the date of its first night.
        provinces: of its paths.
        facilities: of its paths.
        carriers: of its paths.
        hosts: the relays of its paths.
    """

    turn: Turn
    verdict: Verdict
    finding: Finding
    paths: tuple[str, ...]
    first: date
    provinces: tuple[str, ...] = ()
    facilities: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def nights(self, day: date) -> int:
        """Return the number of the night, from 1."""
        return max(1, (day - self.first).days + 1)


@dataclass(frozen=True, slots=True)
class ProvinceCounts:
    """A province's paths by verdict, and by change."""

    province: str
    verdicts: Mapping[str, int]
    turns: Mapping[str, int]


@dataclass(frozen=True)
class NightNews:
    """One reader's news of a night.

    Attributes:
        counts: the reader's paths by verdict.
        turns: their changes.
        items: present and ended faults; empty for readers of numbers only.
        provinces: the numbers by province.
        left: notified paths and devices that left the inventory or this reader's part.
        knows: the reader's knowledge after this notice.
    """

    reader: ReaderScope
    inventory: str
    run: str
    at: datetime
    day: date
    counts: Mapping[str, int]
    turns: Mapping[str, int]
    items: tuple[NewsItem, ...]
    provinces: tuple[ProvinceCounts, ...]
    left: int
    knows: Mapping[str, NotifiedProblem]

    @property
    def has_changed(self) -> bool:
        """Whether the reader has unknown news."""
        return any(self.turns.get(turn, 0) for turn in (Turn.NEW, Turn.CHANGED, Turn.BACK)) or self.left > 0

    def of(self, turn: Turn) -> tuple[NewsItem, ...]:
        """Return the items of a turn."""
        return tuple(item for item in self.items if item.turn is turn)


def scope_name(reader: ReaderScope) -> str:
    """Return a reader's name in the record of notices."""
    return f"{reader.role}/{reader.of}" if reader.of else reader.role.value


ProvinceOf = Callable[[str], str]
"""Returns a facility's province in the reader's list of provinces, or an empty text."""


@dataclass(frozen=True, slots=True)
class _Turned:
    """A sight with its change."""

    turn: Turn
    sight: NightItem
    place: Whereabouts
    known: NotifiedProblem


def news_for(reader: ReaderScope, night: NightReport, last: LastNotice, province_of: ProvinceOf) -> NightNews:
    """Return one reader's news of a night since the last notice."""
    before = last.known if last.scope == scope_name(reader) else {}
    places = _Places(reader, province_of)
    counted = [
        (sight, place)
        for (facility, carriers), sights in night.by_owner.items()
        if places.counts(place := places.of(facility, carriers))
        for sight in sights
        if sight.is_path or not sight.facility or not places.has_numbers_alone
    ]
    turned = [turned for sight, place in counted if (turned := _turned(sight, place, before, night.day))]
    seen = [one for one in turned if reader.sees(Matter.STATUS, one.place)]
    kept = {name: known for name, known in before.items() if night.says_nothing_of(name)}
    # Of a host or a device nothing is left once nothing is wrong with it.
    there = night.keys | kept.keys()
    mended = {name: known for name, known in before.items() if name.startswith(ITSELF) and name not in there}
    # What went to another carrier is nothing that this reader is told of any more.
    here = {sight.key for sight, _ in counted} | kept.keys() | mended.keys()
    knows = kept | {one.sight.key: one.known for one in turned if one.turn is not Turn.BACK}
    return NightNews(
        reader=reader,
        inventory=night.inventory,
        run=night.run,
        at=night.at,
        day=night.day,
        counts=summary_of(sight.verdict for sight, _ in counted if sight.is_path),
        turns=_by_turn(turned, mended),
        items=(*_items(seen, places), *_mended(mended)),
        provinces=_provinces(counted, turned),
        left=sum(name not in here for name in before),
        knows=knows,
    )


class _Places:
    """Owners of paths and hosts, for one reader."""

    def __init__(self, reader: ReaderScope, province_of: ProvinceOf) -> None:
        self._reader = reader
        self._province_of = province_of
        self.has_numbers_alone = reader.reach(Matter.STATUS) is Reach.COUNTS

    def of(self, facility: str, carriers: frozenset[str]) -> Whereabouts:
        """Return the owner of a facility's path, or of a host."""
        return Whereabouts(self._province_of(facility) if facility else "", facility, carriers)

    def counts(self, place: Whereabouts) -> bool:
        """Return whether the reader's numbers include it; hosts have no province."""
        if self.has_numbers_alone and not place.facility:
            return False
        return self._reader.counts(Matter.STATUS, place)

    def detail(self, one: _Turned) -> str:
        """Return the evidence if the reader may see a site's network."""
        return one.sight.detail if self._reader.sees(Matter.SITE_NETWORK, one.place) else ""


def _turned(sight: NightItem, place: Whereabouts, before: Mapping[str, NotifiedProblem], day: date) -> _Turned | None:
    """Compare a sight with the last notice; `None` if always up."""
    known = before.get(sight.key)
    if sight.verdict is Verdict.UP:
        return _Turned(Turn.BACK, sight, place, known) if known else None
    first = known.first if known else min(sight.since or day, day)
    now = NotifiedProblem(sight.verdict, sight.cause, first)
    if known is None:
        return _Turned(Turn.NEW, sight, place, now)
    is_same = (known.verdict, known.cause) == (sight.verdict, sight.cause)
    return _Turned(Turn.STANDING if is_same else Turn.CHANGED, sight, place, now)


# --- what is broken once is told once -------------------------------------------------------------

_Key = tuple[Turn, Finding]


def _items(turned: Iterable[_Turned], places: _Places) -> tuple[NewsItem, ...]:
    by_turn: dict[Turn, list[_Turned]] = defaultdict(list)
    for one in turned:
        by_turn[one.turn].append(one)
    groups: dict[_Key, list[_Turned]] = defaultdict(list)
    for one in by_turn.pop(Turn.BACK, ()):
        groups[one.turn, Finding(one.known.cause, None, one.sight.facility or one.sight.object)].append(one)
    for turn, of in by_turn.items():
        by_key = {one.sight.key: one for one in of}
        # What is wrong with a device itself is so whatever is wrong with its paths.
        itself = [(one.sight, one.sight.cause) for one in of if one.sight.is_device]
        for sight, cause in (*incident_causes(one.sight for one in of if not one.sight.is_device), *itself):
            finding = Finding(cause, sight.layer, sight.object or sight.name)
            groups[turn, finding].append(by_key[sight.key])
    return tuple(sorted((_item(key, of, places) for key, of in groups.items()), key=_in_order))


def _item(key: _Key, of: Sequence[_Turned], places: _Places) -> NewsItem:
    turn, finding = key
    is_back = turn is Turn.BACK
    # Of two carriers' evidence it is the same one each night.
    in_order = sorted(of, key=lambda one: one.sight.key)
    details = [] if is_back else [detail for one in in_order if (detail := places.detail(one))]
    return NewsItem(
        turn=turn,
        verdict=Verdict.UP if is_back else worst_of_verdicts(one.sight.verdict for one in of),
        finding=replace(finding, detail=details[0]) if details else finding,
        paths=tuple(sorted(one.sight.name for one in of if one.sight.is_path)),
        first=min(one.known.first for one in of),
        provinces=_named(one.place.province for one in of),
        facilities=_named(one.place.facility for one in of),
        carriers=_named(name for one in of for name in one.sight.carriers),
        hosts=_named(one.sight.relay or host_in(one.sight.name) for one in of),
    )


def _mended(mended: Mapping[str, NotifiedProblem]) -> tuple[NewsItem, ...]:
    """Return items for hosts and devices without faults now."""
    return tuple(
        NewsItem(Turn.BACK, Verdict.UP, Finding(known.cause, Layer.HOST, host_in(name)), (), known.first)
        if name.startswith(HOST_SIGHT)
        else NewsItem(Turn.BACK, Verdict.UP, Finding(known.cause, None, device_in(name)), (), known.first)
        for name, known in sorted(mended.items())
    )


def _in_order(item: NewsItem) -> tuple[int, int, int, str, str]:
    return list(Turn).index(item.turn), item.finding.rank, -len(item.paths), item.object, item.cause


def worst_of_verdicts(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict."""
    return min(verdicts, key=lambda verdict: _WORST_FIRST.index(verdict) if verdict in _WORST_FIRST else 9)


def _named(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if name}))


# --- numbers --------------------------------------------------------------------------------------


def _by_turn(turned: Iterable[_Turned], mended: Mapping[str, NotifiedProblem] | None = None) -> dict[str, int]:
    counts = Counter(one.turn for one in turned)
    counts[Turn.BACK] += len(mended or ())
    return {turn.value: counts[turn] for turn in Turn}


def _provinces(
    counted: Iterable[tuple[NightItem, Whereabouts]], turned: Iterable[_Turned]
) -> tuple[ProvinceCounts, ...]:
    verdicts: dict[str, list[Verdict]] = defaultdict(list)
    for sight, place in counted:
        if sight.is_path:
            verdicts[place.province].append(sight.verdict)
    turns: dict[str, list[_Turned]] = defaultdict(list)
    for one in turned:
        if one.sight.is_path:
            turns[one.place.province].append(one)
    return tuple(ProvinceCounts(name, summary_of(of), _by_turn(turns[name])) for name, of in sorted(verdicts.items()))
