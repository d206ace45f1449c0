"""Samples of metrics, within the budget of the catalogue, and their text as Prometheus reads it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client import Metric as Family
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from provisioner.base.printable import printable
from provisioner.monitoring.catalogue import LONGEST_LABEL, MOST_SERIES, Metric


@dataclass
class MetricSheet:
    """The samples of one inventory.

    Attributes:
        inventory: its id, a label of every series.
        metrics: what may be on it; each is there, with samples or without.
    """

    inventory: str
    metrics: tuple[Metric, ...]
    _samples: dict[str, dict[tuple[str, ...], float]] = field(default_factory=dict)

    def put(self, metric: Metric, value: float, **labels: str) -> None:
        """Add a sample; of the same labels the last one counts.

        Raises:
            ValueError: its labels are not those of the catalogue.
        """
        if metric not in self.metrics or tuple(labels) != metric.labels:
            raise ValueError(f"{metric.name} has the labels {metric.labels}, not {tuple(labels)}")
        # Of two that are the same once they are clean one is told: Prometheus takes nothing where one stands twice.
        self._samples.setdefault(metric.name, {})[tuple(map(_clean, labels.values()))] = value

    @property
    def count(self) -> int:
        """How many series are on it."""
        return sum(map(len, self._samples.values()))

    def count_of(self, metric: Metric) -> int:
        """How many series a metric has."""
        return len(self._samples.get(metric.name, ()))

    @property
    def room(self) -> int:
        """How many more there may be."""
        return max(0, MOST_SERIES - self.count)

    def families(self) -> Iterator[Family]:
        """The metrics with their samples, in the order of the catalogue."""
        for metric in self.metrics:
            family = GaugeMetricFamily(metric.name, metric.help, labels=("inventory", *metric.labels))
            for labels, value in self._samples.get(metric.name, {}).items():
                family.add_metric((self.inventory, *labels), value)
            yield family


def _clean(text: str) -> str:
    # Ids are short and plain; what a record says that somebody wrote into is cut and made so.
    return text if text.isascii() and text.isprintable() and len(text) < LONGEST_LABEL else printable(text, 100)


class _Once(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        return self._families


def exposition(families: Iterable[Family]) -> bytes:
    """Metrics as text in Prometheus's format 0.0.4, which a node exporter's text file collector takes as well."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(families))
    return generate_latest(registry)
