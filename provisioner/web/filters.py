"""Which facilities and incidents a reader asked for, in the words of the address bar. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, TypeVar

from provisioner.base.vietnamese import fold
from provisioner.web.board import WORST_FIRST, Board, FacilityRow, IncidentRow, rank

PAGE_SIZE: Final = 100
NOT_CARRIED: Final = "none"
"""What is asked for instead of a verdict: facilities that no host carries."""
SORTS: Final = ("worst", "name", "since")
_LONGEST: Final = 200
_MOST_PAGES: Final = 100_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Filters:
    """What was asked for; a word that is none of these is left out, as a link may be old.

    Attributes:
        q: words of a facility's name or id, with marks or without.
        verdict: the worst verdict of a facility or an incident, or `none`.
        sort: the order of facilities.
        page: from 1.
    """

    q: str = ""
    province: str = ""
    carrier: str = ""
    verdict: str = ""
    layer: str = ""
    sort: str = SORTS[0]
    page: int = 1

    @property
    def pairs(self) -> Mapping[str, str]:
        """The choice as it stands in an address: what is as always is left out."""
        values = {key: str(value) for key, value in asdict(self).items() if value}
        always = {"sort": SORTS[0], "page": "1"}
        return {key: value for key, value in values.items() if always.get(key) != value}

    def at(self, page: int) -> Mapping[str, str]:
        """The address of another page of the same list."""
        return replace(self, page=page).pairs

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return not (self.q or self.province or self.carrier or self.verdict or self.layer)


def read_filters(values: Mapping[str, str]) -> Filters:
    """What an address asks for."""
    verdict, sort, page = values.get("verdict", ""), values.get("sort", ""), values.get("page", "")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < len(str(_MOST_PAGES)) else 1
    return Filters(
        q=values.get("q", "")[:_LONGEST],
        province=values.get("province", "")[:_LONGEST],
        carrier=values.get("carrier", "")[:_LONGEST],
        verdict=verdict if verdict in {*WORST_FIRST, NOT_CARRIED} else "",
        layer=values.get("layer", "")[:_LONGEST],
        sort=sort if sort in SORTS else SORTS[0],
        page=max(1, number),
    )


def choose_facilities(board: Board, choice: Filters) -> Sequence[FacilityRow]:
    """The facilities that were asked for, in the order that was asked for."""
    words = fold(choice.q).split("-") if fold(choice.q) else []
    if choice.q.strip() and not words:
        return ()
    verdict = "" if choice.verdict == NOT_CARRIED else choice.verdict
    chosen = [
        one
        for one in board.facilities
        if (not choice.province or one.province == choice.province)
        and (not choice.carrier or choice.carrier in one.carriers)
        and (not choice.verdict or one.worst == verdict)
        and all(word in one.key for word in words)
    ]
    return sorted(chosen, key=_ORDERS[choice.sort]) if choice.sort in _ORDERS else chosen


def _since(facility: FacilityRow) -> float:
    return facility.since.timestamp() if facility.since else float("inf")


_ORDERS = {
    "worst": lambda one: (rank(one.worst), -(one.counts.get(one.worst, 0)), one.province, one.id),
    "name": lambda one: (one.key, one.id),
    "since": lambda one: (rank(one.worst), _since(one), one.id),
}


def choose_incidents(board: Board, choice: Filters) -> Sequence[IncidentRow]:
    """The incidents that were asked for, the worst first."""
    words = fold(choice.q).split("-") if fold(choice.q) else []
    return [
        one
        for one in board.incidents
        if (not choice.province or choice.province in one.provinces)
        and (not choice.carrier or choice.carrier in one.carriers)
        and (not choice.verdict or one.verdict == choice.verdict)
        and (not choice.layer or one.layer == choice.layer)
        and all(word in fold(f"{one.object} {one.cause}") for word in words)
    ]


@dataclass(frozen=True, slots=True)
class ListPart:
    """One page of a list.

    Attributes:
        number: which page; the last one where a later one was asked for.
        pages: how many there are, at least one.
        total: how many there are in all.
    """

    number: int
    pages: int
    total: int
    first: int
    last: int


def part_of(listed: Sequence[T], page: int, size: int = PAGE_SIZE) -> tuple[ListPart, Sequence[T]]:
    """One page of a list; a size of 0 takes all."""
    size = size or max(1, len(listed))
    pages = max(1, -(-len(listed) // size))
    number = min(page, pages)
    first = (number - 1) * size
    shown = listed[first : first + size]
    return ListPart(number, pages, len(listed), first + 1 if shown else 0, first + len(shown)), shown


def layers_of(incidents: Iterable[IncidentRow]) -> Sequence[str]:
    """The layers that incidents are of, for a list to choose from."""
    return sorted({one.layer for one in incidents})
