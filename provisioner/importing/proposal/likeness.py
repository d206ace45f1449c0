"""Names that may be one: abbreviations, another order, a letter too many, lost marks. Pure, and bounded in its work.

A name is parted into what kind of place it is (`trung học cơ sở`), numbers and letters that count (`số 2`, `khu A`),
and the words that are its own. Kinds and counts have to be the same: school 1 is never a misspelt school 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from provisioner.base.vietnamese import fold
from provisioner.importing.proposal.identity import without_one

_CACHED = 65_536
_LEAST_FOR_A_TYPO = 6
_MOST_WORDS = 24
_LONGEST = 160

_ABBREVIATIONS = {
    "thcs": "trung-hoc-co-so",
    "ptcs": "trung-hoc-co-so",
    "thpt": "trung-hoc-pho-thong",
    "ptth": "trung-hoc-pho-thong",
    "th": "tieu-hoc",
    "mn": "mam-non",
    "mg": "mau-giao",
    "ptdtnt": "pho-thong-dan-toc-noi-tru",
    "ptdtbt": "pho-thong-dan-toc-ban-tru",
    "gdtx": "giao-duc-thuong-xuyen",
    "gdnn": "giao-duc-nghe-nghiep",
    "ttyt": "trung-tam-y-te",
    "tyt": "tram-y-te",
    "bv": "benh-vien",
    "bvdk": "benh-vien-da-khoa",
    "ktx": "ky-tuc-xa",
    "kcl": "khu-cach-ly",
    "ks": "khach-san",
    "dh": "dai-hoc",
    "cd": "cao-dang",
    "nvh": "nha-van-hoa",
    "tt": "trung-tam",
    "tr": "truong",
    "cs": "co-so",
}
_PHRASES = {
    "cap-1": "tieu-hoc",
    "cap-i": "tieu-hoc",
    "cap-2": "trung-hoc-co-so",
    "cap-ii": "trung-hoc-co-so",
    "cap-3": "trung-hoc-pho-thong",
    "cap-iii": "trung-hoc-pho-thong",
}
_KINDS = frozenset(_ABBREVIATIONS.values()) - {"khu-cach-ly", "truong", "co-so"} | {
    *("trung-cap", "nha-nghi", "trung-doan", "su-doan", "tieu-doan", "cong-ty", "nha-may", "khu-cong-nghiep"),
    *("phong-kham", "trung-tam-giao-duc-thuong-xuyen", "hoc-vien"),
}
_SILENT = frozenset(
    {
        *("khu-cach-ly-tap-trung", "khu-cach-ly", "co-so-cach-ly-tap-trung", "co-so-cach-ly", "diem-cach-ly"),
        *("truong", "so", "va", "thi-tran", "thi-xa", "thanh-pho", "xa", "phuong", "huyen", "quan", "tinh"),
        *("tp", "tx", "p", "q"),
    }
)
"""Words that tell no two places apart."""
_LONGEST_PHRASE = 6
_COUNT = re.compile(r"[0-9]+|[a-xz]|i{2,3}|iv|vi{1,3}|ix|xi{1,3}")
"""A number, a letter that counts (not the y of `y tế`), or a Roman number."""


@dataclass(frozen=True, slots=True)
class PartedName:
    """A name in its parts.

    Attributes:
        kinds: what kind of place it is.
        counts: numbers and letters that count.
        own: the words that are its own, in order.
    """

    kinds: tuple[str, ...]
    counts: tuple[str, ...]
    own: tuple[str, ...]


@lru_cache(maxsize=_CACHED)
def parted(name: str) -> PartedName:
    """A name in its parts."""
    kinds: list[str] = []
    own: list[str] = []
    for phrase in _phrases(fold(name[:_LONGEST]).split("-")[:_MOST_WORDS]):
        if phrase in _KINDS:
            kinds.append(phrase)
        elif phrase not in _SILENT:
            own.append(phrase)
    counts = tuple(sorted(word.lstrip("0") for word in own if _COUNT.fullmatch(word)))
    return PartedName(tuple(sorted(kinds)), counts, tuple(word for word in own if not _COUNT.fullmatch(word)))


def _phrases(words: list[str]) -> Iterator[str]:
    """Words, those of a known phrase together and abbreviations written out."""
    spelt: list[str] = []
    place = 0
    while place < len(words):
        pair = "-".join(words[place : place + 2])
        spelt += _PHRASES.get(pair, _ABBREVIATIONS.get(words[place], words[place])).split("-")
        place += 2 if pair in _PHRASES else 1
    place = 0
    while place < len(spelt):
        phrase = _longest(spelt, place)
        yield phrase
        place += phrase.count("-") + 1


def _longest(words: list[str], place: int) -> str:
    for length in range(min(_LONGEST_PHRASE, len(words) - place), 1, -1):
        phrase = "-".join(words[place : place + length])
        if phrase in _KINDS or phrase in _SILENT:
            return phrase
    return words[place]


def likeness_keys(name: str) -> frozenset[str]:
    """Keys of a name; two names that share one are so alike that they may be one.

    They have the same words in any order and abbreviation, or differ by a letter, or by two that are changed over.
    """
    parts = parted(name)
    fixed = f"{'+'.join(parts.kinds)}|{'+'.join(parts.counts)}|"
    letters = "".join(parts.own)
    typos = without_one(letters) if len(letters) >= _LEAST_FOR_A_TYPO else ()
    return frozenset({f"{fixed}{' '.join(sorted(parts.own))}", f"{fixed}{letters}", *(fixed + typo for typo in typos)})


def holds_the_other(one: PartedName, other: PartedName) -> bool:
    """Tell whether one name is the other one with words added; counts are the same, kinds unless one has none."""
    if one.counts != other.counts or (one.kinds and other.kinds and one.kinds != other.kinds):
        return False
    words, others = set(one.own), set(other.own)
    return bool(words & others) and (words <= others or others <= words)
