"""Whose this host is: the mark of the inventory that manages it, which every other inventory reads and respects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host import dead_man, files, lease, paths
from provisioner_host.shell import Failed

if TYPE_CHECKING:
    from provisioner_host.wire import OwnerToMark, ReleaseAnswer, ReleaseRequest

_LOCK_S = 20.0
_WORD, _PERSON = 64, 120
_MOST_BESIDE = 20


def mark() -> dict[str, Any] | None:
    """The mark as it lies here; None where there is none, or a damaged one."""
    document = files.read_json(paths.OWNER)
    return document if isinstance(document, dict) else None


def beside() -> list[dict[str, Any]]:
    """The marks of the inventories that have sides of their own on this host; some of many."""
    folders = sorted(folder for folder in paths.STATE.parent.glob("provisioner.*") if folder != paths.STATE)
    marks = (files.read_json(folder / paths.OWNER.name) for folder in folders)
    return [mark for mark in marks if isinstance(mark, dict)][:_MOST_BESIDE]


def claim(owner: OwnerToMark | None, *, run: str, who: str) -> None:
    """Make the host its controller's: after a change that was confirmed, whoever had it before."""
    if owner is not None:
        _write(owner, run, who)


def claim_first(owner: OwnerToMark | None, *, who: str) -> None:
    """Make the host its controller's where nobody's mark is on it: one that is taken over is so by its first apply."""
    if owner is not None and not paths.OWNER.exists():
        _write(owner, _last_run(), who)


def release(request: ReleaseRequest, _folder: Path) -> ReleaseAnswer:
    """Let the host go: what runs here goes on running, and another inventory may take it as one without an owner.

    Raises:
        Failed: a change waits for its confirmation here, somebody is changing the host, or it is another one's.
    """
    with lease.lock("release", wait_s=_LOCK_S):
        armed = dead_man.armed()
        if armed is not None:
            raise Failed(
                f"run {armed.get('run', '')} waits for its confirmation here: release the host once it is over"
            )
        there = mark()
        if there is not None and (there.get("inventory"), there.get("key")) != _names(request["owner"]):
            raise Failed("the mark of another inventory is on this host: only its owner can let it go")
        _write(request["owner"], _last_run(), request["who"], released=True)
    return {"released": True}


def _names(owner: OwnerToMark) -> tuple[str, str]:
    return owner["inventory"], owner["key"]


def _last_run() -> str:
    return str((files.read_json(paths.MANIFEST) or {}).get("run") or "")


def _write(owner: OwnerToMark, run: str, who: str, *, released: bool = False) -> None:
    document = {
        "inventory": owner["inventory"],
        "key": owner["key"],
        "host": owner["host"][:_WORD],
        "at": lease.moment(),
        "run": run[:_WORD],
        "who": who[:_PERSON],
    }
    files.write_json(paths.OWNER, document | ({"released": True} if released else {}))
