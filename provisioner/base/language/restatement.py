"""Finished English sentences, said again in another language. Pure.

A problem, a cause, a reason of a change is one English sentence where it arises, with its values in it; so it stands in
documents, in saved plans and in the history. What is shown of it is matched with the sentence that it was made of. Its
values are restated too where they are words themselves. Only what comes from this program's own sentences changes:
a name, a path, a word of a device matches none.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from provisioner.base.language.catalogue import Catalogue
from provisioner.base.language.placeholder import filled, literals_of, places_of, values_in

_LONGEST = 2_000
"""A text that is longer is no sentence."""
_DEEPEST = 6
_MOST_JOINTS = 40
_JOINTS = ("\n", "; ", ": ", ", ")
"""What sentences are put together with, the strongest first."""
_ASIDE = re.compile(r"([^(]+) \((.+)\)", re.DOTALL)
_WHOLE_WORDS = re.compile(r"(?:^|(?<=\s))[^\s{}]+(?=\s|$)")


@dataclass(frozen=True)
class _Form:
    """One sentence with places, and what stands for it."""

    msgid: str
    text: str

    @cached_property
    def literals(self) -> tuple[str, ...]:
        return tuple(part for part in literals_of(self.msgid) if part)

    @cached_property
    def weight(self) -> tuple[int, int]:
        """The more of it is fixed, the surer is a match."""
        return sum(map(len, self.literals)), -len(places_of(self.msgid))

    @property
    def key(self) -> str:
        """Its longest whole word; empty where it has none."""
        return max(_WHOLE_WORDS.findall(self.msgid), key=len, default="")


class Restatement:
    """The sentences of one catalogue, by the words that they are recognised by."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._remembered = lru_cache(maxsize=10_000)(self._known)

    def of(self, text: str) -> str:
        """A text in the catalogue's language, as far as it is of the catalogue's sentences."""
        return text if len(text) > _LONGEST else self._said(text, 0)

    def knows(self, text: str) -> bool:
        """Whether a text is one of the catalogue's sentences, or put together of some."""
        return self._known(text, 0) is not None

    @cached_property
    def _sentences(self) -> dict[str, str]:
        """The sentences, and values of lists that are several words: no id is written so."""
        words = {text: said for (_, text), said in self._catalogue.words.items() if " " in text}
        return words | dict(self._catalogue.sentences)

    @cached_property
    def _forms(self) -> dict[str, list[_Form]]:
        forms: dict[str, list[_Form]] = defaultdict(list)
        sentences = self._sentences
        many = {plural: sentences[one] for plural, one in self._catalogue.plurals.items()}
        for msgid, text in (*sentences.items(), *many.items()):
            if places_of(msgid):
                form = _Form(msgid, text)
                forms[form.key].append(form)
        return forms

    def _said(self, text: str, depth: int) -> str:
        # A single word may be an id or a key of a file, whatever it means in English.
        if depth > _DEEPEST or " " not in text.strip():
            return text
        core = text.strip(" ")
        known = self._remembered(core, depth)
        return text if known is None else text.replace(core, known, 1)

    def _known(self, text: str, depth: int) -> str | None:
        if text in self._sentences:
            return self._sentences[text]
        return self._matched(text, depth) or self._aside(text, depth) or self._joined(text, depth)

    def _matched(self, text: str, depth: int) -> str | None:
        for form in sorted(self._candidates(text), key=lambda form: form.weight, reverse=True):
            values = values_in(text, form.msgid)
            if values is not None:
                return filled(form.text, {name: self._said(value, depth + 1) for name, value in values.items()})
        return None

    def _candidates(self, text: str) -> Iterator[_Form]:
        for word in sorted({"", *text.split()}):
            for form in self._forms.get(word, ()):
                if all(literal in text for literal in form.literals):
                    yield form

    def _aside(self, text: str, depth: int) -> str | None:
        """`sentence (another one)`, where one of the two is known."""
        if not (match := _ASIDE.fullmatch(text)):
            return None
        first, second = (self._said(part, depth + 1) for part in match.groups())
        return None if (first, second) == match.groups() else f"{first} ({second})"

    def _joined(self, text: str, depth: int) -> str | None:
        """Several sentences in a row, where one of them is known."""
        for joint in _JOINTS:
            if joint in text and text.count(joint) <= _MOST_JOINTS:
                first, _, rest = text.partition(joint)
                said = self._said(first, depth + 1), self._said(rest, depth)
                if said != (first, rest):
                    return joint.join(said)
        return None
