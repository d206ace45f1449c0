"""The lease of a night, and what receivers were told: one suite for every database."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import pytest
from sqlalchemy import text

from provisioner.base.errors import LockedError
from provisioner.record.database import open_database
from provisioner.record.leases import LeaseHolder, night_lease, run_lease
from provisioner.record.sent import ReadNotices, keep_notice, read_notices
from provisioner.record.state_folder import StateFolder
from provisioner.record.store import open_history
from tests import histories as make
from tests.hostile import LOCAL_USER

pytestmark = pytest.mark.contract
FIRST = LeaseHolder("noc@one", "11", "2021-05-20 01:30:00 +07:00")
SECOND = LeaseHolder("noc@two", "22", "2021-05-21 01:30:00 +07:00")
_START_S = 60


def hold(place: StateFolder, holder: LeaseHolder, said: Connection) -> None:
    """Hold a lease in a process of its own, until somebody says that it is enough."""
    with night_lease(place, holder):
        said.send("held")
        said.recv()


@contextmanager
def held_elsewhere(place: StateFolder) -> Iterator[SpawnProcess]:
    """Another process that holds the lease."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=hold, args=(place, FIRST, there))
    process.start()
    try:
        assert here.poll(_START_S)
        assert here.recv() == "held"
        yield process
    finally:
        if process.is_alive():
            here.send("enough")
        process.join(_START_S)


def plain(place: StateFolder) -> StateFolder:
    """A place without keys, which go to no other process."""
    return replace(place, remembered=None)


def test_one_night_at_a_time_over_all_processes(place: StateFolder) -> None:
    with held_elsewhere(plain(place)):
        with pytest.raises(LockedError) as caught, night_lease(place, SECOND):
            pass
        assert FIRST.text in caught.value.message
        assert caught.value.hint
    with night_lease(place, SECOND) as lease:
        assert lease.before is None


def test_what_a_killed_process_had_is_free_and_it_is_said_who_that_was(place: StateFolder) -> None:
    with held_elsewhere(plain(place)) as process:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(_START_S)
    for _ in range(_START_S * 10):  # a server takes a moment to see that a connection is gone
        try:
            with night_lease(place, SECOND) as lease:
                assert lease.before == FIRST
                break
        except LockedError:
            time.sleep(0.1)
    else:
        pytest.fail("the lease of a process that was killed is not free")
    with night_lease(place, FIRST) as lease:
        assert lease.before is None


def test_nights_of_two_inventories_do_not_wait_for_each_other(place: StateFolder) -> None:
    file = place.file.parent.parent / "other/state.db" if place.file else None
    other = replace(place, inventory="other", file=file)
    with night_lease(place, FIRST), night_lease(other, SECOND) as lease:
        assert lease.before is None


def test_a_run_has_one_process_and_other_runs_do_not_wait(place: StateFolder) -> None:
    with run_lease(place, "2021-1", FIRST), run_lease(place, "2021-2", SECOND):
        with pytest.raises(LockedError) as caught, run_lease(place, "2021-1", SECOND):
            pass
        assert caught.value.message.startswith(f"run 2021-1 is being carried out, by {FIRST.text}")
    with run_lease(place, "2021-1", SECOND) as lease:
        assert lease.before is None


def test_a_run_whose_place_fails_ends_as_it_would_and_knows_that_its_lease_is_gone(place: StateFolder) -> None:
    with run_lease(place, "2021-1", FIRST) as lease:
        assert lease.is_held()
        if place.file:
            file = place.file.parent / "run-2021-1.lease"
            file.unlink()
            file.mkdir()
        else:
            database = open_database(place, create=False)
            assert database is not None
            with closing(database), database.writing() as connection:
                cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                connection.execute(text(cut + " AND pid <> pg_backend_pid()"))
            assert [lease.is_held(), lease.is_held()] == [False, False]
            with run_lease(place, "2021-1", SECOND):
                pass


@LOCAL_USER
def test_a_holders_text_is_one_printable_line(place: StateFolder) -> None:
    hostile = LeaseHolder("noc\x1b[2J\n\u202e@one" + "x" * 300, "\r11", "now")
    with run_lease(place, "2021-1", hostile):
        with pytest.raises(LockedError) as caught, run_lease(place, "2021-1", SECOND):
            pass
        assert caught.value.message.isprintable()
        assert len(caught.value.message) < 500


def test_a_failure_inside_gives_the_lease_back(place: StateFolder) -> None:
    def fail() -> None:
        with night_lease(place, FIRST):
            raise RuntimeError("a step")

    with pytest.raises(RuntimeError, match="a step"):
        fail()
    with night_lease(place, SECOND) as lease:
        assert lease.before is None


# --- what receivers were told ---------------------------------------------------------------------
def test_a_notice_replaces_the_one_before_and_no_other_receivers(sealed: StateFolder) -> None:
    assert read_notices(sealed, ["noc"]) == ReadNotices()
    for number in range(3):
        keep_notice(sealed, "noc", {"number": number}, make.START)
    keep_notice(sealed, "dic", {"đêm": "mất hình"}, make.START)
    read = read_notices(sealed, ["noc", "dic", "nobody"])
    assert read == ReadNotices({"noc": {"number": 2}, "dic": {"đêm": "mất hình"}})
    assert read_notices(replace(sealed, inventory="other"), ["noc"]) == ReadNotices()


def test_a_record_of_before_gets_its_table_when_it_is_needed(sealed: StateFolder) -> None:
    open_history(sealed).close()
    database = open_database(sealed, create=False)
    assert database is not None
    with closing(database), database.writing() as connection:
        connection.execute(text("DROP TABLE provisioner_notices"))
        connection.execute(text("DROP TABLE provisioner_migrations"))
        connection.execute(text("DROP TABLE provisioner_host_epochs"))
    assert read_notices(sealed, ["noc"]) == ReadNotices()
    keep_notice(sealed, "noc", {"a": 1}, make.START)
    assert read_notices(sealed, ["noc"]).documents == {"noc": {"a": 1}}


@LOCAL_USER
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE provisioner_notices SET packed = packed || packed",
        "UPDATE provisioner_notices SET seal = ''",
        "UPDATE provisioner_notices SET receiver = 'other' WHERE receiver = 'noc'",
    ],
)
def test_what_somebody_else_wrote_is_nothing(sealed: StateFolder, change: str) -> None:
    keep_notice(sealed, "noc", {"a": 1}, make.START)
    database = open_database(sealed, create=False)
    assert database is not None
    with closing(database), database.writing() as connection:
        connection.execute(text(change))
    read = read_notices(sealed, ["noc", "other"])
    assert read.documents == {}
    assert len(read.unread) == 1
