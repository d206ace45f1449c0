"""The 63 provinces of 2021 and 34 of 2025, and their search.

Each old unit became part of one new unit. A code or a name needs its list: seven codes mean another province in the
other list, and the same name means other territory. A unit's type (city or province) can change and is in no slug.

Only exact matches count; similar names are suggested in a hint, for a person to choose. Errors have a complete message
and hint; callers only add the position. A command exits with 2; an importer reports the row.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import ClassVar, Final

from provisioner.base.errors import UsageError
from provisioner.base.text import msg, nearest, which_was_meant
from provisioner.base.vietnamese import Legacy, clean, fold, possible_readings, read_legacy

#: The 63 units of 2021 (code, slug, name, area code), from the General Statistics Office's list.
#:
#: Area codes of landlines since 2017, as dialled inside the country (Ministry of Information and Communications,
#: decision 2036/QĐ-BTTTT of 2016-11-21). A merger of provinces does not change them.
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

#: The 34 units since 2025-07-01 (code, slug, name, merged codes of 2021).
#:
#: National Assembly, resolution 202/2025/QH15 of 2025-06-12; codes from the same office's list.
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

#: Other names in use, by slug. BN, QN or HN are ambiguous and left out.
#:
#: Variants of spaces, hyphens, dots, case and marks need no alias (`provisioner.base.vietnamese.fold`), nor do the
#: words for province and city.
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
SCHEMES: Final = ("gso-2021", "gso-2025")  #: The lists of the General Statistics Office, older first.

_SINCE_2021 = date(2008, 8, 1)  # resolution 15/2008/QH12: Hà Tây went into Hà Nội, and 63 were left
_SINCE_2025 = date(2025, 7, 1)
_UNTIL_2021 = date(2025, 6, 30)
_HUE_SINCE = date(2025, 1, 1)  # resolution 175/2024/QH15: Thừa Thiên Huế became the city of Huế, as a whole
_HUE_UNTIL = date(2024, 12, 31)
_TYPES_BEFORE = ("", "tinh", "thanhpho", "tp")
_DOUBT = re.compile("[?\uff1f\ufffd]")  #: A question mark is a doubt; the replacement character is a lost letter.
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


#: Units of the first level that are cities: Thừa Thiên Huế was a province until 2025, and Huế is a city.
_CITIES = frozenset({"ha-noi", "hai-phong", "da-nang", "ho-chi-minh", "can-tho", "hue"})


@dataclass(frozen=True, slots=True)
class Province:
    """A unit of the first level."""

    scheme: str  #: `gso-2021` or `gso-2025`.
    code: str  #: The General Statistics Office's two digits, a text: `08` is not 8.
    slug: str  #: Part of ids and paths, e.g. `bac-giang`.
    name: str  #: In Vietnamese (NFC), without the unit's type.
    aliases: tuple[str, ...]  #: Other names in use, without variants of spaces, case, marks and type.
    area_codes: tuple[str, ...]  #: Of its landlines, as dialled in the country, e.g. `0204`; several if merged.
    valid_from: date
    valid_to: date | None  #: Its last day, or `None`.
    merged_from: tuple[str, ...] = ()  #: The codes of 2021 in a unit of 2025; empty in 2021.

    @property
    def full_name(self) -> str:
        """The name with the unit's type, for official sentences."""
        return f"{'thành phố' if self.slug in _CITIES else 'tỉnh'} {self.name}"

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
    """Return a named province or `None`; an unknown scheme raises `UnknownSchemeError`."""
    return None if _DOUBT.search(text) else _index(scheme).get(_key(text))


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


_MOST_SUGGESTED = 3
_LONGEST_READ = 100


def hint_for_code(code: str, scheme: str) -> str:
    """Return the hint for an unknown code."""
    near = [str(province) for province in provinces(scheme) if province.code == code.strip().zfill(2)]
    if near:
        return f"did you mean {near[0]}? A code is a text of two digits"
    return f"codes are two digits, with gaps: `provisioner geography list --scheme {scheme}` shows them"


def hint_for_name(text: str, scheme: str) -> str:
    """Return the hint for an unknown name: its encoding, or similar names."""
    legacy = _legacy_reading(text[:_LONGEST_READ], scheme)
    if legacy:
        return f"the text looks like {legacy.encoding} and would say {legacy.reading!r}: convert it to Unicode"
    close = [str(province) for province in similar(text, scheme)]
    if close:
        return which_was_meant(close)
    return f"`provisioner geography list --scheme {scheme}` shows all names"


