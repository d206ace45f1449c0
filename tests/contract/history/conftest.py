"""The databases under test: SQLite everywhere, and PostgreSQL where this machine has a server to start."""

import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Engine, event

from provisioner.base.secret import Secret
from provisioner.record.state_folder import StateFolder, record_keys
from tests.postgresql import PostgresServer, server_programs, started_server

SQLITE: Final = "SQLite"
POSTGRESQL: Final = "PostgreSQL"

_MISSING: Final = (
    "no PostgreSQL server found (initdb and postgres, on PATH or in /usr/lib/postgresql): only SQLite is tested"
)


def _databases_line() -> str:
    folder = server_programs()
    if folder is None:
        return f"history databases: SQLite; {_MISSING}"
    version = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, timeout=10, check=True)
    return f"history databases: SQLite, and {version.stdout.strip()}"


def pytest_report_header() -> str:
    """Say aloud what is tested."""
    return _databases_line()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it again at the end, where a header is not printed (as with -q)."""
    terminalreporter.write_line(_databases_line())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test on every database."""
    if "database" in metafunc.fixturenames:
        names = [SQLITE] if server_programs() is None else [SQLITE, POSTGRESQL]
        metafunc.parametrize("database", names, scope="session")


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Let SQLite not wait until its file is on the disk: no test pulls the plug."""

    def hurry(connection: object, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", hurry)
    yield
    event.remove(Engine, "connect", hurry)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """Start a server for the whole run."""
    with started_server() as started:
        yield started


@pytest.fixture
def place(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> StateFolder:
    """A place where nothing was ever recorded."""
    if database == SQLITE:
        return StateFolder("test", tmp_path / "state" / "test" / "state.db")
    found: PostgresServer = request.getfixturevalue("server")
    return StateFolder("test", None, found.new_database())


@pytest.fixture
def sealed(place: StateFolder) -> StateFolder:
    """The place with the key of an open vault."""
    return replace(place, keys=record_keys(Secret("a" * 64), {}, place.inventory))
