"""Texts for people, in English and in Vietnamese: catalogues, placeholders, translators.

Documents for programs have no language and never change. The English sentence is the msgid and stands in the code.
`vi.po` holds the Vietnamese translation, reviewed by people. Code that writes for people receives a `Translator`;
English reads no catalogue.

The language comes from the option, PROVISIONER_LANGUAGE, or is English. `LANG` and `LC_ALL` do not count: they belong
to the machine, nightly runs have none, and setting them would break scripts that read text.

A problem, cause or reason is a `base.text.Sentence` with its msgid and values. Documents, saved plans and the history
hold only the English text. `Restatement` finds the msgid of such a text again, and translates values that are sentences
too. The reading with the fewest unexplained words wins. Names, paths and devices' words stay as they are.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path

from provisioner.base.errors import UsageError, raised_as
from provisioner.base.text import Sentence, filled, literals_of, places_of, plural_of

VARIABLE = "PROVISIONER_LANGUAGE"
_LONGEST = 2_000  #: Longer texts are no sentences.
_DEEPEST = 6
_MOST_READINGS = 500  #: Limit of texts read for one, its parts included.
_MOST_JOINTS = 40
_JOINTS = ("\n", "; ", ": ", ", ")  #: Separators between sentences, strongest first.
_MOST_CUTS = 6  #: Limit of cuts tried at one kind of separator.
#: Words of English sentences that no name has.
_FUNCTION_WORDS = frozenset(
    {"an", "the", "of", "such", "is", "are", "was", "were", "be", "been", "has", "have", "had", "that", "which", "its"}
    | {"it", "this", "these", "they", "them", "there", "then", "and", "or", "not", "no", "nobody", "nothing"}
    | {"for", "as", "with", "to", "from", "by", "at", "on", "in", "until", "since", "while", "when", "where", "what"}
    | {"who", "whether", "only", "everybody"}
)
_WEAK = 8  #: A sentence with fewer fixed letters fits by chance: all of its values must be explained.
_VERBS = ("is", "are", "was", "were")
_VERB = "{are}"  #: A verb that depends on a number, replaced by one of `_VERBS`.
_ASIDE = re.compile(r"([^(]+) \((.+)\)", re.DOTALL)
_AROUND_WORDS = ".,:;!?()'\"…"
_WHOLE_WORDS = re.compile(r"(?:^|(?<=\s))[^\s{}]+(?=\s|$)")


class Language(StrEnum):
    """A language of notices: English for engineers, Vietnamese for provinces."""

    EN = "en"
    VI = "vi"


class UnknownLanguageError(UsageError):
    """No catalogue has the language."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Translations of the English sentences."""

    sentences: Mapping[str, str]  #: By msgid, or by its singular.
    plurals: Mapping[str, str]  #: The singular of each plural msgid.
    words: Mapping[tuple[str, str], str]  #: By enum name and value; never matched inside a sentence.


@dataclass(frozen=True, order=True)
class _Reading:
    unexplained: int  #: Number of words outside known sentences.
    loose: int  #: Amount of text not fixed by a sentence, to compare readings.
    text: str
    english: bool = False  #: Whether a part of it stays English.


@dataclass(frozen=True)
class _Form:
    """A sentence with placeholders, and its translation."""

    msgid: str
    text: str

    @cached_property
    def literals(self) -> tuple[str, ...]:
        return tuple(part for part in literals_of(self.msgid) if part)

    @cached_property
    def fixed(self) -> int:
        return sum(len(part.replace(" ", "")) for part in self.literals)

    @property
    def key(self) -> str:
        """Its longest whole word, or empty."""
        return max(_WHOLE_WORDS.findall(self.msgid), key=len, default="")


