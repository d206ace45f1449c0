"""Saved states of a host: last-good, and generations before it.

MediaMTX, firewall, tunnel and units are restored together. Callers hold the host's lock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host.firewall import firewall
from provisioner_host.machine import files, paths, units
from provisioner_host.machine.files import words_of
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import quarantine, relay, sessions
from provisioner_host.tunnel import second_tunnel, tunnel

if TYPE_CHECKING:
    from provisioner_host.wire import GenerationAnswer, RecordHead, StepAnswer, UnitAnswer

UNITS = (paths.UNIT_NFT, paths.UNIT_WG, paths.UNIT_MEDIAMTX)
_SAVED_UNITS = (*UNITS, paths.UNIT_REVERT, paths.UNIT_QUARANTINE)
_OFF = {"enabled": "absent"}
# What carries the return itself goes last: it is running while the rest goes back.
CARRIERS = (paths.HOST_PROGRAM, paths.REVERT_UNIT_FILE)
_RECEIPTS_KEPT = 50


class LiveState:
    """Fresh unit states, and whether our firewall is loaded (`None` if unread)."""

    def __init__(self, units: Mapping[str, UnitAnswer], *, firewall: bool | None = None) -> None:
        self.units, self.firewall = units, firewall


def save(owned: list[str], live: LiveState | None = None) -> None:
    """Save files and unit states atomically, by renaming a folder.

    `live` has states that the caller has just read.
    """
    new_folder = paths.LAST_GOOD.with_name("last-good.new")
    shutil.rmtree(new_folder, ignore_errors=True)
    try:
        _save_files(new_folder, owned, live or LiveState({}))
        shutil.rmtree(paths.LAST_GOOD, ignore_errors=True)
        new_folder.rename(paths.LAST_GOOD)
    except BaseException:
        shutil.rmtree(new_folder, ignore_errors=True)
        raise
    files.sync(paths.STATE)


def _save_files(folder: Path, owned: list[str], live: LiveState) -> None:
    folder.mkdir(mode=0o700)
    saved_files = [
        _save_copy(path, str(number), folder) for number, path in enumerate(map(Path, owned)) if path.is_file()
    ]
    unit_states = {name: state for name, state in live.units.items() if name in _SAVED_UNITS}
    state = {
        "files": saved_files,
        "absent": sorted(set(owned) - {f["path"] for f in saved_files}),
        "units": unit_states | units.states(name for name in _SAVED_UNITS if name not in unit_states),
        "firewall": firewall.is_loaded() if live.firewall is None else live.firewall,
        "manifest": files.read_json(paths.MANIFEST),
    }
    files.write_json(folder / "state.json", state)
    if paths.MANIFEST.exists():
        shutil.copyfile(paths.MANIFEST, folder / "manifest")
    for entry in folder.iterdir():
        files.sync(entry)
    files.sync(folder)


def _save_copy(path: Path, copy_name: str, folder: Path) -> dict[str, Any]:
    shutil.copyfile(path, folder / copy_name)
    status = path.stat()
    owner_and_mode = {"mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}
    return {"path": str(path), "content": copy_name, **owner_and_mode}


def state_of(folder: Path) -> dict[str, Any]:
    """Read a saved state; raise `Failed` if missing or damaged."""
    state = files.read_json(folder / "state.json")
    if not isinstance(state, dict) or not {"files", "absent", "units", "firewall", "manifest"} <= set(state):
        raise Failed(f"{folder} is missing or damaged: a person is needed")
    if any(not (folder / saved["content"]).is_file() for saved in state["files"]):
        raise Failed(f"{folder} lacks a saved file: a person is needed")
    return state


# --- going back -----------------------------------------------------------------------------------
def restore(*, live: bool = True, folder: Path | None = None, carriers: bool = True) -> None:
    """Restore a saved state, by default last-good.

    At boot (`live` false) our services are not running yet. `carriers` includes the program and unit that carry a
    return.

    Raises:
        Failed: a step failed; the other steps were still made.
    """
    folder = folder or paths.LAST_GOOD
    state = state_of(folder)
    before = state["units"]
    faults: list[str] = []
    changed: list[str] = []
    relay_changed: list[bool] = []
    read_before = relay.read_file()

    def attempt(step: Callable[[], Any]) -> None:
        try:
            step()
        except (Failed, OSError) as error:
            faults.append(words_of(error))

    attempt(lambda: _stop_quarantine_unit(state))
    attempt(lambda: changed.extend(restore_files(folder, faults)))
    attempt(second_tunnel.give_back)
    attempt(lambda: relay_changed.append(_restore_relay_file(folder, state)))
    attempt(lambda: units.relabel(Path(saved["path"]) for saved in state["files"]))
    if live:
        attempt(lambda: _firewall_back(present=state["firewall"]))
        attempt(lambda: _restore_tunnel(before))
        attempt(lambda: _restore_relay(before, changed, relay_changed=any(relay_changed)))
        attempt(lambda: _end_sessions(read_before))
    attempt(lambda: _restore_units(before))
    attempt(lambda: _restore_manifest(folder, state))
    if carriers:
        attempt(lambda: restore_carriers(folder))
    if live:
        units.systemctl("daemon-reload", check=False)
    if faults:
        raise Failed("; ".join(faults))


def restore_files(folder: Path, faults: list[str]) -> list[str]:
    """Restore files without a step of their own; return changed paths."""
    state = state_of(folder)
    apart = {paths.MEDIAMTX_FILE, *CARRIERS}
    changed = []
    for saved in state["files"]:
        try:
            if saved["path"] == str(paths.READERS_FILE):
                relay.wait_for_gap(paths.READERS_FILE)
            if Path(saved["path"]) not in apart and _restore_file(folder, saved):
                changed.append(str(saved["path"]))
        except OSError as error:
            faults.append(f"{saved['path']}: {words_of(error)}")
    return changed + [text for text in state["absent"] if Path(text) not in apart and _remove(Path(text))]


def restore_carriers(folder: Path) -> None:
    """Restore or remove the program and unit that carry a return."""
    state = state_of(folder)
    carriers = {str(path) for path in CARRIERS}
    if str(paths.REVERT_UNIT_FILE) in state["absent"]:
        units.systemctl("disable", paths.UNIT_REVERT, check=False)
    for saved in state["files"]:
        if saved["path"] in carriers:
            _restore_file(folder, saved)
    for text in carriers & set(state["absent"]):
        _remove(Path(text))


def _remove(path: Path) -> bool:
    existed = path.exists()
    path.unlink(missing_ok=True)
    return existed


def _restore_file(folder: Path, saved: dict[str, Any]) -> bool:
    """Restore a saved file; return whether it differed."""
    path, copy = Path(saved["path"]), folder / saved["content"]
    rights = (saved["mode"], saved["uid"], saved["gid"])
    content = copy.read_bytes()
    with contextlib.suppress(FileNotFoundError):
        status = path.stat()
        if (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == rights and path.read_bytes() == content:
            return False
    _replace_file(path, copy, content, saved["mode"])
    os.chown(path, saved["uid"], saved["gid"])
    path.chmod(saved["mode"])
    return True


def _replace_file(path: Path, copy: Path, content: bytes, mode: int) -> None:
    try:
        files.write(path, content, mode=mode)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        # A full disk must not keep a host from its way back: the saved copy itself takes no more room.
        new_path = path.with_name(f".{path.name}.new")
        new_path.unlink(missing_ok=True)
        os.link(copy, new_path)
        new_path.replace(path)
        # Two names for one file are still there where old and new were one and the same.
        new_path.unlink(missing_ok=True)


def _restore_relay_file(folder: Path, state: dict[str, Any]) -> bool:
    saved = next((f for f in state["files"] if f["path"] == str(paths.MEDIAMTX_FILE)), None)
    if saved is None:
        if str(paths.MEDIAMTX_FILE) in state["absent"]:
            paths.MEDIAMTX_FILE.unlink(missing_ok=True)
        return False
    with contextlib.suppress(OSError):  # no room: then it is asked anew, and refused anew
        quarantine.keep_in(folder / saved["content"])
    relay.wait_for_gap()
    return _restore_file(folder, saved)


def _firewall_back(*, present: bool) -> None:
    if present and paths.NFT_FILE.exists():
        firewall.load(paths.NFT_FILE)
    else:
        firewall.delete()


def _restore_tunnel(before: dict[str, Any]) -> None:
    units.systemctl("daemon-reload")
    if before[paths.UNIT_WG]["active"] != "active":
        units.systemctl("stop", paths.UNIT_WG, check=False)
        tunnel.down()
    elif tunnel.exists():
        tunnel.up()
    else:
        # The unit starts it, so that a user-space WireGuard lives in the unit and not in this process.
        units.systemctl("restart", paths.UNIT_WG)


def _restore_relay(before: dict[str, Any], changed: list[str], *, relay_changed: bool) -> None:
    if before[paths.UNIT_MEDIAMTX]["active"] not in {"active", "activating"}:
        units.systemctl("stop", paths.UNIT_MEDIAMTX, check=False)
        return
    unit_changed = any(path.endswith(paths.UNIT_MEDIAMTX) for path in changed)
    if unit_changed or units.states([paths.UNIT_MEDIAMTX])[paths.UNIT_MEDIAMTX]["active"] != "active":
        units.restart(paths.UNIT_MEDIAMTX)
    _await_sentinel(writes_again=relay_changed)


def _end_sessions(read_before: str) -> None:
    if units.states([paths.UNIT_MEDIAMTX])[paths.UNIT_MEDIAMTX]["active"] != "active":
        return
    try:
        sessions.end_revoked(read_before, relay.read_file())
    except Failed:
        units.restart(paths.UNIT_MEDIAMTX)
        _await_sentinel(writes_again=False)


def _await_sentinel(*, writes_again: bool) -> None:
    content = paths.MEDIAMTX_FILE.read_text()
    sentinel = relay.describe(content, "")["sentinel"]
    if sentinel is None or relay.wait_for(sentinel, 5):
        return
    if writes_again:
        relay.wait_for_gap()
        with contextlib.suppress(OSError):
            _write_again(paths.MEDIAMTX_FILE)
    if not relay.wait_for(sentinel, 8):
        units.restart_silent(paths.UNIT_MEDIAMTX)
        if not relay.wait_for(sentinel, 8):
            raise Failed("MediaMTX did not come back with its last-good file")


def _write_again(path: Path) -> None:
    """Write a file anew, so that MediaMTX reloads a change it missed."""
    status = path.stat()
    files.write(path, path.read_bytes(), mode=stat.S_IMODE(status.st_mode))
    os.chown(path, status.st_uid, status.st_gid)


def _restore_units(before: dict[str, Any]) -> None:
    for name in UNITS:
        verb = "enable" if before[name]["enabled"] == "enabled" else "disable"
        units.systemctl(verb, name, check=False)
    if before.get(paths.UNIT_QUARANTINE, _OFF)["enabled"] == "enabled":
        units.systemctl("enable", paths.UNIT_QUARANTINE, check=False)
        units.systemctl("start", "--no-block", paths.UNIT_QUARANTINE, check=False)


def _stop_quarantine_unit(state: dict[str, Any]) -> None:
    if str(paths.UNIT_FOLDER / paths.UNIT_QUARANTINE) in state["absent"]:
        units.systemctl("disable", paths.UNIT_QUARANTINE, check=False)
        units.systemctl("stop", "--no-block", paths.UNIT_QUARANTINE, check=False)


def _restore_manifest(folder: Path, state: dict[str, Any]) -> None:
    now = files.read_json(paths.MANIFEST) or {}
    manifest = state["manifest"]
    if manifest is None:
        paths.MANIFEST.unlink(missing_ok=True)
    elif now != manifest:
        _replace_file(paths.MANIFEST, folder / "manifest", (folder / "manifest").read_bytes(), 0o600)
    # A program that came with the change goes with it; one that a saved state needs stays.
    needed = set((manifest or {}).get("programs", ())) | programs_of_generations()
    for text in sorted(set(now.get("programs", ())) - needed):
        Path(text).unlink(missing_ok=True)


# --- generations ----------------------------------------------------------------------------------
KEPT = 3


def keep(run_id: str) -> None:
    """Store last-good as the generation before a confirmed run; keep three.

    If the tunnel key has changed, all saved states are deleted: their key is gone, and gateways would get no answer. A
    last-good that `removed.bury` could not clean is already deleted.
    """
    if not paths.LAST_GOOD.exists():
        return
    if second_tunnel.forget_keys(second_tunnel.of_file(_copy_in(paths.LAST_GOOD, paths.TUNNEL_FILE))):
        for folder in (paths.LAST_GOOD, paths.GENERATIONS):
            shutil.rmtree(folder, ignore_errors=True)
        return
    files.folder(paths.GENERATIONS, 0o700)
    target = paths.GENERATIONS / run_id
    shutil.rmtree(target, ignore_errors=True)
    number = max((g["number"] for g in generations()), default=0) + 1
    paths.LAST_GOOD.rename(target)
    _leave_trust_out(target)
    files.write_json(target / "generation.json", {"run": run_id, "number": number, "at": int(time.time())})
    for old in generations()[KEPT:]:
        forget(str(old["run"]))


def _copy_in(folder: Path, path: Path) -> Path:
    """Return a saved file's path, or a path that does not exist."""
    state = files.read_json(folder / "state.json")
    saved = state.get("files", ()) if isinstance(state, dict) else ()
    return next((folder / str(file["content"]) for file in saved if file["path"] == str(path)), folder / "absent")


