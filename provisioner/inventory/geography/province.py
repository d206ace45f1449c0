"""The two official lists of provinces, and exact matching of names.

Errors have a complete message and hint; callers only add the position. A command exits with 2; an importer reports the
row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import ClassVar, Final

from provisioner.base.errors import UsageError
from provisioner.base.vietnamese import fold

UNITS_2021: tuple[tuple[str, str, str, str], ...] = (
    ("01", "ha-noi", "Hà Nội", "024"),
    ("02", "ha-giang", "Hà Giang", "0219"),
    ("04", "cao-bang", "Cao Bằng", "0206"),
    ("06", "bac-kan", "Bắc Kạn", "0209"),
    ("08", "tuyen-quang", "Tuyên Quang", "0207"),
    ("10", "lao-cai", "Lào Cai", "0214"),
    ("11", "dien-bien", "Điện Biên", "0215"),
    ("12", "lai-chau", "Lai Châu", "0213"),
    ("14", "son-la", "Sơn La", "0212"),
    ("15", "yen-bai", "Yên Bái", "0216"),
    ("17", "hoa-binh", "Hòa Bình", "0218"),
    ("19", "thai-nguyen", "Thái Nguyên", "0208"),
    ("20", "lang-son", "Lạng Sơn", "0205"),
    ("22", "quang-ninh", "Quảng Ninh", "0203"),
    ("24", "bac-giang", "Bắc Giang", "0204"),
    ("25", "phu-tho", "Phú Thọ", "0210"),
    ("26", "vinh-phuc", "Vĩnh Phúc", "0211"),
    ("27", "bac-ninh", "Bắc Ninh", "0222"),
    ("30", "hai-duong", "Hải Dương", "0220"),
    ("31", "hai-phong", "Hải Phòng", "0225"),
    ("33", "hung-yen", "Hưng Yên", "0221"),
    ("34", "thai-binh", "Thái Bình", "0227"),
    ("35", "ha-nam", "Hà Nam", "0226"),
    ("36", "nam-dinh", "Nam Định", "0228"),
    ("37", "ninh-binh", "Ninh Bình", "0229"),
    ("38", "thanh-hoa", "Thanh Hóa", "0237"),
    ("40", "nghe-an", "Nghệ An", "0238"),
    ("42", "ha-tinh", "Hà Tĩnh", "0239"),
    ("44", "quang-binh", "Quảng Bình", "0232"),
    ("45", "quang-tri", "Quảng Trị", "0233"),
    ("46", "thua-thien-hue", "Thừa Thiên Huế", "0234"),
    ("48", "da-nang", "Đà Nẵng", "0236"),
    ("49", "quang-nam", "Quảng Nam", "0235"),
    ("51", "quang-ngai", "Quảng Ngãi", "0255"),
    ("52", "binh-dinh", "Bình Định", "0256"),
    ("54", "phu-yen", "Phú Yên", "0257"),
    ("56", "khanh-hoa", "Khánh Hòa", "0258"),
    ("58", "ninh-thuan", "Ninh Thuận", "0259"),
    ("60", "binh-thuan", "Bình Thuận", "0252"),
    ("62", "kon-tum", "Kon Tum", "0260"),
    ("64", "gia-lai", "Gia Lai", "0269"),
    ("66", "dak-lak", "Đắk Lắk", "0262"),
    ("67", "dak-nong", "Đắk Nông", "0261"),
    ("68", "lam-dong", "Lâm Đồng", "0263"),
    ("70", "binh-phuoc", "Bình Phước", "0271"),
    ("72", "tay-ninh", "Tây Ninh", "0276"),
    ("74", "binh-duong", "Bình Dương", "0274"),
    ("75", "dong-nai", "Đồng Nai", "0251"),
    ("77", "ba-ria-vung-tau", "Bà Rịa - Vũng Tàu", "0254"),
    ("79", "ho-chi-minh", "Hồ Chí Minh", "028"),
    ("80", "long-an", "Long An", "0272"),
    ("82", "tien-giang", "Tiền Giang", "0273"),
    ("83", "ben-tre", "Bến Tre", "0275"),
    ("84", "tra-vinh", "Trà Vinh", "0294"),
    ("86", "vinh-long", "Vĩnh Long", "0270"),
    ("87", "dong-thap", "Đồng Tháp", "0277"),
    ("89", "an-giang", "An Giang", "0296"),
    ("91", "kien-giang", "Kiên Giang", "0297"),
    ("92", "can-tho", "Cần Thơ", "0292"),
    ("93", "hau-giang", "Hậu Giang", "0293"),
    ("94", "soc-trang", "Sóc Trăng", "0299"),
    ("95", "bac-lieu", "Bạc Liêu", "0291"),
    ("96", "ca-mau", "Cà Mau", "0290"),
)
"""The 63 units of 2021 (code, slug, name, area code), from the General Statistics Office's list.

