"""The reader of phone numbers as provinces write them.

The library for phone numbers is lenient: it drops letters without a word, takes `9.04E+08` for a number,
and joins what it should not. So the form is judged here before a number is made of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from provisioner.base.secret import Secret
from provisioner.contacts.field import FieldProblem, FieldReading, refused, visible, warning

_REGION = "VN"
_COUNTRY = 84
_MOST_CHARACTERS = 80
_MOST_DIGITS = 15
"""E.164's limit, country code included."""

_LEAST_DIGITS = 8

_SCIENTIFIC = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+")
_DECIMAL_ZERO = re.compile(r"([0-9]{9,})[.,]0")
_BETWEEN_NUMBERS = re.compile(r"[/;|&\n\r]|\b(?:và|hoặc|hay|or|and)\b", re.IGNORECASE)
_GROUPS = re.compile(r"[,\u2010-\u2015-]| {2,}")
_EXTENSION = re.compile(
    r"(?:máy\s*lẻ|máy\s*nhánh|số\s*lẻ|số\s*nhánh|nhánh|lẻ|extension|ext|x|#)[\s.:]*[0-9]{1,6}\s*\)?\s*$", re.IGNORECASE
)
_LETTER_O = re.compile(r"(?<=[0-9 .+])[oOоО]+|[oOоО]+(?=[0-9])")  # noqa: RUF001 (the Cyrillic one looks the same)
_FORM = re.compile(r"[0-9+(). \u2010-\u2015,-]+")

_NEW_PREFIXES = (
    {"120": "70", "121": "79", "122": "77", "126": "76", "128": "78"}  # MobiFone
    | {"123": "83", "124": "84", "125": "85", "127": "81", "129": "82"}  # VinaPhone
    | {f"16{last}": f"3{last}" for last in range(2, 10)}  # Viettel
    | {"186": "56", "188": "58", "199": "59"}  # Vietnamobile, Gmobile
)
"""Mobile prefixes of 11-digit numbers and what they became in 2018 (the ministry's numbering plan)."""

_OLD_MOBILE = re.compile(rf"(?:\+?84|0084|0)?({'|'.join(_NEW_PREFIXES)})([0-9]{{7}})")
_PERSONAL = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_SERVICES = frozenset({PhoneNumberType.TOLL_FREE, PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST})


def read_phone(value: object) -> FieldReading:
    """Read one phone number. Never raises.

    Args:
        value: a text, or the number that a spreadsheet made of one (its leading zero is put back).

    Returns:
        The number in E.164 (`+84300000001`), with warnings; or the one error that stands against it.
    """
    text = _as_text(value)
    if text is None:
        return refused("phone-not-text")
    if not any(c.isalnum() for c in text):
        return refused("phone-empty")
    if len(text) > _MOST_CHARACTERS:
        return refused("phone-long")
    wrong = _wrong_form(text)
    if wrong:
        return wrong
    number = _valid(text)
    if number is None:
        return _impossible(text)
    return FieldReading(Secret(_e164(number)), tuple(_warnings(number)))


def _as_text(value: object) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 <= value < 10**20 else None
    if not isinstance(value, str):
        return "" if value is None else None
    # Line breaks part two numbers in a cell; tabs and the like part nothing.
    text = visible(unicodedata.normalize("NFKC", value)).replace("\t", " ")
    decimal = _DECIMAL_ZERO.fullmatch(text)
    return decimal[1] if decimal else text


def _wrong_form(text: str) -> FieldReading | None:
    """The error of a text that is not one number alone; the order is from the most telling one on."""
    if _SCIENTIFIC.fullmatch(text):
        return refused("phone-scientific")
    if _is_several(text):
        return refused("phone-several")
    if extension := _EXTENSION.search(text):
        return refused("phone-extension", _suggestion(text[: extension.start()].rstrip(" (,-")))
    return None if _FORM.fullmatch(text) else _wrong_characters(text)


def _wrong_characters(text: str) -> FieldReading:
    with_zeros = _LETTER_O.sub(_zeros, text)
    if _FORM.fullmatch(with_zeros):
        return refused("phone-letter-o", _suggestion(with_zeros))
    bare = "".join(c for c in text if c in "0123456789+")
    return refused("phone-letters" if any(c.isalpha() for c in text) else "phone-signs", _suggestion(bare))


def _zeros(letters: re.Match[str]) -> str:
    return "0" * len(letters[0])


def _is_several(text: str) -> bool:
    """Tell whether a cell holds two numbers; `0204 3854 12/3` is two as well, and joined it would be a third."""
    if sum(any(c.isdigit() for c in part) for part in _BETWEEN_NUMBERS.split(text)) > 1 or text.count("+") > 1:
        return True
    groups = [part for part in _GROUPS.split(text) if any(c.isdigit() for c in part)]
    return len(groups) > 1 and any(_FORM.fullmatch(part) and _valid(part) is not None for part in groups)


def _valid(text: str) -> PhoneNumber | None:
    try:
        number = phonenumbers.parse(text.replace(",", " "), _REGION)  # it stops reading at a comma
    except NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) and not number.extension else None


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _suggestion(text: str) -> str | None:
    number = _valid(text) if _FORM.fullmatch(text) else None
    return _e164(number) if number else None


def _impossible(text: str) -> FieldReading:
    digits = re.sub(r"[^0-9+]", "", text)
    if old := _OLD_MOBILE.fullmatch(digits):
        return refused("phone-old-mobile", _suggestion("0" + _NEW_PREFIXES[old[1]] + old[2]))
    count = sum(c.isdigit() for c in digits)
    if count > _MOST_DIGITS:
        return refused("phone-several" if count > _MOST_DIGITS + 1 else "phone-long")
    return refused("phone-short" if count < _LEAST_DIGITS else "phone-invalid")


def _warnings(number: PhoneNumber) -> Iterator[FieldProblem]:
    if number.country_code != _COUNTRY:
        yield warning("phone-foreign")
    kind = phonenumbers.number_type(number)
    if kind in _SERVICES:
        yield warning("phone-service")
    elif kind not in _PERSONAL:
        yield warning("phone-unlisted")
