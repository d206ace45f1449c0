"""Where the history is, who is recorded, what is kept of commits, and that nobody is shown what opens a database."""

import builtins
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from provisioner.base.errors import StateError
from provisioner.record.database import open_database
from provisioner.record.sent import MOST, CommitRow, keep_commit_states, reached_last, read_commit_states
from provisioner.record.state_folder import StateFolder, state_folder, state_folder_of, who
from provisioner.record.store import find_history, open_history
from tests.hostile import MERGE_REQUEST

CANARY = "canary-pa55word"


@pytest.mark.parametrize(
    ("environment", "file"),
    [
        ({"HOME": "/home/noc"}, "/home/noc/.local/state/provisioner/example/state.db"),
        ({"HOME": "/home/noc", "XDG_STATE_HOME": "/var/state"}, "/var/state/provisioner/example/state.db"),
        ({"PROVISIONER_STATE": "/srv/state", "XDG_STATE_HOME": "/var/state"}, "/srv/state/example/state.db"),
    ],
)
def test_the_file_is_in_the_state_folder_of_the_inventory(environment: dict[str, str], file: str) -> None:
    assert state_folder_of(environment, "example") == StateFolder("example", Path(file))


def test_a_url_names_a_server_and_no_folder() -> None:
    url = f"postgresql+psycopg://noc:{CANARY}@db.example.com/provisioner"
    environment = {"PROVISIONER_STATE": url, "XDG_STATE_HOME": "/var/state"}
    place = state_folder_of(environment, "example")
    assert (place.file, place.url) == (None, url)
    assert state_folder(environment) == Path("/var/state/provisioner")
    assert CANARY not in f"{place} {place!r} {place.text}"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"postgresql+psycopg://noc:{CANARY}@127.0.0.1:1/provisioner?connect_timeout=1", "cannot be read"),
        (f"postgresql://noc:{CANARY}@127.0.0.1:1/provisioner", "cannot be read"),
        (f"mysql://noc:{CANARY}@db.example.com/provisioner", "of the kind mysql"),
        (f"sqlite:////tmp/{CANARY}.db", "of the kind sqlite"),
        (f"nonsense://noc:{CANARY}@x", "of the kind nonsense"),
        (f"://{CANARY}", "neither a folder nor a database URL"),
    ],
)
def test_a_database_that_cannot_be_had_is_named_without_what_opens_it(url: str, words: str) -> None:
    for opened in (open_history, find_history):
        with pytest.raises(StateError) as raised:
            opened(state_folder_of({"PROVISIONER_STATE": url}, "example"))
        error = raised.value
        assert words in error.message
        assert error.hint
        assert CANARY not in f"{error.message} {error.hint} {error.object} {error.__cause__}"


def test_a_missing_driver_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_psycopg(name: str, *arguments: Any, **more: Any) -> ModuleType:
        if name == "psycopg":
            raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without_psycopg)
    with pytest.raises(StateError, match="needs the driver psycopg") as raised:
        open_history(StateFolder("example", None, "postgresql+psycopg://db.example.com/provisioner"))
    assert "pip install" in raised.value.hint


def test_a_history_is_kept_private_even_where_it_was_not(tmp_path: Path) -> None:
    file = tmp_path / "example" / "state.db"
    file.parent.mkdir(mode=0o755)
    file.touch(mode=0o644)
    history = open_history(StateFolder("example", file))
    history.runs()
    modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    history.close()
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="cannot be opened: Not a directory"):
        open_history(StateFolder("example", tmp_path / "file" / "example" / "state.db"))


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    file.write_text("this is a text, and a long one at that" * 50, encoding="utf-8")
    with pytest.raises(StateError, match="file is not a database"):
        open_history(StateFolder("example", file))


# --- who ------------------------------------------------------------------------------------------
_ACTIONS = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "noc/inv", "GITHUB_RUN_ID": "8"}


@pytest.mark.parametrize(
    ("environment", "job"),
    [
        ({}, ""),
        ({"GITLAB_CI": "true", "CI": "true", "CI_PROJECT_PATH": "noc/inv", "CI_JOB_ID": "7"}, "gitlab:noc/inv#7"),
        (_ACTIONS, "github:noc/inv#8"),
        ({**_ACTIONS, "FORGEJO_ACTIONS": "true"}, "forgejo:noc/inv#8"),
        ({**_ACTIONS, "GITEA_ACTIONS": "true"}, "forgejo:noc/inv#8"),
        ({"JENKINS_URL": "https://ci.example.com", "JOB_NAME": "inv", "BUILD_NUMBER": "9"}, "jenkins:inv#9"),
        ({"CI": "true"}, "ci:unnamed"),
    ],
)
def test_a_pipeline_s_job_is_named_by_its_ids(environment: dict[str, str], job: str) -> None:
    secret = {"CI_JOB_TOKEN": CANARY, "CI_JOB_URL": f"https://x:{CANARY}@example.com", "GITHUB_TOKEN": CANARY}
    author = who(environment | secret)
    assert author["job"] == job
    assert CANARY not in str(author)


def test_the_user_is_the_one_of_this_machine_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert who({"USER": "somebody-else"})["user"] != "somebody-else"
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert who({})["user"] == "54321"


def test_what_a_pipeline_calls_itself_cannot_break_a_line() -> None:
    author = who({"GITLAB_CI": "1", "CI_PROJECT_PATH": "a\n\x1b[31mb" + "c" * 500, "CI_JOB_ID": "7"})
    assert author["job"].isprintable()
    assert len(author["job"]) < 200


_VISIT = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM sqlite_master'); c.close()"
)


def test_a_database_that_is_opened_again_stays_locked_against_the_last_of_others_to_leave(tmp_path: Path) -> None:
    place = StateFolder("test", file=tmp_path / "state.db")
    first = open_database(place, create=True)
    assert first
    with first.reading():
        second = open_database(place, create=True)
        assert second
        second.close()
        # Another program that leaves removes the log if it finds no lock: this one's log is in use.
        subprocess.run([sys.executable, "-c", _VISIT, str(place.file)], check=True)
        assert (tmp_path / "state.db-wal").exists()
    first.close()


NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)


def row(number: int, state: str, reason: str = "") -> CommitRow:
    return CommitRow(commit=f"{number:040x}", state=state, at=NOON + timedelta(minutes=number), reason=reason)


@MERGE_REQUEST
def test_what_was_reached_and_what_failed_is_not_forgotten_for_what_was_refused_since(tmp_path: Path) -> None:
    place = state_folder_of({"XDG_STATE_HOME": str(tmp_path)}, "vn")
    reached, failed = row(1, "reached"), row(2, "failed", "a relay went back")
    old = row(0, "refused", 'says "state":"failed"')
    refused = [row(number, "refused", "is not signed") for number in range(3, MOST + 5)]
    keep_commit_states(place, [old, reached, failed, *refused])
    rows = read_commit_states(place)
    assert {reached, failed} < set(rows)
    assert reached_last(rows) == reached
    assert len(rows) == MOST + 2
