"""Apply and rollback: change the host, then wait for confirmation.

Both are a transaction: look, check offline, save last-good, arm, switch, verify; on failure return. A rollback's target
is a kept generation, an apply's is its request.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host.change import gate, preflight, switch
from provisioner_host.change.switch import health, health_of_saved
from provisioner_host.change.transaction import OPERATION_S, ApplyTransaction, Transaction, begin
from provisioner_host.firewall import firewall, lockout
from provisioner_host.machine import files, paths
from provisioner_host.machine.files import words_of
from provisioner_host.machine.shell import Failed
from provisioner_host.observe.host import observe
from provisioner_host.relay import quarantine, relay
from provisioner_host.state import dead_man, frozen, keys, last_good, leases
from provisioner_host.state.removed import free_of_revoked
from provisioner_host.tunnel import second_tunnel, tunnel

if TYPE_CHECKING:
    from provisioner_host import wire

BARE = "the state before run {} is the one before its first apply, which nobody approved: apply a plan instead"


def apply(request: wire.ApplyRequest, folder: Path) -> wire.ChangeAnswer:
    """Change the host to the request's state and await confirmation.

    The answer's `outcome` is `armed`, `stale`, `locked`, `refused` (the host is unchanged), `rolled-back` or
    `rollback-failed`; `before` has paths, readers and peers before the switch.
    """
    change = ApplyTransaction(request, folder)
    return _under_lock(change, lambda: _run_apply(change))


def rollback(request: wire.RollbackRequest, folder: Path) -> wire.ChangeAnswer:
    """Return to the state before run `target` and await confirmation.

    The answer is that of an apply; `affected` names the paths that differ between the two states.
    """
    change = Transaction(request, folder)
    return _under_lock(change, lambda: _run_rollback(change, request))


def _under_lock(change: Transaction, work: Callable[[], wire.ChangeAnswer]) -> wire.ChangeAnswer:
    try:
        with leases.lock(change.run_id):
            return begin(change) or work()
    except leases.Locked as error:
        return change.answer("locked", str(error), holder=leases.holder())
    except (Failed, OSError) as error:
        leases.release(change.run_id)
        return change.answer("refused", words_of(error))


def _run_apply(change: ApplyTransaction) -> wire.ChangeAnswer:
    """Prepare, check, arm the dead-man switch, then change the host."""
    arms_early = False
    try:
        change.step("prepare", keys.prepare)
        keys.store_controller_key(change.folder)
        # What is read takes longest: all that changes nothing goes beside it.
        look = change.step("paths before", lambda: _look(change))
        try:
            facts = change.step("observe", lambda: observe(change.request["observe"], change.folder, runtime=False))
            if (stale := _stale_reason(change, facts, look)) is not None:
                leases.release(change.run_id)
                return change.answer("stale", stale, facts=facts)
            if change.request["observe"].get("held"):
                change.step("keep what is held", lambda: frozen.keep(change))
            change.step("keep what is quarantined", lambda: quarantine.keep(change))
            change.step("save last-good", lambda: last_good.save(_owned(change, facts), _state(facts)))
            change.had_programs = frozenset((facts["manifest"] or {}).get("programs", ()))
            preflight.install_program(change)
            preflight.check(change, facts)
            if look.is_reading and switch.can_arm_early(change):
                change.step("arm", lambda: switch.arm(change))
                arms_early = True
        finally:
            look.wait()
        before = change.step("paths at the switch", look.end)
    except Failed as error:
        if arms_early:
            dead_man.disarm()
        preflight.uninstall_program(change)
        return change.refused(error)
    # The receipt first: whoever comes back after a loss finds what was looked at before.
    stored = {"before": before, "elsewhere": change.request["elsewhere"]}
    receipt = change.receipt("armed", "the change waits for its confirmation", **stored)
    try:
        if arms_early:
            # It has counted since before the paths were looked at.
            dead_man.renew(change.run_id, change.confirm_s)
        else:
            change.step("arm", lambda: switch.arm(change))
        switch.switch(change, facts)
        switched = time.monotonic()
        change.step("health", lambda: _health(change))
        if change.ended:
            change.receipt("armed", "the change waits for its confirmation", **stored, sessions=change.ended)
        leases.extend(change.run_id, OPERATION_S)
        dead_man.renew(change.run_id, change.confirm_s, dead_man.WAITING)
    except Failed as error:
        return change.back(words_of(error))
    except Exception as error:  # noqa: BLE001  whatever it is, the host must not stay between two states
        return change.back(f"{type(error).__name__}: {error}")
    return change.answer("armed", before=before, receipt=receipt, switched=switched)


def _look(change: ApplyTransaction) -> gate.LookBefore:
    return gate.LookBefore(change.request["gate"], answers=not switch.is_silent(change))


def _stale_reason(change: ApplyTransaction, facts: wire.FactsAnswer, before: gate.LookBefore) -> str | None:
    if facts["live_digest"] != change.request["expected_live_digest"]:
        return ""
    hangs = not switch.is_silent(change) and _relay_hangs(facts, before)
    return f"{paths.UNIT_MEDIAMTX} does not answer its Control API any more" if hangs else None


def _relay_hangs(facts: wire.FactsAnswer, before: gate.LookBefore) -> bool:
    """Return whether MediaMTX runs but does not answer.

    Only a restart helps, which cuts all viewers, so the plan must announce it. If the plan does so, MediaMTX was not
    asked.
    """
    unit = facts["units"].get(paths.UNIT_MEDIAMTX)
    runs = unit is not None and unit["active"] == "active" and facts.get("relay") is not None
    return runs and before.sessions["paths"] is None


def _owned(change: ApplyTransaction, facts: wire.FactsAnswer) -> list[str]:
    return sorted({*change.wanted, *((facts["manifest"] or {}).get("files", ()))})


def _state(facts: wire.FactsAnswer) -> last_good.LiveState:
    return last_good.LiveState(facts["units"], firewall=facts["firewall"]["present"])


def _health(change: ApplyTransaction) -> last_good.LiveState:
    request = change.request
    rules = str(paths.NFT_FILE) in request["files"]
    return health(request["units"], request["peers"], request["sentinel"], rules=rules)


def _run_rollback(change: Transaction, request: wire.RollbackRequest) -> wire.ChangeAnswer:
    """Restore an earlier state, after the same checks as an apply."""
    target = _generation_of(request["target"])
    if target is None:
        return change.refused(Failed(f"this host keeps no state of before {request['target'] or 'any run'}"))
    generation = paths.GENERATIONS / target
    try:
        state = last_good.state_of(generation)
        if state["manifest"] is None and not request.get("bare"):
            return change.refused(Failed(BARE.format(target)))
        free = lambda: free_of_revoked(generation, request["wanted"], request["digest_key"])  # noqa: E731
        change.notes += change.step("leave out what is revoked", free)
        if facilities := request["held"]:
            saved = {str(f["path"]): generation / f["content"] for f in state["files"]}
            keep_frozen = lambda: frozen.keep_in(generation, saved, facilities, request["digest_key"])  # noqa: E731
            change.step("keep what is held", keep_frozen)
        affected, removed = _affected_paths(generation, state)
        gate_request = _differing(request["gate"], set(affected) - set(removed))
        before = change.step("paths before", lambda: gate.look(gate_request))
        change.step("save last-good", lambda: last_good.save(_owned_or_saved(state)))
        _check_saved_files(change, request["lockout"], generation, state)
        before = change.step("paths at the switch", lambda: gate.latest(before))
    except Failed as error:
        return change.refused(error)
    kind: dict[str, Any] = {"kind": "rollback", "target": target, "affected": affected, "removed": removed}
    receipt = change.receipt("armed", "the change waits for its confirmation", before=before, **kind)
    try:
        change.step("arm", lambda: dead_man.arm(change.run_id, change.confirm_s, change.who, "rollback", target))
        change.step("go back", lambda: last_good.restore(folder=generation, carriers=False))
        switched = time.monotonic()
        change.step("health", lambda: health_of_saved(generation, state))
        leases.extend(change.run_id, OPERATION_S)
        dead_man.renew(change.run_id, change.confirm_s, dead_man.WAITING)
    except Failed as error:
        return change.back(words_of(error))
    except Exception as error:  # noqa: BLE001  whatever it is, the host must not stay between two states
        return change.back(f"{type(error).__name__}: {error}")
    return change.answer("armed", before=before, receipt=receipt, switched=switched, affected=affected, removed=removed)


def _generation_of(run_id: str) -> str | None:
    runs = [str(g["run"]) for g in last_good.generations()]
    if not run_id:
        return runs[0] if runs else None
    return run_id if run_id in runs else None


def _owned_or_saved(state: dict[str, Any]) -> list[str]:
    listed = (files.read_json(paths.MANIFEST) or {}).get("files", ())
    return sorted({*listed, *state["absent"], *(f["path"] for f in state["files"])})


def _affected_paths(generation: Path, state: dict[str, Any]) -> tuple[list[str], list[str]]:
    saved = next((f["content"] for f in state["files"] if f["path"] == str(paths.MEDIAMTX_FILE)), None)
    then = relay.describe(quarantine.whole((generation / saved).read_text()) if saved else "", "")["paths"]
    now = relay.describe(relay.read_file(), "")["paths"]
    affected = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    return affected, sorted(set(now) - set(then))


def _differing(request: wire.GateRequest | None, names: set[str]) -> wire.GateRequest | None:
    return request and {**request, "paths": [path for path in request["paths"] if path["name"] in names]}


def _check_saved_files(change: Transaction, ssh: wire.LockoutCheck, generation: Path, state: dict[str, Any]) -> None:
    """Check saved rules, tunnel and relay files beside the live state."""
    saved = {f["path"]: generation / f["content"] for f in state["files"]}
    if rules := saved.get(str(paths.NFT_FILE)):
        change.step("check rules", lambda: firewall.intended(rules))
        if ssh["check"]:
            change.step("check lock-out", lambda: lockout.check(rules, ssh["ssh_port"], ssh["networks"]))
    if (conf := saved.get(str(paths.WG_FILE))) and (psk := saved.get(str(paths.PSK_FILE))):
        change.step("check tunnel", lambda: tunnel.check(conf, psk))
    link = saved.get(str(paths.TUNNEL_FILE))
    change.step("check own key", lambda: second_tunnel.refuse_other_state(link))
    unit = saved.get(str(paths.UNIT_FOLDER / paths.UNIT_MEDIAMTX))
    relay_file = saved.get(str(paths.MEDIAMTX_FILE))
    if unit is not None and relay_file is not None:
        program, content = relay.program_in(unit.read_text()), relay_file.read_bytes()
        if not program.exists():
            raise Failed(f"check relay: {program} is not on this host any more")
        live = paths.UNIT_FOLDER / paths.UNIT_MEDIAMTX
        if live.exists() and program != relay.program_in(live.read_text()):
            change.notes.append(f"MediaMTX goes back to {program.name}")
        readers_file = saved.get(str(paths.READERS_FILE))
        readers = readers_file.read_bytes() if readers_file is not None else b""
        change.step("check relay", lambda: preflight.check_relay(program, content, readers))
