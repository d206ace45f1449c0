"""The tunnel `wg-prov`: read, check, start, change without cutting sessions."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host.machine import paths
from provisioner_host.machine.files import identity, keyed_digest
from provisioner_host.machine.namespace import scratch
from provisioner_host.machine.paths import SIDE
from provisioner_host.machine.shell import Failed, run
from provisioner_host.tunnel import endpoints, interface, key_change, second_tunnel

if TYPE_CHECKING:
    from provisioner_host.wire import LinkAnswer, PeerAnswer, RouteAnswer, TunnelAnswer

_READ = "Unable to modify interface"
_PORT = "ListenPort = "
_MOST_ROUTES = 20
# How often is looked where gateways are: no picture is missed for longer than this and a new handshake take.
_LOOK_S = 0.5


def spliced(conf: Path, psk_file: Path, key_file: Path | None = None) -> str:
    """Return the rendered file with private and pre-shared keys, for `wg`.

    `syncconf` without `PrivateKey` erases the live key, and without `[Interface]` moves the port. Missing parts raise
    `Failed`.
    """
    key = key_file or paths.WG_KEY
    if not key.exists():
        raise Failed(f"{key} is missing: run provisioner keys init")
    psks = dict(line.split() for line in psk_file.read_text().splitlines())
    lines = []
    for line in conf.read_text().splitlines():
        lines.append(line)
        if line.strip() == "[Interface]":
            lines.append(f"PrivateKey = {key.read_text().strip()}")
        if line.startswith("PublicKey = "):
            peer = line.removeprefix("PublicKey = ")
            if peer not in psks:
                raise Failed(f"peer {peer} has no pre-shared key in {psk_file}")
            lines.append(f"PresharedKey = {psks[peer]}")
    if "[Interface]" not in (line.strip() for line in lines):
        raise Failed(f"{conf} has no [Interface]")
    return "\n".join(lines) + "\n"


def peers_in(conf: str) -> list[str]:
    """Return the public keys of peers in a rendered file."""
    return [peer.public_key for peer in interface.peers_in(conf)]


def check(conf: Path, psk_file: Path) -> None:
    """Check a file without the live interface, or raise `Failed`.

    `wg-quick strip` checks nothing. `wg` parses the whole file before it looks for the interface. With a missing
    interface, a good file only gets the error about that. On any other error, a scratch interface in a scratch
    namespace decides.
    """
    scratch_name = f"wgc{os.getpid() % 10**9}"
    with interface.private(spliced(conf, psk_file)) as text:
        if _READ in run(["wg", "setconf", scratch_name, text], check=False).stderr:
            return
        with scratch() as namespace:
            if namespace.run(["ip", "link", "add", scratch_name, "type", "wireguard"], check=False).returncode != 0:
                namespace.run(["wireguard-go", scratch_name])
            namespace.run(["wg", "setconf", scratch_name, text])


def exists() -> bool:
    """Return whether the interface exists."""
    return interface.exists(paths.TUNNEL)


def up(*, in_unit: bool = False) -> None:
    """Start the installed tunnel, or update it without cutting sessions.

    During a relay's key change this includes the second tunnel. An interface with another private key is reset and
    calls all gateways: no old session works, and they would wait up to 15 s before a handshake. With `in_unit`,
    user-space WireGuard runs in the tunnel's unit.
    """
    link = json.loads(paths.TUNNEL_FILE.read_text())
    following = second_tunnel.wanted(link)
    text = spliced(paths.WG_FILE, paths.PSK_FILE)
    peer_keys = frozenset(peers_in(text))
    former_key = interface.public_key(paths.TUNNEL) if exists() else ""
    if not exists():
        interface.make(paths.TUNNEL)
    if following is not None:
        # Its program takes longest, and the first tunnel still serves.
        second_tunnel.make(link, in_unit=in_unit)
    live_endpoints = endpoints.live()
    is_another_key = bool(former_key) and former_key != second_tunnel.public_key_of(paths.WG_KEY)
    if is_another_key:
        endpoints.keep(live_endpoints)
        live_endpoints = {}
    if following is None:
        # It has the port that the first one may take now, and the later places of those that are there.
        endpoints.keep(second_tunnel.places())
        second_tunnel.down()
    # A gateway that speaks with its next key already keeps its addresses.
    conf = key_change.settled(text, key_change.handshakes())
    remembered = endpoints.remember(live_endpoints, peer_keys)
    conf = with_port(endpoints.with_endpoints(conf, remembered, live_endpoints), interface.port(paths.TUNNEL))
    if is_another_key:
        interface.begin_anew(paths.TUNNEL, second_tunnel.calling(conf))
    interface.sync(paths.TUNNEL, conf)
    interface.exactly(paths.TUNNEL, link)
    if following is not None:
        second_tunnel.up(spliced(paths.WG_FILE, paths.PSK_FILE, paths.WG_KEY_NEXT), following, link, remembered)


def moves() -> Iterator[list[str]]:
    """Route to moved gateways forever; yield a line for each move."""
    read: list[int] = []
    changing = False
    while True:
        if (now := _identity(paths.WG_FILE)) != read:
            read, changing = now, bool(key_change.live_pairs())
        moved: list[str] = []
        for look in (_moved_sites, _moved_peers) if changing else (_moved_peers,):
            with contextlib.suppress(Failed, OSError, ValueError, KeyError):  # the next look is soon
                moved += look()
        yield moved
        time.sleep(_LOOK_S)


def _moved_sites() -> list[str]:
    text = "changes its gateway's key: its addresses are with the peer that spoke last"
    return [f"site {site} {text}" for site in key_change.move()]


def _moved_peers() -> list[str]:
    text = "this relay changes its own key, and it is reached where it spoke last"
    return [f"{name}: {text}" for name in second_tunnel.move()]


def _identity(path: Path) -> list[int]:
    with contextlib.suppress(OSError):
        return identity(path)
    return []


def with_port(conf: str, port: int) -> str:
    """Add the interface's present port to a file without one. Pure.

    A centre's file has no port, and WireGuard would choose another. Relays that send to the former port are not heard
    until the centre speaks first, which takes a reading centre up to 25 s.
    """
    if not port or any(line.startswith(_PORT) for line in conf.splitlines()):
        return conf
    return conf.replace("[Interface]\n", f"[Interface]\n{_PORT}{port}\n", 1)


def down() -> None:
    """Delete the tunnel and the second one."""
    second_tunnel.down()
    interface.take_down(paths.TUNNEL)


def live_link() -> LinkAnswer:
    """Return the interface's addresses, routes and MTU."""
    return interface.live_link(paths.TUNNEL)


