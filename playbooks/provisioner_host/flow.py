"""Whether paths flow: two samples of MediaMTX's API and its unit's state, and nothing else. It changes nothing.

A watch asks this every few seconds, so it takes no lease, opens no connection to a camera, and reads no file.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner_host import probe, units
from provisioner_host.paths import UNIT_MEDIAMTX
from provisioner_host.shell import Failed

if TYPE_CHECKING:
    from provisioner_host.wire import FlowLookAnswer, FlowLookRequest, PathToRead, SampleAnswer

# So long after the first sample nearly every path has grown; what has not gets the time that the request has for it.
_LEAST_S = 1.0


def flow(request: FlowLookRequest, _folder: Path) -> FlowLookAnswer:
    """Say which of the paths flow, which stand still, and leave out those that the relay has not got."""
    paths: dict[str, PathToRead] = {
        name: {"name": name, "on_demand": False, "address": "", "port": 0} for name in request["paths"]
    }
    begun = time.monotonic()
    first, error = probe.sample(paths)
    flows: dict[str, bool] = {}
    for seconds in () if error else (min(_LEAST_S, request["sample_s"]), request["sample_s"]):
        time.sleep(max(0.0, begun + seconds - time.monotonic()))
        later, error = probe.sample(paths)
        flows = {name: _flows(first.get(name), state) for name, state in later.items()}
        if error or (len(flows) == len(paths) and all(flows.values())):
            break
    return {"unit": _unit(), "api_error": error, "flows": flows, "seconds": round(time.monotonic() - begun, 2)}


def _flows(before: SampleAnswer | None, now: SampleAnswer) -> bool:
    """Whether something came; a source that was dialled anew meanwhile has less than before, and flows as well."""
    if before is None or not (now["available"] and now["online"]):
        return False
    return now["inbound_bytes"] > before["inbound_bytes"] or 0 < now["inbound_bytes"] < before["inbound_bytes"]


def _unit() -> str:
    try:
        return units.states([UNIT_MEDIAMTX])[UNIT_MEDIAMTX]["active"]
    except (Failed, KeyError):
        return "unknown"
