"""Progress of a command, shown to people and logged.

A thread redraws the display during calls to hosts. It stops for forks, which are unsafe beside a thread. A terminal
shows some rows, a log a line.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum
from typing import TYPE_CHECKING, Final, TextIO

import click

from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.service import FORKING, Stage
from provisioner.base.text import printable
from provisioner.cli.support.running import Expected, HostsWork, HostWork, StageWork, TerminalRows, Underway
from provisioner.cli.support.terminal import SafeStream

if TYPE_CHECKING:
    from provisioner.cli.support.running import LogFile

_NAMED: Final = 2
_ROWS: Final = 4
_MINUTES_FROM: Final = 100
_MINUTE: Final = 60
#: By operation, the work of a command, and why a host is waited for.
_OPERATIONS: Final = {
    "observe": (marked("reading"), marked("its state is read")),
    "probe": (marked("looking at pictures"), marked("tunnels, cameras' ports and pictures are looked at")),
    "apply": (marked("changing"), marked("everything is checked aside, then switched")),
    "confirm": (marked("confirming"), marked("the change is confirmed over a new connection")),
    "look": (marked("watching paths"), marked("its paths have to be as good as before")),
    "rollback": (marked("going back"), marked("everything is checked aside, then switched back")),
    "abort": (marked("going back"), marked("it returns to its last-good state")),
    "keys": (marked("making keys"), marked("it makes its keys")),
    "remove": (marked("taking everything off"), marked("everything of ours is taken off")),
    "approach": (marked("looking at a bare host"), marked("it reports the parts that it has and lacks")),
    "prepare": (marked("making it ready"), marked("packages are installed, its user is made")),
    "status": (marked("asking"), marked("it is asked what became of its change")),
}
_OTHER: Final = (marked("asking"), marked("its answer is waited for"))
_STAGES: Final = {
    Stage.READ: marked("reading facilities' files"),
    Stage.BUILD: marked("putting the inventory together"),
    Stage.RULES: marked("checking the rules across files"),
    Stage.SECRETS: marked("opening and checking secrets"),
    Stage.DESIRE: marked("working out what hosts should hold"),
    Stage.RENDER: marked("rendering hosts' files"),
    Stage.RECORD: marked("reading the record of runs"),
    Stage.COUNT: marked("seeing where each facility stands"),
    Stage.SHEETS: marked("reading sheets"),
    Stage.PROPOSE: marked("holding rows against the inventory"),
    Stage.DOCUMENTS: marked("writing documents"),
    Stage.PAGES: marked("writing pages"),
    Stage.WAIT: marked("waiting before a second look"),
}

PATIENCE_S: Final = 1.0  #: Shorter work is not shown.
LINES_APART_S: Final = 10.0  #: Least seconds between lines without a terminal.

_TICK_S: Final = 0.25
_REDRAWN_S: Final = 0.1

_GAP_S: Final = 0.5  #: Work that follows within this time continues the earlier: many short stages are one wait.

_MOST_NAMED: Final = 20
_WORTH_A_LINE_S: Final = 0.1


class ProgressForm(Enum):
    """Form of the progress display."""

    NOTHING = "nothing"
    ROWS = "rows"
    LINES = "lines"


class Progress:
    """A command's progress, displayed and logged."""

    def __init__(
        self,
        say: Translator,
        form: ProgressForm,
        *,
        verbose: bool = False,
        log: "LogFile | None" = None,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say, self._form, self._clock = say, form, clock
        self._verbose, self._log, self._quiet = verbose, log, quiet
        self._work = Underway()
        self._lock = threading.RLock()
        self._rows = TerminalRows(_below(sys.stderr)) if form is ProgressForm.ROWS else None
        self._busy_since: float | None = None
        self._idle_since: float | None = clock()
        self._drawn_at = self._next_line = 0.0
        self._ticker: threading.Thread | None = None
        self._stop = threading.Event()

    @contextmanager
    def displayed(self) -> Iterator[None]:
        """Display progress until the block ends; other output comes first."""
        streams = [
            output for output in (sys.stdout, sys.stderr) if isinstance(output, SafeStream) and output.below.isatty()
        ]
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
        """Print a remark on standard error, no warning, error or result."""
        if not self._quiet:
            click.echo(printable(self._say.restated(sentence)), err=True)

    def log(self, text: str) -> None:
        """Write to the log file, if any."""
        if self._log is not None:
            self._log.write(text)

    def close(self) -> None:
        """Close the log file."""
        if self._log is not None:
            self._log.close()

    # --- messages -------------------------------------------------------------------------------------
    def stage_started(self, stage: Stage, total: int) -> None:
        """A stage begins."""
        if stage in FORKING and not self._work.calls:
            self._end_ticker()
        with self._lock:
            self._work.begin_stage(stage, total, self._clock())
        self._draw_or_start_ticker()

    def stage_advanced(self, stage: Stage, number: int) -> None:
        """More items are done."""
        with self._lock:
            self._work.advance_stage(stage, number)
        self._draw_or_start_ticker()

    def stage_ended(self, stage: Stage) -> None:
        """A stage ends."""
        with self._lock:
            ended, now = self._work.end_stage(stage), self._clock()
        if ended is not None and now - ended.since >= _WORTH_A_LINE_S:
            self._log_and_print(lambda say: stage_words(ended, say, now))
        self._draw_or_start_ticker()

    def started(self, operation: str, hosts: Mapping[str, int]) -> None:
        """Hosts are called."""
        with self._lock:
            self._work.begin_calls(operation, hosts, self._clock())
        names = ", ".join(list(hosts)[:_MOST_NAMED]) + (
            f" + {len(hosts) - _MOST_NAMED}" if len(hosts) > _MOST_NAMED else ""
        )
        self._log_and_print(
            lambda say: say("{what}: asked {hosts}", what=_operation_words(operation, say), hosts=names)
        )
        self._draw_or_start_ticker()

    def answered(self, operation: str, host: str, outcome: str) -> None:
        """A host answered, or is given up."""
        with self._lock:
            ended, now = self._work.end_call(operation, host), self._clock()
        if ended is not None:
            self._log_and_print(
                lambda say: say(
                    "{what}: {host} {outcome} after {seconds} s",
                    what=_operation_words(operation, say),
                    host=host,
                    outcome=outcome or "no answer",
                    seconds=f"{now - ended.since:.1f}",
                )
            )
        self._draw_or_start_ticker()

    def stepped(self, host: str, step: str, state: str, detail: Mapping[str, object]) -> None:
        """A run wrote a step."""
        with self._lock:
            self._work.step(host, step, state, detail, self._clock())
        subject = host or str(detail.get("wave", "")) or "run"
        self._log_and_print(lambda _: f"{subject}: {step} {state}")
        self._draw_or_start_ticker()

    def expect(self, seconds: float, runs: int) -> None:
        """A run begins that usually takes so long."""
        with self._lock:
            self._work.expected = Expected(seconds, runs)
        self._log_and_print(
            lambda say: say(
                "{runs} of this kind took {seconds} s", runs=say.counted(runs, "earlier run"), seconds=round(seconds)
            )
        )

    def _log_and_print(self, render: Callable[[Translator], str]) -> None:
        self.log(render(ENGLISH))
        if self._verbose:
            with suppress(OSError, ValueError):
                click.echo(printable(render(self._say)), err=True)

    # --- display --------------------------------------------------------------------------------------
    def _draw_or_start_ticker(self) -> None:
        if self._form is ProgressForm.NOTHING:
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
                self._show_progress(now)

    def _has_clock(self) -> bool:
        """Return whether no process is about to fork."""
        return bool(self._work.calls or self._work.wave) or self._work.stages[-1].stage not in FORKING

    def _show_progress(self, now: float) -> None:
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
        while not stop.wait(_TICK_S):
            with self._lock:
                if stop.is_set() or self._work.is_idle:
                    if self._ticker is threading.current_thread():
                        self._ticker = None
                    return
                self._show_progress(self._clock())


def rows_of(work: Underway, say: Translator, now: float) -> list[str]:
    """Return rows for a terminal: the total, waiting hosts, time left."""
    hosts = work.wave or next(iter(work.calls.values()), None)
    if hosts is None:
        return [stage_words(work.stages[-1], say, now)] if work.stages else []
    rows = [_head(work, hosts, say, now)]
    longest = sorted(hosts.waiting.items(), key=lambda item: item[1].since)
    started = [(host, wait) for host, wait in longest if wait.operation]
    rows += [f"  {_host_line(host, wait, say, now)}" for host, wait in started[:_ROWS]]
    more = len(hosts.waiting) - len(started[:_ROWS])
    rows += ["  " + say.plural("and {n} more host", "and {n} more hosts", more)] if more > 0 else []
    remaining = time_left(work.expected, say, now)
    return [*rows, remaining] if remaining else rows


def _head(work: Underway, hosts: HostsWork, say: Translator, now: float) -> str:
    return say(
        "{what}: {done} of {total} hosts, {seconds} s",
        what=_what(work, say),
        done=hosts.done,
        total=hosts.total,
        seconds=int(now - hosts.since),
    )


def _host_line(host: str, work: HostWork, say: Translator, now: float) -> str:
    paths = say.counted(work.paths, "path") if work.paths else ""
    why = say(_OPERATIONS.get(work.operation, _OTHER)[1])
    about = f"{why} ({paths})" if paths else why
    return say("{host}, {seconds} s: {what}", host=printable(host), what=about, seconds=int(now - work.since))


def line_of(work: Underway, say: Translator, now: float) -> str:
    """Return the same in one line."""
    hosts = work.wave or next(iter(work.calls.values()), None)
    if hosts is None:
        return stage_words(work.stages[-1], say, now) if work.stages else ""
    names = [printable(host) for host in hosts.waiting]
    more = len(names) - _NAMED
    rest = say(" and {n} more", n=more) if more > 0 else ""
    line = say(
        "{what}: {done} of {total} hosts, waiting for {hosts}, {seconds} s",
        what=_what(work, say),
        done=hosts.done,
        total=hosts.total,
        hosts=", ".join(names[:_NAMED]) + rest,
        seconds=int(now - hosts.since),
    )
    remaining = time_left(work.expected, say, now)
    return f"{line}; {remaining}" if remaining else line


def _what(work: Underway, say: Translator) -> str:
    if work.wave is not None:
        return say("wave {name}", name=printable(work.wave_name))
    return _operation_words(next(iter(work.calls)), say)


def stage_words(work: StageWork, say: Translator, now: float) -> str:
    """Return a stage's progress and time."""
    title, seconds = say(_STAGES[work.stage]), int(now - work.since)
    if work.total:
        return say(
            "{what}: {done} of {total}, {seconds} s", what=title, done=work.done, total=work.total, seconds=seconds
        )
    return say("{what}: {seconds} s", what=title, seconds=seconds)


def time_left(expected: Expected | None, say: Translator, now: float) -> str:
    """Return the time left by earlier runs, or empty."""
    if expected is None or expected.since is None:
        return ""
    usual, runs = _time(expected.seconds, say), say.counted(expected.runs, "earlier run")
    seconds_left = expected.seconds - (now - expected.since)
    if seconds_left <= 0:
        return say("longer than usual: {runs} took {usual}", runs=runs, usual=usual)
    return say("about {left} left: {runs} took {usual}", left=_time(seconds_left, say), runs=runs, usual=usual)


def _time(seconds: float, say: Translator) -> str:
    if seconds < _MINUTES_FROM:
        return say("{seconds} s", seconds=max(1, round(seconds)))
    return say("{minutes} min", minutes=round(seconds / _MINUTE))


def _operation_words(operation: str, say: Translator) -> str:
    return say(_OPERATIONS.get(operation, _OTHER)[0])


def _below(stream: TextIO) -> TextIO:
    return stream.below if isinstance(stream, SafeStream) else stream
