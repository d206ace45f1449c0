"""What is recorded stays, is chained, and is told again: one suite for every database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from provisioner.base.errors import StateError
from provisioner.history.database import open_database
from provisioner.history.place import StatePlace
from provisioner.history.records import Operation, genesis
from provisioner.history.store import History, find_history, open_history
from tests import histories as make

pytestmark = pytest.mark.contract
ROOT = Path(__file__).parents[3]


@pytest.fixture
def history(place: StatePlace) -> Iterator[History]:
    """Open a history in which nothing is recorded yet."""
    opened = open_history(place)
    yield opened
    opened.close()


def fill(history: History) -> None:
    """Record an apply, and a night's verification of what it brought."""
    apply = make.run(1, Operation.APPLY, plan="sha256:p1")
    history.begin(apply, ["relay-1", "relay-2"])
    held = {"kcl-bg-001": make.content()}
    holdings = make.holding(1, held=held), make.holding(1, "relay-2"), make.holding(1, "relay-3", held={})
    history.end(apply, make.ending(1, outcome="applied", document={"hosts": ["Bắc Giang"]}, holdings=holdings))
    history.end(make.run(2), make.ending(2, checks=(make.check(number=2),), document={"paths": []}))


def change(place: StatePlace, statement: str) -> None:
    """Do to the tables what no program of ours does."""
    database = open_database(place, create=False)
    assert database is not None
    with database.writing() as connection:
        assert connection.execute(text(statement)).rowcount
    database.close()


def test_where_nothing_was_recorded_there_is_no_history(place: StatePlace) -> None:
    assert find_history(place) is None
    if place.file:
        assert not place.file.parent.exists()


def test_a_run_is_told_as_it_was_recorded(history: History) -> None:
    fill(history)
    verify, apply = history.runs()
    assert (apply.run, apply.outcome, apply.hosts) == (
        make.run(1, Operation.APPLY, plan="sha256:p1"),
        "applied",
        ("relay-1", "relay-2"),
    )
    assert apply.finished == make.ending(1).finished
    assert (verify.run, verify.hosts) == (make.run(2), ())
    assert history.document("run-1") == {"hosts": ["Bắc Giang"]}
    assert history.document("run-9") is None
    assert [told.run.id for told in history.runs(limit=1)] == ["run-2"]


def test_a_run_that_was_killed_has_no_end(history: History) -> None:
    history.begin(make.run(1, Operation.APPLY), ["relay-1"])
    (found,) = history.runs()
    assert (found.finished, found.outcome, found.hosts) == (None, "", ("relay-1",))


def test_a_history_is_there_when_it_is_opened_again(history: History) -> None:
    fill(history)
    again = find_history(history.place)
    assert again is not None
    assert again.runs() == history.runs()
    assert again.evidence() == history.evidence()
    again.close()


def test_inventories_in_one_database_know_nothing_of_each_other(history: History) -> None:
    fill(history)
    other = open_history(StatePlace("other", history.place.file, history.place.url))
    assert other.runs() == ()
    assert other.evidence().words == {}
    assert (other.verify_chain().length, other.verify_chain().head) == (0, genesis("other"))
    fill(other)
    assert other.verify_chain().whole
    assert history.verify_chain().whole
    assert other.verify_chain().head != history.verify_chain().head
    other.close()


def test_a_run_ends_once_and_what_fails_leaves_nothing(history: History) -> None:
    fill(history)
    before = history.verify_chain()
    with pytest.raises(StateError, match="cannot be written"):
        history.end(make.run(2), make.ending(2))
    with pytest.raises(StateError, match="cannot be written"):
        history.end(make.run(3), make.ending(3, checks=(make.check(), make.check()), document={"a": 1}))
    assert history.verify_chain() == before
    assert history.document("run-3") is None
    history.end(make.run(3), make.ending(3))
    assert history.verify_chain().whole


def test_a_history_of_a_newer_version_is_left_alone(history: History) -> None:
    fill(history)
    change(history.place, "UPDATE provisioner_schema SET version = 2")
    for opened in (open_history, find_history):
        with pytest.raises(StateError, match="another version") as raised:
            opened(history.place)
        assert raised.value.exit_code == 13


# --- the chain ------------------------------------------------------------------------------------


