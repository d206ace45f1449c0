"""A PostgreSQL server of the tests' own, where this machine has the program for one."""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import psycopg

_START_S: Final = 30
_NUMBERS: Final = itertools.count(1)


def server_programs() -> Path | None:
    """The folder of the newest server on this machine."""
    found = [Path(p).resolve().parent for p in [shutil.which("initdb")] if p]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


class PostgresServer:
    """A PostgreSQL server of the tests' own: in a folder of its own, on a socket there, gone afterwards."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._folder = folder
        self._user, self._as = _ordinary_user(folder)
        quick = ("--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username=test")
        self._run([str(programs / "initdb"), "-D", str(folder / "data"), *quick])
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "fsync": "off",
            "full_page_writes": "off",
            # It would go through all databases of all tests again and again.
            "autovacuum": "off",
        }
        options = (f"--{key}={value}" for key, value in settings.items())
        argv = [str(programs / "postgres"), "-D", str(folder / "data"), *options]
        self._process = subprocess.Popen(
            [*self._as, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
        )
        self._wait()

    def _run(self, argv: list[str]) -> None:
        subprocess.run([*self._as, *argv], check=True, capture_output=True, timeout=_START_S * 4, cwd=self._folder)

    def _wait(self) -> None:
        until = time.monotonic() + _START_S
        while True:
            try:
                psycopg.connect(self._info("postgres")).close()
            except psycopg.OperationalError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def _info(self, name: str) -> str:
        return f"host={self._folder} user=test dbname={name}"

    def new_database(self) -> str:
        """Make an empty database and give its URL."""
        name = f"history_{next(_NUMBERS)}"
        with closing(psycopg.connect(self._info("postgres"), autocommit=True)) as connection:
            connection.execute(f"CREATE DATABASE {name} STRATEGY file_copy".encode())
        return f"postgresql+psycopg://test@/{name}?host={self._folder}"

    def stop(self) -> None:
        """Stop the server at once: what it holds is thrown away."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=_START_S)


def _ordinary_user(folder: Path) -> tuple[str, list[str]]:
    """Who runs the server, and the words that run it so: it refuses to run as root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name, []
    name = next(user.pw_name for user in pwd.getpwall() if user.pw_name in {"postgres", "nobody"})
    shutil.chown(folder, name)
    group = str(pwd.getpwnam(name).pw_gid)
    return name, ["setpriv", f"--reuid={name}", f"--regid={group}", "--clear-groups", "--pdeathsig=INT"]


@contextmanager
def started_server() -> Iterator[PostgresServer]:
    """A server until the end of the block; its socket's path has to be short, and its user has to reach it."""
    programs = server_programs()
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="history-"))
    try:
        started = PostgresServer(programs, folder)
        yield started
        started.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
