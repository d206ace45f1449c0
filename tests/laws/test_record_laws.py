"""Whatever somebody writes into one row of the record: it is no defect of the program, and `history verify` sees it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from provisioner.record.state_folder import FILE
from tests.hostile import LOCAL_USER
from tests.recorded import recording_controller, tampered

_TABLES = (
    *("schema", "entries", "seals", "documents", "checks", "holdings", "held", "events"),
    *("verdicts", "path_lists"),
)
_READERS = (("history",), ("status",), ("export", "progress"), ("apply", "--resume"), ("availability",))
_ENDS = {0, 1, 2, 5, 13}


class KilledError(BaseException):
    """The controller is killed."""


class Recorded:
    """A controller with two applies, the second of which was killed, and a verification; its database as bytes."""

    def __init__(self, folder: Path) -> None:
        self.controller = recording_controller(folder)
        assert self.controller.run("apply", "--yes", "--allow", "trust=9").code == 0
        assert self.controller.run("verify").code == 0
        path = self.controller.root / "facilities/bac-giang/kcl-bg-002.yml"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("operating: open", "operating: closed"), encoding="utf-8")
        assert self.controller.run("allocate").code == 0
        self._kill()
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        self._files = {path: path.read_bytes() for path in self.controller.state.iterdir()}

    def _kill(self) -> None:
        def die(operation: str, _host: str) -> None:
            if operation == "confirm":
                raise KilledError

        self.controller.hosts.before = die
        with pytest.raises(KilledError):
            self.controller.run("apply", "--yes", "--allow", "trust=9")
        self.controller.hosts.before = lambda *_of: None

    @property
    def file(self) -> Path:
        """The database's file."""
        return self.controller.state / FILE

    def restored(self) -> None:
        """Put the record back as it was."""
        for path in self.controller.state.iterdir():
            path.unlink()
        for path, content in self._files.items():
            path.write_bytes(content)

    def run(self, *arguments: str) -> int:
        """Run a command on hosts that do not answer: what it does with the record is what counts."""
        for host in self.controller.hosts.hosts.values():
            host.reachable = False
        return self.controller.run(*arguments).code


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("recorded"))


def values() -> st.SearchStrategy[Any]:
    """What SQLite keeps in any column."""
    texts = st.text(max_size=20) | st.sampled_from(["[]", "{}", '{"a": 1}', "[" * 100_000, "9" * 5_000, '"\\ud800"'])
    numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
    return st.none() | texts | numbers | st.binary(max_size=20)


def write(connection: sqlite3.Connection, place: tuple[str, int, int], value: object, *, as_text: bool) -> bool:
    """Write a value into one cell: whether that changed it."""
    table, row, column = place
    name = f"provisioner_{table}"
    columns = [described[1] for described in connection.execute(f"PRAGMA table_info({name})")]
    rows = [number for (number,) in connection.execute(f"SELECT rowid FROM {name}")]  # noqa: S608
    of, number = columns[column % len(columns)], rows[row % len(rows)]
    seen = f"SELECT hex({of}), typeof({of}) FROM {name} WHERE rowid = ?"  # noqa: S608
    before = connection.execute(seen, (number,)).fetchone()
    cell = "CAST(? AS TEXT)" if as_text else "?"
    connection.execute(f"UPDATE {name} SET {of} = {cell} WHERE rowid = ?", (value, number))  # noqa: S608
    return bool(connection.execute(seen, (number,)).fetchone() != before)


@LOCAL_USER
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    place=st.tuples(st.sampled_from(_TABLES), st.integers(0, 200), st.integers(0, 20)),
    value=values(),
    as_text=st.booleans(),
    reader=st.sampled_from(_READERS),
)
@example(place=("events", -1, 0), value="somebody-else", as_text=False, reader=("status",))
def test_a_row_that_somebody_wrote_is_a_fault_of_the_record_and_no_defect(
    recorded: Recorded, place: tuple[str, int, int], value: object, reader: tuple[str, ...], *, as_text: bool
) -> None:
    recorded.restored()
    try:
        with tampered(recorded.file) as connection:
            changed = write(connection, place, value, as_text=as_text)
    except sqlite3.IntegrityError:
        changed = False
    assume(changed)
    assert recorded.run("history", "verify") in {1, 13}
    assert recorded.run(*reader) in _ENDS


@LOCAL_USER
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(table=st.sampled_from(_TABLES[1:]), row=st.integers(0, 200), reader=st.sampled_from(_READERS))
def test_a_removed_row_is_missed(recorded: Recorded, table: str, row: int, reader: tuple[str, ...]) -> None:
    """But for the last steps of a run that has not ended: hosts are asked what became of it."""
    recorded.restored()
    name = f"provisioner_{table}"
    with tampered(recorded.file) as connection:
        rows = [number for (number,) in connection.execute(f"SELECT rowid FROM {name} ORDER BY rowid")]  # noqa: S608
        number = rows[row % len(rows)]
        assume(table != "events" or number != rows[-1])
        connection.execute(f"DELETE FROM {name} WHERE rowid = ?", (number,))  # noqa: S608
    assert recorded.run("history", "verify") == 1
    assert recorded.run(*reader) in _ENDS


def test_the_record_of_these_laws_is_whole_as_it_is(recorded: Recorded) -> None:
    recorded.restored()
    assert recorded.run("history", "verify") == 0
