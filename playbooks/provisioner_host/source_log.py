"""Why a source is down: MediaMTX 1.20 says it in its log only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from provisioner_host import relay
from provisioner_host.logins import forgotten
from provisioner_host.paths import UNIT_MEDIAMTX
from provisioner_host.shell import Failed, run, scrub

_SOURCE = re.compile(r"^\[path (\S+)\] \[RTSP source\] (.*)$", re.DOTALL)
_KEPT = 3
_SHOWN = 300


def last_errors(paths: Iterable[str], since_s: float) -> dict[str, list[str]]:
    """The last different errors of each path's source, the newest first, without credentials."""
    unit = UNIT_MEDIAMTX.removesuffix(".service")
    try:
        said = run(["journalctl", "-u", unit, "-o", "cat", "--no-pager", "-q", f"--since=-{since_s:.0f}s"], check=False)
    except (Failed, UnicodeDecodeError):
        return {}
    named = set(paths)
    return parse(said.stdout, named, relay.sources(named) if "RTSP source" in said.stdout else {})


def parse(text: str, paths: set[str], sources: Mapping[str, str]) -> dict[str, list[str]]:
    """The errors out of the log's lines, one JSON document a line, without what the paths' sources say of logins."""
    by_path: dict[str, list[str]] = {}
    for line in reversed(text.splitlines()):
        message = _error(line)
        matched = _SOURCE.match(message) if message else None
        if matched is None or matched[1] not in paths:
            continue
        errors = by_path.setdefault(matched[1], [])
        text = forgotten(scrub(matched[2]), sources.get(matched[1], ""))[:_SHOWN]
        if len(errors) < _KEPT and text not in errors:
            errors.append(text)
    return by_path


def _error(line: str) -> str | None:
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or entry.get("level") != "ERR":
        return None
    return str(entry.get("message", ""))
