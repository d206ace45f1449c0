"""Months that are over are summed once, are taken for what they are, and made again: one suite for every database."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from provisioner.base.secret import Secret
from provisioner.base.text import VIETNAM
from provisioner.record.availability.measured import GroupedBy, GroupTimes, Span, group_times
from provisioner.record.availability.months import cell_groups
from provisioner.record.availability.verdict_table import KeptVerdict, SweptPaths
from provisioner.record.database import open_database
from provisioner.record.entries import Cut, Ending, Operation, Run
from provisioner.record.month_sums import keep_month_sums, read_summed
from provisioner.record.place import StatePlace
from provisioner.record.retention import prune
from provisioner.record.seal import record_keys
from provisioner.record.store import find_history, open_history
from provisioner.record.verdicts import read_span
from tests import histories as make
from tests.hostile import LOCAL_USER

pytestmark = pytest.mark.contract
ONE, TWO, FAR = "bac-giang/kcl-001/cam-01/sub", "bac-giang/kcl-002/cam-01/sub", "hai-duong/kcl-003/cam-01/sub"
UP, DOWN = KeptVerdict("up", level=7), KeptVerdict("down", "camera unplugged", 2)
LONGEST, DAY = timedelta(hours=26), timedelta(days=1)
APRIL = datetime(2021, 4, 1, tzinfo=VIETNAM)
SPRING = Span(APRIL, datetime(2021, 6, 1, tzinfo=VIETNAM))
NIGHTS = (0, 5, 10, 15, 20, 25, 29, 30, 35, 40, 45, 50, 55, 60)
MAY = Span(datetime(2021, 5, 1, tzinfo=VIETNAM), SPRING.until)
LATER = datetime(2021, 6, 2, tzinfo=VIETNAM)


@pytest.fixture
def sealed(place: StatePlace) -> StatePlace:
    """Two months with some nights, sealed by an open vault; a camera is down in those of May."""
    sealed = replace(place, keys=record_keys(Secret("a" * 64), {}, place.inventory))
    with closing(open_history(sealed)) as history:
        for number, day in enumerate(NIGHTS, 1):
            at = APRIL + day * DAY + timedelta(hours=2)
            seen = {ONE: DOWN if at.month == 5 else UP, TWO: UP, FAR: UP}
            history.end(make.run(number), Ending(at, "", swept=SweptPaths(seen, dict.fromkeys(seen, "viettel"))))
    return sealed


def record(place: StatePlace, at: datetime, seen: Mapping[str, KeptVerdict], carrier: str = "viettel") -> None:
    run = Run(f"late-{at:%m-%dT%H}", Operation.VERIFY, at, "", "", {}, "")
    with closing(open_history(place)) as history:
        history.end(run, Ending(at, "", swept=SweptPaths(seen, dict.fromkeys(seen, carrier))))


def summed(place: StatePlace, span: Span = SPRING) -> dict[str, dict[str, GroupTimes]]:
    """By province that sums can tell of, what they tell of its facilities."""
    known = read_summed(place, span, LONGEST)
    of = known.provinces if known else {}
    return {name: cell_groups(GroupedBy.FACILITY, one.paths, one.times, span) for name, one in of.items()}


def by_rows(place: StatePlace, span: Span = SPRING) -> dict[str, dict[str, GroupTimes]]:
    tables = read_span(place, "", span, LONGEST).tables
    return {name: group_times(GroupedBy.FACILITY, [table], span, LONGEST) for name, table in tables.items()}


def keep(place: StatePlace, now: datetime = LATER) -> int:
    return keep_month_sums(place, LONGEST, now)


def tamper(place: StatePlace, statement: str) -> None:
    database = open_database(place, create=False)
    assert database is not None
    with closing(database), database.writing() as connection:
        connection.execute(text(statement))


def update(place: StatePlace, table: str, change: str, where: str) -> None:
    tamper(place, f"UPDATE provisioner_{table} SET {change} WHERE {where}")  # noqa: S608 (words of this file)


def faults(place: StatePlace) -> list[str]:
    history = find_history(place)
    assert history is not None
    with closing(history):
        return [fault.message for fault in history.verify_chain().faults]


def test_months_that_are_over_are_summed_once(sealed: StatePlace) -> None:
    assert summed(sealed) == {}
    assert keep(sealed, SPRING.until - timedelta(seconds=1)) == 2
    assert keep(sealed, SPRING.until) == 2
    assert keep(sealed) == 0
    assert summed(sealed) == by_rows(sealed)
    assert summed(sealed)["bac-giang"]["kcl-001"].measured.down_s == (6 * 26 + 22) * 3600
    assert faults(sealed) == []


def test_the_newest_months_come_first_and_the_rest_with_the_next(sealed: StatePlace) -> None:
    assert keep_month_sums(sealed, LONGEST, LATER, at_once=2) == 2
    assert set(summed(sealed)) == {"bac-giang", "hai-duong"}  # half of it is read row by row
    assert summed(sealed, MAY) == by_rows(sealed, MAY)
    assert keep_month_sums(sealed, LONGEST, LATER, at_once=3) == 2


def test_a_span_may_begin_and_end_amid_a_month(sealed: StatePlace) -> None:
    keep(sealed)
    span = Span(APRIL - timedelta(days=9, hours=5), SPRING.until - timedelta(days=11, minutes=1))
    assert set(summed(sealed, span)) == {"bac-giang", "hai-duong"}
    assert summed(sealed, span) == by_rows(sealed, span)
    inside = Span(APRIL + DAY, APRIL + 20 * DAY)
    assert read_summed(sealed, inside, LONGEST) is None


def test_what_is_recorded_late_or_leaves_is_counted_anew(sealed: StatePlace) -> None:
    keep(sealed)
    record(sealed, APRIL + timedelta(days=4, hours=9), {ONE: DOWN, TWO: UP})
    assert set(summed(sealed)) == {"hai-duong"}
    assert summed(sealed)["hai-duong"] == by_rows(sealed)["hai-duong"]
    assert keep(sealed) == 1
    assert summed(sealed) == by_rows(sealed)
    prune(sealed, make.run(90, Operation.PRUNE), LATER, Cut(verdicts=APRIL + 9 * DAY))
    assert faults(sealed) == []
    assert summed(sealed) == by_rows(sealed)
    assert keep(sealed) == 2
    assert summed(sealed) == by_rows(sealed)
    prune(sealed, make.run(91, Operation.PRUNE), LATER, Cut(verdicts=LATER))
    assert (keep(sealed), summed(sealed), faults(sealed)) == (0, {}, [])


def test_a_night_that_stands_into_a_month_is_counted_by_it(sealed: StatePlace) -> None:
    keep(sealed)
    tamper(sealed, "DELETE FROM provisioner_verdicts WHERE number = 7 AND province = 'hai-duong'")
    assert set(summed(sealed, MAY)) == {"bac-giang"}


def test_another_longest_time_makes_other_sums(sealed: StatePlace) -> None:
    keep(sealed)
    assert read_summed(sealed, SPRING, timedelta(hours=12)) is None
    assert keep_month_sums(sealed, timedelta(hours=12), LATER) == 4
    assert summed(sealed) == {}


def test_a_path_that_changes_its_carrier_is_read_row_by_row(sealed: StatePlace) -> None:
    record(sealed, APRIL + timedelta(days=40, hours=9), {ONE: UP, TWO: UP}, "vnpt")
    keep(sealed)
    assert set(summed(sealed)) == {"hai-duong"}


def test_a_list_that_grows_is_summed(sealed: StatePlace) -> None:
    more = "bac-giang/kcl-001/cam-09/sub", "bac-giang/kcl-000/cam-01/sub"
    at = APRIL + timedelta(days=40, hours=9)
    with closing(open_history(sealed)) as history:
        seen = dict.fromkeys((ONE, *more), UP)
        swept = SweptPaths(seen, dict.fromkeys(seen, "viettel"), whole=False)
        history.end(make.run(99), Ending(at, "", swept=swept))
    assert keep(sealed) == 4
    assert set(summed(sealed)) == {"bac-giang", "hai-duong"}
    assert summed(sealed) == by_rows(sealed)
    assert summed(sealed)["bac-giang"]["kcl-001"].paths == 2


OF_THE_FIRST = "(SELECT v.marks FROM provisioner_verdicts v WHERE v.number = 1 AND v.province = 'bac-giang')"
CHANGES = {
    "marks of another night": f"marks = {OF_THE_FIRST}",
    "another moment": "at = at + 60000000",
    "another run": "run = 'run-1'",
    "no seal": "seal = ''",
    "another list": "paths = 'sha256:0'",
}
OF_ANOTHER = "(SELECT s.packed FROM provisioner_month_sums s WHERE s.province = 'hai-duong' ORDER BY s.begin LIMIT 1)"
OF_MAY = "province = 'bac-giang' AND begin = (SELECT max(s.begin) FROM provisioner_month_sums s)"


@LOCAL_USER
@pytest.mark.parametrize("change", CHANGES)
def test_a_row_that_was_changed_is_never_hidden_by_sums(sealed: StatePlace, change: str) -> None:
    keep(sealed)
    update(sealed, "verdicts", CHANGES[change], "number = 10 AND province = 'bac-giang'")
    assert set(summed(sealed, MAY)) == {"hai-duong"}
    known = read_summed(sealed, MAY, LONGEST)
    assert known is not None
    assert known.others == ("bac-giang",)
    assert faults(sealed) != []


@LOCAL_USER
@pytest.mark.parametrize(
    "change", ["packed = :other", "seal = ''", "rows = 7", "province = 'ha-noi'", "until = until + 1", "of = 'x'"]
)
def test_sums_that_were_changed_are_not_taken_where_the_vault_is_open_and_made_anew(
    sealed: StatePlace, change: str
) -> None:
    keep(sealed)
    right = summed(sealed)
    update(sealed, "month_sums", change.replace(":other", OF_ANOTHER), OF_MAY)
    assert set(summed(sealed, MAY)) == {"hai-duong"}
    if change.startswith("packed"):
        said = "the sums of bac-giang of 2021-05 were changed: the next verification that is recorded makes them anew"
        assert faults(sealed) == [said]
        assert faults(replace(sealed, keys=record_keys(None, {}, "test"))) == [said]
    assert keep(sealed) == 1
    assert summed(sealed) == right
    assert faults(sealed) == []


@LOCAL_USER
def test_sums_of_a_closed_vault_are_made_again_by_an_open_one(sealed: StatePlace) -> None:
    closed = replace(sealed, keys=record_keys(None, {}, "test"))
    assert keep(closed) == 4
    assert summed(closed) == by_rows(sealed)
    assert summed(sealed) == {}
    assert (keep(sealed), keep(closed)) == (4, 0)
    assert summed(sealed) == by_rows(sealed)


@LOCAL_USER
def test_a_month_with_a_damaged_row_has_no_sums(sealed: StatePlace) -> None:
    tamper(sealed, "UPDATE provisioner_verdicts SET paths = 'sha256:0' WHERE number = 10 AND province = 'bac-giang'")
    assert keep(sealed) == 3
    assert keep(sealed) == 0
    assert set(summed(sealed, MAY)) == {"hai-duong"}


def test_a_database_of_before_gets_them_with_the_next_record(sealed: StatePlace) -> None:
    tamper(sealed, "DROP TABLE provisioner_month_sums")
    tamper(sealed, "DROP TABLE provisioner_migrations")
    tamper(sealed, "DROP TABLE provisioner_host_epochs")
    assert (summed(sealed), keep(sealed), faults(sealed)) == ({}, 0, [])
    record(sealed, SPRING.until, {ONE: UP})
    assert keep(sealed) == 4
    assert set(summed(sealed)) == {"bac-giang", "hai-duong"}


def test_inventories_share_a_database_and_no_sums(sealed: StatePlace) -> None:
    keep(sealed)
    other = replace(sealed, inventory="other")
    assert (keep(other), summed(other)) == (0, {})
    record(other, APRIL + DAY, {ONE: UP})
    assert keep(other) == 1
    assert summed(other) == by_rows(other)
    assert summed(sealed) == by_rows(sealed)
