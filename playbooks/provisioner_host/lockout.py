"""Would the new rules still let the controller in? Tried with packets, in scratch namespaces."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
from pathlib import Path

from provisioner_host.namespace import batch, inside, scratch
from provisioner_host.shell import Failed, run

_LISTEN = """
import socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=64)
server.settimeout(20)
print("listening", flush=True)
try:
    while True:
        server.accept()[0].close()
except OSError:
    pass
"""
_KNOCK = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
host, port = sys.argv[1], int(sys.argv[2])
def knock(source):
    try:
        socket.create_connection((host, port), timeout=2.5, source_address=(source, 0)).close()
        return True
    except OSError:
        return False
sources = sys.argv[3:]
with ThreadPoolExecutor(32) as pool:
    print(json.dumps(dict(zip(sources, pool.map(knock, sources)))))
"""
_HOST_SIDE = "192.0.2.1"  # stands for the host: the rules for SSH never name the host's own address


def connection_peer() -> str | None:
    """Give the address that this very SSH connection comes from, or None where there is none."""
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
    """Give one address of each management network, and the peer's."""
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
        Failed: one of them would be locked out.
    """
    peer = connection_peer()
    knocking = sources(networks, peer)
    with scratch() as host, scratch() as client:
        _wire(host, client, knocking)
        run(inside(host, ["nft", "-f", str(rules)]))
        answered = _knock(host, client, ssh_port, knocking)
    shut = [source for source in knocking if not answered.get(source)]
    if shut:
        who = ", ".join(f"{s} (this connection)" if s == peer else s for s in shut)
        raise Failed(f"lock-out: the new rules would refuse new SSH connections from {who}")


def _wire(host: str, client: str, knocking: list[str]) -> None:
    link = f"pl{os.getpid() % 10**9}"
    batch([f"link add {link}h netns {host} type veth peer name {link}c netns {client}"])
    batch(
        [
            "link set lo up",
            f"address add {_HOST_SIDE}/32 dev {link}h",
            f"link set {link}h up",
            *(f"route replace {s}/32 dev {link}h" for s in knocking),
        ],
        host,
    )
    batch(
        [
            "link set lo up",
            *(f"address add {s}/32 dev {link}c" for s in knocking),
            f"link set {link}c up",
            f"route add {_HOST_SIDE}/32 dev {link}c",
        ],
        client,
    )


def _knock(host: str, client: str, port: int, knocking: list[str]) -> dict[str, bool]:

    python = ["/usr/bin/python3", "-I", "-S", "-c"]
    with subprocess.Popen(
        inside(host, [*python, _LISTEN, _HOST_SIDE, str(port)]), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as listener:
        try:
            if listener.stdout is None or listener.stdout.readline().strip() != b"listening":
                raise Failed("the lock-out check could not listen in its scratch namespace")
            said = run(inside(client, [*python, _KNOCK, _HOST_SIDE, str(port), *knocking]), timeout_s=30).stdout
            answered: dict[str, bool] = json.loads(said)
            return answered
        finally:
            listener.kill()
