"""The language of pages, and the map of the provinces.

Pages' sentences come from `vi.po` beside this module, other words from the package's catalogue. The map has one tile
per province, placed by hand to resemble the country, without borders. Rows run north to south, columns west to east.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from polib import pofile

from provisioner.base.language import Language, Translator, translator
from provisioner.base.text import filled, in_vietnam
from provisioner.inventory.deadlines import Timeliness
from provisioner.inventory.model.devices import Zone
from provisioner.inventory.model.facility import FacilityKind, Operating
from provisioner.inventory.model.orders import ManagingBody
from provisioner.record.labels import LABELS
from provisioner.record.lifecycle.state import FacilityState
from provisioner.verify.result import Cause, Layer, Verdict

CATALOGUE: Final = Path(__file__).with_name("vi.po")
_LISTS: Final[tuple[type[StrEnum], ...]] = (
    *(Verdict, Cause, Layer, FacilityState, Timeliness, FacilityKind, ManagingBody, Operating, Zone),
)
#: English words of values that are Vietnamese.
_VIETNAMESE: Final[dict[StrEnum, str]] = {
    ManagingBody.UBND_TINH: "People's Committee of the province",
    ManagingBody.UBND_HUYEN: "People's Committee of the district",
    ManagingBody.UBND_XA: "People's Committee of the commune",
    ManagingBody.QUAN_DOI: "army",
    ManagingBody.CONG_AN: "police",
    ManagingBody.DOANH_NGHIEP: "enterprise",
    Zone.HANH_LANG: "corridor",
    Zone.SANH_TANG: "lobby of a floor",
    Zone.SAN: "yard",
    Zone.LAY_MAU: "sampling",
    Zone.TIEP_DON: "reception",
    Zone.KIEM_TRA_Y_TE: "medical check",
    Zone.NHAN_DO: "hand-over of goods",
    Zone.NGOAI_NHA_TAM_VE_SINH: "outside baths and toilets",
    Zone.CONG: "gate",
    Zone.KHAC: "another zone",
}
_HOUR_MINUTES: Final = 60
_DAY_MINUTES: Final = 24 * _HOUR_MINUTES
_OF_2021: Final = """
.             LC:lao-cai    HG:ha-giang     CB:cao-bang     .               .
LCH:lai-chau  YB:yen-bai    TQ:tuyen-quang  BK:bac-kan      LS:lang-son     .
DB:dien-bien  PT:phu-tho    VP:vinh-phuc    TN:thai-nguyen  BG:bac-giang    QN:quang-ninh
SL:son-la     HB:hoa-binh   HN:ha-noi       BN:bac-ninh     HD:hai-duong    HP:hai-phong
.             .             HNA:ha-nam      HY:hung-yen     TB:thai-binh    .
.             .             NB:ninh-binh    ND:nam-dinh     .               .
.             .             TH:thanh-hoa    .               .               .
.             .             NA:nghe-an      .               .               .
.             .             HT:ha-tinh      .               .               .
.             .             .               QB:quang-binh   .               .
.             .             .               QT:quang-tri    .               .
.             .             .               .               TTH:thua-thien-hue  .
.             .             .               .               QNA:quang-nam   DN:da-nang
.             .             .               .               KT:kon-tum      QNG:quang-ngai
.             .             .               .               GL:gia-lai      BD:binh-dinh
.             .             .               .               DL:dak-lak      PY:phu-yen
.             .             .               BP:binh-phuoc   DNO:dak-nong    KH:khanh-hoa
.             .             TNI:tay-ninh    BDU:binh-duong  LD:lam-dong     NT:ninh-thuan
.             .             LA:long-an      HCM:ho-chi-minh DNA:dong-nai    BT:binh-thuan
AG:an-giang   DT:dong-thap  TG:tien-giang   BTR:ben-tre     VT:ba-ria-vung-tau  .
KG:kien-giang CT:can-tho    VL:vinh-long    TV:tra-vinh     .               .
.             HAG:hau-giang ST:soc-trang    .               .               .
CM:ca-mau     BL:bac-lieu   .               .               .               .
"""
_OF_2025: Final = """
.             LC:lao-cai    TQ:tuyen-quang  CB:cao-bang     .
LCH:lai-chau  PT:phu-tho    TN:thai-nguyen  LS:lang-son     .
DB:dien-bien  SL:son-la     HN:ha-noi       BN:bac-ninh     QN:quang-ninh
.             .             NB:ninh-binh    HY:hung-yen     HP:hai-phong
.             .             TH:thanh-hoa    .               .
.             .             NA:nghe-an      .               .
.             .             HT:ha-tinh      .               .
.             .             .               QT:quang-tri    .
.             .             .               HUE:hue         .
.             .             .               .               DN:da-nang
.             .             .               .               QNG:quang-ngai
.             .             .               .               GL:gia-lai
.             .             .               .               DL:dak-lak
.             .             DNA:dong-nai    LD:lam-dong     KH:khanh-hoa
.             TNI:tay-ninh  HCM:ho-chi-minh .               .
AG:an-giang   DT:dong-thap  VL:vinh-long    .               .
CM:ca-mau     CT:can-tho    .               .               .
"""
_MAPS: Final = {"gso-2021": _OF_2021, "gso-2025": _OF_2025}


class _PageTranslator(Translator):
    """Translates sentences of pages, and others with the package's catalogue."""

    def __init__(self, behind: Translator, sentences: Mapping[str, str]) -> None:
        self.language = behind.language
        self._behind = behind
        self._sentences = sentences

    def __call__(self, msgid: str, /, **values: object) -> str:
        translation = self._sentences.get(msgid)
        return self._behind(msgid, **values) if translation is None else filled(translation, values)

    def plural(self, one: str, many: str, number: int, /, **values: object) -> str:
        translation = self._sentences.get(one)
        return (
            self._behind.plural(one, many, number, **values)
            if translation is None
            else filled(translation, values | {"n": number})
        )

    def word(self, value: StrEnum | None, english: str = "") -> str:
        return (value and LABELS.get(type(value), {}).get(value.value)) or self._behind.word(value, english)

    def restated(self, text: str) -> str:
        return self._behind.restated(text)


