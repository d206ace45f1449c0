"""Search of provinces by code, slug or name, and conversion between lists.

Only exact matches count; similar names are suggested in a hint, for a person to choose.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from provisioner.base.text import msg, nearest, which_was_meant
from provisioner.base.vietnamese import Legacy, clean, fold, possible_readings, read_legacy
from provisioner.inventory.geography.province import (
    SCHEMES,
    AmbiguousProvinceError,
    ContradictoryProvinceError,
    Province,
    ProvinceError,
    UnknownProvinceError,
    collisions,
    match,
    provinces,
    quoted,
)

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
    """Return the province of a code.

    An unknown one, e.g. `8` for `08`, raises `UnknownProvinceError`, an unknown scheme `UnknownSchemeError`.
    """
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
    """Return the province of a text, in one list or in each.

    A code without a list, if the lists disagree, raises `AmbiguousProvinceError`. Other errors are as of `by_code`.
    """
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
    """Return a province's units in a scheme; 2021 may have several.

    An unknown scheme raises `UnknownSchemeError`.
    """
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
