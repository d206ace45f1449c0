"""What is recorded stays, is chained, and is told again: one suite for every database."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from provisioner.base.errors import StateError
from provisioner.base.secret import Secret
from provisioner.record import store
from provisioner.record.database import open_database
from provisioner.record.entries import Event, Operation, genesis
from provisioner.record.event_log import EventLog
from provisioner.record.state_folder import RecordKeys, StateFolder, record_keys
from provisioner.record.store import History, find_history, open_history
from provisioner.record.tables import NO_LONGER_READ, metadata
from tests import histories as make
from tests.hostile import LOCAL_USER

pytestmark = pytest.mark.contract
#: Without the schema nothing is opened; without entries there is no history, which who holds a head sees.
TABLES = sorted({*metadata.tables} - NO_LONGER_READ - {"provisioner_schema", "provisioner_entries"})
ROOT = Path(__file__).parents[3]


@pytest.fixture
def history(place: StateFolder) -> Iterator[History]:
    """Open a history in which nothing is recorded yet."""
    opened = open_history(place)
    yield opened
    opened.close()


def fill(history: History) -> None:
    """Record an apply, and a night's verification of what it brought."""
    apply = make.run(1, Operation.APPLY, plan="sha256:p1")
    history.begin(apply, ["relay-1", "relay-2"])
    history.take_epochs(apply.id, {"relay-1": 0, "relay-2": 0}, make.START)
    held = {"kcl-bg-001": make.content()}
    holdings = make.holding(1, held=held), make.holding(1, "relay-2"), make.holding(1, "relay-3", held={})
    history.end(apply, make.ending(1, outcome="applied", document={"hosts": ["Bắc Giang"]}, holdings=holdings))
    history.end(make.run(2), make.ending(2, checks=(make.check(number=2),), document={"paths": []}))


def change(place: StateFolder, statement: str) -> None:
    """Do to the tables what no program of ours does."""
    database = open_database(place, create=False)
    assert database is not None
    with database.writing() as connection:
        assert connection.execute(text(statement)).rowcount
    database.close()


def test_where_nothing_was_recorded_there_is_no_history(place: StateFolder) -> None:
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


def test_a_run_and_the_beginning_of_its_journal_are_there_together_or_neither_is(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, first = (
        make.run(1, Operation.APPLY),
        Event("", "run", "begin", {"hosts": ["relay-1"]}, at=make.ending(1).finished),
    )

    class KilledError(BaseException):
        """The controller is killed."""

    def killed(*_arguments: object) -> None:
        raise KilledError

    with monkeypatch.context() as context:
        context.setattr(store, "add_step", killed)
        with pytest.raises(KilledError):
            history.begin(run, ["relay-1"], first=first)
    assert history.runs() == ()
    history.begin(run, ["relay-1"], first=first)
    with closing(EventLog(history.place)) as log:
        assert log.of(run.id) == (first,)


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
    other = open_history(StateFolder("other", history.place.file, history.place.url))
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
    with pytest.raises(StateError, match="has ended already"):
        history.end(make.run(2), make.ending(2))
    with pytest.raises(StateError, match="cannot be written"):
        history.end(make.run(3), make.ending(3, checks=(make.check(), make.check()), document={"a": 1}))
    assert history.verify_chain() == before
    assert history.document("run-3") is None
    history.end(make.run(3), make.ending(3))
    assert history.verify_chain().whole


def test_a_history_of_a_newer_version_is_left_alone(history: History) -> None:
    fill(history)
    change(history.place, "UPDATE provisioner_schema SET version = 3")
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


@LOCAL_USER
@pytest.mark.parametrize(
    "table", sorted({*metadata.tables} - {"provisioner_schema", "provisioner_entries", "provisioner_month_sums"})
)
def test_a_table_that_is_gone_is_told(history: History, table: str) -> None:
    fill(history)
    change(history.place, f"DROP TABLE {table}")
    faults = [fault.message for fault in history.verify_chain().faults]
    assert any(f"the table {table} is missing" in message for message in faults), faults


@LOCAL_USER
@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM provisioner_host_epochs", "somebody took the numbers away"),
        ("UPDATE provisioner_host_epochs SET inventory = 'other'", "of an inventory that has no entry"),
        ("UPDATE provisioner_host_epochs SET run = 'run-9'", "a number on a host of a run that has no entry"),
        ("DELETE FROM provisioner_migrations", "the table provisioner_migrations is missing or empty"),
        ("DROP INDEX provisioner_checks_by_relay", "lacks provisioner_checks_by_relay"),
    ],
)
def test_a_part_beside_the_chain_that_is_gone_is_told(history: History, statement: str, told: str) -> None:
    fill(history)
    chain = history.verify_chain()
    assert (chain.faults, chain.remarks) == ((), ())
    change(history.place, statement)
    chain = history.verify_chain()
    assert any(told in one.message for one in (*chain.faults, *chain.remarks)), chain


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


# --- keys -----------------------------------------------------------------------------------------
KEYS = record_keys(Secret("digest-key"), {}, "test")
OTHER_KEYS = record_keys(Secret("another-digest-key"), {}, "test")


def again(history: History, keys: RecordKeys) -> History:
    """The same record, opened with other keys."""
    return open_history(replace(history.place, keys=keys))


def test_entries_are_keyed_where_there_is_a_key(history: History) -> None:
    fill(history)
    keyed = again(history, KEYS)
    head = keyed.end(make.run(3), make.ending(3))
    chain = keyed.verify_chain()
    assert (chain.faults, chain.seals.keyed, chain.seals.unkeyed) == ((), 1, 3)
    assert keyed.heads()[4] == head
    assert head.seal.startswith("hmac-sha256:")
    keyed.close()


