"""How old the proof is that a report stands on, in words: it stands above all that the report says. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from provisioner.base.clock import VIETNAM, local_iso, local_time
from provisioner.base.counted import counted
from provisioner.base.json_document import Document
from provisioner.lifecycle.evidence import Verification
from provisioner.lifecycle.pictures import STALE_HOURS, Freshness

_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


def short(moment: datetime) -> str:
    """A moment to the minute as Vietnam's clock has it."""
    return f"{moment.astimezone(VIETNAM):%Y-%m-%d %H:%M}"


def freshness_line(fresh: Freshness) -> str:
    """The first line of a report: when all was verified last, and whether that still says anything of now."""
    if fresh.verified is None or fresh.age is None:
        return "last verification: none is recorded, so which cameras are up now is not known"
    if fresh.age < timedelta():
        wrong = ", so a clock is wrong" if fresh.is_ahead else ""
        age = f"at {local_time(fresh.verified.shown.at)}, later than this report{wrong}"
    else:
        age = f"{_parts(fresh.age, ('day', 'h', 'min'))} ago"
    line = f"last verification: {age} ({_of(fresh.verified)})"
    if fresh.is_stale:
        return f"{line}: stale, older than {STALE_HOURS} h, so which cameras are up now is not known"
    if fresh.unseen:
        return f"{line}; it is not known which cameras are up now of {fresh.unseen} of {_carried(fresh)}"
    return line


def _of(verification: Verification) -> str:
    limit = f", limited to {' '.join(verification.limit)}" if verification.limit else ""
    return f"run {verification.shown.run}{limit}"


def _carried(fresh: Freshness) -> str:
    return f"{counted(fresh.carried, 'facility')} that hosts carry"


def _parts(age: timedelta, units: tuple[str, str, str]) -> str:
    """The two largest parts of an age, e.g. `3 days 4 h`; days take an s where they are more."""
    day, hour, minute = units
    hours, rest = divmod(age % timedelta(days=1), _HOUR)
    if age.days:
        return f"{counted(age.days, day) if day == 'day' else f'{age.days} {day}'} {hours} {hour}"
    minutes = f"{rest // _MINUTE} {minute}"
    return f"{hours} {hour} {minutes}" if hours else minutes


def freshness_label(fresh: Freshness) -> str:
    """The same in Vietnamese, for spreadsheets."""
    if fresh.verified is None or fresh.age is None:
        return "chưa có lần kiểm tra nào, không rõ hiện camera nào có hình"
    at = f"{fresh.verified.shown.at.astimezone(VIETNAM):%H:%M ngày %d/%m/%Y}"
    age = f"{_parts(max(fresh.age, timedelta()), ('ngày', 'giờ', 'phút'))} trước"
    if fresh.is_ahead:
        age = "SAU THỜI ĐIỂM BÁO CÁO, ĐỒNG HỒ MÁY SAI"
    limit = f", chỉ {' '.join(fresh.verified.limit)}" if fresh.verified.limit else ""
    line = f"lần kiểm tra gần nhất: {age} (lúc {at}, {fresh.verified.shown.run}{limit})"
    if fresh.is_stale:
        return f"{line}, ĐÃ CŨ QUÁ {STALE_HOURS} GIỜ, không rõ hiện camera nào có hình"
    return f"{line}; {fresh.unseen}/{fresh.carried} cơ sở chưa rõ hiện trạng" if fresh.unseen else line


def freshness_document(fresh: Freshness) -> Document:
    """The fields of a document that say it."""
    return {
        "last_verification": _verification(fresh, fresh.verified) if fresh.verified else None,
        "stale": fresh.is_stale,
        "carried": fresh.carried,
        "unseen": fresh.unseen,
    }


def _verification(fresh: Freshness, verification: Verification) -> Document:
    return {
        "run": verification.shown.run,
        "at": local_iso(verification.shown.at),
        "age_s": int((fresh.now - verification.shown.at).total_seconds()),
        "limit": list(verification.limit),
    }
