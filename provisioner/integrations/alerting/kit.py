"""Files for Prometheus, Alertmanager and Grafana (9 or later), by name. Pure.

The dashboard shows faults first, then nights, then the watch. Alerts inhibit each other by the scopes of incidents: a
lost host explains its sites, a site its devices, a device its paths. A carrier gets only its own alerts.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import yaml

from provisioner.base.text import Document
from provisioner.integrations.alerting.rules import rules_file

EVERYTHING: Final = ""  #: The key of the receiver of all alerts, beside those by carrier.

_HIDES: Final = (
    ("host", "site|device|path", ("inventory", "host")),
    ("site", "device|path", ("inventory", "host", "facility")),
    ("device", "path", ("inventory", "host", "facility", "object")),
)
RULES: Final = "provisioner-rules.yml"
WATCH_PORT: Final = 9464
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_OF = 'inventory=~"$inventory",carrier=~"$carrier"'
_PLACE = f'{_OF},province=~"$province"'
_WIDTH: Final = 24
_STATES: Final = ("flows", "flapping", "unknown", "down", "maintenance", "quarantined")
_COLOURS: Final = ("green", "yellow", "orange", "red", "blue", "purple")


@dataclass(frozen=True, slots=True)
class ScrapePlaces:
    """Prometheus's targets, each `address:port`; an inventory may have several agents."""

    watch: str = f"127.0.0.1:{WATCH_PORT}"
    node: str = "127.0.0.1:9100"
    alertmanager: str = "127.0.0.1:9093"
    agents: tuple[str, ...] = ()


@dataclass
class _Grid:
    panels: list[Document] = field(default_factory=list)
    _x: int = 0
    _y: int = 0
    _height: int = 0

    def add(self, panel: Document, width: int, height: int) -> None:
        if self._x + width > _WIDTH:
            self._x, self._y, self._height = 0, self._y + self._height, 0
        place = {"x": self._x, "y": self._y, "w": width, "h": height}
        self.panels.append({"id": len(self.panels) + 1, "gridPos": place, "datasource": _SOURCE, **panel})
        self._x, self._height = self._x + width, max(self._height, height)


def routes_file(addresses: Mapping[str, str]) -> str:
    """Return Alertmanager's configuration for webhooks by carrier (`EVERYTHING`: all alerts)."""
    carriers = sorted(name for name in addresses if name != EVERYTHING)
    everything: list[Document] = [{"receiver": "all"}] if EVERYTHING in addresses else []
    config: Document = {
        "route": {
            "receiver": "all" if EVERYTHING in addresses else "nobody",
            # A message a relay and scope: a cut line of two hundred sites is one.
            "group_by": ["inventory", "carrier", "host", "scope", "severity"],
            "group_wait": "2s",
            "group_interval": "10s",
            "repeat_interval": "4h",
            "routes": [*map(_route_of, carriers), *everything],
        },
        "inhibit_rules": [*_inhibitions()],
        "receivers": [*_alertmanager_receivers(addresses)],
    }
    return "# Written by `provisioner monitoring`.\n" + yaml.safe_dump(config, sort_keys=False, width=120)


def _route_of(carrier: str) -> Document:
    return {"matchers": [f'carrier="{carrier}"'], "receiver": f"carrier-{carrier}", "continue": True}


def _inhibitions() -> Iterator[Document]:
    for source, targets, equal in _HIDES:
        yield {
            "source_matchers": [f'scope="{source}"'],
            "target_matchers": [f'scope=~"{targets}"'],
            "equal": list(equal),
        }
    yield {
        "source_matchers": ['scope="host"'],
        "target_matchers": ['alertname="ProvisionerPathsUnknown"'],
        "equal": ["inventory", "carrier"],
    }


def _alertmanager_receivers(addresses: Mapping[str, str]) -> Iterator[Document]:
    if EVERYTHING not in addresses:
        yield {"name": "nobody"}
    for carrier, url in sorted(addresses.items()):
        name = "all" if carrier == EVERYTHING else f"carrier-{carrier}"
        yield {"name": name, "webhook_configs": [{"url": url, "send_resolved": True}]}


def prometheus_file(places: ScrapePlaces) -> str:
    """Return Prometheus's configuration; an existing one needs its jobs and rules."""
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


def _targets(target: str) -> Document:
    return {"static_configs": [_below(target)]}


def _below(target: str) -> Document:
    return {"targets": [target]}


def _agents(places: tuple[str, ...]) -> Document:
    return {"job_name": "provisioner-agent", "static_configs": [{"targets": list(places)}]}


def dashboard_file(pages: str = "") -> str:
    """Return Grafana's dashboard; `pages` is the address of `serve`."""
    grid = _Grid()
    _add_panels_of_now(grid)
    _add_panels_of_nights(grid)
    _of_the_watch(grid)
    document: Document = {
        "uid": "provisioner-paths",
        "title": "provisioner: camera paths",
        "description": "What is broken now, what the last night found, and whether anybody looks at all.",
        "tags": ["provisioner"],
        "schemaVersion": 37,
        "version": 1,
        "editable": True,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_datasource(), *map(_variable, ("inventory", "carrier", "province"))]},
        "annotations": {"list": []},
        "links": [{"type": "link", "title": "Pages", "url": pages, "targetBlank": True}] if pages else [],
        "panels": grid.panels,
    }
    return json.dumps(document, indent=2) + "\n"


