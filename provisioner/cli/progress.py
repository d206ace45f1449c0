"""Work that takes longer than a second shows how far it is: one line on standard error, while somebody looks on."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from provisioner.base.language import Translator
from provisioner.base.printable import printable
from provisioner.cli.context import Invocation, today
from provisioner.pipeline import Session

_PATIENCE_S: Final = 1.0
_TICK_S: Final = 0.25
_NAMED: Final = 2
_USUAL: Final = 80
_MOST: Final = 100
_CLEAR: Final = "\r\x1b[K"


def session_of(invocation: Invocation) -> Session:
    """A session whose calls to hosts are shown, where somebody is at a terminal and reads no document."""
    is_shown = sys.stderr.isatty() and not invocation.json and invocation.env.get("TERM") != "dumb"
    watcher = ProgressLine(invocation.say, _on_terminal) if is_shown else None
    return Session(invocation.inventory, invocation.env, today(), watcher)


def _on_terminal(text: str) -> None:
    # A terminal that is gone ends nothing: hosts are in the middle of a change.
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def _width() -> int:
    """How many letters fit: what goes on in the next row would stay there when the line is written over."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return min((columns or _USUAL) - 1, _MOST)


@dataclass
class _Asked:
    """Hosts that are asked for one thing: how many, who has not answered, since when."""

    total: int = 0
    waiting: dict[str, None] = field(default_factory=dict)
    since: float = 0.0


class ProgressLine:
    """One line that is written over: what is done, of how many hosts, who is waited for, and how long already.

    Args:
        say: whoever speaks the reader's language.
        write: writes on the terminal.
        clock: seconds of a clock that only goes on.
        width: letters that fit on a line now.
    """

    def __init__(
        self,
        say: Translator,
        write: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        width: Callable[[], int] = _width,
    ) -> None:
        self._say, self._write, self._clock, self._width = say, write, clock, width
        self._asked: dict[str, _Asked] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begun(self, operation: str, hosts: Sequence[str]) -> None:
        """An operation was begun on hosts."""
        with self._lock:
            asked = self._asked.setdefault(operation, _Asked(since=self._clock()))
            asked.total += len(hosts)
            asked.waiting |= dict.fromkeys(hosts)
            if self._thread is None:
                self._thread = threading.Thread(target=self._tick, daemon=True)
                self._thread.start()

    def answered(self, operation: str, host: str) -> None:
        """One of them has answered; when all have, the line is gone."""
        with self._lock:
            asked = self._asked.get(operation)
            if asked is None:
                return
            asked.waiting.pop(host, None)
            if not asked.waiting:
                del self._asked[operation]
            if not self._asked:
                self._write(_CLEAR)

    def line(self) -> str:
        """What is to be seen now; empty before it has taken a second."""
        with self._lock:
            return self._line()

    def _line(self) -> str:
        now = self._clock()
        late = [(op, asked) for op, asked in self._asked.items() if now - asked.since >= _PATIENCE_S]
        return "; ".join(self._words(operation, asked, now) for operation, asked in late)[: self._width()]

    def _words(self, operation: str, asked: _Asked, now: float) -> str:
        done, hosts = asked.total - len(asked.waiting), list(asked.waiting)
        named = ", ".join(printable(host) for host in hosts[:_NAMED])
        more = len(hosts) - _NAMED
        rest = self._say(" and {n} more", n=more) if more > 0 else ""
        return self._say(
            "{what}: {done} of {total} hosts, waiting for {hosts}, {seconds} s",
            what=_WORDS.get(operation, _other)(self._say),
            done=done,
            total=asked.total,
            hosts=f"{named}{rest}",
            seconds=int(now - asked.since),
        )

    def _tick(self) -> None:
        """Show the line again and again, as long as somebody is waited for."""
        while True:
            time.sleep(_TICK_S)
            with self._lock:
                if not self._asked:
                    self._thread = None
                    return
                if line := self._line():
                    self._write(f"{_CLEAR}{line}")


def _other(say: Translator) -> str:
    return say("asking")


_WORDS: Final[Mapping[str, Callable[[Translator], str]]] = MappingProxyType(
    {
        "observe": lambda say: say("reading"),
        "probe": lambda say: say("looking at pictures"),
        "apply": lambda say: say("changing"),
        "confirm": lambda say: say("confirming"),
        "look": lambda say: say("watching paths"),
        "rollback": lambda say: say("going back"),
        "abort": lambda say: say("going back"),
        "keys": lambda say: say("making keys"),
        "remove": lambda say: say("taking everything off"),
    }
)
