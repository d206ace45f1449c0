"""`site-package`: of an open facility, of a closed one, and of none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from provisioner.cli.main import run
from tests.hostile import LOCAL_USER

EXAMPLE = Path(__file__).parents[3] / "inventories/example"
SITE = "kcl-bg-002"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    copy = tmp_path / "inventory"
    shutil.copytree(EXAMPLE, copy)
    return copy


def close(root: Path) -> None:
    path = root / f"facilities/bac-giang/{SITE}.yml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("\noperating: open", "\noperating: closed"), encoding="utf-8"
    )
    assert run(["-i", str(root), "allocate"], {}) == 0


@LOCAL_USER
def test_a_closed_facility_s_package_takes_its_gateway_down_and_needs_no_vault(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    close(root)
    capsys.readouterr()
    assert run(["-i", str(root), "--output", "json", "site-package", SITE, "--out", str(tmp_path / "sites")], {}) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["packages"], document["takes_down"]) == ({SITE: str(tmp_path / "sites" / SITE)}, [SITE])
    assert [p.name for p in (tmp_path / "sites" / SITE).rglob("*")] == ["install.sh"]


def test_text_says_what_the_package_does(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    close(root)
    assert run(["-i", str(root), "site-package", SITE, "--out", str(tmp_path / "sites")], {}) == 0
    said = f"run install.sh in it on the gateway of {SITE}, as root; it takes the gateway down, since the facility is"
    assert capsys.readouterr().out.endswith(f"{said} closed\n")


def test_a_facility_whose_file_is_gone_has_one_too(root: Path, tmp_path: Path) -> None:
    (root / f"facilities/bac-giang/{SITE}.yml").unlink()
    assert run(["-i", str(root), "allocate"], {}) == 0
    assert run(["-i", str(root), "site-package", SITE, "--out", str(tmp_path / "sites")], {}) == 0


def test_a_facility_that_nobody_knows_has_none(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-i", str(root), "site-package", "kcl-bg-999", "--out", str(tmp_path / "sites")], {}) == 2
    assert "kcl-bg-999 is no facility with an agreed plan that is open, nor a closed one" in capsys.readouterr().err
    assert not (tmp_path / "sites").exists()


def test_without_names_open_facilities_alone_have_packages(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    close(root)
    vault = {"ANSIBLE_VAULT_PASSWORD_FILE": str(root / ".vault-password")}
    capsys.readouterr()
    assert run(["-i", str(root), "--output", "json", "site-package", "--out", str(tmp_path / "sites")], vault) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["takes_down"] == []
    assert SITE not in document["packages"]
