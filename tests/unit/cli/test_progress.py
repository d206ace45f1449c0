"""Work that takes longer than a second shows how far it is: rows on a terminal, lines elsewhere, none in JSON mode."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.language import ENGLISH, Language, translator
from provisioner.base.service import FORKING, Stage, at_stage, watched_by
from provisioner.cli.support import onlookers
from provisioner.cli.support.attendance import FirstAnswerClock, running_s
from provisioner.cli.support.onlookers import Progress, ProgressForm, line_of, rows_of
from provisioner.cli.support.running import Expected, TerminalRows, Underway
from provisioner.cli.verify_run import ResultSoFar
from provisioner.hosts.call_target import CallTarget
from provisioner.hosts.runner import AttendedRunner, CallOutcome, HostAnswer, HostCall, OpenRunner
from provisioner.operations.apply.journal import UsualTime, usual_time
from provisioner.record.entries import Operation, Recorded, Run
from provisioner.verify.result import Cause, Finding, Incident, Layer
from tests.pseudo_terminal import Screen

VI = translator(Language.VI)


# --- in words ---------------------------------------------------------------------------------------
def test_rows_say_how_far_it_is_who_is_waited_for_why_and_how_long_it_may_take() -> None:
    work = Underway()
    work.expected = Expected(62.0, 5)
    work.begin_calls("probe", {"relay-1": 14, "relay-2": 1, "centre": 0}, 10.0)
    work.end_call("probe", "relay-2")
    assert rows_of(work, ENGLISH, 22.4) == [
        "looking at pictures: 1 of 3 hosts, 12 s",
        "  relay-1, 12 s: tunnels, cameras' ports and pictures are looked at (14 paths)",
        "  centre, 12 s: tunnels, cameras' ports and pictures are looked at",
        "about 50 s left: 5 earlier runs took 62 s",
    ]
    assert line_of(work, ENGLISH, 22.4) == (
        "looking at pictures: 1 of 3 hosts, waiting for relay-1, centre, 12 s;"
        " about 50 s left: 5 earlier runs took 62 s"
    )
    assert rows_of(work, ENGLISH, 90.0)[-1] == "longer than usual: 5 earlier runs took 62 s"


def test_of_many_hosts_those_are_named_that_have_been_waited_for_longest() -> None:
    work = Underway()
    work.begin_calls("observe", {f"late-{n}": 0 for n in range(9)}, 50.0)
    work.begin_calls("observe", {"early": 0}, 10.0)
    rows = rows_of(work, ENGLISH, 60.0)
    assert rows[1].startswith("  early, 50 s: ")
    assert rows[-1] == "  and 6 more hosts"
    assert len(rows) == 6


def test_nothing_is_said_of_time_where_no_earlier_run_is_known() -> None:
    work = Underway()
    work.begin_calls("observe", {"relay-1": 0}, 0.0)
    assert rows_of(work, ENGLISH, 2.0) == ["reading: 0 of 1 hosts, 2 s", "  relay-1, 2 s: its state is read"]


def test_a_wave_goes_on_between_calls_and_says_at_which_step_each_host_is() -> None:
    work = Underway()
    work.step("", "wave", "begin", {"wave": "relays", "hosts": ["relay-1", "relay-2"]}, 0.0)
    work.step("relay-1", "start", "begin", {}, 0.0)
    work.begin_calls("apply", {"relay-1": 0}, 0.0)
    work.end_call("apply", "relay-1")
    work.step("relay-1", "gate", "begin", {}, 3.0)
    work.begin_calls("look", {"relay-1": 9}, 3.0)
    work.end_call("look", "relay-1")
    assert rows_of(work, ENGLISH, 9.0) == [
        "wave relays: 0 of 2 hosts, 9 s",
        "  relay-1, 9 s: its paths have to be as good as before (9 paths)",
        "  and 1 more host",
    ]
    work.step("relay-1", "end", "applied", {}, 9.0)
    assert rows_of(work, ENGLISH, 9.0)[0] == "wave relays: 1 of 2 hosts, 9 s"
    work.step("", "wave", "done", {"wave": "relays"}, 9.0)
    assert work.is_idle


def test_waves_that_go_on_beside_each_other_are_one_until_the_last_of_their_hosts_is_through() -> None:
    work = Underway()
    work.step("", "wave", "begin", {"wave": "canary", "hosts": ["relay-1"]}, 0.0)
    work.step("relay-1", "gate", "begin", {}, 1.0)
    work.step("", "wave", "begin", {"wave": "rest", "hosts": ["relay-2"]}, 2.0)
    work.step("relay-2", "start", "begin", {}, 2.0)
    assert rows_of(work, ENGLISH, 3.0)[0] == "wave rest: 0 of 2 hosts, 3 s"
    work.step("relay-1", "end", "applied", {}, 4.0)
    work.step("", "wave", "done", {"wave": "canary"}, 4.0)
    assert rows_of(work, ENGLISH, 5.0)[0] == "wave rest: 1 of 2 hosts, 5 s"
    work.step("relay-2", "end", "applied", {}, 6.0)
    work.step("", "wave", "done", {"wave": "rest"}, 6.0)
    assert work.is_idle


def test_the_innermost_stage_is_shown_with_what_is_done_of_it() -> None:
    work = Underway()
    work.begin_stage(Stage.COUNT, 0, 0.0)
    work.begin_stage(Stage.PAGES, 20_000, 1.0)
    work.advance_stage(Stage.PAGES, 300)
    assert rows_of(work, ENGLISH, 4.0) == ["writing pages: 300 of 20000, 3 s"]
    work.end_stage(Stage.PAGES)
    assert line_of(work, ENGLISH, 4.0) == "seeing where each facility stands: 4 s"


@pytest.mark.parametrize("stage", Stage)
def test_every_stage_has_its_words_in_both_languages(stage: Stage) -> None:
    work = Underway()
    work.begin_stage(stage, 0, 0.0)
    assert line_of(work, ENGLISH, 1.0) != line_of(work, VI, 1.0)


names = st.text(st.characters(), min_size=1, max_size=200)


@given(
    hosts=st.lists(names, unique=True, min_size=1, max_size=8), columns=st.integers(1, 200), lines=st.integers(1, 30)
)
def test_no_name_moves_the_cursor_or_leaves_its_row(hosts: Sequence[str], columns: int, lines: int) -> None:
    work = Underway()
    work.begin_calls("observe", dict.fromkeys(hosts, 0), 0.0)
    stream = StringIO()
    rows = TerminalRows(stream, lambda: os.terminal_size((columns, lines)))
    rows.draw(rows_of(work, ENGLISH, 1.0))
    screen = Screen(columns)
    screen.feed(stream.getvalue())
    assert len(screen.lines) <= max(1, lines - 1)
    assert all(len(line) < max(columns, 2) for line in screen.lines)
    rows.erase()
    screen.feed(stream.getvalue()[len(stream.getvalue()) - len("\r\x1b[J") :])
    assert screen.text == ""


# --- when, and to whom --------------------------------------------------------------------------------
class Terminal(StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def watched_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """What makes standard error a terminal, called in the test itself: pytest's own one is put there before it."""

    def begin() -> Terminal:
        terminal = Terminal()
        monkeypatch.setattr(onlookers, "PATIENCE_S", 1.0)
        monkeypatch.setattr("sys.stderr", terminal)
        return terminal

    return begin


