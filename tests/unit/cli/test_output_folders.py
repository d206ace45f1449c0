"""Folders that commands write into: new or empty, and outside the inventory."""

import shutil
from pathlib import Path

import pytest

from provisioner.cli.main import run
from tests.recorded import EXAMPLE

COMMANDS = {
    "render": ("render", "--out", "DIR"),
    "site-package": ("site-package", "kcl-bg-001", "--out", "DIR"),
    "minutes": ("export", "survey-minutes", "--docx-dir", "DIR"),
    "pages": ("report", "html", "DIR"),
    "monitoring": ("monitoring", "DIR"),
    "man": ("man", "--out", "DIR"),
}
REPLACES = {"man"}  #: Writes files of its own names beside others, and refuses one that is another's.


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "example")
    return tmp_path / "example"


def call(root: Path, name: str, folder: Path) -> int:
    environment = {
        "ANSIBLE_VAULT_PASSWORD_FILE": str(root / ".vault-password"),
        "XDG_STATE_HOME": str(root.parent / "state"),
        "PATH": "/usr/bin:/bin",
    }
    return run(["-i", str(root), *(str(folder) if word == "DIR" else word for word in COMMANDS[name])], environment)


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - REPLACES))
def test_a_folder_with_a_file_is_refused_and_kept(root: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = root.parent / "out"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    assert call(root, name, folder) == 2
    assert str(folder) in capsys.readouterr().err
    assert tree(folder) == {"notes.txt"}


@pytest.mark.parametrize("below", ["", "rendered", "carriers/new"])
@pytest.mark.parametrize("name", sorted(COMMANDS))
@pytest.mark.parametrize("which", ["example", "other"])
def test_none_writes_into_an_inventory(
    root: Path, which: str, name: str, below: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written = root.parent / which
    written.mkdir(exist_ok=True)
    (written / "inventory.yml").touch()
    before = tree(written)
    assert call(root, name, written / below) == 2
    assert f"is inside the inventory {written}" in capsys.readouterr().err
    assert tree(written) == before


@pytest.mark.parametrize("name", sorted(COMMANDS))
@pytest.mark.parametrize("exists", [True, False])
def test_a_new_or_an_empty_folder_is_filled(root: Path, name: str, *, exists: bool) -> None:
    folder = root.parent / "out"
    if exists:
        folder.mkdir(mode=0o700)
    assert call(root, name, folder) == 0
    assert tree(folder)
