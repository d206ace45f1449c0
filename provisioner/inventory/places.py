"""Where things stand in the inventory's files: the place that a problem names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

Path = tuple[str | int, ...]
"""The way to a value inside a file: keys and list positions."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A 1-based position; `plain` says that the scalar stands there without quotes."""

    line: int
    column: int
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Marks:
    """The places of one file's values and keys."""

    values: Mapping[Path, Mark]
    keys: Mapping[Path, Mark]

    def nearest(self, path: Path, *, key: bool = False) -> Mark:
        """Give the place of a value (or of its key), or of the closest thing around it that exists."""
        if key and path in self.keys:
            return self.keys[path]
        for length in range(len(path), -1, -1):
            if path[:length] in self.values:
                return self.values[path[:length]]
        return Mark(1, 1)


@dataclass(frozen=True, slots=True)
class Place:
    """A file as the user would type it, and a position in it (0 where unknown)."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Source:
    """A file of the inventory: its path as the user would type it, its bytes, and how to mark them."""

    shown: str
    data: bytes = field(repr=False)
    mark: Callable[[bytes], Marks] = field(repr=False, compare=False)

    @cached_property
    def marks(self) -> Marks:
        """The places of everything in this file."""
        return self.mark(self.data)

    def at(self, path: Path, *, key: bool = False) -> Place:
        """Give the place of a value in this file; the first call parses the file again."""
        found = self.marks.nearest(path, key=key)
        return Place(self.shown, found.line, found.column)


@dataclass(frozen=True)
class Places:
    """Where each object of an inventory stands; an owner is e.g. `facility/kcl-bg-001` or `allocations`."""

    sources: Mapping[str, Source]

    def at(self, owner: str, *path: str | int, key: bool = False) -> Place:
        """Give the place of a value of an object, as near as it is known."""
        source = self.sources.get(owner)
        return source.at(path, key=key) if source else Place("", 0, 0)
