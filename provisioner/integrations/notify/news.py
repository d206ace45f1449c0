"""A night's results, and one receiver's news of it, by role. Pure.

Data that a receiver may not see is removed here, before any text is made.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from typing import Final

from provisioner.base.groups import gathered, grouped
from provisioner.base.roles import Matter, Reach, ReaderScope, Whereabouts
from provisioner.base.text import VIETNAM
from provisioner.verify.document import HostRow, IncidentRow, PathRow, VerifyDocument, finding_of
from provisioner.verify.incidents import incident_causes
from provisioner.verify.result import NO_FINDING, Cause, Finding, Layer, PlacedFinding, Verdict, WithFinding, summary_of

HOST_ITEM: Final = "host:"  #: The prefix of hosts' names.
DEVICE_ITEM: Final = "device:"  #: The prefix of names of devices with own findings.
ITSELF: Final = (HOST_ITEM, DEVICE_ITEM)  #: The prefixes of all names except paths'.
_OF_DEVICES: Final = frozenset({Layer.CAMERA, Layer.RECORDER})
_SILENT: Final = frozenset({Verdict.MAINTENANCE})
_ANSWERED: Final = "answered"
Since = Callable[[str, Verdict], datetime | None]


def _by_nobody(_path: str, _verdict: Verdict) -> None:
    """The default without a record."""


@dataclass(frozen=True, slots=True)
class NightItem(WithFinding):
    """A path's result, or a fault of a host or device itself."""

    name: str  #: A path, or `host:` or `device:` with the id and the cause.
    relay: str  #: The path's relay, since a facility that changes its carrier has two; empty for a host or device.
    facility: str  #: Of the path or device; empty for a host.
    carriers: frozenset[str]  #: The path's or device's carrier, or all with paths on the host.
    verdict: Verdict
    finding: Finding = NO_FINDING
    since: date | None = None  #: The start of the verdict in Vietnam, if known.

    @property
    def key(self) -> str:
        """The key in notices."""
        return path_key(self.name, self.relay) if self.relay else self.name

    @property
    def is_path(self) -> bool:
        """Whether it is a path."""
        return not self.name.startswith(ITSELF)

    @property
    def is_device(self) -> bool:
        """Whether it is a device's own fault, whatever its paths."""
        return self.name.startswith(DEVICE_ITEM)


@dataclass(frozen=True)
class NightReport:
    """A night's results for notices."""

    inventory: str
    run: str  #: Empty if it could not be recorded.
    at: datetime
    sights: tuple[NightItem, ...]  #: Measured paths, and faults of hosts and devices themselves.
    #: Keys of paths without a result: not asked for, or in a maintenance window.
    silent: frozenset[str] = field(default_factory=frozenset)
    unasked: frozenset[str] = field(default_factory=frozenset)  #: Hosts of the inventory that were not asked.
    #: Devices asked about themselves, each `FACILITY/DEVICE`.
    probed_devices: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of all items."""
        return frozenset(item.key for item in self.sights)

    @cached_property
    def by_owner(self) -> Mapping[tuple[str, frozenset[str]], tuple[NightItem, ...]]:
        """Items by facility and carriers, so readers check owners, not each path."""
        owners = grouped(self.sights, lambda item: (item.facility, item.carriers))
        return {owner: tuple(items) for owner, items in owners.items()}

    def is_unverified(self, key: str) -> bool:
        """Return whether the night has no result for a key."""
        if key.startswith(HOST_ITEM):
            return host_in(key) in self.unasked
        if key.startswith(DEVICE_ITEM):
            device = device_in(key)
            return device not in self.probed_devices and device.partition("/")[0] in self._facilities
        return key in self.silent

    @cached_property
    def _facilities(self) -> frozenset[str]:
        names = (*self.silent, *(item.name for item in self.sights if item.is_path))
        return frozenset(parts[1] for name in names if len(parts := name.split("/")) > 1)

    @property
    def day(self) -> date:
        """The date in Vietnam."""
        return self.at.astimezone(VIETNAM).date()


def night_of(
    document: VerifyDocument,
    carriers: Mapping[str, frozenset[str]],
    *,
    inventory: str,
    run: str = "",
    listed: Iterable[str] = (),
    drifted: Iterable[str] | None = None,
    since: Since = _by_nobody,
) -> NightReport:
    """Convert a verification's document for notices.

    Those of the `listed` paths that were not verified are silent. Without `drifted` the verification's drift counts.
    """
    path_items = [_of_path(path, since) for path in document.paths]
    visited = {host.host for host in document.hosts}
    by_comparison = frozenset(drifted) if drifted is not None else None
    host_items = [item for host in document.hosts for item in _host_items(host, carriers, by_comparison)]
    devices = _carriers_by_device(document)
    device_items = list(_of_devices(document, devices))
    drifted_only = sorted((by_comparison or frozenset()) - visited)
    host_items += [_host_item(host, carriers, Verdict.DEGRADED, Cause.DRIFT) for host in drifted_only]
    silent = {item.key for item in path_items if (item.verdict in _SILENT or item.cause is Cause.NOT_ASKED)} | (
        frozenset(listed) - {path_item.key for path_item in path_items}
    )
    return NightReport(
        inventory=inventory,
        run=run,
        at=document.finished_at,
        sights=(*(item for item in path_items if item.key not in silent), *host_items, *device_items),
        silent=frozenset(silent),
        unasked=frozenset(carriers.keys() - visited - frozenset(drifted_only)),
        probed_devices=frozenset(devices),
    )


def path_key(path: str, relay: str) -> str:
    """Return the key of a path on a relay."""
    return f"{path}@{relay}"


def host_in(name: str) -> str:
    """Return the host's id in an item's name."""
    return name.removeprefix(HOST_ITEM).partition(":")[0]


def device_in(name: str) -> str:
    """Return the device in an item's name, as `FACILITY/DEVICE`."""
    return name.removeprefix(DEVICE_ITEM).partition(":")[0]