class Restatement:
    """One catalogue's sentences, indexed by a word of each."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._remembered = lru_cache(maxsize=20_000)(self._read)

    def of(self, text: str) -> str:
        """Translate a text as far as the catalogue knows its sentences."""
        return self._remembered(text).text

    def unexplained(self, text: str) -> int:
        """Return how many words of a text are in no sentence."""
        return self._remembered(text).unexplained

    def _read(self, text: str) -> _Reading:
        return _Reader(self).reading(text, 0) if len(text) <= _LONGEST else self.unknown(text)

    def unknown(self, text: str) -> _Reading:
        """Return a text unchanged; words with digits or signs count as explained."""
        words = list(map(_bare, text.split()))
        return _Reading(sum(map(str.isalpha, words)), len(text), text, english=self.has_english(words))

    def has_english(self, words: Iterable[str]) -> bool:
        """Return whether words are of an English sentence, and of no name."""
        letters = [word.lower() for word in words if word.isalpha() or word.endswith("'s")]
        return not _FUNCTION_WORDS.isdisjoint(letters) or (bool(letters) and self._english.issuperset(letters))

    @cached_property
    def _english(self) -> frozenset[str]:
        """Words that translations replace more often than they keep."""
        kept: dict[str, int] = defaultdict(int)
        for msgid, text in self._catalogue.sentences.items():
            others = _words_of(text)
            for word in _words_of(msgid):
                kept[word] += 1 if word in others else -1
        return frozenset(word for word, times in kept.items() if times < 0)

    @cached_property
    def sentences(self) -> Mapping[str, str]:
        """Sentences, and enum values of several words (no id has spaces)."""
        words = {text: translation for (_, text), translation in self._catalogue.words.items() if " " in text}
        return words | dict(self._catalogue.sentences)

    @cached_property
    def forms(self) -> Mapping[str, Sequence[_Form]]:
        """Sentences with placeholders, by their longest word."""
        forms: dict[str, list[_Form]] = defaultdict(list)
        many = {plural: self.sentences[singular] for plural, singular in self._catalogue.plurals.items()}
        for msgid, text in chain(self.sentences.items(), many.items()):
            for variant in (msgid.replace(_VERB, verb) for verb in (_VERBS if _VERB in msgid else ("",))):
                if places_of(variant):
                    form = _Form(variant, text)
                    forms[form.key].append(form)
        return forms


class _Reader:
    """Reads one text with its parts, within a limit."""

    def __init__(self, known: Restatement) -> None:
        self._known = known
        self._cached: dict[tuple[str, int], _Reading] = {}

    def reading(self, text: str, depth: int) -> _Reading:
        core = text.strip(" ")
        # A single word may be an id or a key of a file.
        if " " not in core:
            return _Reading(0, len(core), text)
        best = self._cached.get((core, depth)) or self._best_reading(core, depth)
        return best if core == text else replace(best, text=text.replace(core, best.text, 1))

    def _best_reading(self, text: str, depth: int) -> _Reading:
        if text in self._known.sentences:
            return _Reading(0, 0, self._known.sentences[text])
        if depth > _DEEPEST or len(self._cached) >= _MOST_READINGS:
            return self._known.unknown(text)
        self._cached[text, depth] = self._known.unknown(text)  # until it is known better
        best = min(
            chain(self._readings_by_form(text, depth), self._others(text, depth)), default=self._known.unknown(text)
        )
        self._cached[text, depth] = best
        return best

    def _others(self, text: str, depth: int) -> Iterator[_Reading]:
        yield from self._readings_of_halves(text, depth)
        yield from self._readings_of_aside(text, depth)
        yield from self._readings_after_id(text, depth)

    def _readings_by_form(self, text: str, depth: int) -> Iterator[_Reading]:
        for word in sorted({"", *text.split()}):
            for form in self._known.forms.get(word, ()):
                if not all(part in text for part in form.literals):
                    continue
                for values in values_in(text, form.msgid):
                    if not values.get("n", "0").isdecimal():
                        continue  # the place of a number
                    inside = {name: self.reading(value, depth + 1) for name, value in values.items()}
                    unexplained = sum(reading.unexplained for reading in inside.values())
                    if self._is_whole(form, inside):
                        translation = filled(form.text, {name: reading.text for name, reading in inside.items()})
                        yield _Reading(unexplained, len(text) - form.fixed, translation)

    def _readings_of_halves(self, text: str, depth: int) -> Iterator[_Reading]:
        """Yield the readings of a text as two joined sentences."""
        for joint in _JOINTS:
            parts = text.split(joint)
            if len(parts) > _MOST_JOINTS:
                continue
            for cut in range(1, min(len(parts), _MOST_CUTS)):
                first = self.reading(joint.join(parts[:cut]), depth + 1)
                rest = self.reading(joint.join(parts[cut:]), depth)
                unexplained, loose = first.unexplained + rest.unexplained, first.loose + rest.loose + len(joint)
                translation = f"{first.text}{joint}{rest.text}"
                if not (first.english or rest.english) and (joint == ", " or translation != text):
                    yield _Reading(unexplained, loose, translation)

    def _is_whole(self, form: _Form, inside: Mapping[str, _Reading]) -> bool:
        """Return whether a sentence and its values are of one language."""
        words = [one.text for one in inside.values()]
        if any(word in _FUNCTION_WORDS or word.endswith("'s") for word in words):
            return False
        if form.fixed >= _WEAK:
            # After a colon stands what another program said.
            return not any(one.english for name, one in inside.items() if f": {{{name}}}" not in form.msgid)
        if any(one.unexplained for one in inside.values()):
            return False
        return _FUNCTION_WORDS.isdisjoint(_words_of(form.msgid)) or not (
            any(self._known.has_english([word]) for word in words)
            or (len(words) > 1 and any(word.isascii() and word.isalpha() and word.islower() for word in words))
        )

    def _readings_of_aside(self, text: str, depth: int) -> Iterator[_Reading]:
        if match := _ASIDE.fullmatch(text):
            first, second = (self.reading(part, depth + 1) for part in match.groups())
            unexplained, loose = first.unexplained + second.unexplained, first.loose + second.loose
            if not (first.english or second.english):
                yield _Reading(unexplained, loose, f"{first.text} ({second.text})")

    def _readings_after_id(self, text: str, depth: int) -> Iterator[_Reading]:
        subject, _, rest = text.partition(" ")
        if not subject.isalpha() and subject[-1:] not in ",;:" and depth < _DEEPEST:
            reading = self.reading(rest, depth + 1)
            if not reading.unexplained and reading.text != rest:
                yield _Reading(0, len(text), f"{subject} {reading.text}")


class Translator:
    """One language; a missing translation falls back to English.

    Calls pass the English sentence as a literal: a test collects the msgids from them.
    """

    language = Language.EN

    def __call__(self, msgid: str, /, **values: object) -> str:
        """Return a sentence with its placeholders filled in."""
        return filled(msgid, values)

    def plural(self, one: str, many: str, number: int, /, **values: object) -> str:
        """Return a sentence about `{n}`: `one` for 1, else `many`."""
        return filled(one if number == 1 else many, values | {"n": number})

    def counted(self, number: int, noun: str) -> str:
        """Return a number with its noun, e.g. `3 paths`."""
        return self.plural(f"{{n}} {noun}", f"{{n}} {plural_of(noun)}", number)

    def word(self, value: StrEnum | None, english: str = "") -> str:
        """Return an enum value in people's words."""
        return english or str(value or "")

    def restated(self, text: str) -> str:
        """Translate a finished English sentence of another layer or a record.

        Unknown parts (names, paths, device texts) stay as they are.
        """
        return text


