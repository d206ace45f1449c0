"""Questions to the caller, and signals that end the work.

After the first Ctrl-C or SIGTERM no further host starts to change; after the second the command ends.
"""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType

import click

from provisioner.base.errors import UsageError
from provisioner.base.text import printable
from provisioner.cli.support.context import Invocation
from provisioner.cli.support.output import said

_MOST_PIPED = 4096


class Stop:
    """Whether somebody asked to stop, as a call."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        """Return whether somebody asked to stop."""
        return self.asked


@contextlib.contextmanager
def stoppable() -> Iterator[Stop]:
    """Turn a first signal into a stop; hosts then roll back themselves."""
    stop = Stop()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        line = said(
            "interrupted: no further host is started, those on their way are brought to their end; "
            "once more leaves at once, and they return to last-good by themselves"
        )
        click.echo(line, err=True)

    with _signals_to(on_signal):
        yield stop


@contextlib.contextmanager
def ended_by_signal() -> Iterator[threading.Event]:
    """Yield an event set by a first signal; a second ends."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    with _signals_to(on_signal):
        yield stop


@contextlib.contextmanager
def _signals_to(on_signal: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def is_attended(invocation: Invocation) -> bool:
    """Return whether a person can answer."""
    return not invocation.json and sys.stdin.isatty()


def refuse_unattended(invocation: Invocation, decision: str, *, hint: str = "add --yes") -> None:
    """Raise `UsageError` for a question without a person; `decision` names it."""
    if not is_attended(invocation):
        raise UsageError(f"nobody is here to answer {decision}", hint=hint)


def refuse_missing(invocation: Invocation, what: str, options: Sequence[str]) -> None:
    """Raise `UsageError` for missing options of `what` without a person."""
    if options and not is_attended(invocation):
        named = ", ".join(options)
        raise UsageError(f"{what} needs {named}", hint=f"add {named}; in a terminal it is asked for")


def answer(
    invocation: Invocation,
    option: str,
    question: str,
    *,
    subject: str,
    kind: click.ParamType[str] = click.STRING,
    default: str | None = None,
) -> str:
    """Ask for an option that `subject` lacks, or raise `UsageError`."""
    refuse_missing(invocation, subject, (option,))
    return str(click.prompt(said(question), type=kind, default=default, err=True))


def make_sure(invocation: Invocation, question: str, decision: str, *, yes: bool) -> None:
    """Ask before an action, unless `yes`.

    Raises `UsageError` without a person, `click.Abort` after a no.
    """
    if not yes:
        refuse_unattended(invocation, decision)
        ask(question)


def tell_before(invocation: Invocation, lines: Iterable[str], *, asks: bool, dry_run: bool) -> None:
    """Print lines before an action, unless the output is JSON.

    `asks` tells that a person decides on them, else they are remarks. With `dry_run` they are the result.
    """
    for line in () if invocation.json else lines:
        if asks or dry_run:
            click.echo(printable(said(line)), err=not dry_run)
        else:
            invocation.progress.remark(line)


def piped_text(encoding: str = "utf-8") -> str:
    """Return standard input's text; empty if too long or not decodable."""
    data = sys.stdin.buffer.read(_MOST_PIPED + 1)
    try:
        return data.decode(encoding) if len(data) <= _MOST_PIPED else ""
    except UnicodeDecodeError:
        return ""


def ask(question: str) -> None:
    """Ask, and raise `click.Abort` on no."""
    if not click.confirm(said(question), err=True):
        raise click.Abort
