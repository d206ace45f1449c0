"""Help in the reader's language: every text passes the formatter.

`vi.po` of the command line has the Vietnamese text of each paragraph, option and heading; other texts stay English.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import click

from provisioner.base.language import Language

CATALOGUE: Final = Path(__file__).parents[1] / "vi.po"
EXAMPLE: Final = "Example:"
_EXTRA = re.compile(r"(.*?)  (\[.*\])", re.DOTALL)  #: click's facts behind an option's text.
_EXTRA_WORDS = re.compile(r"(?<=\[)(?:default|required)|(?<=; )required")


class HelpFormatter(click.HelpFormatter):
    """A formatter whose texts are in one language."""

    texts: Mapping[str, str] = {}

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line of usage."""
        super().write_usage(prog, args, prefix or f"{self._text_of('Usage:')} ")

    def write_heading(self, heading: str) -> None:
        """Write a heading."""
        super().write_heading(self._text_of(heading))

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        super().write_text("\n\n".join(map(self._text_of, text.split("\n\n"))))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write options or commands with their texts."""
        super().write_dl([(name, self._described(text)) for name, text in rows], col_max, col_spacing)

    def _described(self, text: str) -> str:
        if match := _EXTRA.fullmatch(text):
            extra = _EXTRA_WORDS.sub(lambda word: self._text_of(word[0]), match[2])
            return f"{self._text_of(match[1])}  {extra}"
        return self._text_of(text)

    def _text_of(self, text: str) -> str:
        sentence = " ".join(text.split())
        if sentence.startswith(EXAMPLE):
            return self.texts.get(EXAMPLE, EXAMPLE) + sentence.removeprefix(EXAMPLE)
        return self.texts.get(sentence, text)


class HelpContext(click.Context):
    """A command's context, whose help is in the caller's language."""

    def make_formatter(self) -> click.HelpFormatter:
        """Make the formatter of one help."""
        formatter = HelpFormatter(width=self.terminal_width, max_width=self.max_content_width)
        formatter.texts = help_texts(getattr(self.find_root().obj, "language", Language.EN))
        return formatter


@lru_cache(maxsize=len(Language))
def help_texts(language: Language) -> Mapping[str, str]:
    """Return a language's help by its English texts."""
    if language is Language.EN:
        return {}
    from polib import pofile  # noqa: PLC0415 (English does not pay for it)

    return {entry.msgid: entry.msgstr for entry in pofile(str(CATALOGUE), encoding="utf-8") if entry.msgstr}
