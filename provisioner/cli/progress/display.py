"""A few rows of a terminal that are written over again and again, and are gone when something else is printed.

No library draws them: all that is printed passes `SafeStream`, which lets none of what moves a cursor through, and a
library that draws would take both standard streams over to go round it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TextIO

from provisioner.cli.terminal import size_of

_MOST: Final = 100
_ERASE: Final = "\r\x1b[J"


class TerminalRows:
    """Rows below the cursor, which stays at the beginning of the first: whoever prints there first erases them.

    So a terminal that is made narrower, and breaks rows anew, leaves nothing of them.

    Args:
        stream: the terminal itself.
        size: its columns and rows now.
    """

    def __init__(self, stream: TextIO, size: Callable[[], os.terminal_size] | None = None) -> None:
        self._stream = stream
        self._size = size or (lambda: size_of(stream))
        self._drawn = False

    def draw(self, rows: Sequence[str]) -> None:
        """Show these rows instead of those that are there."""
        size = self._size()
        width = min(size.columns - 1, _MOST)
        shown = [_cut(row, width) for row in rows[: max(1, size.lines - 1)]]
        up = f"\x1b[{len(shown) - 1}A" if len(shown) > 1 else ""
        self._drawn = True
        self._write(_ERASE + "\r\n".join(shown) + up + "\r")

    def erase(self) -> None:
        """Show none."""
        if self._drawn:
            self._drawn = False
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        # A terminal that is gone ends nothing: hosts may be in the middle of a change.
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def _cut(row: str, width: int) -> str:
    mark = "..." if width > len("...") else ""
    return row if len(row) <= width else row[: max(0, width - len(mark))] + mark
