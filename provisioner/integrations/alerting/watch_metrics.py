"""Metrics of a running watch and of an agent. Pure.

If a series disappears, alerts keep its last value until Prometheus drops it. So the series of an ended fault stays at 0
for a while, and rules may look back over a gap of the watch itself (`rules`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from provisioner.integrations.alerting import metric_catalogue
from provisioner.integrations.alerting.metric_catalogue import AGENT, MOST_INCIDENTS, VERDICT_STATES, WATCH, MetricSheet
from provisioner.integrations.alerting.night_metrics import Labels, incident_series
from provisioner.verify.result import PathVerdict, Verdict
from provisioner.verify.watch_states import WatchView

AGENT_STATES = ("reached", "refused", "waiting", "failed")

LINGER: Final = timedelta(minutes=15)
"""The time for which the series of an ended fault stays at 0."""


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent's state.

    Attributes:
        leads: whether it has the lease.
        state: the state of the branch's newest commit; empty if unknown.
        cause: why that commit is not reached.
        since: the start of that state.
        looked: the last answer of the remote, if any.
        hosts_looked: the last look at hosts, if any.
        reached_at: the time of the last reached commit.
        drifted: the worst impact of drift, by host.
        failures: failed rounds since the agent's start.
    """

    inventory: str
    leads: bool = False
    state: str = ""
    cause: str = ""
    since: datetime | None = None
    looked: datetime | None = None
    hosts_looked: datetime | None = None
    reached_at: datetime | None = None
    drifted: Mapping[str, str] = field(default_factory=dict)
    failures: int = 0


@dataclass(frozen=True, slots=True)
class PublishedSeries:
    """Shown series, with the last time of a value above 0."""

    paths: Mapping[Labels, datetime] = field(default_factory=dict)
    incidents: Mapping[Labels, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WatchFacts:
    """Data of the watch itself.

    Attributes:
        current: whether it uses the present inventory.
    """

    inventory: str
    began: datetime
    every_s: float
    current: bool = True


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
        looked_at = relay.known or facts.began
        sheet.put(metric_catalogue.WATCH_HOST_LOOKED, looked_at.timestamp(), host=relay.host)
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
    now = {_labels_of(row): VERDICT_STATES[row.verdict] for row in view.standing if row.verdict is not Verdict.UP}
    lasting = _present_and_lingering(now, before, view.at)
    series_left = sheet.series_left - MOST_INCIDENTS - len(view.relays)
    for labels in list(lasting)[:series_left]:
        sheet.put(metric_catalogue.WATCH_PATH_STATE, now.get(labels, 0), **dict(labels))
    sheet.put(metric_catalogue.WATCH_LEFT_OUT, max(0, len(lasting) - series_left))
    return lasting


def _labels_of(row: PathVerdict) -> Labels:
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
