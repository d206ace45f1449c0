"""Settings under change, of which either is taken until a day: which of the two a path was seen by. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.verify.case import Case
from provisioner.verify.result import NEW, OLD, SettingSeen


def settings_seen(case: Case) -> tuple[SettingSeen, ...]:
    """The settings of a path that are under change; nothing is seen of one by which no picture came."""
    return tuple(_settings(case))


def _settings(case: Case) -> Iterator[SettingSeen]:
    path, frame = case.target.path, case.frame
    if (change := path.login_change) is not None:
        came = bool(frame or case.flowed)
        seen = NEW if change.done else OLD
        yield SettingSeen("login", f"{path.facility}/{path.device}", change.until, seen if came else "")
    if (former := path.former) is not None:
        is_new, is_old = frame == (path.codec, path.width, path.height), frame == former[1:4]
        seen = "" if is_new == is_old else NEW if is_new else OLD
        yield SettingSeen("picture", f"{path.facility}/{path.camera}", former.until, seen)