def _legacy_reading(text: str, scheme: str) -> Legacy | None:
    """Return the reading that names a province, preferably with exact marks."""
    likely = read_legacy(text)
    candidates = ((likely,) if likely else ()) + possible_readings(text)
    named = [
        (candidate, province)
        for candidate in candidates
        if (province := match(candidate.reading, scheme)) and "\ufffd" not in candidate.reading
    ]
    exact = (candidate for candidate, province in named if province.name.casefold() in candidate.reading.casefold())
    return next(exact, named[0][0] if named else likely)


def similar(text: str, scheme: str) -> tuple[Province, ...]:
    """Return at most three provinces that a text contains or resembles."""
    return tuple(dict.fromkeys((*_provinces_in_text(text, scheme), *_close(text, scheme))))[:_MOST_SUGGESTED]


def _provinces_in_text(text: str, scheme: str) -> Iterator[Province]:
    folded = f"-{fold(text[:_LONGEST_READ])}-"
    for province in provinces(scheme):
        if any(f"-{fold(name)}-" in folded for name in (province.name, *province.aliases)):
            yield province


def _close(text: str, scheme: str) -> Iterator[Province]:
    names = {fold(name): province for province in provinces(scheme) for name in (province.name, *province.aliases)}
    for key in nearest(fold(text[:_LONGEST_READ]), names, most=_MOST_SUGGESTED, alike=0.75):
        yield names[key]


def by_code(code: str, scheme: str) -> Province:
    """Return a code's province, or raise `UnknownProvinceError` or `UnknownSchemeError`."""
    province = _coded(code, scheme)
    if province is None:
        raise _unknown_province_error(code, scheme, "code", hint_for_code(code, scheme))
    return province


def by_slug(slug: str, scheme: str) -> Province:
    """Return the province of an exact slug; errors are as of `by_code`."""
    province = _slugs(scheme).get(slug)
    if province is None:
        raise _unknown_province_error(slug, scheme, "slug", hint_for_name(slug, scheme))
    return province


@cache
def _slugs(scheme: str) -> dict[str, Province]:
    """Return provinces by slug; cached for a million look-ups."""
    return {province.slug: province for province in provinces(scheme)}


def is_slug(slug: str, scheme: str) -> bool:
    """Return whether a province has this slug, without an error's cost."""
    return slug in _slugs(scheme)


def by_name(text: str, scheme: str) -> Province:
    """Return the province of a name, an alias or a slug.

    The unit's type (tỉnh, thành phố, TP), case, marks, composition, spaces, hyphens and dots do not count. Errors are
    as of `by_code`; the hint suggests similar names.
    """
    province = match(text, scheme)
    if province is None:
        raise _unknown_province_error(text, scheme, "province", hint_for_name(text, scheme))
    return province


def read_province(text: str, scheme: str, code: str | None = None) -> Province:
    """Return the province of a two-digit code, name, alias or slug.

    A `code` beside the name has to agree with it: otherwise `ContradictoryProvinceError` shows both. Other errors are
    as of `by_code`.
    """
    written = clean(text)
    if code is None or not clean(code):
        return by_code(written, scheme) if _is_code(written) else by_name(text, scheme)
    coded = by_code(clean(code), scheme)
    if not any(match(text, known_scheme) for known_scheme in SCHEMES):
        return by_name(text, scheme)
    if match(text, scheme) != coded:
        raise _contradiction_error(written, coded.code)
    return coded


def find(text: str, scheme: str | None = None) -> tuple[Province, ...]:
    """Return a text's province in one list or each, or raise `AmbiguousProvinceError`."""
    if scheme is not None:
        return (read_province(text, scheme),)
    written = clean(text)
    if written in collisions():
        readings = " and ".join(f"{by_code(written, known_scheme).name} in {known_scheme}" for known_scheme in SCHEMES)
        hint = f"say which list it is of: {' or '.join(f'--scheme {known_scheme}' for known_scheme in SCHEMES)}"
        raise AmbiguousProvinceError(f"code {written} is {readings}", hint=hint)
    matches = tuple(province for known_scheme in SCHEMES if (province := _coded_or_named(written, known_scheme)))
    if not matches:
        older = SCHEMES[0]
        hint = hint_for_code(written, older) if _is_code(written) else hint_for_name(text, older)
        raise UnknownProvinceError(f"{quoted(text)} is no province of {' or '.join(SCHEMES)}", hint=hint)
    return matches


