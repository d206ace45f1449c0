"""Rollouts with the real commands: the path gate, going back, two controllers, death, and a new MediaMTX."""

import hashlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from provisioner.operations.rollout.gate import GateRules
from provisioner.operations.rollout.result import HostOutcome
from provisioner.record.event_log import EventLog
from provisioner.record.state_folder import state_folder_of
from provisioner.record.store import open_history

from .deployment import Deployment, patient
from .fingerprint import fingerprint
from .patience import stretched
from .received import wait_until_received
from .tunnels import renew_tunnels

pytestmark = [pytest.mark.lab, pytest.mark.destructive]
RELAY, OTHER = "relay-vnpt-1", "relay-viettel-1"
PATH = "quang-nam/kcl-qn-001/cam-01/sub"
ONLY = ("--limit", f"host={RELAY}")


def wrong_channel(deployment: Deployment) -> None:
    """Declare a channel that the camera does not have: the relay takes it, and no picture comes, where one came."""
    # What a test before cut may not be back yet, and a gate takes away no picture that was not there.
    renew_tunnels(deployment.lab)
    wait_until_received(deployment.lab, RELAY, PATH)
    deployment.edit_facility("kcl-qn-001", r"(make: dahua\n)", r"\g<1>    channel: 2\n")


def fewer_cameras(deployment: Deployment) -> None:
    """Take a camera out of the inventory."""
    deployment.edit_facility("kcl-qn-001", r"  - id: cam-02(?:.*\n)+", "")
    deployment.run("allocate")


