"""What the demo shows: narration, commands, and what they printed."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from dataclasses import dataclass, field
from typing import Final

_SHOWN: Final = 30
_LAST: Final = 3
_BOLD, _DIM, _PLAIN = "\033[1m", "\033[2m", "\033[0m"


def line(text: str = "") -> None:
    """Print a line."""
    print(text, flush=True)  # noqa: T201 - the demo's one way to the terminal


def _styled(style: str, text: str) -> str:
    return f"{style}{text}{_PLAIN}" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text


def shortened(output: str, shown: int = _SHOWN) -> list[str]:
    """The lines of an output; of a long one the beginning and the end."""
    lines = output.rstrip().splitlines()
    if len(lines) <= shown:
        return lines
    left_out = len(lines) - shown + 1
    return [*lines[: shown - _LAST - 1], f"… {left_out} more lines …", *lines[-_LAST:]]


@dataclass
class Screen:
    """The story as it is told: numbered parts, each with its time."""

    started: float = field(default_factory=time.monotonic)
    parts: int = 0

    @property
    def seconds(self) -> float:
        """Time since the beginning."""
        return time.monotonic() - self.started

    def part(self, title: str) -> None:
        """Begin a part."""
        self.parts += 1
        line()
        line(_styled(_BOLD, f"━━ {self.parts}. {title} ━━") + _styled(_DIM, f"  {self.seconds:.0f} s"))

    def say(self, text: str) -> None:
        """Tell something."""
        line()
        line(textwrap.fill(" ".join(text.split()), 96, break_long_words=False, break_on_hyphens=False))

    def command(self, words: str) -> None:
        """Show a command before it runs."""
        line()
        line(_styled(_BOLD, f"$ {words}"))

    def output(self, text: str, seconds: float | None = None, *, ended: int = 0) -> None:
        """Show what a command printed, how long it took, and how it ended where that is not with 0."""
        for shown in shortened(text):
            line(shown)
        if seconds is not None:
            code = f", exit code {ended}" if ended else ""
            line(_styled(_DIM, f"({seconds:.1f} s{code})"))
