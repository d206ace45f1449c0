"""`site-package`: of an open facility, of a closed one, and of none."""

import json
import re
import shutil
import stat
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from provisioner.cli.main import run
from provisioner.cli.support.context import today
from provisioner.inventory.files.edit import Flow, edited, write_lock
from provisioner.inventory.model.facility import GatewaySystem
from provisioner.inventory.model.hosts import Allocations
from tests import inventories
from tests.hostile import LOCAL_USER

EXAMPLE = Path(__file__).parents[3] / "inventories/example"
SITE = "kcl-bg-002"
SHEET = ("setup.html", "setup.pdf")
DOWN = ("take-down.html", "take-down.pdf")


def names(folder: Path) -> set[str]:
    """The files of a package."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


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
    assert names(tmp_path / "sites" / SITE) == {"SHA256SUMS", "install.sh", "manifest.yml", *DOWN}


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


def test_without_names_open_ones_have_packages(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    close(root)
    vault = {"ANSIBLE_VAULT_PASSWORD_FILE": str(root / ".vault-password")}
    capsys.readouterr()
    assert run(["-i", str(root), "--output", "json", "site-package", "--out", str(tmp_path / "sites")], vault) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["takes_down"] == []
    assert SITE not in document["packages"]


VAULT = ".vault-password"
KEY = re.compile(rb'(PresharedKey = |preshared-key=")[A-Za-z0-9+/]{43}=')


@LOCAL_USER
def test_what_is_secret_is_its_owner_s_alone_and_all_is_summed_up(root: Path, tmp_path: Path) -> None:
    vault = {"ANSIBLE_VAULT_PASSWORD_FILE": str(root / VAULT)}
    for system in GatewaySystem:
        path = root / f"facilities/bac-giang/{SITE}.yml"
        path.write_bytes(edited(path.read_bytes(), {("gateway", "system"): system.value}))
        out = tmp_path / system.value
        assert run(["-i", str(root), "site-package", SITE, "--out", str(out)], vault) == 0
        folder = out / SITE
        assert stat.S_IMODE(out.stat().st_mode) == stat.S_IMODE(folder.stat().st_mode) == 0o700
        secret = {p for p in folder.rglob("*") if p.is_file() and is_secret(p)}
        assert secret
        assert {stat.S_IMODE(p.stat().st_mode) for p in secret} == {0o600}
        assert {stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*") if p.is_dir()} <= {0o700}
        sums = subprocess.run(
            ["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False, timeout=30
        )
        assert (sums.returncode, sums.stdout.count(": OK")) == (0, len(names(folder)) - 1)


def is_secret(path: Path) -> bool:
    """Whether a file has a pre-shared key: what the relay knows the gateway by, beside its public key."""
    return path.suffix == ".psk" or KEY.search(path.read_bytes()) is not None


def test_a_package_is_valid_for_as_many_days_as_were_asked_for(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vault = {"ANSIBLE_VAULT_PASSWORD_FILE": str(root / VAULT)}
    for words, days in (((), 30), (("--valid-days", "3"), 3)):
        out, until = tmp_path / f"for-{days}", (today() + timedelta(days=days)).isoformat()
        assert run(["-i", str(root), "site-package", SITE, *words, "--out", str(out)], vault) == 0
        assert f"run install.sh in it on the gateway of {SITE}, as root, until {until}\n" in capsys.readouterr().out
        manifest = yaml.safe_load((out / SITE / "manifest.yml").read_text(encoding="utf-8"))
        assert (manifest["made_on"], manifest["valid_until"]) == (today().isoformat(), until)
    out = tmp_path / "document"
    assert run(["-i", str(root), "--output", "json", "site-package", SITE, "--out", str(out)], vault) == 0
    assert json.loads(capsys.readouterr().out)["valid_until"] == {SITE: (today() + timedelta(days=30)).isoformat()}


@pytest.mark.parametrize("days", ["0", "366", "-1", "many"])
def test_other_numbers_of_days_are_refused_and_nothing_is_written(root: Path, tmp_path: Path, days: str) -> None:
    out = tmp_path / "sites"
    assert run(["-i", str(root), "site-package", SITE, "--valid-days", days, "--out", str(out)], {}) == 2
    assert not out.exists()


def route(root: Path) -> None:
    """Let the carrier's own network lead to the site, as all three sign it."""
    path = root / f"facilities/bac-giang/{SITE}.yml"
    site = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_bytes(edited(path.read_bytes(), {("plan", "access"): "routed"}))
    inventories.sign_file(path)
    carrier = root / "carriers/viettel.yml"
    carrier.write_bytes(edited(carrier.read_bytes(), {("routed_networks",): [site["gateway"]["lan"]]}))
    assert run(["-i", str(root), "allocate"], {}) == 0


def test_a_site_that_needs_no_tunnel_any_more_has_a_sheet_and_what_takes_its_gateway_down(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    route(root)
    capsys.readouterr()
    assert run(["-i", str(root), "site-package", SITE, "--out", str(tmp_path / "sites")], {}) == 0
    assert "takes the gateway down, since the site is reached without a tunnel now" in capsys.readouterr().out
    assert names(tmp_path / "sites" / SITE) == {"SHA256SUMS", "install.sh", "manifest.yml", *SHEET, *DOWN}


def test_a_site_that_never_had_a_tunnel_has_a_sheet_alone_and_nothing_is_recorded(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    route(root)
    lock = root / "allocations.lock.yml"
    stones = Allocations.model_validate(yaml.safe_load(lock.read_text(encoding="utf-8")), strict=False)
    write_lock(root, stones.model_copy(update={"tombstones": ()}))
    capsys.readouterr()
    assert run(["-i", str(root), "site-package", SITE, "--out", str(tmp_path / "sites")], {}) == 0
    said = f"a sheet for whoever runs the carrier's network and the router of {SITE}; nothing is installed\n"
    assert capsys.readouterr().out.endswith(said)
    sheet = (tmp_path / "sites" / SITE / "setup.html").read_text(encoding="utf-8")
    assert names(tmp_path / "sites" / SITE) == {"SHA256SUMS", "manifest.yml", *SHEET}
    assert "no tunnel" in sheet
    assert "không có đường hầm" in sheet


def test_a_site_that_pushes_has_its_logins_in_one_file_that_nobody_else_reads(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = root / f"facilities/bac-giang/{SITE}.yml"
    text = edited(path.read_bytes(), {("plan", "access"): "publish"})
    path.write_bytes(text)
    inventories.sign_file(path)
    carrier = root / "carriers/viettel.yml"
    carrier.write_bytes(edited(carrier.read_bytes(), {("publishers",): Flow()}))
    capsys.readouterr()
    vault = {"ANSIBLE_VAULT_PASSWORD_FILE": str(root / ".vault-password")}
    # No key is drawn, and no certificate made: hosts are asked for theirs first.
    assert run(["-i", str(root), "site-package", SITE, "--out", str(tmp_path / "sites")], vault) in {3, 12}
    said = capsys.readouterr().err
    assert "keys init" in said
    assert not (tmp_path / "sites" / SITE / "publish.yml").exists()
