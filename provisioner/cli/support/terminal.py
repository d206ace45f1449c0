"""Safe terminal output, the pager, and types of options.

All output passes `safe_streams`, since inventories, sheets, hosts, Git and file names may contain control characters
that a terminal obeys. Only the program's own colours, tabs and line ends pass.

A long result at a terminal goes through the reader's pager; files, pipes, documents and jobs get it directly. The exit
code does not depend on the pager: if it cannot start, fails or ends early, the rest is printed.

Mistyped words are answered with similar ones, and impossible values are refused.
"""

import contextlib
import errno
import os
import re
import shlex
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import ceil
from pathlib import Path
from typing import Final, TextIO, TypeVar, cast
from urllib.parse import urlsplit

import click

from provisioner.base.text import did_you_mean, msg, printable

F = TypeVar("F", bound=Callable[..., object])
# The colours that `click.style` is asked for here, bold, and their end.
_OURS = re.compile(r"(\x1b\[(?:0|1|3[0-7])m|[\t\n])")

_PLAIN = str.maketrans({"→": "->", "…": "...", "·": "-"})
_NARROWEST = 40

# More than a person reads of one thing; the document has all of it.
_LONGEST_LINE = 2_000

PAGER_VARIABLE: Final = "PROVISIONER_PAGER"

_LESS: Final = "FRX"  #: As in Git: a short text is printed, colours stay, and the text remains afterwards.

_NOT_ITS_OWN: Final = ("ANSIBLE_", "PROVISIONER_", "_PROVISIONER_")

#: Commands whose output people read; those that ask, change or prove print at once.
_PAGED: Final = frozenset(
    {
        *("availability", "drift", "export", "geography list", "history", "history show", "plan", "plan diff"),
        *("quarantine list", "retention", "schema", "status"),
    }
)


class _Day(click.DateTime):
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse a day, or say how to write it, as `validate` does."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            from provisioner.inventory.explanation.problems import for_day  # noqa: PLC0415 (only for a mistake)

            shown = repr(printable(str(value), _LONGEST_DAY))
            return self.fail(msg("{text} is no day: {hint}", shown, for_day("", value)), param, ctx)


DAY = _Day(["%Y-%m-%d"])  #: A day, as in files.

_LONGEST_DAY = 40

_LONGEST_NAME, _LONGEST_PATH = 255, 4095


