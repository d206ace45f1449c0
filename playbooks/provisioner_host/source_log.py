"""Why a source is down: MediaMTX 1.20 says it in its log only, 1.21 in its Control API as well."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from provisioner_host import relay
from provisioner_host.logins import forgotten
from provisioner_host.paths import UNIT_MEDIAMTX
from provisioner_host.shell import Failed, run, scrub

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


def last_errors(paths: Iterable[str], since_s: float) -> dict[str, list[str]]:
    """The last different errors of each path's source, the newest first, without credentials."""
    return last_words(paths, since_s)[0]


def last_words(paths: Iterable[str], since_s: float) -> tuple[dict[str, list[str]], dict[str, int]]:
    """The last different errors of each path's source, and how often each stopped sending while it was connected."""
    unit = UNIT_MEDIAMTX.removesuffix(".service")
    try:
        said = run(["journalctl", "-u", unit, "-o", "cat", "--no-pager", "-q", f"--since=-{since_s:.0f}s"], check=False)
    except (Failed, UnicodeDecodeError):
        return {}, {}
    named = set(paths)
    sources = relay.sources(named) if "RTSP source" in said.stdout else {}
    return parse(said.stdout, named, sources), stalls(said.stdout, named, time.time())


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


def parse(text: str, paths: set[str], sources: Mapping[str, str]) -> dict[str, list[str]]:
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
