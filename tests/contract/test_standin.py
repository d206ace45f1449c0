"""What holds for the stand-in alone: how it is built, and what it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.processes import free_port

from .relay import LATE, base_config, environment

pytestmark = pytest.mark.contract

_BUILD: Final = Path(__file__).parent.parent / "lab" / "standin" / "build.py"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in as it is deployed."""
    return _build(tmp_path_factory.mktemp("build") / "mediamtx")


def _build(target: Path) -> Path:
    subprocess.run([sys.executable, _BUILD, target], check=True, timeout=60)
    return target


def _run(program: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    # Isolated and without site-packages: a host has nothing but Python.
    command = [sys.executable, "-I", "-S", program, *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=15 + LATE, check=False)


def test_the_same_sources_give_the_same_bytes(program: Path, tmp_path: Path) -> None:
    assert _build(tmp_path / "again").read_bytes() == program.read_bytes()


def test_one_file_is_enough(program: Path, tmp_path: Path) -> None:
    assert os.access(program, os.X_OK)
    assert program.read_bytes().startswith(b"#!/usr/bin/python3\n")
    assert _run(program, "--version").stdout == "v1.20.1+standin\n"
    file = tmp_path / "bad.yml"
    file.write_text("foo: 1\n", encoding="utf-8")
    assert _run(program, file).stdout == 'ERR: json: unknown field "foo"\n'


CAMERA: Final = "rtsp://10.0.0.1/s"


@pytest.mark.parametrize(
    ("values", "feature"),
    [
        ({"hls": True}, "hls"),
        ({"moq": True}, "moq"),
        ({"metrics": True}, "metrics"),
        ({"playback": True}, "playback"),
        ({"apiEncryption": True}, "apiEncryption"),
        ({"rtspTransports": ["tcp", "udp"]}, "rtspTransports other than tcp"),
        ({"runOnConnect": "true"}, "runOnConnect"),
        ({"protocols": ["tcp"]}, "the deprecated parameter 'protocols'"),
        ({"paths": {"a": {"record": True}}}, "record (path 'a')"),
        ({"paths": {"a": {"runOnRead": "true"}}}, "runOnRead (path 'a')"),
        ({"paths": {"a": {"source": "rtsps://10.0.0.1/s"}}}, "the source rtsps (path 'a')"),
        ({"paths": {"a": {"source": CAMERA, "rtspTransport": "udp"}}}, "rtspTransport: udp (path 'a')"),
        ({"paths": {"all_others": {}}}, "paths with a regular expression (path 'all_others')"),
    ],
)
def test_what_it_lacks_ends_the_start(program: Path, tmp_path: Path, values: dict[str, object], feature: str) -> None:
    file = tmp_path / "asks.yml"
    file.write_text(json.dumps(base_config(free_port(), free_port()) | values), encoding="utf-8")
    ran = _run(program, file)
    assert ran.returncode == 1
    assert f"ERR: the stand-in does not implement {feature}\n" in ran.stdout
