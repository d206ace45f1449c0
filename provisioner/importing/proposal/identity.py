"""A site's identity (province, district, ward, street, name), and comparison. Pure.

Texts agree if only case, composition, spaces, signs and the place of the tone (`Hoà`, `Hòa`) differ; in places also the
spelling or absence of the unit's type (`Phường`, `P.`). The result is open if a part or its marks may be missing, or
one letter differs.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from provisioner.base.vietnamese import clean, fold
from provisioner.inventory.geography import SCHEMES

_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
_LETTERS = str.maketrans({"ð": "đ", "ɖ": "đ"})
_CACHED = 65_536
_LEAST_FOR_A_TYPO = 5

#: The types of districts and wards, by every spelling.
_TYPES = {
    **dict.fromkeys(("quan", "q"), "quan"),
    **dict.fromkeys(("huyen", "h"), "huyen"),
    **dict.fromkeys(("thi-xa", "tx", "t-x"), "thi-xa"),
    **dict.fromkeys(("thanh-pho", "tp", "t-p"), "thanh-pho"),
    **dict.fromkeys(("phuong", "p", "f"), "phuong"),
    **dict.fromkeys(("thi-tran", "tt", "t-t"), "thi-tran"),
    **dict.fromkeys(("xa", "x"), "xa"),
    "dac-khu": "dac-khu",
}
_TYPE = re.compile(rf"({'|'.join(sorted(_TYPES, key=len, reverse=True))})-(.+)|([qpf])0*([0-9]+)")
_STREET_WORDS = frozenset({"so", "nha", "duong", "pho", "d"})
_SHORT = re.compile(r"(?<![^\W_])(kp|tdp|ql|tl)[\s.]*(?=[0-9])", re.IGNORECASE)
#: Words before a number in an address, by abbreviation.
_WRITTEN_OUT = {"kp": "khu phố", "tdp": "tổ dân phố", "ql": "quốc lộ", "tl": "tỉnh lộ"}
_WORD = re.compile(r"[^\W_]+")


class Sameness(IntEnum):
    """The relation of two texts."""

    SAME = 0
    OPEN = 1  #: Uncertain: a person must decide.
    OTHER = 2


class Part(NamedTuple):
    """A comparable part of an identity."""

    key: str
    marked: str  #: With marks, tones at the end of each word; empty for a text without marks.
    type: str = ""  #: The unit's type, or empty.


@dataclass(frozen=True, slots=True)
class Identity:
    """A site's place and name."""

    province: str  #: Today's slug.
    name: Part
    district: Part | None  #: Often `None`, as districts ended on 2025-07-01.
    ward: Part | None
    street: Part | None
    scheme: str  #: The list of provinces of district and ward.
    shown: tuple[str, str]  #: Name and address as written.

    @property
    def is_bare(self) -> bool:
        """Return whether only the name identifies the site."""
        return self.district is None and self.ward is None and self.street is None

    @property
    def key(self) -> tuple[str, ...]:
        """The common key of sites that agree in all parts."""
        return (self.name.key, *(part.key if part else "" for part in (self.district, self.ward, self.street)))


def identity_of(
    province: str, name: str, *, district: str | None, ward: str | None, street: str | None, scheme: str
) -> Identity:
    """Return the identity of texts."""
    address = ", ".join(filter(None, (street, ward, district)))
    return Identity(
        province,
        name_part(name),
        unit_part(district) if district else None,
        unit_part(ward) if ward else None,
        street_part(street) if street else None,
        scheme,
        (name, address),
    )


@lru_cache(maxsize=_CACHED)
def name_part(text: str) -> Part:
    """Return a comparable name."""
    return Part(fold(text), _marked(text))


@lru_cache(maxsize=_CACHED)
def unit_part(text: str) -> Part:
    """Return a comparable district or ward: type apart, no leading zeros."""
    words, marked = _folded_and_marked_words(text)
    key = "-".join(words)
    match = _TYPE.fullmatch(key)
    if match is None:
        return Part(key, "".join(marked))
    kind, rest_words = (match[1], match[2]) if match[1] else (match[3], match[4])
    return Part(rest_words, "".join(marked[len(words) - rest_words.count("-") - 1 :]), _TYPES[kind])


@lru_cache(maxsize=_CACHED)
def street_part(text: str) -> Part:
    """Return a comparable number and street: sorted words without fillers."""
    # Numbers keep their order: 12/3 is not 3/12.
    words, marked = _folded_and_marked_words(_SHORT.sub(lambda match: _written_out(match[1], text), text))
    pairs = sorted(zip(words, marked or words, strict=True), key=_words_first)
    significant = [pair for pair in pairs if pair[0] not in _STREET_WORDS] or pairs
    return Part("-".join(word for word, _ in significant), "".join(word for _, word in significant) if marked else "")


