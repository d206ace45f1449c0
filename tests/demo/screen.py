"""What the demo shows: narration, commands, and what they printed."""

import os
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Final

from provisioner.cli.support.running import TerminalRows

_SHOWN: Final = 30
_LAST: Final = 3
_PATIENCE_S: Final = 1.0
_LINES_APART_S: Final = 10.0
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

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show on standard error for how long something goes on: a row of a terminal, or a line every ten seconds."""
        over = Event()
        thread = Thread(target=_count, args=(what, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def output(self, text: str, seconds: float | None = None, *, ended: int = 0) -> None:
        """Show what a command printed, how long it took, and how it ended where that is not with 0."""
        for shown in shortened(text):
            line(shown)
        if seconds is not None:
            code = f", exit code {ended}" if ended else ""
            line(_styled(_DIM, f"({seconds:.1f} s{code})"))


def _count(what: str, over: Event) -> None:
    """Say every second or every ten seconds that something goes on, until it is over."""
    begun = time.monotonic()
    rows = TerminalRows(sys.stderr) if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else None
    while not over.wait(_PATIENCE_S if rows else _LINES_APART_S):
        text = f"{what}: {time.monotonic() - begun:.0f} s"
        if rows:
            rows.draw([text])
        else:
            print(text, file=sys.stderr, flush=True)  # noqa: T201 - standard error has what is no part of the story
    if rows:
        rows.erase()
