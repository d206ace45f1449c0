"""Ctrl-C and SIGTERM: while hosts change the first starts no further host; what goes on until then ends with it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import click


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
