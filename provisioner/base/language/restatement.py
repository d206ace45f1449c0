"""Finished English sentences, said again in another language. Pure.

A problem, a cause, a reason of a change is one English sentence where it arises, with its values in it; so it stands in
documents, in saved plans and in the history. What is shown of it is matched with the sentence that it was made of, and
its values are restated where they are sentences themselves. Of several readings that one counts which leaves the
fewest words unexplained. A name, a path, a word of a device is in no catalogue, and stays as it is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain

from provisioner.base.language.catalogue import Catalogue
from provisioner.base.language.placeholder import filled, literals_of, places_of, values_in

_LONGEST = 2_000
"""A text that is longer is no sentence."""
_DEEPEST = 6
_MOST_READINGS = 500
"""So many texts are read for one, its parts among them: what would take more is no sentence of ours."""
_MOST_JOINTS = 40
_JOINTS = ("\n", "; ", ": ", ", ")
"""What sentences are put together with, the strongest first."""
_MOST_CUTS = 6
"""At so many of one kind of joint it is tried."""
_WEAK = 8
"""With fewer fixed letters than these a sentence fits by chance: nothing in it may stay unexplained then."""
_VERBS = ("is", "are", "was", "were")
_VERB = "{are}"
"""A verb that depends on a number: it is filled in as one of these."""
_ASIDE = re.compile(r"([^(]+) \((.+)\)", re.DOTALL)
_AROUND_WORDS = ".,:;!?()'\"…"
_WHOLE_WORDS = re.compile(r"(?:^|(?<=\s))[^\s{}]+(?=\s|$)")


@dataclass(frozen=True, order=True)
class _Reading:
    """A text as it can be said again.

    Attributes:
        unexplained: how many of its words are of no sentence.
        loose: how much of it is not fixed by a sentence, against others of the same text.
    """

    unexplained: int
    loose: int
    text: str


@dataclass(frozen=True)
class _Form:
    """One sentence with places, and what stands for it."""

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
        """Its longest whole word; empty where it has none."""
        return max(_WHOLE_WORDS.findall(self.msgid), key=len, default="")


class Restatement:
    """The sentences of one catalogue, by the words that they are recognised by."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._remembered = lru_cache(maxsize=20_000)(self._read)

    def of(self, text: str) -> str:
        """A text in the catalogue's language, as far as it is of the catalogue's sentences."""
        return self._remembered(text).text

    def unexplained(self, text: str) -> int:
        """How many words of a text are of no sentence of the catalogue."""
        return self._remembered(text).unexplained

    def _read(self, text: str) -> _Reading:
        return _Reader(self.sentences, self.forms).reading(text, 0) if len(text) <= _LONGEST else _unknown(text)

    @cached_property
    def sentences(self) -> Mapping[str, str]:
        """The sentences, and values of lists that are several words: no id is written so."""
        words = {text: said for (_, text), said in self._catalogue.words.items() if " " in text}
        return words | dict(self._catalogue.sentences)

    @cached_property
    def forms(self) -> Mapping[str, Sequence[_Form]]:
        """The sentences with places, by their longest word."""
        forms: dict[str, list[_Form]] = defaultdict(list)
        many = {plural: self.sentences[one] for plural, one in self._catalogue.plurals.items()}
        for msgid, text in chain(self.sentences.items(), many.items()):
            for variant in (msgid.replace(_VERB, verb) for verb in (_VERBS if _VERB in msgid else ("",))):
                if places_of(variant):
                    form = _Form(variant, text)
                    forms[form.key].append(form)
        return forms


class _Reader:
    """Reads one text, with all its parts, and stops where that takes too long."""

    def __init__(self, sentences: Mapping[str, str], forms: Mapping[str, Sequence[_Form]]) -> None:
        self._sentences = sentences
        self._forms = forms
        self._known: dict[tuple[str, int], _Reading] = {}

    def reading(self, text: str, depth: int) -> _Reading:
        """The best reading of a text."""
        core = text.strip(" ")
        # A single word may be an id or a key of a file, whatever it means in English.
        if " " not in core:
            return _Reading(0, len(core), text)
        best = self._known.get((core, depth)) or self._best(core, depth)
        return best if core == text else _Reading(best.unexplained, best.loose, text.replace(core, best.text, 1))

    def _best(self, text: str, depth: int) -> _Reading:
        if text in self._sentences:
            return _Reading(0, 0, self._sentences[text])
        if depth > _DEEPEST or len(self._known) >= _MOST_READINGS:
            return _unknown(text)
        self._known[text, depth] = _unknown(text)  # until it is known better
        best = min(chain(self._matched(text, depth), self._others(text, depth)), default=_unknown(text))
        self._known[text, depth] = best
        return best

    def _others(self, text: str, depth: int) -> Iterator[_Reading]:
        yield from self._joined(text, depth)
        yield from self._aside(text, depth)
        yield from self._of_somebody(text, depth)

    def _matched(self, text: str, depth: int) -> Iterator[_Reading]:
        for word in sorted({"", *text.split()}):
            for form in self._forms.get(word, ()):
                if not all(part in text for part in form.literals):
                    continue
                for values in values_in(text, form.msgid):
                    if not values.get("n", "0").isdecimal():
                        continue  # the place of a number
                    inside = {name: self.reading(value, depth + 1) for name, value in values.items()}
                    unexplained = sum(reading.unexplained for reading in inside.values())
                    if not unexplained or form.fixed >= _WEAK:
                        said = filled(form.text, {name: reading.text for name, reading in inside.items()})
                        yield _Reading(unexplained, len(text) - form.fixed, said)

    def _joined(self, text: str, depth: int) -> Iterator[_Reading]:
        """Two sentences in a row, at each place where one can end."""
        for joint in _JOINTS:
            parts = text.split(joint)
            if len(parts) > _MOST_JOINTS:
                continue
            for cut in range(1, min(len(parts), _MOST_CUTS)):
                first = self.reading(joint.join(parts[:cut]), depth + 1)
                rest = self.reading(joint.join(parts[cut:]), depth)
                unexplained, loose = first.unexplained + rest.unexplained, first.loose + rest.loose + len(joint)
                yield _Reading(unexplained, loose, f"{first.text}{joint}{rest.text}")

    def _aside(self, text: str, depth: int) -> Iterator[_Reading]:
        """`sentence (another one)`."""
        if match := _ASIDE.fullmatch(text):
            first, second = (self.reading(part, depth + 1) for part in match.groups())
            unexplained, loose = first.unexplained + second.unexplained, first.loose + second.loose
            yield _Reading(unexplained, loose, f"{first.text} ({second.text})")

    def _of_somebody(self, text: str, depth: int) -> Iterator[_Reading]:
        """`id sentence`, which says something of an object: both languages put it first."""
        subject, _, rest = text.partition(" ")
        if not subject.isalpha() and subject[-1:] not in ",;:" and depth < _DEEPEST:
            said = self.reading(rest, depth + 1)
            if not said.unexplained and said.text != rest:
                yield _Reading(0, len(text), f"{subject} {said.text}")


def _unknown(text: str) -> _Reading:
    """A text as it is: what has a digit or a sign in it is an id, an address or a key, and needs no sentence."""
    words = (word.strip(_AROUND_WORDS) for word in text.split())
    return _Reading(sum(map(str.isalpha, words)), len(text), text)
