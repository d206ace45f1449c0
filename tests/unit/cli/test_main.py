"""The program as it is called: documents, exit codes, and what a defect looks like."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from provisioner import __version__
from provisioner.cli import main as program
from provisioner.cli.main import cli, run
from provisioner.cli.support.commands import COMMANDS, CommandEntry
from tests import inventories as make
from tests.command_tree import every_command

EXAMPLE = Path(__file__).parents[3] / "inventories" / "example"
UNLOCKED = {"ANSIBLE_VAULT_PASSWORD_FILE": str(EXAMPLE / ".vault-password")}


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    printed = json.loads(capsys.readouterr().out)
    assert isinstance(printed, dict)
    return printed


def test_the_example_is_valid_with_its_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-i", str(EXAMPLE), "--output", "json", "validate"], UNLOCKED) == 0
    assert document(capsys) == {
        "schema": "provisioner/validate",
        "version": 1,
        "ok": True,
        "counts": {"provinces": 3, "carriers": 2, "relays": 2, "facilities": 9, "cameras": 14, "paths": 18},
        "sign_offs": {"signed": 0, "claimed": 21},
        "problems": [],
    }


def test_the_example_is_valid_with_a_warning_without_the_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-i", str(EXAMPLE), "validate"], {}) == 0
    assert capsys.readouterr().out == (
        "warning: secrets not checked: no vault password is set\n"
        "  hint: set ANSIBLE_VAULT_PASSWORD_FILE or ANSIBLE_VAULT_IDENTITY_LIST to check them as well\n"
        "valid: 3 provinces, 2 carriers, 2 relays, 9 facilities, 14 cameras, 18 paths (1 warning)\n"
    )


def test_a_wrong_vault_password_ends_with_12(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "password").write_text("wrong", encoding="utf-8")
    env = {"ANSIBLE_VAULT_PASSWORD_FILE": str(tmp_path / "password")}
    assert run(["-i", str(EXAMPLE), "--output=json", "validate"], env) == 12
    printed = document(capsys)
    assert (printed["schema"], printed["code"]) == ("provisioner/error", "secrets-closed")
    assert "no vault password fits" in printed["message"]


def test_problems_as_text_name_place_message_and_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = "facilities/bac-giang/kcl-bg-001.yml"
    root = make.write_inventory(tmp_path, {path: "version: 1\nid: [\n"})
    assert run(["-i", str(root), "validate"], {}) == 3
    lines = capsys.readouterr().out.splitlines()
    assert f"error: {root / path}:3:1: facility kcl-bg-001: not YAML:" in "\n".join(lines)
    assert lines[-1].startswith("invalid: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["validate"], "no inventory is named"),
        (["nonsense"], "No such command 'nonsense'"),
        (["--output", "xml", "validate"], "xml"),
        (["validate", "--as-of", "yesterday"], "yesterday"),
        (["validate", "--nonsense"], "No such option"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_where_help_is(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments, {}) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "hint: " in err


def test_allocate_writes_the_lock_once_with_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make.write_inventory(tmp_path)
    (root / "carriers" / "vnpt.yml").unlink()
    plain = make.settings()
    make.write_inventory(root, {"carriers/vnpt.yml": make.carrier("vnpt", 21), "inventory.yml": plain})
    assert run(["-i", str(root), "--output", "json", "allocate"], {}) == 0
    printed = document(capsys)
    assert printed["changed"] is True
    assert printed["file"] == str(root / "allocations.lock.yml")
    assert {"object": "site/kcl-bg-001", "address": "10.91.0.2", "port": 0} in printed["assigned"]
    assert {"object": "site/kcl-bg-001/cam-01", "address": "", "port": 10554} in printed["assigned"]
    before = (root / "allocations.lock.yml").stat().st_mtime_ns
    assert run(["-i", str(root), "allocate"], {}) == 0
    assert capsys.readouterr().out == "nothing to allocate\n"
    assert (root / "allocations.lock.yml").stat().st_mtime_ns == before


def test_allocate_tells_what_it_retired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make.write_inventory(tmp_path)
    run(["-i", str(root), "allocate"], {})
    (root / "facilities" / "bac-giang" / "kcl-bg-001.yml").unlink()
    capsys.readouterr()
    assert run(["-i", str(root), "allocate"], {}) == 0
    assert "retired site/kcl-bg-001: 10.91.0.2" in capsys.readouterr().out


def test_allocate_writes_nothing_of_an_invalid_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make.write_inventory(tmp_path, {"designations.yml": {"version": 1, "designations": [{"province": 1}]}})
    assert run(["-i", str(root), "allocate"], {}) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "designations.yml" in err
    assert not (root / "allocations.lock.yml").exists()


def test_allocate_gives_nothing_to_a_facility_with_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make.write_inventory(tmp_path, {"designations.yml": {"version": 1, "designations": []}})
    assert run(["-i", str(root), "allocate"], {}) == 3
    out, err = capsys.readouterr()
    assert "assigned relay/" in out
    assert "is not designated for bac-giang" in err
    lock = yaml.safe_load((root / "allocations.lock.yml").read_text(encoding="utf-8"))
    assert not lock.get("sites")


def broken(error: BaseException) -> click.Command:
    def fail(_: object) -> None:
        raise error

    return click.Command("broken", callback=fail)


@pytest.fixture
def fail_with(monkeypatch: pytest.MonkeyPatch) -> Any:
    def register(error: BaseException) -> None:
        monkeypatch.setitem(cli.commands, "broken", broken(error))

    return register


def test_a_defect_is_one_line_and_its_trace_is_in_the_runs_log_without_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fail_with: Any
) -> None:
    fail_with(RuntimeError("password is s3cret"))
    assert run(["broken"], {"PROVISIONER_STATE": str(tmp_path)}) == 70
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: internal error (RuntimeError); the trace is in ")
    assert "Traceback" not in err
    (log,) = (tmp_path / "runs").iterdir()
    text = log.read_text(encoding="utf-8")
    assert str(log) in err
    assert "in fail" in text
    assert "s3cret" not in text.replace("raise error", "") + err
    assert log.stat().st_mode & 0o077 == 0


def test_a_defect_without_a_state_folder_is_still_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fail_with: Any
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    fail_with(RuntimeError())
    assert run(["--output", "json", "broken"], {"XDG_STATE_HOME": str(tmp_path / "file")}) == 70
    assert document(capsys)["code"] == "internal"


def test_an_interrupt_ends_with_130(fail_with: Any) -> None:
    fail_with(KeyboardInterrupt())
    assert run(["broken"], {}) == 130


def test_every_command_can_be_imported_and_has_help_and_an_example() -> None:
    for name, entry in COMMANDS.items():
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert entry.help
        for leaf in command.commands.values() if isinstance(command, click.Group) else [command]:
            assert "Example: provisioner " in (leaf.help or ""), f"{name} {leaf.name}"


def test_every_visible_option_has_a_help_text() -> None:
    lacking = [
        f"{name} {option.opts[0]}"
        for name, command in {"": cli, **every_command()}.items()
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden and not (option.help or "").strip()
    ]
    assert lacking == []


def test_help_lists_every_command_in_a_section_and_cuts_no_summary(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["--help"], {}) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    for name, entry in COMMANDS.items():
        section = out.partition(f"\n{entry.section}:\n")[2].partition("\n\n")[0]
        assert re.search(rf"^  {name} +{re.escape(entry.help)}$", section, re.MULTILINE), name
    for name in every_command():
        assert run([*name.split(), "--help"], {}) == 0
        out = capsys.readouterr().out
        assert "..." not in out.partition("\nCommands:\n")[2], name
        assert "--inventory" not in out, name
        assert out.endswith("\n\n  Global options: see `provisioner --help`.\n"), name


def test_a_table_entry_that_is_no_command_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "odd", CommandEntry("provisioner", "__version__", "odd", "Odd"))
    with pytest.raises(TypeError, match="not a click command"):
        cli.get_command(click.Context(cli), "odd")


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"], {}) == 0
    assert capsys.readouterr().out == f"provisioner {__version__}\n"


def test_the_programs_entry_ends_the_process_with_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["provisioner", "nonsense"])
    with pytest.raises(SystemExit) as caught:
        program.main()
    assert caught.value.code == 2


# Each question is answered by a fork of one process: a start of the program takes longer than what it imports.
IMPORTS = """
import importlib, json, os, sys
import provisioner.cli.main
for modules, heavy in json.load(sys.stdin):
    if os.fork() == 0:
        for name in modules:
            importlib.import_module(f"provisioner.cli.{name}")
        if not modules:
            provisioner.cli.main.run(["--help"], {})
        print(json.dumps([modules, sorted(set(heavy) & set(sys.modules))]), flush=True)
        os._exit(0)
    os.wait()
"""


def test_no_command_imports_what_it_does_not_need() -> None:
    daily = ["apply", "nightly", "plan", "status", "validate", "verify"]
    calls = [
        *("ansible_runner", "jinja2", "regopy", "requests", "sqlalchemy", "provisioner.operations.apply.apply"),
        *("provisioner.operations.pipeline.session", "provisioner.operations.rollout.waves", "provisioner.web.app"),
    ]
    others = (
        "camera",
        "config",
        "contacts",
        "export",
        "facility",
        "geography",
        "man",
        "sign_off",
        "status",
        "validate",
    )
    asked: list[tuple[list[str], list[str]]] = [
        ([], ["pydantic", "yaml", "jinja2", "cryptography", "ansible_runner", "requests", "rich"]),
        (daily, ["requests", "urllib3"]),
        *(([name], calls) for name in others),
    ]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[[")]
    assert "validate" in done.stdout
    assert [modules for modules, _ in told] == [modules for modules, _ in asked]
    # An export writes pages.
    assert [found for found in told if found[1]] == [[["export"], ["jinja2"]]]
