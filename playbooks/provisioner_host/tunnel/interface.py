"""A WireGuard interface: made, brought to a text, read, taken down. Which one it is the caller says."""

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
    """A peer of a tunnel's file, with the networks behind it; a gateway's next key has none."""

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
    """Tell whether an interface is there: the kernel's own list is a folder."""
    return (_INTERFACES / name).exists()


def make(name: str, *, unit: str = "") -> None:
    """Make a WireGuard interface, in user space where the kernel has none.

    Args:
        name: the interface's.
        unit: a unit of its own for a program in user space; where it is left out that lives with who calls this.

    Raises:
        Failed: there is no WireGuard.
    """
    if run(["ip", "link", "add", name, "type", "wireguard"], check=False).returncode == 0:
        return
    program = ["wireguard-go", name]
    if unit:
        program = ["systemd-run", "--quiet", "--collect", "--service-type=forking", f"--unit={unit}", *program]
    run(program)


@contextlib.contextmanager
def private(text: str) -> Iterator[str]:
    """A file of root's alone, as long as it is needed: its path."""
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
    """Bring an interface to a text, with its keys in it; nobody is cut that it does not touch.

    `syncconf`, never `setconf`: that one resets every session.

    Raises:
        Failed: `wg` refused it.
    """
    with private(text) as path:
        run(["wg", "syncconf", name, path])


def begin_anew(name: str, text: str) -> None:
    """Bring an interface to a text as if it had just been made: nothing that was seen of its peers is left.

    For one that takes another key, with which no session is left anyway: what it tells of a peer is of that key then.

    Raises:
        Failed: `wg` refused it.
    """
    with private(text) as path:
        run(["wg", "setconf", name, path])


def shown(name: str, what: str) -> dict[str, str]:
    """What `wg` shows of each live peer, by public key; nothing where the interface is not up."""
    done = run(["wg", "show", name, what], check=False)
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return {key: value for key, _, value in (line.partition("\t") for line in lines)}


def handshakes(name: str) -> dict[str, int]:
    """The last handshake of each live peer, by public key, in seconds since 1970; none where it is not up."""
    return {key: int(at) for key, at in shown(name, "latest-handshakes").items()}


def places(name: str) -> dict[str, str]:
    """Where each live peer was seen last, by public key; empty where it never was."""
    return {key: "" if place == "(none)" else place for key, place in shown(name, "endpoints").items()}


def public_key(name: str) -> str:
    """The public half of an interface's own key; empty where it has none, or is not up."""
    done = run(["wg", "show", name, "public-key"], check=False)
    key = done.stdout.strip() if done.returncode == 0 else ""
    return "" if key == "(none)" else key


def port(name: str) -> int:
    """The port at which an interface takes packets; 0 where it has none, or is not up."""
    done = run(["wg", "show", name, "listen-port"], check=False)
    text = done.stdout.strip()
    return int(text) if done.returncode == 0 and text.isdigit() else 0


def dump(name: str) -> list[str] | None:
    """What `wg` says of an interface, a line a peer, its own line first; None where it is not up."""
    dumped = run(["wg", "show", name, "dump"], check=False)
    return dumped.stdout.splitlines() if dumped.returncode == 0 else None


def address_of(link: Mapping[str, Any]) -> str:
    """The host's own address in the tunnel, as a tunnel's file has it, without its length."""
    return str(link["address"]).partition("/")[0]


def exactly(name: str, link: Mapping[str, Any]) -> None:
    """Leave an interface with this address, these routes and this MTU, and no others, in one go."""
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
    """Have `ip` do several things in one go.

    Raises:
        Failed: it refused one.
    """
    run(["ip", "-batch", "-"], stdin="\n".join(commands) + "\n")


def live_link(name: str) -> LinkAnswer:
    """An interface's addresses, routes and MTU."""
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
    """The networks that are reached by an interface."""
    listed = json.loads(run(["ip", "-j", "route", "show", "dev", name], check=False).stdout or "[]")
    return sorted(network(r["dst"]) for r in listed)


def network(text: str) -> str:
    """A network as `ip` prints it, with its length where that is left out."""
    return text if "/" in text else f"{text}/32"


def take_down(name: str) -> None:
    """Take an interface down, and wait until its port is free: a program in user space ends a moment later."""
    if not exists(name):
        return
    taken = port(name)
    run(["ip", "link", "del", name])
    until = time.monotonic() + _ENDS_S
    while is_bound(taken) and time.monotonic() < until:
        time.sleep(_PAUSE_S)


def is_bound(udp_port: int) -> bool:
    """Whether a socket takes packets at a UDP port."""
    end = f":{udp_port:04X}"
    for table in _SOCKETS:
        with contextlib.suppress(OSError):
            if any(line.split()[1].endswith(end) for line in table.read_text().splitlines()[1:]):
                return True
    return False