@dataclass(frozen=True, slots=True)
class Tile:
    """A province's map position, from 1, and name on narrow screens."""

    slug: str
    short: str
    row: int
    column: int


@lru_cache(maxsize=len(Language))
def page_translator(language: Language) -> Translator:
    """Return the translator of pages; the catalogue is read once."""
    behind = translator(language)
    if language is Language.EN:
        return behind
    entries = pofile(str(CATALOGUE), encoding="utf-8")
    texts = {entry.msgid: entry.msgstr or entry.msgstr_plural.get(0, "") for entry in entries if not entry.obsolete}
    return _PageTranslator(behind, {msgid: text for msgid, text in texts.items() if text})


@lru_cache(maxsize=len(Language))
def words_of(language: Language) -> Mapping[str, dict[str, str]]:
    """Return translations of values, by the name of their enumeration."""
    translate = page_translator(language)
    labels = {kind.__name__: {value.value: translate.word(value, _english(value)) for value in kind} for kind in _LISTS}
    labels["Verdict"] |= {"": translate("not carried"), "old": translate("up, long ago")}
    labels["Verdict"]["warning"] = translate("warning")
    return labels


def _english(value: StrEnum) -> str:
    return _VIETNAMESE[value] if isinstance(value, ManagingBody | Zone) else value.value.replace("_", " ")


def at_time(moment: datetime | None, language: Language) -> str:
    """Format a time in Vietnam's time zone; empty for `None`."""
    if moment is None:
        return ""
    local = in_vietnam(moment)
    return f"{local:%d/%m/%Y %H:%M}" if language is Language.VI else f"{local:%Y-%m-%d %H:%M}"


def day_text(day: date, language: Language) -> str:
    """Format a day."""
    return f"{day:%d/%m/%Y}" if language is Language.VI else day.isoformat()


def age(since: datetime | None, now: datetime, translate: Translator) -> str:
    """Format the time since a moment in one unit; empty for `None`."""
    if since is None:
        return ""
    minutes = max(0, int((now - since).total_seconds() // 60))
    if minutes < _HOUR_MINUTES:
        return translate("{n} min", n=minutes)
    if minutes < 2 * _DAY_MINUTES:
        return translate("{n} h", n=minutes // _HOUR_MINUTES)
    return translate.plural("{n} day", "{n} days", minutes // _DAY_MINUTES)


@cache
def tiles(scheme: str) -> Mapping[str, Tile]:
    """Return the tiles of provinces by slug; empty for an unknown list."""
    rows = _MAPS.get(scheme, "").strip().splitlines()
    cells = ((cell, row, column) for row, line in enumerate(rows, 1) for column, cell in enumerate(line.split(), 1))
    placed = ((cell.partition(":"), row, column) for cell, row, column in cells if cell != ".")
    return {slug: Tile(slug, short, row, column) for (short, _, slug), row, column in placed}
