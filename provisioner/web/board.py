"""The content of pages, from recorded verifications and watches. Pure.

A board is immutable. A user gets a board with the permitted part only (`readers.scoped`), and all pages come from it.
For each path the newest verification that covers it counts. Older verdicts of other paths stay, with their age: an old
`up` is shown as `old`. The worse one of a verification's and a watch's verdict is shown.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Final

from provisioner.base.groups import gathered
from provisioner.record.availability.measured import LONGEST_STANDING
from provisioner.record.lifecycle.state import AHEAD
from provisioner.verify.document import PathRow, VerifyDocument, finding_of, latest_rows
from provisioner.verify.result import NO_FINDING, Finding, PlacedFinding, ToLookAt, WithFinding
from provisioner.verify.watch_report import WatchWord
from provisioner.verify.work import NO_WORK, Work

WARNING: Final = "warning"  #: Shown for a finding of a host or device, which degrades no path.
OLD: Final = "old"  #: Shown instead of an `up` whose verification is too old.

#: Verdicts of paths, most urgent first.
WORST_FIRST: Final = ("down", "quarantined", "unknown", "degraded", OLD, "maintenance", "up")

_RANK: Final = {verdict: rank for rank, verdict in enumerate(WORST_FIRST)}
_PARTS = 3


@dataclass(frozen=True, slots=True)
class BoardPath(WithFinding):
    """A camera's path by the last verification, and by a watch."""

    name: str  #: e.g. `bac-giang/kcl-001/cam-03/sub`.
    facility: str
    camera: str
    stream: str
    carrier: str
    relay: str
    verdict: str  #: The shown one of `WORST_FIRST`.
    finding: Finding = NO_FINDING  #: Of the shown verdict.
    passed: tuple[int, ...] = ()
    checked_at: datetime | None = None
    since: datetime | None = None  #: The start of the present verdict, if known.
    proved_level: int = 0
    proved_at: datetime | None = None  #: The last full proof of a path that is not up, if remembered.
    until: datetime | None = None  #: The end of its maintenance window.
    reason: str = ""
    would_be: str = ""  #: Its verdict without that window.
    suspicions: tuple[ToLookAt, ...] = ()
    where: str = ""  #: The camera's location; empty if unknown.
    zone: str = ""  #: Empty if the inventory no longer has the camera.
    verified: str = ""  #: The verification's verdict if another one is shown.
    watch: WatchWord | None = None  #: `None` if no watch covers the path now.

    @property
    def by_watch(self) -> bool:
        """Whether the watch's verdict is shown, since it is worse."""
        return self.watch is not None and bool(self.verified) and self.verdict == self.watch.verdict

    def is_old(self, now: datetime) -> bool:
        """Return whether the path was up, but too long ago."""
        at = self.checked_at
        return self.verdict == "up" and not (at and -AHEAD <= now - at <= LONGEST_STANDING)

    def as_of(self, now: datetime, watch: WatchWord | None) -> "BoardPath":
        """Return the path with the worse verdict of verification and watch."""
        verdict = OLD if self.is_old(now) else self.verdict
        verified = "" if verdict == self.verdict else self.verdict
        if watch is None or rank(watch.verdict) >= rank(verdict):
            return replace(self, verdict=verdict, verified=verified, watch=watch)
        shown = replace(self, verdict=watch.verdict, finding=watch.finding, since=watch.since)
        return replace(shown, verified=self.verdict, watch=watch)


@dataclass(frozen=True, slots=True)
class FacilityRow:
    """A facility with its paths."""

    id: str
    name: str
    key: str  #: Name and id without diacritics, for search.
    province: str  #: The slug of its present province.
    carriers: tuple[str, ...]  #: Those of its plan and its paths.
    folder: str = ""  #: The slug in its paths and files; mergers of provinces do not change it.
    kind: str = ""
    managing_body: str = ""
    operating: str = ""
    address: str = ""
    state: str = ""  #: Its progress, e.g. `accepted`.
    timeliness: str = ""
    cameras: int = 0  #: The number in its file.
    counts: Mapping[str, int] = field(default_factory=dict)
    worst: str = ""  #: The worst verdict of its paths; empty if no host carries it.
    since: datetime | None = None  #: Since when its worst path has that verdict.
    paths: tuple[BoardPath, ...] = ()  #: Empty if only counts are known.
    reporters: tuple[str, ...] = ()  #: Of a view, the controllers that report it; the first one's word counts.


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRow(PlacedFinding):
    """An incident with its paths."""

    verdict: str = ""  #: The worst of its paths; `WARNING` without paths.
    since: datetime | None = None  #: The earliest of its paths.
    by_watch: bool = False  #: Whether only a watch knows of it.
    unnamed: int = 0  #: The number of its paths that no name is known of.

    @property
    def number(self) -> int:
        """The number of its paths."""
        return len(self.paths) or self.unnamed


@dataclass(frozen=True, slots=True)
class GroupRow:
    """Numbers of a province or carrier."""

    id: str  #: The slug, or the carrier's id.
    name: str
    facilities: int  #: All, also those that no host carries.
    counts: Mapping[str, int]
    incidents: int

    @property
    def paths(self) -> int:
        """The number of paths."""
        return sum(self.counts.values())

    @property
    def worst(self) -> str:
        """The worst verdict; empty without paths."""
        return worst_of(self.counts)


