"""What ansible-runner leaves behind is nothing: no file, no process, no secret where others can read it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from provisioner.base.errors import HostError
from provisioner.hosts.ansible import early_start
from provisioner.hosts.ansible.early_start import WaitingAnsible
from provisioner.hosts.ansible.play import AnsibleRunner
from provisioner.hosts.runner import CallOutcome, HostCall
from tests import fleets
from tests.unit.operations.rollout.world import state

CANARY = "canary-secret-of-a-bundle"
# A host that never answers: somebody listens there and says nothing, so that the call hangs until it is killed.
_CALL = """
import sys
from dataclasses import replace
from ipaddress import IPv4Address
from provisioner.hosts.ansible.play import AnsibleRunner
from provisioner.hosts.runner import HostCall
from tests import fleets
from tests.unit.operations.rollout.world import state
spec = state({}).hosts["centre"]
ssh = spec.ssh.model_copy(update={"port": int(sys.argv[3])})
spec = replace(spec, address=IPv4Address(sys.argv[2]), ssh=ssh)
runner = AnsibleRunner(fleets.templates(), {"XDG_RUNTIME_DIR": sys.argv[1], "PATH": "/usr/bin:/bin"})
call = HostCall(spec, {"operation": "observe", "secret": "CANARY"}, {"file": b"CANARY"})
for answer in runner.stream([call], timeout_s=60):
    print(answer.outcome.value, answer.error)
