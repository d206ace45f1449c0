"""`scripts/test` and `scripts/soak` on stand-ins of what they call: no test is left out, no red part is green."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAYS = """#!/bin/sh
trap 'echo stopped >> stopped; exit 2' INT
echo "$@" >> called
case "$*" in *"$RED"*) [ -z "$RED" ] || { echo "FAILED $RED::test_x"; exit 1; } ;; esac
if [ -n "$ENDLESS" ]; then echo >> waiting; while :; do sleep 0.05; done; fi
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout in which every program says what it was called with, and is done."""
    for name in ("scripts", ".venv/bin", "tests/lab"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("test", "soak"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts")
    for name in ("scripts/prepare", "scripts/setup", "scripts/lint"):
        (tmp_path / name).write_text("#!/bin/sh\n", encoding="ascii")
        (tmp_path / name).chmod(0o755)
    (tmp_path / ".venv/bin/pytest").write_text(SAYS, encoding="ascii")
    (tmp_path / ".venv/bin/pytest").chmod(0o755)
    for name in ("tests/__init__.py", "tests/lab/__init__.py", "tests/lab/image.py"):
        (tmp_path / name).touch()
    for path in (ROOT / "tests/lab").glob("test_*.py"):
        (tmp_path / "tests/lab" / path.name).touch()
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    """Run one of the scripts there."""

    def called(*words: str, red: str = "") -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "RED": red, "ENDLESS": "", "TMPDIR": str(folder)}
        return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    return called


def called(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "called").read_text(encoding="utf-8").splitlines()]


def test_every_test_is_in_exactly_one_part(run: Run, folder: Path) -> None:
    assert run("scripts/test").returncode == 0
    parts = called(folder)
    assert all(part[:3] == ["-m", "not", "soak"] for part in parts)

    def taken(path: str, part: list[str]) -> bool:
        ignored = [word.removeprefix("--ignore=") for word in part if word.startswith("--ignore=")]
        named = [word for word in part if word.startswith("tests")]
        return (
            any(f"{path}/".startswith(f"{word}/") for word in named)
            and path not in ignored
            and not any(f"{path}/".startswith(f"{word}/") for word in ignored)
        )

    for file in ROOT.glob("tests/**/test_*.py"):
        path = file.relative_to(ROOT).as_posix()
        assert sum(taken(path, part) for part in parts) == 1, path


def test_it_says_where_the_time_went(run: Run) -> None:
    done = run("scripts/test")
    lines = done.stdout.partition("\nseconds:\n")[2].splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines] == [
        *("packages", "image", "lint", "rest", "lab", "contract", "demo", "the whole")
    ]
    assert all(line.split()[0].isdigit() for line in lines)


@pytest.mark.parametrize(
    ("red", "part"), [("tests/lab", "lab"), ("tests/contract", "contract"), ("tests/demo", "demo")]
)
def test_a_part_that_is_red_makes_the_whole_red_and_is_named(run: Run, red: str, part: str) -> None:
    # `rest` names all three folders, as those that it leaves out.
    done = run("scripts/test", red=f" {red}")
    assert done.returncode == 1
    assert f" {part}  FAILED" in done.stdout
    assert done.stdout.count("  FAILED") == 1


def test_the_demo_comes_after_the_lab(run: Run, folder: Path) -> None:
    assert run("scripts/test").returncode == 0
    places = [part[-1] for part in called(folder)]
    assert places.index("tests/lab") < places.index("tests/demo")


@pytest.mark.parametrize("words", [(), ("--labs",), ("tests/unit",)], ids=["whole", "labs", "part"])
def test_where_packages_are_lacking_nothing_is_tested(run: Run, folder: Path, words: tuple[str, ...]) -> None:
    lacking = '#!/bin/sh\n[ "$1" != test ] || { sleep 0.1; exit 3; }\n'
    (folder / "scripts/prepare").write_text(lacking, encoding="ascii")
    assert run("scripts/test", *words).returncode == 3
    assert not (folder / "called").exists()


def test_the_lab_alone_is_one_part(run: Run, folder: Path) -> None:
    assert run("scripts/test", "--labs").returncode == 0
    assert [part[-1] for part in called(folder)] == ["tests/lab"]


def test_arguments_go_to_pytest(run: Run, folder: Path) -> None:
    assert run("scripts/test", "tests/unit", "-k", "x").returncode == 0
    assert called(folder) == [["tests/unit", "-k", "x"]]


def test_green_runs_beside_a_load_are_counted(run: Run, folder: Path) -> None:
    done = run("scripts/soak", "--beside", "1", "--runs", "2")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "2 of 2 green")
    assert len(called(folder)) == 2
    done = run("scripts/soak", "--beside", "1", "--runs", "2", red="tests/lab")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "0 of 2 green")
    assert "FAILED tests/lab::test_x" in done.stdout


@pytest.mark.parametrize("words", [("--beside",), ("--beside", "x"), ("--beside", "1", "--runs", "0")])
def test_a_soak_that_was_asked_wrongly_runs_nothing(run: Run, folder: Path, words: tuple[str, ...]) -> None:
    assert run("scripts/soak", *words).returncode == 2
    assert not (folder / "called").exists()


def test_soak_runs_what_was_left_out(run: Run, folder: Path) -> None:
    assert run("scripts/soak").returncode == 0
    assert called(folder) == [["-m", "soak", "--durations=12", "tests"], ["--examples", "5", "tests/laws"]]


def test_an_interrupt_reaches_every_part(folder: Path) -> None:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "RED": "", "ENDLESS": "yes", "TMPDIR": str(folder)}
    with subprocess.Popen(
        ["scripts/test"], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        until = time.monotonic() + 60
        while not (folder / "waiting").exists() or len((folder / "waiting").read_bytes()) < 3:
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert (folder / "stopped").read_text(encoding="ascii") == "stopped\n" * 3
