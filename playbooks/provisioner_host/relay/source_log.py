"""MediaMTX's sources: their errors and connections.

MediaMTX 1.20 gives a source's error only in its log, 1.21 also in its Control API. It follows a camera's redirect
without telling the new address, so connections come from the kernel, as `ss` prints them. The controller judges the
result.
"""

from __future__ import annotations

import json
import pwd
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from provisioner_host.machine.paths import API_PORT, READER_PORTS, TABLE, USER
from provisioner_host.machine.patterns import pattern
from provisioner_host.machine.shell import Failed, run, scrub
from provisioner_host.machine.stream_logins import forgotten
from provisioner_host.relay import relay

if TYPE_CHECKING:
    from provisioner_host.wire import EndpointAnswer, SourcesAnswer, StreamEndsAnswer

_SOURCE = pattern(r"^\[path (\S+)\] \[RTSP source\] (.*)$", re.DOTALL)
_VERSION = pattern(r"^v?(\d{1,4})\.(\d{1,4})\.")
_TIMESTAMP = pattern(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,12})?(Z|[+-]\d\d:\d\d)")
_SAYS_ERRORS = (1, 21)
_MOST_ASKED = 200
_CAME = "stream is available"
_STREAM = pattern(rf"^\[path (\S+)\] {_CAME}")
_NAMED_SOURCE = pattern(r"\[path (\S+)\] \[RTSP source\] ")
_STALLED = "TCP timeout"
# A source that stopped is tried again within 15 s, so that one that goes on stopping did so within this time.
_MOMENT_S = 40.0
_KEPT = 3
_SHOWN = 300

_SERVED = READER_PORTS | {API_PORT}
_LINE = pattern(r"^\d+\s+\d+\s+(?P<local>\S+):(?P<port>\d+)\s+(?P<peer>\S+):(?P<peer_port>\d+)\s(?P<rest>.*)$")
_UID = pattern(r"\buid:(\d+)\b")
_RECEIVED = pattern(r"\bbytes_received:(\d+)\b")
# More than any answer before a picture, and less than any picture in a second.
_PICTURE_BYTES = 8_000
_NAMED = 10_000


class SourceLink(NamedTuple):
    """A connection that MediaMTX opened."""

    local_port: int
    address: str
    port: int


class _End(NamedTuple):
    """An end of a stream, with its start if that is known."""

    at: float
    started: float | None
    stopped: bool


Connections = dict[SourceLink, int]  #: Connections with their received bytes.


def last_errors(paths: Iterable[str], since_s: float) -> dict[str, list[str]]:
    """Return the last distinct errors by path, newest first, without credentials."""
    return last_words(paths, since_s)[0]


def last_words(paths: Iterable[str], since_s: float) -> tuple[dict[str, list[str]], dict[str, StreamEndsAnswer]]:
    """Return the last distinct errors and the ends by path."""
    log_text, named = relay.log(since_s), set(paths)
    sources = relay.sources(named) if "RTSP source" in log_text else {}
    return errors_in(log_text, named, sources), ends(log_text, named, time.time())


def ends(text: str, paths: set[str], now: float) -> dict[str, StreamEndsAnswer]:
    """Return how streams ended lately, by path.

    Each error after a start is an end, whatever its words; a timeout is one without a start too. Only paths with a
    recent end count: one that has flowed since then has recovered.
    """
    started: dict[str, float] = {}
    ended: dict[str, list[_End]] = {}
    for line in text.splitlines():
        if _CAME in line and (came := _STREAM.match(_message(line, "INF") or "")):
            started[came[1]] = _entry_time(_log_entry(line, "INF"))
            continue
        named = _NAMED_SOURCE.search(line)
        # Most errors are of sources that never started: those lines are not parsed.
        if named is None or named[1] not in paths or not (named[1] in started or _STALLED in line):
            continue
        entry = _log_entry(line, "ERR")
        if matched := _SOURCE.match(str(entry.get("message", ""))):
            end = _End(_entry_time(entry), started.pop(matched[1], None), _STALLED in matched[2])
            if end.stopped or end.started is not None:
                ended.setdefault(matched[1], []).append(end)
    counted = {name: _counted(of_path) for name, of_path in ended.items()}
    for name in counted.keys() & started.keys():
        counted[name]["since_s"] = max(0.0, now - started[name])
    return {name: counted[name] for name in ended if ended[name][-1].at >= now - _recent_s(counted[name])}


