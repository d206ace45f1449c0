"""All files for Prometheus, Alertmanager and Grafana, by name. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.monitoring.dashboard import dashboard_file
from provisioner.monitoring.routes import routes_file
from provisioner.monitoring.rules import rules_file
from provisioner.monitoring.scrape import RULES, ScrapePlaces, prometheus_file


def kit(places: ScrapePlaces, addresses: Mapping[str, str]) -> dict[str, str]:
    """Every file's text.

    Args:
        places: where Prometheus finds what.
        addresses: by carrier, where its alerts go.
    """
    return {
        "prometheus.yml": prometheus_file(places),
        RULES: rules_file(),
        "alertmanager.yml": routes_file(addresses),
        "grafana-dashboard.json": dashboard_file(),
    }
