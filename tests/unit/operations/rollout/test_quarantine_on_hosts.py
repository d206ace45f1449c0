"""What the unit on a relay does when devices refuse their logins, and what changes and returns make of it."""

import grp
import json
import os
import re
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.desired.render.host import MEDIAMTX_FILE
from provisioner_host.change import quarantine_watch
from provisioner_host.look import device_probe
from provisioner_host.machine import paths
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import quarantine, relay
from provisioner_host.relay.relay import describe
from provisioner_host.state import last_good, leases
from tests import fleets
from tests.conftest import QuickClock
from tests.unit.operations.rollout.world import state

HOST = "relay-viettel-1"
SINCE = "2021-05-09T03:00:00Z"


def text_of(sites: dict[str, int], password: str = "secret") -> str:
    files = fleets.files_of(state(sites, password))[HOST]
    text = next(file.content.decode() for file in files if file.path == MEDIAMTX_FILE)
    [site, *_] = [line.rpartition("@")[2].partition(":")[0] for line in text.splitlines() if "/kcl-bg-1/" in line]
    return re.sub(rf"(@{re.escape(site)}):\d+/", r"\1:10554/", text)


# The cameras of the first site are channels of one recorder.
SITES = {"kcl-bg-1": 3, "kcl-bg-2": 2}
WHOLE = text_of(SITES)
LOGINS = sorted({one.login for one in quarantine.lines_in(WHOLE)})


def names_of(login: str, text: str = WHOLE) -> list[str]:
    return sorted(one.name for one in quarantine.lines_in(text) if one.login == login)


def marked(*logins: str) -> str:
    return quarantine.without(WHOLE, dict.fromkeys(logins, SINCE))


