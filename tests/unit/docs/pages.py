"""The repository's Markdown pages, cut into what tests look at: fences, console steps, sections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
_HIDDEN = {".github", ".gitlab", ".forgejo"}
_MADE = {"out", "build", "dist"}


class Fence(NamedTuple):
    """A fenced block: its language, its lines, and the number of the first of them."""

    language: str
    first: int
    lines: tuple[str, ...]


class ConsoleStep(NamedTuple):
    """A command of a page and what stands below it."""

    command: str
    output: str


def all_pages() -> tuple[str, ...]:
    """Every Markdown page of the repository, by its path."""
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*.md"))
    return tuple(sorted(str(path) for path in paths if _is_ours(path.parts)))


def _is_ours(parts: tuple[str, ...]) -> bool:
    # What the program wrote for a comment is no page of ours: its tables are as wide as they are.
    if parts[:3] == ("tests", "golden", "language"):
        return False
    hidden = {part for part in parts if part.startswith(".")}
    return hidden <= _HIDDEN and parts[0] not in _MADE


def text_of(page: str) -> str:
    """What a page says."""
    return (ROOT / page).read_text(encoding="utf-8")


def fences(text: str) -> Iterator[Fence]:
    """The fenced blocks of a text, in order."""
    language: str | None = None
    inside: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith("```"):
            inside.append(line)
        elif language is None:
            language, inside = line.strip().removeprefix("```"), []
        else:
            yield Fence(language, number - len(inside), tuple(inside))
            language = None
    assert language is None, "a fence is not closed"


def steps(text: str) -> Iterator[ConsoleStep]:
    r"""Every command of a text's console blocks, in order; a command goes on in the next line after `\`."""
    for fence in fences(text):
        if fence.language == "console":
            block = "\n".join(fence.lines) + "\n"
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, output = re.fullmatch(r"((?:.*\\\n)*.*)\n((?:.*\n)*)", part).groups()  # type: ignore[union-attr]
                yield ConsoleStep(command, output)


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next one of its level or a higher one.

    Raises:
        AssertionError: there is no such heading.
    """
    heading = re.search(rf"^(#+) {re.escape(title)}$", text, re.MULTILINE)
    assert heading is not None, title
    rest = text[heading.end() :]
    following = re.search(rf"^#{{1,{len(heading[1])}}} ", rest, re.MULTILINE)
    return rest[: following.start()] if following else rest
