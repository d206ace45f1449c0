"""The sources of MediaMTX: why they are down, and their connections.

MediaMTX 1.20 says the cause in its log only, 1.21 in its Control API as well. It follows a camera's redirect, and its
API does not say from where a path comes: that says the kernel's own table of connections, as `ss` prints it. The
controller judges what it means.
"""

from __future__ import annotations

import json
import pwd
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from provisioner_host.machine.paths import API_PORT, READER_PORTS, TABLE, USER
from provisioner_host.machine.shell import Failed, run, scrub
from provisioner_host.machine.stream_logins import forgotten
from provisioner_host.relay import relay

if TYPE_CHECKING:
    from provisioner_host.wire import PlaceAnswer, SourcesAnswer


_SOURCE = re.compile(r"^\[path (\S+)\] \[RTSP source\] (.*)$", re.DOTALL)
_VERSION = re.compile(r"^v?(\d{1,4})\.(\d{1,4})\.")
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,12})?(Z|[+-]\d\d:\d\d)")
_SAYS_ERRORS = (1, 21)
_MOST_ASKED = 200
_CAME = "stream is available"
_STREAM = re.compile(rf"^\[path (\S+)\] {_CAME}")
_STALLED = "TCP timeout"
# A source that stopped is tried again within 15 s, so that one that goes on stopping did so within this time.
_MOMENT_S = 40.0
_KEPT = 3
_SHOWN = 300

_SERVED = READER_PORTS | {API_PORT}
_LINE = re.compile(r"^\d+\s+\d+\s+(?P<local>\S+):(?P<port>\d+)\s+(?P<peer>\S+):(?P<peer_port>\d+)\s(?P<rest>.*)$")
_UID = re.compile(r"\buid:(\d+)\b")
_RECEIVED = re.compile(r"\bbytes_received:(\d+)\b")
# More than any answer before a picture, and less than any picture in a second.
_PICTURE_BYTES = 8_000
_NAMED = 10_000


class SourceLink(NamedTuple):
    """A connection that MediaMTX opened, by its two ends."""

    local_port: int
    address: str
    port: int


Connections = dict[SourceLink, int]
"""Connections with the bytes that came over each so far."""


def last_errors(paths: Iterable[str], since_s: float) -> dict[str, list[str]]:
    """The last different errors of each path's source, the newest first, without credentials."""
    return last_words(paths, since_s)[0]


def last_words(paths: Iterable[str], since_s: float) -> tuple[dict[str, list[str]], dict[str, int]]:
    """The last different errors of each path's source, and how often each stopped sending while it was connected."""
    said, named = relay.log(since_s), set(paths)
    sources = relay.sources(named) if "RTSP source" in said else {}
    return errors_in(said, named, sources), stalls(said, named, time.time())


def stalls(text: str, paths: set[str], now: float) -> dict[str, int]:
    """How often the log's lines say of each path that its source was connected and stopped sending.

    Of paths that did so a moment ago: one that has flowed for a while since then is well again.
    """
    times: dict[str, list[float]] = {}
    for entry in (_entry(line, "ERR") for line in text.splitlines() if _STALLED in line):
        matched = _SOURCE.match(str(entry.get("message", "")))
        if matched and matched[1] in paths and _STALLED in matched[2]:
            times.setdefault(matched[1], []).append(_moment(entry))
    return {name: len(of_path) for name, of_path in times.items() if max(of_path) >= now - _MOMENT_S}


def _moment(entry: dict[str, Any]) -> float:
    """The moment of an entry; the beginning of time where it has none. What is less than a second does not count."""
    written = _TIMESTAMP.fullmatch(str(entry.get("timestamp")))
    try:
        return datetime.strptime("".join(written.groups()), "%Y-%m-%dT%H:%M:%S%z").timestamp() if written else 0.0
    except (ValueError, OverflowError, OSError):
        return 0.0


