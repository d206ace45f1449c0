"""A comment on a merge request in Markdown: bounded, and what somebody else wrote is no markup. Pure.

What does not fit is counted and named as left out. Texts that may come from a host, where anybody may have written
them, stand in code spans, which render no markup, and call nobody by `@`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from provisioner.base.language import ENGLISH, Translator
from provisioner.base.printable import printable

MAX_BYTES: Final = 60_000
"""GitHub takes 65,536 characters and GitLab more; bytes are counted, so that letters of any kind fit."""

_NAME: Final = 160
_TAIL: Final = 600
"""Kept free for the sentences that say what was left out."""


def code(text: str, limit: int = _NAME) -> str:
    """A text that somebody else wrote as a code span: one line, nothing in it is markup.

    Args:
        text: the text.
        limit: how many bytes of it to show.
    """
    line = printable(text)
    if len(line.encode()) > limit:
        line = line.encode()[:limit].decode(errors="ignore") + "…"
    fence = "`"
    while fence in line:
        fence += "`"
    pad = " " if line.startswith("`") or line.endswith("`") or not line.strip() else ""
    return f"{fence}{pad}{line or '-'}{pad}{fence}"


def cell(text: str, limit: int = _NAME) -> str:
    """The same in a table: a bar would end the cell, even in a code span."""
    return code(text, limit).replace("|", "\\|")


class Comment:
    """A text that grows to its bound and no further."""

    def __init__(self, whole: str, say: Translator = ENGLISH) -> None:
        """Begin one.

        Args:
            whole: the command that shows all of what is left out.
            say: whoever says what is left out.
        """
        self._lines: list[str] = []
        self._left = MAX_BYTES
        self._whole = whole
        self._say = say

    def must(self, lines: Iterable[str]) -> None:
        """Add lines that are bounded by how they are made."""
        for line in lines:
            self._add(line)

    def may(self, title: str, items: Sequence[str], total: int, noun: str) -> None:
        """Add a list as far as there is room; says how many it leaves out."""
        if not items:
            return
        self._add(title)
        self._add("")
        fitting = self._fill(items, _TAIL * 3)
        if fitting < total:
            self._add(f"- {self._say('… and {number} more', number=self._say.counted(total - fitting, noun))}")
        self._add("")

    def fold(self, title: str, heading: Sequence[str], items: Sequence[str], noun: str) -> None:
        """Add a folded list as far as there is room; says what it leaves out."""
        if not items:
            return
        if self._left < _TAIL * 2:
            self._add(self._say("{title}: left out of this comment for its length.", title=title))
            self._add("")
            return
        self.must([f"<details><summary>{title} ({len(items)})</summary>", "", *heading])
        fitting = self._fill(items, _TAIL)
        self._add("")
        if fitting < len(items):
            left = self._say.counted(len(items) - fitting, noun)
            self._add(self._say("{left} left out of this comment: `{command}`.", left=left, command=self._whole))
            self._add("")
        self.must(["</details>", ""])

    def text(self) -> str:
        """The whole."""
        return "\n".join(self._lines).rstrip("\n") + "\n"

    def _fill(self, items: Sequence[str], reserve: int) -> int:
        for number, item in enumerate(items):
            if self._left - len(item.encode()) - 1 < reserve:
                return number
            self._add(item)
        return len(items)

    def _add(self, line: str) -> None:
        self._lines.append(line)
        self._left -= len(line.encode()) + 1
