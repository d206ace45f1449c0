"""The repository's Markdown pages, cut into what tests look at: fences, console steps, sections."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
_HIDDEN = {".github", ".gitlab", ".forgejo"}
_MADE = {"out", "build", "dist"}
# What the program wrote for a comment is no page of ours: its tables are as wide as they are.
_COMMENTS = ("tests", "golden", "language")


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
    return tuple(sorted(str(path.relative_to(ROOT)) for path in _pages_below(ROOT)))


def _pages_below(folder: Path) -> Iterator[Path]:
    """The pages of a folder. What other tests keep and remove meanwhile is not looked into."""
    for path in folder.iterdir():
        parts = path.relative_to(ROOT).parts
        if (path.name.startswith(".") and path.name not in _HIDDEN) or parts[0] in _MADE or parts == _COMMENTS:
            continue
        if path.is_dir():
            yield from _pages_below(path)
        elif path.suffix == ".md":
            yield path


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
