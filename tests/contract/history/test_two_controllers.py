"""Two controllers side by side on one record: one change a host at a time, each told what became of its own."""

import os
import shutil
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.record.state_folder import VARIABLE, StateFolder, state_folder_of
from provisioner.record.store import open_history
from tests.agent.disk_hosts import DiskHosts, forked
from tests.recorded import EXAMPLE, RecordingController

FACILITY = "facilities/bac-giang/kcl-bg-002.yml"
OPEN, CLOSED = "operating: open", "operating: closed"
APPLY = ("apply", "--yes", "--allow", "trust=99")
# Applied; another one was first (8), or is at it (9); or some of each.
CODES = {0, 7, 8, 9}


class LoggedHosts(DiskHosts):
    """Hosts of several processes that write down what each of their changes came to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "hosts")
        self.log = folder / "log"

    def _answer(self, call: HostCall) -> HostAnswer:
        # Here no other process is at the hosts: what is written is in the order in which it was done.
        answer, request = super()._answer(call), call.request
        if answer.outcome is CallOutcome.ANSWERED and "run" in request and request["operation"] != "status":
            words = request["run"], request["operation"], answer.document["outcome"], request.get("epoch", 0)
            with self.log.open("a", encoding="utf-8") as log:
                log.write(" ".join(map(str, (call.spec.id, *words))) + "\n")
        return answer


def controllers(folder: Path, state: str) -> tuple[list[RecordingController], LoggedHosts]:
    """Two machines with a clone each that want it otherwise, and hosts that both reach."""
    hosts, made = LoggedHosts(folder), []
    for number in range(2):
        root = folder / f"machine-{number}"
        shutil.copytree(EXAMPLE, root / "example")
        made.append(RecordingController(root, hosts))
    hosts.save()
    assert made[0].run(*APPLY, **{VARIABLE: state}).code == 0
    file = made[1].root / FACILITY
    file.write_text(file.read_text(encoding="utf-8").replace(OPEN, CLOSED), encoding="utf-8")
    assert made[1].run("allocate", **{VARIABLE: state}).code == 0
    return made, hosts


def applied_by_both(made: list[RecordingController], state: str, rounds: int) -> list[int]:
    """Let both apply at once, again and again: the codes that their commands ended with."""
    children = []
    for controller in made:

        def work(own: RecordingController = controller) -> None:
            codes = [own.run(*APPLY, **{VARIABLE: state}).code for _ in range(rounds)]
            (own.folder / "codes").write_text(" ".join(map(str, codes)), encoding="utf-8")

        children.append(forked(work))
    for child in children:
        os.waitpid(child, 0)
    return [int(code) for one in made for code in (one.folder / "codes").read_text(encoding="utf-8").split()]


def refuse_overlaps(log: Path) -> Counter[str]:
    """Refuse a host on which a run began while another one's change waited, or with an epoch that was not the next."""
    armed: dict[str, str] = {}
    epochs: dict[str, int] = {}
    ended: Counter[str] = Counter()
    for line in log.read_text(encoding="utf-8").splitlines():
        host, run, operation, outcome, epoch = line.split()
        if operation == "apply" and outcome == "armed":
            assert host not in armed, f"{line}: {armed[host]} waits"
            assert int(epoch) > epochs.get(host, 0), line
            armed[host], epochs[host] = run, int(epoch)
        elif operation in {"confirm", "abort"} and outcome in {"applied", "rolled-back"}:
            assert armed.pop(host) == run, line
            ended[outcome] += 1
    assert not armed
    return ended


@pytest.mark.parametrize("rounds", [2, pytest.param(40, marks=pytest.mark.soak)])
def test_two_change_one_host_one_after_the_other(place: StateFolder, tmp_path: Path, rounds: int) -> None:
    state = place.url or str(tmp_path / "shared")
    made, hosts = controllers(tmp_path, state)
    codes = applied_by_both(made, state, rounds)
    assert set(codes) <= CODES
    ended = refuse_overlaps(hosts.log)
    sys.stdout.write(f"{len(codes)} applies: codes {dict(Counter(codes))}, hosts {dict(ended)}\n")
    assert ended["applied"] >= 1
    with closing(open_history(state_folder_of(made[0].environment | {VARIABLE: state}, "example"))) as history:
        runs = history.runs()
        assert history.verify_chain().whole
    assert all(run.finished is not None for run in runs), "each run has its end"
    hosts.load()
    assert all(host.armed is None for host in hosts.hosts.values())
    # Whoever applies last, alone, has it as it says.
    assert made[0].run(*APPLY, **{VARIABLE: state}).code == 0
    assert made[0].run("plan", "--exit-code", **{VARIABLE: state}).code == 0
