"""The second tunnel during a relay's key change: next key, own port.

WireGuard has one key per interface, and a gateway has one key of its relay. So two interfaces exist while gateways
move, with the same address, peers and allowed IPs. A gateway's later handshake tells which tunnel it uses. The first
interface keeps the routes of whole pools; a moved gateway has a narrower route on the second. No state is stored:
handshakes alone decide, also after a reboot or rollback, and if a gateway moves back.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from provisioner_host.machine import files, paths
from provisioner_host.machine.paths import SIDE
from provisioner_host.machine.shell import Failed, run
from provisioner_host.tunnel import endpoints, interface, key_change

if TYPE_CHECKING:
    from provisioner_host.wire import PeerAnswer, SecondTunnelAnswer

_PORT = "ListenPort = "
_CALLS_NOBODY, _CALLS = "PersistentKeepalive = off", "PersistentKeepalive = 25"
_UNIT = "provisioner-wg-next"


class FollowingKey(NamedTuple):
    """A relay's next public key and its port."""

    public_key: str
    port: int


# --- what is installed ----------------------------------------------------------------------------
def wanted(link: Mapping[str, Any]) -> FollowingKey | None:
    """Return the next key in a tunnel's file, or `None`."""
    following = link.get("following")
    return FollowingKey(str(following["public_key"]), int(following["port"])) if following else None


def installed() -> FollowingKey | None:
    """Return the next key in the installed file."""
    return of_file(paths.TUNNEL_FILE)


def of_file(path: Path) -> FollowingKey | None:
    """Return the next key in a file; `None` if unreadable."""
    link = files.read_json(path)
    with contextlib.suppress(KeyError, TypeError, ValueError):
        return wanted(link) if isinstance(link, dict) else None
    return None


def public_key_of(path: Path) -> str:
    """Return the public key of a key file, or an empty string."""
    return run(["wg", "pubkey"], stdin=path.read_text()).stdout.strip() if path.exists() else ""


# --- keys -----------------------------------------------------------------------------------------
def refuse_keys(link: Path) -> None:
    """Raise `Failed` if this host lacks a tunnel file's next key."""
    following = of_file(link)
    if following is None or following.public_key in {public_key_of(paths.WG_KEY_NEXT), public_key_of(paths.WG_KEY)}:
        return
    raise Failed("the next key of this relay is not the one that the inventory has: run keys rotate --relay again")


def refuse_other_state(link: Path | None) -> None:
    """Refuse a rollback to another step of this relay's key change.

    Gateways would lose their tunnel.
    """
    if (of_file(link) if link else None) != installed():
        raise Failed(
            "this relay's own key was at another step of its change then, and gateways would be dark: finish the change"
            " or take it back, with keys rotate --relay"
        )


def take_over(before: FollowingKey | None, conf: str) -> None:
    """Finish the change: the first tunnel takes the next key and port.

    The former key is kept until the change is confirmed. `before` is the next key installed before, `conf` the first
    tunnel's installed file. Without the next key, `Failed` is raised.
    """
    if before is None or installed() is not None or f"{_PORT}{before.port}" not in conf.splitlines():
        return
    if public_key_of(paths.WG_KEY) == before.public_key:
        return
    if public_key_of(paths.WG_KEY_NEXT) != before.public_key:
        raise Failed("the next key of this relay is not on it any more")
    files.write(paths.WG_KEY_FORMER, paths.WG_KEY.read_bytes(), mode=0o600)
    files.write(paths.WG_KEY, paths.WG_KEY_NEXT.read_bytes(), mode=0o600)


def give_back() -> None:
    """Undo `take_over` if the installed file still has a next key."""
    following = installed()
    if following is None or not paths.WG_KEY_FORMER.exists():
        return
    if public_key_of(paths.WG_KEY) == following.public_key:
        files.write(paths.WG_KEY_NEXT, paths.WG_KEY.read_bytes(), mode=0o600)
        files.write(paths.WG_KEY, paths.WG_KEY_FORMER.read_bytes(), mode=0o600)
    paths.WG_KEY_FORMER.unlink(missing_ok=True)


