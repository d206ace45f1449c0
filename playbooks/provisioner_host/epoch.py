"""The epoch of this host: each run that begins to change it brings a number, higher than all that were brought before.

Who was taken over from, while his controller hung or his message lay about, has a lower one, and changes nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from provisioner_host import files, lease, paths

if TYPE_CHECKING:
    from provisioner_host.wire import HostEpoch


def held() -> HostEpoch | None:
    """The last one that was taken; None where there is none, or a damaged one."""
    epoch = files.read_json(paths.EPOCH)
    known = isinstance(epoch, dict) and isinstance(epoch.get("number"), int) and isinstance(epoch.get("run"), str)
    return cast("HostEpoch", epoch) if known else None


def number() -> int:
    """Its number; 0 where there is none."""
    last = held()
    return last["number"] if last is not None else 0


def refusal(last: HostEpoch | None, run: str, number: int | None) -> str:
    """Why a run may not begin here any more; empty where it may. One that brings no number is of an older controller.

    Args:
        last: what is held.
        run: who wants to begin.
        number: the number that it brings.
    """
    if last is None or number is None or number > last["number"] or (number, run) == (last["number"], last["run"]):
        return ""
    began = f"run {last['run']} of {last.get('who') or 'somebody'} began here at {last.get('at') or 'some time'}"
    return f"{began} with epoch {last['number']}, and this one has epoch {number}"


def take(run: str, who: str, number: int | None) -> None:
    """Remember a run's number, before anything is changed for it."""
    if number is not None:
        files.folder(paths.STATE, 0o700)
        files.write_json(paths.EPOCH, {"number": number, "run": run, "who": who, "at": lease.moment()})
