"""Second call of a run: look and renew, confirm, abort, or status."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host.change import gate
from provisioner_host.change.switch import health, health_of_saved
from provisioner_host.change.transaction import OPERATION_S, Transaction
from provisioner_host.firewall import lockout
from provisioner_host.machine import files, paths
from provisioner_host.machine.files import words_of
from provisioner_host.machine.shell import Failed
from provisioner_host.observe.host import observe
from provisioner_host.relay import quarantine, relay
from provisioner_host.state import dead_man, frozen, keys, last_good, leases, removed

if TYPE_CHECKING:
    from provisioner_host import wire

_LOCK_S = 20.0


def look(request: wire.LookRequest, folder: Path) -> wire.ChangeAnswer:
    """Renew the switch over a new connection, then look at the paths.

    The controller decides the gate. The answer's `outcome` is `armed`, or the result of an ended change.
    """
    change = Transaction(request, folder)
    with leases.lock(change.run_id, wait_s=_LOCK_S):
        if (over := _ended_result(change)) is not None:
            return over
        try:
            dead_man.renew(change.run_id, change.confirm_s)
            leases.extend(change.run_id, change.confirm_s + OPERATION_S)
        except OSError as error:
            return change.back(f"the switch could not be renewed: {words_of(error)}")
        except Failed as error:
            return change.back(words_of(error))
    return change.answer("armed", after=change.step("look", lambda: gate.look(request["gate"], switched=True)))


def confirm(request: wire.ConfirmRequest, folder: Path) -> wire.ChangeAnswer:
    """Make a change persistent, as the controller has connected anew.

    Another run's change is not confirmed, and an unhealthy change is rolled back. The answer brings the host's facts
    for the next plan.
    """
    change = Transaction(request, folder)
    with leases.lock(change.run_id, wait_s=_LOCK_S):
        if (over := _ended_result(change)) is not None:
            return over
        armed = dead_man.armed() or {"run": ""}
        state: last_good.LiveState | None = None
        try:
            if armed.get("kind") == "rollback":
                change.step("persist", lambda: _persist_rollback(change, str(armed["target"])))
            else:
                rules = str(paths.NFT_FILE) in request["files"]
                peers, sentinel = frozen.expected(request)
                sentinel = quarantine.live_sentinel(sentinel)
                state = change.step("health", lambda: health(request["units"], peers, sentinel, rules=rules))
                change.step("persist", lambda: persist(change, request["files"]))
        except Failed as error:
            return change.back(words_of(error))
        dead_man.disarm()
        ended = (last_good.receipt_of(change.run_id) or {}).get("sessions", [])
        _store_generation(change, armed, state)
        receipt = change.receipt("applied", sessions=ended)
        leases.release(change.run_id)
    try:
        facts = observe(request["observe"], folder)
    except (Failed, OSError):
        facts = None
    return change.answer("applied", receipt=receipt, facts=facts)


def persist(change: Transaction, owned: list[str]) -> None:
    """Record the owned files and the run in the manifest."""
    manifest = files.read_json(paths.MANIFEST) or {}
    files.write_json(paths.MANIFEST, manifest | {"files": sorted(owned), **_confirmed(change)})


def _confirmed(change: Transaction) -> dict[str, Any]:
    return {"run": change.run_id, "record": change.request.get("record")}


def _persist_rollback(change: Transaction, target: str) -> None:
    folder = paths.GENERATIONS / target
    state = last_good.state_of(folder)
    health_of_saved(folder, state)
    manifest = files.read_json(paths.MANIFEST)
    if manifest is not None:
        files.write_json(paths.MANIFEST, manifest | _confirmed(change))
    last_good.restore_carriers(folder)


def _store_generation(change: Transaction, armed: wire.Armed, state: last_good.LiveState | None) -> None:
    """Keep the former state as a generation and save the new one.

    Failures become notes and undo nothing.
    """
    try:
        generations = last_good.generations()
        if armed.get("kind") == "rollback" and "target" in armed:
            first_removed = next((int(g["number"]) for g in generations if g["run"] == armed["target"]), 0)
            for generation in generations:
                if int(generation["number"]) >= first_removed:
                    last_good.forget(str(generation["run"]))
        else:
            moved = removed.moved_by(change.run_id)
            change.notes += change.step("bury what is revoked", lambda: removed.bury(change.run_id, moved))
        change.step("renew keys of readers", last_good.renew_keys)
        change.step("keep generation", lambda: last_good.keep(change.run_id))
        manifest = files.read_json(paths.MANIFEST) or {}
        change.step("save last-good", lambda: last_good.save(sorted(manifest.get("files", ())), state))
        _forget_programs(change)
        keys.claim(change.request.get("owner"), run=change.run_id, who=change.request["who"])
    except (Failed, OSError) as error:
        change.notes.append(f"confirmed, but the saved states are not up to date: {error}")


def _remember_late(change: Transaction) -> None:
    """Finish a confirmation that was killed after the switch was disarmed."""
    try:
        change.notes += removed.finish_interrupted_tombstones()
        last_good.renew_keys()
        if paths.LAST_GOOD.exists() and not (paths.GENERATIONS / change.run_id).exists():
            last_good.keep(change.run_id)
        manifest = files.read_json(paths.MANIFEST) or {}
        last_good.save(sorted(manifest.get("files", ())))
        keys.claim(change.request.get("owner"), run=change.run_id, who=change.request["who"])
        change.receipt("applied")
    except (Failed, OSError) as error:
        change.notes.append(f"confirmed, but the saved states are not up to date: {error}")


def _forget_programs(change: Transaction) -> None:
    """Remove MediaMTX programs of ours that no state runs any more."""
    manifest = files.read_json(paths.MANIFEST)
    program = change.request["program"]
    if manifest is None or program is None:
        return
    # The one that runs stays, whatever the request names: of a rollback nobody approves that.
    unit = paths.UNIT_FOLDER / paths.UNIT_MEDIAMTX
    runs = {str(relay.program_in(unit.read_text()))} if unit.exists() else set()
    used = {program["path"], *runs, *last_good.programs_of_generations()}
    unused = sorted(set(manifest.get("programs", {})) - used)
    if unused:
        programs = {k: v for k, v in manifest["programs"].items() if k not in unused}
        files.write_json(paths.MANIFEST, manifest | {"programs": programs})
    for text in unused:
        Path(text).unlink(missing_ok=True)


def abort(request: wire.AbortRequest, folder: Path) -> wire.ChangeAnswer:
    """Return to last-good at once, as the gate or a person decided."""
    change = Transaction(request, folder)
    with leases.lock(change.run_id, wait_s=_LOCK_S):
        return _ended_result(change) or change.back(request["cause"])


def status(request: wire.StatusRequest, folder: Path) -> wire.ChangeAnswer:
    """Return a run's status: waiting, applied, rolled back or never started."""
    change = Transaction(request, folder)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(leases.lock("status", wait_s=_LOCK_S))
        except leases.Locked as error:
            return change.answer("busy", str(error), holder=leases.holder())
        answer = _ended_result(change) or change.answer("armed", **_parts_of_receipt(change.run_id))
        return {**answer, "lease": leases.holder(), "generations": last_good.generations()}


