"""The wheel is what users get: it is built, installed clean, and renders."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    argv = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(argv, check=True, capture_output=True, timeout=120)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_playbooks_templates_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    data = "provisioner/_data"
    assert f"{data}/playbooks/operation.yml" in names
    assert f"{data}/playbooks/action_plugins/provisioner_host.py" in names
    assert f"{data}/playbooks/provisioner_host/main.py" in names
    assert f"{data}/mediamtx-templates/mediamtx/mediamtx.yml.j2" in names
    assert "provisioner/report/verify.html.j2" in names
    pages = [name for name in names if ".data/data/share/man/man1/" in name]
    assert {Path(page).name for page in pages} >= {"provisioner.1", "provisioner-plan.1", "provisioner-keys.1"}
    assert not [name for name in names if name.startswith(("tests", "inventories", "scripts")) or "__pycache__" in name]


def test_an_installed_wheel_renders_the_example(wheel: Path, tmp_path: Path) -> None:
    """Only what the wheel itself asks for is there: the packages come from this environment's own folder."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    site = next((home / "lib").glob("python3*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for dependency in Path(sys.prefix).glob("lib/python3*/site-packages/*"):
        ours = dependency.name.startswith(("provisioner", "_provisioner", "__editable__", "pytest", "hypothesis"))
        if not ours and not (site / dependency.name).exists():
            (site / dependency.name).symlink_to(dependency)
    example = ROOT / "inventories/example"
    out = tmp_path / "rendered"
    done = subprocess.run(
        [str(home / "bin/python"), "-I", "-m", "provisioner", "-i", str(example), "render", "--out", str(out)],
        env={"PATH": os.environ["PATH"], "ANSIBLE_VAULT_PASSWORD_FILE": str(example / ".vault-password")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(out.glob("*/etc/provisioner/mediamtx.yml"))
    assert list(out.glob("*/usr/local/lib/provisioner/provisioner-host"))
