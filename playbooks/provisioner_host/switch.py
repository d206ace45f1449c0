"""The switch itself: files, rules, tunnel, relay. systemd is asked for as little as can be.

A daemon-reload costs more than all the rest of a small change.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from provisioner_host import (
    dead_man,
    firewall,
    last_good,
    lease,
    paths,
    quarantine_prove,
    relay,
    second_tunnel,
    selinux,
    sessions,
    tunnel,
    units,
)
from provisioner_host.files import write
from provisioner_host.preflight import must_load
from provisioner_host.shell import Failed
from provisioner_host.transaction import OPERATION_S, ApplyTransaction

if TYPE_CHECKING:
    from provisioner_host.wire import FactsAnswer

# Cameras all dial at once after a reload (measured on 1.20.1): so many new ones at a time.
STAGGER = 50


def arm(change: ApplyTransaction) -> None:
    """Put what carries a return in place, then arm the switch."""
    # The code that returns is the code that saved: it comes before the switch, whatever else differs.
    reload = change.differs(paths.REVERT_UNIT_FILE)
    for path in last_good.CARRIERS:
        if change.differs(path):
            change.put(path)
            selinux.restore((path,))
    if reload:
        units.systemctl("daemon-reload")
    dead_man.arm(change.run_id, change.confirm_s, change.who)


def can_arm_early(change: ApplyTransaction) -> bool:
    """Whether what carries a return is in place: then to arm changes nothing that a refusal would have to put back."""
    return not any(change.differs(path) for path in last_good.CARRIERS)


def switch(change: ApplyTransaction, facts: FactsAnswer) -> None:
    """Bring files, rules, tunnel and relay to what is wanted.

    Raises:
        Failed: the step's name and what went wrong.
    """
    restart_relay = _differs_unit(change, facts, paths.UNIT_MEDIAMTX) or is_silent(change)
    restart_quarantine = _differs_unit(change, facts, paths.UNIT_QUARANTINE)
    reload = any(change.differs(Path(path)) for path in change.wanted if path.endswith(".service"))
    reload = reload or any(unit["reload"] or _drop_ins(facts, name) for name, unit in facts["units"].items())
    following = second_tunnel.installed()
    change.step("files", lambda: _put_files(change, facts))
    if reload:
        change.step("units", lambda: units.systemctl("daemon-reload"))
    if str(paths.NFT_FILE) in change.wanted:
        change.step("rules", lambda: firewall.load(paths.NFT_FILE) if must_load(facts) else None)
        change.step("firewall unit", lambda: _on(paths.UNIT_NFT, facts))
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
    """Whether the plan restarts MediaMTX because it runs and does not answer."""
    return paths.UNIT_MEDIAMTX in change.request["restart"]


def _on(name: str, facts: FactsAnswer) -> None:
    """Enable and start a unit, where it is not so already."""
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
    _on(paths.UNIT_QUARANTINE, facts)


def _differs_unit(change: ApplyTransaction, facts: FactsAnswer, name: str) -> bool:
    unit = paths.UNIT_FOLDER / name
    if str(unit) not in change.wanted:
        return False
    return change.differs(unit) or bool(_drop_ins(facts, name))


def _drop_ins(facts: FactsAnswer, name: str) -> list[str]:
    """What overrides a unit and goes: what stands under our names, wherever that is."""
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
    selinux.restore(map(Path, change.wanted))


# --- the relay ------------------------------------------------------------------------------------


def _switch_relay(change: ApplyTransaction, facts: FactsAnswer, *, restart: bool) -> None:
    if change.differs(paths.MEDIAMTX_FILE) or change.misowned(paths.MEDIAMTX_FILE):
        state = facts["units"].get(paths.UNIT_MEDIAMTX)
        running = state is not None and state["active"] == "active"
        _put_relay_file(change, stagger=running and not restart)
    if is_silent(change):
        units.restart_silent(paths.UNIT_MEDIAMTX)
    elif restart:
        units.restart(paths.UNIT_MEDIAMTX)
    _on(paths.UNIT_MEDIAMTX, facts)
    sentinel = change.request["sentinel"]
    if relay.wait_for(sentinel, 5):
        return
    relay.wait_for_gap()
    change.put(paths.MEDIAMTX_FILE)  # a write within a second of the last reload is lost: once more
    if not relay.wait_for(sentinel, 5):
        raise Failed("MediaMTX has not read its new file")


def _put_relay_file(change: ApplyTransaction, *, stagger: bool) -> None:
    if stagger:
        quarantine_prove.prove(change)
        _put_in_steps(change)
    relay.wait_for_gap()
    change.put(paths.MEDIAMTX_FILE)


def _put_in_steps(change: ApplyTransaction) -> None:
    """Write the file with ever more of the new paths, each read back; the last step is the caller's.

    Raises:
        Failed: MediaMTX has not read a step.
    """
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
        lease.extend(change.run_id, OPERATION_S)
