"""The pages of a report for people: texts and numbers. Pure; `report.workbook` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SheetRow = Sequence[str | int]
"""A row's cells: texts, and numbers that can be summed up."""


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
