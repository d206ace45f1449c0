"""A path's last nights as a row of squares; most paths look alike, so each row is made once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from markupsafe import Markup

from provisioner.base.language import Language
from provisioner.web.board import WORST_FIRST
from provisioner.web.past import NightSquare
from provisioner.web.texts import day_text, page_translator, words_of

_UP = Markup('<i class="up"></i>')
_OTHER = Markup('<i class="{tone}" title="{day}: {word}"></i>')
_STRIP = Markup('<span class="strip" role="img" aria-label="{words}">{squares}</span>')


@lru_cache(maxsize=4096)
def strip(squares: tuple[NightSquare, ...], language: Language) -> Markup:
    """The row: the days that were not up say what they were when they are pointed at; all of it is said in words."""
    return _STRIP.format(
        words=strip_words(squares, language), squares=Markup("").join(_square(one, language) for one in squares)
    )


def _square(square: NightSquare, language: Language) -> Markup:
    if square.verdict == "up":
        return _UP
    t, words = page_translator(language), words_of(language)["Verdict"]
    word = words.get(square.verdict, square.verdict) if square.verdict else t("not measured")
    tone = square.verdict if square.verdict in WORST_FIRST else "blank"
    return _OTHER.format(tone=tone, day=day_text(square.day, language), word=word)


def strip_words(squares: Sequence[NightSquare], language: Language) -> str:
    """A row in words, what was best first."""
    t, words = page_translator(language), words_of(language)["Verdict"]
    verdicts = [square.verdict for square in squares]
    counted = [f"{verdicts.count(one)} {words[one]}" for one in reversed(WORST_FIRST) if one in verdicts]
    if unseen := verdicts.count(""):
        counted.append(t("{n} not measured", n=unseen))
    return f"{t('The last {n} nights:', n=len(squares))} {', '.join(counted)}"
