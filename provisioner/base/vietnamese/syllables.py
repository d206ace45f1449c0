"""The spelling of a Vietnamese syllable: which letters may follow which, and with which tones.

It tells text from text in the wrong encoding: `Bắc` is a syllable, `B¾c` and `Baéc` are not.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_ONSETS = "ngh|ng|nh|gh|gi|kh|ph|qu|th|tr|ch|b|c|d|đ|g|h|k|l|m|n|p|r|s|t|v|x"
_OPEN = (
    "a ai ao au ay âu ây e eo ê êu i ia iêu iu o oa oai oao oay oe oeo oi ô ôi ơ ơi u ua uây uê ui uôi uơ uy uya uyu"
    " ư ưa ưi ưu ươi ươu y yêu"
)
_NASAL = (
    "am ăm âm em êm im iêm om ôm ơm um uôm ươm yêm oam oăm"
    " an ăn ân en ên in iên on ôn ơn un uôn ươn yên oan oăn oen uân uyên uyn"
    " ang ăng âng eng iêng ong ông ung uông ưng ương oang oăng oong uâng"
    " anh ênh inh oanh uênh uynh"
)
_STOPPED = (
    "ap ăp âp ep êp ip iêp op ôp ơp up ươp oap oăp uyp"
    " at ăt ât et êt it iêt ot ôt ơt ut uôt ưt ươt yêt oat oăt oet uât uyêt uyt"
    " ac ăc âc ec iêc oc ôc uc uôc ưc ươc oac oăc ooc"
    " ach êch ich oach uêch uych"
)
_HIGHLAND = "ak ăk âk ek êk ik ok ôk uk"
"""Rimes of names from the Central Highlands (Đắk, Đăk); the tone is written or not."""

_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
_STOPPED_TONES = frozenset("\u0301\u0323")
_HATTED = frozenset("ăâêôơư")
_EITHER = frozenset({"oa", "oe", "uy"})
"""Rimes whose tone people write on either letter: hòa and hoà."""

_FRONT = tuple("eêiy")


def _any_of(rimes: str) -> str:
    return "|".join(sorted(rimes.split(), key=len, reverse=True))


_SYLLABLE = re.compile(f"({_ONSETS})?({_any_of(f'{_OPEN} {_NASAL} {_STOPPED} {_HIGHLAND}')})")


class Syllable(NamedTuple):
    """A syllable's beginning (may be empty) and its rime, without the tone."""

    onset: str
    rime: str


def syllable(word: str) -> Syllable | None:
    """Read a word as one Vietnamese syllable; None if its letters, its tone or its capitals make that impossible."""
    composed = unicodedata.normalize("NFC", word)
    if not (composed.islower() or composed.isupper() or composed.istitle()):
        return None
    lowered = composed.casefold()
    letters = ["".join(c for c in unicodedata.normalize("NFD", letter) if c not in _TONES) for letter in lowered]
    match = _SYLLABLE.fullmatch(unicodedata.normalize("NFC", "".join(letters)))
    if match is None:
        return None
    read = Syllable(match[1] or "", match[2])
    toned = [(index, _tone(letter)) for index, letter in enumerate(lowered) if _tone(letter)]
    return read if _fits(read) and _tone_fits(read, toned) else None


def _tone(letter: str) -> str:
    return next((c for c in unicodedata.normalize("NFD", letter) if c in _TONES), "")


def _fits(read: Syllable) -> bool:
    """Hold the beginning against the vowel behind it: gh, ngh stand before e, ê, i, y, and c, g, ng do not.

    k should as well, but names like Bắc Kạn and Kon Tum do not know that.
    """
    if read.onset in {"gh", "ngh"}:
        return read.rime.startswith(_FRONT)
    if read.onset in {"c", "ng"}:
        return not read.rime.startswith(_FRONT)
    if read.onset == "g":
        return not read.rime.startswith(_FRONT) or read.rime.startswith("i")  # gì, gìn
    return read.onset != "qu" or not read.rime.startswith(("o", "u", "ư"))


def _tone_fits(read: Syllable, toned: list[tuple[int, str]]) -> bool:
    """Hold the tone against the rime: at most one, on the letter where it is written, and short before a stop."""
    if not toned:
        return read.rime not in _STOPPED_RIMES
    (index, tone), *more = toned
    if more or (read.rime in _STOPPED_RIMES and tone not in _STOPPED_TONES):
        return False
    return index - len(read.onset) in _places(read.rime)


def _places(rime: str) -> set[int]:
    """The letters of a rime that may carry its tone."""
    vowels = rime.rstrip("cghkmnpt")
    hatted = [index for index, letter in enumerate(vowels) if letter in _HATTED]
    if hatted:
        return {hatted[-1]}
    if rime in _EITHER:
        return {0, 1}
    if vowels != rime:
        return {len(vowels) - 1}
    return {1 if len(rime) == _TRIPLE else 0}


_TRIPLE = 3
_STOPPED_RIMES = frozenset(_STOPPED.split())
