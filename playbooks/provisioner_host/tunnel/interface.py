"""Operations on a named WireGuard interface."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from provisioner_host.machine import paths
from provisioner_host.machine.shell import run

if TYPE_CHECKING:
    from provisioner_host.wire import LinkAnswer

_INTERFACES = Path("/sys/class/net")
_SOCKETS = (Path("/proc/net/udp"), Path("/proc/net/udp6"))
_KEY, _ALLOWED = "PublicKey = ", "AllowedIPs = "
# Measured on two cores at a load of 17: up to 0.14 s.
_ENDS_S, _PAUSE_S = 2.0, 0.01


class FilePeer(NamedTuple):
    """A peer in a tunnel's file; a next key has no networks."""

    name: str
    public_key: str
    networks: tuple[str, ...] = ()


def peers_in(text: str) -> tuple[FilePeer, ...]:
    """Read the peers of a tunnel's file. Pure."""
    name = ""
    peers: list[FilePeer] = []
    for line in text.splitlines():
        if line.startswith("# "):
            name = line[2:]
        elif line.startswith(_KEY):
            peers.append(FilePeer(name, line[len(_KEY) :]))
        elif line.startswith(_ALLOWED) and peers:
            networks = tuple(line[len(_ALLOWED) :].replace(" ", "").split(","))
            peers[-1] = peers[-1]._replace(networks=networks)
    return tuple(peers)


def exists(name: str) -> bool:
    """Return whether the interface exists."""
    return (_INTERFACES / name).exists()


def make(name: str, *, unit: str = "") -> None:
    """Create a WireGuard interface, in user space if the kernel lacks it.

    A user-space program runs in `unit`, or else in the caller's unit. Without WireGuard, `Failed` is raised.
    """
    if run(["ip", "link", "add", name, "type", "wireguard"], check=False).returncode == 0:
        return
    program = ["wireguard-go", name]
    if unit:
        program = ["systemd-run", "--quiet", "--collect", "--service-type=forking", f"--unit={unit}", *program]
    run(program)


@contextlib.contextmanager
def private(text: str) -> Iterator[str]:
    """Write a temporary file that only root can read; yield its path."""
    paths.RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = paths.RUN / f"wg-{os.getpid()}.conf"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        yield str(path)
    finally:
        path.unlink(missing_ok=True)


def sync(name: str, text: str) -> None:
    """Apply a config with keys; unchanged peers keep their sessions.

    `setconf` would reset every session.
    """
    with private(text) as path:
        run(["wg", "syncconf", name, path])


def begin_anew(name: str, text: str) -> None:
    """Apply a config and reset all peers, for another private key.

    The old sessions are lost anyway; afterwards handshakes and endpoints belong to the new key.
    """
    with private(text) as path:
        run(["wg", "setconf", name, path])


def wg_show(name: str, column: str) -> dict[str, str]:
    """Return a `wg show` column by public key; empty without an interface."""
    done = run(["wg", "show", name, column], check=False)
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return {key: value for key, _, value in (line.partition("\t") for line in lines)}


def handshakes(name: str) -> dict[str, int]:
    """Return last handshakes by public key, in seconds since 1970."""
    return {key: int(at) for key, at in wg_show(name, "latest-handshakes").items()}


def places(name: str) -> dict[str, str]:
    """Return last endpoints by public key; empty strings for new peers."""
    return {key: "" if endpoint == "(none)" else endpoint for key, endpoint in wg_show(name, "endpoints").items()}


def public_key(name: str) -> str:
    """Return an interface's public key, or an empty string."""
    done = run(["wg", "show", name, "public-key"], check=False)
    key = done.stdout.strip() if done.returncode == 0 else ""
    return "" if key == "(none)" else key


def port(name: str) -> int:
    """Return an interface's listen port, or 0."""
    done = run(["wg", "show", name, "listen-port"], check=False)
    text = done.stdout.strip()
    return int(text) if done.returncode == 0 and text.isdigit() else 0


def dump(name: str) -> list[str] | None:
    """Return the lines of `wg show dump`, or `None` without an interface."""
    dumped = run(["wg", "show", name, "dump"], check=False)
    return dumped.stdout.splitlines() if dumped.returncode == 0 else None


def address_of(link: Mapping[str, Any]) -> str:
    """Return the host's tunnel address without its prefix length."""
    return str(link["address"]).partition("/")[0]


def exactly(name: str, link: Mapping[str, Any]) -> None:
    """Set exactly this address, MTU and these routes, in one batch."""
    now = live_link(name)
    source = address_of(link)
    commands = [
        f"link set {name} mtu {link['mtu']} up",
        *(f"address del {a} dev {name}" for a in sorted(set(now["addresses"]) - {link["address"]})),
        f"address replace {link['address']} dev {name}",
        *(f"route del {r} dev {name}" for r in sorted(set(now["routes"]) - set(link["routes"]))),
        *(f"route replace {r} dev {name} src {source}" for r in link["routes"]),
    ]
    batch(commands)


def batch(commands: Sequence[str]) -> None:
    """Run several `ip` commands in one process, or raise `Failed`."""
    run(["ip", "-batch", "-"], stdin="\n".join(commands) + "\n")


def live_link(name: str) -> LinkAnswer:
    """Return an interface's addresses, routes and MTU."""
    described = run(["ip", "-j", "address", "show", "dev", name], check=False)
    if described.returncode != 0:
        return {"addresses": [], "routes": [], "mtu": 0}
    device = json.loads(described.stdout)[0]
    return {
        "addresses": sorted(
            f"{a['local']}/{a['prefixlen']}" for a in device.get("addr_info", ()) if a["family"] == "inet"
        ),
        "routes": routes(name),
        "mtu": device["mtu"],
    }


def routes(name: str) -> list[str]:
    """Return the networks routed to an interface."""
    listed = json.loads(run(["ip", "-j", "route", "show", "dev", name], check=False).stdout or "[]")
    return sorted(network(r["dst"]) for r in listed)


def network(text: str) -> str:
    """Return a network from `ip`, with its omitted prefix length."""
    return text if "/" in text else f"{text}/32"


def take_down(name: str) -> None:
    """Delete an interface and wait until its port is free.

    A user-space program ends a moment later.
    """
    if not exists(name):
        return
    port_number = port(name)
    run(["ip", "link", "del", name])
    until = time.monotonic() + _ENDS_S
    while is_bound(port_number) and time.monotonic() < until:
        time.sleep(_PAUSE_S)


def is_bound(udp_port: int) -> bool:
    """Return whether a UDP port is in use."""
    end = f":{udp_port:04X}"
    for table in _SOCKETS:
        with contextlib.suppress(OSError):
            if any(line.split()[1].endswith(end) for line in table.read_text().splitlines()[1:]):
                return True
    return False
