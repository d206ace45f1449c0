"""What a host says of its own MediaMTX: restarts, files, processor time, and what came through the Control API."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from provisioner_host.machine import units
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import quarantine, relay, service, sessions

_SHOWN = "MainPID=7\nNRestarts=3\nExecMainStartTimestampMonotonic=1000000\n"
_JOURNAL = """provisioner-mediamtx.service: Main process exited, code=killed, status=11/SEGV
provisioner-mediamtx.service: Scheduled restart job, restart counter is at 1.
provisioner-mediamtx.service: Main process exited, code=killed, status=9/KILL
provisioner-mediamtx.service: Scheduled restart job, restart counter is at 2.
"""
_STAT = "cpu  100 0 100 700 0 0 0 {stolen} 50 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n"


class _Host:
    """A host whose programs answer from a table, by their first word and by `--grep`."""

    def __init__(self, proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.proc, self.says = proc, {"systemctl": _SHOWN, "journalctl": _JOURNAL, "ss": "LISTEN 0 4096 *:8554 *:*\n"}
        self.asked: list[Sequence[str]] = []
        monkeypatch.setattr(service, "_PROC", proc)
        for module in (service, units):
            monkeypatch.setattr(module, "run", self.run)
        self.spend(ran=1, waited=1, stolen=0)

    def run(self, argv: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.asked.append(argv)
        name = "grep" if any(word.startswith("--grep") for word in argv) else argv[0]
        if name not in self.says:
            raise Failed(f"{name}: no such program on this host")
        return subprocess.CompletedProcess(argv, 0, self.says[name], "")

    def spend(self, *, ran: float, waited: float, stolen: int) -> None:
        for thread in (7, 8):
            folder = self.proc / "7" / "task" / str(thread)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "schedstat").write_text(f"{ran * 1e9:.0f} {waited * 1e9:.0f} 5\n")
        (self.proc / "stat").write_text(_STAT.format(stolen=stolen))
        (self.proc / "7" / "limits").write_text(
            "Limit                     Soft Limit           Hard Limit           Units\n"
            "Max open files            64                   65536                files\n"
        )
        (self.proc / "7" / "fd").mkdir(exist_ok=True)
        for number in range(5):
            (self.proc / "7" / "fd" / str(number)).touch()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Host:
    return _Host(tmp_path, monkeypatch)


def test_restarts_files_and_processor_time_are_counted(host: _Host) -> None:
    before = service.spent()
    host.spend(ran=1.5, waited=4, stolen=300)
    told = service.evidence(before)
    assert (told["restarts"], told["ended"]) == (2, "killed, 9/KILL")
    assert (told["files"], told["most_files"]) == (5, 64)
    assert (told["ran_s"], told["waited_s"], told["stolen"]) == (1.0, 6.0, 1.0)
    assert told["age_s"] > 0
    assert told["listens"]
    assert not told["lacked_files"]


def test_a_service_that_never_restarted_costs_no_look_into_the_journal(host: _Host) -> None:
    host.says["systemctl"] = _SHOWN.replace("NRestarts=3", "NRestarts=0")
    assert service.evidence(service.spent())["restarts"] == 0
    assert not [argv for argv in host.asked if argv[0] == "journalctl"]


def test_the_time_of_another_process_says_nothing_of_the_present_one(host: _Host) -> None:
    before = service.spent()._replace(pid=6)
    host.spend(ran=9, waited=9, stolen=0)
    told = service.evidence(before)
    assert (told["seconds"], told["ran_s"], told["waited_s"]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("log", "lacked"), [("accept4: too many open files\n", True), ("", False)])
def test_a_server_that_does_not_listen_may_have_lacked_files(host: _Host, log: str, lacked: object) -> None:
    host.says |= {"ss": "", "grep": log}
    told = service.evidence(service.spent())
    assert (told["listens"], told["lacked_files"]) == (False, lacked)


def test_a_host_without_these_programs_and_without_a_process_is_not_ill(host: _Host) -> None:
    host.says = {}
    told = service.evidence(service.spent())
    assert told == dict.fromkeys(told, 0) | {"ended": "", "listens": True, "lacked_files": False, "age_s": 0.0}


# --- what came through the Control API ------------------------------------------------------------
_SENTINEL = "cfg/0123456789ab"
_FILE = f"""authInternalUsers: [{{"user": "centre", "pass": "sha256:x", "ips": ["100.127.0.2"], "permissions": \
[{{"action": "read", "path": "~^a/"}}, {{"action": "api"}}]}}]
paths:
  "{_SENTINEL}": {{"source": "publisher"}}
  "a/b": {{"source": "rtsp://x"}}
# quarantined 2026-01-01T00:00:00Z:  "a/c": {{"source": "rtsp://x"}}
"""


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any]]:
    """The users of the running relay, as its API lists them."""
    rights = [{"action": "read", "path": "~^a/"}, {"action": "api", "path": ""}]
    users: list[Mapping[str, Any]] = [
        {"user": "centre", "pass": "<redacted>", "ips": ["100.127.0.2/32"], "permissions": rights}
    ]
    monkeypatch.setattr(quarantine, "live_file", lambda: _FILE)
    monkeypatch.setattr(relay, "api", lambda _path: {"authInternalUsers": users})
    return users


def test_a_relay_that_runs_by_its_file_has_nothing_added(running: list[Mapping[str, Any]]) -> None:
    assert running
    assert sessions.added(["a/b", _SENTINEL]) == {"paths": [], "users": []}


def test_paths_and_users_that_the_file_lacks_are_told_without_a_password(running: list[Mapping[str, Any]]) -> None:
    running.append(
        {"user": "guest", "pass": "<redacted>", "ips": [], "permissions": [{"action": "publish", "path": "zz"}]}
    )
    assert sessions.added(["a/b", _SENTINEL, "zz"]) == {
        "paths": ["zz"],
        "users": [{"user": "guest", "rights": ["publish zz"], "ips": []}],
    }


def test_a_relay_that_has_not_read_its_file_yet_is_not_compared(running: list[Mapping[str, Any]]) -> None:
    assert running
    assert sessions.added(["a/b", "cfg/ffffffffffff", "zz"]) is None


@pytest.mark.parametrize("said", [None, [], {"user": 1}, [{"pass": "x"}], [{"user": "x", "ips": ["nowhere"]}]])
def test_users_in_another_form_are_not_known(monkeypatch: pytest.MonkeyPatch, running: object, said: object) -> None:
    assert running
    monkeypatch.setattr(relay, "api", lambda _path: {"authInternalUsers": said})
    assert sessions.added([_SENTINEL]) == {"paths": [], "users": []}
