"""The demo as it is called: the whole story, an interruption, and a machine that lacks Docker."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from tests.alarms import wait_for
from tests.lab.docker_cli import RUN_LABEL, listed
from tests.lab.owner import Owner
from tests.lab.patience import stretched
from tests.lab.record import recorded

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "tests.demo"]
SECONDS = 500


def assert_nothing_is_left_of(run: str) -> None:
    for kind in ("container", "network"):
        assert listed(kind, f"{RUN_LABEL}={run}") == []
    assert run not in {record.run for record in recorded()}
    assert processes_of(run) == []


def processes_of(run: str) -> list[str]:
    """The processes of this machine that a run's folder is named to, by their arguments or their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        # A process that ends at this moment is none.
        with suppress(OSError):
            if run.encode() in (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " "))
    return found


def test_the_story_is_told_to_its_end_and_nothing_is_left() -> None:
    done = subprocess.run(DEMO, cwd=ROOT, capture_output=True, text=True, timeout=stretched(SECONDS), check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert done.stdout.startswith("engine: ")
    assert re.search(r"^demo: all as it should be, \d+ s in total$", done.stdout, re.MULTILINE)
    shown = re.findall(r"^\$ provisioner ([a-z-]+)", done.stdout, re.MULTILINE)
    assert shown[:3] == ["allocate", "keys", "site-package"]
    assert shown[3:7] == ["gateway"] * 4
    assert shown[7:11] == ["validate", "plan", "apply", "verify"]
    assert shown[11:14] == ["validate", "sign-off", "plan"]
    pages = [ROOT / "out/demo" / name for name in ("verify.html", "unplugged.html")]
    assert all("<html" in page.read_text(encoding="utf-8") for page in pages)
    assert_an_alert_came_and_went(done.stdout)
    address = assert_pages_were_read(done.stdout)
    assert f"the pages were at {address} and have ended; to open them yourself: scripts/demo --keep\n" in done.stdout
    assert_nothing_is_left_of(run_of(done.stdout))


def assert_an_alert_came_and_went(output: str) -> None:
    told = (
        r"^\$ provisioner watch --listen \d+ --every 5 &$",
        r"^\$ provisioner monitoring \S+ --webhook ",
        r"^the Alertmanager has it \d+ s after the cable was pulled:$",
        r"^alert ProvisionerDeviceDown: kcl-bg-001/cam-02: camera unplugged, 1 path$",
        r"^the alert was gone \d+ s after the cable was put back$",
    )
    found = [re.search(one, output, re.MULTILINE) for one in told]
    assert all(found), [one for one, match in zip(told, found, strict=True) if match is None]
    places = [match.start() for match in found if match]
    assert places == sorted(places)


def assert_pages_were_read(output: str) -> str:
    """The address of the first page."""
    served = re.search(r"^serving 4 facilities at (http://127\.0\.0\.1:\d+/) ", output, re.MULTILINE)
    assert served
    for page in ("en/incidents", "en/facilities/kcl-bg-001"):
        assert re.search(rf"^{re.escape(served[1] + page)}$", output, re.MULTILINE)
    assert re.search(r"^  No incident\.$", output, re.MULTILINE)
    assert re.search(r"^  up cam-02\b", output, re.MULTILINE)
    return served[1]


@pytest.mark.soak
def test_pages_that_are_kept_stay_open_until_what_is_printed_ends_them() -> None:
    demo = [*DEMO, "--keep"]
    done = subprocess.run(demo, cwd=ROOT, capture_output=True, text=True, timeout=stretched(SECONDS), check=False)
    run = run_of(done.stdout)
    try:
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        address = assert_pages_were_read(done.stdout)
        assert f"the pages are open at {address}\n" in done.stdout
        with urllib.request.urlopen(f"{address}en/incidents", timeout=stretched(10)) as page:  # noqa: S310 (loopback)
            assert "No incident." in page.read().decode()
    finally:
        for words in (r"kill \d+", rf"\S+ -m tests\.lab down --run {run}"):
            printed = re.search(rf"^  ({words})  # ", done.stdout, re.MULTILINE)
            assert printed, done.stdout[-3000:]
            subprocess.run(printed[1].split(), cwd=ROOT, timeout=stretched(120), check=True)
    wait_for(lambda: not processes_of(run), "the pages have ended", stretched(10))
    assert_nothing_is_left_of(run)


@pytest.mark.soak
def test_a_carrier_that_lets_nobody_in_is_changed_and_proved_by_its_node() -> None:
    demo = [*DEMO, "--carriers"]
    done = subprocess.run(demo, cwd=ROOT, capture_output=True, text=True, timeout=stretched(SECONDS), check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert re.search(r"^  \S+:22: no SSH server answers ", done.stdout, re.MULTILINE)
    told = [
        r"^\$ nats-server -c \S+ &$",
        r"^\$ provisioner node run \S+ &  # on VNPT's machine$",
        r"is begun: apply on relay-vnpt-1$",
        r"^\$ provisioner drift$",
        r"^\$ provisioner verify$",
        r"^demo: all as it should be, \d+ s in total$",
    ]
    places = [[match.start() for match in re.finditer(one, done.stdout, re.MULTILINE)] for one in told]
    assert all(places), [one for one, found in zip(told, places, strict=True) if not found]
    assert [found[-1] for found in places] == sorted(found[-1] for found in places)
    assert_nothing_is_left_of(run_of(done.stdout))


@pytest.mark.soak
def test_the_ministry_sees_both_carriers_and_believes_no_stopped_controller() -> None:
    demo = [*DEMO, "--ministry"]
    done = subprocess.run(demo, cwd=ROOT, capture_output=True, text=True, timeout=stretched(SECONDS), check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    told = [
        r"^4 facilities; paths: 24 up$",
        r"; paths: 2 down, 22 up$",
        r"^2 of 2 controllers current$",
        r"^vnpt: silent, report 2 of ",
        r"; paths: 2 down, 4 unknown, 18 up$",
        r"^1 of 2 controllers current$",
        r"^demo: all as it should be, \d+ s in total$",
    ]
    places = [[match.start() for match in re.finditer(one, done.stdout, re.MULTILINE)] for one in told]
    assert all(places), [one for one, found in zip(told, places, strict=True) if not found]
    assert [found[-1] for found in places] == sorted(found[-1] for found in places)
    assert all((ROOT / f"out/demo/progress.{kind}").stat().st_size for kind in ("docx", "xlsx"))
    assert_nothing_is_left_of(run_of(done.stdout))


@pytest.mark.parametrize(
    ("kind", "at"),
    [
        pytest.param(signal.SIGINT, "lab ", marks=pytest.mark.soak),
        pytest.param(signal.SIGTERM, "Somebody pulls the network cable", marks=pytest.mark.soak),
        pytest.param(signal.SIGINT, "serving ", marks=pytest.mark.soak),
    ],
    ids=["booted", "while alerts are waited for", "while pages are served"],
)
def test_an_interrupted_demo_leaves_neither_its_lab_nor_a_process(kind: signal.Signals, at: str) -> None:
    seen = ""
    with subprocess.Popen(DEMO, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            seen += line
            if line.startswith(at):
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
