"""`-q`, `-v` and `--log`, and the rows of a real terminal: who is told what, and what no log ever holds."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from provisioner.cli.main import run
from provisioner.cli.support.running import LogFile
from tests.example_terminal import ExampleTerminal, applied
from tests.hostile import LOCAL_USER
from tests.pseudo_terminal import PseudoTerminal
from tests.unit.cli.test_contacts import Program, program
from tests.unit.importing.contacts import book

__all__ = ["program"]  # the fixture

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "inventories" / "example"
PLAN = ("plan", "--allow", "trust=4")
TYPED = "Zx9!canary-password"
#: What is under way when a second is over hangs on how busy the machine is.
LINE = r"[a-z][a-z' ]+: (?:\d+ of \d+.*, )?\d+ s"


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{ROOT / 'playbooks'}",
        "TERM": "xterm",
        "PROVISIONER_CONFIG": "",
        "PAGER": "",
        "ANSIBLE_VAULT_PASSWORD_FILE": str(EXAMPLE / ".vault-password"),
        **more,
    }


def argv(*words: str, seconds: float = 0.7) -> list[str]:
    return [sys.executable, "-m", "tests.slow_program", str(seconds), "-i", str(EXAMPLE), *words]


def piped(env: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv(*words), env=env, capture_output=True, text=True, timeout=120, check=False)


# --- a real terminal --------------------------------------------------------------------------------------
@pytest.mark.parametrize("narrower", [False, True])
def test_rows_are_drawn_over_each_other_and_nothing_of_them_is_left(tmp_path: Path, *, narrower: bool) -> None:
    terminal = PseudoTerminal(argv(*PLAN), environment(tmp_path), columns=120 if narrower else 80)
    assert terminal.until(lambda: "reading: 1 of 3 hosts" in terminal.screen.text), terminal.written
    shown = terminal.screen.text.splitlines()
    assert shown[0].startswith("reading: 1 of 3 hosts, ")
    assert re.fullmatch(r"  relay-viettel-1, \d+ s: its state is read", shown[1])
    assert len(shown) == 3
    if narrower:
        terminal.resize(30)
    assert terminal.ended() == 0
    assert "reading" not in terminal.screen.text
    assert narrower or terminal.screen.text.startswith("TRUST: 3 changes")
    assert "?[" not in terminal.written


def test_a_terminal_that_obeys_nothing_gets_lines(tmp_path: Path) -> None:
    terminal = PseudoTerminal(argv(*PLAN), environment(tmp_path, TERM="dumb"))
    assert terminal.ended() == 0
    assert re.match(LINE, terminal.screen.text)
    assert "\x1b" not in terminal.written


def test_an_interrupt_leaves_no_row_and_ends_with_130(tmp_path: Path) -> None:
    terminal = PseudoTerminal(argv(*PLAN, seconds=5), environment(tmp_path))
    assert terminal.until(lambda: "reading: 0 of 3" in terminal.screen.text)
    terminal.send("\x03")
    assert terminal.ended() == 130
    assert "reading" not in terminal.screen.text


# --- where there is no terminal -------------------------------------------------------------------------------
def test_a_pipeline_gets_plain_lines_and_a_document_stands_alone(tmp_path: Path) -> None:
    text = piped(environment(tmp_path), *PLAN)
    assert (text.returncode, "\x1b" in text.stderr) == (0, False)
    lines = text.stderr.splitlines()
    assert lines
    assert all(re.fullmatch(LINE, line) for line in lines), lines
    assert piped(environment(tmp_path), *PLAN, "--output", "json").stderr == ""
    assert piped(environment(tmp_path), "-q", *PLAN).stderr == ""


def test_verbose_tells_each_answer_beside_a_document_too(tmp_path: Path) -> None:
    done = piped(environment(tmp_path), "-v", *PLAN, "--output", "json")
    assert done.stdout.startswith("{")
    assert "reading: asked centre-hn, relay-viettel-1, relay-vnpt-1\n" in done.stderr
    assert re.search(r"^reading: relay-vnpt-1 answered after \d\.\d s$", done.stderr, re.MULTILINE)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> ExampleTerminal:
    return applied(ExampleTerminal, tmp_path, monkeypatch, capsys)


def test_a_verbose_plan_lists_every_change_wherever_the_option_stands(terminal: ExampleTerminal) -> None:
    next(iter(terminal.hosts.hosts.values())).files.clear()
    details = terminal("plan", "--details")[1]
    assert "\n  + " in details
    assert terminal("plan", "-v")[1] == terminal("-v", "plan")[1] == details


def test_quiet_leaves_warnings_and_errors(terminal: ExampleTerminal) -> None:
    assert terminal("-q", "plan", "--limit", "host=nobody")[2].startswith("error: ")
    assert terminal("status", "-q")[1]
    assert terminal("-q", "status", "-v")[2].startswith("error: --quiet and --verbose exclude each other")


# --- the log --------------------------------------------------------------------------------------------------
def test_the_log_has_what_was_done_and_when_and_only_its_owner_reads_it(terminal: ExampleTerminal) -> None:
    log = terminal.root / "log.txt"
    log.touch(mode=0o644)
    terminal("--log", str(log), "drift")
    assert terminal("plan", "--limit", "host=nobody", "--log", str(log))[0] == 2
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    lines = log.read_text(encoding="utf-8").splitlines()
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \d+ "
    assert all(re.match(moment, line) for line in lines)
    said = [re.sub(moment, "", line) for line in lines]
    assert said[0].endswith(": provisioner drift begins")
    assert "provisioner drift ends with 0" in said
    assert said[-1] == "provisioner plan ends with 2: usage"


def test_the_log_of_an_apply_names_waves_hosts_and_steps(terminal: ExampleTerminal) -> None:
    log = terminal.root / "log.txt"
    next(iter(terminal.hosts.hosts.values())).files.clear()
    words = ("apply", "--yes", "--allow", "trust=4", "--log", str(log), "--approval", TYPED)
    assert terminal(*words)[0] == 0
    text = log.read_text(encoding="utf-8")
    for step in ("wave begin", ": start begin", ": armed done", ": end applied", "apply ends with 0"):
        assert step in text
    assert TYPED not in text


def test_nothing_that_was_typed_is_in_the_log(terminal: ExampleTerminal) -> None:
    log = terminal.root / "log.txt"
    for words in (
        ("secrets", "set", TYPED),
        ("plan", "--allow", TYPED),
        ("status", TYPED),
        ("plan", "--limit", f"host={TYPED}"),
        ("gateway", "set-key", TYPED, TYPED),
        ("apply", TYPED),
        ("export", "progress", "--docx", "a.docx", "--fill", f"{TYPED}={TYPED}"),
    ):
        assert terminal(*words, "--log", str(log))[0] != 0, words
    terminal.edit("facilities/bac-giang/kcl-bg-001.yml", "id: kcl-bg-001", f"id: kcl-bg-001\nnote: pass {TYPED}")
    assert terminal("plan", "--log", str(log))[0] != 0
    text = log.read_text(encoding="utf-8")
    assert text.count(" ends with ") >= 6
    assert TYPED not in text
    assert "canary" not in text


def test_nothing_of_persons_is_in_the_log(program: Program, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with_log = ("--log", str(log))
    for words in (
        ("list", "--province", "bac-giang", "--out", str(tmp_path / "a.xlsx"), *with_log, "--purpose", "CV 1407"),
        ("find", "0912345678", *with_log, "--purpose", "CV 1407"),
        ("erase", "Nguyễn Văn Tí", *with_log, "--purpose", "CV 1407"),
        ("list", "--province", "0912345678", "--out", "b.xlsx", *with_log, "--purpose", "a@example.com"),
    ):
        program(*words)
    text = log.read_text(encoding="utf-8")
    assert "contacts list ends with 0" in text
    for canary in (*book.CANARIES, "0912345678", "a@example.com", "CV 1407", "Nguyễn"):
        assert canary not in text


def test_a_line_that_looks_private_is_left_out(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    log.write("relay-1: password=hunter2-canary")
    log.write("relay-1: ask a.canary@example.com")
    log.write("relay-1: gate\x1b[2J\npassed")
    log.close()
    log.write("too late")
    first, second, third = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert "canary" not in first + second
    assert third.endswith(" relay-1: gate?[2J passed")


@LOCAL_USER
@pytest.mark.parametrize("place", ["link", "folder", "pipe", "device"])
def test_a_log_goes_into_a_file_of_ones_own(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    match place:
        case "link":
            log.symlink_to(tmp_path / "elsewhere")
        case "folder":
            log.mkdir()
        case "pipe":
            os.mkfifo(log)
        case _:
            log = Path("/dev/null")
    assert run(["-i", str(EXAMPLE), "validate", "--log", str(log)], {"HOME": str(tmp_path)}) == 2
    assert capsys.readouterr().err.startswith(f"error: --log {log} ")
    assert not (tmp_path / "elsewhere").exists()


def test_a_disk_that_is_full_ends_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogFile(tmp_path / "log")

    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    log.write("one")
    log.write("two")


# --- streams that are closed ------------------------------------------------------------------------------------
@pytest.mark.parametrize(("closed", "words", "code"), [("2>&-", "-i nowhere", 3), (">&- 2>&- <&-", f"-i {EXAMPLE}", 0)])
def test_a_stream_closed_by_its_caller_is_no_exit_code(closed: str, words: str, code: int, tmp_path: Path) -> None:
    call = f"{sys.executable} -m provisioner {words} validate {closed}"
    done = subprocess.run(["sh", "-c", call], env=environment(tmp_path), cwd=ROOT, check=False, timeout=60)
    assert done.returncode == code
