"""The second tunnel of a relay that changes its own key: the next key at a port of its own, and in all else the same.

WireGuard has one key an interface, and a gateway has one key of its relay. So there are two interfaces while gateways
move from the one to the other: the same address, the same peers, the same allowed IPs. Where a gateway is its later
handshake says. The first interface keeps the routes of whole pools; whoever is at the second one has a route of its own
there, which goes before those. Nothing is kept of it: it follows from handshakes alone, each time anew, after a boot or
a return as well, and back again where a gateway goes back.
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
    """The key that follows a relay's own one: its public half, and the port at which it answers."""

    public_key: str
    port: int


# --- what is installed ----------------------------------------------------------------------------


def wanted(link: Mapping[str, Any]) -> FollowingKey | None:
    """The next key that a tunnel's file asks for; None where there is to be one tunnel."""
    following = link.get("following")
    return FollowingKey(str(following["public_key"]), int(following["port"])) if following else None


def installed() -> FollowingKey | None:
    """The next key by the installed file."""
    return of_file(paths.TUNNEL_FILE)


def of_file(path: Path) -> FollowingKey | None:
    """The next key by a file that is a tunnel's, installed, staged or saved; None where it cannot be read."""
    link = files.read_json(path)
    with contextlib.suppress(KeyError, TypeError, ValueError):
        return wanted(link) if isinstance(link, dict) else None
    return None


def public_key_of(path: Path) -> str:
    """The public half of a key that lies on this host; empty where there is none.

    Raises:
        Failed: it is none.
    """
    return run(["wg", "pubkey"], stdin=path.read_text()).stdout.strip() if path.exists() else ""


# --- keys -----------------------------------------------------------------------------------------


def refuse_keys(link: Path) -> None:
    """Refuse a tunnel's file whose next key is not on this host.

    Args:
        link: the file, staged or saved.

    Raises:
        Failed: it is not there, or another one is.
    """
    following = of_file(link)
    if following is None or following.public_key in {public_key_of(paths.WG_KEY_NEXT), public_key_of(paths.WG_KEY)}:
        return
    raise Failed("the next key of this relay is not the one that the inventory has: run keys rotate --relay again")


def refuse_other_state(link: Path | None) -> None:
    """Refuse to go back to a state in which this relay's own key was at another step of its change.

    Args:
        link: the tunnel's file of that state; None where it has none.

    Raises:
        Failed: gateways that have moved, or were to, would be dark.
    """
    if (of_file(link) if link else None) != installed():
        raise Failed(
            "this relay's own key was at another step of its change then, and gateways would be dark: finish the change"
            " or take it back, with keys rotate --relay"
        )


def take_over(before: FollowingKey | None, conf: str) -> None:
    """Let the first tunnel have the next key from now on, where its file has the port of that: the change ends.

    The key that it had stays beside it until the change is confirmed.

    Args:
        before: the next key, as it was installed until now.
        conf: the first tunnel's file, as it is installed now.

    Raises:
        Failed: the next key is not on this host.
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
    """Take the next key from the first tunnel again, where the installed file says that it only follows.

    Raises:
        Failed: a key is none.
    """
    following = installed()
    if following is None or not paths.WG_KEY_FORMER.exists():
        return
    if public_key_of(paths.WG_KEY) == following.public_key:
        files.write(paths.WG_KEY_NEXT, paths.WG_KEY.read_bytes(), mode=0o600)
        files.write(paths.WG_KEY, paths.WG_KEY_FORMER.read_bytes(), mode=0o600)
    paths.WG_KEY_FORMER.unlink(missing_ok=True)


def forget_keys(before: FollowingKey | None) -> bool:
    """Forget the keys that a change which is over leaves behind: whether the first tunnel has another key than before.

    Args:
        before: the next key, as it was installed before what is confirmed now.
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
    """Make the second tunnel where there is none, without key, port and peers: what takes time before anybody is cut.

    Args:
        link: what is wanted of the first interface; the second one has the same address and size of packets.
        in_unit: whether the tunnel's unit calls this: a program in user space lives on in it.

    Raises:
        Failed: a program refused.
    """
    if not is_up():
        interface.make(paths.SECOND_TUNNEL, unit="" if in_unit else _UNIT)
        interface.exactly(paths.SECOND_TUNNEL, {**link, "routes": []})


def up(conf: str, following: FollowingKey, link: Mapping[str, Any], known: Mapping[str, str]) -> None:
    """Bring the second tunnel, which is made already, to what is installed; nobody is cut.

    Args:
        conf: the first tunnel's file, with the next key in it.
        following: the next key.
        link: the first interface's link; the second one has the same address and size of packets.
        known: the last places of peers, by public key. A tunnel that was made anew calls all of them, as after a
            return: a peer that moved has a session that this host lost.

    Raises:
        Failed: a program refused, or the key is another one.
    """
    if public_key_of(paths.WG_KEY_NEXT) != following.public_key:
        raise Failed("the next key of this relay is not the one that the inventory has: run keys rotate --relay again")
    is_new = interface.public_key(paths.SECOND_TUNNEL) != following.public_key
    lines = [f"{_PORT}{following.port}" if line.startswith(_PORT) else line for line in conf.splitlines()]
    text = endpoints.with_endpoints("\n".join(lines) + "\n", known, {} if is_new else places())
    if is_new:
        interface.sync(paths.SECOND_TUNNEL, calling(text))
    # Its own routes are of those who are there.
    interface.exactly(paths.SECOND_TUNNEL, {**link, "routes": interface.routes(paths.SECOND_TUNNEL)})
    interface.sync(paths.SECOND_TUNNEL, text)


