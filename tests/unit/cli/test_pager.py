"""A long result at a terminal goes through the pager, and the pager decides nothing."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provisioner.cli.support.terminal import pager_of
from tests.pseudo_terminal import PseudoTerminal
from tests.unit.cli.test_attendance import EXAMPLE, environment

ROOT = Path(__file__).parents[3]
STATUS = ("status", "--why", "--limit", "carrier=viettel")
DRIFT = (sys.executable, "-m", "tests.slow_program", "0", "-i", str(EXAMPLE), "drift", "--details")

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def pager(tmp_path: Path) -> Path:
    """A pager that keeps what it gets, and its environment."""
    program = tmp_path / "bin" / "its-pager"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncat >"{tmp_path}/text"\nenv >"{tmp_path}/env"\necho paged "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return program


def call(folder: Path, *words: str, rows: int = 24, **env: str) -> PseudoTerminal:
    argv = [sys.executable, "-m", "provisioner", "-i", str(EXAMPLE), *words]
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return PseudoTerminal(argv, environment(folder, PATH=path, **env), rows=rows)


@pytest.fixture(scope="module")
def unpaged(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """What a pipe gets of a comparison with hosts."""
    env = environment(tmp_path_factory.mktemp("unpaged"), PAGER="its-pager")
    return subprocess.run(DRIFT, env=env, capture_output=True, text=True, timeout=60, check=False)


def plain(folder: Path, *words: str) -> Done:
    argv = [sys.executable, "-m", "provisioner", "-i", str(EXAMPLE), *words]
    env = environment(folder, PAGER="its-pager", PATH=f"{folder / 'bin'}:{os.environ['PATH']}")
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_what_is_longer_than_the_screen_goes_through_it_with_its_colours(tmp_path: Path, pager: Path) -> None:
    del pager
    shown = plain(tmp_path, *STATUS).stdout
    assert not (tmp_path / "text").exists(), "a pipe gets none"
    terminal = call(tmp_path, *STATUS, PROVISIONER_PAGER="its-pager --well", PAGER="false")
    assert terminal.ended() == 0
    assert "paged --well" in terminal.screen.text
    assert (tmp_path / "text").read_text(encoding="utf-8").splitlines()[0] == shown.splitlines()[0]
    its = dict(line.partition("=")[::2] for line in (tmp_path / "env").read_text(encoding="utf-8").splitlines())
    assert its["LESS"] == "FRX"
    assert not [name for name in its if name.startswith(("PROVISIONER_", "ANSIBLE_"))]


@pytest.mark.parametrize(
    ("words", "env", "rows"),
    [
        (STATUS, {}, 200),
        (("--no-pager", *STATUS), {}, 24),
        ((*STATUS, "--output", "json"), {}, 24),
        (STATUS, {"CI": "true"}, 24),
        (STATUS, {"TERM": "dumb"}, 24),
        (STATUS, {"PROVISIONER_PAGER": "bin/its-pager"}, 24),
    ],
    ids=str,
)
def test_what_needs_none_gets_none(
    words: tuple[str, ...], env: dict[str, str], rows: int, tmp_path: Path, pager: Path
) -> None:
    del pager
    terminal = call(tmp_path, *words, rows=rows, **({"PAGER": "its-pager"} | env))
    assert terminal.ended() == 0
    assert not (tmp_path / "text").exists()
    assert terminal.screen.text


@pytest.mark.parametrize(
    ("body", "is_printed"),
    [("head -1; exit 3", True), ("head -1", False), (None, True)],
    ids=["fails", "is left early", "is not there"],
)
def test_no_pager_changes_code_or_words(
    body: str | None, tmp_path: Path, pager: Path, unpaged: Done, *, is_printed: bool
) -> None:
    if body is None:
        pager.unlink()
    else:
        pager.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    env = environment(tmp_path, PAGER="its-pager", PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    terminal = PseudoTerminal(DRIFT, env, columns=400)
    assert terminal.ended() == unpaged.returncode == 10
    assert (unpaged.stdout.splitlines()[-1] in terminal.screen.text) is is_printed


@pytest.mark.skipif(not shutil.which("less"), reason="less is not installed")
def test_an_interrupt_is_the_pagers_own_and_quitting_it_is_no_failure(tmp_path: Path) -> None:
    terminal = call(tmp_path, *STATUS, PAGER="less")
    assert terminal.until(lambda: terminal.screen.text.endswith(":")), terminal.screen.text
    for _ in range(3):
        terminal.send("\x03")
        time.sleep(0.1)
    terminal.send(" ")
    assert not terminal.until(lambda: False, timeout_s=0.5)
    terminal.send("q")
    assert terminal.ended() == 0
    assert "Traceback" not in terminal.written


def test_an_error_is_printed_and_not_kept(tmp_path: Path, pager: Path) -> None:
    del pager
    terminal = call(tmp_path, "status", "kcl-bg-009", PAGER="its-pager")
    assert terminal.ended() == 2
    assert "error: " in terminal.screen.text
    assert not (tmp_path / "text").exists()


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({}, ["less"]),
        ({"PAGER": "more -d"}, ["more", "-d"]),
        ({"PAGER": "more", "PROVISIONER_PAGER": "less -S"}, ["less", "-S"]),
        ({"PAGER": ""}, []),
        ({"PAGER": "less", "PROVISIONER_PAGER": ""}, []),
        ({"PAGER": "less '"}, []),
        ({"PAGER": "/usr/bin/cat -v"}, []),
        ({"PAGER": "../less"}, []),
    ],
)
def test_the_programs_own_variable_counts_first(env: dict[str, str], words: list[str]) -> None:
    assert pager_of(env) == words
