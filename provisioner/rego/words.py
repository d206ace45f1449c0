"""The words of a Rego text, each with its place. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

_PATTERN: Final = re.compile(
    r"(?P<space>[ \t]+)|(?P<line>\n)|(?P<comment>#[^\n]*)"
    r'|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<raw>`[^`]*`)'
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>:=|==|!=|<=|>=|[=<>+\-*/%&|;,.:()\[\]{}])"
)
_CLOSES: Final = {"(": ")", "[": "]", "{": "}"}
_SHOWN: Final = 20
_NO_WORDS: Final = frozenset({"space", "line", "comment"})
_DEEPEST: Final = 40


class RegoWordKind(StrEnum):
    """What a word is."""

    TEXT = "text"
    NUMBER = "number"
    NAME = "name"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class RegoWord:
    """A word.

    Attributes:
        text: as it stands there.
        offset: how many characters come before it.
        line: its line, the first one is 1.
        column: where it begins in it, from 1.
        depth: in how many brackets it stands; a bracket stands where what is around it does.
        begins_line: whether it is the first word of its line.
        touches: whether nothing is between it and the word before.
    """

    kind: RegoWordKind
    text: str
    offset: int
    line: int
    column: int
    depth: int
    begins_line: bool
    touches: bool

    @property
    def value(self) -> str | None:
        """What a text says; None of any other word, and of one that cannot be read."""
        if self.kind is not RegoWordKind.TEXT:
            return None
        if self.text.startswith("`"):
            return self.text[1:-1]
        try:
            return str(json.loads(self.text))
        except ValueError:
            return None


class RegoTextError(Exception):
    """A text that cannot be taken apart: what is wrong, and where."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


def words_of(text: str) -> tuple[RegoWord, ...]:
    """The words of a text, without its comments.

    Raises:
        RegoTextError: something in it is no word, or a bracket has no other.
    """
    return tuple(_words(text))


def _words(text: str) -> Iterator[RegoWord]:
    brackets = _Brackets()
    position, line, start, end, begins = 0, 1, 0, -1, True
    while position < len(text):
        column = position - start + 1
        match = _PATTERN.match(text, position)
        if match is None:
            raise RegoTextError(f"{_shown(text[position])} is not understood", line, column)
        kind, word, position = str(match.lastgroup), match.group(), match.end()
        _refuse_unprintable(word, line, column)
        if kind not in _NO_WORDS:
            made = RegoWord(_kind(kind), word, match.start(), line, column, 0, begins, match.start() == end)
            yield brackets.placed(made)
            begins, end = False, position
        if "\n" in word:
            line, start = line + word.count("\n"), match.start() + word.rindex("\n") + 1
            begins = begins or kind == "line"
    brackets.close()


class _Brackets:
    """The brackets that are open at a place of a text."""

    def __init__(self) -> None:
        self._opened: list[RegoWord] = []

    def placed(self, word: RegoWord) -> RegoWord:
        """A word with its depth.

        Raises:
            RegoTextError: it closes what is not open, or opens too much.
        """
        if word.text in _CLOSES.values():
            if not self._opened or _CLOSES[self._opened[-1].text] != word.text:
                raise RegoTextError(f"nothing opens this {word.text}", word.line, word.column)
            self._opened.pop()
        made = replace(word, depth=len(self._opened))
        if word.text in _CLOSES:
            self._opened.append(made)
            if len(self._opened) > _DEEPEST:
                raise RegoTextError(f"it is more than {_DEEPEST} brackets deep", word.line, word.column)
        return made

    def close(self) -> None:
        """See that nothing is open.

        Raises:
            RegoTextError: something is.
        """
        if self._opened:
            last = self._opened[-1]
            raise RegoTextError(f"nothing closes this {last.text}", last.line, last.column)


def _kind(group: str) -> RegoWordKind:
    return RegoWordKind.TEXT if group == "raw" else RegoWordKind(group)


def _refuse_unprintable(word: str, line: int, column: int) -> None:
    """Refuse characters that are not what they look like: whoever reads the text has to see what is evaluated.

    Raises:
        RegoTextError: there is one.
    """
    for number, character in enumerate(word):
        if not character.isprintable() and character not in "\n\t":
            raise RegoTextError(f"{_shown(character)} cannot be seen", line, column + number)


def _shown(character: str) -> str:
    return character if character.isprintable() else f"U+{ord(character):04X}"[:_SHOWN]
