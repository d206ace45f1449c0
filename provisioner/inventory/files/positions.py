"""Where things stand in the inventory's files: the place that a problem names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

KeyPath = tuple[str | int, ...]
"""The way to a value inside a file: keys and list positions."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A 1-based position."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Marks:
    """The places of one file's values and keys."""

    values: Mapping[KeyPath, Mark]
    keys: Mapping[KeyPath, Mark]

    def nearest(self, path: KeyPath, *, key: bool = False) -> Mark:
        """The place of a value (or of its key), or of the closest thing around it that exists."""
        if key and path in self.keys:
            return self.keys[path]
        for length in range(len(path), -1, -1):
            if path[:length] in self.values:
                return self.values[path[:length]]
        return Mark(1, 1)


@dataclass(frozen=True, slots=True)
class Position:
    """A file as the user would type it, and a position in it (0 where unknown)."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Nearest(Protocol):
    """Whatever knows the places in one file: `Marks`, or something that looks them up when asked."""

    def nearest(self, path: KeyPath, *, key: bool = False) -> Mark:
        """The place of a value (or of its key), or of the closest thing around it that exists."""
        ...


class Located(Protocol):
    """A file whose values have places."""

    @property
    def shown(self) -> str:
        """Its path as the user would type it."""
        ...

    def at(self, path: KeyPath, *, key: bool = False) -> Position:
        """The place of a value in this file, as near as it is known."""
        ...


@dataclass(frozen=True)
class SourceFile:
    """A file of the inventory: its path as the user would type it, its bytes, and how to mark them."""

    shown: str
    data: bytes = field(repr=False)
    mark: Callable[[bytes], Nearest] = field(repr=False, compare=False)

    @cached_property
    def marks(self) -> Nearest:
        """The places of everything in this file."""
        return self.mark(self.data)

    @cached_property
    def _lines(self) -> list[str]:
        return self.data.decode("utf-8-sig", "replace").split("\n")

    def word_at(self, path: KeyPath) -> str:
        """A number, truth value or null as it stands in this file, letter by letter."""
        mark = self.marks.nearest(path)
        return re.split(r"[\s,\[\]{}]", self._lines[mark.line - 1][mark.column - 1 :], maxsplit=1)[0]

    def at(self, path: KeyPath, *, key: bool = False) -> Position:
        """The place of a value in this file; the file is parsed again for it."""
        mark = self.marks.nearest(path, key=key)
        return Position(self.shown, mark.line, mark.column)


@dataclass(frozen=True)
class Places:
    """Where each object of an inventory stands; an owner is e.g. `facility/kcl-bg-001` or `allocations`."""

    sources: Mapping[str, Located]

    def at(self, owner: str, *path: str | int, key: bool = False) -> Position:
        """The place of a value of an object, as near as it is known."""
        source = self.sources.get(owner)
        return source.at(path, key=key) if source else Position("", 0, 0)