class Host:
    """A relay's file in a folder, its Control API, and its firewall, as the unit sees them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file, self.told = folder / "mediamtx.yml", list[str]()
        self.flowing: list[str] | None = []
        self.answers = True
        for module, name in ((paths, "MEDIAMTX_FILE"), (relay, "MEDIAMTX_FILE")):
            monkeypatch.setattr(module, name, self.file)
        for name in ("RUN", "LOCK", "LEASE"):
            monkeypatch.setattr(paths, name, folder / "run" / getattr(paths, name).name)
        monkeypatch.setattr(paths, "USER", grp.getgrgid(os.getgid()).gr_name)
        monkeypatch.setattr(relay, "api", self._api)
        monkeypatch.setattr(quarantine_watch, "run", self._run)
        self.taken, self.tries = set[str](), list[str]()
        monkeypatch.setattr(device_probe, "try_logins", self._try_logins)
        self.write(WHOLE)
        self.watcher = quarantine_watch.Watcher()

    def write(self, text: str) -> None:
        """Put a file there that MediaMTX has read long ago."""
        self.file.write_text(text)
        os.utime(self.file, (1, 1))

    def _api(self, _path: str, timeout_s: float = 5, **_more: Any) -> Any:
        assert timeout_s
        if self.flowing is None:
            raise Failed("no answer")
        return {"items": [{"name": name, "available": True} for name in self.flowing]}

    def _run(self, argv: list[str], **_more: Any) -> SimpleNamespace:
        self.told.append(" ".join(argv[1:]))
        return SimpleNamespace(returncode=0, stdout="")

    def _try_logins(self, sources: dict[str, str]) -> set[str]:
        assert all(login in source for login, source in sources.items())
        self.tries += sources
        return self.taken & sources.keys()

    def refuse(self, *names: str) -> None:
        """Let the log say that the devices of paths have refused, and the unit act on it."""
        said = (f"[path {name}] [RTSP source] bad status code: 401 (Unauthorized)" for name in names)
        self.watcher.hear(json.dumps({"level": "ERR", "message": message}) for message in said)
        self.watcher.act()

    @property
    def out(self) -> list[str]:
        return quarantine.names()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_two_refusals_take_all_of_a_login_out_and_halt_the_device_until_that_is_done(host: Host) -> None:
    first, *_ = names = names_of(LOGINS[0])
    rights = host.file.stat().st_mode
    host.refuse(first)
    assert (host.out, host.told) == ([], [])
    host.refuse(names[-1])
    assert host.out == names
    assert host.file.stat().st_mode == rights
    device = quarantine.device_of(LOGINS[0]).replace(":", " . ")
    assert [f"{told} {device}" for told in ("add", "delete")] == [
        f"{told.split()[0]} {device}" for told in host.told if device in told
    ]
    assert not host.watcher.has_refused_logins


def test_a_device_that_takes_its_login_from_another_client_is_neither_halted_nor_quarantined(host: Host) -> None:
    recorder, camera = LOGINS[:2]
    (name,), channels = names_of(camera), names_of(recorder)
    assert len(channels) == 3
    host.taken = {camera, recorder}
    host.refuse(name, name, channels[0], channels[0])
    # Each channel of a recorder tries its login: a try by the host would be one more.
    assert host.out == channels
    assert not any(quarantine.device_of(camera).replace(":", " . ") in told for told in host.told)
    assert host.tries == [camera]
    # It is asked again after two more, and once alone while the file cannot be written.
    os.utime(host.file)
    host.taken = set()
    host.refuse(name)
    assert len(host.tries) == 1
    host.refuse(name)
    host.watcher.act()
    assert host.tries[1:] == [camera]
    os.utime(host.file, (1, 1))
    host.watcher.act()
    assert host.out == sorted([*channels, name])
    assert host.tries[1:] == [camera]


def test_several_logins_at_once_are_one_write(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[str] = []

    def rewrite(text: str) -> None:
        writes.append(text)
        host.write(text)

    monkeypatch.setattr(quarantine_watch, "_rewrite", rewrite)
    host.refuse(*(name for login in LOGINS for name in names_of(login)[:1] * 2))
    assert len(writes) == 1
    assert host.out == sorted(name for login in LOGINS for name in names_of(login))


def test_what_cannot_be_done_yet_is_done_later_and_the_device_is_halted_meanwhile(host: Host) -> None:
    name = names_of(LOGINS[0])[0]
    with leases.lock("an apply"):
        host.refuse(name, name)
        assert (host.out, host.watcher.has_refused_logins) == ([], True)
        assert [told.split()[0] for told in host.told] == ["add"]
        host.watcher.act()
        # Once is enough: it stays halted for minutes.
        assert [told.split()[0] for told in host.told] == ["add"]
    os.utime(host.file)
    host.watcher.act()
    assert host.out == []  # MediaMTX would not see a write so soon after another
    os.utime(host.file, (1, 1))
    host.watcher.act()
    assert host.out == names_of(LOGINS[0])


def test_a_halt_is_renewed_once_its_time_in_the_firewall_is_over(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """An element of the set goes by itself after 300 s."""
    clock = QuickClock()
    monkeypatch.setattr(clock, "monotonic", lambda: clock._ahead_s)  # noqa: SLF001 (only what is waited for counts)
    monkeypatch.setattr(quarantine_watch, "time", clock)
    name = names_of(LOGINS[0])[0]
    with leases.lock("an apply"):
        host.refuse(name, name)
        assert " timeout 300s" in host.told[0]
        for waited_s, adds in ((299, 1), (1, 2), (1, 2)):
            clock.sleep(waited_s)
            host.watcher.act()
            assert [told.split()[0] for told in host.told] == ["add"] * adds


@pytest.mark.parametrize("changes", [False, True], ids=["the same file", "another file meanwhile"])
def test_a_file_that_mediamtx_did_not_read_is_written_again_unless_it_is_another_one(
    host: Host, monkeypatch: pytest.MonkeyPatch, *, changes: bool
) -> None:
    waits: list[tuple[str, int]] = []

    def wait_for(sentinel: str, _seconds: float) -> bool:
        waits.append((sentinel, host.file.stat().st_ino))
        if changes and len(waits) == 1:
            host.write(text_of(SITES, "another one"))
        return len(waits) > 1

    monkeypatch.setattr(relay, "wait_for", wait_for)
    name = names_of(LOGINS[0])[0]
    host.refuse(name, name)
    (expected, first), (again, second) = waits
    assert again == expected
    assert (second == first) is changes
    assert host.file.read_text() == (text_of(SITES, "another one") if changes else marked_now(host))


def marked_now(host: Host) -> str:
    """The whole file without the first login, at the moment that the host wrote into it."""
    since = {line.since for line in quarantine.lines_in(host.file.read_text()) if line.since}
    return quarantine.without(WHOLE, dict.fromkeys(LOGINS[:1], *since))


@pytest.mark.parametrize(("written_s", "since_s"), [(10, 10), (599, 599), (3600, 600)])
def test_the_log_is_followed_from_the_last_write_but_for_ten_minutes_at_most(
    host: Host, monkeypatch: pytest.MonkeyPatch, written_s: int, since_s: int
) -> None:
    """A refusal of a file before this one is none of its logins; older ones are over."""
    started: list[Any] = []

    class Process:
        stdout: Any = "the log"

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            started.append("ended")

        def kill(self) -> None:
            started.append("killed")

    def popen(command: list[str], **options: Any) -> Process:
        assert options["stdin"] == subprocess.DEVNULL
        started.append(command)
        return Process()

    now = time.time()
    os.utime(host.file, (now - written_s, now - written_s))
    monkeypatch.setattr(subprocess, "Popen", popen)
    with quarantine_watch._open_relay_log() as log:  # noqa: SLF001
        assert log == "the log"  # type: ignore[comparison-overlap]  # the process is a false one
    command, *ends = started
    assert ends == ["killed", "ended"]
    assert command[0] == "journalctl"
    (since,) = [word.removeprefix("--since=@") for word in command if word.startswith("--since=@")]
    assert float(since) == pytest.approx(now - since_s, abs=2)
    Process.stdout = None
    with pytest.raises(Failed, match="no output"), quarantine_watch._open_relay_log():  # noqa: SLF001
        pass
    assert started[-2:] == ["killed", "ended"]


@pytest.mark.parametrize("answer", [1, Failed("nft: no such program")])
def test_a_halt_that_the_firewall_refuses_is_tried_again(
    host: Host, monkeypatch: pytest.MonkeyPatch, answer: int | Failed
) -> None:
    def run(argv: list[str], **more: Any) -> Any:
        done = host._run(argv, **more)  # noqa: SLF001
        if isinstance(answer, Failed):
            raise answer
        done.returncode = answer
        return done

    name = names_of(LOGINS[0])[0]
    with leases.lock("an apply"):
        with monkeypatch.context() as patch:
            patch.setattr(quarantine_watch, "run", run)
            host.refuse(name, name)
            host.watcher.act()
        host.watcher.act()
        host.watcher.act()
    assert [told.split()[0] for told in host.told] == ["add"] * 3


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\n"), max_size=9)), st.integers(1, 7))
def test_lines_of_the_log_are_whole_however_they_arrive(lines: list[str], size: int) -> None:
    """A line without an end is none of MediaMTX's: at the longest one it is forgotten."""
    text = "".join(f"{line}\n" for line in lines).encode()
    blocks = [text[at : at + size] for at in range(0, len(text), size)]
    endless = b"x" * 100
    assert _heard(blocks) == lines
    assert _heard([endless[:-1], b"\n", *blocks]) == ["x" * 99, *lines]
    assert _heard([endless, b"y\n", *blocks]) == ["y", *lines]


