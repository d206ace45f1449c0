"""Says sentences in one language; English by itself, any other out of its catalogue."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

from provisioner.base.counted import plural_of
from provisioner.base.language.catalogue import Catalogue, catalogue_of
from provisioner.base.language.choice import Language
from provisioner.base.language.placeholder import filled
from provisioner.base.language.restatement import Restatement


class Translator:
    """One language. What it has no translation of is said in English: a sentence is never lost.

    Calls hold the English sentence itself, as a literal: a test reads the catalogue's msgids out of them.
    """

    language = Language.EN

    def __call__(self, msgid: str, /, **values: object) -> str:
        """A sentence with its places filled in."""
        return filled(msgid, values)

    def plural(self, one: str, many: str, number: int, /, **values: object) -> str:
        """A sentence about a number, which fills the place `{n}`: `one` of 1, `many` of any other."""
        return filled(one if number == 1 else many, values | {"n": number})

    def counted(self, number: int, noun: str) -> str:
        """A number with its noun, e.g. `3 paths`."""
        return self.plural(f"{{n}} {noun}", f"{{n}} {plural_of(noun)}", number)

    def word(self, value: StrEnum, english: str = "") -> str:
        """A value of a list, as people call it; in English `english`, or as the value is written."""
        return english or value.value

    def restated(self, text: str) -> str:
        """A finished English sentence of another layer, or of a record, in this language.

        What of it is in no catalogue (names, paths, what a device said) stays as it is.
        """
        return text


class _Catalogued(Translator):
    """A language that has a catalogue."""

    def __init__(self, language: Language, catalogue: Catalogue) -> None:
        self.language = language
        self._catalogue = catalogue
        self._restatement = Restatement(catalogue)

    def __call__(self, msgid: str, /, **values: object) -> str:
        return filled(self._catalogue.sentences.get(msgid, msgid), values)

    def plural(self, one: str, many: str, number: int, /, **values: object) -> str:
        text = self._catalogue.sentences.get(one, one if number == 1 else many)
        return filled(text, values | {"n": number})

    def word(self, value: StrEnum, english: str = "") -> str:
        return self._catalogue.words.get((type(value).__name__, value.value), english or value.value)

    def restated(self, text: str) -> str:
        return self._restatement.of(text)


def marked(msgid: str) -> str:
    """A sentence that stands apart from where it is said, finished or not: it marks it for the catalogue."""
    return msgid


ENGLISH = Translator()


@lru_cache(maxsize=len(Language))
def translator(language: Language) -> Translator:
    """Whoever speaks a language; the catalogue is read once."""
    return ENGLISH if language is Language.EN else _Catalogued(language, catalogue_of(language))
