"""Whatever one host sends over its connection: it is that host's error, in bounded memory, and the others answer."""

import fcntl
import json
import math
import os
import re
import runpy
import selectors
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.hosts.ansible import play
from provisioner.hosts.ansible.play import AnsibleRunner
from provisioner.hosts.answers import LONGEST_ANSWER, MOST_PARTS, read_json
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from tests import fleets
from tests.hostile import RELAY
from tests.unit.hosts import false_ssh
from tests.unit.operations.rollout.world import state

MARK = b"PROVISIONER-ANSWER "
GOOD = {"live_digest": "as it is"}
ANSWER = b"\n" + MARK + json.dumps({"ok": True, "answer": GOOD}).encode() + b"\n"
_MIB = 1024 * 1024
# A worker takes 60 MiB when it starts; an answer is there in a few copies for a moment.
_MEMORY = 60 * _MIB + 8 * LONGEST_ANSWER

Asked = Callable[..., dict[str, HostAnswer]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """Ask two hosts: one that says what a test wants, and one that answers as it should."""
    runtime = Path("/dev/shm") / f"hostile-{os.getpid()}-{time.time_ns()}"  # noqa: S108 (tmpfs is the point)
    runtime.mkdir(mode=0o700)
    said = tmp_path_factory.mktemp("said")
    ssh = said / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {false_ssh.__file__} {said} "$@"\n')
    ssh.chmod(0o755)
    environment = {"XDG_RUNTIME_DIR": str(runtime), "PATH": f"{ssh.parent}:/usr/bin:/bin"}
    runner = AnsibleRunner(fleets.templates(), environment)

    def asked(deed: bytes, words: bytes, timeout_s: float = 60) -> dict[str, HostAnswer]:
        (said / "bad").write_bytes(deed + b"\n" + words)
        (said / "good").write_bytes(b"say\n" + ANSWER)
        return runner.call([call("bad"), call("good")], timeout_s=timeout_s)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(play, "_MARGIN_S", 0)
        asked(b"say", ANSWER)  # workers are there, whichever test comes first
        yield asked
    runner.close()
    assert list(runtime.iterdir()) == []
    runtime.rmdir()


def call(host: str) -> HostCall:
    return HostCall(replace(state({}).hosts["centre"], id=host), {"operation": "observe"}, unproved=True)


def most_memory() -> int:
    """The most that any process below this one has ever had, of those that live."""
    peaks = [0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            environment = (status.parent / "environ").read_bytes()
            match = re.search(r"VmHWM:\s+([0-9]+) kB", status.read_text())
        except OSError:
            continue
        if match and b"/dev/shm/hostile-" in environment:
            peaks.append(int(match[1]) * 1024)
    return max(peaks)


def assert_only_one_failed(answers: dict[str, HostAnswer]) -> HostAnswer:
    assert (answers["good"].outcome, answers["good"].document) == (CallOutcome.ANSWERED, GOOD)
    bad = answers["bad"]
    assert bad.outcome is not CallOutcome.ANSWERED
    assert bad.error.isprintable()
    assert 0 < len(bad.error) < 700
    return bad


@RELAY
@pytest.mark.parametrize(
    ("deed", "words"),
    [
        (b"flood", b"x"),
        (b"flood", b"\n"),
        (b"flood", MARK + b"[[]],\n"),
        (b"flood", "é\u2028".encode()),
        (b"flood complaints", b"y\n"),
    ],
    ids=["letters", "lines", "answers", "not ASCII", "complaints"],
)
def test_a_host_that_sends_without_end_costs_a_bounded_memory_and_itself(ask: Asked, deed: bytes, words: bytes) -> None:
    bad = assert_only_one_failed(ask(deed, words))
    assert re.search(r"it sent more than \d+ bytes, which no program of ours does", bad.error)
    assert most_memory() < _MEMORY
    # Its worker lives, and takes the next call.
    again = ask(b"say", ANSWER)
    assert {answer.outcome for answer in again.values()} == {CallOutcome.ANSWERED}


@RELAY
@pytest.mark.parametrize(
    "lines",
    [
        MARK + b"x" * (LONGEST_ANSWER - 200_000),
        b"\n" * (LONGEST_ANSWER - 200_000) + MARK + b"{",
        MARK + b"[" + b"{}," * (LONGEST_ANSWER // 3 - 100_000) + b"{}]",
        MARK + b"\r" * (LONGEST_ANSWER - 200_000) + b"{",
    ],
    ids=["letters", "lines", "parts", "returns"],
)
def test_the_longest_answer_that_is_read_costs_a_bounded_memory(ask: Asked, lines: bytes) -> None:
    bad = assert_only_one_failed(ask(b"say", b"\n" + lines + b"\n"))
    assert "its answer cannot be read: " in bad.error
    assert most_memory() < _MEMORY


@RELAY
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        MARK,
        MARK + b'{"ok": tr',
        MARK + b"[" * 100_000,
        MARK + b'{"ok": true, "answer": {"a": ' + b"9" * 10_000 + b"}}",
        MARK + b'{"ok": true, "answer": {"a": NaN}}',
        MARK + b'{"ok": true, "answer": {"a": -Infinity}}',
        MARK + b'{"ok": true, "answer": {"a": "\xff\xfe"}}',
        MARK + '{"ok": true, "answer": {"a": "é"}}'.encode() + b"\x00",
        MARK + b'{"ok": true, "answer": ' + b"[0," * (MOST_PARTS // 2) + b"0]" * (MOST_PARTS // 2) + b"}",
        MARK + b'{"ok": true, "answer": [' + b"1," * MOST_PARTS + b"1]}",
        MARK + b'{"ok": true, "answer": [{}]}',
        MARK + b'{"ok": true, "answer": {}, "answer": null}',
        MARK + b"null",
        MARK
        + b'{"ok": false, "error": "'
        + rb"\u001b[2J\u001b]0;owned\u0007\u202e\r\nok: applied"
        + b" very" * 9999
        + b'"}',
        b"\x1b]8;;http://example.com/\x1b\\link\x1b]8;;\x1b\\",
    ],
)
def test_an_answer_that_no_program_of_ours_writes_is_that_hosts_error(ask: Asked, answer: bytes) -> None:
    assert_only_one_failed(ask(b"say", b"\n" + answer + b"\n"))


@RELAY
@pytest.mark.parametrize(
    ("deed", "words"), [(b"drip", b"."), (b"drip", b"\n" + MARK + b'{"ok": '), (b"hang", b"")], ids=str
)
def test_a_host_that_never_comes_to_an_end_keeps_nobody_waiting(ask: Asked, deed: bytes, words: bytes) -> None:
    begun = time.monotonic()
    bad = assert_only_one_failed(ask(deed, words, timeout_s=5))
    assert (bad.outcome, bad.error) == (CallOutcome.UNREACHABLE, "no answer within 5 s")
    assert time.monotonic() - begun < 60


@RELAY
def test_a_connection_that_keeps_its_pipes_in_the_background_keeps_no_answer_back(ask: Asked) -> None:
    assert ask(b"leave", ANSWER, timeout_s=20)["bad"].document == GOOD


@RELAY
def test_what_a_host_says_after_its_answer_is_not_its_answer(ask: Asked) -> None:
    forged = b"\n" + MARK + b'{"ok": true, "answer": {"live_digest": "forged"}}'
    answers = ask(b"say", forged + ANSWER + b"and more\n" + b"trailing")
    assert answers["bad"].document == GOOD


def test_all_that_a_large_pipe_holds_is_read_once_ssh_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(selector: selectors.DefaultSelector) -> list[tuple[selectors.SelectorKey, int]]:
        time.sleep(0.3)
        return usual(selector)

    plugin = runpy.run_path("playbooks/connection_plugins/provisioner_ssh.py")
    usual = selectors.DefaultSelector.select
    monkeypatch.setattr(selectors.DefaultSelector, "select", late)
    says = f"import fcntl, os; fcntl.fcntl(1, {fcntl.F_SETPIPE_SZ}, {_MIB}); os.write(1, b'x' * 400_000)"
    ssh = plugin["Ssh"]([sys.executable, "-I", "-S", "-c", says])
    out, _ = ssh.exchange(b"")
    assert (ssh.code, len(out)) == (0, 400_000)


def test_both_sides_agree_on_the_longest_answer() -> None:
    plugin = Path("playbooks/connection_plugins/provisioner_ssh.py").read_text()
    (longest,) = re.findall(r"^LONGEST_ANSWER = (.*)$", plugin, re.MULTILINE)
    assert math.prod(map(int, longest.split(" * "))) == LONGEST_ANSWER


def test_what_a_relay_of_ten_thousand_paths_has_to_say_is_read() -> None:
    path = {
        "settings": {"rtspTransport": "tcp", "source": "rtsp://100.64.0.2:10554/Streaming/Channels/102"},
        "digest": "hmac-sha256:" + "0" * 64,
        "source_digest": "hmac-sha256:" + "0" * 64,
    }
    track = {"codec": "H264", "width": 640, "height": 360}
    sample = {"available": True, "online": True, "inbound_bytes": 10**9, "tracks": [track, track]}
    read = {"codec": "h264", "width": 640, "height": 360, "seconds": 1.234, "after": sample}
    probe = {"samples": [sample, sample], "read": read}
    names = [f"bac-giang/kcl-bg-{number:05}/cam-01/sub" for number in range(10_000)]
    answer = {
        "facts": {"relay": {"paths": dict.fromkeys(names, path)}},
        "relay": {"paths": dict.fromkeys(names, probe)},
    }
    assert read_json(json.dumps({"ok": True, "answer": answer}).encode()) == {"ok": True, "answer": answer}
