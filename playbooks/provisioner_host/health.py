"""Reading back what was switched: units, rules, tunnel, relay."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from provisioner_host import firewall, last_good, paths, quarantine, relay, second_tunnel, tunnel, units
from provisioner_host.shell import Failed


def health(names: list[str], peers: Collection[str], sentinel: str | None, *, rules: bool) -> last_good.LiveState:
    """Read back: units run, rules and tunnel are as intended, MediaMTX has read its file.

    Args:
        names: the units.
        peers: public keys that the tunnel has to have, and no others.
        sentinel: the path that shows that MediaMTX has read its file; none without a relay.
        rules: whether our firewall has to be what its file says.

    Returns:
        What was read, for `last_good.save`.

    Raises:
        Failed: something is not as it was meant, by name.
    """
    read = last_good.LiveState(units.states(names))
    for name, state in read.units.items():
        if name != paths.UNIT_REVERT and (state["active"] != "active" or state["enabled"] != "enabled"):
            raise Failed(f"{name} is {state['active']} and {state['enabled']}")
    if rules:
        live = firewall.live()
        read.firewall = live is not None
        wrong = firewall.differences(firewall.intended(paths.NFT_FILE), live)
        if wrong:
            raise Failed(f"the live rules differ from the file: {wrong[0]['name']}")
    live_peers = tunnel.live_peers("")
    if live_peers is None:
        raise Failed("the tunnel is not up")
    if differing := set(peers) ^ set(live_peers):
        raise Failed(f"the tunnel's peers differ: {min(differing)}")
    second_tunnel.refuse_unlike(frozenset(peers))
    if sentinel and not relay.wait_for(sentinel, 5):
        raise Failed("MediaMTX does not hold the file that was written")
    return read


def health_of_saved(folder: Path, state: dict[str, Any]) -> None:
    """Read back that the host is at a saved state.

    Raises:
        Failed: something is not as it was saved, by name.
    """
    saved = {f["path"]: folder / f["content"] for f in state["files"]}
    for path, copy in saved.items():
        live = Path(path)
        if live not in (paths.HOST_PROGRAM, paths.REVERT_UNIT_FILE) and _content(live) != _content(copy):
            raise Failed(f"{path} is not as it was saved")
    on = [name for name, unit in state["units"].items() if unit["active"] == "active" and name != paths.UNIT_REVERT]
    if state["units"][paths.UNIT_WG]["active"] != "active" or str(paths.WG_FILE) not in saved:
        if tunnel.exists():
            raise Failed("the tunnel is up, and was not")
        return
    peers = tunnel.peers_in(saved[str(paths.WG_FILE)].read_text())
    relay_file = saved.get(str(paths.MEDIAMTX_FILE))
    runs = state["units"][paths.UNIT_MEDIAMTX]["active"] == "active"
    sentinel = quarantine.sentinel_in(quarantine.live_file()) if relay_file and runs else None
    enabled = [name for name in on if state["units"][name]["enabled"] == "enabled"]
    health(enabled, peers, sentinel, rules=bool(state["firewall"]) and str(paths.NFT_FILE) in saved)


def _content(path: Path) -> bytes:
    """A file's content; what was quarantined since it was saved is no difference."""
    return quarantine.whole_content(path.read_bytes())
