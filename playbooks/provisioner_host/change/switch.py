"""The switch: files, rules, tunnel and relay, then verification.

systemd calls are kept few: a daemon-reload costs more than the rest of a small change.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host.change import quarantine_trial
from provisioner_host.change.preflight import must_load
from provisioner_host.change.transaction import OPERATION_S, ApplyTransaction
from provisioner_host.firewall import firewall
from provisioner_host.machine import paths, units
from provisioner_host.machine.files import write
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import quarantine, relay, sessions
from provisioner_host.state import dead_man, last_good, leases
from provisioner_host.tunnel import second_tunnel, tunnel

if TYPE_CHECKING:
    from provisioner_host.wire import FactsAnswer


# Cameras all dial at once after a reload (measured on 1.20.1): so many new ones at a time.
STAGGER = 50


def health(names: list[str], peers: Collection[str], sentinel: str | None, *, rules: bool) -> last_good.LiveState:
    """Verify units, rules, tunnel and MediaMTX's file; return the states.

    `peers` are the tunnel's exact public keys; `sentinel` is empty without a relay; `rules` compares our firewall with
    its file. `Failed` names the difference.
    """
    read = last_good.LiveState(units.states(names))
    for name, state in read.units.items():
        if name != paths.UNIT_REVERT and (state["active"] != "active" or state["enabled"] != "enabled"):
            raise Failed(f"{name} is {state['active']} and {state['enabled']}")
    if rules:
        live = firewall.live()
        read.firewall = live is not None
        faults = firewall.differences(firewall.intended(paths.NFT_FILE), live)
        if faults:
            raise Failed(f"the live rules differ from the file: {faults[0]['name']}")
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
    """Verify a saved state; `Failed` names the difference."""
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
    return quarantine.whole_content(path.read_bytes())


def arm(change: ApplyTransaction) -> None:
    """Install the program and unit that carry a return, then arm."""
    # The code that returns is the code that saved: it comes before the switch, whatever else differs.
    reload = change.differs(paths.REVERT_UNIT_FILE)
    for path in last_good.CARRIERS:
        if change.differs(path):
            change.put(path)
            units.relabel((path,))
    if reload:
        units.systemctl("daemon-reload")
    dead_man.arm(change.run_id, change.confirm_s, change.who)


def can_arm_early(change: ApplyTransaction) -> bool:
    """Return whether arming changes no file that a refusal must restore."""
    return not any(change.differs(path) for path in last_good.CARRIERS)


def switch(change: ApplyTransaction, facts: FactsAnswer) -> None:
    """Change files, rules, tunnel and relay; `Failed` names the step."""
    restart_relay = _unit_differs(change, facts, paths.UNIT_MEDIAMTX) or is_silent(change)
    restart_quarantine = _unit_differs(change, facts, paths.UNIT_QUARANTINE)
    reload = any(change.differs(Path(path)) for path in change.wanted if path.endswith(".service"))
    reload = reload or any(unit["reload"] or _drop_ins(facts, name) for name, unit in facts["units"].items())
    following = second_tunnel.installed()
    change.step("files", lambda: _put_files(change, facts))
    if reload:
        change.step("units", lambda: units.systemctl("daemon-reload"))
    if str(paths.NFT_FILE) in change.wanted:
        change.step("rules", lambda: firewall.load(paths.NFT_FILE) if must_load(facts) else None)
        change.step("firewall unit", lambda: _enable_and_start(paths.UNIT_NFT, facts))
    change.step("tunnel", lambda: _switch_tunnel(facts, following))
    if str(paths.MEDIAMTX_FILE) in change.wanted:
        before = relay.read_file()
        change.step("relay", lambda: _switch_relay(change, facts, restart=restart_relay))
        # A hub pulls relays, whose passwords no camera can refuse: it has no such unit.
        if str(paths.UNIT_FOLDER / paths.UNIT_QUARANTINE) in change.wanted:
            change.step("quarantine unit", lambda: _switch_quarantine(facts, restart=restart_quarantine))
        now = change.content(str(paths.MEDIAMTX_FILE)).decode()
        change.ended = change.step("sessions", lambda: sessions.end_revoked(before, now))
        change.notes += change.ended


def is_silent(change: ApplyTransaction) -> bool:
    """Return whether the plan restarts MediaMTX because it does not answer."""
    return paths.UNIT_MEDIAMTX in change.request["restart"]


def _enable_and_start(name: str, facts: FactsAnswer) -> None:
    state = facts["units"].get(name)
    if state is None or state["enabled"] != "enabled":
        units.systemctl("enable", name)
    if state is None or state["active"] != "active":
        units.systemctl("start", name)


def _switch_tunnel(facts: FactsAnswer, following: second_tunnel.FollowingKey | None) -> None:
    second_tunnel.take_over(following, paths.WG_FILE.read_text())
    state = facts["units"].get(paths.UNIT_WG)
    if state is not None and state["active"] == "active" and tunnel.exists():
        tunnel.up()
    else:
        # The unit starts it, so that a user-space WireGuard lives in the unit and not in this session.
        units.systemctl("restart", paths.UNIT_WG)
    if state is None or state["enabled"] != "enabled":
        units.systemctl("enable", paths.UNIT_WG)


def _switch_quarantine(facts: FactsAnswer, *, restart: bool) -> None:
    if restart:
        units.systemctl("restart", paths.UNIT_QUARANTINE)
    _enable_and_start(paths.UNIT_QUARANTINE, facts)


def _unit_differs(change: ApplyTransaction, facts: FactsAnswer, name: str) -> bool:
    unit = paths.UNIT_FOLDER / name
    if str(unit) not in change.wanted:
        return False
    return change.differs(unit) or bool(_drop_ins(facts, name))


def _drop_ins(facts: FactsAnswer, name: str) -> list[str]:
    state = facts["units"].get(name)
    return [] if state is None else [path for path in state["drop_ins"] if units.of_ours(path)]


def _put_files(change: ApplyTransaction, facts: FactsAnswer) -> None:
    for text in change.wanted:
        path = Path(text)
        if path != paths.MEDIAMTX_FILE and (change.differs(path) or change.misowned(path)):
            if path == paths.READERS_FILE:
                relay.wait_for_gap(path)
            change.put(path)
    listed = set((facts["manifest"] or {}).get("files", ()))
    for text in sorted(listed - set(change.wanted)):
        # What was a hub is one no more: without its file systemd would let it run on.
        if text == str(paths.UNIT_FOLDER / paths.UNIT_MEDIAMTX):
            units.systemctl("disable", "--now", paths.UNIT_MEDIAMTX)
        Path(text).unlink(missing_ok=True)
    for unit in change.request["units"]:
        for drop_in in _drop_ins(facts, unit):
            units.remove_overriding(drop_in)
    units.relabel(map(Path, change.wanted))


# --- the relay ------------------------------------------------------------------------------------
def _switch_relay(change: ApplyTransaction, facts: FactsAnswer, *, restart: bool) -> None:
    if change.differs(paths.MEDIAMTX_FILE) or change.misowned(paths.MEDIAMTX_FILE):
        state = facts["units"].get(paths.UNIT_MEDIAMTX)
        running = state is not None and state["active"] == "active"
        if running and not restart:
            quarantine_trial.prove(change)
            _put_in_steps(change)
        relay.wait_for_gap()
        change.put(paths.MEDIAMTX_FILE)
    if is_silent(change):
        units.restart_silent(paths.UNIT_MEDIAMTX)
    elif restart:
        units.restart(paths.UNIT_MEDIAMTX)
    _enable_and_start(paths.UNIT_MEDIAMTX, facts)
    sentinel = change.request["sentinel"]
    if relay.wait_for(sentinel, 5):
        return
    relay.wait_for_gap()
    change.put(paths.MEDIAMTX_FILE)  # a write within a second of the last reload is lost: once more
    if not relay.wait_for(sentinel, 5):
        raise Failed("MediaMTX has not read its new file")


def _put_in_steps(change: ApplyTransaction) -> None:
    """Write the file in steps with more new paths, except the last."""
    wanted = change.wanted[str(paths.MEDIAMTX_FILE)]
    whole = change.content(str(paths.MEDIAMTX_FILE)).decode()
    for sentinel, text in relay.stages(relay.read_file(), whole, STAGGER):
        owners = {"owner": wanted["owner"], "group": wanted["group"]}
        relay.wait_for_gap()
        write(paths.MEDIAMTX_FILE, text.encode(), mode=wanted["mode"], **owners)
        if not relay.wait_for(sentinel, 5):
            relay.wait_for_gap()
            write(paths.MEDIAMTX_FILE, text.encode(), mode=wanted["mode"], **owners)
            if not relay.wait_for(sentinel, 8):
                raise Failed("MediaMTX has not read a step of its new file")
        # This host is at work itself: nobody's silence must return it in the middle.
        dead_man.renew(change.run_id, change.confirm_s)
        leases.extend(change.run_id, OPERATION_S)
