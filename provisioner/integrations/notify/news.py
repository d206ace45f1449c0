"""What is new to one reader: a night held against what the reader was told last, through the table of roles. Pure.

What a reader may not see is left out here, before any text is made: no later step has it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from provisioner.base.roles import Matter, Reach, ReaderScope, Whereabouts
from provisioner.integrations.notify.night import HOST_SIGHT, ITSELF, NightSight, Sight, device_in, host_in
from provisioner.verify.incidents import incident_causes
from provisioner.verify.result import Cause, Finding, Layer, Verdict, WithFinding, summary_of

_WORST_FIRST: Final = (Verdict.DOWN, Verdict.QUARANTINED, Verdict.UNKNOWN, Verdict.DEGRADED)


@dataclass(frozen=True, slots=True)
class KnownTrouble:
    """What a reader was told of one path or host.

    Attributes:
        first: the day of the first night of it, in Vietnam.
    """

    verdict: Verdict
    cause: Cause
    first: date


@dataclass(frozen=True)
class LastNotice:
    """What a receiver knows, since it was told.

    Attributes:
        scope: as whom it was told; what another one knew says nothing.
        known: what was not as it should be, by the key of the path or host.
        alerts: the labels of alerts that it was sent and that stand.
    """

    scope: str = ""
    known: Mapping[str, KnownTrouble] = field(default_factory=dict)
    alerts: tuple[Mapping[str, str], ...] = ()


NOTHING_KNOWN: Final = LastNotice()


class Turn(StrEnum):
    """How something stands against what was told before."""

    NEW = "new"
    CHANGED = "changed"
    BACK = "back"
    STANDING = "standing"


@dataclass(frozen=True, slots=True)
class NewsItem(WithFinding):
    """One thing that is broken, or is not any more, with all that hangs on it.

    Attributes:
        turn: how it stands against what was told.
        verdict: the worst of its paths; of what is back `up`.
        finding: what is broken, and why; of what is back, the facility or host, and why it had been. No evidence for
            who may not see a site's network.
        paths: those that hang on it, by name.
        first: the day of its first night.
        provinces: the provinces of its paths.
        facilities: their facilities.
        carriers: whose they are.
        hosts: their relays.
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
        """Which night of it a day's is, from 1."""
        return max(1, (day - self.first).days + 1)


@dataclass(frozen=True, slots=True)
class ProvinceCounts:
    """One province in numbers: paths by verdict, and by how they stand against what was told."""

    province: str
    verdicts: Mapping[str, int]
    turns: Mapping[str, int]


@dataclass(frozen=True)
class NightNews:
    """What one reader may be told of a night.

    Attributes:
        counts: the paths that the reader may count, by verdict.
        turns: how many of them are new, changed, back, or stand.
        items: what is broken or back; none for who gets numbers alone.
        provinces: the same in numbers, by province.
        left: how many paths and devices that were told of are not in the inventory any more, or not this reader's.
        knows: what the reader knows once this was told.
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
    knows: Mapping[str, KnownTrouble]

    @property
    def has_changed(self) -> bool:
        """Whether there is anything that the reader was not told."""
        return any(self.turns.get(turn, 0) for turn in (Turn.NEW, Turn.CHANGED, Turn.BACK)) or self.left > 0

    def of(self, turn: Turn) -> tuple[NewsItem, ...]:
        """The items that stand so."""
        return tuple(item for item in self.items if item.turn is turn)


def scope_name(reader: ReaderScope) -> str:
    """A reader as the record of notices names it."""
    return f"{reader.role}/{reader.of}" if reader.of else reader.role.value


ProvinceOf = Callable[[str], str]
"""The province of a facility, in the list of provinces that a reader goes by; empty where it has none there."""


@dataclass(frozen=True, slots=True)
class _Turned:
    """A sight with how it stands against what was told."""

    turn: Turn
    sight: Sight
    place: Whereabouts
    known: KnownTrouble


def news_for(reader: ReaderScope, night: NightSight, last: LastNotice, province_of: ProvinceOf) -> NightNews:
    """What a reader may be told of a night.

    Args:
        reader: as whom.
        night: what was seen.
        last: what the receiver was told before.
        province_of: says which province a facility is in.
    """
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
    """Whose things are, as one reader goes by."""

    def __init__(self, reader: ReaderScope, province_of: ProvinceOf) -> None:
        self._reader = reader
        self._province_of = province_of
        self.has_numbers_alone = reader.reach(Matter.STATUS) is Reach.COUNTS

    def of(self, facility: str, carriers: frozenset[str]) -> Whereabouts:
        """Whose a path of a facility is, or a host, which is of none."""
        return Whereabouts(self._province_of(facility) if facility else "", facility, carriers)

    def counts(self, place: Whereabouts) -> bool:
        """Whether the reader may count what is there; hosts, which are in no province, are in no number."""
        if self.has_numbers_alone and not place.facility:
            return False
        return self._reader.counts(Matter.STATUS, place)

    def detail(self, one: _Turned) -> str:
        """The evidence, for who may see a site's network."""
        return one.sight.detail if self._reader.sees(Matter.SITE_NETWORK, one.place) else ""


def _turned(sight: Sight, place: Whereabouts, before: Mapping[str, KnownTrouble], day: date) -> _Turned | None:
    """How a path or host stands against what was told; None where it is up and was never told of."""
    known = before.get(sight.key)
    if sight.verdict is Verdict.UP:
        return _Turned(Turn.BACK, sight, place, known) if known else None
    first = known.first if known else min(sight.since or day, day)
    now = KnownTrouble(sight.verdict, sight.cause, first)
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


def _mended(mended: Mapping[str, KnownTrouble]) -> tuple[NewsItem, ...]:
    """Hosts and devices with which nothing is wrong any more."""
    return tuple(
        NewsItem(Turn.BACK, Verdict.UP, Finding(known.cause, Layer.HOST, host_in(name)), (), known.first)
        if name.startswith(HOST_SIGHT)
        else NewsItem(Turn.BACK, Verdict.UP, Finding(known.cause, None, device_in(name)), (), known.first)
        for name, known in sorted(mended.items())
    )


def _in_order(item: NewsItem) -> tuple[int, int, int, str, str]:
    return list(Turn).index(item.turn), item.finding.rank, -len(item.paths), item.object, item.cause


def worst_of_verdicts(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that says the worst."""
    return min(verdicts, key=lambda verdict: _WORST_FIRST.index(verdict) if verdict in _WORST_FIRST else 9)


def _named(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if name}))


# --- numbers --------------------------------------------------------------------------------------


def _by_turn(turned: Iterable[_Turned], mended: Mapping[str, KnownTrouble] | None = None) -> dict[str, int]:
    counts = Counter(one.turn for one in turned)
    counts[Turn.BACK] += len(mended or ())
    return {turn.value: counts[turn] for turn in Turn}


def _provinces(counted: Iterable[tuple[Sight, Whereabouts]], turned: Iterable[_Turned]) -> tuple[ProvinceCounts, ...]:
    verdicts: dict[str, list[Verdict]] = defaultdict(list)
    for sight, place in counted:
        if sight.is_path:
            verdicts[place.province].append(sight.verdict)
    turns: dict[str, list[_Turned]] = defaultdict(list)
    for one in turned:
        if one.sight.is_path:
            turns[one.place.province].append(one)
    return tuple(ProvinceCounts(name, summary_of(of), _by_turn(turns[name])) for name, of in sorted(verdicts.items()))
