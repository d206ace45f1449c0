"""Completion in shells: scripts, words, and never a word on standard error."""

import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provisioner.cli.main import run
from provisioner.record.entries import Ending, Operation, Run
from provisioner.record.state_folder import state_folder_of
from provisioner.record.store import open_history
from tests import inventories as make
from tests.pseudo_terminal import PseudoTerminal

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "inventories" / "example"
_FACILITIES = [f"kcl-{p}-00{n}" for p in ("bg", "hd", "qn") for n in (1, 2, 3)]


def _asked(
    shell: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **env: str
) -> list[str]:
    """The lines that a shell gets where it asks for the last of some words."""
    last = len(words) - 1
    monkeypatch.setenv("COMP_WORDS", " ".join(words))
    monkeypatch.setenv("COMP_CWORD", words[last] if shell == "fish" else str(last))
    assert run([], {"_PROVISIONER_COMPLETE": f"{shell}_complete", **env}) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


def _words(lines: list[str]) -> list[str]:
    return [line.partition(",")[2] for line in lines]


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_each_shell_gets_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([], {"_PROVISIONER_COMPLETE": f"{shell}_source"}) == 0
    out, err = capsys.readouterr()
    assert f"{shell}_complete" in out
    assert err == ""


@pytest.mark.parametrize(
    ("words", "answered"),
    [
        (["sta"], ["status"]),
        (["contacts", "l"], ["list"]),
        (["--output", "j"], ["json"]),
        (["status", "--output", "j"], ["json"]),
        (["schema", "facil"], ["facility", "facility-edit", "facility-edits", "facility-next"]),
        (["-i", str(EXAMPLE), "status", "--limit", ""], ["carrier=", "province=", "facility=", "host="]),
        (["-i", str(EXAMPLE), "plan", "--limit", "carrier", "=", "v"], ["viettel", "vnpt"]),
        (["-i", str(EXAMPLE), "plan", "--limit", "facility", "="], _FACILITIES),
        (["plan", "-i", str(EXAMPLE), "--limit", "=", "host", "=", "relay"], ["relay-viettel-1", "relay-vnpt-1"]),
        (["verify", "-i", str(EXAMPLE), "--limit", "province", "=", "bac"], ["bac-giang"]),
        (["sign-off", "-i", str(EXAMPLE), "kcl-bg"], _FACILITIES[:3]),
        (["keys", "rotate", "-i", str(EXAMPLE), "--carrier", "vi"], ["viettel"]),
        (["camera", "move", "-i", str(EXAMPLE), "kcl-bg-001/c"], [f"kcl-bg-001/cam-0{n}" for n in (1, 2, 3, 4)]),
        (["camera", "move", "-i", str(EXAMPLE), "kcl-bg-001/nvr"], ["kcl-bg-001/nvr-01"]),
        (["camera", "move", "-i", str(EXAMPLE), "kcl-bg-00"], _FACILITIES[:3]),
        (["camera", "move", "-i", str(EXAMPLE), "no-such/c"], []),
        (["history", "ver"], ["verify"]),
        (["completion", "install", "z"], ["zsh"]),
        (["status", "-i", "no/such/folder", "kcl"], []),
        (["status", "-i", str(EXAMPLE), "--limit", "nonsense", "=", "k"], []),
        (["no-such-command", "--limit", "x"], []),
    ],
)
def test_bash_is_answered_with_what_fits(
    words: list[str], answered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = _asked("bash", ["provisioner", *words], monkeypatch, capsys)
    assert _words(lines) == answered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_keep_a_kind_and_its_name_together(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["provisioner", "status", "-i", str(EXAMPLE), "--limit", "facility=kcl-b"]
    lines = "\n".join(_asked(shell, words, monkeypatch, capsys))
    for name in _FACILITIES[:3]:
        assert f"facility={name}" in lines


def test_the_environment_names_it_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["provisioner", "status", "kcl-bg"]
    assert _words(_asked("bash", words, monkeypatch, capsys, PROVISIONER_INVENTORY=str(EXAMPLE))) == _FACILITIES[:3]


def test_no_encrypted_file_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make.write_inventory(tmp_path, {"carriers/vnpt.yml": "relays: [{id: [\n", "facilities/x/odd name.yml": "{"})
    opened: list[str] = []
    sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
    words = ["provisioner", "status", "-i", str(root), "--limit", "facility", "=", ""]
    assert "kcl-bg-001" in _words(_asked("bash", words, monkeypatch, capsys))
    assert "relay-viettel-1" in _words(_asked("bash", [*words[:5], "host", "=", ""], monkeypatch, capsys))
    read = [path for path in opened if path.startswith(str(root))]
    assert read
    assert not [path for path in read if "/secrets/" in path or "/contacts/" in path]


@pytest.mark.parametrize("instruction", ["bash_complete", "nonsense_complete", "fish_complete", "zsh_complete"])
def test_a_shell_that_asks_nothing_is_told_nothing(
    instruction: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COMP_WORDS", raising=False)
    monkeypatch.delenv("COMP_CWORD", raising=False)
    assert run([], {"_PROVISIONER_COMPLETE": instruction}) in {0, 2}
    assert capsys.readouterr() == ("", "")


def test_a_mistyped_shell_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([], {"_PROVISIONER_COMPLETE": "bsh_source"}) == 2
    assert "bash_source, fish_source, zsh_source" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "code"), [([], 2), (["--help"], 0), (["-h"], 0), (["status", "-h"], 0)])
def test_the_bare_command_shows_its_help(words: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words, {}) == code
    printed = "".join(capsys.readouterr())
    assert printed.startswith("Usage: provisioner")
    assert "Traceback" not in printed


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_itself_completes(tmp_path: Path) -> None:
    program = tmp_path / "provisioner"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m provisioner "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    script = """
        source <(_PROVISIONER_COMPLETE=bash_source provisioner)
        compopt() { :; }
        COMP_WORDS=(provisioner status -i "$1" --limit facility = kcl-bg); COMP_CWORD=7
        _provisioner_completion provisioner
        echo "${COMPREPLY[*]}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", str(EXAMPLE)],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == _FACILITIES[:3]
    assert done.stderr == ""


