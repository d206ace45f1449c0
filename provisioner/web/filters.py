"""Filters, lists and links of pages, and actions for causes. Pure.

Links are relative, so pages work on a server and as files. Incidents are grouped from the paths that the user sees.
The sentences of actions are those of docs/daily/watching.md.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

from provisioner.base.groups import gathered
from provisioner.base.language import Language
from provisioner.base.vietnamese import fold
from provisioner.verify.incidents import NO_INCIDENT, incident_causes, incident_details
from provisioner.verify.result import Finding
from provisioner.web import board as boards
from provisioner.web.board import total

PAGE_SIZE: Final = 100

NOT_CARRIED: Final = "none"  #: Filter for facilities that no host carries, instead of a verdict.

SORTS: Final = ("worst", "name", "since")
_LONGEST: Final = 200
_MOST_PAGES: Final = 100_000
T = TypeVar("T")
_ORDERS = {
    "worst": lambda one: (boards.rank(one.worst), -(one.counts.get(one.worst, 0)), one.province, one.id),
    "name": lambda one: (one.key, one.id),
    "since": lambda one: (boards.rank(one.worst), _since(one), one.id),
}
OVERVIEW, INCIDENTS, FACILITIES = "", "incidents", "facilities"
CHANGES, HOSTS, WAITING = OF_WORK = "changes", "hosts", "waiting"
_VERDICTS: Final = (*boards.WORST_FIRST, boards.WARNING)


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a request; unknown values, of old links, are ignored."""

    q: str = ""  #: Words of a name or id, with or without diacritics.
    province: str = ""
    carrier: str = ""
    verdict: str = ""  #: The worst verdict, or `none`.
    layer: str = ""
    host: str = ""
    sort: str = SORTS[0]
    page: int = 1  #: From 1.

    @property
    def pairs(self) -> Mapping[str, str]:
        """The parameters of an address, without defaults."""
        values = {key: str(value) for key, value in asdict(self).items() if value}
        always = {"sort": SORTS[0], "page": "1"}
        return {key: value for key, value in values.items() if always.get(key) != value}

    def at(self, page: int) -> Mapping[str, str]:
        """Return the parameters of another page of the list."""
        return replace(self, page=page).pairs

    @property
    def is_all(self) -> bool:
        """Whether no filter is set."""
        return not (self.q or self.province or self.carrier or self.verdict or self.layer or self.host)


@dataclass(frozen=True, slots=True)
class ListPart:
    """The position of one page in a list."""

    number: int  #: At most `pages`.
    pages: int  #: At least 1.
    total: int  #: The number of items.
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Links:
    """Relative addresses from one page."""

    language: Language
    page: str = OVERVIEW  #: The page's own address below its language, e.g. `facilities/kcl-001`.
    suffix: str = ""  #: Of files; empty on a server.
    query: str = ""
    stamp: str = ""  #: The version of scripts and styles, for caches.

    @property
    def is_file(self) -> bool:
        """Whether pages are files, which have no forms."""
        return bool(self.suffix)

    @property
    def top(self) -> str:
        """The relative path to the folder of all languages."""
        return "../" * (1 + self.page.count("/"))

    def to(self, page: str, /, **query: str) -> str:
        """Return the address of a page in this language."""
        named = [(key, value) for key, value in query.items() if value]
        file = quote(page) + self.suffix if page else f"index{self.suffix}" if self.suffix else ""
        return f"{self.top}{self.language.value}/{file}{'?' + urlencode(named) if named else ''}"

    def facility(self, id_: str) -> str:
        """Return the address of a facility's page."""
        return self.to(f"{FACILITIES}/{id_}")

    def province(self, slug: str) -> str:
        """Return the address of a province's page."""
        return self.to(f"provinces/{slug}")

    def contacts(self, id_: str) -> str:
        """Return the address of a facility's contacts, on a server only."""
        return self.to(f"contacts/{id_}")

    def asset(self, name: str) -> str:
        """Return the address of a script or style."""
        return f"{self.top}assets/{name}{'?v=' + self.stamp if self.stamp and not self.suffix else ''}"

    def events(self) -> str:
        """Return the address of the event stream."""
        return f"{self.top}events"

    def in_language(self, language: Language) -> str:
        """Return this page's address in another language."""
        address = replace(self, language=language).to(self.page)
        return f"{address}?{self.query}" if self.query else address


def read_filters(values: Mapping[str, str]) -> Filters:
    """Parse the filters of an address."""
    verdict, sort, page = values.get("verdict", ""), values.get("sort", ""), values.get("page", "")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < len(str(_MOST_PAGES)) else 1
    return Filters(
        q=values.get("q", "")[:_LONGEST],
        province=values.get("province", "")[:_LONGEST],
        carrier=values.get("carrier", "")[:_LONGEST],
        verdict=verdict if verdict in {*_VERDICTS, NOT_CARRIED} else "",
        layer=values.get("layer", "")[:_LONGEST],
        host=values.get("host", "")[:_LONGEST],
        sort=sort if sort in SORTS else SORTS[0],
        page=max(1, number),
    )


