"""What standard output can show: its width if a person watches, its letters, its colours, and nothing else.

Whatever is printed passes `safe_streams`: texts of inventories, sheets, hosts, Git and file names may be anybody's, and
a terminal obeys what it is sent. Of control characters only our own colours, tabs and ends of lines come through.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO, cast

import click

from provisioner.base.printable import printable

# The colours that `click.style` is asked for here, bold, and their end.
_OURS = re.compile(r"(\x1b\[(?:0|1|3[0-7])m|[\t\n])")
_PLAIN = str.maketrans({"→": "->", "…": "...", "·": "-"})
_NARROWEST = 40
# More than a person reads of one thing; the document has all of it.
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Terminal:
    """How lines are laid out and printed.

    Attributes:
        width: columns of the terminal; None for a file or a pipe, whose lines are as long as they are.
        encoding: of the stream.
        color: as click takes it: False for never, None for as the stream is.
        stream: where lines go.
    """

    width: int | None
    encoding: str
    color: bool | None
    stream: TextIO

    @classmethod
    def of(cls, stream: TextIO, env: Mapping[str, str], *, color: bool | None) -> Terminal:
        """The terminal behind a stream, or what stands for one behind a file."""
        watched = stream.isatty()
        width = max(_NARROWEST, shutil.get_terminal_size().columns) if watched else None
        never = color is False or env.get("TERM") == "dumb"
        return cls(width, getattr(stream, "encoding", None) or "utf-8", False if never else None, stream)

    def print(self, lines: Iterable[str]) -> None:
        """Print lines; where an arrow cannot be written, `->` is."""
        for line in lines:
            click.echo(self.written(line.replace("\n", " ")), file=self.stream, color=self.color)

    def written(self, line: str) -> str:
        """A line in the letters that the stream has."""
        try:
            line.encode(self.encoding)
        except (UnicodeEncodeError, LookupError):
            return line.translate(_PLAIN)
        return line

    def below(self, head: str, text: str, indent: int) -> list[str]:
        """`head: text` as one line, or where that is too long for the terminal as several."""
        text = printable(text, _LONGEST)
        if not text:
            return [head]
        if self.width is None or len(click.unstyle(head)) + 2 + len(text) <= self.width:
            return [f"{head}: {text}"]
        margin = " " * indent
        return [f"{head}:", *textwrap.wrap(text, self.width, initial_indent=margin, subsequent_indent=margin)]

    def table(self, names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
        """A table: the first column to the left, numbers to the right; what is too wide is cut in the first."""
        widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
        if self.width is not None:
            widths[0] = max(8, min(widths[0], self.width - sum(w + 2 for w in widths[1:])))
        return [_row(row, widths) for row in (names, *rows)]


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0] if len(cells[0]) <= widths[0] else cells[0][: widths[0] - 1] + "…"
    others = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "  ".join([first.ljust(widths[0]), *others]).rstrip()


def size_of(stream: TextIO) -> os.terminal_size:
    """The columns and rows of a terminal; the usual ones where they are not known."""
    usual = os.terminal_size((80, 24))
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return usual
    return os.terminal_size((size.columns or usual.columns, size.lines or usual.lines))


def stdout_of(env: Mapping[str, str], *, color: bool | None) -> Terminal:
    """Standard output as it is now."""
    return Terminal.of(sys.stdout, env, color=color)


def stderr_of(env: Mapping[str, str], *, color: bool | None) -> Terminal:
    """Standard error as it is now."""
    return Terminal.of(sys.stderr, env, color=color)


# --- what comes through ---------------------------------------------------------------------------


class SafeStream:
    """A stream of text that lets through what `shown` leaves; all else of it is that of the stream below.

    Attributes:
        below: that stream.
        before: is called before anything is written: what is drawn on the same terminal goes out of the way.
        ends_with_reader: whether the command ends when nobody reads it any more, as `| head` does.
        failure: why the first thing that was lost could not be written: its disk is full, or it is gone. The work goes
            on without it.
    """

    # What writes bytes would go round it.
    buffer = None

    def __init__(self, stream: TextIO, *, ends_with_reader: bool = False) -> None:
        self.below = stream
        self.before: Callable[[], None] | None = None
        self.ends_with_reader = ends_with_reader
        self.failure: OSError | None = None
        self._held: list[str] | None = None

    def write(self, text: str) -> int:
        """Write a text, made safe."""
        if self._held is not None:
            self._held.append(shown(text))
            return len(text)
        self.release(shown(text))
        return len(text)

    def release(self, text: str) -> None:
        """Write a text that is safe already."""
        if self.before is not None:
            self.before()
        with self._lost_where_it_fails():
            self.below.write(text)

    @contextlib.contextmanager
    def held(self) -> Iterator[list[str]]:
        """Keep what is written until the end of the block: safe texts, in their order."""
        kept: list[str] = []
        self._held = kept
        try:
            yield kept
        finally:
            self._held = None

    def flush(self) -> None:
        """Hand on what was written."""
        with self._lost_where_it_fails():
            self.below.flush()

    @contextlib.contextmanager
    def _lost_where_it_fails(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno == errno.EPIPE and self.ends_with_reader:
                raise
            self.failure = self.failure or error
            _lead_nowhere(self.below)

    @property
    def encoding(self) -> str:
        """Its letters."""
        return self.below.encoding or "utf-8"

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts, made safe."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        """The stream's own."""
        return getattr(self.below, name)


def _lead_nowhere(stream: TextIO) -> None:
    """Let what a stream still holds, and all that comes, be lost without another error."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def outlive_readers() -> None:
    """Let the command go on when nobody reads its output any more: others wait for what it does."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, SafeStream):
            stream.ends_with_reader = False


def shown(text: str) -> str:
    """A text without what a terminal would obey: only our colours, tabs and ends of lines stay."""
    if text.isprintable():
        return text
    return "".join(part if number % 2 else printable(part) for number, part in enumerate(_OURS.split(text)))


def open_standard_streams() -> None:
    """Let what the caller has closed lead nowhere: the next file that is opened would else be what is printed to."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (for good)
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


@contextlib.contextmanager
def safe_streams() -> Iterator[SafeStream]:
    """Let nothing reach standard output and standard error but through `SafeStream`; gives that of the first."""
    out, err = sys.stdout, sys.stderr
    safe = SafeStream(out, ends_with_reader=True)
    sys.stdout, sys.stderr = cast("TextIO", safe), cast("TextIO", SafeStream(err))
    try:
        yield safe
    finally:
        sys.stdout, sys.stderr = out, err
