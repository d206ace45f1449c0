"""The tunnel `wg-prov`: read, check, bring up, change without cutting anybody."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host import endpoints, key_change, paths
from provisioner_host.files import keyed_digest
from provisioner_host.namespace import scratch
from provisioner_host.shell import Failed, run
from provisioner_host.side import SIDE

if TYPE_CHECKING:
    from provisioner_host.wire import LinkAnswer, PeerAnswer, RouteAnswer, TunnelAnswer

_INTERFACES = Path("/sys/class/net")
_READ = "Unable to modify interface"
_MOST_ROUTES = 20


def spliced(conf: Path, psk_file: Path) -> str:
    """The file that `wg` takes: the rendered one with the private key and the pre-shared keys put in.

    A `syncconf` file without `PrivateKey` erases the live key, and one without `[Interface]` moves the
    port: both are refused here.

    Raises:
        Failed: the key is missing, or a peer has no pre-shared key.
    """
    if not paths.WG_KEY.exists():
        raise Failed(f"{paths.WG_KEY} is missing: run provisioner keys init")
    psks = dict(line.split() for line in psk_file.read_text().splitlines())
    lines = []
    for line in conf.read_text().splitlines():
        lines.append(line)
        if line.strip() == "[Interface]":
            lines.append(f"PrivateKey = {paths.WG_KEY.read_text().strip()}")
        if line.startswith("PublicKey = "):
            peer = line.removeprefix("PublicKey = ")
            if peer not in psks:
                raise Failed(f"peer {peer} has no pre-shared key in {psk_file}")
            lines.append(f"PresharedKey = {psks[peer]}")
    if "[Interface]" not in (line.strip() for line in lines):
        raise Failed(f"{conf} has no [Interface]")
    return "\n".join(lines) + "\n"


def peers_in(conf: str) -> list[str]:
    """The public keys of a rendered file's peers."""
    return [line.removeprefix("PublicKey = ") for line in conf.splitlines() if line.startswith("PublicKey = ")]


@contextlib.contextmanager
def _private(text: str) -> Iterator[str]:
    paths.RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = paths.RUN / f"wg-{os.getpid()}.conf"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        yield str(path)
    finally:
        path.unlink(missing_ok=True)


def check(conf: Path, psk_file: Path) -> None:
    """Try a file without the live interface (`wg-quick strip` checks nothing).

    `wg` reads the whole file before it looks for the interface: on one that is not there, a good file shows by
    what it complains of. Where it complains of anything else, a scratch interface in a scratch namespace decides.

    Raises:
        Failed: `wg` refuses it.
    """
    interface = f"wgc{os.getpid() % 10**9}"
    with _private(spliced(conf, psk_file)) as text:
        if _READ in run(["wg", "setconf", interface, text], check=False).stderr:
            return
        _check_on_scratch(interface, text)


def _check_on_scratch(interface: str, text: str) -> None:
    with scratch() as aside:
        if aside.run(["ip", "link", "add", interface, "type", "wireguard"], check=False).returncode != 0:
            aside.run(["wireguard-go", interface])
        aside.run(["wg", "setconf", interface, text])


def exists() -> bool:
    """Tell whether the interface is there: the kernel's own list is a folder."""
    return (_INTERFACES / paths.TUNNEL).exists()


def up() -> None:
    """Bring the installed tunnel up, or bring a running one to what is installed; nobody is cut.

    `syncconf`, never `setconf`: that one resets every session.

    Raises:
        Failed: a program refused, or a file is missing.
    """
    link = json.loads(paths.TUNNEL_FILE.read_text())
    if not exists() and run(["ip", "link", "add", paths.TUNNEL, "type", "wireguard"], check=False).returncode != 0:
        run(["wireguard-go", paths.TUNNEL])
    # A gateway that speaks with its next key already keeps its addresses.
    conf = key_change.settled(spliced(paths.WG_FILE, paths.PSK_FILE), key_change.handshakes())
    present = endpoints.live()
    known = endpoints.remember(present, frozenset(peers_in(conf)))
    with _private(endpoints.with_endpoints(conf, known, present)) as text:
        run(["wg", "syncconf", paths.TUNNEL, text])
    _exactly(link)


def _exactly(link: dict[str, Any]) -> None:
    """Leave the interface with this address, these routes and this MTU, and no others, in one go."""
    now = live_link()
    source = link["address"].partition("/")[0]
    commands = [
        f"link set {paths.TUNNEL} mtu {link['mtu']} up",
        *(f"address del {a} dev {paths.TUNNEL}" for a in sorted(set(now["addresses"]) - {link["address"]})),
        f"address replace {link['address']} dev {paths.TUNNEL}",
        *(f"route del {r} dev {paths.TUNNEL}" for r in sorted(set(now["routes"]) - set(link["routes"]))),
        *(f"route replace {r} dev {paths.TUNNEL} src {source}" for r in link["routes"]),
    ]
    run(["ip", "-batch", "-"], stdin="\n".join(commands) + "\n")


def down() -> None:
    """Take the tunnel down."""
    if exists():
        run(["ip", "link", "del", paths.TUNNEL])


def live_link() -> LinkAnswer:
    """The interface's addresses, routes and MTU."""
    described = run(["ip", "-j", "address", "show", "dev", paths.TUNNEL], check=False)
    if described.returncode != 0:
        return {"addresses": [], "routes": [], "mtu": 0}
    device = json.loads(described.stdout)[0]
    routes = json.loads(run(["ip", "-j", "route", "show", "dev", paths.TUNNEL], check=False).stdout or "[]")
    return {
        "addresses": sorted(
            f"{a['local']}/{a['prefixlen']}" for a in device.get("addr_info", ()) if a["family"] == "inet"
        ),
        "routes": sorted(_network(r["dst"]) for r in routes),
        "mtu": device["mtu"],
    }


