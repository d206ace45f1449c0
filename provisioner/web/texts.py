"""The language of a page: its own sentences out of `vi.po` beside this module, all other words out of the package's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final

from provisioner.base.clock import VIETNAM
from provisioner.base.language import Language, Translator, translator
from provisioner.base.language.placeholder import filled
from provisioner.inventory.deadlines import Timeliness
from provisioner.inventory.model import FacilityKind, ManagingBody, Operating, Zone
from provisioner.lifecycle.states import FacilityState
from provisioner.report.labels import LABELS
from provisioner.verify.result import Cause, Layer, Verdict

CATALOGUE: Final = Path(__file__).with_name("vi.po")
_LISTS: Final[tuple[type[StrEnum], ...]] = (
    *(Verdict, Cause, Layer, FacilityState, Timeliness, FacilityKind, ManagingBody, Operating, Zone),
)


class _PageTranslator(Translator):
    """A language with the sentences of pages, before those of the package."""

    def __init__(self, behind: Translator, sentences: Mapping[str, str]) -> None:
        self.language = behind.language
        self._behind = behind
        self._sentences = sentences

    def __call__(self, msgid: str, /, **values: object) -> str:
        own = self._sentences.get(msgid)
        return self._behind(msgid, **values) if own is None else filled(own, values)

    def plural(self, one: str, many: str, number: int, /, **values: object) -> str:
        own = self._sentences.get(one)
        return self._behind.plural(one, many, number, **values) if own is None else filled(own, values | {"n": number})

    def word(self, value: StrEnum, english: str = "") -> str:
        return LABELS.get(type(value), {}).get(value.value) or self._behind.word(value, english)

    def restated(self, text: str) -> str:
        return self._behind.restated(text)


@lru_cache(maxsize=len(Language))
def page_translator(language: Language) -> Translator:
    """Whoever speaks a page's language; its catalogue is read once."""
    behind = translator(language)
    if language is Language.EN:
        return behind
    from polib import pofile  # noqa: PLC0415 (English does not pay for it)

    entries = pofile(str(CATALOGUE), encoding="utf-8")
    texts = {entry.msgid: entry.msgstr or entry.msgstr_plural.get(0, "") for entry in entries if not entry.obsolete}
    return _PageTranslator(behind, {msgid: text for msgid, text in texts.items() if text})


@lru_cache(maxsize=len(Language))
def words_of(language: Language) -> Mapping[str, dict[str, str]]:
    """Every value that a page shows, by the name of its list: how people call it."""
    t = page_translator(language)
    words = {kind.__name__: {value.value: t.word(value, _english(value)) for value in kind} for kind in _LISTS}
    words["Verdict"][""] = t("not carried")
    return words


_BODIES: Final = {
    ManagingBody.UBND_TINH: "People's Committee of the province",
    ManagingBody.UBND_HUYEN: "People's Committee of the district",
    ManagingBody.UBND_XA: "People's Committee of the commune",
    ManagingBody.QUAN_DOI: "army",
    ManagingBody.CONG_AN: "police",
    ManagingBody.DOANH_NGHIEP: "enterprise",
}


def _english(value: StrEnum) -> str:
    return _BODIES[value] if isinstance(value, ManagingBody) else value.value.replace("_", " ")


def at_time(moment: datetime | None, language: Language) -> str:
    """A moment in Vietnam's time, as people write it; empty for none."""
    if moment is None:
        return ""
    local = moment.astimezone(VIETNAM)
    return f"{local:%d/%m/%Y %H:%M}" if language is Language.VI else f"{local:%Y-%m-%d %H:%M}"


def day_text(day: date, language: Language) -> str:
    """A day, as people write it."""
    return f"{day:%d/%m/%Y}" if language is Language.VI else day.isoformat()


def age(since: datetime | None, now: datetime, t: Translator) -> str:
    """How long something lasts, in the largest unit that says enough; empty where nobody knows."""
    if since is None:
        return ""
    minutes = max(0, int((now - since).total_seconds() // 60))
    if minutes < _HOUR:
        return t("{n} min", n=minutes)
    if minutes < 2 * _DAY:
        return t("{n} h", n=minutes // _HOUR)
    return t.plural("{n} day", "{n} days", minutes // _DAY)


_HOUR: Final = 60
_DAY: Final = 24 * _HOUR