def _of_path(path: PathRow, since: Since) -> NightItem:
    started = since(path.path, path.verdict) or (path.failing.since if path.failing else None)
    return NightItem(
        name=path.path,
        relay=path.relay,
        facility=path.facility,
        carriers=frozenset({path.carrier}),
        verdict=path.verdict,
        finding=finding_of(path),
        since=started.astimezone(VIETNAM).date() if started else None,
    )


def _host_items(
    host: HostRow, carriers: Mapping[str, frozenset[str]], drifted: frozenset[str] | None
) -> Iterator[NightItem]:
    if host.outcome != _ANSWERED:
        yield _host_item(host.host, carriers, Verdict.UNKNOWN, Cause.HOST_UNREACHABLE, host.error)
    if host.drift if drifted is None else host.host in drifted:
        yield _host_item(host.host, carriers, Verdict.DEGRADED, Cause.DRIFT)
    for finding in host.findings:
        yield _host_item(host.host, carriers, Verdict.DEGRADED, Cause(finding.cause), finding.detail)


def _carriers_by_device(document: VerifyDocument) -> dict[str, frozenset[str]]:
    """Return carriers of asked devices, except those in maintenance."""
    incidents = {(row.object, row.cause) for row in _of_themselves(document)}
    carriers: dict[str, frozenset[str]] = {}
    for row in document.devices or ():
        name = f"{row.facility}/{row.device}"
        # A finding that is no incident is one inside a maintenance window.
        if all((name, finding.cause) in incidents for finding in row.findings):
            carriers[name] = carriers.get(name, frozenset()) | {row.carrier}
    return carriers


def _of_themselves(document: VerifyDocument) -> list[IncidentRow]:
    """Return the incidents of devices without paths."""
    return [incident for incident in document.incidents if not incident.paths and incident.layer in _OF_DEVICES]


def _of_devices(document: VerifyDocument, devices: Mapping[str, frozenset[str]]) -> Iterator[NightItem]:
    for incident in _of_themselves(document):
        if incident.object in devices:
            yield NightItem(
                name=f"{DEVICE_ITEM}{incident.object}:{incident.cause}",
                relay="",
                facility=incident.object.partition("/")[0],
                carriers=devices[incident.object],
                verdict=Verdict.DEGRADED,
                finding=finding_of(incident),
            )


def _host_item(
    host: str, carriers: Mapping[str, frozenset[str]], verdict: Verdict, cause: Cause, detail: str = ""
) -> NightItem:
    whose = carriers.get(host, frozenset())
    return NightItem(f"{HOST_ITEM}{host}:{cause}", "", "", whose, verdict, Finding(cause, Layer.HOST, host, detail))


_WORST_FIRST: Final = (Verdict.DOWN, Verdict.QUARANTINED, Verdict.UNKNOWN, Verdict.DEGRADED)


@dataclass(frozen=True, slots=True)
class NotifiedProblem:
    """A notified trouble of a path or host."""

    verdict: Verdict
    cause: Cause
    first: date  #: The date of its first night, in Vietnam.


@dataclass(frozen=True)
class LastNotice:
    """A receiver's knowledge from notices."""

    scope: str = ""  #: The receiver's role then; another role's knowledge does not count.
    known: Mapping[str, NotifiedProblem] = field(default_factory=dict)  #: Troubles by key of the path or host.
    alerts: tuple[Mapping[str, str], ...] = ()


NOTHING_KNOWN: Final = LastNotice()


