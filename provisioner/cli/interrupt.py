"""Ctrl-C and SIGTERM while hosts change: the first starts no further host, the second leaves at once."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
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

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