def _heard(blocks: list[bytes]) -> list[str]:
    """What the unit hears if its log brings these blocks, one at a time, and ends."""
    read_end, write_end = os.pipe()
    watcher: Any = SimpleNamespace(has_refused_logins=False)
    heard: list[str] = []
    with os.fdopen(read_end, "rb") as log, pytest.MonkeyPatch.context() as patch:
        patch.setattr(quarantine_watch, "_LONGEST", 100)
        batches = quarantine_watch._log_batches(log, watcher)  # noqa: SLF001
        for block in blocks:
            os.write(write_end, block)
            heard += next(batches)
        os.close(write_end)
        with pytest.raises(Failed, match="journalctl has ended"):
            next(batches)
    return heard


def test_an_apply_that_brought_another_password_meanwhile_is_left_alone(host: Host) -> None:
    name = names_of(LOGINS[0])[0]
    with leases.lock("an apply"):
        host.refuse(name, name)
        host.write(text_of(SITES, "another one"))
    host.watcher.act()
    assert host.out == []
    assert [told.split()[0] for told in host.told] == ["add", "delete"]


def test_what_flows_stays_until_it_is_refused_itself(host: Host) -> None:
    first, *others = names_of(LOGINS[0])
    host.flowing = [first]
    host.refuse(others[0], others[0])
    assert host.out == others
    os.utime(host.file, (1, 1))
    host.flowing = []
    host.refuse(first)
    assert host.out == sorted([first, *others])


