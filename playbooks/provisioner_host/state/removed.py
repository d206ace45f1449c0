"""Revocations: saved states must not restore what a confirmed apply removed.

A removed peer, path or user leaves a tombstone without secrets; a later apply that brings it back (reviewed desired
state) lifts it. What remains keeps its present secrets and addresses in every saved state: camera logins, pre-shared
keys, users with their hashes, and the networks allowed to use SSH.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from provisioner_host.machine import files, paths
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import quarantine, sessions
from provisioner_host.state import last_good, revocable_texts
from provisioner_host.state.revocable_texts import RevocableTexts, Unclear

if TYPE_CHECKING:
    from provisioner_host.wire import Tombstones

_FILES = {"relay": paths.MEDIAMTX_FILE, "tunnel": paths.WG_FILE, "psks": paths.PSK_FILE, "rules": paths.NFT_FILE}
_LEFT_OUT = "left-out.json"
_MOST_TOMBSTONES = 20_000
_NAMED = 5
_Kind = Literal["peers", "paths", "users"]
_KINDS: dict[_Kind, str] = {"peers": "peer", "paths": "path", "users": "user"}


def live_texts() -> RevocableTexts:
    """Return the host's files with revocable parts."""
    return RevocableTexts(*(_text(path) for path in _FILES.values()))


def saved_in(folder: Path) -> RevocableTexts:
    """Return a saved state's revocable files, or raise `Failed`."""
    copies = _copies(folder)
    return RevocableTexts(*(_text(copies[name]) if name in copies else "" for name in _FILES))


def _copies(folder: Path) -> dict[str, Path]:
    saved = {f["path"]: folder / f["content"] for f in last_good.state_of(folder)["files"]}
    return {name: saved[str(path)] for name, path in _FILES.items() if str(path) in saved}


