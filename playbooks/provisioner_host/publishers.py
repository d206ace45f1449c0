"""Sites that push to this relay: whose sessions there are, and from where somebody was refused (MediaMTX 1.20.1).

MediaMTX says of a refused publisher no path and no user, only that a session which one address had opened was not let
in: so what is known of him is the address.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from provisioner_host import relay
from provisioner_host.paths import UNIT_MEDIAMTX
from provisioner_host.shell import Failed, run

if TYPE_CHECKING:
    from provisioner_host.wire import PublishingAnswer, PusherAnswer

_OPENED = re.compile(r"\[RTSPS\] \[session ([0-9a-f]{8})\] created by (\S+):\d{1,5}")
_REFUSED = re.compile(r"\[RTSPS\] \[session ([0-9a-f]{8})\] failed to authenticate: ")
_MOST = 1000


def seen(since_s: float) -> PublishingAnswer:
    """Who pushes now, and the addresses from which a login was refused within so many seconds."""
    return {"sessions": _sessions(), "refused": refused_in(_log(since_s))}


def _sessions() -> list[PusherAnswer] | None:
    try:
        listed = relay.reader_sessions()
    except (Failed, OSError):
        return None
    pushing = (one for one in listed if one.get("state") == "publish")
    known = ((str(one.get("path", "")), _address(str(one.get("remoteAddr", "")))) for one in pushing)
    return [{"path": path, "address": address} for path, address in known if address]


def _log(since_s: float) -> str:
    unit = UNIT_MEDIAMTX.removesuffix(".service")
    try:
        said = run(["journalctl", "-u", unit, "-o", "cat", "--no-pager", "-q", f"--since=-{since_s:.0f}s"], check=False)
    except (Failed, UnicodeDecodeError):
        return ""
    return said.stdout


def refused_in(text: str) -> dict[str, int]:
    """The addresses of refused publishers in the log's lines, one JSON document a line, each with how often."""
    opened: dict[str, str] = {}
    refused: Counter[str] = Counter()
    for line in text.splitlines():
        if "[session " not in line:
            continue
        message = _message(line)
        if match := _OPENED.fullmatch(message):
            opened[match[1]] = _address(f"{match[2]}:0")
        elif (match := _REFUSED.match(message)) and opened.get(match[1]):
            refused[opened[match[1]]] += 1
    return dict(sorted(refused.most_common(_MOST)))


def _message(line: str) -> str:
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return ""
    return str(entry.get("message", "")) if isinstance(entry, dict) else ""


def _address(place: str) -> str:
    """The address of `ADDRESS:PORT`; empty where it is none."""
    text = place.rpartition(":")[0].strip("[]").removeprefix("::ffff:")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