def forget_keys(before: FollowingKey | None) -> bool:
    """Delete keys of a finished change; return whether the tunnel key changed.

    `before` is the next key installed before the confirmed change.
    """
    if installed() is not None:
        return False
    took_over = paths.WG_KEY_FORMER.exists()
    if before is not None or took_over:
        paths.WG_KEY_NEXT.unlink(missing_ok=True)
        paths.WG_KEY_FORMER.unlink(missing_ok=True)
    return took_over


# --- the interface --------------------------------------------------------------------------------
def make(link: Mapping[str, Any], *, in_unit: bool = False) -> None:
    """Create the second tunnel without key, port and peers, if missing.

    This slow part comes before any session is cut. With `in_unit`, a user-space program runs in the tunnel's unit.
    """
    if not is_up():
        interface.make(paths.SECOND_TUNNEL, unit="" if in_unit else _UNIT)
        interface.exactly(paths.SECOND_TUNNEL, {**link, "routes": []})


def up(conf: str, following: FollowingKey, link: Mapping[str, Any], stored: Mapping[str, str]) -> None:
    """Apply the installed state to the second tunnel; sessions continue.

    `conf` is the first tunnel's file with the next private key, `link` the first interface's link, `stored` last
    endpoints. A new tunnel calls them all: a moved peer may use a session that is lost here. Another key raises
    `Failed`.
    """
    if public_key_of(paths.WG_KEY_NEXT) != following.public_key:
        raise Failed("the next key of this relay is not the one that the inventory has: run keys rotate --relay again")
    is_new = interface.public_key(paths.SECOND_TUNNEL) != following.public_key
    lines = [f"{_PORT}{following.port}" if line.startswith(_PORT) else line for line in conf.splitlines()]
    text = endpoints.with_endpoints("\n".join(lines) + "\n", stored, {} if is_new else places())
    if is_new:
        interface.sync(paths.SECOND_TUNNEL, calling(text))
    # Its own routes are of those who are there.
    interface.exactly(paths.SECOND_TUNNEL, {**link, "routes": interface.routes(paths.SECOND_TUNNEL)})
    interface.sync(paths.SECOND_TUNNEL, text)


def refuse_unlike(peers: frozenset[str]) -> None:
    """Raise `Failed` unless the live second tunnel matches file and `peers`."""
    following, lines = installed(), dumped()
    if following is None:
        if lines is not None:
            raise Failed(f"{paths.SECOND_TUNNEL} is up, and there is no next key")
        return
    if lines is None or lines[0].split("\t")[1:3] != [following.public_key, str(following.port)]:
        raise Failed(f"{paths.SECOND_TUNNEL} is not up with the next key at port {following.port}")
    if differing := peers ^ {line.partition("\t")[0] for line in lines[1:]}:
        raise Failed(f"the peers of {paths.SECOND_TUNNEL} differ: {min(differing)}")


def calling(conf: str) -> str:
    """Make a tunnel's file call every peer with a known endpoint. Pure.

    Setting a keepalive sends one, and without a session a handshake. The file's own setting ends it.
    """
    return conf.replace(_CALLS_NOBODY, _CALLS)


def is_up() -> bool:
    """Return whether the second tunnel exists; sides never have one."""
    return not SIDE and interface.exists(paths.SECOND_TUNNEL)


def down() -> None:
    """Delete the second tunnel."""
    if is_up():
        interface.take_down(paths.SECOND_TUNNEL)


def places() -> dict[str, str]:
    """Return the endpoints of moved peers by public key."""
    if not is_up():
        return {}
    handshakes = interface.handshakes(paths.SECOND_TUNNEL)
    endpoints = interface.places(paths.SECOND_TUNNEL)
    moved = moved_of(interface.handshakes(paths.TUNNEL), handshakes)
    return {key: endpoint for key, endpoint in endpoints.items() if key in moved and endpoint}


