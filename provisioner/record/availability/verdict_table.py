"""Looks of many nights at paths, in columns. Pure.

A sweep is what one run saw of a province: a byte a path in two planes. A path's column is as long as there were sweeps.
Most sweeps have the same paths, so that their planes are joined as they are.

A look at a path is kept for years in two bytes. The first byte, the mark, has the verdict in its three lowest bits,
whether a maintenance window was open in the fourth, and the level in the upper four. The second is the place of the
cause in a list of words that is kept beside them, so that a cause that is renamed later does not change the past. A
path that nobody looked at has the mark `ABSENT`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Final, Generic, NamedTuple, TypeVar

VERDICTS: Final = ("up", "degraded", "down", "quarantined", "unknown")
"""The words of verdicts; the place of each is what its mark says, for ever. Maintenance is a flag, not a verdict."""
UP: Final = VERDICTS[0]
ABSENT: Final = 0xFF
HIGHEST_LEVEL: Final = 15

_MAINTENANCE: Final = 0b1000
MARKS: Final = frozenset(
    place | flag | level << 4
    for place in range(len(VERDICTS))
    for flag in (0, _MAINTENANCE)
    for level in range(HIGHEST_LEVEL + 1)
)
"""Every mark that a look can have."""
_PLACES: Final = {verdict: place for place, verdict in enumerate(VERDICTS)}
_NOTHING: Final = bytes([ABSENT])
_ALL_BYTES: Final = 256
_OWN_WORDS: Final = _ALL_BYTES - 1
OTHER: Final = "another cause"
"""What stands for causes beyond those that a byte can tell apart; there never were so many."""
_T = TypeVar("_T")
Move = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class KeptVerdict:
    """What is kept of one look at a path.

    Attributes:
        verdict: one of `VERDICTS`: what was said of it, or would have been without a maintenance window.
        cause: why it was not up, in the words of that day.
        level: the highest level that it reached.
        maintenance: whether a maintenance window was open.
    """

    verdict: str
    cause: str = ""
    level: int = 0
    maintenance: bool = False


@dataclass(frozen=True, slots=True)
class SweptPaths:
    """What one run saw of paths, to be kept.

    Attributes:
        verdicts: by the name of each path that it looked at.
        carriers: the carriers of all paths that it knew, those that it did not look at among them.
        whole: whether those are all paths of each province that it names; a limit leaves some out.
    """

    verdicts: Mapping[str, KeptVerdict]
    carriers: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True


UNREAD: Final = KeptVerdict("unknown", "record damaged")
"""What stands for a look whose record is damaged: nobody knows what it saw."""


class ByPath(Mapping[str, _T], Generic[_T]):
    """What is said of paths, by their names.

    Attributes:
        damaged: which records could not be read for it: nobody knows what they saw.
        unproved: how many records are not proved by the vault's key, which is open.
        carriers: the carrier that each path had last.
    """

    def __init__(
        self,
        of: Mapping[str, _T],
        damaged: Sequence[str] = (),
        unproved: int = 0,
        carriers: Mapping[str, str] | None = None,
    ) -> None:
        self._of = of
        self.damaged = tuple(damaged)
        self.unproved = unproved
        self.carriers: Mapping[str, str] = carriers or {}

    def __getitem__(self, path: str) -> _T:
        return self._of[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)


@dataclass(frozen=True, slots=True)
class Listing:
    """The paths of a province as runs knew them: sorted names, and the carrier of each.

    Attributes:
        carriers: the carrier of each path as it was then, in the same order.
    """

    paths: tuple[str, ...]
    carriers: tuple[str, ...]

    def within(self, prefix: str) -> range:
        """The places of the paths that begin with a prefix."""
        first = bisect_left(self.paths, prefix)
        if not prefix:
            return range(len(self.paths))
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return range(first, bisect_left(self.paths, after, first))


class Sweep(NamedTuple):
    """What one run saw of a province.

    Attributes:
        at: when the run ended, in microseconds since 1970.
        order: which of two runs that ended at the same moment counts as later.
        marks: a byte a path.
        causes: a byte a path, the place of its cause in `words`; empty where nobody asked why.
    """

    at: int
    order: str
    listing: Listing
    marks: bytes
    causes: bytes
    words: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class LookTable:
    """All looks at some paths, the earliest sweep first.

    Attributes:
        paths: their names in order.
        carriers: the carrier that each had last.
        moments: when each sweep was, in microseconds since 1970.
        marks: a byte for each path in each sweep, sweep after sweep.
        causes: likewise; the places of causes in `words`; empty where nobody asked why.
    """

    paths: tuple[str, ...]
    carriers: tuple[str, ...]
    moments: tuple[int, ...]
    marks: bytes = field(repr=False)
    causes: bytes = field(repr=False)
    words: tuple[str, ...] = ("",)

    def column(self, place: int) -> bytes:
        """The marks of one path."""
        return self.marks[place :: len(self.paths)]

    def cause_column(self, place: int) -> bytes:
        """The causes of one path."""
        return self.causes[place :: len(self.paths)]

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each path."""
        return {path: place for place, path in enumerate(self.paths)}

    def until(self, at: int) -> int:
        """How many sweeps there were until a moment, it included."""
        return bisect_left(self.moments, at + 1)