def _leave_trust_out(folder: Path) -> None:
    """Remove trust and policy files from a saved state; live ones stay."""
    state, apart = state_of(folder), {str(paths.TRUST_FILE), str(paths.POLICY_FILE)}
    for saved in state["files"]:
        if saved["path"] in apart:
            (folder / saved["content"]).unlink()
    state["files"] = [saved for saved in state["files"] if saved["path"] not in apart]
    state["absent"] = [path for path in state["absent"] if path not in apart]
    files.write_json(folder / "state.json", state)


def renew_keys() -> None:
    """Replace former reader keys in all saved states by the present key.

    A holder of a former key could impersonate this relay after a rollback.
    """
    if not paths.READERS_FILE.is_file():
        return
    present = paths.READERS_FILE.read_bytes()
    for folder in (paths.LAST_GOOD, *(paths.GENERATIONS / str(generation["run"]) for generation in generations())):
        state = files.read_json(folder / "state.json")
        for saved in state.get("files", ()) if isinstance(state, dict) else ():
            copy = folder / str(saved["content"])
            if saved["path"] == str(paths.READERS_FILE) and copy.is_file() and copy.read_bytes() != present:
                files.write(copy, present, mode=0o600)


def generations() -> list[GenerationAnswer]:
    """Return the kept generations, newest first."""
    read = (files.read_json(path) for path in paths.GENERATIONS.glob("*/generation.json"))
    whole: Iterator[Any] = (g for g in read if isinstance(g, dict) and {"run", "number", "at"} <= set(g))
    return sorted(whole, key=lambda g: -int(g["number"]))