def choose_facilities(board: boards.Board, choice: Filters) -> Sequence[boards.FacilityRow]:
    """Filter and sort facilities."""
    terms = fold(choice.q).split("-") if fold(choice.q) else []
    if choice.q.strip() and not terms:
        return ()
    verdict = "" if choice.verdict == NOT_CARRIED else choice.verdict
    chosen = [
        facility
        for facility in board.facilities
        if (not choice.province or facility.province == choice.province)
        and (not choice.carrier or choice.carrier in facility.carriers)
        and (not choice.verdict or facility.worst == verdict)
        and (not terms or all(term in facility.key for term in terms))
    ]
    return sorted(chosen, key=_ORDERS[choice.sort]) if choice.sort in _ORDERS else chosen


def _since(facility: boards.FacilityRow) -> float:
    return facility.since.timestamp() if facility.since else float("inf")


def choose_incidents(board: boards.Board, choice: Filters) -> Sequence[boards.IncidentRow]:
    """Filter incidents, worst first."""
    terms = fold(choice.q).split("-") if fold(choice.q) else []
    return [
        incident
        for incident in board.incidents
        if (not choice.province or choice.province in incident.provinces)
        and (not choice.carrier or choice.carrier in incident.carriers)
        and (not choice.verdict or incident.verdict == choice.verdict)
        and (not choice.layer or incident.layer == choice.layer)
        and all(term in fold(f"{incident.object} {incident.cause}") for term in terms)
    ]


def part_of(listed: Sequence[T], page: int, size: int = PAGE_SIZE) -> tuple[ListPart, Sequence[T]]:
    """Return one page of a list; size 0 returns all items."""
    size = size or max(1, len(listed))
    pages = max(1, -(-len(listed) // size))
    number = min(page, pages)
    first = (number - 1) * size
    rows = listed[first : first + size]
    return ListPart(number, pages, len(listed), first + 1 if rows else 0, first + len(rows)), rows


def with_facilities(
    board: boards.Board, facilities: Sequence[boards.FacilityRow], findings: Iterable[boards.IncidentRow]
) -> boards.Board:
    """Return a board with other facilities, and numbers and incidents of these."""
    names = {group.id: group.name for group in (*board.provinces.values(), *board.carriers.values())}
    incidents = incidents_of(facilities, findings)
    return replace(
        board,
        counts=total(facility.counts for facility in facilities),
        provinces=boards.by_province(facilities, incidents, names),
        carriers=boards.by_carrier(facilities, incidents, names),
        facilities=tuple(facilities),
        incidents=incidents,
        watched=sum(path.watch is not None for facility in facilities for path in facility.paths),
        by_watch=sum(path.by_watch for facility in facilities for path in facility.paths),
    )


def incidents_of(
    facilities: Iterable[boards.FacilityRow], findings: Iterable[boards.IncidentRow]
) -> tuple[boards.IncidentRow, ...]:
    """Group facilities' failing paths into incidents, worst and largest first.

    Of `findings`, which have no path, those of other facilities are left out.
    """
    by_id = {facility.id: facility for facility in facilities}
    failing = (path for facility in by_id.values() for path in facility.paths if path.verdict not in NO_INCIDENT)
    groups = gathered(
        (Finding(cause, path.layer, path.object), (path, by_id[path.facility]))
        for path, cause in incident_causes(failing)
        if path.layer
    )
    incidents = [_incident(key, affected) for key, affected in groups.items()]
    placed = (
        replace(one, provinces=tuple(sorted({by_id[id_].province for id_ in one.facilities})))
        for one in findings
        if by_id.keys() >= {*one.facilities}
    )
    return tuple(sorted([*incidents, *placed], key=_sort_key))


def _incident(finding: Finding, affected: Sequence[tuple[boards.BoardPath, boards.FacilityRow]]) -> boards.IncidentRow:
    return boards.IncidentRow(
        finding=replace(finding, detail="; ".join(filter(None, incident_details([path for path, _ in affected])))),
        verdict=boards.worst_of(Counter(path.verdict for path, _ in affected)),
        since=min((path.since for path, _ in affected if path.since), default=None),
        paths=tuple(path.name for path, _ in affected),
        facilities=tuple(sorted({facility.id for _, facility in affected})),
        provinces=tuple(sorted({facility.province for _, facility in affected})),
        carriers=tuple(sorted({path.carrier for path, _ in affected})),
        by_watch=all(path.by_watch for path, _ in affected),
    )


def _sort_key(incident: boards.IncidentRow) -> tuple[int, int, int, str, str]:
    return (
        _VERDICTS.index(incident.verdict),
        -len(incident.paths),
        incident.finding.rank,
        incident.object,
        incident.cause,
    )