def dumped() -> list[str] | None:
    """Return `wg show dump` of the second tunnel, or `None`."""
    return interface.dump(paths.SECOND_TUNNEL) if is_up() else None


# --- who is where ---------------------------------------------------------------------------------
def moved_of(first: Mapping[str, int], second: Mapping[str, int]) -> frozenset[str]:
    """Return public keys with the later handshake on the second tunnel. Pure."""
    return frozenset(key for key, at in second.items() if key_change.is_next(at, first.get(key, 0)))


def second_tunnel_answer(
    interface_line: str, second_peers: Mapping[str, PeerAnswer], first_peers: Mapping[str, PeerAnswer]
) -> SecondTunnelAnswer:
    """Return the live second tunnel without secrets.

    A relay has two tunnels while its key changes: the second one has its next key. `interface_line` is the first line
    of the second tunnel's `wg show dump`, `second_peers` and `first_peers` the peers of each.
    """
    _, public_key, port, _ = interface_line.split("\t")
    link = interface.live_link(paths.SECOND_TUNNEL)
    return {
        "public_key": public_key,
        "listen_port": int(port),
        "addresses": link["addresses"],
        "mtu": link["mtu"],
        "alike": _configured(second_peers) == _configured(first_peers),
        "moved": {key: second_peers[key]["handshake"] for key in sorted(_moved(first_peers, second_peers))},
    }


def _moved(first_peers: Mapping[str, PeerAnswer], second_peers: Mapping[str, PeerAnswer]) -> frozenset[str]:
    first_handshakes, second_handshakes = (
        {key: peer["handshake"] for key, peer in group.items()} for group in (first_peers, second_peers)
    )
    return moved_of(first_handshakes, second_handshakes)


def _configured(peers: Mapping[str, PeerAnswer]) -> dict[str, tuple[object, ...]]:
    return {key: (peer["psk"], peer["allowed_ips"], peer["keepalive_s"]) for key, peer in peers.items()}


def later_of(first_peers: Mapping[str, PeerAnswer], second_peers: Mapping[str, PeerAnswer]) -> dict[str, PeerAnswer]:
    """Return peers with the counters of the tunnel they use. Pure."""
    moved = _moved(first_peers, second_peers)
    return {
        key: _with_counters_of(peer, second_peers[key]) if key in moved else peer for key, peer in first_peers.items()
    }


def _with_counters_of(peer: PeerAnswer, second: PeerAnswer) -> PeerAnswer:
    return {
        **peer,
        "endpoint": second["endpoint"],
        "handshake": second["handshake"],
        "received_bytes": second["received_bytes"],
        "sent_bytes": second["sent_bytes"],
    }


def steps(
    members: tuple[interface.FilePeer, ...], moved: frozenset[str], live: frozenset[str], source: str
) -> tuple[list[str], list[str]]:
    """Return `ip` commands to reroute peers, and the rerouted names. Pure.

    `moved` are moved peers' public keys, `live` the networks routed to the second tunnel, `source` the relay's tunnel
    address.
    """
    wanted = {network for peer in members if peer.public_key in moved for network in peer.networks}
    come, go = sorted(wanted - live), sorted(live - wanted)
    device = paths.SECOND_TUNNEL
    commands = [f"route replace {network} dev {device} src {source}" for network in come]
    commands += [f"route del {network} dev {device}" for network in go]
    touched = {*come, *go}
    return commands, [peer.name for peer in members if touched & set(peer.networks)]


def move() -> list[str]:
    """Route each peer to its tunnel; return newly moved peers."""
    if not is_up():
        return []
    members = interface.peers_in(paths.WG_FILE.read_text())
    live = frozenset(interface.routes(paths.SECOND_TUNNEL))
    moved = moved_of(interface.handshakes(paths.TUNNEL), interface.handshakes(paths.SECOND_TUNNEL))
    commands, names = steps(members, moved, live, interface.address_of(json.loads(paths.TUNNEL_FILE.read_text())))
    if commands:
        interface.batch(commands)
    return names
