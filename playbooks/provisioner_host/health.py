"""Reading back what was switched: units, rules, tunnel, relay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from provisioner_host import firewall, paths, relay, tunnel, units
from provisioner_host.shell import Failed


def health(request: dict[str, Any]) -> dict[str, Any]:
    """Read back: units run, rules and tunnel are as intended, MediaMTX has read its file.

    Give what was read, for `last_good.save`.

    Raises:
        Failed: something is not as it was meant, by name.
    """
    seen: dict[str, Any] = {"units": units.states(request["units"])}
    for name, state in seen["units"].items():
        if name != paths.UNIT_REVERT and (state["active"] != "active" or state["enabled"] != "enabled"):
            raise Failed(f"{name} is {state['active']} and {state['enabled']}")
    if str(paths.NFT_FILE) in request["files"]:
        live = firewall.live()
        seen["firewall"] = live is not None
        wrong = firewall.differences(firewall.intended(paths.NFT_FILE), live)
        if wrong:
            raise Failed(f"the live rules differ from the file: {wrong[0]['name']}")
    peers = tunnel.live_peers("")
    if peers is None:
        raise Failed("the tunnel is not up")
    missing = set(request["peers"]) ^ set(peers)
    if missing:
        raise Failed(f"the tunnel's peers differ: {min(missing)}")
    if request.get("sentinel") and not relay.wait_for(str(request["sentinel"]), 5):
        raise Failed("MediaMTX does not hold the file that was written")
    return seen


def health_of_saved(folder: Path, state: dict[str, Any]) -> None:
    """Read back that the host is at a saved state.

    Raises:
        Failed: something is not as it was saved, by name.
    """
    saved = {f["path"]: folder / f["content"] for f in state["files"]}
    for path, copy in saved.items():
        live = Path(path)
        if live not in (paths.HOST_PROGRAM, paths.REVERT_UNIT_FILE) and live.read_bytes() != copy.read_bytes():
            raise Failed(f"{path} is not as it was saved")
    on = [name for name, unit in state["units"].items() if unit["active"] == "active" and name != paths.UNIT_REVERT]
    if state["units"][paths.UNIT_WG]["active"] != "active" or str(paths.WG_FILE) not in saved:
        if tunnel.exists():
            raise Failed("the tunnel is up, and was not")
        return
    peers = tunnel.peers_in(saved[str(paths.WG_FILE)].read_text())
    relay_file = saved.get(str(paths.MEDIAMTX_FILE))
    runs = state["units"][paths.UNIT_MEDIAMTX]["active"] == "active"
    described = relay.describe(relay_file.read_text(), "") if relay_file and runs else {"sentinel": None}
    rules = [str(paths.NFT_FILE)] if state["firewall"] and str(paths.NFT_FILE) in saved else []
    enabled = [name for name in on if state["units"][name]["enabled"] == "enabled"]
    health({"units": enabled, "files": rules, "peers": peers, "sentinel": described["sentinel"]})
