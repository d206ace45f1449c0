"""Work that takes longer than a second shows how far it is, to somebody at a terminal and to nobody else."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from provisioner import pipeline
from provisioner.base.language import ENGLISH, Language, translator
from provisioner.cli.progress import ProgressLine, session_of
from provisioner.desired.spec import HostSpec
from provisioner.hosts.attended import AttendedRunner
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from tests.example_terminal import ExampleTerminal, applied


def line(now: list[float], write: Any = lambda _text: None, language: Language = Language.EN) -> ProgressLine:
    return ProgressLine(translator(language) if language is not Language.EN else ENGLISH, write, lambda: now[0])


def test_it_names_what_is_done_and_who_is_waited_for_after_a_second() -> None:
    now = [0.0]
    one = line(now)
    one.begun("observe", ["relay-1", "relay-2", "relay-3", "relay-4"])
    assert one.line() == ""
    now[0] = 3.2
    one.answered("observe", "relay-2")
    assert one.line() == "reading: 1 of 4 hosts, waiting for relay-1, relay-3 and 1 more, 3 s"
    one.begun("apply", ["relay-2"])
    assert "changing" not in one.line()
    for host in ("relay-1", "relay-3", "relay-4"):
        one.answered("observe", host)
    now[0] = 9.0
    assert one.line() == "changing: 0 of 1 hosts, waiting for relay-2, 5 s"
    one.answered("apply", "relay-2")
    assert one.line() == ""
    one.answered("apply", "relay-2")


def test_it_speaks_vietnamese_and_shows_nothing_that_a_terminal_obeys() -> None:
    now = [0.0]
    one = line(now, language=Language.VI)
    one.begun("observe", ["relay\x1b[2J"])
    now[0] = 2.0
    assert "\x1b" not in one.line()
    assert not one.line().startswith("reading")


def test_the_line_is_gone_when_all_have_answered() -> None:
    written: list[str] = []
    now = [0.0]
    one = line(now, written.append)
    one.begun("probe", ["relay-1"])
    now[0] = 5.0
    until = time.monotonic() + 30
    while not written and time.monotonic() < until:
        time.sleep(0.05)
    assert re.fullmatch(r"\r\x1b\[Klooking at pictures: 0 of 1 hosts, waiting for relay-1, 5 s", written[0])
    one.answered("probe", "relay-1")
    assert written[-1] == "\r\x1b[K"
    count = len(written)
    time.sleep(0.6)
    assert len(written) == count


class Three:
    """A runner of which the second host never answers."""

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        assert timeout_s == 5
        yield HostAnswer(calls[0].spec.id, CallOutcome.ANSWERED)
        yield HostAnswer(calls[2].spec.id, CallOutcome.FAILED)

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        raise NotImplementedError

    def expect(self, specs: Sequence[HostSpec]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def test_whoever_watches_is_told_of_each_host_once_and_of_silent_ones_at_the_end() -> None:
    told: list[tuple[str, ...]] = []

    class Watcher:
        def begun(self, operation: str, hosts: Sequence[str]) -> None:
            told.append(("begun", operation, *hosts))

        def answered(self, operation: str, host: str) -> None:
            told.append(("answered", operation, host))

    specs = [cast("HostSpec", SimpleNamespace(id=f"host-{n}")) for n in range(3)]
    calls = [HostCall(spec, {"operation": "probe" if spec.id == "host-2" else "observe"}) for spec in specs]
    answers = AttendedRunner(Three(), Watcher()).call(calls, timeout_s=5)
    assert sorted(answers) == ["host-0", "host-2"]
    assert told == [
        ("begun", "observe", "host-0", "host-1"),
        ("begun", "probe", "host-2"),
        ("answered", "observe", "host-0"),
        ("answered", "probe", "host-2"),
        ("answered", "observe", "host-1"),
    ]


@pytest.mark.parametrize(("is_terminal", "words"), [(True, ()), (False, ()), (True, ("--output", "json"))], ids=str)
def test_only_somebody_at_a_terminal_sees_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    is_terminal: bool,
    words: tuple[str, ...],
) -> None:
    terminal = applied(ExampleTerminal, tmp_path, monkeypatch, capsys)
    watched: list[object] = []

    def attended(runner: object, watcher: object) -> object:
        watched.append(watcher)
        return runner

    monkeypatch.setattr(pipeline, "AttendedRunner", attended)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    code, _, err = terminal(*words, "drift")
    assert (code, bool(watched)) == (0, is_terminal and not words), err


def test_it_fits_on_one_row_of_whatever_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    one = line(now)
    one.begun("observe", [f"relay-of-a-province-with-a-long-name-{number}" for number in range(3)])
    now[0] = 2.0
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        monkeypatch.setattr(sys, "stderr", nowhere)
        for columns, letters in ((40, 39), (80, 79), (0, 79), (300, 100)):
            monkeypatch.setattr("os.get_terminal_size", lambda _fd, c=columns: SimpleNamespace(columns=c))
            assert len(one.line()) == letters


def test_a_terminal_that_is_gone_ends_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, _text: str) -> int:
            raise OSError(5, "Input/output error")

        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Gone())
    invocation = SimpleNamespace(json=False, env={}, say=ENGLISH, inventory=Path("x"))
    watcher = session_of(cast("Any", invocation)).watcher
    assert watcher is not None
    watcher.begun("apply", ["relay-1"])
    watcher.answered("apply", "relay-1")
