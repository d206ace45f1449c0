"""A checkout of the example inventory whose hosts are in memory, and somebody who calls the program there."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from provisioner.cli.main import run
from provisioner.operations.apply import execution
from tests.prepared import prepared
from tests.simulated import SimulatedHosts

ROOT = Path(__file__).parents[1]
EXAMPLE = "inventories/example"

T = TypeVar("T", bound="ExampleTerminal")


@dataclass
class ExampleTerminal:
    """Calls the program in the checkout; its environment has the vault's password unless it is left out."""

    root: Path
    hosts: SimulatedHosts
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str, vault: bool = True) -> tuple[int, str, str]:
        env = {"HOME": str(self.root), "XDG_STATE_HOME": str(self.root / "state")}
        env |= {"ANSIBLE_VAULT_PASSWORD_FILE": f"{EXAMPLE}/.vault-password"} if vault else {}
        self.capsys.readouterr()
        code = run(["-i", EXAMPLE, *words], env)
        out, err = self.capsys.readouterr()
        return code, out, err

    def document(self, *words: str, vault: bool = True) -> tuple[int, Any]:
        code, out, _ = self("--output", "json", *words, vault=vault)
        return code, json.loads(out)

    def file(self, path: str) -> Path:
        return self.root / EXAMPLE / path

    def files(self) -> dict[str, bytes]:
        """The inventory's files."""
        folder = self.root / "inventories"
        return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    def uncommitted(self) -> str:
        """What Git says of the inventory's files that differ from the last commit."""
        argv = ["git", "status", "--porcelain", "--", "inventories"]
        return subprocess.run(argv, cwd=self.root, check=True, capture_output=True, text=True, timeout=30).stdout

    def changed(self) -> list[str]:
        """The hosts that were changed, in their order."""
        return [host for operation, host in self.hosts.calls if operation == "apply"]

    def edit(self, path: str, old: str, new: str) -> None:
        text = self.file(path).read_text(encoding="utf-8")
        assert old in text
        self.file(path).write_text(text.replace(old, new, 1), encoding="utf-8")


def applied(kind: type[T], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> T:
    """Return a committed checkout in which everything is applied."""
    hosts = SimulatedHosts()
    program = tmp_path / "mediamtx"
    monkeypatch.setattr("provisioner.operations.pipeline.session.AnsibleRunner", lambda _templates, _environment: hosts)
    monkeypatch.setattr(execution, "fetch", lambda *_arguments: program)
    monkeypatch.chdir(tmp_path)
    terminal = kind(tmp_path, hosts, capsys)

    def apply() -> None:
        program.touch()
        shutil.copytree(ROOT / EXAMPLE, tmp_path / EXAMPLE)
        # As few files as possible: each test copies them.
        git(tmp_path, "init", "-q", "--template=")
        git(tmp_path, "add", "inventories")
        git(tmp_path, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qm", "A")
        git(tmp_path, "gc", "-q")
        assert terminal("apply", "--yes", "--allow", "trust=4")[0] == 0

    prepared(tmp_path, hosts, "applied-example", apply)
    return terminal


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, timeout=30)
