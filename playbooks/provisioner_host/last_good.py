"""The last-good state of a host: saved before a change, returned to when the change is not confirmed.

MediaMTX, firewall, tunnel and units go back together. Whoever calls holds the host's lock.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from pathlib import Path
from typing import Any

from provisioner_host import files, firewall, places, relay, tunnel, units
from provisioner_host.shell import Failed

UNITS = (places.UNIT_NFT, places.UNIT_WG, places.UNIT_MEDIAMTX)
# What carries the return itself goes last: it is running while the rest goes back.
CARRIERS = (places.HOST_PROGRAM, places.REVERT_UNIT_FILE)


def save(owned: list[str]) -> None:
    """Save every owned file as it is now, and the units' states; in one step, by renaming a folder."""
    beside = places.LAST_GOOD.with_name("last-good.new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=0o700)
    saved = []
    for number, path in enumerate(map(Path, owned)):
        if not path.is_file():
            continue
        shutil.copyfile(path, beside / str(number))
        status = path.stat()
        saved.append(
            {"path": str(path), "content": str(number), "mode": stat.S_IMODE(status.st_mode)}
            | {"uid": status.st_uid, "gid": status.st_gid}
        )
    state = {
        "files": saved,
        "absent": sorted(set(owned) - {f["path"] for f in saved}),
        "units": units.states(UNITS),
        "firewall": firewall.live() is not None,
        "manifest": files.read_json(places.MANIFEST),
    }
    files.write_json(beside / "state.json", state)
    for entry in beside.iterdir():
        _durable(entry)
    files.sync_folder(beside)
    shutil.rmtree(places.LAST_GOOD, ignore_errors=True)
    beside.rename(places.LAST_GOOD)
    files.sync_folder(places.STATE)


def _durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _state() -> dict[str, Any]:
    state = files.read_json(places.LAST_GOOD / "state.json")
    if state is None:
        raise Failed(f"{places.LAST_GOOD} is missing or damaged: a person is needed")
    return dict(state)


def restore_files(*, carriers: bool = True) -> list[str]:
    """Put every file back as it was; give the paths that changed. MediaMTX's file is left for its own step."""
    state = _state()
    changed = []
    for saved in state["files"]:
        path = Path(saved["path"])
        if path == places.MEDIAMTX_FILE or (path in CARRIERS and not carriers):
            continue
        if _put_back(saved):
            changed.append(str(path))
    for text in state["absent"]:
        path = Path(text)
        if path == places.MEDIAMTX_FILE or (path in CARRIERS and not carriers):
            continue
        if path.exists():
            path.unlink()
            changed.append(text)
    return changed


def _put_back(saved: dict[str, Any]) -> bool:
    path = Path(saved["path"])
    content = (places.LAST_GOOD / saved["content"]).read_bytes()
    with contextlib.suppress(FileNotFoundError):
        status = path.stat()
        rights = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        if rights == (saved["mode"], saved["uid"], saved["gid"]) and path.read_bytes() == content:
            return False
    files.write(path, content, mode=saved["mode"])
    os.chown(path, saved["uid"], saved["gid"])
    path.chmod(saved["mode"])
    return True


def _restore_relay_file() -> bool:
    state = _state()
    saved = next((f for f in state["files"] if f["path"] == str(places.MEDIAMTX_FILE)), None)
    if saved is None:
        places.MEDIAMTX_FILE.unlink(missing_ok=True)
        return False
    relay.wait_for_gap()
    return _put_back(saved)


def restore(*, live: bool = True) -> None:
    """Return to last-good: files, and with `live` also what runs. At boot nothing of ours runs yet.

    Raises:
        Failed: a step did not work; the others were done all the same.
    """
    state = _state()
    before = state["units"]
    wrong: list[str] = []
    changed = restore_files(carriers=False)
    relay_changed = _restore_relay_file()
    if live:
        wrong = [
            told
            for step in (
                lambda: _firewall_back(present=state["firewall"]),
                lambda: _tunnel_back(before),
                lambda: _relay_back(before, changed, relay_changed=relay_changed),
            )
            if (told := _attempt(step))
        ]
    _units_back(before)
    _manifest_back(state["manifest"])
    restore_files()
    if live:
        units.systemctl("daemon-reload", check=False)
    if wrong:
        raise Failed("; ".join(wrong))


def _attempt(step: Any) -> str:
    try:
        step()
    except (Failed, OSError) as error:
        return str(error)
    return ""


def _firewall_back(*, present: bool) -> None:
    if present and places.NFT_FILE.exists():
        firewall.load(places.NFT_FILE)
    else:
        firewall.delete()


def _tunnel_back(before: dict[str, Any]) -> None:
    units.systemctl("daemon-reload")
    if before[places.UNIT_WG]["active"] == "active":
        tunnel.up()
    else:
        units.systemctl("stop", places.UNIT_WG, check=False)
        tunnel.down()


def _relay_back(before: dict[str, Any], changed: list[str], *, relay_changed: bool) -> None:
    if before[places.UNIT_MEDIAMTX]["active"] not in {"active", "activating"}:
        units.systemctl("stop", places.UNIT_MEDIAMTX, check=False)
        return
    unit_changed = any(path.endswith(places.UNIT_MEDIAMTX) for path in changed)
    if unit_changed or units.states([places.UNIT_MEDIAMTX])[places.UNIT_MEDIAMTX]["active"] != "active":
        units.systemctl("restart", places.UNIT_MEDIAMTX)
    _await_sentinel(rewrite=relay_changed)


def _await_sentinel(*, rewrite: bool) -> None:
    content = places.MEDIAMTX_FILE.read_text()
    sentinel = relay.describe(content, "")["sentinel"]
    if sentinel is None or relay.wait_for(sentinel, 5):
        return
    if rewrite:
        relay.wait_for_gap()
        os.utime(places.MEDIAMTX_FILE)
        _rewrite(places.MEDIAMTX_FILE)
    if not relay.wait_for(sentinel, 8):
        units.systemctl("restart", places.UNIT_MEDIAMTX)
        if not relay.wait_for(sentinel, 8):
            raise Failed("MediaMTX did not come back with its last-good file")


def _rewrite(path: Path) -> None:
    status = path.stat()
    files.write(path, path.read_bytes(), mode=stat.S_IMODE(status.st_mode))
    os.chown(path, status.st_uid, status.st_gid)


def _units_back(before: dict[str, Any]) -> None:
    for name, state in before.items():
        verb = "enable" if state["enabled"] == "enabled" else "disable"
        units.systemctl(verb, name, check=False)


def _manifest_back(manifest: Any) -> None:
    if manifest is None:
        places.MANIFEST.unlink(missing_ok=True)
    else:
        files.write_json(places.MANIFEST, manifest)


def receipt(run_id: str, outcome: str, cause: str, steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Write the receipt of a run: the result of record. Give it."""
    document = {"run": run_id, "outcome": outcome, "cause": cause, "steps": steps, "at": int(time.time())}
    files.folder(places.RECEIPTS, 0o700)
    files.write_json(places.RECEIPTS / f"{run_id}.json", document)
    for old in sorted(places.RECEIPTS.glob("*.json"), key=lambda p: p.stat().st_mtime)[:-50]:
        old.unlink(missing_ok=True)
    return document