class NewsChange(StrEnum):
    """A change since the last notice."""

    NEW = "new"
    CHANGED = "changed"
    BACK = "back"
    STANDING = "standing"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsItem(PlacedFinding):
    """A present or ended fault with its paths.

    If ended, its object is the facility or host, and its cause the former one. It has evidence only for receivers who
    may see a site's network.
    """

    change: NewsChange  #: The change since the last notice.
    verdict: Verdict  #: The worst of its paths; `up` if ended.
    first: date  #: The date of its first night.
    hosts: tuple[str, ...] = ()  #: The relays of its paths.

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
    """One receiver's news of a night."""

    receiver_scope: ReaderScope
    inventory: str
    run: str
    at: datetime
    day: date
    counts: Mapping[str, int]  #: The receiver's paths by verdict.
    turns: Mapping[str, int]
    items: tuple[NewsItem, ...]  #: Present and ended faults; empty for receivers of numbers only.
    provinces: tuple[ProvinceCounts, ...]
    left: int  #: Notified paths and devices that left the inventory or this receiver's part.
    notified: Mapping[str, NotifiedProblem]  #: The troubles that the receiver knows of after this notice.

    @property
    def has_changed(self) -> bool:
        """Whether the receiver has unknown news."""
        return (
            any(self.turns.get(change, 0) for change in (NewsChange.NEW, NewsChange.CHANGED, NewsChange.BACK))
            or self.left > 0
        )

    def of(self, change: NewsChange) -> tuple[NewsItem, ...]:
        """Return the items of a turn."""
        return tuple(item for item in self.items if item.change is change)


def scope_name(receiver_scope: ReaderScope) -> str:
    """Return a receiver's role in the record of notices."""
    return f"{receiver_scope.role}/{receiver_scope.of}" if receiver_scope.of else receiver_scope.role.value


#: Returns a facility's province in the receiver's list of provinces, or an empty text.
ProvinceOf = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _ComparedItem:
    change: NewsChange
    night_item: NightItem
    place: Whereabouts
    known: NotifiedProblem


def news_for(receiver_scope: ReaderScope, night: NightReport, last: LastNotice, province_of: ProvinceOf) -> NightNews:
    """Return one receiver's news of a night since the last notice."""
    before = last.known if last.scope == scope_name(receiver_scope) else {}
    places = _Places(receiver_scope, province_of)
    counted = [
        (night_item, place)
        for (facility, carriers), night_items in night.by_owner.items()
        if places.counts(place := places.of(facility, carriers))
        for night_item in night_items
        if night_item.is_path or not night_item.facility or not places.has_numbers_alone
    ]
    turned = [
        turned for night_item, place in counted if (turned := _compared_item(night_item, place, before, night.day))
    ]
    visible = [item for item in turned if receiver_scope.sees(Matter.STATUS, item.place)]
    carried = {name: problem for name, problem in before.items() if night.is_unverified(name)}
    # A host or device without a fault has no entry any more.
    present = night.keys | carried.keys()
    mended = {name: problem for name, problem in before.items() if name.startswith(ITSELF) and name not in present}
    # This receiver gets no more notices about paths that moved to another carrier.
    own_keys = {night_item.key for night_item, _ in counted} | carried.keys() | mended.keys()
    problems = carried | {item.night_item.key: item.known for item in turned if item.change is not NewsChange.BACK}
    return NightNews(
        receiver_scope=receiver_scope,
        inventory=night.inventory,
        run=night.run,
        at=night.at,
        day=night.day,
        counts=summary_of(night_item.verdict for night_item, _ in counted if night_item.is_path),
        turns=_counts_by_change(turned, mended),
        items=(*_grouped_news(visible, places), *_mended(mended)),
        provinces=_province_counts(counted, turned),
        left=sum(name not in own_keys for name in before),
        notified=problems,
    )


class _Places:
    def __init__(self, receiver_scope: ReaderScope, province_of: ProvinceOf) -> None:
        self._receiver_scope = receiver_scope
        self._province_of = province_of
        self.has_numbers_alone = receiver_scope.reach(Matter.STATUS) is Reach.COUNTS

    def of(self, facility: str, carriers: frozenset[str]) -> Whereabouts:
        return Whereabouts(self._province_of(facility) if facility else "", facility, carriers)

    def counts(self, place: Whereabouts) -> bool:
        """Return whether the receiver's numbers include it; hosts have no province."""
        if self.has_numbers_alone and not place.facility:
            return False
        return self._receiver_scope.counts(Matter.STATUS, place)

    def detail(self, item: _ComparedItem) -> str:
        """Return the evidence if the receiver may see a site's network."""
        return item.night_item.detail if self._receiver_scope.sees(Matter.SITE_NETWORK, item.place) else ""


