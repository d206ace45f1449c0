"""What of this machine a change would meet: its way out, and who has the ports that ours need."""

from __future__ import annotations

import contextlib
import json
import pwd
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from provisioner_host import paths, tunnel
from provisioner_host.shell import run

if TYPE_CHECKING:
    from provisioner_host.wire import PortAnswer, PortsToTake, WayOutAnswer

_MOST_PORTS = 20
# States of sockets in the kernel's lists: one that waits for connections, and one of UDP that takes what comes.
_LISTENING = {"tcp": "0A", "udp": "07"}
_ANY, _ANY_6 = "00000000", "0" * 32
# As the kernel writes it, byte for byte from the last one.
_LOOPBACK, _LOOPBACK_6 = "0100007F", f"{'0' * 24}01000000"
_FIELDS = 8


class Socket(NamedTuple):
    """A socket that waits for others.

    Attributes:
        address: as the kernel writes it.
        user: the number of the user whose it is.
    """

    address: str
    port: int
    user: int


def way_out() -> WayOutAnswer | None:
    """The interface of the default route, and how large its packets may be; None where there is none."""
    listed = run(["ip", "-j", "-4", "route", "show", "default"], check=False)
    routes = [route for route in json.loads(listed.stdout or "[]") if route.get("dev")]
    if not routes:
        return None
    route = min(routes, key=lambda one: int(one.get("metric", 0)))
    device = str(route["dev"])
    shown = json.loads(run(["ip", "-j", "link", "show", "dev", device], check=False).stdout or "[]")
    # A route may have one of its own.
    sizes = [int(one["mtu"]) for one in (*shown, *route.get("metrics", ())) if "mtu" in one]
    return {"device": device, "mtu": min(sizes)} if sizes else None


def taken(wanted: PortsToTake) -> list[PortAnswer]:
    """The ports that ours need and somebody else has, some of many."""
    own, tcp = _own_users(), list(_sockets("tcp"))
    answer: list[PortAnswer] = []
    for port in wanted["tcp"]:
        others = [one for one in tcp if one.port == port and one.user not in own]
        answer += [_answer("tcp", one) for one in others if one.address in {_ANY, _ANY_6, _LOOPBACK}]
    for port in wanted["udp"]:
        if port not in tunnel.listened_ports():
            answer += [_answer("udp", one) for one in _sockets("udp") if one.port == port]
    led = set(wanted.get("led", ()))
    # What this machine says to itself is led nowhere: a resolver that waits on loopback is in nobody's way.
    answer += [_answer("udp", one) for one in _sockets("udp") if one.port in led and not _is_loopback(one.address)]
    return answer[:_MOST_PORTS]


def _is_loopback(address: str) -> bool:
    """Whether an address, as the kernel writes it, is one at which a machine hears only itself."""
    return address.endswith("7F") if len(address) == len(_ANY) else address == _LOOPBACK_6


def _own_users() -> Collection[int]:
    with contextlib.suppress(KeyError):
        return {pwd.getpwnam(paths.USER).pw_uid}
    return ()


def _answer(protocol: str, socket: Socket) -> PortAnswer:
    user = str(socket.user)
    with contextlib.suppress(KeyError):
        user = pwd.getpwuid(socket.user).pw_name
    return {"protocol": protocol, "port": socket.port, "user": user}


def _sockets(protocol: str) -> Iterator[Socket]:
    for family in ("", "6"):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/net/{protocol}{family}").read_text()
            yield from sockets_in(text, _LISTENING[protocol])


def sockets_in(text: str, state: str) -> Iterator[Socket]:
    """The sockets of one state in a list of the kernel's. Pure."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < _FIELDS or fields[3] != state:
            continue
        address, _, port = fields[1].partition(":")
        with contextlib.suppress(ValueError):
            yield Socket(address, int(port, 16), int(fields[7]))
