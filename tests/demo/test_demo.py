"""The demo as it is called: the whole story, an interruption, and a machine that lacks Docker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.docker_cli import RUN_LABEL, listed
from tests.lab.owner import Owner
from tests.lab.patience import stretched
from tests.lab.record import recorded

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "tests.demo"]
SECONDS = 400


def assert_nothing_is_left_of(run: str) -> None:
    for kind in ("container", "network"):
        assert listed(kind, f"{RUN_LABEL}={run}") == []
    assert run not in {record.run for record in recorded()}


def test_the_story_is_told_to_its_end_and_nothing_is_left() -> None:
    done = subprocess.run(DEMO, cwd=ROOT, capture_output=True, text=True, timeout=stretched(SECONDS), check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert done.stdout.startswith("engine: ")
    assert re.search(r"^demo: all as it should be, \d+ s in total$", done.stdout, re.MULTILINE)
    shown = re.findall(r"^\$ provisioner ([a-z-]+)", done.stdout, re.MULTILINE)
    assert shown[:7] == ["allocate", "keys", "site-package", "validate", "plan", "apply", "verify"]
    assert shown[7:10] == ["validate", "sign-off", "plan"]
    pages = [ROOT / "out/demo" / name for name in ("verify.html", "unplugged.html")]
    assert all("<html" in page.read_text(encoding="utf-8") for page in pages)
    assert_nothing_is_left_of(run_of(done.stdout))


@pytest.mark.parametrize("kind", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)])
def test_an_interrupted_demo_removes_its_lab(kind: signal.Signals) -> None:
    seen = ""
    with subprocess.Popen(DEMO, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            seen += line
            if line.startswith("lab "):
                break
        demo.send_signal(kind)
        _, errors = demo.communicate(timeout=stretched(90))
    assert demo.returncode == 130, errors
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert_nothing_is_left_of(run_of(seen))


def test_without_docker_it_says_what_to_install_and_touches_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}
    with subprocess.Popen(
        DEMO, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        _, errors = demo.communicate(timeout=stretched(60))
    assert demo.returncode == 1
    assert "apt-get install -y docker.io" in errors
    assert "Traceback" not in errors
    assert demo.pid not in {Owner.parse(record.owner).pid for record in recorded()}


def run_of(output: str) -> str:
    found = re.search(r"^lab ([0-9a-f]+) is up", output, re.MULTILINE)
    assert found is not None
    return found[1]
