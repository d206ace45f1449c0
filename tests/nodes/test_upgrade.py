"""A node's upgrade: whatever fails, and wherever it is cut off, the newer version is proved or the one before runs."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provisioner.base.errors import ApplyError, ProvisionerError, RollbackError
from provisioner.nodes.broker import reaches_broker, standing_line
from provisioner.nodes.upgrade import (
    FOLDER,
    SYSTEM,
    DpkgState,
    NodePackage,
    NodeStanding,
    UpgradeProof,
    missing,
    refusal,
    return_script,
    upgrade,
)
from tests.nodes.upgrades import NEW, OLD, UNITS, Fault, KilledUpgradeError, NodeHealth, SimulatedMachine

faults = st.dictionaries(st.integers(1, 5), st.sampled_from(Fault), max_size=3)
machines = st.builds(SimulatedMachine, st.sampled_from(NodeHealth), st.booleans(), faults)


def tried(machine: SimulatedMachine) -> BaseException | None:
    try:
        upgrade(machine, machine.orders())
    except (ProvisionerError, KilledUpgradeError, KeyboardInterrupt) as error:
        return error
    return None


@given(machines)
@example(SimulatedMachine(faults={2: Fault.KILLED}))
@example(SimulatedMachine(faults={3: Fault.KILLED_AFTER}))
@example(SimulatedMachine(faults={2: Fault.LATE}))
@example(SimulatedMachine(faults={3: Fault.LATE}))
@example(SimulatedMachine(NodeHealth.DOES_NOT_REACH, faults={3: Fault.FAILS}))
def test_it_ends_with_the_newer_one_confirmed_or_with_the_one_before_at_work(machine: SimulatedMachine) -> None:
    machine = replace(machine, told=[])
    error = tried(machine)
    if isinstance(error, ApplyError):
        # What it says is so when it says it, and not some time later.
        assert (machine.version(), machine.returns_at) == (OLD, None)
    machine.run_out()
    (node,) = machine.standings(UNITS)
    assert machine.returns_at is None
    assert (machine.version() == NEW) is machine.confirmed
    assert machine.version() in {OLD, NEW}
    assert node.is_active or machine.confirmed
    if machine.confirmed:
        # Of one that ends again and again some looks are good, and never all of a while.
        assert machine.keeps
    if error is None:
        assert machine.confirmed
    if isinstance(error, RollbackError):
        assert {Fault.FAILS, Fault.LATE} & set(machine.faults.values())


@given(machines.map(lambda machine: replace(machine, faults={})))
def test_nothing_that_works_is_taken_back(machine: SimulatedMachine) -> None:
    assert (tried(machine) is None) is machine.keeps
    assert machine.version() == (NEW if machine.keeps else OLD)


@pytest.mark.parametrize("health", NodeHealth)
def test_whoever_interrupts_has_the_one_before_at_once(health: NodeHealth) -> None:
    machine = SimulatedMachine(health, faults={2: Fault.INTERRUPTED})
    assert isinstance(tried(machine), KeyboardInterrupt)
    assert (machine.version(), machine.returns_at) == (OLD, None)


def test_what_failed_is_said_with_what_runs_now() -> None:
    machine = SimulatedMachine(newer=NodeHealth.DOES_NOT_REACH)
    error = tried(machine)
    assert isinstance(error, ApplyError)
    assert error.message == (
        f"{NEW} was not kept: after 120 s {UNITS[0]} runs and does not reach its broker; {OLD} runs again"
    )
    assert error.hint == f"see journalctl -u {UNITS[0]}"


standings = st.builds(
    NodeStanding,
    st.just("n"),
    st.sampled_from(["active (running)", "active (running)", "failed (failed)"]),
    st.integers(1, 3),
    st.sampled_from([None, False, True, True]),
)


@given(standings, st.lists(st.tuples(st.floats(0.1, 30), standings), max_size=30))
def test_it_is_proved_by_one_process_that_is_well_at_every_look_for_so_long(
    before: NodeStanding, seen: list[tuple[float, NodeStanding]]
) -> None:
    proof = UpgradeProof([before], 20.0)
    at, history = 0.0, list[tuple[float, bool, int]]()
    for wait, now in seen:
        at += wait
        is_well = now.is_active and (before.reaches is False or now.reaches is True)
        history.append((at, is_well, now.process))
        proved = proof.is_proved(at, [now])
        late = [one for one in history if one[0] > at - 20.0]
        first = next((one for one in reversed(history) if one[0] <= at - 20.0), None)
        wanted = first is not None and all(good and number == now.process for _, good, number in [first, *late])
        assert proved is wanted
        assert proved is not bool(proof.lacks)


def test_the_line_of_versions_to_come_is_read_by_that_of_today() -> None:
    assert standing_line("tls://broker.example.com:4222", reaches=True) == "reaches the broker broker.example.com:4222"
    for url in ("tls://broker.example.com:4222", "nats://127.0.0.1:4222"):
        assert reaches_broker(standing_line(url, reaches=True)) is True
        assert reaches_broker(standing_line(url, reaches=False)) is False
    assert reaches_broker("dials the broker broker.example.com:4222") is None
    assert reaches_broker("the node of vnpt") is None


GOOD = DpkgState("amd64", "ii ", OLD)


@pytest.mark.parametrize(
    ("new", "back", "state", "code", "said"),
    [
        (NEW, OLD, GOOD, 0, ""),
        ("1.2.1-1~deb12", OLD, GOOD, 0, ""),
        ("1.1.0-1~deb12", OLD, GOOD, 0, ""),
        (NEW, "1.1.0-1~deb12", GOOD, 2, f"old.deb is of 1.1.0-1~deb12, and {OLD} is installed"),
        (OLD, OLD, GOOD, 2, f"new.deb is of {OLD}, which is installed"),
        ("1.4.0-1~deb12", OLD, GOOD, 6, f"more than one minor apart from {OLD}"),
        ("2.2.0-1~deb12", OLD, GOOD, 6, f"more than one minor apart from {OLD}"),
        ("1.0.9-1~deb12", OLD, GOOD, 6, f"new.deb is of 1.0.9-1~deb12, more than one minor apart from {OLD}"),
        ("x", OLD, GOOD, 6, "more than one minor apart"),
        (NEW, OLD, DpkgState("arm64", "ii ", OLD), 2, "new.deb is for amd64, and this machine is arm64"),
        (NEW, OLD, DpkgState("amd64", "", ""), 5, "provisioner is not installed on this machine"),
        (NEW, OLD, DpkgState("amd64", "iU ", OLD), 5, "provisioner is not installed on this machine"),
        (
            NEW,
            OLD,
            DpkgState("amd64", "ii ", OLD, "The following are half\ninstalled:\n git  a tool\n"),
            5,
            "of this machine: git",
        ),
    ],
)
def test_what_is_refused_before_anything_is_changed(
    new: str, back: str, state: DpkgState, code: int, said: str
) -> None:
    error = refusal(NodePackage("new.deb", new, "amd64"), NodePackage("old.deb", back, "amd64"), state)
    assert (error.exit_code if error else 0) == code
    assert said in (error.message if error else "")
    assert error is None or error.hint


def test_a_package_that_brings_others_along_is_not_installed_by_itself() -> None:
    alone = "Reading state...\nInst provisioner [1.2.0] (1.3.0 local-deb [amd64])\nConf provisioner (1.3.0)\n"
    assert missing(alone) == ""
    assert missing(f"Remv git [1:2.39]\nInst tzdata (2025b)\n{alone}\n") == "it takes away git, it needs tzdata"


# --- the script that returns ------------------------------------------------------------------------


class ReturnFolder:
    """The machine's folders below one of ours, with programs that write down what they are asked."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder, self.system = root, root / FOLDER.relative_to("/"), root / SYSTEM.relative_to("/")
        self.asked_file = root / "asked"
        (self.system / "multi-user.target.wants").mkdir(parents=True)
        self.folder.mkdir(parents=True)
        (root / "bin").mkdir()
        for name in ("dpkg", "dpkg-query", "systemctl"):
            self.program(name, ":")
        text = return_script(OLD, UNITS)
        for named in (FOLDER, SYSTEM):
            text = text.replace(f" {named}", f" {root}{named}").replace(f"={named}", f"={root}{named}")
        self.script = self.folder / "return"
        self.script.write_text(text.replace("PATH=/", f"PATH={root}/bin:/"), encoding="utf-8")
        for place in ("provisioner-node-return.service", "provisioner-node-return.timer"):
            (self.system / place).write_text("x", encoding="utf-8")
        (self.system / "multi-user.target.wants/provisioner-node-return.service").symlink_to("/nonexistent")

    def program(self, name: str, does: str) -> None:
        path = self.root / "bin" / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.asked_file}\n{does}\n', encoding="utf-8")
        path.chmod(0o755)

    def run(self) -> int:
        return subprocess.run(["/bin/sh", self.script], check=False, timeout=30, capture_output=True).returncode

    @property
    def asked(self) -> list[str]:
        return self.asked_file.read_text(encoding="utf-8").splitlines() if self.asked_file.exists() else []

    @property
    def left(self) -> list[str]:
        return [name for name in ("return", "armed", "returning", "over") if (self.folder / name).exists()]

    @property
    def units(self) -> list[Path]:
        return [path for path in self.system.rglob("*") if path.is_symlink() or path.is_file()]