# --- real shells, and recorded runs --------------------------------------------------------------------
def recorded(state: Path) -> list[str]:
    """The ids of two runs that are recorded of the example, the newest first."""
    begun = datetime(2021, 6, 15, 1, tzinfo=UTC)
    names = ["20210615T010000Z-aaaaaa", "20210616T010000Z-bbbbbb"]
    with closing(open_history(state_folder_of({"PROVISIONER_STATE": str(state)}, "example"))) as history:
        for day, name in enumerate(names):
            started = begun + timedelta(days=day)
            history.end(Run(name, Operation.VERIFY, started, "", "", {}, ""), Ending(started, "up", {}))
    return names[::-1]


@pytest.mark.parametrize("command", ["history", "rollback"])
def test_recorded_runs_are_completed_the_newest_first(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    env = {"PROVISIONER_STATE": str(tmp_path / "state"), "PROVISIONER_INVENTORY": str(EXAMPLE)}
    assert _words(_asked("bash", ["provisioner", command, "2021"], monkeypatch, capsys, **env)) == []
    names = recorded(tmp_path / "state")
    assert _words(_asked("bash", ["provisioner", command, "2021"], monkeypatch, capsys, **env)) == names
    assert _words(_asked("bash", ["provisioner", command, "20210616"], monkeypatch, capsys, **env)) == names[:1]
    first = _words(_asked("bash", ["provisioner", command, "ver"], monkeypatch, capsys, **env))
    assert first == (["verify"] if command == "history" else [])


def test_provinces_are_completed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["provisioner", "-i", str(EXAMPLE), "contacts", "list", "--province", "b"]
    assert _words(_asked("bash", words, monkeypatch, capsys)) == ["bac-giang"]


SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source <(_PROVISIONER_COMPLETE=bash_source provisioner)"),
    "zsh": (
        ["zsh", "-f", "-i"],
        "autoload -U compinit; compinit -u -D; source <(_PROVISIONER_COMPLETE=zsh_source provisioner)",
    ),
    "fish": (["fish", "-N", "-i"], "_PROVISIONER_COMPLETE=fish_source provisioner | source"),
}