def _written_out(short: str, text: str) -> str:
    """Expand an abbreviation, with marks only if the text has some."""
    written = _WRITTEN_OUT[short.lower()]
    return f"{fold(written).replace('-', ' ') if text.isascii() else written} "


def _words_first(pair: tuple[str, str]) -> tuple[bool, str, str]:
    """Sort key: words first; those with a digit keep their order."""
    word, marked = pair
    return (True, "", "") if any(map(str.isdecimal, word)) else (False, word, marked)


def _folded_and_marked_words(text: str) -> tuple[list[str], list[str]]:
    words = [word.lstrip("0") or "0" if word.isdecimal() else word for word in fold(text).split("-")]
    composed = _composed(text)
    marked = [] if composed.isascii() else [_tones_last(word.lstrip("0") or "0") for word in _WORD.findall(composed)]
    return words, marked if len(marked) == len(words) else []


def _marked(text: str) -> str:
    """Return letters with marks, each word's tone last; "" without marks."""
    composed = _composed(text)
    return "" if composed.isascii() else "".join(map(_tones_last, _WORD.findall(composed)))


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", clean(text)).casefold().translate(_LETTERS)


@lru_cache(maxsize=_CACHED)
def _tones_last(word: str) -> str:
    decomposed = unicodedata.normalize("NFD", word)
    tones = "".join(sorted(c for c in decomposed if c in _TONES))
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if c not in _TONES)) + tones


# --- how far two are the same ----------------------------------------------------------------------------
def names_agree(first: Part, second: Part) -> Sameness:
    """Compare two names; different or lost marks leave the result open."""
    if first.key != second.key:
        return Sameness.OTHER
    return Sameness.SAME if first.marked == second.marked else Sameness.OPEN


def places_agree(first: Identity, second: Identity) -> tuple[Sameness, Sameness, Sameness]:
    """Compare district, ward and street of two sites."""
    eras = first.scheme != second.scheme
    district = _units_agree(first.district, second.district, eras=eras)
    ward = _units_agree(first.ward, second.ward, eras=eras)
    without_districts = SCHEMES[-1] in (first.scheme, second.scheme)
    if (
        without_districts
        and ward is Sameness.SAME
        and first.ward
        and (first.district is None or second.district is None)
    ):
        district = Sameness.SAME
    return district, ward, _streets_agree(first.street, second.street)


def units_agree(text: str | None, part: Part | None, *, eras: bool) -> Sameness:
    """Compare districts or wards, perhaps of different lists of provinces (`eras`)."""
    return _units_agree(unit_part(text) if text else None, part, eras=eras)


def _units_agree(first: Part | None, second: Part | None, *, eras: bool) -> Sameness:
    if first is None or second is None:
        return Sameness.SAME if first is second else Sameness.OPEN
    if first.key != second.key:
        # Wards were merged and renamed with the provinces, so their names cannot be compared between the two lists.
        return Sameness.OPEN if eras or is_typo(first.key, second.key) else Sameness.OTHER
    if first.type and second.type and first.type != second.type:
        return Sameness.OPEN  # there are a town and a district of one name, and districts become towns
    return _marks_agree(first, second)


def _streets_agree(first: Part | None, second: Part | None) -> Sameness:
    if first is None or second is None:
        return Sameness.SAME if first is second else Sameness.OPEN
    if first.key == second.key:
        return _marks_agree(first, second)
    first_words, second_words = set(first.key.split("-")), set(second.key.split("-"))
    within = first_words <= second_words or second_words <= first_words
    return Sameness.OPEN if within or is_typo(first.key, second.key) else Sameness.OTHER


def _marks_agree(first: Part, second: Part) -> Sameness:
    lost = not first.marked or not second.marked
    return Sameness.SAME if lost or first.marked == second.marked else Sameness.OPEN


def is_typo(first: str, second: str) -> bool:
    """Return whether keys differ by a letter or swapped letters, not digits."""
    if min(len(first), len(second)) < _LEAST_FOR_A_TYPO or abs(len(first) - len(second)) > 1:
        return False
    if [c for c in first if c.isdecimal()] != [c for c in second if c.isdecimal()]:
        return False
    return not set(without_one(first)).isdisjoint(without_one(second))


def without_one(text: str) -> Iterator[str]:
    """Yield a text, then the text without each of its letters."""
    # Texts one typing error apart share a result.
    yield text
    for place in range(len(text)):
        yield text[:place] + text[place + 1 :]
