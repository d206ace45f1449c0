"""`provisioner node upgrade` as a person calls it, on a machine in memory and in front of what is no package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.cli.main import run as command
from provisioner.nodes import upgrade_machine
from provisioner.nodes.upgrade_machine import DebianMachine
from tests.nodes.upgrades import NEW, OLD, UNITS
from tests.packaging.journey import ROOT

QUIET = {"PROVISIONER_CONFIG": ""}
# A program of its own, as what it has read by then counts: it says what it has read since files were exchanged.
PROGRAM = """
import os, sys
from contextlib import contextmanager
from provisioner.cli.main import run
from provisioner.nodes import upgrade_machine
from provisioner.nodes.upgrade import NodePackage, DpkgState
from tests.nodes.upgrades import NEW, OLD, UNITS, NodeHealth, SimulatedMachine

health, *words = sys.argv[1:]
read = set()

class Machine(SimulatedMachine):
    @contextmanager
    def alone(self):
        yield

    def taken(self, new, back):
        return NodePackage(str(new), NEW, "amd64"), NodePackage(str(back), OLD, "amd64")

    def state(self):
        return DpkgState("amd64", "ii ", OLD)

    def nodes(self):
        return tuple(self.standings(UNITS))

    def check(self, package, unit):
        pass

    def rehearse(self, package):
        pass

    def install(self, timeout_s):
        read.update(sys.modules)
        super().install(timeout_s)

upgrade_machine.DebianMachine = lambda environment: Machine(NodeHealth(health), health != "does not reach its broker")
os.geteuid = lambda: 0
code = run(["node", "upgrade", "new.deb", "--back", "old.deb", *words], {"PROVISIONER_CONFIG": ""})
late = sorted(name for name in sys.modules if name.startswith("provisioner") and read and name not in read)
print(*late, file=sys.stderr)
sys.exit(code)
"""


def upgraded(health: str, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", PROGRAM, health, *words]
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=120, cwd=ROOT)


@pytest.mark.parametrize("language", ["en", "vi"])
def test_once_files_are_exchanged_nothing_of_the_program_is_read_any_more(language: str) -> None:
    for health, code in (("good", 0), ("does not start", 7)):
        done = upgraded(health, "--language", language)
        assert done.returncode == code, done.stderr
        assert done.stderr.splitlines()[-1] == ""


def test_a_program_that_reads_says_what_became_of_it() -> None:
    done = upgraded("does not reach its broker", "--output", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "schema": "provisioner/node-upgrade",
        "version": 1,
        "from": OLD,
        "to": NEW,
        "outcome": "upgraded",
        "nodes": list(UNITS),
        "unproved": list(UNITS),
    }
    assert f"{UNITS[0]} did not reach its broker before: that {NEW} would is not proved" in done.stderr
    failed = upgraded("does not start", "--output", "json")
    assert json.loads(failed.stdout)["code"] == "apply-failed"


def test_nobody_but_root_exchanges_a_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert command(["node", "upgrade", "new.deb", "--back", "old.deb"], QUIET) == 2
    assert "only root exchanges a package" in capsys.readouterr().err


# --- before anything is changed, on a machine whose files are in a folder ---------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for place in ("run", "var/lib"):
        (tmp_path / "root" / place).mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    root = tmp_path / "root"
    monkeypatch.setattr(upgrade_machine, "DebianMachine", lambda environment: DebianMachine(environment, root))
    return tmp_path


def package(folder: Path, name: str = "provisioner", version: str = OLD) -> Path:
    control = folder / "tree/DEBIAN/control"
    control.parent.mkdir(parents=True, exist_ok=True)
    # dpkg-deb refuses a folder that only its owner may read, as whoever runs this may have them made.
    control.parent.chmod(0o755)
    control.write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@example.com>\nDescription: x\n",
        encoding="utf-8",
    )
    file = folder / f"{name}_{version}.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", folder / "tree", file], check=True, capture_output=True
    )
    return file


def refused(folder: Path, new: Path, back: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = command(["node", "upgrade", str(new), "--back", str(back)], QUIET | {"PATH": os.environ["PATH"]})
    assert [path.name for path in (folder / "root/var/lib").iterdir()] == []
    return code, capsys.readouterr().err


def test_a_file_that_is_no_package_of_provisioner_is_said_with_its_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, text, pipe = package(folder), folder / "text.deb", folder / "pipe.deb"
    text.write_text("x", encoding="utf-8")
    os.mkfifo(pipe)
    for bad, said in (
        (text, f"{text} is no Debian package"),
        (folder / "missing.deb", f"{folder}/missing.deb cannot be read: No such file or directory"),
        (pipe, f"{pipe} cannot be read: it is no regular file"),
        (package(folder, "other"), "is a package of other"),
    ):
        for files in ((bad, good), (good, bad)):
            code, told = refused(folder, *files, capsys)
            assert (code, said in told, "hint: " in told) == (2, True, True), told


def test_a_machine_that_the_package_does_not_run_on_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    programs = folder / "bin"
    programs.mkdir()
    for name, does in (("dpkg-query", "exit 1"), ("dpkg", "case $1 in --print-architecture) echo amd64 ;; esac")):
        (programs / name).write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        code, told = refused(folder, package(folder, version=NEW), package(folder), capsys)
    assert (code, "the Debian package provisioner is not installed on this machine" in told) == (5, True), told


def test_one_upgrade_runs_at_a_time_and_none_while_a_machine_is_to_return(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = package(folder)
    with DebianMachine(QUIET, folder / "root").alone():
        code, told = refused(folder, good, good, capsys)
        assert (code, "another upgrade of this node is going on" in told) == (9, True), told
    kept = folder / "root/var/lib/provisioner-return"
    for name in ("armed", "returning"):
        kept.mkdir()
        (kept / name).touch()
        assert command(["node", "upgrade", str(good), "--back", str(good)], QUIET) == 9
        assert "an upgrade of this node was cut off: its machine returns by itself" in capsys.readouterr().err
        (kept / name).unlink()
        kept.rmdir()
    # What is left of one that is over, or was never armed, is in nobody's way.
    kept.mkdir()
    (kept / "over").touch()
    assert refused(folder, folder / "missing.deb", good, capsys)[0] == 2
