"""Which relay program the lab takes."""

import hashlib
import io
import platform
import tarfile
from pathlib import Path
from typing import Self

import pytest
import requests

from . import engine
from .engine import VERSION, find_engine
from .errors import LabError


def program(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\n", encoding="ascii")
    path.chmod(0o755)
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, nothing on PATH but the system's own, no way out."""

    def unreachable(*_arguments: object, **_options: object) -> requests.Response:
        raise requests.ConnectionError

    monkeypatch.delenv("MEDIAMTX_BIN", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(requests, "get", unreachable)
    return tmp_path


def test_named_program_comes_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(home / "bin/mediamtx", VERSION)
    named = program(home / "other/mediamtx", VERSION)
    monkeypatch.setenv("MEDIAMTX_BIN", str(named))
    found = find_engine()
    assert (found.path, found.name, found.is_real) == (named, "mediamtx 1.20.1", True)
    assert found.sha256 == hashlib.sha256(named.read_bytes()).hexdigest()


@pytest.mark.parametrize("version", ["v1.12.0", None])
def test_named_program_that_will_not_do_is_an_error(
    home: Path, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    path = program(home / "named", version) if version else home / "nowhere"
    monkeypatch.setenv("MEDIAMTX_BIN", str(path))
    with pytest.raises(LabError, match=r"MEDIAMTX_BIN=.* needed is v1\.20\.1"):
        find_engine()


def test_other_version_on_the_path_is_passed_over(home: Path) -> None:
    program(home / "bin/mediamtx", "v1.12.0")
    cached = program(home / "cache/provisioner/mediamtx" / VERSION / "mediamtx", VERSION)
    assert find_engine().path == cached


def test_without_any_the_stand_in_says_that_it_is_one(home: Path) -> None:
    found = find_engine()
    assert found.name == "stand-in 1.20.1 (not MediaMTX)"
    assert found.version == "v1.20.1+standin"
    assert not found.is_real
    assert found.path.is_relative_to(home / "cache")
    assert find_engine() == found


class Release:
    """An answer of the release page."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def raise_for_status(self) -> None:
        pass

    def iter_content(self, _size: int) -> list[bytes]:
        return [self.body]


def release(home: Path) -> bytes:
    content = program(home / "made", VERSION).read_bytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("mediamtx")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def test_release_is_taken_when_its_checksum_is_right(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = release(home)
    machine = platform.machine()
    monkeypatch.setitem(engine._ARCHIVES, machine, ("amd64", hashlib.sha256(body).hexdigest()))  # noqa: SLF001
    monkeypatch.setattr(requests, "get", lambda *_, **__: Release(body))
    assert find_engine().path == home / "cache/provisioner/mediamtx" / VERSION / "mediamtx"


def test_release_with_another_checksum_is_an_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "get", lambda *_, **__: Release(release(home)))
    with pytest.raises(LabError, match="checksum"):
        find_engine()
    assert not list((home / "cache").rglob("mediamtx"))