class _Catalogued(Translator):
    """A language with a catalogue."""

    def __init__(self, language: Language, catalogue: Catalogue) -> None:
        self.language = language
        self._catalogue = catalogue
        self._restatement = Restatement(catalogue)

    def __call__(self, msgid: str, /, **values: object) -> str:
        return filled(self._catalogue.sentences.get(msgid, msgid), values)

    def plural(self, one: str, many: str, number: int, /, **values: object) -> str:
        return filled(self._catalogue.sentences.get(one, one if number == 1 else many), values | {"n": number})

    def word(self, value: StrEnum | None, english: str = "") -> str:
        return self._catalogue.words.get((type(value).__name__, value or ""), english or str(value or ""))

    def restated(self, text: str) -> str:
        if isinstance(text, Sentence) and (translation := self._catalogue.sentences.get(text.msgid)):
            return filled(translation, {name: self._value(value) for name, value in text.values.items()})
        return self._restatement.of(text)

    def _value(self, value: object) -> str:
        return self.restated(value if isinstance(value, str) else str(value))


ENGLISH = Translator()


def language_of(option: str | None, environment: Mapping[str, str]) -> Language:
    """Return the option's or environment's language, or raise `UnknownLanguageError`."""
    named, where = (option, "--language") if option else (environment.get(VARIABLE, ""), VARIABLE)
    if not named:
        return Language.EN
    message = f"{where} is {named[:40]!r}: no language of this program"
    with raised_as(UnknownLanguageError(message, hint=f"write {' or '.join(Language)}"), ValueError):
        return Language(named.lower())


def catalogue_file(language: Language) -> Path:
    """Return the `.po` file that people edit."""
    return Path(__file__).with_name(f"{language.value}.po")


@lru_cache(maxsize=len(Language))
def catalogue_of(language: Language) -> Catalogue:
    """Read a language's catalogue, with one plural form as in Vietnamese."""
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


def values_in(text: str, sentence: str) -> Iterator[dict[str, str]]:
    """Yield the placeholders' values if `text` is that sentence.

    There are at most two readings: all values but the last as short as possible, or all but the first. Of adjacent
    placeholders the first takes all. Each reading takes linear time.
    """
    names, literals = places_of(sentence), literals_of(sentence)
    first = _values_between(text, literals)
    if first is None:
        return
    yield from _values_by_name(names, first)
    backwards = _values_between(text[::-1], [literal[::-1] for literal in literals[::-1]])
    if backwards and "" not in literals[1:-1]:
        last = tuple(value[::-1] for value in backwards[::-1])
        if last != first:
            yield from _values_by_name(names, last)


def _values_between(text: str, literals: Sequence[str]) -> tuple[str, ...] | None:
    """Return the values between literals, each as short as possible."""
    first, *others = literals
    if not others:
        return () if text == first else None
    last = others.pop()
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return None
    rest = text[len(first) : len(text) - len(last)]
    values: list[str] = []
    empty = 0
    for literal in others:
        if not literal:
            empty += 1
            continue
        value, separator, rest = rest.partition(literal)
        if not separator:
            return None
        values += [value, *[""] * empty]
        empty = 0
    return (*values, rest, *[""] * empty)


def _values_by_name(names: Sequence[str], values: Sequence[str]) -> Iterator[dict[str, str]]:
    agreed: dict[str, str] = {}
    for name, value in zip(names, values, strict=True):
        if agreed.setdefault(name, value) != value:
            return
    yield agreed


def _words_of(sentence: str) -> set[str]:
    return {word for part in literals_of(sentence) for word in map(_bare, part.split()) if word.isalpha()}


def _bare(word: str) -> str:
    return word.strip(_AROUND_WORDS)


def marked(msgid: str) -> str:
    """Mark a sentence for the catalogue, away from its translation call."""
    return msgid


@lru_cache(maxsize=len(Language))
def translator(language: Language) -> Translator:
    """Return a language's translator; the catalogue is read once."""
    return ENGLISH if language is Language.EN else _Catalogued(language, catalogue_of(language))
