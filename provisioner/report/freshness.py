"""How old the proof is that a report stands on, in words: it stands above all that the report says. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from provisioner.base.clock import VIETNAM, local_iso, local_time
from provisioner.base.json_document import Document
from provisioner.base.language import ENGLISH, Language, Translator, translator
from provisioner.lifecycle.evidence import Verification
from provisioner.lifecycle.pictures import STALE_HOURS, Freshness

_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


def short(moment: datetime) -> str:
    """A moment to the minute as Vietnam's clock has it."""
    return f"{moment.astimezone(VIETNAM):%Y-%m-%d %H:%M}"


def since_words(since: datetime, times: int, say: Translator = ENGLISH) -> str:
    """Since when something has been as it is, and in how many verifications in a row."""
    seen = say.counted(times, "verification")
    return say("since {moment}, in {times} in a row", moment=local_time(since), times=seen)


def freshness_line(fresh: Freshness, say: Translator = ENGLISH) -> str:
    """The first line of a report: when all was verified last, and whether that still says anything of now."""
    if fresh.verified is None or fresh.age is None:
        return say("last verification: none is recorded, so which cameras are up now is not known")
    line = say("last verification: {age} ({run})", age=_age(fresh, fresh.age, say), run=_of(fresh.verified, say))
    if fresh.is_stale:
        stale = say("stale, older than {hours} h, so which cameras are up now is not known", hours=STALE_HOURS)
        return f"{line}: {stale}"
    if fresh.unseen:
        carried = say("{facilities} that hosts carry", facilities=say.counted(fresh.carried, "facility"))
        one = say(
            "it is not known which cameras are up now of {unseen} of {carried}", unseen=fresh.unseen, carried=carried
        )
        return f"{line}; {one}"
    return line


def _age(fresh: Freshness, age: timedelta, say: Translator) -> str:
    if age >= timedelta():
        return say("{age} ago", age=_parts(age, say))
    at = local_time(fresh.verified.shown.at) if fresh.verified else ""
    if fresh.is_ahead:
        return say("at {at}, later than this report, so a clock is wrong", at=at)
    return say("at {at}, later than this report", at=at)


def _of(verification: Verification, say: Translator) -> str:
    if verification.limit:
        return say("run {run}, limited to {limit}", run=verification.shown.run, limit=" ".join(verification.limit))
    return say("run {run}", run=verification.shown.run)


def _parts(age: timedelta, say: Translator) -> str:
    """The two largest parts of an age, e.g. `3 days 4 h`; days take an s where they are more."""
    hours, rest = divmod(age % timedelta(days=1), _HOUR)
    if age.days:
        return f"{say.counted(age.days, 'day')} {say('{hours} h', hours=hours)}"
    minutes = say("{minutes} min", minutes=rest // _MINUTE)
    return f"{say('{hours} h', hours=hours)} {minutes}" if hours else minutes


def freshness_label(fresh: Freshness) -> str:
    """The same in Vietnamese, for spreadsheets."""
    if fresh.verified is None or fresh.age is None:
        return "chưa có lần kiểm tra nào, không rõ hiện camera nào có hình"
    at = f"{fresh.verified.shown.at.astimezone(VIETNAM):%H:%M ngày %d/%m/%Y}"
    age = f"{_parts(max(fresh.age, timedelta()), translator(Language.VI))} trước"
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
