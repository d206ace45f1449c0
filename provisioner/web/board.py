"""The content of pages as values, from recorded verifications. Pure.

A board is made once and never changed. A reader gets a board of the permitted part alone (`readers.scoped`), and every
page is made from it. Of several verifications the newest knowledge of each path counts: a verification of one province,
or of a sample, says nothing of the other paths, so their older verdicts still stand, with their age.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

from provisioner.verify.document import DoubtRow, PathRow, VerifyDocument, finding_of, last_known
from provisioner.verify.result import NO_FINDING, Finding, WithFinding

WORST_FIRST: Final = ("down", "quarantined", "unknown", "degraded", "maintenance", "up")
"""The verdicts of paths, those first that somebody has to see to."""

_RANK: Final = {verdict: rank for rank, verdict in enumerate(WORST_FIRST)}
_PARTS = 3


@dataclass(frozen=True, slots=True)
class SeenPath(WithFinding):
    """One camera's path, as the last verification that looked at it has it.

    Attributes:
        name: the path, e.g. `bac-giang/kcl-001/cam-03/sub`.
        where: what the inventory says of the camera's place; empty where it says nothing.
        zone: the zone that it watches; empty where the inventory has no such camera any more.
        verdict: one of `WORST_FIRST`.
        passed: the levels that passed.
        since: since when it is as it is; None where nobody knows.
        proved_at: when it was last proved to its end, where it is not up, and as far as it is remembered.
        until: the end of its maintenance window.
        would_be: its verdict without that window.
    """

    name: str
    facility: str
    camera: str
    stream: str
    carrier: str
    relay: str
    verdict: str
    finding: Finding = NO_FINDING
    passed: tuple[int, ...] = ()
    checked_at: datetime | None = None
    since: datetime | None = None
    proved_level: int = 0
    proved_at: datetime | None = None
    until: datetime | None = None
    reason: str = ""
    would_be: str = ""
    suspicions: tuple[DoubtRow, ...] = ()
    where: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True)
class FacilityRow:
    """One facility with its paths.

    Attributes:
        key: its name and id as they are searched: without marks.
        province: the slug of the province under which it is counted today.
        folder: the slug under which its paths and files are: no merger of provinces changes it.
        carriers: the carriers of its plan and of its paths.
        state: where it stands, e.g. `accepted`.
        worst: the worst verdict of its paths; empty where no host carries it.
        since: since when its worst path is so.
        cameras: how many cameras its file has.
    """

    id: str
    name: str
    key: str
    province: str
    carriers: tuple[str, ...]
    folder: str = ""
    kind: str = ""
    managing_body: str = ""
    operating: str = ""
    address: str = ""
    state: str = ""
    timeliness: str = ""
    cameras: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    worst: str = ""
    since: datetime | None = None
    paths: tuple[SeenPath, ...] = ()


@dataclass(frozen=True, slots=True)
class IncidentRow(WithFinding):
    """One broken thing, with the paths that hang on it.

    Attributes:
        verdict: the worst verdict of its paths; empty where none hangs on it.
        since: since when the first of them is so.
    """

    finding: Finding
    verdict: str
    since: datetime | None = None
    paths: tuple[str, ...] = ()
    facilities: tuple[str, ...] = ()
    provinces: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupRow:
    """The paths of one province or of one carrier, counted.

    Attributes:
        id: the slug, or the carrier's id.
        facilities: how many facilities, with those that no host carries.
        incidents: how many incidents touch it.
    """

    id: str
    name: str
    facilities: int
    counts: Mapping[str, int]
    incidents: int

    @property
    def paths(self) -> int:
        """How many paths."""
        return sum(self.counts.values())

    @property
    def worst(self) -> str:
        """The worst verdict among them; empty where there is no path."""
        return worst_of(self.counts)


@dataclass(frozen=True)
class Board:
    """All that may be shown of one moment.

    Attributes:
        inventory: the inventory's id.
        scheme: the list of provinces that it uses.
        verified_at: when the newest verification ended; None where there was none.
        oldest_at: when the oldest word that still counts was given.
        engine: what serves the paths, as it names itself.
        counts: how many paths have each verdict, the worst first.
        provinces: those that have a facility, by slug.
        carriers: those that carry something, by id.
        facilities: in the order of provinces and ids.
        incidents: the worst first.
        unread: facilities whose files cannot be understood.
        revision: changes with every change of what is shown.
    """

    inventory: str
    scheme: str
    verified_at: datetime | None
    oldest_at: datetime | None
    engine: str
    counts: Mapping[str, int]
    provinces: Mapping[str, GroupRow]
    carriers: Mapping[str, GroupRow]
    facilities: tuple[FacilityRow, ...]
    incidents: tuple[IncidentRow, ...]
    unread: tuple[str, ...] = ()
    revision: str = ""

    @cached_property
    def by_id(self) -> Mapping[str, FacilityRow]:
        """The facilities by id."""
        return {facility.id: facility for facility in self.facilities}

    @property
    def paths(self) -> Iterator[SeenPath]:
        """All paths."""
        return (path for facility in self.facilities for path in facility.paths)


@dataclass(frozen=True, slots=True)
class Merged:
    """All that verifications said of paths.

    Attributes:
        paths: the last word on each path of each relay, in the order of names: while one carrier takes over from
            another, a path comes over both.
        hosts: what is wrong with hosts themselves, as the newest verification has it: no path hangs on it.
        verified_at: when the newest verification ended.
        oldest_at: when the oldest of those ended that is some path's last word.
        engine: what serves the paths.
    """

    paths: tuple[SeenPath, ...] = ()
    hosts: tuple[IncidentRow, ...] = ()
    verified_at: datetime | None = None
    oldest_at: datetime | None = None
    engine: str = ""


def worst_of(counts: Mapping[str, int]) -> str:
    """The worst verdict that is counted; empty where nothing is."""
    return min((verdict for verdict, number in counts.items() if number), key=rank, default="")


def rank(verdict: str) -> int:
    """A verdict's place, 0 for the worst; what is none comes last."""
    return _RANK.get(verdict, len(WORST_FIRST))


