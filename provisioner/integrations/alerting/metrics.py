"""Metrics of verifications, of a running watch and of an agent. Pure.

If a series disappears, alerts keep its last value until Prometheus drops it. So the series of an ended fault stays at 0
for a while, and rules may look back over a gap of the watch itself (`rules`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from provisioner.integrations.alerting import metric_catalogue
from provisioner.integrations.alerting.metric_catalogue import (
    AGENT,
    MOST_INCIDENTS,
    NIGHT,
    VERDICT_STATES,
    WATCH,
    MetricSheet,
    scope_of,
)
from provisioner.verify.document import PathRow, VerifyDocument, finding_of, latest_rows
from provisioner.verify.result import Cause, Incident, Layer, PathVerdict, Verdict
from provisioner.verify.watch_states import WatchView

Labels = tuple[tuple[str, str], ...]  #: Labels of a series, in the catalogue's order.
SaidPath = PathRow | PathVerdict  #: A path's row in a document or in a watch.


NO_NIGHTS: Final[Mapping[str, datetime]] = {}


@dataclass(frozen=True, slots=True)
class RecordedLook:
    """A recorded verification."""

    started: datetime
    finished: datetime
    whole: bool
    document: VerifyDocument = field(repr=False)


@dataclass
class _LatestState:
    """The combined results of verifications, oldest first."""

    incidents: list[Incident] = field(default_factory=list)
    answered: dict[str, bool] = field(default_factory=dict)
    drift: dict[str, int] = field(default_factory=dict)

    def add(self, document: VerifyDocument) -> None:
        measured = {row.path for row in document.paths if row.cause is not Cause.NOT_ASKED}
        incidents = (Incident(finding_of(incident), incident.paths) for incident in document.incidents)
        self.incidents = [
            *_without_measured(self.incidents, measured, {host.host for host in document.hosts}),
            *incidents,
        ]
        for host in document.hosts:
            self.answered[host.host] = host.outcome == "answered"
            self.drift.pop(host.host, None)
            if host.drift is not None:
                self.drift[host.host] = len(host.drift)


def _without_measured(incidents: Iterable[Incident], measured: set[str], hosts: set[str]) -> Iterator[Incident]:
    """Remove paths and hosts that a later verification covers."""
    for incident in incidents:
        remaining = tuple(path for path in incident.paths if path not in measured)
        if remaining or (not incident.paths and incident.object not in hosts):
            yield replace(incident, paths=remaining)


def night_sheet(
    inventory: str, looks: Sequence[RecordedLook], now: datetime, nights: Mapping[str, datetime] = NO_NIGHTS
) -> MetricSheet:
    """Return metrics of recorded verifications, newest first to the last full."""
    latest, sheet = _LatestState(), MetricSheet(inventory, NIGHT)
    for look in reversed(looks):
        latest.add(look.document)
    rows = [row for _, row in latest_rows(look.document for look in reversed(looks)).values()]
    full = next((look for look in looks if look.whole), None)
    if full is not None:
        sheet.put(metric_catalogue.VERIFIED_AT, full.finished.timestamp(), extent="all")
        sheet.put(metric_catalogue.VERIFIED_FOR, (full.finished - full.started).total_seconds())
    if looks:
        sheet.put(metric_catalogue.VERIFIED_AT, looks[0].finished.timestamp(), extent="part")
    for extent, ended in sorted(nights.items()):
        sheet.put(metric_catalogue.NIGHT_AT, ended.timestamp(), extent=extent)
    _put_counts(sheet, rows)
    _put_incidents(sheet, latest.incidents, rows)
    for host, answered in sorted(latest.answered.items()):
        sheet.put(metric_catalogue.HOST_ANSWERED, float(answered), host=host)
    for host, changes in sorted(latest.drift.items()):
        sheet.put(metric_catalogue.HOST_DRIFT, changes, host=host)
    sheet.put(metric_catalogue.WRITTEN_AT, now.timestamp())
    _put_paths(sheet, rows)
    sheet.put(metric_catalogue.SERIES, sheet.count + 1)
    return sheet


def _put_counts(sheet: MetricSheet, rows: Iterable[SaidPath]) -> None:
    verdicts: Counter[tuple[str, str, Verdict]] = Counter()
    facilities: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for row in rows:
        verdicts[row.carrier, row.province, row.verdict] += 1
        facilities[row.carrier, row.province, row.facility].append(row.verdict is Verdict.UP)
    for carrier, province in sorted({(carrier, province) for carrier, province, _ in verdicts}):
        for verdict in Verdict:
            count = verdicts[carrier, province, verdict]
            sheet.put(metric_catalogue.PATHS, count, carrier=carrier, province=province, verdict=verdict.value)
    for (carrier, province, facility), ups in sorted(facilities.items()):
        names = {"carrier": carrier, "province": province, "facility": facility}
        sheet.put(metric_catalogue.FACILITY_PATHS, len(ups), **names)
        sheet.put(metric_catalogue.FACILITY_UP, sum(ups), **names)


def _put_paths(sheet: MetricSheet, rows: Iterable[SaidPath]) -> None:
    rows = list(rows)
    series_left = sheet.series_left - 2
    published = sorted(rows, key=lambda row: (row.verdict is Verdict.UP, row.path))[: max(0, series_left)]
    for row in sorted(published, key=lambda row: row.path):
        sheet.put(
            metric_catalogue.PATH_STATE, VERDICT_STATES[row.verdict], path=row.path, carrier=row.carrier, host=row.relay
        )
    sheet.put(metric_catalogue.LEFT_OUT, len(rows) - len(published))


# --- incidents ------------------------------------------------------------------------------------
def _put_incidents(sheet: MetricSheet, incidents: Sequence[Incident], rows: Iterable[SaidPath]) -> None:
    sizes: Counter[Labels] = Counter()
    for labels, size in incident_series(incidents, rows):
        sizes[labels] += size
    for labels, size in list(sizes.items())[:MOST_INCIDENTS]:
        sheet.put(metric_catalogue.INCIDENT_PATHS, size, **dict(labels))
    sheet.put(metric_catalogue.INCIDENTS_LEFT_OUT, max(0, len(sizes) - MOST_INCIDENTS))


def incident_series(
    incidents: Iterable[Incident], rows: Iterable[SaidPath], carriers: Mapping[str, str] | None = None
) -> Iterator[tuple[Labels, int]]:
    """Yield labels and path counts of incidents, highest layer first."""
    by_path, carrier_of = {}, dict(carriers or {})
    for row in rows:
        by_path[row.path] = row
        carrier_of.setdefault(row.relay, row.carrier)
    for incident in sorted(incidents, key=_in_order):
        members = [by_path[path] for path in incident.paths if path in by_path]
        yield _labels_of(incident, members, carrier_of), len(incident.paths)


def _in_order(incident: Incident) -> tuple[int, int, str, str]:
    return incident.finding.rank, -len(incident.paths), incident.object, incident.cause


def _labels_of(incident: Incident, rows: Sequence[SaidPath], carriers: Mapping[str, str]) -> Labels:
    """Return an incident's labels; a location only if all paths share it."""
    facility = _common(row.facility for row in rows)
    scope = scope_of(incident, facility)
    host = incident.object if incident.layer is Layer.HOST else _common(row.relay for row in rows)
    # Which of a host's paths were looked at is no part of what its failure is known by.
    is_whole = scope == "host"
    return (
        ("layer", incident.layer or ""),
        ("scope", scope),
        ("object", incident.object),
        ("cause", incident.cause.value),
        ("carrier", carriers.get(host, "") or _common(row.carrier for row in rows)),
        ("province", "" if is_whole else _common(row.province for row in rows)),
        ("facility", "" if is_whole else facility),
        ("host", host),
    )