def progress(shown: ProgressForm, now: list[float], **more: Any) -> Progress:
    return Progress(ENGLISH, shown, clock=lambda: now[0], **more)


def test_rows_come_after_a_second_and_go_when_all_is_done(watched_terminal: Callable[[], Terminal]) -> None:
    told = watched_terminal()
    now = [0.0]
    one = progress(ProgressForm.ROWS, now)
    with one.displayed():
        one.started("observe", {"relay-1": 0})
        time.sleep(0.4)
        assert told.getvalue() == ""
        now[0] = 1.5
        until = time.monotonic() + 30
        while not told.getvalue() and time.monotonic() < until:
            time.sleep(0.02)
        screen = Screen(80)
        screen.feed(told.getvalue())
        assert screen.text == "reading: 0 of 1 hosts, 1 s\n  relay-1, 1 s: its state is read"
        one.answered("observe", "relay-1", "answered")
    screen.feed(told.getvalue()[len(told.getvalue()) - 4 :])
    assert screen.text == ""
    length = len(told.getvalue())
    time.sleep(0.6)
    assert len(told.getvalue()) == length


def test_many_short_stages_are_one_long_wait(watched_terminal: Callable[[], Terminal]) -> None:
    told = watched_terminal()
    now = [0.0]
    one = progress(ProgressForm.LINES, now)
    for stage in (Stage.READ, Stage.SECRETS, Stage.READ, Stage.SECRETS):
        one.stage_started(stage, 0)
        now[0] += 0.4
        one.stage_advanced(stage, 1)
        one.stage_ended(stage)
    assert told.getvalue() == "reading facilities' files: 0 s\n"
    now[0] += 20
    one.stage_started(Stage.READ, 0)
    assert told.getvalue().count("\n") == 1


