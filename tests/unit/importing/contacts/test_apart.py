"""Contacts stay apart: planted in an inventory, nothing of them is in anything that any other command makes."""

import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.base.vault import VaultPasswords
from provisioner.cli.main import run
from provisioner.cli.support.commands import COMMANDS
from provisioner.importing.contacts.store import render_contacts
from provisioner.operations.apply import execution
from tests.simulated import SimulatedHosts

from . import book

ROOT = Path(__file__).parents[4]
EXAMPLE = ROOT / "inventories" / "example"
PROVINCES = ("bac-giang", "hai-duong", "quang-nam")
ALLOWED = {"contacts", "import"}  #: Commands that are there for personal data: the rest may not even import it.


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inventory with contacts planted in it, and hosts in memory."""
    hosts = SimulatedHosts()
    (tmp_path / "mediamtx").touch()
    monkeypatch.setattr("provisioner.operations.pipeline.session.AnsibleRunner", lambda _templates, _environment: hosts)
    monkeypatch.setattr(execution, "fetch", lambda *_arguments: tmp_path / "mediamtx")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(EXAMPLE, tmp_path / "inv")
    shutil.rmtree(tmp_path / "inv" / "contacts")
    for province in PROVINCES:
        folder = tmp_path / "inv" / "facilities" / province
        listed = [book.contact(path.stem) for path in sorted(folder.glob("*.yml"))]
        book.put(tmp_path / "inv" / "contacts", province, listed)
    return tmp_path


def environment(world: Path, *, contacts: bool) -> dict[str, str]:
    """An environment, with the passwords of contacts or as a merge pipeline has it."""
    ids = [f"contacts-{province}" for province in PROVINCES] if contacts else []
    env = book.environment(world / "keys", *ids) | {"HOME": str(world), "PATH": os.environ["PATH"]}
    return env | {"ANSIBLE_VAULT_PASSWORD_FILE": str(EXAMPLE / ".vault-password")}


COMMANDS_WITH_ARGUMENTS = [
    ["validate"],
    ["allocate"],
    ["render", "--out", "rendered"],
    ["site-package", "--out", "sites"],
    ["plan", "--all", "--out", "plan.json", "--allow", "trust=4"],
    ["apply", "plan.json"],
    ["drift", "--all"],
    ["validate", "--nonsense"],
    ["plan", "--limit", "facility=nowhere"],
]


def canaries_in(text: str) -> set[str]:
    return {canary for canary in book.CANARIES if canary.casefold() in text.casefold()}


@pytest.mark.parametrize("contacts", [True, False], ids=["with all passwords", "as a merge pipeline"])
def test_no_output_and_no_file_of_another_command_holds_a_canary(
    world: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, *, contacts: bool
) -> None:
    env = environment(world, contacts=contacts)
    before = {path for path in world.rglob("*") if path.is_file()}
    with caplog.at_level(logging.DEBUG):
        for output in ("json", "text"):
            for arguments in COMMANDS_WITH_ARGUMENTS:
                shutil.rmtree(world / arguments[-1], ignore_errors=True)
                code = run(["-i", "inv", "--output", output, *arguments], env)
                assert code in ({0} if "no" not in arguments[-1] else {2}), arguments
                out, err = capsys.readouterr()
                assert not canaries_in(out + err), arguments
    assert not canaries_in(caplog.text)
    written = [path for path in world.rglob("*") if path.is_file() and path not in before]
    assert len(written) > 20
    assert not [path for path in written if canaries_in(path.read_bytes().decode("utf-8", "replace"))]


def test_the_search_would_find_a_canary(world: Path) -> None:
    """The search itself is tried: a canary is where it has to be, and found there."""
    text = VaultPasswords.from_environment(environment(world, contacts=True))
    assert not canaries_in(repr(text))
    assert canaries_in(f"x{book.NAME.upper()}x")
    assert canaries_in(f"call 0{book.PHONE[3:]}")


def test_no_other_command_imports_contacts() -> None:
    """Importing is the least that is needed to open them."""
    others = [entry.module for name, entry in COMMANDS.items() if name not in ALLOWED]
    lines = [f"import {module}" for module in sorted(set(others))]
    lines.append("import sys; print([m for m in sys.modules if m.startswith('provisioner.importing.contacts')])")
    done = subprocess.run([sys.executable, "-c", "; ".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_contract_of_the_layers_names_who_may_import_contacts() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contract = re.search(r'id = "contacts-apart".*?allowed_importers = \[(.*?)\]', text, re.DOTALL)
    assert contract
    assert 'protected_modules = ["provisioner.importing.contacts"]' in contract[0]
    allowed = set(re.findall(r'"([^"]+)"', contract[1]))
    assert all(
        name.startswith(("provisioner.cli.contacts", "provisioner.cli.import", "provisioner.importing"))
        for name in allowed
    )


def test_validate_neither_opens_contacts_nor_runs_what_gives_their_passwords(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (world / "inv" / "contacts").iterdir():
        path.write_text(path.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    program = book.key(world / "keys", "program", f"#!/bin/sh\ntouch {world}/was-run\necho password")
    program.chmod(0o700)
    env = {"ANSIBLE_VAULT_IDENTITY_LIST": f"contacts-bac-giang@{program}"}
    assert run(["-i", "inv", "validate"], env) == 0
    assert "secrets not checked" in capsys.readouterr().out
    assert run(["-i", "inv", "validate"], env | environment(world, contacts=False)) == 0
    assert "contacts" not in capsys.readouterr().out
    book.key(world / "keys", "wrong")
    env["ANSIBLE_VAULT_IDENTITY_LIST"] += f",secrets@{world}/keys/wrong"
    assert run(["-i", "inv", "validate"], env) == 12
    assert not (world / "was-run").exists()


def test_validate_tells_of_clear_contacts_and_shows_none(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = world / "inv" / "contacts" / "bac-giang.yml"
    path.write_text(render_contacts("bac-giang", [book.contact()]), encoding="utf-8")
    assert run(["-i", "inv", "validate"], environment(world, contacts=False)) == 3
    out = capsys.readouterr().out
    assert "error: inv/contacts/bac-giang.yml: contacts bac-giang: the file is not encrypted" in out
    assert "ansible-vault encrypt --encrypt-vault-id contacts-bac-giang" in out
    assert not canaries_in(out)
