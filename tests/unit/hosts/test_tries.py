"""Tries of a login that its device did not take: counted together, for an hour, and nothing can be read of them."""

import os
import time
from pathlib import Path

import pytest

from provisioner_host.machine import paths
from provisioner_host.onvif import onvif
from tests.hostile import CAMERA

LOGIN, NAME = "user:c4nary-of-a-login@100.64.0.4:10554", "100.64.0.4:10554"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(paths, "LOGIN_TRIES", tmp_path / "login-tries")
    return tmp_path / "login-tries"


@CAMERA
def test_a_try_counts_for_an_hour_for_its_own_login_at_its_own_device() -> None:
    assert not onvif.lately(LOGIN)
    onvif.note(LOGIN)
    assert onvif.lately(LOGIN)
    for other in ("user:another@100.64.0.4:10554", LOGIN.replace("10554", "10555"), LOGIN.replace("0.4", "0.5"), ""):
        assert not onvif.lately(other)


@pytest.mark.parametrize("off_s", [-2 * onvif.FOR_S, 2 * onvif.FOR_S])
def test_what_is_of_long_ago_or_of_a_wrong_clock_counts_no_more_and_goes(folder: Path, off_s: float) -> None:
    onvif.note(LOGIN)
    moment = time.time() + off_s
    os.utime(folder / NAME, (moment, moment))
    assert not onvif.lately(LOGIN)
    onvif.note("user:b@100.64.0.5:10554")
    assert [entry.name for entry in folder.iterdir()] == ["100.64.0.5:10554"]


@CAMERA
def test_nothing_of_a_login_can_be_read_or_compared(folder: Path) -> None:
    onvif.note(LOGIN)
    first = (folder / NAME).read_bytes()
    onvif.note(LOGIN)
    assert b"c4nary" not in first
    assert (folder / NAME).read_bytes() != first
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"x", b"y" * 48])
def test_a_file_that_is_not_ours_counts_for_nothing(folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / NAME).write_bytes(content)
    assert not onvif.lately(LOGIN)


def test_where_nothing_can_be_written_nothing_else_suffers(folder: Path) -> None:
    folder.write_text("no folder")
    onvif.note(LOGIN)
    assert not onvif.lately(LOGIN)
