"""Laws of look-up and conversion: every unit is found however it is typed, and never another one."""

import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.vietnamese import fold, possible_readings
from provisioner.inventory.geography import (
    SCHEMES,
    Province,
    ProvinceError,
    by_code,
    by_name,
    by_slug,
    convert,
    find,
    keys_of,
    provinces,
    read_province,
    unit_today,
)

schemes = st.sampled_from(SCHEMES)
units = st.sampled_from([province for scheme in SCHEMES for province in provinces(scheme)])
old_units = st.sampled_from(provinces(SCHEMES[0]))
types = st.sampled_from(["", "tỉnh ", "Tỉnh ", "Thành phố ", "thành  phố ", "TP. ", "TP.", "Tp ", "TỈNH\u00a0"])
forms: st.SearchStrategy[Callable[[str], str]] = st.sampled_from(
    [str, str.upper, str.lower, str.title, lambda text: unicodedata.normalize("NFD", text), fold]
)
spaces = st.sampled_from([" ", "  ", "\u00a0", " \u200b", "\t", "-", " - ", " \u2013 ", ""])
texts = (
    st.text(max_size=40)
    | st.from_regex(r"[0-9]{1,3}", fullmatch=True)
    | st.sampled_from([text for unit in provinces(SCHEMES[0]) for text in (unit.name, unit.code, unit.slug)])
)


@given(units, types, forms, spaces, st.data())
def test_every_unit_is_found_however_its_name_is_typed(
    unit: Province, kind: str, form: Callable[[str], str], space: str, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([unit.name, unit.slug, *unit.aliases]))
    typed = space + form(kind + name).replace(" ", space) + space
    assert by_name(typed, unit.scheme) == unit
    assert read_province(typed, unit.scheme, data.draw(st.sampled_from([unit.code, f" {unit.code}", " "]))) == unit
    assert unit in find(typed)


def test_no_key_leads_to_two_units() -> None:
    for scheme in SCHEMES:
        owners: dict[str, Province] = {}
        for unit in provinces(scheme):
            assert all(owners.setdefault(key, unit) == unit for key in keys_of(unit))


@given(units)
def test_code_slug_and_name_lead_to_the_same_unit(unit: Province) -> None:
    assert by_code(unit.code, unit.scheme) == by_slug(unit.slug, unit.scheme) == by_name(unit.name, unit.scheme) == unit
    assert read_province(unit.code, unit.scheme) == read_province(f" {unit.code} ", unit.scheme) == unit
    assert convert(unit, unit.scheme) == (unit,)
    assert unit_today(unit.slug, unit.scheme, unit.scheme) == unit


@given(texts, schemes, texts | st.none())
def test_a_look_up_gives_a_unit_or_the_designed_error(text: str, scheme: str, code: str | None) -> None:
    look_ups: list[Callable[[], Province]] = [
        lambda: by_code(text, scheme),
        lambda: by_slug(text, scheme),
        lambda: by_name(text, scheme),
        lambda: read_province(text, scheme, code),
        lambda: unit_today(text, scheme, SCHEMES[0]),
        lambda: find(text)[0],
        lambda: find(text, scheme)[0],
    ]
    for look_up in look_ups:
        result = answer(look_up)
        if isinstance(result, ProvinceError):
            assert re.fullmatch(r".+", result.message)  # one line
            assert re.fullmatch(r".+", result.hint)
        else:
            assert result in provinces(result.scheme)


def answer(look_up: Callable[[], Province]) -> Province | ProvinceError:
    try:
        return look_up()
    except ProvinceError as error:
        return error


@given(texts, schemes)
def test_only_exact_names_are_taken(text: str, scheme: str) -> None:
    with suppress(ProvinceError):
        province = by_name(text, scheme)
        assert fold(text).replace("-", "") in keys_of(province)


@given(old_units)
def test_there_and_back_leads_home(unit: Province) -> None:
    (heir,) = convert(unit, SCHEMES[1])
    assert unit in convert(heir, SCHEMES[0])
    assert unit_today(unit.slug, unit.scheme, SCHEMES[1]) == heir


@given(units, schemes)
def test_no_territory_is_lost_or_invented(unit: Province, scheme: str) -> None:
    parts = convert(unit, scheme)
    assert {part.scheme for part in parts} == {scheme}
    back = {home for part in parts for home in convert(part, unit.scheme)}
    assert unit in back
    assert {home for part in back for home in convert(part, scheme)} == set(parts)


def _letters(number: int) -> dict[str, str]:
    """What has to stand for each letter in an encoding, found by asking it for every possible pair."""
    signs = [chr(code) for code in range(0xA1, 0x100)]
    pairs = [*signs, *(base + sign for base in "aeiouyAEIOUYôöÔÖ" for sign in signs)]
    letters: dict[str, str] = {}
    for pair in pairs:
        read = possible_readings(pair)[number].reading
        if len(read) == 1:
            letters.setdefault(read, pair)
    return letters


ENCODERS = [_letters(number) for number in range(3)]


@given(units, st.sampled_from(ENCODERS), st.sampled_from([str, str.upper]))
def test_a_name_in_an_old_encoding_is_never_another_province(
    unit: Province, letters: dict[str, str], form: Callable[[str], str]
) -> None:
    name = form(unit.name)
    written = "".join(letters.get(c) or letters.get(c.lower(), c) for c in name)
    result = answer(lambda: by_name(written, unit.scheme))
    assert unit.name.casefold() in (result.hint if isinstance(result, ProvinceError) else result.name).casefold()
