"""The looks of many nights at the paths of a place, in columns: one a path, each as long as there were sweeps. Pure.

A sweep is what one run saw of a province: a byte a path in two planes (`kept`). Most sweeps have the same paths, and
most paths look alike night after night, so that the work is done once for each column that is unlike the others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Final, Generic, TypeVar

from provisioner.availability.kept import ABSENT

_NOTHING: Final = bytes([ABSENT])
_ALL_BYTES: Final = 256
_OWN_WORDS: Final = _ALL_BYTES - 1
OTHER: Final = "another cause"
"""What stands for causes beyond those that a byte can tell apart; there never were so many."""
_T = TypeVar("_T")


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


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one run saw of a province.

    Attributes:
        at: when the run ended, in microseconds since 1970.
        order: which of two runs that ended at the same moment counts as later.
        marks: a byte a path.
        causes: a byte a path, the place of its cause in `words`.
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
        causes: likewise; the places of causes in `words`.
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


EMPTY: Final = LookTable((), (), (), b"", b"")


def table_of(sweeps: Iterable[Sweep], prefix: str = "") -> LookTable:
    """The looks at the paths of one province that begin with a prefix, in whatever order the sweeps come."""
    ordered = sorted(sweeps, key=lambda sweep: (sweep.at, sweep.order))
    if not ordered:
        return EMPTY
    cuts = {id(sweep.listing): sweep.listing.within(prefix) for sweep in ordered}
    carriers: dict[str, str] = {}
    for listing in {id(sweep.listing): sweep.listing for sweep in reversed(ordered)}.values():
        cut = cuts[id(listing)]
        names = slice(cut.start, cut.stop)
        carriers = dict(zip(listing.paths[names], listing.carriers[names], strict=True)) | carriers
    paths = tuple(sorted(carriers))
    moves = {id(sweep.listing): _moves(sweep.listing, cuts[id(sweep.listing)], paths) for sweep in ordered}
    words: dict[str, int] = {"": 0}
    marks = b"".join(_spread(sweep.marks, moves[id(sweep.listing)], len(paths), _NOTHING) for sweep in ordered)
    causes = b"".join(
        _spread(sweep.causes.translate(_places_in(words, sweep.words)), moves[id(sweep.listing)], len(paths), b"\0")
        for sweep in ordered
    )
    moments = tuple(sweep.at for sweep in ordered)
    return LookTable(paths, tuple(carriers[path] for path in paths), moments, marks, causes, tuple(words))


Move = tuple[slice, slice]


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


def _places_in(words: dict[str, int], own: Sequence[str]) -> bytes:
    """The table that takes the places of a sweep's causes to those in a common list, which grows by them."""
    places = [words.setdefault(word if word in words or len(words) < _OWN_WORDS else OTHER, len(words)) for word in own]
    return bytes(places + [0] * (_ALL_BYTES - len(places)))
