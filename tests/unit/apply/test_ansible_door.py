"""What ansible-runner leaves behind is nothing: no file, no process, no secret where others can read it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CANARY = "canary-secret-of-a-bundle"
# A host that never answers: the address is for documentation, so that the call hangs until it is killed.
_CALL = """
import sys
from dataclasses import replace
from ipaddress import IPv4Address
from provisioner.ansible import AnsibleRunner
from provisioner.hosts import HostCall
from tests import fleets
from tests.unit.apply.world import state
spec = state({}).hosts["centre"]
spec = replace(spec, address=IPv4Address(sys.argv[2]))
runner = AnsibleRunner(fleets.templates(), {"XDG_RUNTIME_DIR": sys.argv[1], "PATH": "/usr/bin:/bin"})
call = HostCall(spec, {"operation": "observe", "secret": "CANARY"}, {"file": b"CANARY"})
for answer in runner.stream([call], timeout_s=60):
    print(answer.outcome.value, answer.error)
""".replace("CANARY", CANARY)


@pytest.fixture
def runtime() -> Path:
    """Give a private folder on tmpfs."""
    folder = Path("/dev/shm") / f"door-{os.getpid()}-{time.time_ns()}"  # noqa: S108 (tmpfs is the point)
    folder.mkdir(mode=0o700)
    return folder


def start(runtime: Path, address: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-", str(runtime), address],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    # Over standard input: the test's own secret must not stand in an argument either.
    if process.stdin is not None:
        process.stdin.write(_CALL)
        process.stdin.close()
        process.stdin = None
    return process


def processes_of(folder: Path) -> list[str]:
    """Give the command lines that name a folder, from all processes of this machine."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            told = words + (entry / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in told:
            found.append(told)
    return found


def until_gone(runtime: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not list(runtime.iterdir()) and not processes_of(runtime):
            return True
        time.sleep(0.1)
    return False


def test_a_killed_controller_leaves_no_file_and_no_process(runtime: Path) -> None:
    with start(runtime, "192.0.2.1") as process:
        end = time.monotonic() + 30
        while not any("ansible-playbook" in line for line in processes_of(runtime)):
            assert time.monotonic() < end, process.stdout.read() if process.stdout else ""
            time.sleep(0.05)
        told = processes_of(runtime)
        modes = {path.stat().st_mode & 0o077 for path in runtime.iterdir()}
        os.killpg(process.pid, signal.SIGKILL)
    assert until_gone(runtime, 10), (list(runtime.rglob("*")), processes_of(runtime))
    assert modes == {0}
    assert not any(CANARY in line for line in told), "a secret stands in an argument or in the environment"
    runtime.rmdir()


def test_a_host_that_cannot_be_reached_is_told_and_nothing_stays(runtime: Path) -> None:
    with start(runtime, "127.0.0.9") as process:
        out, _ = process.communicate(timeout=60)
    assert out.startswith("unreachable"), out
    assert CANARY not in out
    assert list(runtime.iterdir()) == []
    runtime.rmdir()
