"""Questions to the caller, and signals that end the work.

After the first Ctrl-C or SIGTERM no further host starts to change; after the second the command ends.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

import click

from provisioner.base.errors import UsageError
from provisioner.base.text import printable
from provisioner.cli.support.context import Invocation


class Stop:
    """Whether somebody asked to stop, as a call."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        """Whether somebody asked to stop."""
        return self.asked


@contextlib.contextmanager
def stoppable() -> Iterator[Stop]:
    """Turn a first signal into a request; a second ends the command, and hosts on their way return by themselves."""
    stop = Stop()

    def asked(_number: int, _frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        click.echo(
            "interrupted: no further host is started, those on their way are brought to their end; "
            "once more leaves at once, and they return to last-good by themselves",
            err=True,
        )

    with _signals_to(asked):
        yield stop


@contextlib.contextmanager
def ended_by_signal() -> Iterator[threading.Event]:
    """An event that a first signal sets, which is how what goes on for ever is ended; a second leaves at once."""
    stop = threading.Event()

    def asked(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    with _signals_to(asked):
        yield stop


@contextlib.contextmanager
def _signals_to(asked: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle SIGINT and SIGTERM for a while, and give them back."""
    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def is_attended(invocation: Invocation) -> bool:
    """Whether a person is there to answer."""
    return not invocation.json and sys.stdin.isatty()


def refuse_unattended(invocation: Invocation, what: str, *, hint: str = "add --yes") -> None:
    """See that a person is there to answer.

    Args:
        invocation: a program that reads a document is no person.
        what: what the question is about, e.g. `whether to go back`.
        hint: what to do instead.

    Raises:
        UsageError: nobody is there.
    """
    if not is_attended(invocation):
        raise UsageError(f"nobody is here to answer {what}", hint=hint)


def answer(
    invocation: Invocation,
    option: str,
    question: str,
    *,
    what: str,
    kind: click.ParamType[str] = click.STRING,
    default: str | None = None,
) -> str:
    """What a person says who is asked for a word that an option would have said.

    Args:
        invocation: a program that reads a document is no person.
        option: which option.
        question: what it is.
        what: what needs it, e.g. `a new facility`.
        kind: what the word may be.
        default: what is meant where nothing is typed.

    Raises:
        UsageError: nobody is there.
    """
    if not is_attended(invocation):
        raise UsageError(f"{what} needs {option}", hint=f"add {option}; in a terminal it is asked for")
    return str(click.prompt(question, type=kind, default=default, err=True))


def make_sure(invocation: Invocation, question: str, what: str, *, yes: bool) -> None:
    """Ask before something is done, where it was not said already that it is to be done.

    Args:
        invocation: a program that reads a document is no person.
        question: it.
        what: what it is about, e.g. `whether to go back`.
        yes: whether it was said.

    Raises:
        UsageError: nobody is there.
        click.Abort: the answer is no.
    """
    if not yes:
        refuse_unattended(invocation, what)
        ask(question)


def tell_before(invocation: Invocation, lines: Iterable[str], *, asks: bool, dry_run: bool) -> None:
    """Say what is so and what will be, before something is done; to a program that reads a document nothing.

    Args:
        invocation: whoever is told.
        lines: what.
        asks: whether somebody decides by it, or has to do something; else it is a remark.
        dry_run: whether that is all that is done: then it is the result.
    """
    for line in () if invocation.json else lines:
        if asks or dry_run:
            click.echo(printable(line), err=not dry_run)
        else:
            invocation.progress.remark(line)


def ask(question: str) -> None:
    """Ask, and end the command where the answer is no.

    Raises:
        click.Abort: it is.
    """
    if not click.confirm(question, err=True):
        raise click.Abort
