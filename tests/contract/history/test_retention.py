"""What is older than a cut leaves, by class, and the chain says so: one suite for every database."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.base.errors import StateError
from provisioner.base.secret import Secret
from provisioner.record.availability.path_state import StoredVerdict, SweptPaths
from provisioner.record.entries import Cut, Operation
from provisioner.record.retention import prune, retention_classes
from provisioner.record.state_folder import StateFolder, record_keys
from provisioner.record.store import open_history
from provisioner.record.tables import DamagedRecordError
from provisioner.record.verdicts import read_since
from tests import histories as make
from tests.histories import faults, record_verdicts, tamper
from tests.hostile import LOCAL_USER

pytestmark = pytest.mark.contract
ONE, TWO = "bac-giang/kcl-001/cam-01/sub", "hai-duong/kcl-003/cam-01/sub"
UP = StoredVerdict("up", level=7)
MIDDLE = make.START + 3 * make.HOUR + timedelta(minutes=30)
EVERYTHING = Cut(MIDDLE, MIDDLE)


@pytest.fixture
def sealed(sealed: StateFolder) -> StateFolder:
    """A record of an apply and five verifications, three of them before the cut, sealed by an open vault."""
    with closing(open_history(sealed)) as history:
        history.begin(make.run(0, Operation.APPLY), ["relay-1"])
        history.end(make.run(0, Operation.APPLY), make.ending(0, outcome="applied", document={"hosts": []}))
        for number in range(1, 6):
            paths = {ONE: UP, TWO: UP} if number < 4 else {ONE: UP}
            checks = (make.check(number=number),)
            ending = make.ending(number, document={"n": number}, checks=checks, swept=SweptPaths(paths))
            history.end(make.run(number), ending)
    return sealed


def leave(place: StateFolder, cut: Cut = EVERYTHING, number: int = 9) -> None:
    prune(place, make.run(number, Operation.PRUNE), make.START + number * make.HOUR, cut)


def documents(place: StateFolder) -> list[int]:
    """The runs whose documents are there."""
    with closing(open_history(place)) as history:
        return [number for number in range(6) if history.document(f"run-{number}") is not None]


def test_what_would_leave_is_counted_and_stays(sealed: StateFolder) -> None:
    of_documents, of_verdicts = retention_classes(sealed, EVERYTHING)
    assert (of_documents.rows, of_documents.leaving) == (5, 3)
    assert (of_verdicts.rows, of_verdicts.leaving) == (8, 6)
    assert 0 < of_verdicts.leaving_size < of_verdicts.size
    assert of_documents.oldest == make.ending(1).finished
    assert [one.leaving for one in retention_classes(sealed, Cut())] == [0, 0]
    assert documents(sealed) == [0, 1, 2, 3, 4, 5]


def test_what_is_older_leaves_and_nothing_is_missed(sealed: StateFolder) -> None:
    with closing(open_history(sealed)) as history:
        evidence = history.evidence()
    leave(sealed)
    assert faults(sealed) == []
    assert documents(sealed) == [0, 4, 5]
    assert [(one.rows, one.leaving) for one in retention_classes(sealed, EVERYTHING)] == [(2, 0), (2, 0)]
    said = read_since(sealed)
    assert (set(said), said[ONE].since, said.damaged) == ({ONE}, make.ending(4).finished, ())
    with closing(open_history(sealed)) as history:
        assert history.evidence() == evidence
        assert [one.run.operation for one in history.runs(limit=1)] == [Operation.PRUNE]
    record_verdicts(sealed, "later", make.START + 10 * make.HOUR, {ONE: UP})
    leave(sealed, Cut(verdicts=MIDDLE + timedelta(days=30)), number=11)
    assert faults(sealed) == []
    assert dict(read_since(sealed)) == {}
    assert documents(sealed) == [0, 4, 5]


def test_the_newest_document_stays_however_old_it_is(sealed: StateFolder) -> None:
    leave(sealed, Cut(documents=make.START + timedelta(days=9)))
    assert documents(sealed) == [0, 5]
    assert faults(sealed) == []


@LOCAL_USER
def test_what_leaves_without_an_entry_is_still_missed(sealed: StateFolder) -> None:
    leave(sealed)
    tamper(sealed, "DELETE FROM provisioner_documents WHERE run = 'run-4'")
    tamper(sealed, "DELETE FROM provisioner_verdicts WHERE number = 7")
    assert faults(sealed) == [
        "its document is missing or was changed",
        "what it kept of paths is missing or was changed",
    ]


@LOCAL_USER
def test_part_of_a_night_that_is_gone_is_missed(sealed: StateFolder) -> None:
    """A cut takes a night whole: one province of it that is gone was taken by somebody."""
    leave(sealed, Cut(verdicts=make.START))
    tamper(sealed, "DELETE FROM provisioner_verdicts WHERE number = 3 AND province = 'hai-duong'")
    assert faults(sealed) == ["what it kept of paths is missing or was changed"]


@LOCAL_USER
def test_an_entry_that_somebody_made_up_lets_nothing_leave(sealed: StateFolder) -> None:
    forged = replace(sealed, keys=record_keys(Secret("b" * 64), {}, sealed.inventory))
    tamper(sealed, "DELETE FROM provisioner_documents WHERE run = 'run-1'")
    with closing(open_history(forged)) as history:
        history.end(make.run(9, Operation.PRUNE), make.ending(9, outcome="pruned", cut=EVERYTHING))
    assert any("by another key than the vault's" in fault for fault in faults(sealed))


@LOCAL_USER
def test_nothing_leaves_a_damaged_history(sealed: StateFolder) -> None:
    tamper(sealed, "UPDATE provisioner_checks SET proved = 0")
    before = retention_classes(sealed, EVERYTHING)
    with pytest.raises(DamagedRecordError, match="no record is deleted"):
        leave(sealed)
    assert retention_classes(sealed, EVERYTHING) == before


def test_programs_from_before_refuse_it(sealed: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(sealed)
    monkeypatch.setattr("provisioner.record.database.PRUNED_SCHEMA", 1)
    with pytest.raises(StateError, match="of another version") as raised:
        read_since(sealed)
    assert raised.value.exit_code == 13


def test_a_place_without_a_history_holds_nothing(place: StateFolder) -> None:
    assert retention_classes(place, EVERYTHING) == ()
