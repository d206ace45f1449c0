"""The metrics of this program, and their samples. Pure.

One state series per path, the rest aggregated: the table is the label budget. Other labels cannot be written, and no
label contains a person, a secret, or a facility's name.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client import Metric as Family
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from provisioner.base.text import printable
from provisioner.verify.result import Incident, Layer, Verdict

#: A path's state as a number. In a watch 0 means level 4 (it flows), not yet `up`.
VERDICT_STATES: Final[Mapping[Verdict, int]] = {
    Verdict.UP: 0,
    Verdict.DEGRADED: 1,
    Verdict.UNKNOWN: 2,
    Verdict.DOWN: 3,
    Verdict.MAINTENANCE: 4,
    Verdict.QUARANTINED: 5,
}

MOST_SERIES: Final = 200_000  #: The most series. Paths that are up are left out first, and a metric counts them.

MOST_INCIDENTS: Final = 2_000
LONGEST_LABEL: Final = 200
_ONE = "1"
_INCIDENT_LABELS = ("layer", "scope", "object", "cause", "carrier", "province", "facility", "host")
_WHOLE_HOSTS = frozenset({Layer.HOST, Layer.RELAY, Layer.FIREWALL})
_SITES = frozenset({Layer.TUNNEL, Layer.CARRIER, Layer.SITE})
_DEVICES = frozenset({Layer.RECORDER, Layer.CAMERA})


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    help: str
    labels: tuple[str, ...]  #: Beside `inventory`, which every series has.
    most: str  #: The most series, in words.


PATH_STATE = Metric(
    "provisioner_path_state",
    "State of a path in the last verification: 0 up, 1 degraded, 2 unknown, 3 down, 4 maintenance, 5 quarantined.",
    ("path", "carrier", "host"),
    "1 a path and relay",
)
PATHS = Metric(
    "provisioner_paths",
    "Paths by verdict in the last verification.",
    ("carrier", "province", "verdict"),
    "6 a carrier and province",
)
FACILITY_PATHS = Metric(
    "provisioner_facility_paths",
    "Paths of a facility.",
    ("carrier", "province", "facility"),
    "1 a facility and carrier",
)
FACILITY_UP = Metric(
    "provisioner_facility_paths_up",
    "Paths of a facility that were up in the last verification.",
    ("carrier", "province", "facility"),
    "1 a facility and carrier",
)
INCIDENT_PATHS = Metric(
    "provisioner_incident_paths",
    "Paths that hang on one broken thing, by the last verification.",
    _INCIDENT_LABELS,
    f"{MOST_INCIDENTS} at most",
)
INCIDENTS_LEFT_OUT = Metric(
    "provisioner_incidents_left_out", "Incidents that are not among these metrics, for their number.", (), _ONE
)
HOST_ANSWERED = Metric(
    "provisioner_host_answered", "Whether a host answered the last verification.", ("host",), "1 a host"
)
HOST_DRIFT = Metric(
    "provisioner_host_drift", "What differs on a host from the inventory; none where unread.", ("host",), "1 a host"
)
VERIFIED_AT = Metric(
    "provisioner_verification_end_timestamp_seconds",
    "When the last recorded verification ended: all is one without a limit, part any.",
    ("extent",),
    "2",
)
VERIFIED_FOR = Metric(
    "provisioner_verification_seconds", "How long the last recorded verification of all took.", (), _ONE
)
NIGHT_AT = Metric(
    "provisioner_night_end_timestamp_seconds",
    "When the last nightly run ended: complete is one that did all of it, part any.",
    ("extent",),
    "2",
)
SERIES = Metric("provisioner_series", "Series in this file, this one among them.", (), _ONE)
LEFT_OUT = Metric(
    "provisioner_series_left_out", "Paths without a state series, as there would be more series than allowed.", (), _ONE
)
WRITTEN_AT = Metric("provisioner_metrics_written_timestamp_seconds", "When these metrics were written.", (), _ONE)

#: Metrics of `provisioner metrics`.
NIGHT: Final = (
    *(PATH_STATE, PATHS, FACILITY_PATHS, FACILITY_UP, INCIDENT_PATHS, INCIDENTS_LEFT_OUT),
    *(HOST_ANSWERED, HOST_DRIFT, VERIFIED_AT, VERIFIED_FOR, NIGHT_AT, SERIES, LEFT_OUT, WRITTEN_AT),
)

WATCH_PATH_STATE = Metric(
    "provisioner_watch_path_state",
    "State of a path that does not flow: 1 flapping, 2 unknown, 3 down, 4 maintenance, 5 quarantined;"
    " 0 for a while after it flows again.",
    ("path", "carrier", "province", "facility", "host", "layer", "object"),
    "1 a path that stands",
)
WATCH_PATHS = Metric(
    "provisioner_watch_paths", "Watched paths by state.", ("carrier", "province", "state"), "6 a carrier and province"
)
WATCH_INCIDENT = Metric(
    "provisioner_watch_incident_paths",
    "Paths that hang on one broken thing now; 0 for a while after it is mended.",
    _INCIDENT_LABELS,
    f"{MOST_INCIDENTS} at most",
)
WATCH_INCIDENTS_LEFT_OUT = Metric(
    "provisioner_watch_incidents_left_out", "Incidents that are not among these metrics, for their number.", (), _ONE
)
WATCH_HOST_LOOKED = Metric(
    "provisioner_watch_host_looked_timestamp_seconds",
    "When a relay last told of its paths; since the watch began where it never did.",
    ("host",),
    "1 a relay",
)
WATCH_LOOK_S = Metric(
    "provisioner_watch_host_look_seconds", "How long the last look at a relay took.", ("host",), "1 a relay"
)
WATCH_EVERY = Metric("provisioner_watch_interval_seconds", "How often a relay is looked at.", (), _ONE)
WATCH_BEGAN = Metric("provisioner_watch_start_timestamp_seconds", "When this watch began.", (), _ONE)
WATCH_LOADED = Metric(
    "provisioner_watch_inventory_current", "Whether the watch goes by the inventory as it is now.", (), _ONE
)
WATCH_LEFT_OUT = Metric(
    "provisioner_watch_series_left_out", "Paths that do not flow and have no series, for their number.", (), _ONE
)

#: Metrics of `provisioner watch --listen`.
WATCH: Final = (
    *(WATCH_PATH_STATE, WATCH_PATHS, WATCH_INCIDENT, WATCH_INCIDENTS_LEFT_OUT, WATCH_HOST_LOOKED, WATCH_LOOK_S),
    *(WATCH_EVERY, WATCH_BEGAN, WATCH_LOADED, WATCH_LEFT_OUT),
)

AGENT_LEADS = Metric("provisioner_agent_leads", "Whether this agent has the lease: 1, or 0 standing by.", (), _ONE)
AGENT_TIP = Metric(
    "provisioner_agent_tip",
    "1 for the state of the branch's newest commit: reached, refused, waiting or failed, and why.",
    ("state", "cause"),
    "4",
)
AGENT_SINCE = Metric("provisioner_agent_tip_since_timestamp_seconds", "Since when that is its state.", (), _ONE)
AGENT_REACHED = Metric("provisioner_agent_reached_timestamp_seconds", "When a commit was reached last.", (), _ONE)
AGENT_LOOKED = Metric("provisioner_agent_remote_timestamp_seconds", "When the remote answered last.", (), _ONE)
AGENT_HOSTS_LOOKED = Metric("provisioner_agent_hosts_timestamp_seconds", "When hosts were looked at last.", (), _ONE)
AGENT_DRIFT = Metric(
    "provisioner_agent_drift",
    "1 for a host that differs from the commit that was reached, with the worst impact of what differs.",
    ("host", "impact"),
    "1 a host",
)
AGENT_FAILURES = Metric("provisioner_agent_failures", "Rounds that could not be done since it began.", (), _ONE)

#: Metrics of an agent.
AGENT: Final = (
    *(AGENT_LEADS, AGENT_TIP, AGENT_SINCE, AGENT_REACHED, AGENT_LOOKED, AGENT_HOSTS_LOOKED, AGENT_DRIFT),
    AGENT_FAILURES,
)


@dataclass
class MetricSheet:
    """The samples of one inventory."""

    inventory: str
    metrics: tuple[Metric, ...]  #: All metrics, also those without samples.
    _samples: dict[str, dict[tuple[str, ...], float]] = field(default_factory=dict)

    def put(self, metric: Metric, value: float, **labels: str) -> None:
        """Set a sample, or raise `ValueError`."""
        if metric not in self.metrics or tuple(labels) != metric.labels:
            raise ValueError(f"{metric.name} has the labels {metric.labels}, not {tuple(labels)}")
        # Labels that are equal after cleaning count once: Prometheus refuses a file with duplicates.
        self._samples.setdefault(metric.name, {})[tuple(map(_clean, labels.values()))] = value

    @property
    def count(self) -> int:
        """The number of series."""
        return sum(map(len, self._samples.values()))

    def count_of(self, metric: Metric) -> int:
        """Return the number of a metric's series."""
        return len(self._samples.get(metric.name, ()))

    @property
    def series_left(self) -> int:
        """The number of further series."""
        return max(0, MOST_SERIES - self.count)

    def families(self) -> Iterator[Family]:
        """Yield the metrics with their samples, in the catalogue's order."""
        for metric in self.metrics:
            family = GaugeMetricFamily(metric.name, metric.help, labels=("inventory", *metric.labels))
            for labels, value in self._samples.get(metric.name, {}).items():
                family.add_metric((self.inventory, *labels), value)
            yield family


class _Once(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        return self._families


def scope_of(incident: Incident, facility: str) -> str:
    """Return an incident's scope: `host`, `site` (one `facility`), `device` or `path`."""
    if incident.layer in _WHOLE_HOSTS or (incident.layer in _SITES and not facility):
        return "host"
    if incident.layer in _SITES:
        return "site"
    return "device" if incident.layer in _DEVICES else "path"


def exposition(families: Iterable[Family]) -> bytes:
    """Format metrics as Prometheus's text 0.0.4, also for a node exporter."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(families))
    return generate_latest(registry)


def _clean(text: str) -> str:
    # Ids are short and plain; what a record says that somebody wrote into is cut and made so.
    return text if text.isascii() and text.isprintable() and len(text) < LONGEST_LABEL else printable(text, 100)
