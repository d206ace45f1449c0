"""Reads of streams by a confined program: what it answers is hostile, for what decodes a stream may be taken over."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner_host.look import readers
from provisioner_host.look.readers import ReadTimes
from provisioner_host.look.rtsp_talk import Login
from provisioner_host.machine import confined, paths, sandbox
from provisioner_host.wire import ReadAnswer
from tests.hostile import CAMERA, LOCAL_USER

CANARY = "c4nary-of-a-reader"
LOGINS = {"probe": Login("127.0.0.1", 9, "probe", CANARY)}
TURNS = [("probe", f"a/b/cam-0{n}/sub") for n in range(3)]
GOOD = {"codec": "h264", "width": 640, "height": 360, "seconds": 0.5}


def read_with(monkeypatch: pytest.MonkeyPatch, program: str, *, seconds: float = 20) -> dict[int, ReadAnswer]:
    """What root makes of a confined program's answers; it gets each once."""
    monkeypatch.setattr(readers, "command", lambda *_: [sys.executable, "-I", "-S", "-c", program])
    monkeypatch.setattr(readers, "_GRACE_S", 0)
    # More than a pipe holds.
    monkeypatch.setattr(confined, "source_of", lambda _: "x" * 100_000)
    monkeypatch.setattr(sandbox, "refusal", str)
    answers: dict[int, ReadAnswer] = {}

    def done(number: int, answer: ReadAnswer) -> None:
        assert number not in answers
        answers[number] = answer

    readers.read_all(LOGINS, TURNS, ReadTimes(2, 10, time.monotonic() + seconds), done)
    return answers


def saying(*lines: object) -> str:
    return f"import sys; sys.stdin.read(); print({chr(10).join(map(json.dumps, lines))!r})"


def test_each_answer_goes_to_its_turn_and_what_is_not_answered_was_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = {"error": "no such stream", "status": 404, "timed_out": False, "seconds": 1}
    answers = read_with(monkeypatch, saying([2, GOOD], [0, failed]))
    assert answers == {0: failed, 1: {"not_run": "the readers ended before it was read"}, 2: GOOD}


def test_nobody_waits_for_a_program_that_has_told_all(monkeypatch: pytest.MonkeyPatch) -> None:
    # It would take leave of relays for as long as it may run.
    told = saying(*([number, GOOD] for number in range(len(TURNS))))
    leaving = f"{told}; sys.stdout.flush(); sys.stderr.write('a complaint'); import time; time.sleep(3600)"
    answers = read_with(monkeypatch, leaving, seconds=3600)
    assert answers == dict.fromkeys(range(len(TURNS)), GOOD)


@CAMERA
@pytest.mark.parametrize(
    "said",
    [
        [0, GOOD | {"codec": "h264\n\x1b[2J"}],
        [0, GOOD | {"width": -640}],
        [0, GOOD | {"width": 10**9}],
        [0, GOOD | {"height": "360"}],
        [0, GOOD | {"seconds": float("inf")}],
        [0, GOOD | {"codec": "h264", "padding": "x" * 100_000}],
        [7, GOOD],
        [-1, GOOD],
        [True, GOOD],
        ["0", GOOD],
        [0, {"error": ["a", "list"], "status": None, "timed_out": False}],
        [0, {"error": "x", "status": 10**6, "timed_out": False}],
        [0, None],
        [0, [GOOD]],
        GOOD,
        "x",
        [[[[]]]],
    ],
    ids=lambda said: json.dumps(said)[:60],
)
def test_an_answer_of_another_form_is_evidence_of_nothing(monkeypatch: pytest.MonkeyPatch, said: object) -> None:
    assert [set(answer) for answer in read_with(monkeypatch, saying(said)).values()] == [{"not_run"}] * 3


@CAMERA
def test_the_first_answer_of_a_read_stands_and_nothing_of_another_kind_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"after": {"available": True}, "run": "rm -rf /"}
    answers = read_with(monkeypatch, saying([1, {"not_run": "late"} | more], [1, GOOD], [0, GOOD | more]))
    assert answers == {0: GOOD, 1: {"not_run": "late"}, 2: {"not_run": "the readers ended before it was read"}}


@CAMERA
def test_what_a_decoder_says_is_one_printable_line_of_bounded_length(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"error": "\x1b]0;owned\x07" + "x\n" * 1000, "status": None, "timed_out": False}
    error = read_with(monkeypatch, saying([0, said]))[0]["error"]
    assert len(error) <= 300
    assert error.isprintable()


@CAMERA
@pytest.mark.parametrize(
    "program",
    [
        *("import time; time.sleep(60)", "import sys\nwhile True: sys.stdout.write('[' * 65536)"),
        *("import sys\nwhile True: sys.stderr.write('x' * 65536)", "import sys\nwhile True: print('[0, null]')"),
        *("import os; os.close(0); import time; time.sleep(60)", "import os, time; os.read(0, 1); time.sleep(60)"),
    ],
    ids=["silent", "endless line", "endless complaint", "endless nonsense", "deaf", "hard of hearing"],
)
def test_an_endless_decoder_holds_nobody_up_and_fills_no_memory(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    # Far from the minute that the program takes, and from what a machine that does other work adds.
    begun = time.monotonic()
    answers = read_with(monkeypatch, program, seconds=1)
    assert {key for answer in answers.values() for key in answer} == {"not_run"}
    assert time.monotonic() - begun < 30


@LOCAL_USER
def test_the_password_goes_over_standard_input_and_comes_back_in_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "import sys, os; said = sys.stdin.read(); sys.stderr.write(said[-2000:]); print(len(said))"
    answers = read_with(monkeypatch, told)
    assert CANARY not in repr(answers)
    assert CANARY not in repr(readers.command(LOGINS, ReadTimes(1, 1, 1e9)))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=8))
@settings(max_examples=200, deadline=None)
def test_no_answer_breaks_what_reads_it(said: Any) -> None:
    for document in (said, [0, said], [0, {"codec": said}], [0, {"error": said, "status": said, "timed_out": said}]):
        line = json.dumps(document).encode()
        for number, answer in readers.answered([line]):
            assert isinstance(number, int)
            assert set(answer) <= {"codec", "width", "height", "error", "status", "timed_out", "seconds", "not_run"}


def test_the_confined_part_has_all_that_it_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    plainly: Callable[..., list[str]] = lambda argv, *_: list(argv)  # noqa: E731
    monkeypatch.setattr(sandbox, "confined", plainly)
    monkeypatch.setattr(sandbox, "refusal", str)
    answers: dict[int, ReadAnswer] = {}
    until = time.monotonic() + 120
    readers.read_all(LOGINS, TURNS, ReadTimes(2, 60, until), lambda number, read: answers.update({number: read}))
    assert sorted(answers) == [0, 1, 2]
    # Nobody listens there.
    assert all("refused" in answer["error"] for answer in answers.values()), answers
    assert CANARY not in repr(answers)


def test_where_nothing_could_be_started_every_read_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys; sys.exit('Failed to connect to bus: No such file or directory')"
    answers = read_with(monkeypatch, program)
    assert {answer["not_run"] for answer in answers.values()} == {"Failed to connect to bus: No such file or directory"}


def test_a_host_that_has_no_user_for_it_yet_reads_nothing_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "PROBE_USER", "nobody-of-that-name")
    answers: dict[int, ReadAnswer] = {}
    readers.read_all(LOGINS, TURNS, ReadTimes(2, 10, 1e9), lambda number, read: answers.update({number: read}))
    (said,) = {answer["not_run"] for answer in answers.values()}
    assert said == "this host has no user nobody-of-that-name yet: provisioner apply makes it"