def test_where_nobody_says_what_flows_only_what_was_refused_goes(host: Host) -> None:
    first, *others = names_of(LOGINS[0])
    host.flowing = None
    host.refuse(first, first)
    assert host.out == [first]
    assert others


def staged(folder: Path, wanted: str, **request: Any) -> Any:
    (folder / "staged").write_text(wanted)
    request = {"sentinel": quarantine.sentinel_in(wanted), **request}
    wanted_files: dict[str, Any] = {str(paths.MEDIAMTX_FILE): {}}
    return SimpleNamespace(request=request, wanted=wanted_files, staged=lambda _path: folder / "staged")


def test_a_change_leaves_what_is_out_where_it_is_unless_it_is_lifted(host: Host, tmp_path: Path) -> None:
    host.write(marked(LOGINS[0]))
    change = staged(tmp_path, WHOLE)
    quarantine.keep(change)
    text = (tmp_path / "staged").read_text()
    assert text == host.file.read_text()
    assert change.request["sentinel"] == describe(text, "")["sentinel"] != describe(WHOLE, "")["sentinel"]
    change = staged(tmp_path, WHOLE, lift=names_of(LOGINS[0])[:1])
    quarantine.keep(change)
    assert (tmp_path / "staged").read_text() == WHOLE
    assert change.request["sentinel"] == describe(WHOLE, "")["sentinel"]


def test_a_state_that_is_returned_to_has_out_what_is_out_now_and_nothing_else(host: Host, tmp_path: Path) -> None:
    copy = tmp_path / "saved"
    for saved, live, expected in (
        (WHOLE, marked(LOGINS[0]), marked(LOGINS[0])),
        (marked(LOGINS[0]), WHOLE, WHOLE),
        (marked(LOGINS[0]), marked(LOGINS[1]), marked(LOGINS[1])),
    ):
        copy.write_text(saved)
        host.write(live)
        quarantine.keep_in(copy)
        assert copy.read_text() == expected
    older = text_of(SITES, "the one of before")
    copy.write_text(older)
    host.write(marked(*LOGINS))
    quarantine.keep_in(copy)
    assert copy.read_text() == older


def test_a_return_writes_it_so(host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "last-good"
    folder.mkdir()
    (folder / "0").write_text(WHOLE)
    host.write(marked(LOGINS[0]))
    status = host.file.stat()
    saved = {"path": str(host.file), "content": "0", "mode": 0o640, "uid": status.st_uid, "gid": status.st_gid}
    last_good._restore_relay_file(folder, {"files": [saved], "absent": []})  # noqa: SLF001
    assert host.file.read_text() == marked(LOGINS[0])


def test_a_confirmation_expects_the_sentinel_of_what_is_there(host: Host) -> None:
    expected = quarantine.sentinel_in(WHOLE)
    assert quarantine.live_sentinel(expected) == expected
    host.write(marked(LOGINS[0]))
    assert quarantine.live_sentinel(expected) == quarantine.sentinel_in(marked(LOGINS[0])) != expected
    # Another file than the one that was written stays another one.
    assert quarantine.live_sentinel("cfg/000000000000") == "cfg/000000000000"


@pytest.mark.parametrize(
    "odd",
    [
        '# quarantined yesterday:  "a/b/c/d": {"source": "rtsp://u:p@1.2.3.4/x"}',
        '# quarantined 2021-05-09T03:00:00Z: "a/b/c/d": {"source": "rtsp://u:p@1.2.3.4/x"}',
        "# quarantined 2021-05-09T03:00:00Z:  nothing of ours",
        '# quarantined 2021-05-09T03:00:00Z:  "a/b/c/d": {broken}',
    ],
)
def test_a_comment_of_another_hand_is_no_mark(odd: str) -> None:
    text = WHOLE.replace("paths:\n", f"paths:\n{odd}\n")
    assert [one for one in quarantine.lines_in(text) if one.since] == []
    if "broken" not in odd:
        assert quarantine.whole(text) == text