def _common(values: Iterable[str]) -> str:
    different = set(values)
    return different.pop() if len(different) == 1 else ""


AGENT_STATES = ("reached", "refused", "waiting", "failed")

LINGER: Final = timedelta(minutes=15)  #: The time for which the series of an ended fault stays at 0.


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent's state."""

    inventory: str
    leads: bool = False
    state: str = ""  #: The state of the branch's newest commit; empty if unknown.
    cause: str = ""
    since: datetime | None = None
    looked: datetime | None = None  #: The last answer of the remote, if any.
    hosts_looked: datetime | None = None  #: The last look at hosts, if any.
    reached_at: datetime | None = None  #: The time of the last reached commit.
    drifted: Mapping[str, str] = field(default_factory=dict)  #: The worst impact of drift, by host.
    failures: int = 0


@dataclass(frozen=True, slots=True)
class PublishedSeries:
    """Shown series, with the last time of a value above 0."""

    paths: Mapping[Labels, datetime] = field(default_factory=dict)
    incidents: Mapping[Labels, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WatchFacts:
    """Data of the watch itself."""

    inventory: str
    began: datetime
    every_s: float
    current: bool = True  #: Whether it uses the present inventory.


def agent_sheet(view: AgentView) -> MetricSheet:
    """Return an agent's metrics."""
    sheet = MetricSheet(view.inventory, AGENT)
    sheet.put(metric_catalogue.AGENT_LEADS, float(view.leads))
    sheet.put(metric_catalogue.AGENT_FAILURES, view.failures)
    for state in AGENT_STATES:
        cause = view.cause if state == view.state else ""
        sheet.put(metric_catalogue.AGENT_TIP, float(state == view.state), state=state, cause=cause)
    for metric, moment in (
        (metric_catalogue.AGENT_SINCE, view.since),
        (metric_catalogue.AGENT_LOOKED, view.looked),
        (metric_catalogue.AGENT_HOSTS_LOOKED, view.hosts_looked),
        (metric_catalogue.AGENT_REACHED, view.reached_at),
    ):
        if moment is not None:
            sheet.put(metric, moment.timestamp())
    for host, impact in sorted(view.drifted.items()):
        sheet.put(metric_catalogue.AGENT_DRIFT, 1, host=host, impact=impact)
    return sheet


def watch_sheet(view: WatchView, facts: WatchFacts, published: PublishedSeries) -> tuple[MetricSheet, PublishedSeries]:
    """Return a watch's metrics, and the series to show next time."""
    sheet = MetricSheet(facts.inventory, WATCH)
    for (carrier, province), states in _by_carrier_and_province(view).items():
        for verdict in Verdict:
            sheet.put(
                metric_catalogue.WATCH_PATHS,
                states.get(verdict, 0),
                carrier=carrier,
                province=province,
                state=verdict.value,
            )
    for relay in view.relays:
        sheet.put(metric_catalogue.WATCH_HOST_LOOKED, (relay.known or facts.began).timestamp(), host=relay.host)
        sheet.put(metric_catalogue.WATCH_LOOK_S, relay.seconds, host=relay.host)
    sheet.put(metric_catalogue.WATCH_EVERY, facts.every_s)
    sheet.put(metric_catalogue.WATCH_BEGAN, facts.began.timestamp())
    sheet.put(metric_catalogue.WATCH_LOADED, float(facts.current))
    return sheet, PublishedSeries(
        _put_watched_paths(sheet, view, published.paths), _put_watched_incidents(sheet, view, published.incidents)
    )


def _by_carrier_and_province(view: WatchView) -> dict[tuple[str, str], dict[Verdict, int]]:
    places: dict[tuple[str, str], dict[Verdict, int]] = {}
    for (carrier, province, verdict), count in sorted(view.counts.items()):
        places.setdefault((carrier, province), {})[verdict] = count
    return places


def _put_watched_paths(
    sheet: MetricSheet, view: WatchView, before: Mapping[Labels, datetime]
) -> dict[Labels, datetime]:
    now = {_path_labels(row): VERDICT_STATES[row.verdict] for row in view.standing if row.verdict is not Verdict.UP}
    lasting = _present_and_lingering(now, before, view.at)
    series_left = sheet.series_left - MOST_INCIDENTS - len(view.relays)
    for labels in list(lasting)[:series_left]:
        sheet.put(metric_catalogue.WATCH_PATH_STATE, now.get(labels, 0), **dict(labels))
    sheet.put(metric_catalogue.WATCH_LEFT_OUT, max(0, len(lasting) - series_left))
    return lasting


def _path_labels(row: PathVerdict) -> Labels:
    return (
        ("path", row.path),
        ("carrier", row.carrier),
        ("province", row.province),
        ("facility", row.facility),
        ("host", row.relay),
        ("layer", row.layer or ""),
        ("object", row.object),
    )


def _put_watched_incidents(
    sheet: MetricSheet, view: WatchView, before: Mapping[Labels, datetime]
) -> dict[Labels, datetime]:
    now: dict[Labels, int] = {}
    for labels, size in broken(view):
        now[labels] = now.get(labels, 0) + size
    lasting = _present_and_lingering(now, before, view.at)
    for labels in list(lasting)[:MOST_INCIDENTS]:
        sheet.put(metric_catalogue.WATCH_INCIDENT, now.get(labels, 0), **dict(labels))
    sheet.put(metric_catalogue.WATCH_INCIDENTS_LEFT_OUT, max(0, len(lasting) - MOST_INCIDENTS))
    return lasting


def _present_and_lingering(
    now: Iterable[Labels], before: Mapping[Labels, datetime], at: datetime
) -> dict[Labels, datetime]:
    """Return present series, and those that ended within `LINGER`."""
    recent = {labels: last for labels, last in before.items() if at - last < LINGER}
    fresh = dict.fromkeys(now, at)
    return fresh | {labels: last for labels, last in recent.items() if labels not in fresh}


def broken(view: WatchView) -> Iterator[tuple[Labels, int]]:
    """Yield labels and number of paths of present incidents."""
    return incident_series(view.incidents, view.standing, {relay.host: relay.carrier for relay in view.relays})