def test_a_log_of_somebody_else_gets_a_line_every_ten_seconds_at_most(watched_terminal: Callable[[], Terminal]) -> None:
    told = watched_terminal()
    now = [0.0]
    one = progress(ProgressForm.LINES, now)
    one.stage_started(Stage.READ, 3000)
    for _ in range(300):
        now[0] += 0.1
        one.stage_advanced(Stage.READ, 10)
    one.stage_ended(Stage.READ)
    lines = told.getvalue().splitlines()
    assert [line.rpartition(", ")[2] for line in lines] == ["1 s", "11 s", "21 s"]
    assert lines[1].startswith("reading facilities' files: 1")
    assert "\x1b" not in told.getvalue()


def test_nobody_is_shown_anything_where_nothing_is_to_be_shown(watched_terminal: Callable[[], Terminal]) -> None:
    told = watched_terminal()
    now = [0.0]
    one = progress(ProgressForm.NOTHING, now)
    one.stage_started(Stage.READ, 3)
    now[0] = 100.0
    one.stage_advanced(Stage.READ, 1)
    one.started("observe", {"relay-1": 0})
    assert threading.active_count() == 1 or all(thread.name != "progress" for thread in threading.enumerate())
    assert told.getvalue() == ""


@pytest.mark.parametrize("stage", sorted(FORKING))
def test_no_clock_runs_where_processes_are_forked(stage: Stage, watched_terminal: Callable[[], Terminal]) -> None:
    watched_terminal()
    one = Progress(ENGLISH, ProgressForm.ROWS)
    running = threading.active_count()
    with one.displayed(), watched_by(one), at_stage(Stage.COUNT):
        assert threading.active_count() == running + 1
        with at_stage(stage, 3) as advanced:
            assert threading.active_count() == running
            advanced(1)
            assert threading.active_count() == running
    assert threading.active_count() == running


def test_another_thread_tells_of_no_stage(watched_terminal: Callable[[], Terminal]) -> None:
    watched_terminal()
    begun: list[Stage] = []
    watcher = cast(
        "Any", SimpleNamespace(stage_started=lambda stage, _: begun.append(stage), stage_ended=lambda _: None)
    )

    def work() -> None:
        with at_stage(Stage.READ):
            pass

    with watched_by(watcher):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        work()
    work()
    assert begun == [Stage.READ]


def test_a_terminal_that_is_gone_ends_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(Terminal):
        def write(self, _text: str) -> int:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(onlookers, "PATIENCE_S", 0.0)
    monkeypatch.setattr("sys.stderr", Gone())
    for shown in (ProgressForm.ROWS, ProgressForm.LINES):
        one = Progress(ENGLISH, shown, verbose=True)
        with one.displayed():
            one.started("apply", {"relay-1": 0})
            time.sleep(0.4)
            one.answered("apply", "relay-1", "answered")


