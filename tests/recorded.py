"""A controller with a copy of the example, hosts in memory and a record of its own; and what an attacker does to it."""

from __future__ import annotations

import copy
import io
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from provisioner.cli.main import run
from provisioner.operations.apply import execution
from provisioner.operations.pipeline import session
from provisioner.record.lifecycle.evidence import Evidence
from provisioner.record.state_folder import FILE, StateFolder, state_folder_of
from provisioner.record.store import History, find_history
from tests import prepared
from tests.watched import WatchedHosts

EXAMPLE = Path(__file__).parents[1] / "inventories" / "example"


@dataclass(frozen=True)
class Printed:
    """What a command ended with, and all that it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on standard output."""
        document: dict[str, Any] = json.loads(self.out)
        return document

    @property
    def faults(self) -> list[str]:
        """What a check of the history found wrong."""
        return [fault["message"] for fault in self.document["faults"]]


@dataclass
class RecordingController:
    """The program over hosts in memory, whose record anybody may open who can open a file."""

    folder: Path
    hosts: WatchedHosts = field(default_factory=WatchedHosts)

    @property
    def root(self) -> Path:
        """The inventory's folder."""
        return self.folder / "example"

    @property
    def environment(self) -> dict[str, str]:
        """What every command of this controller finds set."""
        return {
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self.root / ".vault-password"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "PATH": "/usr/bin:/bin",
            "PROVISIONER_RECEIVER_HOSTS": "127.0.0.1",
            "NO_COLOR": "1",
        }

    @property
    def state(self) -> Path:
        """The folder with the record."""
        return self.folder / "state/provisioner/example"

    @property
    def place(self) -> StateFolder:
        """Where the record is."""
        return state_folder_of(self.environment, "example")

    @property
    def history(self) -> History:
        """The record, which is there."""
        history = find_history(self.place)
        assert history is not None
        return history

    @property
    def evidence(self) -> Evidence:
        """What the record says of facilities."""
        with closing(self.history) as history:
            return history.evidence()

    def run(self, *arguments: str, **environment: str) -> Printed:
        """Run a command."""
        out, err = io.StringIO(), io.StringIO()
        program = self.folder / "mediamtx"
        program.touch()
        with (
            mock.patch.object(session, "AnsibleRunner", return_value=self.hosts),
            mock.patch.object(execution, "fetch", return_value=program),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = run(["-i", str(self.root), *arguments], self.environment | environment)
        return Printed(code, out.getvalue(), err.getvalue())

    def check(self, *options: str, **environment: str) -> Printed:
        """Check the history, as JSON."""
        return self.run("--output", "json", "history", "verify", *options, **environment)

    @contextmanager
    def tampered(self) -> Iterator[sqlite3.Connection]:
        """The database as who can write the file opens it: nothing of ours looks on."""
        with tampered(self.state / FILE) as connection:
            yield connection

    def copy(self, folder: Path) -> RecordingController:
        """The same controller in another folder, with hosts of its own."""
        for name in ("example", "state"):
            shutil.copytree(self.folder / name, folder / name)
        hosts = WatchedHosts()
        hosts.hosts, hosts.silent = copy.deepcopy(self.hosts.hosts), set(self.hosts.silent)
        return RecordingController(folder, hosts)

    def without_key(self) -> dict[str, str]:
        """The environment of somebody who has no password of the vault."""
        return {"ANSIBLE_VAULT_PASSWORD_FILE": ""}


@contextmanager
def tampered(file: Path) -> Iterator[sqlite3.Connection]:
    """A database without the rules of its tables."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '')")
        connection.commit()
    with closing(sqlite3.connect(file)) as connection:
        yield connection
        connection.commit()


_APPLIED: list[RecordingController] = []


def applied_controller(folder: Path) -> RecordingController:
    """Return a controller in a folder whose hosts are as the inventory says: applied once a process, and copied."""
    if not _APPLIED:
        one = recording_controller(prepared.FOLDER / "recorded")
        assert one.run("apply", "--yes", "--allow", "trust=4").code == 0
        _APPLIED.append(one)
    return _APPLIED[0].copy(folder)


def recording_controller(folder: Path) -> RecordingController:
    """A controller in a folder, of which no run is recorded yet."""
    shutil.copytree(EXAMPLE, folder / "example")
    return RecordingController(folder)