def listens_on() -> int | None:
    """The port on which the live tunnel takes packets; None where it is not up."""
    done = run(["wg", "show", paths.TUNNEL, "listen-port"], check=False)
    text = done.stdout.strip()
    return int(text) if done.returncode == 0 and text.isdigit() else None


def routes_elsewhere(networks: Sequence[str]) -> list[RouteAnswer]:
    """The routes of other interfaces inside of networks that the tunnel is to have, some of many.

    A narrower one goes before the tunnel's; one that is as wide is replaced by it, and gone. Of other sides' tunnels
    the wider ones, too: ours would go before those.
    """
    elsewhere: list[RouteAnswer] = []
    for network in networks:
        within = _routes_of("root", network)
        around = _routes_of("match", network) if SIDE else []
        wider = [route for route in around if is_of_a_side(route["device"])]
        elsewhere += [*within, *(route for route in wider if route not in within)]
    return elsewhere[:_MOST_ROUTES]


def _routes_of(how: str, network: str) -> list[RouteAnswer]:
    listed = run(["ip", "-j", "-4", "route", "show", "table", "main", how, network], check=False)
    routes = json.loads(listed.stdout or "[]")
    return [
        {"network": _network(route["dst"]), "device": route.get("dev", "")}
        for route in routes
        if route.get("dev") != paths.TUNNEL
    ]


def is_of_a_side(device: str) -> bool:
    """Whether an interface is the tunnel of another side of this host."""
    return device.startswith(paths.TUNNELS_OF_SIDES) and device != paths.TUNNEL


def refuse_collision(tunnel_file: Path) -> None:
    """Refuse, before anything is touched, a tunnel whose networks another side of this host has: one would lose them.

    Args:
        tunnel_file: what is wanted of the interface.

    Raises:
        Failed: with the network and the interface.
    """
    link = json.loads(tunnel_file.read_text())
    for route in routes_elsewhere([*link["routes"], link["address"]]):
        if is_of_a_side(route["device"]):
            raise Failed(
                f"{route['network']} is reached by {route['device']}, the tunnel of another side of this host: two"
                " inventories on one centre need pools that do not meet"
            )
    others = json.loads(run(["ip", "-j", "-4", "address", "show"], check=False).stdout or "[]")
    own = link["address"].partition("/")[0]
    for device in others:
        if is_of_a_side(device["ifname"]) and any(a.get("local") == own for a in device.get("addr_info", ())):
            raise Failed(f"{own} is the address of {device['ifname']}, the tunnel of another side of this host")


def _network(text: str) -> str:
    return text if "/" in text else f"{text}/32"


def live(key: str) -> TunnelAnswer | None:
    """The live tunnel without its secrets, or None where it is not up.

    Pre-shared keys come as keyed digests; endpoints, handshakes and counters are in it, and are left out
    of the live digest.
    """
    if (lines := _dump()) is None:
        return None
    _, public_key, port, _ = lines[0].split("\t")
    return {"public_key": public_key, "listen_port": int(port), **live_link(), "peers": _peers(lines[1:], key)}


def live_peers(key: str) -> dict[str, PeerAnswer] | None:
    """The live tunnel's peers by public key, as `live` does, or None where it is not up."""
    lines = _dump()
    return None if lines is None else _peers(lines[1:], key)


def _dump() -> list[str] | None:
    dumped = run(["wg", "show", paths.TUNNEL, "dump"], check=False)
    return dumped.stdout.splitlines() if dumped.returncode == 0 else None


def _peers(lines: list[str], key: str) -> dict[str, PeerAnswer]:
    return {peer["public_key"]: peer for peer in (_peer(line, key) for line in lines)}


def _peer(line: str, key: str) -> PeerAnswer:
    public_key, psk, endpoint, allowed, handshake, rx, tx, keepalive = line.split("\t")
    return {
        "public_key": public_key,
        "psk": keyed_digest(key, psk.encode()) if psk != "(none)" else None,
        "endpoint": None if endpoint == "(none)" else endpoint,
        "allowed_ips": sorted(allowed.split(",")) if allowed != "(none)" else [],
        "keepalive_s": None if keepalive == "off" else int(keepalive),
        "handshake": int(handshake),
        "received_bytes": int(rx),
        "sent_bytes": int(tx),
    }


def configuration(live: TunnelAnswer | None, pairs: Iterable[key_change.KeyPair] = ()) -> dict[str, Any] | None:
    """What of a live tunnel is configuration: without endpoints, handshakes and counters.

    A tunnel without a fixed port has a random one, which is no configuration either. Nor is it which of a site's two
    peers has its addresses while its gateway changes its key.
    """
    if live is None:
        return None
    allowed = {name: peer["allowed_ips"] for name, peer in live["peers"].items()}
    for pair in pairs:
        if allowed.get(pair.following) and not allowed.get(pair.present, [""]):
            allowed[pair.present], allowed[pair.following] = allowed[pair.following], []
    peers = {
        name: {"psk": peer["psk"], "allowed_ips": allowed[name], "keepalive_s": peer["keepalive_s"]}
        for name, peer in live["peers"].items()
    }
    link = {"addresses": live["addresses"], "routes": live["routes"], "mtu": live["mtu"]}
    return {"public_key": live["public_key"], **link, "peers": peers}
