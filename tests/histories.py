"""Factories of runs and endings, and stored histories of earlier versions."""

import sqlite3
from collections.abc import Collection, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url, text

from provisioner.base.text import Document
from provisioner.record.availability.path_state import StoredVerdict, SweptPaths
from provisioner.record.database import open_database
from provisioner.record.entries import Ending, FacilityCheck, Holding, Operation, Run
from provisioner.record.path_memory import each_memory
from provisioner.record.state_folder import StateFolder
from provisioner.record.store import find_history, open_history

START = datetime(2021, 5, 8, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
_CASES = Path(__file__).parent / "cases/history"


def content(number: int = 1) -> str:
    """A hash that stands for a signed content."""
    return f"sha256:{number:064x}"


def run(number: int = 1, operation: Operation = Operation.VERIFY, **changes: Any) -> Run:
    """The run that began so many hours after the first."""
    plain: dict[str, Any] = {
        "id": f"run-{number}",
        "operation": operation,
        "started": START + number * HOUR,
        "commit": "c0ffee",
        "digest": "sha256:d1",
        "who": {"user": "noc", "machine": "controller", "job": ""},
        "tool": "1.2.3",
    }
    return Run(**(plain | changes))


def record_verdicts(
    place: StateFolder,
    run_id: str,
    at: datetime,
    kept: Mapping[str, StoredVerdict],
    carriers: Mapping[str, str] | None = None,
    *,
    whole: bool = True,
) -> None:
    """Record a verification that has only verdicts on paths; `whole`: these are all paths of their provinces."""
    with closing(open_history(place)) as history:
        verification = Run(run_id, Operation.VERIFY, at, "", "", {}, "")
        history.end(verification, Ending(at, "", swept=SweptPaths(kept, carriers or {}, whole)))


def read_memories(place: StateFolder, paths: Collection[str]) -> dict[str, Document | None] | None:
    """The memories of paths; None for those whose row is rejected."""
    each = each_memory(place, paths)
    return None if each is None else dict(each)


def ending(number: int = 1, **changes: Any) -> Ending:
    """The end of that run, a minute after it began."""
    plain: dict[str, Any] = {"finished": START + number * HOUR + timedelta(minutes=1), "outcome": "up"}
    return Ending(**(plain | changes))


def check(facility: str = "kcl-bg-001", number: int = 1, **changes: Any) -> FacilityCheck:
    """A check in which all of a facility's paths were up, in that run."""
    plain: dict[str, Any] = {
        "facility": facility,
        "content": content(),
        "relay": "relay-1",
        "at": START + number * HOUR + timedelta(seconds=30),
        "pulled": 4,
        "checked": 4,
        "proved": 4,
    }
    return FacilityCheck(**(plain | changes))


def holding(number: int = 1, host: str = "relay-1", held: dict[str, str] | None = None, **changes: Any) -> Holding:
    """What that run saw on a host and nothing else there: without `held` nobody knows."""
    plain: dict[str, Any] = {"host": host, "at": START + number * HOUR, "held": held, "exact": held is not None}
    return Holding(**(plain | changes))


def restore(place: StateFolder, name: str = "") -> None:
    """Restore a stored history: the one before revisions, or the one of that name."""
    if place.file:
        place.file.parent.mkdir(parents=True, mode=0o700)
        with closing(sqlite3.connect(place.file)) as connection:
            connection.executescript((_CASES / f"{name}sqlite.sql").read_text(encoding="utf-8"))
        return
    url = make_url(place.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(url, autocommit=True)) as server:
        server.execute((_CASES / f"{name}postgresql.sql").read_bytes())


def tamper(place: StateFolder, statement: str, values: Mapping[str, object] | None = None) -> None:
    """Change a database by hand."""
    database = open_database(place, create=False)
    assert database is not None
    with closing(database), database.writing() as connection:
        connection.execute(text(statement), values or {})


def faults(place: StateFolder) -> list[str]:
    """What the chain of a record says against it."""
    history = find_history(place)
    assert history is not None
    with closing(history):
        return [fault.message for fault in history.verify_chain().faults]