def _compared_item(
    night_item: NightItem, place: Whereabouts, before: Mapping[str, NotifiedProblem], day: date
) -> _ComparedItem | None:
    """Compare an item with the last notice; `None` if always up."""
    problem = before.get(night_item.key)
    if night_item.verdict is Verdict.UP:
        return _ComparedItem(NewsChange.BACK, night_item, place, problem) if problem else None
    first = problem.first if problem else min(night_item.since or day, day)
    now = NotifiedProblem(night_item.verdict, night_item.cause, first)
    if problem is None:
        return _ComparedItem(NewsChange.NEW, night_item, place, now)
    is_same = (problem.verdict, problem.cause) == (night_item.verdict, night_item.cause)
    return _ComparedItem(NewsChange.STANDING if is_same else NewsChange.CHANGED, night_item, place, now)


# --- one notice for one fault ---------------------------------------------------------------------
_Key = tuple[NewsChange, Finding]


def _grouped_news(turned: Iterable[_ComparedItem], places: _Places) -> tuple[NewsItem, ...]:
    by_turn = grouped(turned, lambda item: item.change)
    groups: dict[_Key, list[_ComparedItem]] = grouped(
        by_turn.pop(NewsChange.BACK, ()),
        lambda one: (one.change, Finding(one.known.cause, None, one.night_item.facility or one.night_item.object)),
    )
    for change, items in by_turn.items():
        by_key = {item.night_item.key: item for item in items}
        # A device's own faults are independent of its paths'.
        of_devices = [(item.night_item, item.night_item.cause) for item in items if item.night_item.is_device]
        for night_item, cause in (
            *incident_causes(item.night_item for item in items if not item.night_item.is_device),
            *of_devices,
        ):
            finding = Finding(cause, night_item.layer, night_item.object or night_item.name)
            groups[change, finding].append(by_key[night_item.key])
    return tuple(sorted((_news_item_of(key, items, places) for key, items in groups.items()), key=_news_order))


def _news_item_of(key: _Key, items: Sequence[_ComparedItem], places: _Places) -> NewsItem:
    change, finding = key
    is_back = change is NewsChange.BACK
    # Of two carriers' evidence it is the same one each night.
    in_order = sorted(items, key=lambda item: item.night_item.key)
    details = [] if is_back else [detail for item in in_order if (detail := places.detail(item))]
    return NewsItem(
        change=change,
        verdict=Verdict.UP if is_back else worst_of_verdicts(item.night_item.verdict for item in items),
        finding=replace(finding, detail=details[0]) if details else finding,
        paths=tuple(sorted(item.night_item.name for item in items if item.night_item.is_path)),
        first=min(item.known.first for item in items),
        provinces=_named(item.place.province for item in items),
        facilities=_named(item.place.facility for item in items),
        carriers=_named(name for item in items for name in item.night_item.carriers),
        hosts=_named(item.night_item.relay or host_in(item.night_item.name) for item in items),
    )


def _mended(mended: Mapping[str, NotifiedProblem]) -> tuple[NewsItem, ...]:
    return tuple(
        NewsItem(
            Finding(problem.cause, Layer.HOST, host_in(name))
            if name.startswith(HOST_ITEM)
            else Finding(problem.cause, None, device_in(name)),
            change=NewsChange.BACK,
            verdict=Verdict.UP,
            first=problem.first,
        )
        for name, problem in sorted(mended.items())
    )


def _news_order(item: NewsItem) -> tuple[int, int, int, str, str]:
    return list(NewsChange).index(item.change), item.finding.rank, -len(item.paths), item.object, item.cause


def worst_of_verdicts(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict."""
    return min(verdicts, key=lambda verdict: _WORST_FIRST.index(verdict) if verdict in _WORST_FIRST else 9)


def _named(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if name}))


# --- numbers --------------------------------------------------------------------------------------
def _counts_by_change(
    turned: Iterable[_ComparedItem], mended: Mapping[str, NotifiedProblem] | None = None
) -> dict[str, int]:
    counts = Counter(item.change for item in turned)
    counts[NewsChange.BACK] += len(mended or ())
    return {change.value: counts[change] for change in NewsChange}


def _province_counts(
    counted: Iterable[tuple[NightItem, Whereabouts]], turned: Iterable[_ComparedItem]
) -> tuple[ProvinceCounts, ...]:
    verdicts = gathered((place.province, item.verdict) for item, place in counted if item.is_path)
    turns = grouped((item for item in turned if item.night_item.is_path), lambda item: item.place.province)
    return tuple(
        ProvinceCounts(name, summary_of(of_province), _counts_by_change(turns[name]))
        for name, of_province in sorted(verdicts.items())
    )
