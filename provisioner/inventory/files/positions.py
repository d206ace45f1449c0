"""Positions of values in the inventory's files, for problems."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Protocol

KeyPath = tuple[str | int, ...]
"""Path to a value inside a file: keys and list indexes."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A 1-based position."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Marks:
    """Positions of one file's values and keys."""

    values: Mapping[KeyPath, Mark]
    keys: Mapping[KeyPath, Mark]

    def nearest(self, path: KeyPath, *, key: bool = False) -> Mark:
        """Return the position of a value or key, or its closest parent."""
        if key and path in self.keys:
            return self.keys[path]
        for length in range(len(path), -1, -1):
            if path[:length] in self.values:
                return self.values[path[:length]]
        return Mark(1, 1)


class Position(NamedTuple):
    """A file as the user would type it; unknown lines are 0."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Nearest(Protocol):
    """Positions in one file: `Marks`, or a class that searches on demand."""

    def nearest(self, path: KeyPath, *, key: bool = False) -> Mark:
        """Return the position of a value or key, or its closest parent."""


class Located(Protocol):
    """A file whose values have positions."""

    @property
    def display_path(self) -> str:
        """Its path as the user would type it."""

    def at(self, path: KeyPath, *, key: bool = False) -> Position:
        """Return the position of a value, or of its closest parent."""


@dataclass(frozen=True)
class SourceFile:
    """A file: its path for messages, its bytes and its positions."""

    display_path: str
    data: bytes = field(repr=False)
    mark: Callable[[bytes], Nearest] = field(repr=False, compare=False)

    @cached_property
    def marks(self) -> Nearest:
        """All positions in this file."""
        return self.mark(self.data)

    @cached_property
    def _lines(self) -> list[str]:
        return self.data.decode("utf-8-sig", "replace").split("\n")

    def word_at(self, path: KeyPath) -> str:
        """Return a number, truth value or null as written in this file."""
        mark = self.marks.nearest(path)
        return re.split(r"[\s,\[\]{}]", self._lines[mark.line - 1][mark.column - 1 :], maxsplit=1)[0]

    def at(self, path: KeyPath, *, key: bool = False) -> Position:
        """Return the position of a value, by parsing the file again."""
        mark = self.marks.nearest(path, key=key)
        return Position(self.display_path, mark.line, mark.column)


@dataclass(frozen=True)
class Places:
    """Files of the inventory's objects, by owner, e.g. `facility/kcl-bg-001` or `allocations`."""

    sources: Mapping[str, Located]

    def at(self, owner: str, *path: str | int, key: bool = False) -> Position:
        """Return the position of an object's value, or of its closest parent."""
        source = self.sources.get(owner)
        return source.at(path, key=key) if source else Position("", 0, 0)