def test_what_is_armed_comes_back_and_leaves_nothing_behind(tmp_path: Path) -> None:
    machine = ReturnFolder(tmp_path)
    (machine.folder / "armed").touch()
    assert machine.run() == 0
    assert machine.asked == [
        f"dpkg --force-confdef --force-confold --install {machine.folder}/back.deb",
        f"systemctl start {UNITS[0]}",
        "systemctl stop provisioner-node-return.timer",
        "systemctl daemon-reload",
    ]
    assert (machine.folder.exists(), machine.units) == (False, [])


def test_what_was_confirmed_does_nothing_but_go(tmp_path: Path) -> None:
    machine = ReturnFolder(tmp_path)
    (machine.folder / "over").touch()
    assert machine.run() == 0
    assert not [line for line in machine.asked if line.startswith("dpkg") or " start " in line]
    assert (machine.folder.exists(), machine.units) == (False, [])


def test_what_cannot_be_installed_yet_is_tried_again(tmp_path: Path) -> None:
    machine = ReturnFolder(tmp_path)
    (machine.folder / "armed").touch()
    machine.program("dpkg", "exit 2")
    assert machine.run() == 1
    assert machine.left == ["return", "returning"]
    assert len(machine.units) == 3
    machine.program("dpkg", ":")
    assert machine.run() == 0
    assert not machine.folder.exists()


def test_another_package_that_dpkg_cannot_finish_with_is_no_reason_to_try_again(tmp_path: Path) -> None:
    machine = ReturnFolder(tmp_path)
    (machine.folder / "armed").touch()
    machine.program("dpkg", "exit 1")
    machine.program("dpkg-query", f"printf 'ii {OLD}'")
    assert machine.run() == 0
    assert not machine.folder.exists()
    assert f"systemctl start {UNITS[0]}" in machine.asked


def test_a_node_that_does_not_start_is_no_reason_to_install_again_and_again(tmp_path: Path) -> None:
    machine = ReturnFolder(tmp_path)
    (machine.folder / "armed").touch()
    machine.program("systemctl", "case $1 in start) exit 1 ;; esac")
    assert machine.run() == 0
    assert not machine.folder.exists()


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_script_is_one_of_any_shell(tmp_path: Path, shell: str) -> None:
    file = tmp_path / "return"
    file.write_text(return_script(OLD, (*UNITS, "provisioner-node@a\\x2db.service")), encoding="utf-8")
    subprocess.run([shell, "-n", file], check=True)
    assert os.fspath(FOLDER) in file.read_text(encoding="utf-8")
