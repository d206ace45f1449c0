"""Sites whose gateways change their keys: two peers, and the site's addresses at the one that spoke last.

The tunnel's file has both, `# site/ID` with the addresses and `# next/ID` without any. The gateway has one key at a
time, so that whichever peer made the later handshake is the gateway. Nothing is kept of it: who holds the addresses
follows from the handshakes alone, each time anew, after a boot or a return as well, and back again where a gateway
goes back to its former key.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from provisioner_host.machine import paths
from provisioner_host.machine.files import identity
from provisioner_host.machine.shell import Failed, run
from provisioner_host.tunnel import interface

_SITE, _NEXT = "site/", "next/"
_KEY, _ALLOWED = "PublicKey = ", "AllowedIPs = "
# How often is looked while a key is changed: no picture is missed for longer than this and a new handshake take.
_LOOK_S = 0.5
_IDLE_S = 2.0


class KeyPair(NamedTuple):
    """The two peers of one site, by their public keys, and the site's addresses as the file has them."""

    site: str
    present: str
    following: str
    allowed: str


def pairs_in(conf: str) -> tuple[KeyPair, ...]:
    """The sites of a tunnel's file that have two peers."""
    keys, allowed, name = {}, {}, ""
    for line in conf.splitlines():
        if line.startswith("# "):
            name = line[2:]
        elif line.startswith(_KEY):
            keys[name] = line[len(_KEY) :]
        elif line.startswith(_ALLOWED):
            allowed[name] = line[len(_ALLOWED) :]
    sites = [name[len(_NEXT) :] for name in keys if name.startswith(_NEXT)]
    both = ((site, keys.get(_SITE + site), allowed.get(_SITE + site)) for site in sites)
    return tuple(
        KeyPair(site, key, keys[_NEXT + site], addresses)
        for site, key, addresses in both
        if key and addresses and _NEXT + site not in allowed
    )


def holder_of(pair: KeyPair, handshakes: Mapping[str, int]) -> str:
    """The key of the peer that is the gateway: whose handshake is the later one. Pure.

    Handshakes are told to the second. Of two in one second the next key's counts: nobody changes back at once.
    """
    following = handshakes.get(pair.following, 0)
    return pair.following if following and following >= handshakes.get(pair.present, 0) else pair.present


def settled(conf: str, handshakes: Mapping[str, int]) -> str:
    """A tunnel's file with each site's addresses at the peer that is its gateway. Pure.

    Args:
        conf: the file as it is rendered.
        handshakes: the last one of each live peer, by public key, in seconds since 1970.
    """
    moving = [pair for pair in pairs_in(conf) if holder_of(pair, handshakes) == pair.following]
    out = {f"{_SITE}{pair.site}" for pair in moving}
    into = {pair.following: pair.allowed for pair in moving}
    name, lines = "", []
    for line in conf.splitlines():
        if line.startswith("# "):
            name = line[2:]
        if line.startswith(_ALLOWED) and name in out:
            continue
        lines.append(line)
        if line.startswith(_KEY) and (addresses := into.get(line[len(_KEY) :])):
            lines.append(f"{_ALLOWED}{addresses}")
    return "\n".join(lines) + "\n" if moving else conf


def handshakes() -> dict[str, int]:
    """The last handshake of each live peer, by public key; none where the tunnel is not up."""
    return interface.handshakes(paths.TUNNEL)


def move() -> tuple[str, ...]:
    """Move each site's addresses to the peer that is its gateway, where the other one has them: those sites.

    One command takes them from the one and gives them to the other: there is no moment in which nobody has them.

    Raises:
        Failed: `wg` refused.
    """
    pairs = live_pairs()
    if not pairs:
        return ()
    now, held = handshakes(), _allowed()
    moved = []
    for pair in pairs:
        holder = holder_of(pair, now)
        if holder in held and not held[holder]:
            addresses = pair.allowed.replace(" ", "")
            run(["wg", "set", paths.TUNNEL, "peer", holder, "allowed-ips", addresses])
            moved.append(pair.site)
    return tuple(moved)


def _allowed() -> dict[str, str]:
    shown = interface.shown(paths.TUNNEL, "allowed-ips")
    return {key: "" if allowed == "(none)" else allowed for key, allowed in shown.items()}


def live_pairs() -> tuple[KeyPair, ...]:
    """The sites of the installed tunnel that have two peers."""
    with contextlib.suppress(OSError):
        return pairs_in(paths.WG_FILE.read_text())
    return ()


def moves() -> Iterator[tuple[str, ...]]:
    """Look for ever, often while a key is changed, and give the sites whose addresses were moved at each look."""
    read: list[int] = []
    changing = False
    while True:
        if (now := _identity(paths.WG_FILE)) != read:
            read, changing = now, bool(live_pairs())
        moved: tuple[str, ...] = ()
        if changing:
            with contextlib.suppress(Failed, OSError, ValueError):  # the next look is soon
                moved = move()
        yield moved
        time.sleep(_LOOK_S if changing else _IDLE_S)


def _identity(path: Path) -> list[int]:
    with contextlib.suppress(OSError):
        return identity(path)
    return []
