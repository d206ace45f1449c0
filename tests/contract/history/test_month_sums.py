"""Histories with sums of months, as earlier versions left them: one suite for every database."""

import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from provisioner.base.secret import Secret
from provisioner.base.text import VIETNAM
from provisioner.operations.questions.availability import AvailabilityRequest, availability_of
from provisioner.record.availability.measured import GroupedBy, Measured, Span
from provisioner.record.availability.path_state import StoredVerdict, SweptPaths
from provisioner.record.database import REVISION, open_database, revision_of
from provisioner.record.entries import Cut, Ending, Operation
from provisioner.record.retention import prune
from provisioner.record.state_folder import VARIABLE, StateFolder, record_keys, state_folder_of
from provisioner.record.store import open_history
from tests import histories as make
from tests.hostile import LOCAL_USER

pytestmark = pytest.mark.contract
SETTINGS = Path(__file__).parents[3] / "inventories/example/inventory.yml"
ONE, TWO, FAR = "bac-giang/kcl-001/cam-01/sub", "bac-giang/kcl-002/cam-01/sub", "hai-duong/kcl-003/cam-01/sub"
UP, DAY = StoredVerdict("up", level=7), timedelta(days=1)
APRIL = datetime(2021, 4, 1, tzinfo=VIETNAM)
SPRING = Span(APRIL, datetime(2021, 6, 1, tzinfo=VIETNAM))
HOUR = 3_600_000_000
WHOLE = 61 * 24 * HOUR
# In the stored nights ONE was up in April and down in May, the others up; the version that made sums said the same.
ANSWER = {
    "kcl-001": Measured(up=76 * HOUR, down=74 * HOUR, unmeasured=WHOLE - 150 * HOUR, outages=3),
    "kcl-002": Measured(up=150 * HOUR, unmeasured=WHOLE - 150 * HOUR),
    "kcl-003": Measured(up=150 * HOUR, unmeasured=WHOLE - 150 * HOUR),
}
OF_ANOTHER = "(SELECT s.packed FROM provisioner_month_sums s WHERE s.province = 'hai-duong' ORDER BY s.begin LIMIT 1)"
CHANGES = {
    "none": "DELETE FROM provisioner_month_sums",
    "no table": "DROP TABLE provisioner_month_sums",
    "sums of another": f"UPDATE provisioner_month_sums SET packed = {OF_ANOTHER}",  # noqa: S608 (words of this file)
    "other numbers": "UPDATE provisioner_month_sums SET rows = 7, newest = 1, until = until + 1",
    "another province": "UPDATE provisioner_month_sums SET province = 'ha-noi' WHERE province = 'hai-duong'",
    "no seals": "UPDATE provisioner_month_sums SET seal = '', of = 'x'",
}


@dataclass(frozen=True)
class Kept:
    """A stored history of two months, whose sums may have been changed."""

    place: StateFolder
    environment: Mapping[str, str]
    root: Path

    def execute(self, statement: str) -> object:
        database = open_database(self.place, create=False)
        assert database is not None
        with closing(database), database.writing() as connection:
            result = connection.execute(text(statement))
            return result.all() if result.returns_rows else None

    def sums(self) -> object:
        columns = "inventory, province, until, since, newest, seal"
        return self.execute(f"SELECT {columns} FROM provisioner_month_sums ORDER BY until, province")  # noqa: S608

    def answer(self, span: Span = SPRING) -> dict[str, Measured]:
        report = availability_of(self.root, self.environment, AvailabilityRequest(span, span.until, GroupedBy.FACILITY))
        assert report.damaged == ()
        return {row.name: row.measured for row in report.rows}

    def record(self, number: int, at: datetime) -> None:
        seen = dict.fromkeys((ONE, TWO, FAR), UP)
        with closing(open_history(self.place)) as history:
            history.end(make.run(number), Ending(at, "up", swept=SweptPaths(seen, dict.fromkeys(seen, "viettel"))))

    def faults(self, place: StateFolder | None = None) -> list[str]:
        with closing(open_history(place or self.place)) as history:
            return [fault.message for fault in history.verify_chain().faults]


@pytest.fixture
def kept(place: StateFolder, tmp_path: Path) -> Kept:
    environment = {VARIABLE: str(tmp_path / "state") if place.file else place.url}
    root = tmp_path / "example"
    root.mkdir()
    shutil.copy(SETTINGS, root)
    own = replace(state_folder_of(environment, "example"), keys=record_keys(Secret("a" * 64), {}, "example"))
    make.restore(own, "summed-")
    return Kept(own, environment, root)


def test_a_stored_history_has_sums_of_each_month_and_is_of_this_revision(kept: Kept) -> None:
    assert kept.execute("SELECT province, count(*) FROM provisioner_month_sums GROUP BY 1 ORDER BY 1") == [
        ("bac-giang", 2),
        ("hai-duong", 2),
    ]
    database = open_database(kept.place, create=False)
    assert database is not None
    with closing(database), database.reading() as connection:
        assert revision_of(connection) == REVISION


@LOCAL_USER
@pytest.mark.parametrize("change", CHANGES)
def test_no_answer_and_no_check_depends_on_sums(kept: Kept, change: str) -> None:
    assert kept.answer() == ANSWER
    kept.execute(CHANGES[change])
    assert kept.answer() == ANSWER
    assert kept.faults() == []
    assert kept.faults(replace(kept.place, keys=record_keys(None, {}, "example"))) == []


def test_what_is_recorded_or_leaves_later_changes_no_sums(kept: Kept) -> None:
    before = kept.sums()
    kept.record(7, APRIL + 60 * DAY + timedelta(hours=14))
    assert kept.answer() == ANSWER | {"kcl-001": replace(ANSWER["kcl-001"], up=86 * HOUR, down=64 * HOUR)}
    prune(kept.place, make.run(90, Operation.PRUNE), SPRING.until + DAY, Cut(verdicts=APRIL + 20 * DAY))
    assert (kept.faults(), kept.sums()) == ([], before)


def test_verdicts_leave_a_history_without_the_table(kept: Kept) -> None:
    kept.execute(CHANGES["no table"])
    prune(kept.place, make.run(90, Operation.PRUNE), SPRING.until + DAY, Cut(verdicts=APRIL + 20 * DAY))
    assert kept.faults() == []


def test_a_time_whose_verdicts_left_is_not_measured_however_much_was_summed(kept: Kept) -> None:
    prune(kept.place, make.run(90, Operation.PRUNE), SPRING.until + DAY, Cut(verdicts=SPRING.until - 31 * DAY))
    april, may = Span(APRIL, SPRING.until - 31 * DAY), Span(SPRING.until - 31 * DAY, SPRING.until)
    assert kept.answer(april) == {}
    assert kept.answer(may)["kcl-001"].down == 74 * HOUR


def test_a_new_history_gets_the_table_of_earlier_versions_and_no_rows(place: StateFolder, tmp_path: Path) -> None:
    new = Kept(place, {}, tmp_path)
    for number in range(3):
        new.record(number, APRIL + 40 * number * DAY)
    assert new.sums() == []
