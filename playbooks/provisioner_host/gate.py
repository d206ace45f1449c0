"""What the path gate looks at, before a switch and after it: paths that are read, sessions, peers, rules."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host import firewall, last_good, quarantine, reach, relay, source_log, tunnel, units
from provisioner_host.files import canonical
from provisioner_host.paths import LAST_GOOD, MEDIAMTX_FILE, PROBE_TABLE, SENTINEL_PREFIX, TABLE, UNIT_MEDIAMTX
from provisioner_host.shell import Failed, run, scrub

if TYPE_CHECKING:
    from provisioner_host.wire import (
        GateRequest,
        LookAnswer,
        ReadAnswer,
        RelayEvidenceAnswer,
        RulesAnswer,
        SampleAnswer,
        SessionAnswer,
        SessionsAnswer,
    )

_LIST = "/v3/paths/list?itemsPerPage=1000000"
_CAMERA = "element cameras "
_DOORS = ("element management ", "element management_v6 ", "element centres ")
_LOG_S = 60
# What is asked of a path that stays away: whether its camera's port answers, and what MediaMTX has said of it lately.
# It tries every 5 s, and 10 s is the longest that one try takes.
_PORT_S = 4.0
_TRIES_S = 20


_STILL: ReadAnswer = {"error": "no frame: nothing comes from its source", "status": None}


def look(request: GateRequest | None, *, switched: bool = False) -> LookAnswer:
    """How the paths of the request are, and who reads what.

    The request names the `paths` that are read for a key frame, and how long that may take; without paths nothing is
    read. Of its `away` the cameras' ports are tried. What could not be looked at is told as such and stops nothing.

    Args:
        request: what is looked at.
        switched: whether last-good is the state before a switch that has been made.
    """
    now = sessions()
    if switched:
        now["changed"] = _changed()
    asks = request is not None and bool(request["paths"] or request["away"])
    return {"sessions": now, "relay": _evidence(request, switched=switched) if request and asks else None}


def latest(before: LookAnswer) -> LookAnswer:
    """The look before a switch, with the sessions as they are at the last moment: which paths flowed meanwhile."""
    earlier = before["sessions"]
    try:
        paths, at = _paths(), time.time()
    except (Failed, OSError, KeyError):
        return before
    for name, path in paths.items():
        was = (earlier["paths"] or {}).get(name)
        path["flowed"] = was is not None and was["since"] == path["since"] and path["bytes"] > was["bytes"]
    # By the two moments of this host's clock; one that jumped back tells nothing.
    over_s = max(0.0, at - earlier["at"])
    return {**before, "sessions": {**earlier, "paths": paths, "at": at, "over_s": over_s}}


def sessions(*, answers: bool = True) -> SessionsAnswer:
    """Every path with its source and readers, every peer, the rules, and the relay's start.

    `paths` and `started` are None where there is no relay that answers; one that does not is not asked (`answers`).
    """
    now: SessionsAnswer = {
        "at": 0.0,
        "over_s": 0.0,
        "started": None,
        "paths": None,
        "peers": {},
        "rules": None,
        "changed": [],
        "quarantined": quarantine.names(),
    }
    try:
        listed = _paths() if answers else None
        now["started"] = str(relay.api("/v3/info").get("started", "")) if answers else None
        now["paths"] = listed
    except (Failed, OSError, KeyError):
        pass
    now["at"] = time.time()
    try:
        peers = tunnel.live_peers("") or {}
    except Failed:
        peers = {}
    now["peers"] = {
        name: {"handshake": p["handshake"], "received": p["received_bytes"], "allowed_ips": p["allowed_ips"]}
        for name, p in peers.items()
    }
    now["rules"] = _rules()
    return now


def _paths() -> dict[str, SessionAnswer]:
    listed = relay.api(_LIST)["items"]
    return {p["name"]: _path(p) for p in listed if not p["name"].startswith(SENTINEL_PREFIX)}


def _path(item: dict[str, Any]) -> SessionAnswer:
    """What counts of a path: `online` and `onlineTime` stay as they were when a camera is lost (measured on 1.20.1)."""
    available = bool(item.get("available"))
    return {
        "available": available,
        "since": str(item.get("availableTime") or "") if available else "",
        "bytes": int(item.get("inboundBytes") or 0),
        "flowed": False,
        "readers": sorted(str(reader.get("id", "")) for reader in item.get("readers") or ()),
    }


def _rules() -> RulesAnswer | None:
    """Our table, and whatever else stands between a relay and its cameras: other tables, the tunnel's routes."""
    try:
        listed = json.loads(run(["nft", "-j", "list", "ruleset"]).stdout)["nftables"]
        routes = tunnel.live_link()["routes"]
    except (Failed, ValueError, KeyError):
        return None
    ours = [entry for entry in listed if _is_ours(entry)]
    table = firewall.items({"nftables": ours})
    cameras = sorted(name.removeprefix(_CAMERA) for name in table if name.startswith(_CAMERA))
    doors = {name: value for name, value in table.items() if name.startswith(_DOORS)}
    rest = {name: value for name, value in table.items() if not name.startswith((_CAMERA, *_DOORS))}
    others = [firewall.without_counters(entry) for entry in listed if not _is_ours(entry) and not _is_probes(entry)]
    return {
        "cameras": cameras,
        "rest": _digest(rest) if ours else "",
        "doors": _digest(doors),
        "around": _digest([others, routes]),
    }


