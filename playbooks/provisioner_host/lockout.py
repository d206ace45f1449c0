"""Would the new rules still let the controller in? Tried with packets, in scratch namespaces."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import selectors
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner_host import firewall
from provisioner_host.namespace import Scratch, scratch
from provisioner_host.shell import Failed

if TYPE_CHECKING:
    from provisioner_host.wire import Refusal

_SENTENCE = "lock-out: the new rules would refuse new SSH connections from"
# A first SYN that is lost is sent again after a second.
_PATIENCE_S = 2.5
_HOST_SIDE = "192.0.2.1"  # stands for the host: the rules for SSH never name the host's own address


class LockedOut(Failed):
    """The new rules would keep the controller out."""


def refusal_of(error: Failed) -> Refusal:
    """What a change is refused for."""
    return "lock-out" if isinstance(error, LockedOut) else "check"


def refusal_in(cause: str) -> Refusal:
    """What a change was refused for, by its receipt: that keeps the sentence alone."""
    return "lock-out" if _SENTENCE in cause else "check"


def connection_peer() -> str | None:
    """The address that this very SSH connection comes from, or None where there is none."""
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
    """One address of each management network, and the peer's."""
    chosen = []
    for text in networks:
        network = ipaddress.ip_network(text)
        chosen.append(str(network[1] if network.num_addresses > 2 else network[0]))  # noqa: PLR2004
    if peer and ":" not in peer:
        chosen.append(peer)
    return sorted(set(chosen))


def check(rules: Path, ssh_port: int, networks: list[str]) -> None:
    """Prove that new SSH connections pass the rules, from this connection's peer and each management network.

    Raises:
        LockedOut: one of them would be refused.
        Failed: it could not be tried.
    """
    peer = connection_peer()
    knocking = sources(networks, peer)
    with scratch() as host, scratch() as client:
        _wire(host, client, knocking)
        host.run(["nft", "-f", "-"], stdin=firewall.loadable(rules))
        answered = _knock(host, client, ssh_port, knocking)
    shut = [source for source in knocking if not answered.get(source)]
    if shut:
        who = ", ".join(f"{s} (this connection)" if s == peer else s for s in shut)
        raise LockedOut(f"{_SENTENCE} {who}")


def _wire(host: Scratch, client: Scratch, knocking: list[str]) -> None:
    host.ip(
        [
            f"link add prov-h type veth peer name prov-c netns {client.path}",
            "link set lo up",
            f"address add {_HOST_SIDE}/32 dev prov-h",
            "link set prov-h up",
            *(f"route replace {s}/32 dev prov-h" for s in knocking),
        ]
    )
    client.ip(
        [
            "link set lo up",
            *(f"address add {s}/32 dev prov-c" for s in knocking),
            "link set prov-c up",
            f"route add {_HOST_SIDE}/32 dev prov-c",
        ]
    )


def _knock(host: Scratch, client: Scratch, port: int, knocking: list[str]) -> dict[str, bool]:
    """Connect from every source at the same time; tell which connections came about."""
    until = time.monotonic() + _PATIENCE_S
    answered = dict.fromkeys(knocking, False)
    with contextlib.ExitStack() as stack:
        stack.enter_context(host.call(lambda: socket.create_server((_HOST_SIDE, port), backlog=len(knocking) + 8)))
        waiting = stack.enter_context(selectors.DefaultSelector())
        for source in knocking:
            link = stack.enter_context(client.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)))
            link.settimeout(0)
            link.bind((source, 0))
            if link.connect_ex((_HOST_SIDE, port)) in {0, errno.EINPROGRESS}:
                waiting.register(link, selectors.EVENT_WRITE, (source, link))
        while waiting.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in waiting.select(left):
                source, link = key.data
                answered[source] = link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
                waiting.unregister(link)
    return answered