def _text(path: Path) -> str:
    try:
        return quarantine.whole(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return ""


# --- when a change is confirmed ---------------------------------------------------------------------
def bury(run_id: str, moved_names: Collection[str]) -> list[str]:
    """Remove revoked parts from all saved states; return notes for people.

    Last-good is still the state before the apply; it becomes a generation later. States that cannot be cleaned are
    deleted.

    Args:
        run_id: the apply.
        moved_names: names that moved to another host: they get no tombstone.
    """
    shutil.rmtree(paths.LAST_GOOD.with_name("last-good.new"), ignore_errors=True)
    current = live_texts()
    try:
        earlier, before = _read_tombstones(), saved_in(paths.LAST_GOOD)
        tombstones = _with_removed(run_id, earlier, before, current, set(moved_names))
        if tombstones == earlier and (before == current or _is_clean(before, current, tombstones)):
            return []
        files.write_json(paths.TOMBSTONES, tombstones)
    except Exception as error:  # noqa: BLE001  whatever it is, nothing that was revoked may be kept
        # What was removed cannot be told, or not be written down.
        _forget_all()
        cause = error if isinstance(error, (Failed, Unclear, OSError)) else type(error).__name__
        return [f"no state before this run is kept, since nothing could free it of what was revoked: {cause}"]
    # What was found out of files that are gone: no secret, and addresses of what is gone.
    shutil.rmtree(paths.KNOWN, ignore_errors=True)
    # The state before comes last: where this is cut off, it shows that it was.
    cleaned = [
        note for folder in (*_generations(), paths.LAST_GOOD) for note in _clean_or_delete(folder, current, tombstones)
    ]
    return cleaned + _ssh_notes(before, current)


def finish_interrupted_tombstones() -> list[str]:
    """Finish an interrupted confirmation: last-good is still the former state."""
    manifest = files.read_json(paths.MANIFEST)
    run = str(manifest.get("run", "")) if isinstance(manifest, dict) else ""
    state = files.read_json(paths.LAST_GOOD / "state.json")
    if not run or not isinstance(state, dict):
        return []
    saved = state.get("manifest")
    if isinstance(saved, dict) and saved.get("run") == run:
        return []
    # What a rollback took away the inventory may want still.
    is_rollback = (last_good.receipt_of(run) or {}).get("kind") == "rollback"
    return [] if is_rollback else bury(run, moved_by(run))


def moved_by(run_id: str) -> list[str]:
    """Return names that a run moved to another host, from its receipt."""
    return [str(name) for name in (last_good.receipt_of(run_id) or {}).get("elsewhere") or ()]


def _with_removed(
    run_id: str,
    earlier: Tombstones | None,
    before: RevocableTexts,
    current: RevocableTexts,
    moved_names: Collection[str],
) -> Tombstones:
    """Return the tombstones with those of names that only `before` has.

    A name that is live again, or was moved to another host, has none. Of each kind the newest are stored.
    """
    live_names, saved_names = revocable_texts.holdings(current), [_holdings(before)]
    if saved_names == [None]:
        # Nobody can tell what this apply removed: then all that a saved state has and this one has not.
        saved_names = [_holdings(saved_in(folder)) for folder in _generations()]

    def tombstones_of(kind: _Kind) -> dict[str, str]:
        removed_runs = {
            name: run_id
            for names_by_kind in saved_names
            if names_by_kind
            for name in names_by_kind[kind]
            if name not in moved_names
        }
        all_runs = {**(earlier[kind] if earlier else {}), **removed_runs}
        return dict([(name, run) for name, run in all_runs.items() if name not in live_names[kind]][-_MOST_TOMBSTONES:])

    return {"peers": tombstones_of("peers"), "paths": tombstones_of("paths"), "users": tombstones_of("users")}


def _holdings(texts: RevocableTexts) -> revocable_texts.Names | None:
    try:
        return revocable_texts.holdings(texts)
    except Unclear:
        return None


def _read_tombstones() -> Tombstones | None:
    tombstones = files.read_json(paths.TOMBSTONES)
    if isinstance(tombstones, dict) and all(isinstance(tombstones.get(kind), dict) for kind in _KINDS):
        return {"peers": tombstones["peers"], "paths": tombstones["paths"], "users": tombstones["users"]}
    if paths.TOMBSTONES.exists():
        raise Failed(f"{paths.TOMBSTONES} is damaged: what was revoked here is not known")
    return None


def _is_clean(saved: RevocableTexts, current: RevocableTexts, tombstones: Tombstones) -> bool:
    try:
        return revocable_texts.without(saved, current, tombstones)[0] == saved
    except Unclear:
        return False


def _generations() -> list[Path]:
    return [paths.GENERATIONS / str(g["run"]) for g in last_good.generations()]


def _forget_all() -> None:
    """Delete saved states and tombstones, so that revoked parts cannot return."""
    for folder in (paths.LAST_GOOD, paths.GENERATIONS):
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        paths.TOMBSTONES.unlink(missing_ok=True)


def _clean_or_delete(folder: Path, current: RevocableTexts, tombstones: Tombstones) -> list[str]:
    try:
        remove_revoked(folder, current, tombstones)
    except (Failed, Unclear, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        state = "the state before this run" if folder == paths.LAST_GOOD else f"the state before run {folder.name}"
        return [f"{state} is not kept, since it could not be freed of what was revoked: {error}"]
    return []


def _ssh_notes(before: RevocableTexts, current: RevocableTexts) -> list[str]:
    """Name open SSH connections from revoked networks; the firewall keeps them open."""
    if before.rules == current.rules:
        return []
    port, networks = revocable_texts.ssh_in(current.rules)
    remaining = [] if port is None else sessions.ssh_from_outside(port, networks)
    if not remaining:
        return []
    end = f"end it on the host: ss -K src :{port} dst {remaining[0]}"
    return [f"SSH from {', '.join(remaining[:_NAMED])} is still open, and may not come any more; {end}"]


# --- cleaning a saved state -------------------------------------------------------------------------
def remove_revoked(folder: Path, current: RevocableTexts, tombstones: Tombstones) -> None:
    """Remove revoked parts from a saved state; save their names with it.

    Raises:
        Failed: the state is missing or damaged.
        Unclear: a file does not have our form.
        OSError: it cannot be written.
    """
    copies, saved = _copies(folder), saved_in(folder)
    cleaned, changed_names = revocable_texts.without(saved, current, tombstones)
    if any(changed_names.values()):
        files.write_json(folder / _LEFT_OUT, _merged(left_out(folder), changed_names))
    for name, old, new in zip(_FILES, saved, cleaned):
        if new != old:
            files.write(copies[name], new.encode(), mode=0o600)


def _merged(former: Mapping[str, list[str]], added: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {kind: sorted({*former.get(kind, ()), *added.get(kind, ())}) for kind in {*former, *added}}


def left_out(folder: Path) -> dict[str, list[str]]:
    """Return a saved state's removed and changed names, by kind."""
    stored = files.read_json(folder / _LEFT_OUT)
    return (
        {str(kind): [str(name) for name in names] for kind, names in stored.items()} if isinstance(stored, dict) else {}
    )


# --- when a state is returned to --------------------------------------------------------------------
def free_of_revoked(generation: Path, wanted: Mapping[str, str], key: str) -> list[str]:
    """Clean the state that a rollback returns to; return notes.

    Args:
        generation: the saved state.
        wanted: keyed digests of the inventory's secrets for this host. Parts that are neither live nor wanted with the
            same secret are removed too.
        key: the digests' key.

    Raises:
        Failed: the state or the tombstones cannot be read or written.
    """
    current = live_texts()
    try:
        tombstones = _read_tombstones() or {"peers": {}, "paths": {}, "users": {}}
        unwanted = revocable_texts.unwanted(saved_in(generation), current, wanted, key)
        for kind in _KINDS:
            tombstones[kind] = {**tombstones[kind], **unwanted[kind]}
        remove_revoked(generation, current, tombstones)
    except (Unclear, OSError) as error:
        raise Failed(f"this state could not be freed of what was revoked: {error}") from None
    changed_names = left_out(generation)
    revoked = [_named(noun, changed_names[kind]) for kind, noun in _KINDS.items() if changed_names.get(kind)]
    changed = [
        _named(noun, changed_names[f"kept {kind}"])
        for kind, noun in _KINDS.items()
        if changed_names.get(f"kept {kind}")
    ]
    notes = [f"left out, since the inventory has revoked it: {'; '.join(revoked)}"] if revoked else []
    return notes + ([f"with the present secrets, addresses and rights: {'; '.join(changed)}"] if changed else [])


def _named(noun: str, names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{noun} {', '.join(names[:_NAMED])}{more}"
