"""Prometheus's own configuration: what is scraped, how often, and where alerts go. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import yaml

from provisioner.base.json_document import Document

RULES: Final = "provisioner-rules.yml"
WATCH_PORT: Final = 9464


@dataclass(frozen=True, slots=True)
class ScrapePlaces:
    """Where Prometheus finds what, each as `address:port`; of an inventory there may be several agents, or none."""

    watch: str = f"127.0.0.1:{WATCH_PORT}"
    node: str = "127.0.0.1:9100"
    alertmanager: str = "127.0.0.1:9093"
    agents: tuple[str, ...] = ()


def prometheus_file(places: ScrapePlaces) -> str:
    """The configuration; who has one already takes the two jobs and the file of rules out of it."""
    config: Document = {
        "global": {"scrape_interval": "30s", "evaluation_interval": "30s"},
        "rule_files": [RULES],
        "alerting": {"alertmanagers": [_targets(places.alertmanager)]},
        "scrape_configs": [
            {
                "job_name": "provisioner-watch",
                # From a cable that is pulled to an alert it takes this time at most for the scrape.
                "scrape_interval": "5s",
                "scrape_timeout": "5s",
                "static_configs": [_below(places.watch)],
            },
            {
                # The exporter whose text file collector reads what `provisioner metrics --out` wrote.
                "job_name": "provisioner-night",
                "scrape_interval": "1m",
                "params": {"collect[]": ["textfile"]},
                "static_configs": [_below(places.node)],
            },
            *([_agents(places.agents)] if places.agents else []),
        ],
    }
    return "# Written by `provisioner monitoring`.\n" + yaml.safe_dump(config, sort_keys=False, width=120)


def _agents(places: tuple[str, ...]) -> Document:
    return {"job_name": "provisioner-agent", "static_configs": [{"targets": list(places)}]}


def _targets(place: str) -> Document:
    return {"static_configs": [_below(place)]}


def _below(place: str) -> Document:
    return {"targets": [place]}