def forget(run_id: str) -> None:
    """Delete a generation."""
    shutil.rmtree(paths.GENERATIONS / run_id, ignore_errors=True)


def programs_of_generations() -> set[str]:
    """Return the MediaMTX programs that the kept generations run.

    A generation's manifest also lists the programs of the states before it.
    """
    programs: set[str] = set()
    for generation in generations():
        unit = _copy_in(paths.GENERATIONS / str(generation["run"]), paths.UNIT_FOLDER / paths.UNIT_MEDIAMTX)
        with contextlib.suppress(Failed, OSError):
            programs.add(str(relay.program_in(unit.read_text())))
    return programs


# --- receipts -------------------------------------------------------------------------------------
def receipt(run_id: str, outcome: str, cause: str, steps: list[StepAnswer], **more: Any) -> None:
    """Write the receipt of a run: the result of record.

    Write errors are ignored: the answer has the result too, and a full disk must not undo the change.
    """
    document = {"run": run_id, "outcome": outcome, "cause": cause, "steps": steps, "at": int(time.time()), **more}
    with contextlib.suppress(OSError):
        files.folder(paths.RECEIPTS, 0o700)
        files.write_json(paths.RECEIPTS / f"{run_id}.json", document)
        for old in sorted(paths.RECEIPTS.glob("*.json"), key=lambda p: p.stat().st_mtime)[:-_RECEIPTS_KEPT]:
            old.unlink(missing_ok=True)


def receipt_of(run_id: str) -> dict[str, Any] | None:
    """Return a run's receipt; a damaged one has the outcome `unreadable`."""
    path = paths.RECEIPTS / f"{run_id}.json"
    receipt = files.read_json(path)
    if isinstance(receipt, dict) and receipt.get("run") == run_id and isinstance(receipt.get("outcome"), str):
        return receipt
    return {"run": run_id, "outcome": "unreadable", "cause": f"{path} is damaged"} if path.exists() else None


def recorded_heads() -> list[RecordHead]:
    """Return the record entries in readable receipts."""
    receipts: Iterator[Any] = (files.read_json(path) for path in sorted(paths.RECEIPTS.glob("*.json")))
    heads: Iterator[Any] = (receipt.get("record") for receipt in receipts if isinstance(receipt, dict))
    whole: Iterator[Any] = (h for h in heads if isinstance(h, dict) and {"run", "sequence", "head", "seal"} <= set(h))
    return list(whole)
