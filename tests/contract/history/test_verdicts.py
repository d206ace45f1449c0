"""What runs saw of paths is kept, sealed, proved by the chain, and apart by inventory: one suite for every database."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from provisioner.base.errors import StateError
from provisioner.record.availability.measured import Span, total_of
from provisioner.record.availability.path_state import StoredVerdict, SweptPaths
from provisioner.record.state_folder import StateFolder, record_keys
from provisioner.record.store import find_history, open_history
from provisioner.record.verdicts import read_availability, read_nights, read_since
from tests import histories as make
from tests.histories import faults, record_verdicts, tamper
from tests.hostile import LOCAL_USER

pytestmark = pytest.mark.contract
ONE, TWO, FAR = "bac-giang/kcl-001/cam-01/sub", "bac-giang/kcl-002/cam-01/sub", "hai-duong/kcl-003/cam-01/sub"
UP, DOWN = StoredVerdict("up", level=7), StoredVerdict("down", "camera unplugged", 2)
DAY = timedelta(days=1)
ALL_UP = {ONE: UP, TWO: UP, FAR: UP}
WEEK = Span(make.START, make.START + 7 * DAY)


def night(number: int) -> datetime:
    return make.START + number * DAY


def record(place: StateFolder, number: int, kept: Mapping[str, StoredVerdict], *, whole: bool = True) -> None:
    carriers = dict.fromkeys(kept, "viettel")
    record_verdicts(place, f"run-{number}", night(number), kept, carriers, whole=whole)


def story(place: StateFolder) -> None:
    """A week in which one camera goes down in the third night and stays so."""
    for number in range(7):
        record(place, number, ALL_UP | ({ONE: DOWN} if number >= 2 else {}))


def test_since_when_and_how_often(sealed: StateFolder) -> None:
    story(sealed)
    said = read_since(sealed)
    assert set(said) == set(ALL_UP)
    assert (said[ONE].verdict, said[ONE].cause, said[ONE].level) == ("down", "camera unplugged", 2)
    assert (said[ONE].since, said[ONE].looks, said[ONE].last_up) == (night(2), 5, night(1))
    assert (said[FAR].since, said[FAR].looks) == (night(0), 7)
    assert said.carriers[ONE] == "viettel"
    assert (said.damaged, said.unproved) == ((), 0)
    assert read_since(sealed, as_of=night(2) - timedelta(seconds=1))[ONE].verdict == "up"
    assert set(read_since(sealed, "bac-giang/")) == {ONE, TWO}
    assert set(read_since(sealed, "bac-giang/kcl-001/")) == {ONE}
    assert set(read_since(sealed, "bac-giang/kcl-00")) == {ONE, TWO}
    assert set(read_since(sealed, "hai")) == {FAR}
    assert set(read_since(sealed, "nowhere/")) == set()


def test_shares_of_time_and_nights(sealed: StateFolder) -> None:
    story(sealed)
    by_path = read_availability(sealed, "bac-giang/", WEEK)
    assert (by_path[ONE].up, by_path[ONE].down) == (2 * 86_400_000_000, 5 * 86_400_000_000)
    assert by_path[TWO].available == 1
    assert total_of(by_path.values()).available == pytest.approx(9 / 14)
    strip = read_nights(sealed, "", date(2021, 5, 15), 9)[ONE]
    assert [one.verdict for one in strip] == ["", *["up"] * 2, *["down"] * 5, ""]


def test_a_gap_of_measurement_is_not_up(sealed: StateFolder) -> None:
    record(sealed, 0, ALL_UP)
    record(sealed, 5, ALL_UP)
    one = read_availability(sealed, "", WEEK)[ONE]
    assert (one.up, one.unmeasured) == (2 * 26 * 3_600_000_000, 7 * 86_400_000_000 - 2 * 26 * 3_600_000_000)


def test_a_limit_says_nothing_of_what_it_left_out(sealed: StateFolder) -> None:
    record(sealed, 0, ALL_UP)
    record(sealed, 1, {ONE: DOWN}, whole=False)
    said = read_since(sealed)
    assert (said[ONE].verdict, said[TWO].verdict, said[FAR].verdict) == ("down", "up", "up")
    new = "bac-giang/kcl-009/cam-01/sub"
    record(sealed, 2, {new: UP}, whole=False)
    assert set(read_since(sealed)) == {*ALL_UP, new}
    assert faults(sealed) == []


def test_runs_may_be_recorded_in_any_order(sealed: StateFolder) -> None:
    other = replace(sealed, inventory="other")
    for number in (0, 1, 2, 3):
        record(sealed, number, ALL_UP | ({ONE: DOWN} if number == 1 else {}))
    for number in (3, 0, 2, 1):
        record(other, number, ALL_UP | ({ONE: DOWN} if number == 1 else {}))
    assert dict(read_since(other)) == dict(read_since(sealed))
    assert dict(read_availability(other, "", WEEK)) == dict(read_availability(sealed, "", WEEK))


def test_a_cause_of_that_day_keeps_its_words(sealed: StateFolder) -> None:
    record(sealed, 0, {ONE: StoredVerdict("down", "a word of 2021")})
    record(sealed, 1, {ONE: DOWN})
    assert read_since(sealed, as_of=night(0))[ONE].cause == "a word of 2021"
    assert read_since(sealed)[ONE].cause == "camera unplugged"


def test_nothing_is_made_to_read_and_a_database_of_before_has_none(place: StateFolder) -> None:
    assert dict(read_since(place)) == {}
    assert find_history(place) is None
    open_history(place).close()
    tamper(place, "DROP TABLE provisioner_verdicts")
    tamper(place, "DROP TABLE provisioner_migrations")
    tamper(place, "DROP TABLE provisioner_host_epochs")
    assert dict(read_since(place)) == {}
    assert faults(place) == []
    record(place, 0, ALL_UP)
    assert set(read_since(place)) == set(ALL_UP)


def test_inventories_share_a_database_and_no_verdict(sealed: StateFolder) -> None:
    story(sealed)
    assert dict(read_since(replace(sealed, inventory="another"))) == {}


def test_what_is_kept_is_kept_with_the_run_or_not_at_all(sealed: StateFolder) -> None:
    record(sealed, 0, ALL_UP)
    with closing(open_history(sealed)) as history, pytest.raises(StateError):
        history.end(make.run(0, id="run-0"), make.ending(0, swept=SweptPaths({ONE: DOWN})))
    assert read_since(sealed)[ONE].verdict == "up"
    with closing(open_history(sealed)) as history, pytest.raises(ValueError, match="has a verdict"):
        history.end(make.run(1), make.ending(1, swept=SweptPaths({ONE: StoredVerdict("wonderful")})))
    assert faults(sealed) == []
    with closing(open_history(sealed)) as history:
        assert [recorded.run.id for recorded in history.runs()] == ["run-0"]


MARKS_OF_THE_FIRST = (
    "UPDATE provisioner_verdicts SET marks = (SELECT marks FROM provisioner_verdicts"
    " WHERE number = 1 AND province = 'bac-giang') WHERE number = 3 AND province = 'bac-giang'"
)
SEAL_OF_ANOTHER = (
    "UPDATE provisioner_verdicts SET seal = (SELECT seal FROM provisioner_verdicts"
    " WHERE number = 1 AND province = 'hai-duong') WHERE number = 3"
)
CHANGES = {
    "marks of another night": (MARKS_OF_THE_FIRST, {}),
    "no marks": ("UPDATE provisioner_verdicts SET marks = :junk WHERE number = 3", {"junk": b"junk"}),
    "no causes": ("UPDATE provisioner_verdicts SET causes = :junk WHERE number = 3", {"junk": b""}),
    "a list that is not there": ("UPDATE provisioner_verdicts SET paths = 'sha256:0' WHERE number = 3", {}),
    "another run": ("UPDATE provisioner_verdicts SET run = 'run-7' WHERE number = 3", {}),
    "a false seal": (SEAL_OF_ANOTHER, {}),
}


@LOCAL_USER
@pytest.mark.parametrize("change", CHANGES)
def test_a_row_that_was_changed_is_named_and_hides_no_other(sealed: StateFolder, change: str) -> None:
    story(sealed)
    tamper(sealed, *CHANGES[change])
    said = read_since(sealed)
    assert "bac-giang, entry 3" in said.damaged
    assert (said[ONE].verdict, said[ONE].since, said[ONE].looks) == ("down", night(3), 4)
    assert read_nights(sealed, "", date(2021, 5, 11), 3)[ONE][1].verdict == "unknown"
    one = read_availability(sealed, "", WEEK)[ONE]
    assert (one.up, one.down, one.unmeasured) == (2 * 86_400_000_000, 4 * 86_400_000_000, 86_400_000_000)
    assert faults(sealed) != []


@LOCAL_USER
def test_a_list_that_was_changed_damages_the_rows_that_name_it(sealed: StateFolder) -> None:
    story(sealed)
    tamper(sealed, "UPDATE provisioner_path_lists SET packed = :junk", {"junk": b"junk"})
    said = read_since(sealed)
    assert (dict(said), len(said.damaged)) == ({}, 14)
    assert len(faults(sealed)) == 7


@LOCAL_USER
def test_a_row_that_was_taken_away_or_made_up_is_a_fault_of_the_chain(sealed: StateFolder) -> None:
    story(sealed)
    tamper(sealed, "DELETE FROM provisioner_verdicts WHERE number = 3 AND province = 'hai-duong'")
    assert faults(sealed) == ["what it kept of paths is missing or was changed"]
    tamper(sealed, "UPDATE provisioner_verdicts SET number = 99 WHERE number = 4")
    assert any("verdicts on paths that are no ended run's (99)" in fault for fault in faults(sealed))


@LOCAL_USER
def test_a_row_without_the_vaults_seal_is_counted(sealed: StateFolder) -> None:
    story(sealed)
    tamper(sealed, "UPDATE provisioner_verdicts SET seal = '' WHERE number = 3")
    said = read_since(sealed)
    assert (said.unproved, said.damaged) == (2, ())
    assert faults(sealed) == ["a seal of what it kept of paths is not by the key of the entry"]
    assert read_since(replace(sealed, keys=record_keys(None, {}, "test"))).unproved == 0
