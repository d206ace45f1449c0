"""A closer look at devices whose paths do not flow, and at relays that a centre cannot read: what is in the way.

Devices are asked, gateways are asked, and what this host itself drops is traced, all at the same time, so that it
takes no longer than the connections that have to be tried again anyway. Evidence only: the controller judges.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from provisioner_host import answers, dropped, gateways, reach, relay
from provisioner_host.logins import without_login
from provisioner_host.paths import PROBE_TABLE, TABLE
from provisioner_host.shell import Failed, run

if TYPE_CHECKING:
    from provisioner_host.wire import (
        BaseChainAnswer,
        CloserAnswer,
        DeviceEvidenceAnswer,
        PathToProbe,
        TunnelAnswer,
        WayAnswer,
    )

DeviceAddress = tuple[str, int]

_MOST_ASKED = 500
_GATEWAYS_S = 4.0
_MOST_CHAINS = 100


def at_devices(
    devices: list[DeviceEvidenceAnswer],
    dark: Mapping[str, PathToProbe],
    tunnel: TunnelAnswer,
    connect_s: float,
    until: float,
) -> CloserAnswer:
    """What is learnt of the devices of dark paths; those of them that timed out are tried again and change in place.

    Args:
        devices: how each device answered a connection.
        dark: the paths that do not flow, by name.
        tunnel: the live tunnel.
        connect_s: how long a connection may take.
        until: when to ask no more, on the monotonic clock.
    """
    places = {(p["address"], p["port"]) for p in dark.values()}
    if not places or time.monotonic() >= until:
        return {"drops": None, "gateways": []}
    asked = _targets(devices, dark)
    with ThreadPoolExecutor(3) as asking, dropped.traced(places, tunnel["listen_port"]) as trace:
        said = asking.submit(answers.asked, asked, until)
        gateway_until = min(until, time.monotonic() + _GATEWAYS_S)
        addresses = {address for address, _ in places}
        pinged = asking.submit(gateways.answers, addresses, tunnel["mtu"], gateway_until, dropped.MARK)
        tried = asking.submit(reach.again, devices, connect_s, dropped.MARK)
        devices[:] = tried.result()
        heard, ways = said.result(), pinged.result()
    for device in devices:
        if words := heard.get((device["address"], device["port"])):
            device["said"] = words
    return {"drops": trace.drops, "gateways": ways}


def _targets(devices: list[DeviceEvidenceAnswer], dark: Mapping[str, PathToProbe]) -> dict[DeviceAddress, str]:
    """What each device that took a connection is asked for: the first of its dark paths, without a login."""
    answering = {(d["address"], d["port"]) for d in devices if d["outcome"] == "ok"}
    wanted = {name: p for name, p in sorted(dark.items()) if (p["address"], p["port"]) in answering}
    sources = relay.sources(set(wanted)) if wanted else {}
    targets: dict[DeviceAddress, str] = {}
    for name, path in wanted.items():
        if len(targets) < _MOST_ASKED:
            target = answers.target_of(without_login(sources.get(name, "")))
            targets.setdefault((path["address"], path["port"]), target)
    return targets


def at_relays(
    places: Iterable[DeviceAddress], tunnel: TunnelAnswer, connect_s: float, until: float
) -> tuple[list[WayAnswer], CloserAnswer]:
    """How a centre reaches the relays that it cannot read: connections, packets of both sizes, and what it drops."""
    wanted = sorted(set(places))
    if not wanted or time.monotonic() >= until:
        return [], {"drops": None, "gateways": []}
    with ThreadPoolExecutor(2) as asking, dropped.traced(wanted, tunnel["listen_port"]) as trace:
        gateway_until = min(until, time.monotonic() + _GATEWAYS_S)
        addresses = {address for address, _ in wanted}
        pinged = asking.submit(gateways.answers, addresses, tunnel["mtu"], gateway_until, dropped.MARK)
        tried = asking.submit(reach.connect_all, wanted, connect_s, dropped.MARK)
        connected, ways = tried.result(), pinged.result()
    return list(connected), {"drops": trace.drops, "gateways": ways}


def foreign_chains() -> list[BaseChainAnswer] | None:
    """The chains of other tables that packets of this host pass; None where they cannot be listed."""
    try:
        listed = json.loads(run(["nft", "-j", "list", "chains"]).stdout)["nftables"]
    except (Failed, ValueError, KeyError):
        return None
    chains = (entry["chain"] for entry in listed if "hook" in entry.get("chain", ()))
    foreign = [_base_chain(chain) for chain in chains if (chain["family"], chain["table"]) not in {TABLE, PROBE_TABLE}]
    return foreign[:_MOST_CHAINS]


def _base_chain(chain: dict[str, str]) -> BaseChainAnswer:
    return {
        "family": chain["family"],
        "table": chain["table"],
        "chain": chain["name"],
        "hook": chain["hook"],
        "policy": chain.get("policy", ""),
    }
