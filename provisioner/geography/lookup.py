"""From what people write to a province: by code, slug or name, never by likeness."""

from __future__ import annotations

from functools import cache

from provisioner.base.vietnamese import clean
from provisioner.geography.faults import (
    AmbiguousProvinceError,
    ContradictoryProvinceError,
    ProvinceError,
    UnknownProvinceError,
)
from provisioner.geography.names import match
from provisioner.geography.province import SCHEMES, Province, collisions, provinces, shown
from provisioner.geography.suggest import hint_for_code, hint_for_name


def by_code(code: str, scheme: str) -> Province:
    """The province of a code.

    Raises:
        UnknownSchemeError: no such scheme.
        UnknownProvinceError: no such code in it, e.g. `8` for `08`.
    """
    province = _coded(code, scheme)
    if province is None:
        raise _unknown(code, scheme, "code", hint_for_code(code, scheme))
    return province


def by_slug(slug: str, scheme: str) -> Province:
    """The province of a slug, letter by letter.

    Raises:
        UnknownSchemeError: no such scheme.
        UnknownProvinceError: no such slug in it.
    """
    province = _slugs(scheme).get(slug)
    if province is None:
        raise _unknown(slug, scheme, "slug", hint_for_name(slug, scheme))
    return province


@cache
def _slugs(scheme: str) -> dict[str, Province]:
    """The provinces by their slugs: a country's facilities ask for them a million times."""
    return {province.slug: province for province in provinces(scheme)}


def by_name(text: str, scheme: str) -> Province:
    """The province of a name, an alias or a slug, with or without the unit's type (tỉnh, thành phố, TP).

    Case, marks, composition, spaces, hyphens and dots do not count; everything else has to be exact.

    Raises:
        UnknownSchemeError: no such scheme.
        UnknownProvinceError: no such name in it; the hint suggests similar ones.
    """
    province = match(text, scheme)
    if province is None:
        raise _unknown(text, scheme, "province", hint_for_name(text, scheme))
    return province


def read_province(text: str, scheme: str, code: str | None = None) -> Province:
    """The province that a text names: a code of two digits, a name, an alias or a slug.

    Args:
        text: as it was written.
        scheme: the list that it is of.
        code: the code that stands beside a name, where there is one: the two have to agree.

    Raises:
        UnknownSchemeError: no such scheme.
        UnknownProvinceError: no such province in it.
        ContradictoryProvinceError: name and code are of two provinces; the message shows both readings.
    """
    written = clean(text)
    if code is None or not clean(code):
        return by_code(written, scheme) if _is_code(written) else by_name(text, scheme)
    coded = by_code(clean(code), scheme)
    if not any(match(text, one) for one in SCHEMES):
        return by_name(text, scheme)
    if match(text, scheme) != coded:
        raise _contradiction(written, coded.code)
    return coded


def find(text: str, scheme: str | None = None) -> tuple[Province, ...]:
    """What a text names in one list, or in each list that knows it.

    Raises:
        UnknownSchemeError: no such scheme.
        UnknownProvinceError: no list knows it.
        AmbiguousProvinceError: a code without a list, and the lists disagree about it.
    """
    if scheme is not None:
        return (read_province(text, scheme),)
    written = clean(text)
    if written in collisions():
        readings = " and ".join(f"{by_code(written, one).name} in {one}" for one in SCHEMES)
        hint = f"say which list it is of: {' or '.join(f'--scheme {one}' for one in SCHEMES)}"
        raise AmbiguousProvinceError(f"code {written} is {readings}", hint=hint)
    known = tuple(province for one in SCHEMES if (province := _coded_or_named(written, one)))
    if not known:
        older = SCHEMES[0]
        hint = hint_for_code(written, older) if _is_code(written) else hint_for_name(text, older)
        raise UnknownProvinceError(f"{shown(text)} is no province of {' or '.join(SCHEMES)}", hint=hint)
    return known


def _is_code(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _coded(code: str, scheme: str) -> Province | None:
    return next((province for province in provinces(scheme) if province.code == code), None)


def _coded_or_named(text: str, scheme: str) -> Province | None:
    return _coded(text, scheme) if _is_code(text) else match(text, scheme)


def _unknown(text: str, scheme: str, kind: str, hint: str) -> UnknownProvinceError:
    """Say what else a text is, a name or something of the other list, if it is: most who write it mean that."""
    message = f"{shown(text)} is no {kind} of {scheme}"
    here = match(text, scheme)
    if here:
        return UnknownProvinceError(f"{message}: it is {here} there", hint=f"write {here.slug}")
    other = next(one for one in SCHEMES if one != scheme)
    elsewhere = _coded_or_named(clean(text), other)
    heir = next((new for new in provinces(scheme) if elsewhere and elsewhere.code in new.merged_from), None)
    if elsewhere and heir:
        message += f": in {other} it is {elsewhere}, whose territory is in {heir} now"
        return UnknownProvinceError(message, hint=f"write {heir.slug}, or read it by {other}")
    return UnknownProvinceError(message, hint=hint)


def _contradiction(name: str, code: str) -> ProvinceError:
    agreeing = [one for one in SCHEMES if match(name, one) and match(name, one) == _coded(code, one)]
    hint = f"if the list was made by {agreeing[0]}, read it so; otherwise " if agreeing else ""
    readings = "; ".join(_readings(name, code, one) for one in SCHEMES)
    return ContradictoryProvinceError(
        f"the name {shown(name)} and the code {code} disagree: {readings}",
        hint=f"{hint}correct the name or the code",
    )


def _readings(name: str, code: str, scheme: str) -> str:
    named, coded = match(name, scheme), _coded(code, scheme)
    if named and named == coded:
        return f"in {scheme} both are {named}"
    return f"in {scheme} the name is {named or 'unknown'} and the code is {coded.name if coded else 'unknown'}"