def _add_panels_of_now(grid: _Grid) -> None:
    for state, colour in (("up", "green"), ("down", "red"), ("unknown", "orange"), ("quarantined", "purple")):
        name = "flow" if state == "up" else state
        expr = f'sum(provisioner_watch_paths{{{_PLACE},state="{state}"}})'
        grid.add(_stat(f"Paths now: {name}", expr, colour), 4, 4)
    expr = f'count(provisioner:watch_incident_paths{{{_OF},scope=~"host|site|device"}} > 0) or vector(0)'
    grid.add(_stat("Broken things now", expr, "red"), 4, 4)
    expr = 'max(provisioner:night_age_seconds{inventory=~"$inventory"})'
    grid.add(_stat("Since the last night", expr, "blue", unit="s"), 4, 4)
    grid.add(_table("Incidents now", f"provisioner_watch_incident_paths{{{_OF}}} > 0", "paths"), 24, 9)
    still = f'sum by (state) (provisioner_watch_paths{{{_PLACE},state!="up"}})'
    grid.add(_lines("Paths that do not flow", [(still, "state")]), 12, 8)
    grid.add(_timeline("Paths that do not flow, each", f"provisioner:watch_path_state{{{_PLACE}}}"), 12, 8)


def _stat(title: str, expr: str, colour: str, *, unit: str = "short") -> Document:
    steps = [{"color": colour, "value": None}]
    defaults = {"unit": unit, "color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}}
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none"}
    return _panel("stat", title, [{**_target(expr), "instant": True}], options, defaults)


def _timeline(title: str, expr: str) -> Document:
    states = {str(n): {"text": _STATES[n], "color": _COLOURS[n], "index": n} for n in range(len(_STATES))}
    defaults = {"mappings": [{"type": "value", "options": states}]}
    options = {"showValue": "auto", "mergeValues": True}
    return _panel("state-timeline", title, [_target(expr, "{{path}}")], options, defaults)


def _add_panels_of_nights(grid: _Grid) -> None:
    ratio = "provisioner:paths_up:ratio_by_carrier"
    grid.add(_lines("Up at night, by carrier", [(f"{ratio}{{{_OF}}}", "carrier")], unit="percentunit"), 12, 8)
    worst = f"bottomk(20, provisioner:paths_up:ratio_by_carrier_province{{{_PLACE}}})"
    grid.add(_table("Provinces with the least up at night", worst, "share up"), 12, 8)
    facilities = f"bottomk(50, provisioner:facility_paths_up:ratio{{{_PLACE}}} < 1)"
    grid.add(_table("Facilities not whole at night", facilities, "share up"), 12, 8)
    grid.add(_table("Incidents of the last night", f"provisioner_incident_paths{{{_OF}}} > 0", "paths"), 12, 8)
    drift = 'max by (inventory, host) (provisioner_host_drift{inventory=~"$inventory"}) > 0'
    grid.add(_table("Hosts that drifted", drift, "differences"), 12, 8)
    silent = 'max by (inventory, host) (provisioner_host_answered{inventory=~"$inventory"}) == 0'
    grid.add(_table("Hosts that did not answer at night", silent, "answered"), 12, 8)


def _table(title: str, expr: str, value: str) -> Document:
    hidden = dict.fromkeys(("Time", "__name__", "instance", "job"), True)
    organize = {"excludeByName": hidden, "renameByName": {"Value": value}}
    transformations = [{"id": "organize", "options": organize}]
    panel = _panel("table", title, [_target(expr, table=True)], {"showHeader": True}, {})
    return {**panel, "transformations": transformations}


def _of_the_watch(grid: _Grid) -> None:
    selector = '{inventory=~"$inventory"}'
    age = f"time() - provisioner_watch_host_looked_timestamp_seconds{selector}"
    grid.add(_lines("Since each relay told of its paths", [(age, "host")], unit="s"), 12, 8)
    seconds = f"provisioner_watch_host_look_seconds{selector}"
    grid.add(_lines("How long a look takes", [(seconds, "host")], unit="s"), 12, 8)


def _lines(title: str, series: Sequence[tuple[str, str]], *, unit: str = "short") -> Document:
    targets = [_target(expr, f"{{{{{label}}}}}", number=n) for n, (expr, label) in enumerate(series)]
    options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    return _panel("timeseries", title, targets, options, {"unit": unit, "min": 0})


def _panel(kind: str, title: str, targets: list[Document], options: Document, defaults: Document) -> Document:
    config = {"defaults": defaults, "overrides": []}
    return {"type": kind, "title": title, "targets": targets, "fieldConfig": config, "options": options}


def _target(expr: str, legend: str = "", *, table: bool = False, number: int = 0) -> Document:
    form = {"format": "table", "instant": True} if table else {"legendFormat": legend}
    return {"refId": chr(ord("A") + number), "expr": expr, "datasource": _SOURCE, **form}


def _datasource() -> Document:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _variable(name: str) -> Document:
    return {
        "name": name,
        "type": "query",
        "label": name,
        "datasource": _SOURCE,
        "query": {"query": f"label_values(provisioner_watch_paths, {name})", "refId": name},
        "definition": f"label_values(provisioner_watch_paths, {name})",
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "sort": 1,
    }


def kit(places: ScrapePlaces, addresses: Mapping[str, str], pages: str = "") -> dict[str, str]:
    """Return each file's text; `addresses` are webhooks by carrier."""
    return {
        "prometheus.yml": prometheus_file(places),
        RULES: rules_file(),
        "alertmanager.yml": routes_file(addresses),
        "grafana-dashboard.json": dashboard_file(pages),
    }