def refuse_unlike(peers: frozenset[str]) -> None:
    """Refuse a second tunnel that is not the one that is installed.

    Args:
        peers: the public keys that it has to have, and no others, where there is to be one.

    Raises:
        Failed: it is not there, has another key or other peers, or is there and should not be.
    """
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
    """Return a tunnel's file that calls every peer whose place is known. Pure.

    A keepalive that is set sends one, and with no session a greeting. The one of the file ends it.
    """
    return conf.replace(_CALLS_NOBODY, _CALLS)


def is_up() -> bool:
    """Whether there is a second tunnel; the sides of a shared centre have none."""
    return not SIDE and interface.exists(paths.SECOND_TUNNEL)


def down() -> None:
    """Take the second tunnel down."""
    if is_up():
        interface.take_down(paths.SECOND_TUNNEL)


def places() -> dict[str, str]:
    """Where those were seen last who are at the second tunnel, by public key."""
    if not is_up():
        return {}
    seen = interface.handshakes(paths.SECOND_TUNNEL)
    known = interface.places(paths.SECOND_TUNNEL)
    there = moved_of(interface.handshakes(paths.TUNNEL), seen)
    return {key: place for key, place in known.items() if key in there and place}


def dumped() -> list[str] | None:
    """What `wg` says of the second tunnel; None where there is none."""
    return interface.dump(paths.SECOND_TUNNEL) if is_up() else None


# --- who is where ---------------------------------------------------------------------------------


def moved_of(first: Mapping[str, int], second: Mapping[str, int]) -> frozenset[str]:
    """The peers that are at the second tunnel, by public key: whose later handshake was there. Pure.

    Args:
        first: the last handshake of each peer at the first tunnel, in seconds since 1970.
        second: that at the second one.
    """
    return frozenset(key for key, at in second.items() if key_change.is_next(at, first.get(key, 0)))


def described(own_line: str, beside: Mapping[str, PeerAnswer], peers: Mapping[str, PeerAnswer]) -> SecondTunnelAnswer:
    """The live second tunnel without its secrets.

    Args:
        own_line: the first line of what `wg` dumps of it.
        beside: its peers.
        peers: those of the first one.
    """
    _, public_key, port, _ = own_line.split("\t")
    link = interface.live_link(paths.SECOND_TUNNEL)
    return {
        "public_key": public_key,
        "listen_port": int(port),
        "addresses": link["addresses"],
        "mtu": link["mtu"],
        "alike": _configured(beside) == _configured(peers),
        "moved": {key: beside[key]["handshake"] for key in sorted(_moved(peers, beside))},
    }


def _moved(peers: Mapping[str, PeerAnswer], beside: Mapping[str, PeerAnswer]) -> frozenset[str]:
    first, second = ({key: one["handshake"] for key, one in of.items()} for of in (peers, beside))
    return moved_of(first, second)


def _configured(peers: Mapping[str, PeerAnswer]) -> dict[str, tuple[object, ...]]:
    return {key: (one["psk"], one["allowed_ips"], one["keepalive_s"]) for key, one in peers.items()}


def later_of(peers: Mapping[str, PeerAnswer], beside: Mapping[str, PeerAnswer]) -> dict[str, PeerAnswer]:
    """The first tunnel's peers, each with what is seen of it where it is. Pure."""
    moved = _moved(peers, beside)
    return {key: _seen_at(one, beside[key]) if key in moved else one for key, one in peers.items()}


def _seen_at(peer: PeerAnswer, second: PeerAnswer) -> PeerAnswer:
    return {
        **peer,
        "endpoint": second["endpoint"],
        "handshake": second["handshake"],
        "received_bytes": second["received_bytes"],
        "sent_bytes": second["sent_bytes"],
    }


def steps(
    members: tuple[interface.FilePeer, ...], there: frozenset[str], live: frozenset[str], source: str
) -> tuple[list[str], list[str]]:
    """What `ip` has to do so that those at the second tunnel, and nobody else, have routes there. Pure.

    Args:
        members: the peers with their networks.
        there: the public keys of those who are at the second tunnel.
        live: the networks that have a route there now.
        source: the relay's own address in the tunnel.

    Returns:
        The commands, and the names of those whose route comes or goes.
    """
    due = {network for one in members if one.public_key in there for network in one.networks}
    come, go = sorted(due - live), sorted(live - due)
    device = paths.SECOND_TUNNEL
    commands = [f"route replace {network} dev {device} src {source}" for network in come]
    commands += [f"route del {network} dev {device}" for network in go]
    touched = {*come, *go}
    return commands, [one.name for one in members if touched & set(one.networks)]


def move() -> list[str]:
    """Put a route to each peer's networks where it is: the names of those that have moved since the last look.

    Raises:
        Failed: a program refused.
    """
    if not is_up():
        return []
    members = interface.peers_in(paths.WG_FILE.read_text())
    live = frozenset(interface.routes(paths.SECOND_TUNNEL))
    there = moved_of(interface.handshakes(paths.TUNNEL), interface.handshakes(paths.SECOND_TUNNEL))
    commands, names = steps(members, there, live, interface.address_of(json.loads(paths.TUNNEL_FILE.read_text())))
    if commands:
        interface.batch(commands)
    return names