def _counted(ended: Sequence[_End]) -> StreamEndsAnswer:
    lasted = sorted(max(0.0, end.at - end.started) for end in ended if end.started)
    stopped = sum(end.stopped for end in ended)
    return {
        "stopped": stopped,
        "closed": len(ended) - stopped,
        "lasted_s": lasted[len(lasted) // 2] if lasted else None,
        "longest_s": lasted[-1] if lasted else None,
        "since_s": None,
    }


def _recent_s(ends: StreamEndsAnswer) -> float:
    return max(_MOMENT_S, 2 * (ends["lasted_s"] or 0.0))


def _entry_time(entry: dict[str, Any]) -> float:
    """Return an entry's time in seconds, or 0."""
    written = _TIMESTAMP.fullmatch(str(entry.get("timestamp")))
    if written is None:
        return 0.0
    second, fraction, zone = written.groups()
    try:
        return datetime.strptime(second + zone, "%Y-%m-%dT%H:%M:%S%z").timestamp() + float(fraction or 0)
    except (ValueError, OverflowError, OSError):
        return 0.0


def errors_of_api(paths: Iterable[str], version: str) -> dict[str, list[str]]:
    """Return sources' present errors from the Control API, without credentials.

    The API has them from MediaMTX 1.21 on.
    """
    number = _VERSION.match(version)
    if number is None or (int(number[1]), int(number[2])) < _SAYS_ERRORS:
        return {}
    wanted = sorted(paths)[:_MOST_ASKED]
    sources = relay.sources(set(wanted))
    errors = {}
    for name in wanted:
        try:
            source = relay.api(f"/v3/paths/static-sources/get/{name}")
        except (Failed, OSError):
            continue
        text = source.get("lastError") if isinstance(source, dict) and source.get("state") == "error" else None
        if isinstance(text, str) and text:
            errors[name] = [forgotten(scrub(text), sources.get(name, ""))[:_SHOWN]]
    return errors


def errors_in(text: str, paths: set[str], sources: Mapping[str, str]) -> dict[str, list[str]]:
    """Return errors by path from JSON log lines, without credentials.

    Errors before a path's last stream are left out: they are over.
    """
    by_path: dict[str, list[str]] = {}
    recovered: set[str] = set()
    for line in reversed(text.splitlines()):
        if _CAME in line and (restarted := _STREAM.match(_message(line, "INF") or "")):
            recovered.add(restarted[1])
            continue
        message = _message(line, "ERR")
        matched = _SOURCE.match(message) if message else None
        if matched is None or matched[1] not in paths or matched[1] in recovered:
            continue
        errors = by_path.setdefault(matched[1], [])
        text = forgotten(scrub(matched[2]), sources.get(matched[1], ""))[:_SHOWN]
        if len(errors) < _KEPT and text not in errors:
            errors.append(text)
    return by_path


def _message(line: str, level: str) -> str | None:
    entry = _log_entry(line, level)
    return str(entry.get("message", "")) if entry else None


def _log_entry(line: str, level: str) -> dict[str, Any]:
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) and entry.get("level") == level else {}


def connections() -> Connections | None:
    """Return MediaMTX's open outgoing connections, or `None` if unknown."""
    return _connections_of_relay([])


def count_to(address: str, port: int) -> int | None:
    """Count MediaMTX's connections to a device, or return `None` if unknown."""
    listed = _connections_of_relay(["dst", "=", f"{address}:{port}"])
    return None if listed is None else len(listed)


def _connections_of_relay(chosen: list[str]) -> Connections | None:
    try:
        uid = pwd.getpwnam(USER).pw_uid
        output = run(["ss", "--no-header", "-tneiO", "state", "established", *chosen]).stdout
    except (KeyError, Failed, UnicodeDecodeError):
        return None
    return connections_in(output, uid)


def connections_in(output: str, uid: int) -> Connections:
    """Return a user's outgoing connections from the output of `ss`."""
    opened: Connections = {}
    for line in output.splitlines():
        matched = _LINE.match(line)
        owner = _UID.search(matched["rest"]) if matched else None
        if matched is None or owner is None or int(owner[1]) != uid or int(matched["port"]) in _SERVED:
            continue
        address = matched["peer"].strip("[]").removeprefix("::ffff:").partition("%")[0]
        received = _RECEIVED.search(matched["rest"])
        opened[SourceLink(int(matched["port"]), address, int(matched["peer_port"]))] = (
            int(received[1]) if received else 0
        )
    return opened


def evidence(before: Connections | None, after: Connections | None) -> SourcesAnswer | None:
    """Compare connections after a first and a second sample of the paths."""
    if before is None or after is None:
        return None
    counts, now = (Counter((c.address, c.port) for c in listed) for listed in (before, after))
    flowing = Counter(
        (c.address, c.port) for c, received in after.items() if c in before and received - before[c] > _PICTURE_BYTES
    )
    return {
        "connections": [
            {
                "address": address,
                "port": port,
                "count": counts[address, port],
                "flowing": flowing[address, port],
                "now": now[address, port],
            }
            for address, port in sorted(counts.keys() | now.keys())[:_NAMED]
        ],
        "halted": _halted_devices(),
    }


def halted_since(sources: SourcesAnswer | None) -> SourcesAnswer | None:
    """Add devices that the firewall halted after the evidence was gathered."""
    if sources is None:
        return None
    later = [device for device in _halted_devices() if device not in sources["halted"]]
    return {"connections": sources["connections"], "halted": [*sources["halted"], *later]}


def _halted_devices() -> list[EndpointAnswer]:
    """Return devices halted by the firewall, after too many connection attempts."""
    listed = run(["nft", "-j", "list", "set", *TABLE, "halted"], check=False)
    if listed.returncode != 0:
        return []
    return _endpoints_in(element for entry in json.loads(listed.stdout)["nftables"] for element in _elements(entry))


def _elements(entry: dict[str, dict[str, list[object]]]) -> list[object]:
    return entry.get("set", {}).get("elem", [])


def _endpoints_in(elements: Iterable[object]) -> list[EndpointAnswer]:
    places: list[EndpointAnswer] = []
    for element in elements:
        inner = _part(_part(element, "elem"), "val") or element
        pair = inner.get("concat") if isinstance(inner, dict) else None
        if isinstance(pair, list) and [type(part) for part in pair] == [str, int]:
            places.append({"address": pair[0], "port": pair[1]})
    return places


def _part(element: object, name: str) -> dict[str, object]:
    part = element.get(name) if isinstance(element, dict) else None
    return part if isinstance(part, dict) else {}