@pytest.mark.soak
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_while_somebody_types(shell: str, tmp_path: Path) -> None:
    argv, begin = SHELLS[shell]
    program = shutil.which(argv[0])
    if program is None:
        pytest.skip(f"there is no {shell}")
    ours = tmp_path / "bin" / "provisioner"
    ours.parent.mkdir()
    ours.write_text(f'#!/bin/sh\nexec {sys.executable} -m provisioner "$@"\n', encoding="utf-8")
    ours.chmod(0o755)
    newest, _ = recorded(tmp_path / "state")
    env = {
        "PATH": f"{ours.parent}:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "TERM": "xterm",
        "PS1": "$ ",
        "PROVISIONER_CONFIG": "",
        "PROVISIONER_INVENTORY": str(EXAMPLE),
        "PROVISIONER_STATE": str(tmp_path / "state"),
    }
    terminal = PseudoTerminal([program, *argv[1:]], env, columns=160, cwd=tmp_path)
    terminal.until(timeout_s=3)
    terminal.send(f"{begin}; echo is''ready\n")
    assert terminal.until(lambda: "isready" in terminal.screen.text), terminal.screen.text
    for typed, seen in (
        ("provisioner status --limit facility=kcl-h", "facility=kcl-hd-00"),
        ("provisioner history 20210616", f"provisioner history {newest}"),
    ):
        terminal.send(f"{typed}\t")
        assert terminal.until(lambda seen=seen: seen in terminal.screen.text), terminal.screen.text  # type: ignore[misc]
        terminal.send("\x15")  # what was typed is taken back
    terminal.send("exit\n")
    terminal.ended()


def test_the_inventory_of_the_present_folder_counts_if_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(EXAMPLE)
    assert _words(_asked("bash", ["provisioner", "status", "kcl-bg"], monkeypatch, capsys)) == _FACILITIES[:3]
    monkeypatch.chdir(tmp_path)
    assert _asked("bash", ["provisioner", "status", "kcl-bg"], monkeypatch, capsys) == []


def test_a_slow_inventory_gives_no_words_and_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("provisioner.cli.support.completion._LONGEST_S", 0.05)
    monkeypatch.setattr("provisioner.operations.edit.file_edit.names_of", lambda _: time.sleep(20))
    began = time.monotonic()
    words = ["provisioner", "status", "-i", str(EXAMPLE), "kcl"]
    before = signal.getsignal(signal.SIGALRM)
    assert _asked("bash", words, monkeypatch, capsys) == []
    assert time.monotonic() - began < 10
    assert signal.getsignal(signal.SIGALRM) is before


# --- installation -------------------------------------------------------------------------------------
_PLACES = {
    "bash": ".local/share/bash-completion/completions/provisioner",
    "fish": ".config/fish/completions/provisioner.fish",
    "zsh": ".local/share/zsh/site-functions/_provisioner",
}


@pytest.mark.parametrize("shell", _PLACES)
def test_the_installation_writes_the_script_and_nothing_else(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, env in (([shell], {}), ([], {"SHELL": f"/usr/bin/{shell}"})):
        assert run(["completion", "install", *words], {"HOME": str(tmp_path), **env}) == 0
        out = capsys.readouterr().out
        file = tmp_path / _PLACES[shell]
        assert f"wrote {file}" in out
        assert ("fpath" in out) == (shell == "zsh")
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]
        assert run([], {"_PROVISIONER_COMPLETE": f"{shell}_source"}) == 0
        assert file.read_text(encoding="utf-8").strip() == capsys.readouterr().out.strip()


def test_another_programs_file_stays_and_a_shell_has_to_be_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / _PLACES["bash"]
    file.parent.mkdir(parents=True)
    file.write_text("another's", encoding="utf-8")
    assert run(["completion", "install", "bash"], {"HOME": str(tmp_path)}) == 2
    assert "is another program's file" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == "another's"
    assert run(["completion", "install"], {"HOME": str(tmp_path), "SHELL": "/bin/sh"}) == 2
    assert "name it: bash, fish, zsh" in capsys.readouterr().err


def test_the_document_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--output", "json", "completion", "install", "fish"], {"HOME": str(tmp_path)}) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["shell"], document["file"]) == ("fish", str(tmp_path / _PLACES["fish"]))
