"""A script for a host's shell goes over the door of all calls: alone, and as root only where that is meant."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.hosts.ansible.play import AnsibleRunner
from provisioner.hosts.runner import CallOutcome, HostCall, ShellScript
from tests import fleets
from tests.unit.operations.rollout.world import state

SPEC = state({}).hosts["centre"]
CANARY = "canary-of-a-host-that-is-asked-nothing-else"
# In the place of ssh: what was asked for runs here, by the machine's shell, with programs that tell who asked.
SSH = r"""#!/bin/sh
folder=$(dirname "$0")
for command; do [ "$last" = -F ] && grep User "$command" >> "$folder/asked"; last=$command; done
printf '%s\n' "$*" >> "$folder/asked"
SSH_CONNECTION='198.51.100.5 50000 203.0.113.31 22' PATH=$folder:/usr/bin:/bin exec /bin/sh -c "$command"
"""
SCRIPT = r"""
printf '\nPROVISIONER-ANSWER {"ok": true, "answer": {"peer": "%s", "by": "%s"}}\n' "${1%% *}" "${BY-nobody}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a false ssh is, and who a host takes its caller for."""
    (tmp_path / "ssh").write_text(SSH)
    (tmp_path / "ssh").chmod(0o755)
    return tmp_path


@pytest.fixture
def runner(folder: Path) -> Iterator[AnsibleRunner]:
    runtime = Path("/dev/shm") / f"script-{os.getpid()}-{time.time_ns()}"  # noqa: S108 (tmpfs is the point)
    runtime.mkdir(mode=0o700)
    carrier = AnsibleRunner(fleets.templates(), {"XDG_RUNTIME_DIR": str(runtime), "PATH": f"{folder}:/usr/bin:/bin"})
    yield carrier
    carrier.close()
    runtime.rmdir()


def is_root(folder: Path, number: int) -> None:
    (folder / "id").write_text(f"#!/bin/sh\necho {number}\n")
    (folder / "id").chmod(0o755)


@pytest.mark.parametrize("as_root", [True, False])
def test_the_script_is_all_that_a_host_gets_and_its_last_word_is_the_answer(
    runner: AnsibleRunner, folder: Path, *, as_root: bool
) -> None:
    is_root(folder, 0)
    call = HostCall(
        SPEC, {"operation": "approach", "x": CANARY}, {"f": CANARY.encode()}, script=ShellScript(SCRIPT, as_root)
    )
    first = runner.call([call], timeout_s=60)[SPEC.id]
    assert first.outcome is CallOutcome.ANSWERED, first.error
    assert first.document == {"peer": "198.51.100.5" if as_root else "", "by": "nobody"}
    asked = (folder / "asked").read_text()
    assert CANARY not in asked
    assert "prove" not in asked
    assert asked.count("/bin/sh -s") >= 1
    assert ("SSH_CONNECTION" in asked) == as_root


def test_who_is_not_root_goes_by_sudo_and_without_it_the_host_says_so(runner: AnsibleRunner, folder: Path) -> None:
    is_root(folder, 1000)
    call = HostCall(SPEC, {"operation": "approach"}, script=ShellScript("exit 3\n", as_root=True))
    answer = runner.call([call], timeout_s=60)[SPEC.id]
    assert answer.outcome is CallOutcome.FAILED
    assert "/usr/bin/sudo -n /bin/sh -s" in (folder / "asked").read_text()
    assert answer.error.startswith("the host gave no answer (code ")


def test_a_host_that_read_a_script_has_proved_nothing_by_it(runner: AnsibleRunner, folder: Path) -> None:
    is_root(folder, 0)
    script = ShellScript(SCRIPT, as_root=True)
    assert runner.call([HostCall(SPEC, {"operation": "approach"}, script=script)], timeout_s=60)
    answer = runner.call([HostCall(SPEC, {"operation": "observe"}, {"f": CANARY.encode()})], timeout_s=60)[SPEC.id]
    assert answer.outcome is CallOutcome.UNPROVED, "it is challenged as ever"
    another = replace(SPEC, ssh=SPEC.ssh.model_copy(update={"user": "root"}))
    assert runner.call([HostCall(another, {"operation": "approach"}, script=script)], timeout_s=60)[SPEC.id].document
    assert "User root\n" in (folder / "asked").read_text()