@dataclass(frozen=True, slots=True)
class Terminal:
    """Layout and output of lines."""

    width: int | None  #: The terminal's columns; `None` for a file or a pipe.
    encoding: str
    color: bool | None
    stream: TextIO

    @classmethod
    def of(cls, stream: TextIO, env: Mapping[str, str], *, color: bool | None = None) -> "Terminal":
        """Return the terminal of a stream, or a substitute for a file."""
        watched = stream.isatty()
        width = max(_NARROWEST, shutil.get_terminal_size().columns) if watched else None
        never = color is False or env.get("NO_COLOR") or env.get("TERM") == "dumb"
        return cls(width, getattr(stream, "encoding", None) or "utf-8", False if never else None, stream)

    def print(self, lines: Iterable[str]) -> None:
        """Print lines; `->` replaces an arrow that cannot be encoded."""
        for line in lines:
            click.echo(self.written(line.replace("\n", " ")), file=self.stream, color=self.color)

    def written(self, line: str) -> str:
        """Return a line in the stream's encoding."""
        try:
            line.encode(self.encoding)
        except (UnicodeEncodeError, LookupError):
            return line.translate(_PLAIN)
        return line

    def below(self, head: str, text: str, indent: int) -> list[str]:
        """Return `head: text` in one line, or several if too long."""
        text = printable(text, _LONGEST_LINE)
        if not text:
            return [head]
        if self.width is None or len(click.unstyle(head)) + 2 + len(text) <= self.width:
            return [f"{head}: {text}"]
        margin = " " * indent
        return [f"{head}:", *textwrap.wrap(text, self.width, initial_indent=margin, subsequent_indent=margin)]

    def table(self, names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
        """Return a table; a too wide first column is cut."""
        widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
        if self.width is not None:
            widths[0] = max(8, min(widths[0], self.width - sum(w + 2 for w in widths[1:])))
        return [_row(row, widths) for row in (names, *rows)]


class SafeStream:
    """A text stream that passes only what `shown` leaves."""

    # Bytes would bypass it.
    buffer = None

    def __init__(self, stream: TextIO, *, exits_on_broken_pipe: bool = False) -> None:
        self.below = stream
        self.before: Callable[[], None] | None = None  #: Called before each write, to clear the progress display.
        self.exits_on_broken_pipe = exits_on_broken_pipe  #: Whether the command ends with its reader (`| head`).
        self.failure: OSError | None = None  #: The first write error; the work continues.
        self._collected: list[str] | None = None

    def write(self, text: str) -> int:
        """Write a text, made safe."""
        if self._collected is not None:
            self._collected.append(without_controls(text))
            return len(text)
        self.release(without_controls(text))
        return len(text)

    def release(self, text: str) -> None:
        """Write a safe text."""
        if self.before is not None:
            self.before()
        with self._lost_where_it_fails():
            self.below.write(text)

    @contextlib.contextmanager
    def collected(self) -> Iterator[list[str]]:
        """Collect safe texts until the block ends."""
        texts: list[str] = []
        self._collected = texts
        try:
            yield texts
        finally:
            self._collected = None

    def flush(self) -> None:
        """Flush the real stream."""
        with self._lost_where_it_fails():
            self.below.flush()

    @contextlib.contextmanager
    def _lost_where_it_fails(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno == errno.EPIPE and self.exits_on_broken_pipe:
                raise
            self.failure = self.failure or error
            _lead_nowhere(self.below)

    @property
    def encoding(self) -> str:
        """The real stream's encoding."""
        return self.below.encoding or "utf-8"

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts, made safe."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self.below, name)


class UnknownWordError(click.BadParameter):
    """A word not on the list, with a `hint` at similar ones."""

    def __init__(self, message: str, hint: str, ctx: click.Context | None, param: click.Parameter | None) -> None:
        super().__init__(message, ctx, param)
        self.hint = hint


class ListedWord(click.Choice[str]):
    """One of the words of a list."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take a word on the list, or raise `UnknownWordError`."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            raise UnknownWordError(error.message, did_you_mean(value, self.choices, ""), ctx, param) from None


class ValidPath(click.Path):
    """A path that a file system can hold."""

    def __init__(self, **options: bool) -> None:
        super().__init__(path_type=Path, **options)

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Take a path that a file can have, or fail."""
        name = os.fsencode(value)
        if b"\0" in name:
            self.fail("the path has a zero byte, which no file's name has", param, ctx)
        if len(name) > _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in name.split(b"/")):
            self.fail("the path is longer than any file's", param, ctx)
        return super().convert(value, param, ctx)


class AccessText(click.ParamType[str]):
    """A text for the access log, without phone number or address."""

    name = "TEXT"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take a text without personal data, or fail without repeating it."""
        # Few commands have such a text.
        from provisioner.base.private_text import holds_personal_data  # noqa: PLC0415

        if holds_personal_data(value):
            self.fail("it holds a phone number or an e-mail address: the access log holds no personal data", param, ctx)
        return value


_purpose = partial(
    click.option, "--purpose", type=AccessText(), metavar="TEXT", help="The purpose, for the access log."
)
purpose_option = _purpose(required=True)
requester_option = click.option(
    "--requester",
    type=AccessText(),
    metavar="WHO",
    help="The requester, for the access log. Default: this machine's user.",
)


def purpose_by_default(word: str) -> Callable[[F], F]:
    """Return the purpose's option of a command that has one itself."""
    return _purpose(default=word, show_default=True)


class PageAddress(click.ParamType[str]):
    """A web page's address without a login."""

    name = "URL"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take an address that a page may link to, or fail."""
        try:
            parts = urlsplit(value)
            is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
            has_login = parts.username is not None or parts.password is not None
        except ValueError:
            is_address = has_login = False
        if not is_address or not value.isascii() or not value.isprintable() or " " in value:
            self.fail("that is no web address: write it as https://HOST/PATH", param, ctx)
        if has_login:
            self.fail("an address with a login may hold a secret, and every reader of the page sees it", param, ctx)
        return value


class Amount(click.FloatRange):
    """A number within bounds; "nan" is refused."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Take a number within bounds, or fail."""
        number = float(super().convert(value, param, ctx))
        if number != number:  # noqa: PLR0124 (only "nan" is not itself)
            self.fail("nan is not a number", param, ctx)
        return number


def size_of(stream: TextIO) -> os.terminal_size:
    """Return a terminal's size, by default 80 by 24."""
    usual = os.terminal_size((80, 24))
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return usual
    return os.terminal_size((size.columns or usual.columns, size.lines or usual.lines))


def stdout_of(env: Mapping[str, str]) -> Terminal:
    """Return standard output as it is now."""
    return Terminal.of(sys.stdout, env)


def stderr_of(env: Mapping[str, str]) -> Terminal:
    """Return standard error as it is now."""
    return Terminal.of(sys.stderr, env)


def outlive_readers() -> None:
    """Continue the command without readers: others need its effects."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, SafeStream):
            stream.exits_on_broken_pipe = False


def without_controls(text: str) -> str:
    """Remove what a terminal obeys, but our colours, tabs and line ends."""
    if text.isprintable():
        return text
    return "".join(part if number % 2 else printable(part) for number, part in enumerate(_OURS.split(text)))


def open_standard_streams() -> None:
    """Open closed standard streams on /dev/null, before another file takes their number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (for good)
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


@contextlib.contextmanager
def safe_streams() -> Iterator[SafeStream]:
    """Route both standard streams through `SafeStream`; yields the first."""
    out, err = sys.stdout, sys.stderr
    safe = SafeStream(out, exits_on_broken_pipe=True)
    sys.stdout, sys.stderr = cast("TextIO", safe), cast("TextIO", SafeStream(err))
    try:
        yield safe
    finally:
        sys.stdout, sys.stderr = out, err


def is_paged(command: str) -> bool:
    """Return whether a command's output goes through a pager."""
    return command in _PAGED


def pager_of(env: Mapping[str, str]) -> list[str]:
    """Return the pager's words; empty without one, or for a relative path."""
    named = env.get(PAGER_VARIABLE) if PAGER_VARIABLE in env else env.get("PAGER", "less")
    try:
        command = shlex.split(named or "")
    except ValueError:
        return []
    is_elsewhere = bool(command) and (command[0].startswith("/") or "/" not in command[0])
    return command if is_elsewhere and command[0].rpartition("/")[2] != "cat" else []


@contextmanager
def paged(env: Mapping[str, str], *, wanted: bool) -> Iterator[None]:
    """Collect standard output; page it if long, `wanted` and possible."""
    stream = sys.stdout
    command = pager_of(env) if wanted and _is_read(env) else []
    if not command or not isinstance(stream, SafeStream):
        yield
        return
    with stream.collected() as texts:
        try:
            yield
        except BaseException:
            stream.release("".join(texts))
            raise
    text = "".join(texts)
    if not _is_long(text, stream) or not _show_in_pager(command, env, text, stream):
        stream.release(text)


def _is_read(env: Mapping[str, str]) -> bool:
    """Return whether a person is at a terminal fit for a pager."""
    return sys.stdout.isatty() and sys.stdin.isatty() and env.get("TERM", "dumb") != "dumb" and not env.get("CI")


def _is_long(text: str, stream: SafeStream) -> bool:
    columns, lines = size_of(stream.below)
    rows = (max(1, ceil(len(click.unstyle(line)) / columns)) for line in text.splitlines())
    return sum(rows) >= lines


def _show_in_pager(command: list[str], env: Mapping[str, str], text: str, stream: SafeStream) -> bool:
    """Return whether the pager succeeded; it handles interrupts itself."""
    from provisioner.base.processes import own_environment, show_on_terminal  # noqa: PLC0415 (few need it)

    variables = {name: value for name, value in own_environment(env).items() if not name.startswith(_NOT_ITS_OWN)}
    stream.flush()
    before = signal.signal(signal.SIGINT, _ignore_interrupt)
    try:
        code = show_on_terminal(command, {"LESS": _LESS, **variables}, text.encode(stream.encoding, "backslashreplace"))
    except OSError:
        return False
    finally:
        signal.signal(signal.SIGINT, before)
    return code == 0


def _ignore_interrupt(_number: int, _frame: object) -> None:
    """Ignore an interrupt meant for the pager."""


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0] if len(cells[0]) <= widths[0] else cells[0][: widths[0] - 1] + "…"
    rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "  ".join([first.ljust(widths[0]), *rest]).rstrip()


def _lead_nowhere(stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
