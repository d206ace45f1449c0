"""The README says what the program does: its blocks are run, its tables are compared, its commands exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from provisioner import pipeline
from provisioner.base import errors
from provisioner.cli.commands import COMMANDS
from provisioner.cli.main import cli, run
from provisioner.inventory.makes import rtsp_path
from provisioner.inventory.model import Make, StreamName
from provisioner.plan.changes import Impact
from provisioner.runs import execution
from tests.simulated import SimulatedHost, SimulatedHosts

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = "inventories/example"
WATCHED = "bac-giang/kcl-bg-001/cam-03/sub"
# What differs from run to run, and so does not have to be what the README shows.
_VARYING = {
    r"\bsha256:[0-9a-f]{64}\b": "sha256:…",
    r"\brun \d{8}T\d{6}Z-[0-9a-f]{6}\b": "run …",
    r"\b\d+\.\d\d s\b": "… s",
    r"\b\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?\b": "…",
}


class Step(NamedTuple):
    """A command of the README and what stands below it."""

    command: str
    output: str


def steps() -> Iterator[Step]:
    """Every command of the README's console blocks, in order."""
    for block in re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield Step(command, output)


def comparable(text: str) -> str:
    for pattern, shown in _VARYING.items():
        text = re.sub(pattern, shown, text)
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


class Terminal:
    """Somebody at a terminal who types what the README shows."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._capsys = capsys
        self._environment = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
        self._code = 0

    def type(self, command: str) -> str:
        """Do a command and give what it printed."""
        words = command.split()
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self._environment[name] = value
            return ""
        if command == "echo $?":
            return str(self._code)
        if words[0] == "provisioner":
            self._code = run(words[1:], self._environment)
            return self._capsys.readouterr().out
        return shell(self._folder, command)


def shell(folder: Path, command: str) -> str:
    done = subprocess.run(["bash", "-c", command], cwd=folder, check=True, capture_output=True, text=True, timeout=30)
    return done.stdout


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimulatedHosts:
    """Hosts in memory instead of real ones, and a file that stands for MediaMTX."""
    simulated = SimulatedHosts()
    program = tmp_path / "mediamtx"
    program.touch()
    monkeypatch.setattr(pipeline, "AnsibleRunner", lambda _templates, _environment: simulated)
    monkeypatch.setattr(execution, "fetch", lambda *_arguments: program)
    return simulated


@pytest.fixture
def terminal(
    tmp_path: Path, hosts: SimulatedHosts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    """A checkout whose example runs on the hosts, with two people who watch one path."""
    shutil.copytree(ROOT / EXAMPLE, tmp_path / EXAMPLE)
    shell(tmp_path, "git init -q && git config user.name A && git config user.email a@example.com")
    shell(tmp_path, "git add inventories && git commit -qm A")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    hosts.hosts["relay-viettel-1"] = SimulatedHost(viewers={WATCHED: 2})
    unlocked = {
        "ANSIBLE_VAULT_PASSWORD_FILE": f"{EXAMPLE}/.vault-password",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    assert run(["-i", EXAMPLE, "apply", "--yes"], unlocked) == 0
    capsys.readouterr()
    return Terminal(tmp_path, capsys)


def test_every_block_is_what_the_commands_print(terminal: Terminal) -> None:
    shown = [step for step in steps() if step.command != "provisioner verify"]
    assert len(shown) > 15
    for step in shown:
        assert comparable(terminal.type(step.command)) == comparable(step.output), step.command


def test_the_block_of_verify_is_a_kept_report() -> None:
    (shown,) = (step.output for step in steps() if step.command == "provisioner verify")
    assert shown == (ROOT / "tests/golden/report/mixed.txt").read_text(encoding="utf-8")


def _all_commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", found) for below, found in command.commands.items())


@pytest.mark.parametrize(("name", "command"), list(_all_commands()), ids=str)
def test_every_command_has_help_and_is_in_the_readme(name: str, command: click.Command) -> None:
    assert (command.help or "").strip()
    assert isinstance(command, click.Group) or "Example: provisioner" in (command.help or "")
    assert f"**{name.partition(' ')[0]}" in README
    assert name in README


def test_no_command_of_the_readme_is_invented() -> None:
    named = set(re.findall(r"\*\*([a-z]+(?:-[a-z]+)?)(?: init)?\*\*", README.partition("### Exit codes")[0]))
    assert named == set(COMMANDS)


def test_the_exit_codes_of_the_readme_are_those_of_the_program() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", README.partition("### Exit codes")[2], re.MULTILINE)}
    raised = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ProvisionerError)
    }
    assert raised <= listed
    assert listed == raised | {0, 1, 10, 70, 130}


def test_the_table_of_makes_is_what_the_program_does() -> None:
    for make in Make:
        row = re.search(rf"^\| `{make}` \| (.*) \| (.*) \|$", README, re.MULTILINE)
        assert row is not None, make
        if make is Make.GENERIC:
            continue
        own, recorders = (rtsp_path(make, 1, StreamName.SUB, recorder=kind) for kind in (False, True))
        assert (row[1], row[2]) == (f"`{own}`", f"`{recorders}`")


def test_impacts_are_all_explained() -> None:
    assert {impact for impact in Impact if f"| `{impact.value}` |" not in README} == set()


def test_every_file_that_the_readme_names_is_there() -> None:
    folders = ("scripts", "docs", "inventories", "tests", "playbooks")
    named = re.findall(rf"`((?:{'|'.join(folders)})/[\w./-]+)", README)
    assert len(named) > 8
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_file_of_the_example_is_in_its_table() -> None:
    kinds = {re.sub(r"<\w+>", "*", name) for name in re.findall(r"^\| `([\w<>./-]+\.yml)` \|", README, re.MULTILINE)}
    example = ROOT / EXAMPLE
    found = {path for kind in kinds for path in example.glob(kind)}
    assert sorted(found) == sorted(example.rglob("*.yml"))