def _parts_of_receipt(run_id: str) -> wire.ChangeParts:
    receipt: dict[str, Any] = last_good.receipt_of(run_id) or {}
    parts: wire.ChangeParts = {"affected": receipt.get("affected") or [], "removed": receipt.get("removed") or []}
    if receipt.get("before"):
        parts["before"] = receipt["before"]
    return parts


def _ended_result(change: Transaction) -> wire.ChangeAnswer | None:
    """Return the result of an ended change, or `None` if it waits.

    The receipt has it. If the receipt is unreadable, the manifest tells whether the run was confirmed. The caller holds
    the lock, so a change in the switching phase has lost its program: it is rolled back.
    """
    armed = dead_man.armed()
    if armed is not None and armed["run"] == change.run_id:
        if armed.get("phase") == dead_man.SWITCHING:
            return change.back("the change was cut off in the middle of its switch")
        return None
    if armed is not None and armed.get("damaged"):
        dead_man.give_back(armed, dead_man.cause_of(armed), live=True)
        dead_man.disarm()
    # The run itself asks, and nothing of it goes on here: a lease that a killed program left is its own.
    leases.release(change.run_id)
    receipt = last_good.receipt_of(change.run_id)
    confirmed = (files.read_json(paths.MANIFEST) or {}).get("run") == change.run_id
    if receipt is None or receipt["outcome"] in {"armed", "unreadable"}:
        damaged = f" ({receipt['cause']})" if receipt is not None and receipt["outcome"] == "unreadable" else ""
        if confirmed:
            _remember_late(change)
            return change.answer("applied", f"the host's record says it was confirmed{damaged}" if damaged else "")
        if receipt is not None:
            cause = f"the change is not waiting any more, and its return left no receipt{damaged}"
            return change.answer("rolled-back", cause)
        return change.answer("not-started", "nothing is known of this run here")
    cause = str(receipt.get("cause", ""))
    parts: wire.ChangeParts = {"receipt": str(paths.RECEIPTS / f"{change.run_id}.json")}
    if receipt["outcome"] == "refused":
        parts["refusal"] = lockout.refusal_in(cause)
    return change.answer(receipt["outcome"], cause, **parts)