def mark_of(kept: KeptVerdict) -> int:
    """The mark of a look.

    Raises:
        ValueError: its verdict or its level is none.
    """
    if kept.verdict not in _PLACES or not 0 <= kept.level <= HIGHEST_LEVEL:
        raise ValueError("a look has a verdict and a level")
    return _PLACES[kept.verdict] | (_MAINTENANCE if kept.maintenance else 0) | kept.level << 4


def kept_of(mark: int, cause: str) -> KeptVerdict:
    """The look of a mark.

    Raises:
        ValueError: no look has that mark.
    """
    if mark not in MARKS:
        raise ValueError("no look has this mark")
    return KeptVerdict(VERDICTS[mark & 0b111], cause, mark >> 4, bool(mark & _MAINTENANCE))


def table_of(sweeps: Iterable[Sweep], prefix: str = "", *, with_causes: bool = True) -> LookTable:
    """The looks at the paths of one province that begin with a prefix, in whatever order the sweeps come."""
    ordered = sorted(sweeps, key=lambda sweep: (sweep.at, sweep.order))
    if not ordered:
        return LookTable((), (), (), b"", b"")
    listings = {id(sweep.listing): sweep.listing for sweep in reversed(ordered)}
    cuts = {name: listing.within(prefix) for name, listing in listings.items()}
    paths, carriers = _latest(listings, cuts)
    moves = {name: _moves(listing, cuts[name], paths) for name, listing in listings.items()}
    marks = b"".join(_spread(sweep.marks, moves[id(sweep.listing)], len(paths), _NOTHING) for sweep in ordered)
    moments = tuple(sweep.at for sweep in ordered)
    if not with_causes:
        return LookTable(paths, carriers, moments, marks, b"")
    words = _Words()
    causes = b"".join(_spread(words.common(sweep), moves[id(sweep.listing)], len(paths), b"\0") for sweep in ordered)
    return LookTable(paths, carriers, moments, marks, causes, tuple(words.places))


def _latest(listings: Mapping[int, Listing], cuts: Mapping[int, range]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All paths in order, and the carrier that each had last.

    Args:
        listings: the latest first.
        cuts: which places of each are meant.
    """
    parts = [(listing, slice(cuts[name].start, cuts[name].stop)) for name, listing in listings.items()]
    if len(parts) == 1:
        ((listing, part),) = parts
        return listing.paths[part], listing.carriers[part]
    carriers: dict[str, str] = {}
    for listing, part in reversed(parts):
        carriers |= zip(listing.paths[part], listing.carriers[part], strict=True)
    paths = tuple(sorted(carriers))
    return paths, tuple(carriers[path] for path in paths)


def _moves(listing: Listing, cut: range, paths: Sequence[str]) -> tuple[Move, ...]:
    """Which bytes of a sweep go where, in as few pieces as there are."""
    if listing.paths[cut.start : cut.stop] == paths:
        return ((slice(cut.start, cut.stop), slice(0, len(paths))),)
    to = {path: place for place, path in enumerate(paths)}
    goes = [(place, to[listing.paths[place]]) for place in cut]
    breaks = [i for i, (one, other) in enumerate(pairwise(goes), 1) if other[1] != one[1] + 1]
    pieces = pairwise([0, *breaks, len(goes)])
    return tuple(
        (slice(goes[a][0], goes[b - 1][0] + 1), slice(goes[a][1], goes[b - 1][1] + 1)) for a, b in pieces if b > a
    )


def _spread(plane: bytes, moves: Sequence[Move], width: int, nothing: bytes) -> bytes:
    if len(moves) == 1 and moves[0][1] == slice(0, width):
        return plane[moves[0][0]]
    spread = bytearray(nothing * width)
    for source, target in moves:
        spread[target] = plane[source]
    return bytes(spread)


class _Words:
    """The words of causes of several sweeps in one list, which grows by them.

    Attributes:
        places: the place of each.
    """

    def __init__(self) -> None:
        self.places: dict[str, int] = {"": 0}
        self._known: dict[tuple[str, ...], bytes] = {}

    def common(self, sweep: Sweep) -> bytes:
        """The causes of a sweep as places in the common list."""
        if sweep.words not in self._known:
            places = bytes(map(self._place, sweep.words))
            self._known[sweep.words] = places.ljust(_ALL_BYTES, b"\0")
        return sweep.causes.translate(self._known[sweep.words])

    def _place(self, word: str) -> int:
        is_room = word in self.places or len(self.places) < _OWN_WORDS
        return self.places.setdefault(word if is_room else OTHER, len(self.places))