def _is_ours(entry: dict[str, Any]) -> bool:
    return _is_of(entry, TABLE)


def _is_probes(entry: dict[str, Any]) -> bool:
    """Whether it is of the table by which a probe that looks closer marks its packets, for seconds."""
    return _is_of(entry, PROBE_TABLE)


def _is_of(entry: dict[str, Any], table: tuple[str, str]) -> bool:
    return any((value.get("family"), value.get("table", value.get("name"))) == table for value in entry.values())


def _digest(value: object) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


def _changed() -> list[str]:
    """The paths that the relay's file has as well as last-good's, and otherwise."""
    try:
        saved = last_good.state_of(LAST_GOOD)["files"]
        copy = next((f["content"] for f in saved if Path(f["path"]) == MEDIAMTX_FILE), None)
        before = quarantine.whole((LAST_GOOD / copy).read_text()) if copy else ""
        return relay.changed_paths(before, relay.read_file())
    except (Failed, OSError, ValueError):
        return []


def _stands_still(first: SampleAnswer | None, second: SampleAnswer | None) -> bool:
    both = first is not None and second is not None
    return both and first["available"] and second["available"] and second["inbound_bytes"] == first["inbound_bytes"]  # type: ignore[index]


def _evidence(request: GateRequest, *, switched: bool) -> RelayEvidenceAnswer:
    """Gather what levels 4 and 5 of the ladder need, and no more: a relay's own failure shows in both.

    After a switch a stream that stands still is not read, for the read would take its whole time: it is looked at
    again.
    """
    from provisioner_host import probe  # noqa: PLC0415 (a change that looks at no path does without what reads)

    limits = probe.ProbeBudget(request)
    paths = {p["name"]: p for p in request["paths"]}
    away = {p["name"]: p for p in request["away"]}
    first, error = probe.sample(paths)
    if paths:
        time.sleep(limits.sample_s)
    second, later = probe.sample(paths) if paths else (first, error)
    still = {n: _STILL for n in paths if switched and _stands_still(first.get(n), second.get(n))}
    moving = {name: path for name, path in paths.items() if name not in still}
    reads = probe.reads_of_relay(request["address"], moving, (first, second), limits) if moving else {}
    try:
        unit = str(units.states([UNIT_MEDIAMTX])[UNIT_MEDIAMTX]["active"])
    except (Failed, KeyError):
        unit = "unknown"
    errors = source_log.last_errors(paths, _LOG_S) if paths else {}
    return {
        "unit": unit,
        "api_error": scrub(later or error),
        "tunnel": {"routes": [], "peers": {}},
        "devices": reach.connect_all({(p["address"], p["port"]) for p in away.values() if p["port"]}, _PORT_S),
        "paths": {
            name: {"samples": [first.get(name), second.get(name)], "read": (reads | still).get(name)} for name in paths
        },
        "sources": None,
        "errors": errors | (source_log.last_errors(away, _TRIES_S) if away else {}),
    }
