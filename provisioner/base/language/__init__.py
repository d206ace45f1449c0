"""Texts for people, in English and in Vietnamese.

Documents for programs have no language and never change. The English sentence is the msgid and stands in the code.
`vi.po` holds the Vietnamese translation, reviewed by people. Code that writes for people receives a `Translator`;
English reads no catalogue.
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
