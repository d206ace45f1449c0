"""Text in the language of manual pages (man(7)), in plain ASCII: every system's `man` reads it. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Final

_NAMED: Final = {"…": "...", "→": "->", "“": '"', "”": '"', "`": "'"}
_WIDTH: Final = 72


def escaped(text: str) -> str:
    """A text as a page has it: nothing in it is a request, an escape or a sign that a terminal breaks words at."""
    plain = "".join(_NAMED.get(letter, letter) for letter in text).replace("\\", "\\e").replace("-", "\\-")
    plain = "".join(letter if letter.isascii() else f"\\[u{ord(letter):04X}]" for letter in plain)
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain


def bold(text: str) -> str:
    """A text in bold."""
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    """A text that stands for another one."""
    return f"\\fI{escaped(text)}\\fR"


def title(name: str, version: str) -> str:
    """A page's first requests; without a date, as the same source makes the same page, and with ragged lines."""
    return f'.TH "{escaped(name.upper())}" "1" "" "{escaped(version)}" "User Commands"\n.nh\n.ad l'


def section(name: str) -> str:
    """A section's heading."""
    return f'.SH "{escaped(name)}"'


def part(name: str) -> str:
    """The heading of a section's part."""
    return f'.SS "{escaped(name)}"'


def paragraph(text: str) -> list[str]:
    """A paragraph, its lines broken so that the page's source can be read."""
    return [".PP", *filled(text)]


def filled(text: str) -> list[str]:
    """A text in lines of the source, each escaped: a line that begins with a point is no request."""
    lines = textwrap.wrap(" ".join(text.split()), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [escaped(line) for line in lines]


def item(head: str, text: str) -> list[str]:
    """An item of a list: its head, already in its form, and what it means."""
    return [".TP", head, *(filled(text) or ["\\&"])]


def example(lines: Iterable[str]) -> list[str]:
    """Lines as they are typed."""
    return [".PP", ".nf", ".RS 4", *(escaped(line) for line in lines), ".RE", ".fi"]


def option_head(record: str) -> str:
    """An option's names and its value, as help has them: `-i, --inventory DIR`."""
    return ", ".join(_option(one) for one in record.split(", "))


def _option(text: str) -> str:
    name, _, value = text.partition(" ")
    # A long choice may be broken between its words.
    return f"{bold(name)} {italic(value)}".replace("|", "|\\:") if value else bold(name)


def synopsis(command: str, pieces: Iterable[str]) -> list[str]:
    """How a command is called."""
    return [".PP", " ".join([bold(command), *_pieces(pieces)])]


def _pieces(pieces: Iterable[str]) -> Iterator[str]:
    for piece in pieces:
        yield italic(piece)
