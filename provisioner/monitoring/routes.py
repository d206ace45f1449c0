"""Alertmanager's configuration: what hides what, and who hears of it. Pure.

The scopes are those of incidents: a host that is away explains its sites, a site its devices, a device its paths. A
carrier hears of its own alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import yaml

from provisioner.base.json_document import Document

EVERYTHING: Final = ""
"""The receiver of all that there is, among the addresses by carrier."""

_HIDES: Final = (
    ("host", "site|device|path", ("inventory", "host")),
    ("site", "device|path", ("inventory", "host", "facility")),
    ("device", "path", ("inventory", "host", "facility", "object")),
)


def routes_file(addresses: Mapping[str, str]) -> str:
    """The configuration.

    Args:
        addresses: by carrier, the address of the webhook that its alerts go to; under `EVERYTHING` that of all.
    """
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
        "receivers": [*_receivers(addresses)],
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


def _receivers(addresses: Mapping[str, str]) -> Iterator[Document]:
    if EVERYTHING not in addresses:
        yield {"name": "nobody"}
    for carrier, url in sorted(addresses.items()):
        name = "all" if carrier == EVERYTHING else f"carrier-{carrier}"
        yield {"name": name, "webhook_configs": [{"url": url, "send_resolved": True}]}
