"""Folders of the program's own: nobody else's are used, and no link in them is followed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.base.errors import HostError, StateError
from provisioner.base.files import make_own_folder
from provisioner.cli import main as program
from provisioner.hosts.artefact import fetch
from provisioner.inventory.model.policy import MediamtxArtefact
from provisioner.record.state_folder import StateFolder
from provisioner.record.store import open_history
from tests.hostile import LOCAL_USER

UNKNOWN_UID = 54_321
RELEASE = MediamtxArtefact(version="1.20.1", source="release", sha256={"amd64": "0" * 64})


@pytest.fixture
def give_away(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make a path somebody else's; a user like us cannot: then we become another."""

    def give(path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, UNKNOWN_UID, UNKNOWN_UID, follow_symlinks=False)
        else:
            monkeypatch.setattr(os, "geteuid", lambda: UNKNOWN_UID)

    return give


@LOCAL_USER
def test_a_history_in_a_foreign_folder_is_not_opened(tmp_path: Path, give_away: Callable[[Path], None]) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    give_away(folder)
    with pytest.raises(StateError, match="the folder is somebody else's"):
        open_history(StateFolder("example", folder / "state.db"))
    assert list(folder.iterdir()) == []


@LOCAL_USER
def test_a_history_of_somebody_else_is_not_opened(tmp_path: Path, give_away: Callable[[Path], None]) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "state.db").touch()
    give_away(folder / "state.db")
    with pytest.raises(StateError, match="somebody else's"):
        open_history(StateFolder("example", folder / "state.db"))


@LOCAL_USER
def test_a_link_in_the_place_of_the_history_is_not_followed(tmp_path: Path) -> None:
    victim, folder = tmp_path / "victim", tmp_path / "state"
    victim.write_text("canary")
    victim.chmod(0o644)
    folder.mkdir()
    (folder / "state.db").symlink_to(victim)
    with pytest.raises(StateError, match="it is no file"):
        open_history(StateFolder("example", folder / "state.db"))
    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("canary", 0o644)


@LOCAL_USER
def test_a_trace_never_goes_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim, runs = tmp_path / "victim", tmp_path / "state" / "provisioner" / "runs"
    victim.write_text("canary")
    runs.mkdir(parents=True)

    class Moment:
        """A clock that stands, so that the name is known."""

        @staticmethod
        def now(_zone: object) -> Moment:
            """The moment."""
            return Moment()

        def __format__(self, _spec: str) -> str:
            """The moment as text."""
            return "then"

    def fail(*_words: object, **_options: object) -> None:
        raise ValueError

    monkeypatch.setattr(program, "datetime", Moment)
    (runs / f"then-{os.getpid()}.log").symlink_to(victim)
    monkeypatch.setattr(program.cli, "main", fail)
    assert program.run([], {"XDG_STATE_HOME": str(tmp_path / "state")}) == 70
    assert victim.read_text() == "canary"


@LOCAL_USER
def test_a_program_is_not_kept_in_a_folder_of_somebody_else(tmp_path: Path, give_away: Callable[[Path], None]) -> None:
    folder = tmp_path / "provisioner" / "mediamtx"
    folder.mkdir(parents=True)
    give_away(folder)
    with pytest.raises(HostError, match="somebody else's"):
        fetch(RELEASE, "amd64", {"XDG_CACHE_HOME": str(tmp_path)})


def test_a_folder_of_ours_that_others_may_write_to_is_closed_to_them(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    make_own_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o755