@contextmanager
def running(deployment: Deployment, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command beside the test; it is ended with the test."""
    # A test that runs under nohup would hand on that SIGHUP is ignored.
    program = str(Path(sys.executable).with_name("provisioner"))
    argv = ["env", "--default-signal=HUP", program, "--output", "json", *words]
    with subprocess.Popen(
        argv,
        env=deployment.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(true: Callable[[], bool], seconds: float = 150) -> None:
    """Wait for something."""
    end = time.monotonic() + stretched(seconds)
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def is_armed(deployment: Deployment, host: str = RELAY) -> bool:
    """Tell whether the last run has a host that waits for its confirmation, as the journal has it."""
    place = state_folder_of(deployment.environment, "lab")
    history, log = open_history(place), EventLog(place)
    try:
        (last,) = history.runs(1)
        steps = {(event.host, event.step) for event in log.of(last.run.id)}
    finally:
        history.close()
        log.close()
    return last.finished is None and (host, "armed") in steps


def disarmed(deployment: Deployment, host: str = RELAY) -> bool:
    """Tell whether a host waits for nothing."""
    return deployment.lab.exec(host, ["test", "-e", "/var/lib/provisioner/armed.json"], check=False).returncode != 0


def host_in(document: dict[str, Any], host: str = RELAY) -> dict[str, Any]:
    """One host's part of a document."""
    (found,) = [entry for entry in document["hosts"] if entry["host"] == host]
    return dict(found)


def private_folders(deployment: Deployment) -> list[str]:
    """What lies where bundles travel through on this machine."""
    return [entry.name for entry in deployment.runtime.iterdir()]


def test_a_change_that_costs_a_picture_is_taken_back_and_names_the_path(deployment: Deployment) -> None:
    before = fingerprint(deployment.lab, RELAY)
    wrong_channel(deployment)
    (found,) = [r for r in deployment.apply_directly(GateRules(patience_s=stretched(6))).results if r.host == RELAY]
    assert found.outcome is HostOutcome.ROLLED_BACK
    assert found.cause.startswith(f"path gate: no picture after the change: {PATH}")
    assert fingerprint(deployment.lab, RELAY).differences(before) == []


@pytest.mark.soak
def test_back_is_back_and_the_record_is_whole(deployment: Deployment) -> None:
    fewer_cameras(deployment)
    deployment.document("apply", "--yes")
    before = fingerprint(deployment.lab, RELAY)
    # The camera comes again: what an apply takes away no rollback would bring back.
    deployment.git("reset", "--quiet", "--hard")
    applied = deployment.document("apply", "--yes", "--approval", "change 7")
    assert host_in(applied)["outcome"] == "applied"
    after = fingerprint(deployment.lab, RELAY)
    assert after.differences(before)
    back = deployment.document("rollback", applied["run"], "--yes")
    assert (back["outcome"], host_in(back)["outcome"]) == ("returned", "returned")
    assert fingerprint(deployment.lab, RELAY).differences(before) == []
    again = deployment.document("rollback", RELAY, "--yes")
    assert again["outcome"] == "returned"
    assert fingerprint(deployment.lab, RELAY).differences(after) == []
    runs = deployment.document("history")["runs"]
    assert [(r["operation"], r["state"]) for r in runs[:3]] == [
        ("rollback", "applied"), ("rollback", "applied"), ("apply", "applied"),
    ]  # fmt: skip
    told = deployment.document("history", applied["run"])
    assert (told["plan"], told["who"]["approval"]) == (applied["plan"], "change 7")
    steps = [(s["step"], s["state"]) for s in told["steps"] if s["host"] == RELAY]
    assert steps[:2] == [("start", "begin"), ("armed", "done")]
    assert steps[-1] == ("end", "applied")
    checked = deployment.document("history", "verify", "--hosts")
    assert (checked["ok"], checked["seals"]["unkeyed"], checked["hosts"]) == (True, 0, sorted({RELAY, OTHER, "centre"}))
    assert deployment.run("rollback", "no-such-run", "--yes", check=False).returncode == 2


def test_a_killed_controller_leaves_nothing_here_and_its_run_is_taken_up(deployment: Deployment) -> None:
    fewer_cameras(deployment)
    with running(deployment, "apply", "--yes", *ONLY) as process:
        until(lambda: is_armed(deployment))
        process.send_signal(signal.SIGKILL)
        process.wait()
    until(lambda: not private_folders(deployment), 15)
    resumed = deployment.document("apply", "--resume")
    assert host_in(resumed)["outcome"] == "applied"
    assert deployment.run("apply", "--resume", check=False).returncode == 2


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_brings_hosts_on_their_way_to_their_end(deployment: Deployment, number: signal.Signals) -> None:
    fewer_cameras(deployment)
    with running(deployment, "apply", "--yes", *ONLY) as process:
        until(lambda: is_armed(deployment))
        process.send_signal(number)
        out, err = process.communicate(timeout=stretched(120))
    assert process.returncode == 130, out + err
    assert "no further host is started" in err
    assert disarmed(deployment)
    assert deployment.document("history")["runs"][0]["state"] == "applied", "its only host had been started"
    assert deployment.run("apply", "--resume", check=False).returncode == 2, "nothing is left to resume"


def with_engine(deployment: Deployment, program: Path) -> None:
    """Declare another build of MediaMTX."""
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    path = deployment.root / "inventory.yml"
    deployment.substitute(path, r"(source: ).*", rf"\g<1>file:{program}")
    deployment.substitute(path, r'(amd64|arm64): ".*"', rf'\g<1>: "{digest}"')


@pytest.mark.soak
def test_a_new_mediamtx_is_tried_aside_switched_and_can_be_left_again(deployment: Deployment) -> None:
    before = fingerprint(deployment.lab, RELAY)
    program = deployment.lab.directory / "mediamtx-next"
    shutil.copy(deployment.engine.path, program)
    with program.open("ab") as file:
        file.write(b"\n" if deployment.engine.is_real else b"")
    if not deployment.engine.is_real:
        # Another build of the stand-in: the same program with other bytes.
        program.write_bytes(program.read_bytes().replace(b"#!/usr/bin/python3\n", b"#!/usr/bin/python3 -B\n", 1))
    with_engine(deployment, program)
    applied = deployment.document("apply", "--yes", *ONLY, "--allow", "trust=9")
    found = host_in(applied)
    assert found["outcome"] == "applied", found
    assert {"install MediaMTX", "check relay"} <= {step["name"] for step in found["steps"]}
    assert "program" in fingerprint(deployment.lab, RELAY).differences(before)
    back = deployment.document("rollback", RELAY, "--yes")
    assert back["outcome"] == "returned", back
    # What the host was trusted for since stays known: that an older program comes back is said anew.
    assert fingerprint(deployment.lab, RELAY).differences(before) == ["file /etc/provisioner/trust.json"]


@pytest.mark.soak
def test_a_new_mediamtx_that_gives_no_picture_is_left_again(deployment: Deployment) -> None:
    before = fingerprint(deployment.lab, RELAY)
    find = "sed -n 's/^ExecStart=\\([^ ]*\\) .*/\\1/p' /etc/systemd/system/provisioner-mediamtx.service"
    good = deployment.lab.exec(RELAY, ["sh", "-c", find]).stdout.strip()
    program = deployment.lab.directory / "mediamtx-bad"
    # Aside there is no tunnel and all is well; live it starts, reads its file, and is gone before a look has ended.
    script = f"""#!/bin/sh
[ "$1" = --version ] && exec {good} --version
ip link show wg-prov >/dev/null 2>&1 || exec {good} "$@"
timeout 1.5 {good} "$@"
sleep infinity
"""
    program.write_text(script, encoding="ascii")
    with_engine(deployment, program)
    applied = deployment.document("apply", "--yes", *patient(8), *ONLY, "--allow", "trust=9", codes=(7,))
    assert host_in(applied)["outcome"] == "rolled-back", applied
    until(lambda: not fingerprint(deployment.lab, RELAY).differences(before), 20)