@dataclass(frozen=True)
class Board:
    """All content that pages may show."""

    inventory: str
    scheme: str  #: The list of provinces.
    verified_at: datetime | None  #: The end of the newest verification, if any.
    oldest_at: datetime | None  #: The end of the oldest verification that still counts.
    engine: str
    counts: Mapping[str, int]
    provinces: Mapping[str, GroupRow]  #: Those with a facility, by slug.
    carriers: Mapping[str, GroupRow]  #: Those with a facility or path, by id.
    facilities: tuple[FacilityRow, ...]
    incidents: tuple[IncidentRow, ...]
    unread: tuple[str, ...] = ()  #: Facilities with unreadable files.
    revision: str = ""  #: Changes with the content.
    watched: int = 0  #: Paths that a watch covers now.
    by_watch: int = 0  #: Those that the watch sees worse than their last verification.
    unread_reports: tuple[str, ...] = ()  #: Files of watches that cannot be read.
    #: Of a view over several controllers, the id, state and last report of each; empty otherwise.
    sources: tuple[tuple[str, str, datetime | None], ...] = ()
    work: Work = NO_WORK

    @cached_property
    def by_id(self) -> Mapping[str, FacilityRow]:
        """The facilities by id."""
        return {facility.id: facility for facility in self.facilities}

    @cached_property
    def by_relay(self) -> Mapping[str, Mapping[str, int]]:
        """The number of each relay's paths by verdict."""
        counts: dict[str, Counter[str]] = {}
        for path in self.paths:
            counts.setdefault(path.relay, Counter())[path.verdict] += 1
        return counts

    @property
    def paths(self) -> Iterator[BoardPath]:
        """All paths."""
        return (path for facility in self.facilities for path in facility.paths)


@dataclass(frozen=True, slots=True)
class Merged:
    """The results of several verifications."""

    #: The last row of each path of each relay, by name. During a change of carriers a path has two relays.
    paths: tuple[BoardPath, ...] = ()
    findings: tuple[IncidentRow, ...] = ()  #: The newest verification's incidents without paths.
    verified_at: datetime | None = None
    oldest_at: datetime | None = None
    engine: str = ""


def worst_of(counts: Mapping[str, int]) -> str:
    """Return the worst verdict with a count; empty if all are 0."""
    return min((verdict for verdict, number in counts.items() if number), key=rank, default="")


def rank(verdict: str) -> int:
    """Return a verdict's rank, 0 for the worst; unknown words come last."""
    return _RANK.get(verdict, len(WORST_FIRST))


def total(counts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    """Add counts up, worst verdict first."""
    summed: Counter[str] = Counter()
    for count in counts:
        summed.update(count)
    return {verdict: summed[verdict] for verdict in WORST_FIRST if summed[verdict]}


def with_paths(facility: FacilityRow, paths: Sequence[BoardPath]) -> FacilityRow:
    """Return a facility with other paths."""
    counts = total([Counter(path.verdict for path in paths)])
    worst = worst_of(counts)
    since = min((path.since for path in paths if path.verdict == worst and path.since), default=None)
    return replace(facility, paths=tuple(paths), counts=counts, worst=worst, since=since)


def by_province(
    facilities: Iterable[FacilityRow], incidents: Iterable[IncidentRow], names: Mapping[str, str]
) -> Mapping[str, GroupRow]:
    """Return the numbers of provinces with a facility, by slug."""
    groups: dict[str, list[FacilityRow]] = {}
    for facility in facilities:
        groups.setdefault(facility.province, []).append(facility)
    touched = Counter(slug for incident in incidents for slug in incident.provinces)
    return {
        slug: GroupRow(
            slug, names.get(slug, slug), len(facilities_of), total(f.counts for f in facilities_of), touched[slug]
        )
        for slug, facilities_of in sorted(groups.items())
    }


def by_carrier(
    facilities: Iterable[FacilityRow], incidents: Iterable[IncidentRow], names: Mapping[str, str]
) -> Mapping[str, GroupRow]:
    """Return the numbers of carriers with a facility or path, by id."""
    counts: dict[str, Counter[str]] = {}
    carrying: Counter[str] = Counter()
    for facility in facilities:
        carrying.update(facility.carriers)
        if facility.counts and not facility.paths:
            counts.setdefault(facility.carriers[0], Counter()).update(facility.counts)
        for path in facility.paths:
            counts.setdefault(path.carrier, Counter())[path.verdict] += 1
    touched = Counter(carrier for incident in incidents for carrier in incident.carriers)
    return {
        id_: GroupRow(id_, names.get(id_, id_), carrying[id_], total([counts.get(id_, {})]), touched[id_])
        for id_ in sorted({*counts, *carrying})
    }


def merged(documents: Sequence[VerifyDocument]) -> Merged:
    """Merge verifications, given oldest first."""
    last = latest_rows(documents)
    newest = documents[-1] if documents else None
    return Merged(
        paths=tuple(_board_path(row) for _, (_, row) in sorted(last.items()) if row.path.count("/") >= _PARTS),
        findings=tuple(_findings(newest)) if newest else (),
        verified_at=max((document.finished_at for document in documents), default=None),
        oldest_at=min((document.finished_at for document, _ in last.values()), default=None),
        engine=newest.engine if newest else "",
    )


def _findings(document: VerifyDocument) -> Iterator[IncidentRow]:
    """Yield findings of hosts and devices, with facility and carriers of each."""
    devices = {f"{device.facility}/{device.device}": device for device in document.devices or ()}
    of_devices = ((name, device.carrier) for name, device in devices.items())
    carriers = gathered([*((path.relay, path.carrier) for path in document.paths), *of_devices])
    for incident in document.incidents:
        if not incident.paths:
            own = sorted({*carriers[incident.object]} - {""})
            row = IncidentRow(finding_of(incident), verdict=WARNING, carriers=tuple(own))
            device = devices.get(incident.object)
            yield replace(row, facilities=(device.facility,)) if device else row


def _board_path(row: PathRow) -> BoardPath:
    failing, proof, window = row.failing, row.last_proof, row.maintenance
    return BoardPath(
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
