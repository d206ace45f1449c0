"""The engines under test, and what they share."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from provisioner_host.look import batch_decoder
from provisioner_host.machine import shell

from .camera import CameraYard
from .clip import Clip, encode
from .relay import LATE, Engine, Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .relay import Document

    StartRelay = Callable[..., Relay]

STANDIN: Final = "stand-in"
REAL: Final = "MediaMTX"

#: What a merge tries on the stand-in too, where the real one is.
_SAMPLE: Final = ("test_api", "test_states")
_HERE: Final = Path(__file__).parent
_BUILD: Final = _HERE.parent / "lab" / "standin" / "build.py"
_MISSING: Final = "no real MediaMTX found (MEDIAMTX_BIN, or mediamtx on PATH): only the stand-in is tested"


def _real_program() -> Path | None:
    named = os.environ.get("MEDIAMTX_BIN") or shutil.which("mediamtx")
    if not named:
        return None
    # A lab may have put the stand-in there: it must never pass for the real one.
    return None if "standin" in _version(Path(named)) else Path(named)


def _ffmpegs() -> dict[str, Path]:
    """The ffmpegs that the reader is tried with, by their versions: FFMPEG_BINS names them, else the machine's own."""
    named = [Path(name) for name in os.environ.get("FFMPEG_BINS", "").split(":") if name]
    own = [] if named or (found := shutil.which("ffmpeg")) is None else [Path(found)]
    return {_ffmpeg_version(program): program for program in named or own}


def _ffmpeg_version(program: Path) -> str:
    said = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=30 + LATE, check=True).stdout
    return said.split()[2]


def _version(program: Path) -> str:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10 + LATE, check=True)
    return answer.stdout.strip()


def _engines_line() -> str:
    program = _real_program()
    if program is None:
        return f"relay engines: the stand-in; {_MISSING}"
    return f"relay engines: the stand-in, and the real MediaMTX {_version(program)} at {program}"


def pytest_report_header() -> str:
    """Say aloud what is tested."""
    return _engines_line()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it again at the end, where a header is not printed (as with -q)."""
    terminalreporter.write_line(_engines_line())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test on every engine.

    Where the real one is, no lab needs the stand-in, and most of it is soaked.
    """
    if "engine" in metafunc.fixturenames:
        is_later = _real_program() is not None and metafunc.module.__name__.rpartition(".")[2] not in _SAMPLE
        double = pytest.param(STANDIN, marks=[pytest.mark.soak] if is_later else [])
        engines = [double] if _real_program() is None else [double, REAL]
        metafunc.parametrize("engine", engines, indirect=True, scope="session")
    if "ffmpeg" in metafunc.fixturenames:
        metafunc.parametrize("ffmpeg", list(_ffmpegs()), indirect=True)


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A relay program."""
    if request.param == REAL:
        program = _real_program()
        assert program is not None
        return Engine(REAL, program, _version(program))
    folder = tmp_path_factory.mktemp("standin")
    built, modules, target = folder / "built", folder / "modules", folder / "mediamtx"
    subprocess.run([sys.executable, _BUILD, built], check=True, timeout=60)
    # On a host python3 runs the file as it is. Here its modules are compiled once, and not at each start.
    with zipfile.ZipFile(built) as archive:
        archive.extractall(modules)
    assert compileall.compile_dir(modules, legacy=True, quiet=1)
    with target.open("wb") as stream:
        stream.write(f"#!{sys.executable}\n".encode())
        with zipfile.ZipFile(stream, "w") as archive:
            for path in sorted(modules.rglob("*.pyc")):
                archive.write(path, path.relative_to(modules))
    target.chmod(0o755)
    return Engine(STANDIN, target, _version(target))


@pytest.fixture
def ffmpeg(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The version of the ffmpeg that the reader runs, which is the first in its path."""
    folder = tmp_path / "first-in-path"
    folder.mkdir()
    (folder / "ffmpeg").symlink_to(_ffmpegs()[request.param])
    monkeypatch.setattr(batch_decoder, "PATH", f"{folder}:{shell.PATH}")
    return str(request.param)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """The picture that every fake camera shows."""
    return encode(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def yard(clip: Clip) -> Iterator[CameraYard]:
    """Where a test sets up its cameras."""
    with CameraYard(clip) as cameras:
        yield cameras


@pytest.fixture
def start_relay(engine: Engine, tmp_path: Path) -> Iterator[StartRelay]:
    """Start relays that end with the test."""
    started: list[Relay] = []

    def start(paths: Document | None = None, **config: object) -> Relay:
        folder = tmp_path / f"relay-{len(started)}"
        folder.mkdir()
        relay = Relay(engine, folder, {"paths": paths or {}, **config})
        started.append(relay)
        return relay.__enter__()

    yield start
    for relay in started:
        relay.__exit__(None, None, None)
