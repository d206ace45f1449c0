"""Sites whose gateways change their keys: two peers, and the site's addresses at the one that spoke last.

The tunnel's file has both, `# site/ID` with the addresses and `# next/ID` without any. The gateway has one key at a
time, so that whichever peer made the later handshake is the gateway. Nothing is kept of it: who holds the addresses
follows from the handshakes alone, each time anew, after a boot or a return as well, and back again where a gateway
goes back to its former key.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import NamedTuple

from provisioner_host.machine import paths
from provisioner_host.machine.shell import run
from provisioner_host.tunnel import interface

_SITE, _NEXT = "site/", "next/"
_KEY, _ALLOWED = "PublicKey = ", "AllowedIPs = "


class KeyPair(NamedTuple):
    """The two peers of one site, by their public keys, and the site's addresses as the file has them."""

    site: str
    present: str
    following: str
    allowed: str


def pairs_in(conf: str) -> tuple[KeyPair, ...]:
    """The sites of a tunnel's file that have two peers."""
    peers = {peer.name: peer for peer in interface.peers_in(conf)}
    sites = (name[len(_NEXT) :] for name, peer in peers.items() if name.startswith(_NEXT) and not peer.networks)
    both = ((site, peers.get(_SITE + site), peers[_NEXT + site]) for site in sites)
    return tuple(
        KeyPair(site, present.public_key, following.public_key, ", ".join(present.networks))
        for site, present, following in both
        if present and present.networks
    )


def is_next(following: int, present: int) -> bool:
    """Whether a gateway goes by the next key: its handshake is the later one. Pure.

    Handshakes are told to the second. Of two in one second the next key's counts: nobody changes back at once.

    Args:
        following: the last handshake with the next key, in seconds since 1970; 0 if there was none.
        present: that with the present key.
    """
    return following > 0 and following >= present


def holder_of(pair: KeyPair, handshakes: Mapping[str, int]) -> str:
    """The key of the peer that is the gateway. Pure."""
    has_next = is_next(handshakes.get(pair.following, 0), handshakes.get(pair.present, 0))
    return pair.following if has_next else pair.present


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