def errors_of_api(paths: Iterable[str], version: str) -> dict[str, list[str]]:
    """The present error of each path's source by the Control API, which says it from 1.21 on; without credentials."""
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
    """The errors out of the log's lines, one JSON document a line, without what the paths' sources say of logins.

    What is older than a path's last stream is of a failure that is over.
    """
    by_path: dict[str, list[str]] = {}
    over: set[str] = set()
    for line in reversed(text.splitlines()):
        if _CAME in line and (came := _STREAM.match(_message(line, "INF") or "")):
            over.add(came[1])
            continue
        message = _message(line, "ERR")
        matched = _SOURCE.match(message) if message else None
        if matched is None or matched[1] not in paths or matched[1] in over:
            continue
        errors = by_path.setdefault(matched[1], [])
        text = forgotten(scrub(matched[2]), sources.get(matched[1], ""))[:_SHOWN]
        if len(errors) < _KEPT and text not in errors:
            errors.append(text)
    return by_path


def _message(line: str, level: str) -> str | None:
    entry = _entry(line, level)
    return str(entry.get("message", "")) if entry else None


def _entry(line: str, level: str) -> dict[str, Any]:
    """An entry of the log of that level, empty for any other line."""
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) and entry.get("level") == level else {}


def connections() -> Connections | None:
    """Every connection that MediaMTX opened and that stands; None where that cannot be said."""
    return _listed([])


def count_to(address: str, port: int) -> int | None:
    """How many of its connections lead to a device; None where that cannot be said."""
    listed = _listed(["dst", "=", f"{address}:{port}"])
    return None if listed is None else len(listed)


def _listed(chosen: list[str]) -> Connections | None:
    try:
        uid = pwd.getpwnam(USER).pw_uid
        said = run(["ss", "--no-header", "-tneiO", "state", "established", *chosen]).stdout
    except (KeyError, Failed, UnicodeDecodeError):
        return None
    return connections_in(said, uid)


def connections_in(said: str, uid: int) -> Connections:
    """The connections of a user that are no answers to somebody else's, out of what `ss` prints."""
    opened: Connections = {}
    for line in said.splitlines():
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
    """Who MediaMTX was connected to while its paths were looked at.

    Args:
        before: as it was just after the first of two samples of the paths.
        after: as it was just after the second one.
    """
    if before is None or after is None:
        return None
    there = Counter((c.address, c.port) for c in before)
    flowing = Counter(
        (c.address, c.port) for c, received in after.items() if c in before and received - before[c] > _PICTURE_BYTES
    )
    return {
        "connections": [
            {"address": address, "port": port, "count": count, "flowing": flowing[address, port]}
            for (address, port), count in sorted(there.items())[:_NAMED]
        ],
        "halted": _halted(),
    }


def halted_since(sources: SourcesAnswer | None) -> SourcesAnswer | None:
    """The same with those devices, too, that were halted after it was gathered: what goes to them is dropped by now."""
    if sources is None:
        return None
    later = [place for place in _halted() if place not in sources["halted"]]
    return {"connections": sources["connections"], "halted": [*sources["halted"], *later]}


def _halted() -> list[PlaceAnswer]:
    """The devices to which the firewall opens nothing at present: somebody made the relay connect too often."""
    listed = run(["nft", "-j", "list", "set", *TABLE, "halted"], check=False)
    if listed.returncode != 0:
        return []
    return _places(element for entry in json.loads(listed.stdout)["nftables"] for element in _elements(entry))


def _elements(entry: dict[str, dict[str, list[object]]]) -> list[object]:
    return entry.get("set", {}).get("elem", [])


def _places(elements: Iterable[object]) -> list[PlaceAnswer]:
    places: list[PlaceAnswer] = []
    for element in elements:
        inner = _part(_part(element, "elem"), "val") or element
        pair = inner.get("concat") if isinstance(inner, dict) else None
        if isinstance(pair, list) and [type(part) for part in pair] == [str, int]:
            places.append({"address": pair[0], "port": pair[1]})
    return places


def _part(element: object, name: str) -> dict[str, object]:
    part = element.get(name) if isinstance(element, dict) else None
    return part if isinstance(part, dict) else {}
