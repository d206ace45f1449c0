"""Whoever looks on while a command works: told of every stage, call and step, shown what is under way.

A clock of its own redraws while hosts are waited for. It stops where processes are forked, which is not safe beside
another thread: then what was read is shown as it comes.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum
from typing import TYPE_CHECKING, Final, TextIO

import click

from provisioner.base.language import ENGLISH, Translator
from provisioner.base.printable import printable
from provisioner.base.stage import FORKING, Stage
from provisioner.cli.progress.display import TerminalRows
from provisioner.cli.progress.sentences import line_of, operation_words, rows_of, stage_words
from provisioner.cli.progress.underway import Expected, Underway
from provisioner.cli.terminal import SafeStream

if TYPE_CHECKING:  # what it needs takes time to import, and few commands write one
    from provisioner.cli.progress.log_file import LogFile

PATIENCE_S: Final = 1.0
"""What takes no longer is not shown."""
LINES_APART_S: Final = 10.0
"""Where there is no terminal there is a line at most every so many seconds."""
_TICK_S: Final = 0.25
_REDRAWN_S: Final = 0.1
_GAP_S: Final = 0.5
"""What begins so soon after something else goes on with it: many short stages are one long wait."""
_LISTED: Final = 20
_WORTH_A_LINE_S: Final = 0.1


class ProgressForm(Enum):
    """How it is shown what is under way."""

    NOTHING = "nothing"
    ROWS = "rows"
    LINES = "lines"


class Progress:
    """What is under way, shown to whoever looks on, and told to a log file.

    Args:
        say: whoever speaks the reader's language.
        shown: how.
        verbose: whether each event is a line on standard error as well.
        log: the file that each event goes to.
        quiet: whether remarks are left out.
        clock: seconds of a clock that only goes on.
    """

    def __init__(
        self,
        say: Translator,
        shown: ProgressForm,
        *,
        verbose: bool = False,
        log: LogFile | None = None,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say, self._shown, self._clock = say, shown, clock
        self._verbose, self._log, self._quiet = verbose, log, quiet
        self._work = Underway()
        self._lock = threading.RLock()
        self._rows = TerminalRows(_below(sys.stderr)) if shown is ProgressForm.ROWS else None
        self._busy_since: float | None = None
        self._idle_since: float | None = clock()
        self._drawn_at = self._next_line = 0.0
        self._ticker: threading.Thread | None = None
        self._stop = threading.Event()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show it until the end of the block; what others print meanwhile comes first."""
        streams = [one for one in (sys.stdout, sys.stderr) if isinstance(one, SafeStream) and one.below.isatty()]
        if self._rows is not None:
            for stream in streams:
                stream.before = self._erase
        try:
            yield
        finally:
            self._end_ticker()
            self._erase()
            for stream in streams:
                stream.before = None

    def remark(self, sentence: str) -> None:
        """Say something on standard error that is neither warning nor error, and no result."""
        if not self._quiet:
            click.echo(printable(sentence), err=True)

    def log(self, text: str) -> None:
        """Write something into the log file, where there is one."""
        if self._log is not None:
            self._log.write(text)

    def close(self) -> None:
        """Write no more into the log file."""
        if self._log is not None:
            self._log.close()

    # --- what is told ---------------------------------------------------------------------------------

    def stage_begun(self, stage: Stage, total: int) -> None:
        """A stage was begun."""
        if stage in FORKING and not self._work.calls:
            self._end_ticker()
        with self._lock:
            self._work.begin_stage(stage, total, self._clock())
        self._changed()

    def stage_advanced(self, stage: Stage, number: int) -> None:
        """More of its things are done."""
        with self._lock:
            self._work.advance_stage(stage, number)
        self._changed()

    def stage_ended(self, stage: Stage) -> None:
        """It is over."""
        with self._lock:
            ended, now = self._work.end_stage(stage), self._clock()
        if ended is not None and now - ended.since >= _WORTH_A_LINE_S:
            self._tell(lambda say: stage_words(ended, say, now))
        self._changed()

    def begun(self, operation: str, hosts: Mapping[str, int]) -> None:
        """An operation was begun on hosts."""
        with self._lock:
            self._work.begin_calls(operation, hosts, self._clock())
        names = ", ".join(list(hosts)[:_LISTED]) + (f" + {len(hosts) - _LISTED}" if len(hosts) > _LISTED else "")
        self._tell(lambda say: say("{what}: asked {hosts}", what=operation_words(operation, say), hosts=names))
        self._changed()

    def answered(self, operation: str, host: str, outcome: str) -> None:
        """One of them has answered, or nothing more is to come from it."""
        with self._lock:
            ended, now = self._work.end_call(operation, host), self._clock()
        if ended is not None:
            self._tell(
                lambda say: say(
                    "{what}: {host} {outcome} after {seconds} s",
                    what=operation_words(operation, say),
                    host=host,
                    outcome=outcome or "no answer",
                    seconds=f"{now - ended.since:.1f}",
                )
            )
        self._changed()

    def stepped(self, host: str, step: str, state: str, detail: Mapping[str, object]) -> None:
        """A run has written down a step."""
        with self._lock:
            self._work.step(host, step, state, detail, self._clock())
        of = host or str(detail.get("wave", "")) or "run"
        self._tell(lambda _: f"{of}: {step} {state}")
        self._changed()

    def expect(self, seconds: float, runs: int) -> None:
        """The run that begins now will take about so long."""
        with self._lock:
            self._work.expected = Expected(seconds, runs)
        self._tell(
            lambda say: say(
                "{runs} of this kind took {seconds} s",
                runs=say.counted(runs, "earlier run"),
                seconds=round(seconds),
            )
        )

    def _tell(self, words: Callable[[Translator], str]) -> None:
        self.log(words(ENGLISH))
        if self._verbose:
            with suppress(OSError, ValueError):
                click.echo(printable(words(self._say)), err=True)

    # --- what is shown --------------------------------------------------------------------------------

    def _changed(self) -> None:
        if self._shown is ProgressForm.NOTHING:
            return
        with self._lock:
            now = self._clock()
            if self._work.is_idle:
                self._idle_since = now
                self._erase()
                return
            if self._idle_since is not None:
                if self._busy_since is None or now - self._idle_since > _GAP_S:
                    self._busy_since = now
                self._idle_since = None
            if self._has_clock():
                self._begin_ticker()
            else:
                self._show(now)

    def _has_clock(self) -> bool:
        """Whether a clock may run: no process is about to be forked."""
        return bool(self._work.calls or self._work.wave) or self._work.stages[-1].stage not in FORKING

    def _show(self, now: float) -> None:
        if self._busy_since is None or now - self._busy_since < PATIENCE_S or self._work.is_idle:
            return
        if self._rows is not None and now - self._drawn_at >= _REDRAWN_S:
            self._drawn_at = now
            self._rows.draw(rows_of(self._work, self._say, now))
        elif self._rows is None and now >= self._next_line:
            self._next_line = now + LINES_APART_S
            with suppress(OSError, ValueError):
                click.echo(line_of(self._work, self._say, now), err=True)

    def _erase(self) -> None:
        with self._lock:
            if self._rows is not None:
                self._rows.erase()

    def _begin_ticker(self) -> None:
        if self._ticker is None:
            self._stop = threading.Event()
            self._ticker = threading.Thread(target=self._tick, args=(self._stop,), daemon=True)
            self._ticker.start()

    def _end_ticker(self) -> None:
        with self._lock:
            ticker, self._ticker = self._ticker, None
            self._stop.set()
        if ticker is not None and ticker is not threading.current_thread():
            ticker.join()

    def _tick(self, stop: threading.Event) -> None:
        """Show it again and again, as long as something is under way."""
        while not stop.wait(_TICK_S):
            with self._lock:
                if stop.is_set() or self._work.is_idle:
                    if self._ticker is threading.current_thread():
                        self._ticker = None
                    return
                self._show(self._clock())


def _below(stream: TextIO) -> TextIO:
    return stream.below if isinstance(stream, SafeStream) else stream