def listened_ports() -> frozenset[int]:
    """Return the ports of the live tunnels."""
    names = [paths.TUNNEL, *([paths.SECOND_TUNNEL] if second_tunnel.is_up() else [])]
    return frozenset(port for port in map(interface.port, names) if port)


def routes_elsewhere(networks: Sequence[str]) -> list[RouteAnswer]:
    """Return other interfaces' routes inside these networks, at most 20.

    A narrower route wins over the tunnel's; an equal one would be replaced by it. Wider routes of other sides' tunnels
    count too: ours would win over those.
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
        {"network": interface.network(route["dst"]), "device": route.get("dev", "")}
        for route in routes
        if route.get("dev") not in {paths.TUNNEL, paths.SECOND_TUNNEL}
    ]


def is_of_a_side(device: str) -> bool:
    """Return whether an interface is another side's tunnel."""
    return device.startswith(paths.TUNNELS_OF_SIDES) and device != paths.TUNNEL


def refuse_collision(tunnel_file: Path) -> None:
    """Raise `Failed` if a tunnel file's networks are another side's."""
    link = json.loads(tunnel_file.read_text())
    for route in routes_elsewhere([*link["routes"], link["address"]]):
        if is_of_a_side(route["device"]):
            raise Failed(
                f"{route['network']} is reached by {route['device']}, the tunnel of another side of this host: two"
                " inventories on one centre need pools that do not meet"
            )
    devices = json.loads(run(["ip", "-j", "-4", "address", "show"], check=False).stdout or "[]")
    address = link["address"].partition("/")[0]
    for device in devices:
        if is_of_a_side(device["ifname"]) and any(a.get("local") == address for a in device.get("addr_info", ())):
            raise Failed(f"{address} is the address of {device['ifname']}, the tunnel of another side of this host")


def live(key: str) -> TunnelAnswer | None:
    """Return the live tunnel without secrets, or `None` if it is down.

    Pre-shared keys are keyed digests. The live digest omits endpoints, handshakes and counters.
    """
    if (lines := _dump()) is None:
        return None
    _, public_key, port, _ = lines[0].split("\t")
    peers = _peers(lines[1:], key)
    link = live_link()
    answer: TunnelAnswer = {
        "public_key": public_key,
        "listen_port": int(port),
        "addresses": link["addresses"],
        "routes": link["routes"],
        "mtu": link["mtu"],
        "peers": peers,
    }
    if (second := second_tunnel.dumped()) is not None:
        second_peers = _peers(second[1:], key)
        answer["following"] = second_tunnel.second_tunnel_answer(second[0], second_peers, peers)
        answer["peers"] = second_tunnel.later_of(peers, second_peers)
    return answer


def live_peers(key: str) -> dict[str, PeerAnswer] | None:
    """Return the live peers by public key, as in `live`."""
    lines = _dump()
    if lines is None:
        return None
    second = second_tunnel.dumped()
    peers = _peers(lines[1:], key)
    return peers if second is None else second_tunnel.later_of(peers, _peers(second[1:], key))


def _dump() -> list[str] | None:
    return interface.dump(paths.TUNNEL)


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
    """Return a live tunnel's configuration, without endpoints, handshakes and counters.

    It omits a random port. It also ignores which of two peers has a site's addresses during a gateway's key change, and
    which tunnel a gateway uses during a relay's.
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
    configured = {"public_key": live["public_key"], **link, "peers": peers}
    if (following := live.get("following")) is not None:
        configured["following"] = {name: value for name, value in following.items() if name != "moved"}
    return configured