def total(counts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    """Counts added up, the worst first."""
    summed: Counter[str] = Counter()
    for one in counts:
        summed.update(one)
    return {verdict: summed[verdict] for verdict in WORST_FIRST if summed[verdict]}


def by_province(
    facilities: Iterable[FacilityRow], incidents: Iterable[IncidentRow], names: Mapping[str, str]
) -> Mapping[str, GroupRow]:
    """The provinces that have a facility, by slug."""
    groups: dict[str, list[FacilityRow]] = {}
    for facility in facilities:
        groups.setdefault(facility.province, []).append(facility)
    touched = Counter(slug for incident in incidents for slug in incident.provinces)
    return {
        slug: GroupRow(slug, names.get(slug, slug), len(of), total(f.counts for f in of), touched[slug])
        for slug, of in sorted(groups.items())
    }


def by_carrier(
    facilities: Iterable[FacilityRow], incidents: Iterable[IncidentRow], names: Mapping[str, str]
) -> Mapping[str, GroupRow]:
    """The carriers that carry something, by id."""
    counts: dict[str, Counter[str]] = {}
    carrying: Counter[str] = Counter()
    for facility in facilities:
        carrying.update(facility.carriers)
        for path in facility.paths:
            counts.setdefault(path.carrier, Counter())[path.verdict] += 1
    touched = Counter(carrier for incident in incidents for carrier in incident.carriers)
    return {
        id_: GroupRow(id_, names.get(id_, id_), carrying[id_], total([counts.get(id_, {})]), touched[id_])
        for id_ in sorted({*counts, *carrying})
    }


def merged(documents: Sequence[VerifyDocument]) -> Merged:
    """Put verifications together, the oldest first."""
    last = last_known(documents)
    newest = documents[-1] if documents else None
    return Merged(
        paths=tuple(_seen(row) for _, (_, row) in sorted(last.items()) if row.path.count("/") >= _PARTS),
        hosts=tuple(IncidentRow(finding_of(one), "") for one in (newest.incidents if newest else ()) if not one.paths),
        verified_at=max((document.finished_at for document in documents), default=None),
        oldest_at=min((document.finished_at for document, _ in last.values()), default=None),
        engine=newest.engine if newest else "",
    )


def _seen(row: PathRow) -> SeenPath:
    failing, proof, window = row.failing, row.last_proof, row.maintenance
    return SeenPath(
        name=row.path,
        facility=row.facility,
        camera=row.camera,
        stream=row.path.rpartition("/")[2],
        carrier=row.carrier,
        relay=row.relay,
        verdict=row.verdict,
        finding=finding_of(row),
        passed=row.passed,
        checked_at=row.checked_at,
        since=failing.since if failing else None,
        proved_level=proof.level if proof else 0,
        proved_at=proof.at if proof else None,
        until=window.until if window else None,
        reason=window.reason if window else "",
        would_be=window.would_be if window else "",
        suspicions=row.to_look_at,
    )
