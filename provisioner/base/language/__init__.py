"""Texts for people, in English and in Vietnamese.

Documents for programs are in neither and never change. The English sentence is the key (a msgid) and stands in the
code that says it. `vi.po` has the Vietnamese one, reviewed by people. A `Translator` is handed to whatever writes for
people; English costs nothing, no catalogue is read for it.
"""

from __future__ import annotations

from provisioner.base.language.messages import (
    ENGLISH,
    VARIABLE,
    Language,
    Translator,
    UnknownLanguageError,
    language_of,
    marked,
    translator,
)

__all__ = [
    "ENGLISH",
    "VARIABLE",
    "Language",
    "Translator",
    "UnknownLanguageError",
    "language_of",
    "marked",
    "translator",
]