""".replace("CANARY", CANARY)


@pytest.fixture
def runtime() -> Path:
    """A private folder on tmpfs."""
    folder = Path("/dev/shm") / f"door-{os.getpid()}-{time.time_ns()}"  # noqa: S108 (tmpfs is the point)
    folder.mkdir(mode=0o700)
    return folder


def start(runtime: Path, address: str, port: int = 22) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-", str(runtime), address, str(port)],
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
    """The command lines that name a folder, from all processes of this machine."""
    commands = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            command = words + (entry / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command:
            commands.append(command)
    return commands


def until_gone(runtime: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not list(runtime.iterdir()) and not processes_of(runtime):
            return True
        time.sleep(0.1)
    return False


def test_a_killed_controller_leaves_no_file_and_no_process(runtime: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, start(runtime, *silent.getsockname()) as process:
        end = time.monotonic() + 30
        while not any("ansible-playbook" in line for line in processes_of(runtime)):
            assert time.monotonic() < end, process.stdout.read() if process.stdout else ""
            time.sleep(0.05)
        processes = processes_of(runtime)
        modes = {path.stat().st_mode & 0o077 for path in runtime.iterdir()}
        os.killpg(process.pid, signal.SIGKILL)
    assert until_gone(runtime, 10), (list(runtime.rglob("*")), processes_of(runtime))
    assert modes == {0}
    assert not any(CANARY in line for line in processes), "a secret stands in an argument or in the environment"
    runtime.rmdir()


def test_a_host_that_cannot_be_reached_is_told_and_nothing_stays(runtime: Path) -> None:
    with start(runtime, "127.0.0.9") as process:
        out, _ = process.communicate(timeout=60)
    assert out.startswith("unreachable"), out
    assert CANARY not in out
    assert list(runtime.iterdir()) == []
    runtime.rmdir()


@pytest.fixture
def runner(runtime: Path) -> Iterator[AnsibleRunner]:
    """A runner, closed afterwards: then nothing may be left of it."""
    carrier = AnsibleRunner(fleets.templates(), {"XDG_RUNTIME_DIR": str(runtime), "PATH": "/usr/bin:/bin"})
    yield carrier
    carrier.close()
    assert until_gone(runtime, 10), (list(runtime.rglob("*")), processes_of(runtime))
    runtime.rmdir()


def observation(host: str, port: int = 1) -> HostCall:
    """A call to a port of this machine; nobody answers at the first one."""
    spec = state({}).hosts["centre"]
    ssh = spec.ssh.model_copy(update={"port": port})
    return HostCall(replace(spec, id=host, address=IPv4Address("127.0.0.1"), ssh=ssh), {"operation": "observe"})


def plays_at_work(runtime: Path) -> list[str]:
    """The private folders of the plays that are open."""
    return sorted(entry.name for entry in runtime.iterdir())


def test_later_calls_go_through_the_ansible_that_runs_already(runner: AnsibleRunner, runtime: Path) -> None:
    calls = [observation("one"), observation("two")]
    first = runner.call(calls, timeout_s=30)
    (at_work,) = plays_at_work(runtime)
    second = runner.call(calls[1:], timeout_s=30)
    third = runner.call(calls, timeout_s=30)
    assert plays_at_work(runtime) == [at_work]
    for answers in (first, second, third):
        assert {answer.outcome for answer in answers.values()} == {CallOutcome.UNREACHABLE}
        assert all("refuses" in answer.error for answer in answers.values()), answers
    assert set(third) == {"one", "two"}


def test_what_is_expected_is_carried_by_what_has_started_already(runner: AnsibleRunner, runtime: Path) -> None:
    calls = [observation("one"), observation("two")]
    runner.expect([call.spec for call in calls])
    (at_work,) = plays_at_work(runtime)
    # Once is enough, and a host that nobody asks after all is no call.
    runner.expect([call.spec for call in calls])
    answers = runner.call(calls[:1], timeout_s=30)
    assert plays_at_work(runtime) == [at_work]
    assert answers["one"].outcome is CallOutcome.UNREACHABLE
    assert set(answers) == {"one"}


def starts_of_ansible(runtime: Path) -> int:
    """How many programs of Ansible run that are not workers of another one."""
    return sum("ansible-playbook -i" in line for line in processes_of(runtime))


def test_what_was_begun_before_hosts_were_known_carries_their_calls(runtime: Path) -> None:
    environment = {"XDG_RUNTIME_DIR": str(runtime), "PATH": "/usr/bin:/bin"}
    begun = WaitingAnsible(environment)
    (at_work,) = plays_at_work(runtime)
    carrier, other = (AnsibleRunner(fleets.templates(), environment) for _ in range(2))
    carrier.use_started(begun)
    other.use_started(begun)
    answers = carrier.call([observation("one")], timeout_s=30)
    assert plays_at_work(runtime) == [at_work]
    # Whoever takes it has it alone.
    more = other.call([observation("one")], timeout_s=30)
    assert {answer.outcome for answer in (*answers.values(), *more.values())} == {CallOutcome.UNREACHABLE}
    assert len(plays_at_work(runtime)) == 2
    for runner in (carrier, other):
        runner.close()
    assert until_gone(runtime, 10), (list(runtime.rglob("*")), processes_of(runtime))
    runtime.rmdir()


def test_what_was_begun_for_nobody_calls_nobody_and_leaves_nothing(runtime: Path) -> None:
    environment = {"XDG_RUNTIME_DIR": str(runtime), "PATH": "/usr/bin:/bin"}
    begun = WaitingAnsible(environment)
    end = time.monotonic() + 30
    while not starts_of_ansible(runtime):
        assert time.monotonic() < end
        time.sleep(0.05)
    # One that would be started otherwise today is not taken.
    assert not begun.is_taken({**environment, "SSH_AUTH_SOCK": "/run/agent"})
    begun.close()
    assert until_gone(runtime, 10), (list(runtime.rglob("*")), processes_of(runtime))
    assert not begun.is_taken(environment)
    runtime.rmdir()


def test_a_host_whose_place_has_changed_is_called_at_its_new_one(runner: AnsibleRunner, runtime: Path) -> None:
    assert "refuses" in runner.call([observation("one", 1)], timeout_s=30)["one"].error
    with socket.create_server(("127.0.0.1", 0)) as other:

        def hang_up() -> None:
            caller, _ = other.accept()
            caller.close()

        threading.Thread(target=hang_up, daemon=True).start()
        answer = runner.call([observation("one", other.getsockname()[1])], timeout_s=30)["one"]
    assert "did not begin SSH" in answer.error
    assert len(plays_at_work(runtime)) == 2


def test_hosts_that_outnumber_the_workers_are_all_called_and_no_play_stays(
    runner: AnsibleRunner, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early_start, "MAX_WORKERS", 2)
    answers = runner.call([observation(f"host-{number}") for number in range(5)], timeout_s=60)
    assert {answer.outcome for answer in answers.values()} == {CallOutcome.UNREACHABLE}
    assert len(answers) == 5
    assert plays_at_work(runtime) == []


def test_a_hanging_worker_is_left_alone(runner: AnsibleRunner, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.hosts.ansible.play._MARGIN_S", 0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        calls = [observation("silent", silent.getsockname()[1]), observation("one")]
        runner.call(calls[1:], timeout_s=30)
        answers = runner.call(calls, timeout_s=2)
        assert answers["silent"].error == "no answer within 2 s"
        assert "refuses" in answers["one"].error
        before = plays_at_work(runtime)
        again = runner.call(calls[:1], timeout_s=1)
    assert again["silent"].outcome is CallOutcome.UNREACHABLE
    assert set(before) <= set(plays_at_work(runtime))


def test_a_runner_that_is_forgotten_leaves_nothing(runtime: Path) -> None:
    carrier = AnsibleRunner(fleets.templates(), {"XDG_RUNTIME_DIR": str(runtime), "PATH": "/usr/bin:/bin"})
    carrier.call([observation("one")], timeout_s=30)
    assert plays_at_work(runtime)
    del carrier
    assert until_gone(runtime, 10), (list(runtime.rglob("*")), processes_of(runtime))
    runtime.rmdir()


@pytest.mark.parametrize("name", ["{{ lookup('pipe', 'id') }}", "a b", "a\n", "", "-a", "é"])
def test_a_name_that_could_be_a_template_never_reaches_ansible(runtime: Path, name: str) -> None:
    runner = AnsibleRunner(fleets.templates(), {"XDG_RUNTIME_DIR": str(runtime), "PATH": "/usr/bin:/bin"})
    with pytest.raises(HostError, match="may not reach Ansible"):
        list(runner.stream([observation(name)], timeout_s=5))
    runner.close()
    assert list(runtime.iterdir()) == []
    runtime.rmdir()
