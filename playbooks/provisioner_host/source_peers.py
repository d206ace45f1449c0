"""Where MediaMTX really is connected: it follows a camera's redirect, and its API does not say from where a path comes.

By the kernel's own table of connections, as `ss` prints it. What it means is judged on the controller.
"""

from __future__ import annotations

import json
import pwd
import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from provisioner_host.paths import API_PORT, READER_PORTS, TABLE, USER
from provisioner_host.shell import Failed, run

if TYPE_CHECKING:
    from provisioner_host.wire import PlaceAnswer, SourcesAnswer

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
    return parse(said, uid)


def parse(said: str, uid: int) -> Connections:
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