Area codes of landlines since 2017, as dialled inside the country (Ministry of Information and Communications,
decision 2036/QĐ-BTTTT of 2016-11-21). A merger of provinces does not change them.
"""

UNITS_2025: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("01", "ha-noi", "Hà Nội", ("01",)),
    ("04", "cao-bang", "Cao Bằng", ("04",)),
    ("08", "tuyen-quang", "Tuyên Quang", ("02", "08")),
    ("11", "dien-bien", "Điện Biên", ("11",)),
    ("12", "lai-chau", "Lai Châu", ("12",)),
    ("14", "son-la", "Sơn La", ("14",)),
    ("15", "lao-cai", "Lào Cai", ("10", "15")),
    ("19", "thai-nguyen", "Thái Nguyên", ("06", "19")),
    ("20", "lang-son", "Lạng Sơn", ("20",)),
    ("22", "quang-ninh", "Quảng Ninh", ("22",)),
    ("24", "bac-ninh", "Bắc Ninh", ("24", "27")),
    ("25", "phu-tho", "Phú Thọ", ("17", "25", "26")),
    ("31", "hai-phong", "Hải Phòng", ("30", "31")),
    ("33", "hung-yen", "Hưng Yên", ("33", "34")),
    ("37", "ninh-binh", "Ninh Bình", ("35", "36", "37")),
    ("38", "thanh-hoa", "Thanh Hóa", ("38",)),
    ("40", "nghe-an", "Nghệ An", ("40",)),
    ("42", "ha-tinh", "Hà Tĩnh", ("42",)),
    ("44", "quang-tri", "Quảng Trị", ("44", "45")),
    ("46", "hue", "Huế", ("46",)),
    ("48", "da-nang", "Đà Nẵng", ("48", "49")),
    ("51", "quang-ngai", "Quảng Ngãi", ("51", "62")),
    ("52", "gia-lai", "Gia Lai", ("52", "64")),
    ("56", "khanh-hoa", "Khánh Hòa", ("56", "58")),
    ("66", "dak-lak", "Đắk Lắk", ("54", "66")),
    ("68", "lam-dong", "Lâm Đồng", ("60", "67", "68")),
    ("75", "dong-nai", "Đồng Nai", ("70", "75")),
    ("79", "ho-chi-minh", "Hồ Chí Minh", ("74", "77", "79")),
    ("80", "tay-ninh", "Tây Ninh", ("72", "80")),
    ("82", "dong-thap", "Đồng Tháp", ("82", "87")),
    ("86", "vinh-long", "Vĩnh Long", ("83", "84", "86")),
    ("91", "an-giang", "An Giang", ("89", "91")),
    ("92", "can-tho", "Cần Thơ", ("92", "93", "94")),
    ("96", "ca-mau", "Cà Mau", ("95", "96")),
)
"""The 34 units since 2025-07-01 (code, slug, name, merged codes of 2021).

National Assembly, resolution 202/2025/QH15 of 2025-06-12; codes from the same office's list.
"""

ALIASES: dict[str, tuple[str, ...]] = {
    "ba-ria-vung-tau": ("BR-VT",),
    "bac-kan": ("Bắc Cạn",),
    "dak-lak": ("Đắc Lắc", "Đắk Lắc", "Đắc Lắk"),
    "dak-nong": ("Đắc Nông",),
    "ha-noi": ("Thủ đô Hà Nội",),
    "ho-chi-minh": ("HCM", "HCMC", "Sài Gòn"),
    "hue": ("Thừa Thiên Huế", "TT-Huế"),
    "thua-thien-hue": ("Huế", "TT-Huế"),
}
"""Other names in use, by slug. BN, QN or HN are ambiguous and left out.