@LOCAL_USER
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE provisioner_seals SET seal = 'hmac-sha256:0:0' WHERE number = 3",
        "UPDATE provisioner_seals SET seal = '' WHERE number = 3",
        "UPDATE provisioner_seals SET number = 9 WHERE number = 3",
        "DELETE FROM provisioner_seals WHERE number = 3",
        "UPDATE provisioner_seals SET seal = (SELECT seal FROM provisioner_seals WHERE number = 2) WHERE number = 3",
    ],
)
def test_whatever_is_changed_of_a_seal_shows(place: StateFolder, statement: str) -> None:
    history = open_history(replace(place, keys=KEYS))
    fill(history)
    assert history.verify_chain().whole
    change(place, statement)
    assert not history.verify_chain().whole
    history.close()


def test_entries_by_an_older_key_of_the_vault_are_counted(history: History) -> None:
    """The vault's digest key was renewed: what it no longer proves is held by what comes after it."""
    older, newer = again(history, OTHER_KEYS), again(history, KEYS)
    fill(older)
    assert [fault.number for fault in newer.verify_chain().faults] == [0]
    newer.end(make.run(3), make.ending(3))
    chain = newer.verify_chain()
    assert (chain.faults, chain.seals.unproved, chain.seals.keyed) == ((), 3, 1)
    older.end(make.run(4), make.ending(4))
    assert [fault.number for fault in newer.verify_chain().faults] == [5]
    older.close()
    newer.close()


@LOCAL_USER
def test_nothing_is_built_on_a_newest_entry_that_somebody_changed(place: StateFolder) -> None:
    history = open_history(replace(place, keys=KEYS))
    fill(history)
    change(place, "UPDATE provisioner_entries SET hash = 'sha256:0' WHERE number = 3")
    with pytest.raises(StateError, match="its newest entry \\(3\\) is not as it was recorded"):
        history.begin(make.run(4, Operation.APPLY), ["relay-1"])
    history.close()


def test_a_database_of_an_older_version_is_read_and_made_whole_by_who_records(history: History) -> None:
    fill(history)
    database = open_database(history.place, create=False)
    assert database is not None
    with database.writing() as connection:
        connection.execute(text("DROP TABLE provisioner_seals"))
        connection.execute(text("DROP TABLE provisioner_migrations"))
        connection.execute(text("DROP TABLE provisioner_host_epochs"))
    database.close()
    old = find_history(replace(history.place, keys=KEYS))
    assert old is not None
    assert (old.verify_chain().faults, old.verify_chain().seals.unkeyed) == ((), 3)
    old.close()
    newer = again(history, KEYS)
    newer.end(make.run(3), make.ending(3))
    assert (newer.verify_chain().faults, newer.verify_chain().seals.keyed) == ((), 1)
    newer.close()


def test_a_clock_that_was_set_back_is_remarked_and_no_fault(history: History) -> None:
    fill(history)
    history.end(make.run(3), make.ending(1))
    chain = history.verify_chain()
    assert chain.whole
    assert [(remark.number, "set back" in remark.message) for remark in chain.remarks] == [(4, True)]


# --- steps ----------------------------------------------------------------------------------------
def steps(place: StateFolder) -> EventLog:
    """A journal of three steps by who has the key."""
    log = EventLog(replace(place, keys=KEYS))
    for number, step in enumerate(("run", "start", "armed")):
        log.add("run-1", Event("relay-1", step, "begin", {"number": number}, at=make.START + number * make.HOUR))
    return log


def test_steps_are_proved_by_their_seals(place: StateFolder) -> None:
    with closing(steps(place)) as log:
        assert [event.step for event in log.proved("run-1")] == ["run", "start", "armed"]
        assert log.of("run-1") == log.proved("run-1")


@LOCAL_USER
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE provisioner_events SET host = 'relay-2' WHERE sequence = 2",
        "UPDATE provisioner_events SET at = at + 1 WHERE sequence = 2",
        "UPDATE provisioner_events SET step = 'end' WHERE sequence = 2",
        "UPDATE provisioner_events SET before = replace(before, '1', '2') WHERE sequence = 2",
        'UPDATE provisioner_events SET before = \'{"state":"begin"}\' WHERE sequence = 2',
        "DELETE FROM provisioner_events WHERE sequence = 1",
        "DELETE FROM provisioner_events WHERE sequence = 2",
        "UPDATE provisioner_events SET run = 'run-2'",
    ],
)
def test_a_step_that_somebody_changed_is_not_proved(place: StateFolder, statement: str) -> None:
    with closing(steps(place)) as log:
        change(place, statement)
        with pytest.raises(StateError, match="is damaged: step"):
            log.proved("run-2" if "run-2" in statement else "run-1")


# --- several processes at once --------------------------------------------------------------------
_WRITER = """
import sys
from pathlib import Path
from provisioner.base.secret import Secret
from provisioner.record.entries import Operation
from provisioner.record.state_folder import StateFolder
from provisioner.record.state_folder import record_keys
from provisioner.record.store import open_history
from tests import histories as make

file, url, name, count = sys.argv[1:]
keys = record_keys(Secret("digest-key"), {}, "test")
history = open_history(StateFolder("test", Path(file) if file else None, url, keys))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(count)):
    run = make.run(number, Operation.APPLY, id=f"{name}-{number}")
    history.begin(run, ["relay-1"])
    history.end(run, make.ending(number, holdings=(make.holding(number, held={"kcl": make.content(number)}),)))
"""


def test_processes_that_write_at_once_never_fork_the_chain(place: StateFolder) -> None:
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
    keyed = find_history(replace(place, keys=KEYS))
    assert keyed is not None
    assert keyed.verify_chain().seals.keyed == 2 * count * len(names)
    keyed.close()
    history.close()
