"""Tables: lines of text, pages of a spreadsheet, shortened names. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from provisioner.base.language import ENGLISH, Translator

TOTAL_NAME = "all"
"""The name of a row of totals."""

SheetRow = Sequence[str | int]
"""A row's cells: texts, and numbers that can be summed up."""

_MANY: Final = 5


@dataclass(frozen=True)
class Page:
    """One sheet.

    Attributes:
        title: its name at the bottom.
        columns: headers and widths.
        rows: its cells.
        total: a last row in bold; none where it is empty.
    """

    title: str
    columns: Sequence[tuple[str, int]]
    rows: Sequence[SheetRow]
    total: SheetRow = ()


def text_table(names: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool) -> Iterator[str]:
    """A table's lines.

    Args:
        names: the header.
        rows: the cells, as many as there are names.
        numbers: whether all columns but the first are numbers, and stand to the right.
    """
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    # A whole line at once: a country has ten thousand of them.
    cells = [
        f"{{:{'>' if numbers and column else '<'}{width}}}" if width else "{}" for column, width in enumerate(widths)
    ]
    line = "  ".join(cells).format
    for row in (names, *rows):
        yield line(*row).rstrip()


def some_of(names: Sequence[str], say: Translator = ENGLISH) -> str:
    """The first names, and how many more there are."""
    listed = ", ".join(names[:_MANY])
    more = len(names) - _MANY
    return say("{names} and {count} more", names=listed, count=more) if more > 0 else listed