Variants of spaces, hyphens, dots, case and marks need no alias (`provisioner.base.vietnamese.fold`), nor do the words
for province and city.
"""
SCHEMES: Final = ("gso-2021", "gso-2025")
"""The lists of the General Statistics Office, older first."""

_SINCE_2021 = date(2008, 8, 1)  # resolution 15/2008/QH12: Hà Tây went into Hà Nội, and 63 were left
_SINCE_2025 = date(2025, 7, 1)
_UNTIL_2021 = date(2025, 6, 30)
_HUE_SINCE = date(2025, 1, 1)  # resolution 175/2024/QH15: Thừa Thiên Huế became the city of Huế, as a whole
_HUE_UNTIL = date(2024, 12, 31)
_TYPES_BEFORE = ("", "tinh", "thanhpho", "tp")
_DOUBT = re.compile("[?\uff1f\ufffd]")
"""A question mark is a doubt; the replacement character is a lost letter."""
_TYPES_BEHIND = ("province", "city")


class ProvinceError(UsageError):
    """A text, code or slug does not name exactly one province."""

    code: ClassVar[str] = "province"


class UnknownSchemeError(ProvinceError):
    """There is no such list of provinces."""

    code = "province-scheme-unknown"


class UnknownProvinceError(ProvinceError):
    """The list does not have this code, slug or name."""

    code = "province-unknown"


class AmbiguousProvinceError(ProvinceError):
    """A code, slug or unit has several readings; the message shows them."""

    code = "province-ambiguous"


class ContradictoryProvinceError(ProvinceError):
    """A name and its code mean two provinces; the message shows both."""

    code = "province-contradiction"


@dataclass(frozen=True, slots=True)
class Province:
    """A unit of the first level.

    Attributes:
        scheme: `gso-2021` or `gso-2025`.
        code: the General Statistics Office's two digits, a text: `08` is not 8.
        slug: part of ids and paths, e.g. `bac-giang`.
        name: in Vietnamese (NFC), without the unit's type.
        aliases: other names in use, without variants of spaces, case, marks and type.
        area_codes: of its landlines, as dialled in the country, e.g. `0204`; several if merged.
        valid_to: its last day, or `None`.
        merged_from: the codes of 2021 in a unit of 2025; empty in 2021.
    """

    scheme: str
    code: str
    slug: str
    name: str
    aliases: tuple[str, ...]
    area_codes: tuple[str, ...]
    valid_from: date
    valid_to: date | None
    merged_from: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


@cache
def provinces(scheme: str) -> tuple[Province, ...]:
    """Return a scheme's provinces, sorted by code, or raise `UnknownSchemeError`."""
    if scheme == SCHEMES[0]:
        return tuple(_of_2021(*unit) for unit in UNITS_2021)
    if scheme == SCHEMES[1]:
        return tuple(_province_of_2025(*unit) for unit in UNITS_2025)
    raise UnknownSchemeError(
        f"{quoted(scheme)} is no list of provinces",
        hint="gso-2021 are the 63 provinces until 2025-06-30, gso-2025 the 34 since then",
    )


def _of_2021(code: str, slug: str, name: str, area_code: str) -> Province:
    until = _HUE_UNTIL if slug == "thua-thien-hue" else _UNTIL_2021
    return Province(SCHEMES[0], code, slug, name, ALIASES.get(slug, ()), (area_code,), _SINCE_2021, until)


def _province_of_2025(code: str, slug: str, name: str, merged_from: tuple[str, ...]) -> Province:
    areas = {old: area for old, _, _, area in UNITS_2021}
    area_codes = tuple(areas[old] for old in merged_from)
    since = _HUE_SINCE if slug == "hue" else _SINCE_2025
    return Province(SCHEMES[1], code, slug, name, ALIASES.get(slug, ()), area_codes, since, None, merged_from)


@cache
def collisions() -> tuple[str, ...]:
    """Return codes with different provinces in 2021 and 2025; 46 has one."""
    old = {province.code: province.name for province in provinces(SCHEMES[0])}
    return tuple(
        new.code for new in provinces(SCHEMES[1]) if new.name != old[new.code] and new.merged_from != (new.code,)
    )


def quoted(text: str, length: int = 60) -> str:
    """Return a text for a message: one line, quoted, shortened."""
    return repr(text if len(text) <= length else text[:length] + "…")


def match(text: str, scheme: str) -> Province | None:
    """Return the province of a name, alias or slug, or `None`.

    An unknown scheme raises `UnknownSchemeError`.
    """
    names = _index(scheme)
    return None if _DOUBT.search(text) else names.get(_key(text))


def keys_of(province: Province) -> Iterator[str]:
    """Yield every key of a province."""
    for name in (province.name, province.slug, *province.aliases):
        key = _key(name)
        yield from (affix + key for affix in _TYPES_BEFORE)
        yield from (key + affix for affix in _TYPES_BEHIND)


@cache
def _index(scheme: str) -> dict[str, Province]:
    return {key: province for province in provinces(scheme) for key in keys_of(province)}


def _key(text: str) -> str:
    return fold(text).replace("-", "")
