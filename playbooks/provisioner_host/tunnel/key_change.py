"""Gateway key changes: of a site's two peers, the latest is used.

The tunnel's file has `# site/ID` with the addresses and `# next/ID` without. A gateway has one key at a time, so the
peer with the later handshake is the gateway. No state is stored: handshakes alone decide, also after a reboot or
rollback, and if a gateway returns to its former key.
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
    """A site's two public keys, and its addresses in the file."""

    site: str
    present: str
    following: str
    allowed: str


def pairs_in(conf: str) -> tuple[KeyPair, ...]:
    """Return the sites with two peers in a tunnel's file."""
    peers = {peer.name: peer for peer in interface.peers_in(conf)}
    sites = (name[len(_NEXT) :] for name, peer in peers.items() if name.startswith(_NEXT) and not peer.networks)
    both = ((site, peers.get(_SITE + site), peers[_NEXT + site]) for site in sites)
    return tuple(
        KeyPair(site, present.public_key, following.public_key, ", ".join(present.networks))
        for site, present, following in both
        if present and present.networks
    )


def is_next(following: int, present: int) -> bool:
    """Return whether the next key's handshake is the later one. Pure.

    Handshakes have a resolution of one second; 0 means no handshake. In a tie the next key wins: a gateway does not
    change back at once.
    """
    return following > 0 and following >= present


def holder_of(pair: KeyPair, handshakes: Mapping[str, int]) -> str:
    """Return the key that the gateway uses. Pure."""
    has_next = is_next(handshakes.get(pair.following, 0), handshakes.get(pair.present, 0))
    return pair.following if has_next else pair.present


def settled(conf: str, handshakes: Mapping[str, int]) -> str:
    """Assign each site's addresses to the key in use. Pure."""
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
    """Return live peers' last handshakes by public key."""
    return interface.handshakes(paths.TUNNEL)


def move() -> tuple[str, ...]:
    """Move addresses to the peers in use; return the moved sites.

    One command moves them, so a site never loses its addresses.
    """
    pairs = live_pairs()
    if not pairs:
        return ()
    now, allowed = handshakes(), _allowed()
    moved = []
    for pair in pairs:
        holder = holder_of(pair, now)
        if holder in allowed and not allowed[holder]:
            addresses = pair.allowed.replace(" ", "")
            run(["wg", "set", paths.TUNNEL, "peer", holder, "allowed-ips", addresses])
            moved.append(pair.site)
    return tuple(moved)


def _allowed() -> dict[str, str]:
    by_key = interface.wg_show(paths.TUNNEL, "allowed-ips")
    return {key: "" if allowed == "(none)" else allowed for key, allowed in by_key.items()}


def live_pairs() -> tuple[KeyPair, ...]:
    """Return the sites with two peers in the installed tunnel."""
    with contextlib.suppress(OSError):
        return pairs_in(paths.WG_FILE.read_text())
    return ()
