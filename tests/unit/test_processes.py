"""What runs beside a test or the demo ends with it, whatever ends that."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.alarms import wait_for

ROOT = Path(__file__).parents[2]
BESIDE = """
import time
from pathlib import Path
from tests.processes import beside
with beside(["sleep", "600"], Path("log")) as process:
    print(process.pid, flush=True)
    time.sleep(600)
"""


def is_running(pid: int) -> bool:
    """Whether there is such a process, and not only what is left of it until somebody asks."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_a_program_ends_with_the_process_that_it_runs_beside(tmp_path: Path, kind: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", BESIDE],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as one:
        assert one.stdout is not None
        pid = int(one.stdout.readline())
        wait_for(lambda: b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:1], "it runs")
        one.send_signal(kind)
        one.wait(30)
    wait_for(lambda: not is_running(pid), "it has ended")
