"""`vi.po` as it is read: the only module that knows polib, which is imported when Vietnamese is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from provisioner.base.language.choice import Language


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What stands for each English sentence.

    Attributes:
        sentences: by msgid; by the singular where it has a plural.
        plurals: the singular of each msgid that is a plural.
        words: by the name of a list of values and the value; these are never taken for a word in a sentence.
    """

    sentences: Mapping[str, str]
    plurals: Mapping[str, str]
    words: Mapping[tuple[str, str], str]


def catalogue_file(language: Language) -> Path:
    """The file that people edit."""
    return Path(__file__).with_name(f"{language.value}.po")


@lru_cache(maxsize=len(Language))
def catalogue_of(language: Language) -> Catalogue:
    """The catalogue of a language that has one. Its plurals are one form: Vietnamese nouns do not change."""
    from polib import pofile  # noqa: PLC0415 (English does not pay for it)

    sentences: dict[str, str] = {}
    plurals: dict[str, str] = {}
    words: dict[tuple[str, str], str] = {}
    for entry in pofile(str(catalogue_file(language)), encoding="utf-8"):
        text = entry.msgstr_plural[0] if entry.msgid_plural else entry.msgstr
        if entry.obsolete or not text:
            continue
        if entry.msgctxt:
            words[entry.msgctxt, entry.msgid] = text
            continue
        sentences[entry.msgid] = text
        if entry.msgid_plural:
            plurals[entry.msgid_plural] = entry.msgid
    return Catalogue(sentences, plurals, words)