def _is_code(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _coded(code: str, scheme: str) -> Province | None:
    return next((province for province in provinces(scheme) if province.code == code), None)


def _coded_or_named(text: str, scheme: str) -> Province | None:
    return _coded(text, scheme) if _is_code(text) else match(text, scheme)


def _unknown_province_error(text: str, scheme: str, kind: str, hint: str) -> UnknownProvinceError:
    """Return the error, with the text's meaning elsewhere, if any."""
    message = f"{quoted(text)} is no {kind} of {scheme}"
    here = match(text, scheme)
    if here:
        return UnknownProvinceError(f"{message}: it is {here} there", hint=f"write {here.slug}")
    other_scheme = next(known_scheme for known_scheme in SCHEMES if known_scheme != scheme)
    elsewhere = _coded_or_named(clean(text), other_scheme)
    heir = next((new for new in provinces(scheme) if elsewhere and elsewhere.code in new.merged_from), None)
    if elsewhere and heir:
        message += f": in {other_scheme} it is {elsewhere}, whose territory is in {heir} now"
        return UnknownProvinceError(message, hint=f"write {heir.slug}, or read it by {other_scheme}")
    return UnknownProvinceError(message, hint=hint)


def _contradiction_error(name: str, code: str) -> ProvinceError:
    agreeing = [scheme for scheme in SCHEMES if match(name, scheme) and match(name, scheme) == _coded(code, scheme)]
    hint = f"if the list was made by {agreeing[0]}, read it so; otherwise " if agreeing else ""
    readings = "; ".join(_readings_text(name, code, scheme) for scheme in SCHEMES)
    return ContradictoryProvinceError(
        f"the name {quoted(name)} and the code {code} disagree: {readings}", hint=f"{hint}correct the name or the code"
    )


def _readings_text(name: str, code: str, scheme: str) -> str:
    named, coded = match(name, scheme), _coded(code, scheme)
    if named and named == coded:
        return f"in {scheme} both are {named}"
    return f"in {scheme} the name is {named or 'unknown'} and the code is {coded.name if coded else 'unknown'}"


def merged_into(province: Province) -> Province:
    """Return a province's unit of 2025."""
    return province if province.scheme == SCHEMES[1] else _heirs()[province.code]


@cache
def _heirs() -> dict[str, Province]:
    return {old: new for new in provinces(SCHEMES[1]) for old in new.merged_from}


def convert(province: Province, scheme: str) -> tuple[Province, ...]:
    """Return a province's units in a scheme, or raise `UnknownSchemeError`."""
    units = provinces(scheme)
    if province.scheme == scheme:
        return (province,)
    if scheme == SCHEMES[1]:
        return (merged_into(province),)
    return tuple(unit for unit in units if unit.code in province.merged_from)


def is_inside(part: Province, whole: Province) -> bool:
    """Return whether a province is inside another, in any lists."""
    return convert(part, whole.scheme) == (whole,)


def parts_of(slug: str, scheme: str) -> frozenset[str]:
    """Return the slugs of 2021 inside a province; empty if unknown."""
    try:
        return frozenset(unit.slug for unit in convert(by_slug(slug, scheme), SCHEMES[0]))
    except UnknownProvinceError:
        return frozenset()


def unit_today(slug: str, slug_scheme: str, scheme: str) -> Province:
    """Return the unit of `scheme` for a facility's frozen slug.

    `slug_scheme` is the slug's list; `scheme` is the list in use, of designations and reports. If that is older, and
    the unit was several then, `AmbiguousProvinceError` is raised. Other errors are as of `by_slug`.
    """
    province = by_slug(slug, slug_scheme)
    units = convert(province, scheme)
    if len(units) > 1:
        listed = ", ".join(map(str, units))
        raise AmbiguousProvinceError(
            msg(
                "{province} of {slug_scheme} is several provinces in {scheme}: {listed}",
                province,
                slug_scheme,
                scheme,
                listed,
            ),
            hint=msg("a list in use is not older than the slugs: set it to {slug_scheme}", slug_scheme),
        )
    return units[0]