# --- calls to hosts -------------------------------------------------------------------------------------
class Three(OpenRunner):
    """A runner of which the second host never answers."""

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        assert timeout_s == 5
        yield HostAnswer(calls[0].spec.id, CallOutcome.ANSWERED)
        yield HostAnswer(calls[2].spec.id, CallOutcome.FAILED)

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        raise NotImplementedError

    def expect(self, specs: Sequence[CallTarget]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class Watcher:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []

    def started(self, operation: str, hosts: Mapping[str, int]) -> None:
        self.events.append(("begun", operation, dict(hosts)))

    def answered(self, operation: str, host: str, outcome: str) -> None:
        self.events.append(("answered", operation, host, outcome))

    def stepped(self, host: str, step: str, state: str, detail: Mapping[str, object]) -> None:
        self.events.append(("stepped", host, step, state, dict(detail)))

    def expect(self, seconds: float, runs: int) -> None:
        self.events.append(("expect", seconds, runs))


def test_whoever_watches_is_told_of_each_host_once_and_of_silent_ones_at_the_end() -> None:
    watcher = Watcher()
    specs = [cast("CallTarget", SimpleNamespace(id=f"host-{n}")) for n in range(3)]
    requests: list[dict[str, Any]] = [
        {"operation": "observe"},
        {"operation": "look", "gate": {"paths": [{}, {}]}},
        {"operation": "probe", "relay": {"paths": [{}]}, "centre": {"relays": [{"paths": [{}, {}]}]}},
    ]
    calls = [HostCall(spec, request) for spec, request in zip(specs, requests, strict=True)]
    answers = AttendedRunner(Three(), watcher).call(calls, timeout_s=5)
    assert sorted(answers) == ["host-0", "host-2"]
    assert watcher.events == [
        ("begun", "look", {"host-1": 2}),
        ("begun", "observe", {"host-0": 0}),
        ("begun", "probe", {"host-2": 3}),
        ("answered", "observe", "host-0", "answered"),
        ("answered", "probe", "host-2", "failed"),
        ("answered", "look", "host-1", ""),
    ]


# --- time left -------------------------------------------------------------------------------------------
MOMENT = datetime(2021, 6, 15, tzinfo=UTC)


def recorded(seconds: float | None, operation: Operation = Operation.VERIFY, **more: Any) -> Recorded:
    run = Run("run", operation, MOMENT, "", "", {}, "", limit=more.get("limit", ()))
    ended = None if seconds is None else MOMENT + timedelta(seconds=seconds)
    return Recorded(run, ended, "up", hosts=more.get("hosts", ()))


def test_the_usual_time_is_the_middle_of_the_newest_five_of_the_same_kind() -> None:
    earlier = [recorded(None), *map(recorded, [10, 900, 12, 11, 13, 5000])]
    assert usual_time(earlier, Operation.VERIFY) == UsualTime(12, 5)


def test_another_limit_other_hosts_and_another_kind_say_nothing() -> None:
    earlier = [
        recorded(10, limit=("level=3",)),
        recorded(10, Operation.APPLY, hosts=("relay-1",)),
        recorded(None),
        recorded(-3),
    ]
    assert usual_time(earlier, Operation.VERIFY) is None
    assert usual_time(earlier, Operation.APPLY, hosts=("relay-1", "relay-2")) is None
    assert usual_time(earlier, Operation.APPLY, hosts=("relay-1",)) == UsualTime(10, 1)
    assert usual_time([], Operation.VERIFY) is None


def test_the_first_time_that_hosts_are_asked_counts() -> None:
    onlooker = FirstAnswerClock()
    assert onlooker.before_s == 0.0
    onlooker.hosts_called({"relay-1": 20})
    first = onlooker.before_s
    assert 0 < first <= running_s()
    time.sleep(0.02)
    onlooker.answered("relay-1", "answered", 0.1)
    onlooker.hosts_called({"relay-1": 1})
    assert onlooker.before_s == first


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        (Language.EN, ["after 9 s: camera kcl-002/cam-01: camera refuses, 2 paths", "after 9 s: 12 of 24 paths up"]),
        (
            Language.VI,
            [
                "sau 9 giây: camera kcl-002/cam-01: camera từ chối, 2 luồng camera",
                "sau 9 giây: 12 trong 24 luồng camera hoạt động",
            ],
        ),
    ],
)
def test_what_is_certain_is_printed_in_the_readers_language(language: Language, lines: list[str]) -> None:
    printed: list[str] = []
    invocation: Any = SimpleNamespace(say=translator(language), progress=SimpleNamespace(remark=printed.append))
    finding = Finding(Cause.CAMERA_REFUSES, Layer.CAMERA, "kcl-002/cam-01", "x")
    ResultSoFar(invocation).so_far(8.6, 12, 24, [Incident(finding, ("a", "b"))])
    assert printed == lines


def test_a_process_knows_how_long_it_has_run() -> None:
    begun = time.monotonic()
    code = "import time; time.sleep(0.4); from provisioner.cli.support.attendance import running_s; print(running_s())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # The kernel counts in hundredths of a second.
    assert 0.4 <= float(done.stdout) + 0.02 <= time.monotonic() - begun + 0.04
    assert running_s() > 0
