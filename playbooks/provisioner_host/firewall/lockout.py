"""Lock-out check: tests with packets whether new rules admit the controller."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import selectors
import socket
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner_host.firewall import firewall
from provisioner_host.machine.namespace import Scratch, scratch
from provisioner_host.machine.shell import Failed

if TYPE_CHECKING:
    from provisioner_host.wire import Refusal

_SENTENCE = "lock-out: the new rules would refuse new SSH connections from"
# A first SYN that is lost is sent again after a second.
_PATIENCE_S = 2.5
# One stands for the host that is nobody who knocks: the rules for SSH never name the host's own address.
_HOST_SIDES = {4: "192.0.2.", 6: "2001:db8::"}
_IPV6 = Path("/proc/net/if_inet6")  # there where the kernel speaks IPv6


class LockedOut(Failed):
    """The new rules would lock the controller out."""


def refusal_of(error: Failed) -> Refusal:
    """Return the kind of refusal."""
    return "lock-out" if isinstance(error, LockedOut) else "check"


def refusal_in(cause: str) -> Refusal:
    """Return the kind of refusal from a receipt's cause."""
    return "lock-out" if _SENTENCE in cause else "check"


def connection_peer() -> str | None:
    """Return the peer address of this SSH connection, or `None`."""
    pid = os.getpid()
    while pid > 1:
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        for entry in environment:
            if entry.startswith(b"SSH_CONNECTION="):
                return entry.partition(b"=")[2].split()[0].decode()
        pid = int(stat.rpartition(")")[2].split()[1])
    return None


def sources(networks: list[str], peer: str | None) -> list[str]:
    """Return one address of each management network, and the peer's.

    IPv6 networks are left out if the kernel has no IPv6.
    """
    chosen = []
    for text in networks:
        network = ipaddress.ip_network(text)
        if network.version == 4 or _IPV6.exists():  # noqa: PLR2004
            chosen.append(str(network[1] if network.num_addresses > 2 else network[0]))  # noqa: PLR2004
    if peer:
        chosen.append(_plain_address(peer))
    return sorted(set(chosen))


def _plain_address(peer: str) -> str:
    """Return an address as rules see it: no zone, no mapped IPv4."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        raise Failed("lock-out cannot be tried: sshd does not say from which address this connection comes") from None
    return str(getattr(address, "ipv4_mapped", None) or address)


def check(rules: Path, ssh_port: int, networks: list[str]) -> None:
    """Check that new SSH connections from peer and management networks pass.

    Raises:
        LockedOut: a connection would be refused.
        Failed: the check could not run.
    """
    address = connection_peer()
    peer = _plain_address(address) if address else None
    knocking = sources(networks, peer)
    with scratch() as host, scratch() as client:
        _wire(host, client, knocking)
        host.run(["nft", "-f", "-"], stdin=firewall.loadable(rules))
        answered = _try_connections(host, client, ssh_port, knocking)
    shut = [source for source in knocking if not answered.get(source)]
    if shut:
        names = ", ".join(f"{s} (this connection)" if s == peer else s for s in shut)
        raise LockedOut(f"{_SENTENCE} {names}")


def _family(address: str) -> int:
    return 6 if ":" in address else 4


def _host_sides(knocking: list[str]) -> dict[int, str]:
    return {family: _nobody(_HOST_SIDES[family], knocking) for family in sorted(set(map(_family, knocking)))}


def _nobody(begin: str, knocking: list[str]) -> str:
    return next(side for side in (f"{begin}{number}" for number in range(1, 255)) if side not in knocking)


def _wire(host: Scratch, client: Scratch, knocking: list[str]) -> None:
    sides = _host_sides(knocking)
    host.ip(
        [
            f"link add prov-h type veth peer name prov-c netns {client.path}",
            "link set lo up",
            *(_address(side, "prov-h") for side in sides.values()),
            "link set prov-h up",
            *(f"route replace {_whole(s)} dev prov-h" for s in knocking),
        ]
    )
    client.ip(
        [
            "link set lo up",
            *(_address(s, "prov-c") for s in knocking),
            "link set prov-c up",
            *(f"route add {_whole(side)} dev prov-c" for side in sides.values()),
        ]
    )


def _whole(address: str) -> str:
    return f"{address}/{128 if _family(address) == 6 else 32}"  # noqa: PLR2004


def _address(address: str, device: str) -> str:
    # Nobody else is in there to have the address, which is why it need not be asked for first.
    return f"address add {_whole(address)} dev {device}{' nodad' if ':' in address else ''}"


def _try_connections(host: Scratch, client: Scratch, port: int, knocking: list[str]) -> dict[str, bool]:
    """Connect from all sources at once; return which succeeded.

    Over IPv6 the rules must also admit neighbour discovery.
    """
    until = time.monotonic() + _PATIENCE_S
    answered = dict.fromkeys(knocking, False)
    with contextlib.ExitStack() as stack:
        sides = _host_sides(knocking)
        for side in sides.values():
            stack.enter_context(host.call(partial(_listening, side, port, len(knocking) + 8)))
        waiting = stack.enter_context(selectors.DefaultSelector())
        index = client.call(lambda: socket.if_nametoindex("prov-c"))
        for source in knocking:
            family = _family(source)
            link = stack.enter_context(client.call(partial(socket.socket, _KINDS[family], socket.SOCK_STREAM)))
            link.settimeout(0)
            # One of the link alone has to say which link.
            link.bind((source, 0, 0, index) if family == 6 else (source, 0))  # noqa: PLR2004
            if link.connect_ex((sides[family], port)) in {0, errno.EINPROGRESS}:
                waiting.register(link, selectors.EVENT_WRITE, (source, link))
        while waiting.get_map() and (left_s := until - time.monotonic()) > 0:
            for key, _ in waiting.select(left_s):
                source, link = key.data
                answered[source] = link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
                waiting.unregister(link)
    return answered


_KINDS = {4: socket.AF_INET, 6: socket.AF_INET6}


def _listening(address: str, port: int, backlog: int) -> socket.socket:
    return socket.create_server((address, port), family=_KINDS[_family(address)], backlog=backlog)