def test_what_nobody_touched_is_whole(history: History) -> None:
    fill(history)
    chain = history.verify_chain()
    assert (chain.length, chain.faults) == (3, ())
    assert chain.head.startswith("sha256:")


@pytest.mark.parametrize(
    ("statement", "number", "words"),
    [
        (
            "UPDATE provisioner_entries SET content = replace(content, 'applied', 'nothing') WHERE number = 2",
            2,
            "changed",
        ),
        ("UPDATE provisioner_entries SET content = replace(content, 'noc', 'cno') WHERE number = 1", 1, "changed"),
        ("UPDATE provisioner_entries SET operation = 'verify' WHERE number = 2", 2, "column"),
        ("UPDATE provisioner_entries SET at = at - 1 WHERE number = 3", 3, "column"),
        ("UPDATE provisioner_entries SET previous = 'sha256:0' WHERE number = 2", 2, "does not follow"),
        ("UPDATE provisioner_entries SET hash = 'sha256:0' WHERE number = 2", 3, "does not follow"),
        ("DELETE FROM provisioner_entries WHERE number = 1", 1, "is missing"),
        ("DELETE FROM provisioner_entries WHERE number = 2", 2, "is missing"),
        ("DELETE FROM provisioner_documents WHERE run = 'run-1'", 2, "document"),
        ("UPDATE provisioner_documents SET packed = 'x' WHERE run = 'run-2'", 3, ""),
        ("UPDATE provisioner_checks SET proved = 3", 3, "checks"),
        ("UPDATE provisioner_checks SET at = at - 86400000000", 3, "checks"),
        ("DELETE FROM provisioner_checks", 3, "checks"),
        ("DELETE FROM provisioner_holdings WHERE host = 'relay-2'", 2, "hosts"),
        ("UPDATE provisioner_holdings SET held = NULL WHERE host = 'relay-1'", 2, "hosts"),
        ("UPDATE provisioner_holdings SET exact = NOT exact", 2, "hosts"),
        ("UPDATE provisioner_held SET facility = 'kcl-bg-002'", 0, "set of facilities"),
        ("DELETE FROM provisioner_held", 0, "set of facilities"),
    ],
)
def test_whatever_is_changed_shows(history: History, statement: str, number: int, words: str) -> None:
    fill(history)
    change(history.place, statement)
    faults = history.verify_chain().faults
    assert (number, True) in {(fault.number, words in fault.message) for fault in faults}, faults


def test_whoever_keeps_the_head_sees_that_the_end_was_cut_off(history: History) -> None:
    fill(history)
    head = history.verify_chain().head
    change(history.place, "DELETE FROM provisioner_entries WHERE number = 3")
    change(history.place, "DELETE FROM provisioner_checks")
    assert history.verify_chain().head != head


def test_who_reads_for_long_hinders_nobody_who_writes(history: History) -> None:
    fill(history)
    reader = open_database(history.place, create=False)
    assert reader is not None
    with reader.reading() as connection:
        count = text("SELECT count(*) FROM provisioner_entries")
        before = connection.scalar(count)
        history.end(make.run(3), make.ending(3))
        assert connection.scalar(count) == before
    reader.close()
    assert history.verify_chain().length == 4


# --- several processes at once --------------------------------------------------------------------

_WRITER = """
import sys
from pathlib import Path
from provisioner.history.place import StatePlace
from provisioner.history.records import Operation
from provisioner.history.store import open_history
from tests import histories as make

file, url, name, count = sys.argv[1:]
history = open_history(StatePlace("test", Path(file) if file else None, url))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(count)):
    run = make.run(number, Operation.APPLY, id=f"{name}-{number}")
    history.begin(run, ["relay-1"])
    history.end(run, make.ending(number, holdings=(make.holding(number, held={"kcl": make.content(number)}),)))
"""


def test_processes_that_write_at_once_never_fork_the_chain(place: StatePlace) -> None:
    count, names = 8, ("a", "b", "c")
    argv = [sys.executable, "-c", _WRITER, str(place.file or ""), place.url]
    writers = [
        subprocess.Popen([*argv, name, str(count)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in names
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.communicate("go\n", timeout=60)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    history = find_history(place)
    assert history is not None
    chain = history.verify_chain()
    assert (chain.length, chain.faults) == (2 * count * len(names), ())
    assert len(history.runs()) == count * len(names)
    history.close()
