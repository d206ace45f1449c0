"""What people accepted is added, sealed, and apart by inventory: one suite for every database."""

from dataclasses import replace

import pytest

from provisioner.record.path_memory import add_references, read_references
from provisioner.record.state_folder import StateFolder
from provisioner.record.store import find_history, open_history
from tests import histories as make
from tests.histories import tamper
from tests.hostile import LOCAL_USER

pytestmark = pytest.mark.contract
ONE, TWO = "bac-giang/kcl-001/cam-01/sub", "bac-giang/kcl-002/cam-01/sub"


def test_the_newest_of_a_path_holds_and_the_older_stay(sealed: StateFolder) -> None:
    add_references(sealed, {ONE: {"is": 1}, TWO: {"is": 2}}, make.START)
    add_references(sealed, {ONE: {"is": 3}}, make.START)
    read = read_references(sealed, [ONE, TWO, "bac-giang/kcl-003/cam-01/sub"])
    assert (read.documents, read.unread) == ({ONE: {"is": 3}, TWO: {"is": 2}}, ())
    assert read_references(sealed, [TWO]).documents == {TWO: {"is": 2}}
    tamper(sealed, "DELETE FROM provisioner_view_references WHERE number = 3")
    assert read_references(sealed, [ONE]).documents == {ONE: {"is": 1}}


def test_nothing_is_made_to_read(place: StateFolder) -> None:
    assert read_references(place, [ONE]).documents == {}
    assert find_history(place) is None


def test_a_database_of_before_has_no_references_until_one_is_accepted(sealed: StateFolder) -> None:
    open_history(sealed).close()
    tamper(sealed, "DROP TABLE provisioner_view_references")
    tamper(sealed, "DROP TABLE provisioner_migrations")
    tamper(sealed, "DROP TABLE provisioner_host_epochs")
    assert read_references(sealed, [ONE]).documents == {}
    add_references(sealed, {ONE: {"is": 1}}, make.START)
    assert read_references(sealed, [ONE]).documents == {ONE: {"is": 1}}


def test_inventories_share_a_database_and_no_reference(sealed: StateFolder) -> None:
    add_references(sealed, {ONE: {"is": 1}}, make.START)
    other = replace(sealed, inventory="another")
    assert read_references(other, [ONE]).documents == {}
    add_references(other, {ONE: {"is": 2}}, make.START)
    assert read_references(sealed, [ONE]).documents == {ONE: {"is": 1}}


@LOCAL_USER
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE provisioner_view_references SET content = '{}' WHERE path = :one",
        "UPDATE provisioner_view_references SET content = '[' WHERE path = :one",
        "UPDATE provisioner_view_references SET seal = '' WHERE path = :one",
        "UPDATE provisioner_view_references SET number = 9 WHERE path = :one",
        "UPDATE provisioner_view_references SET path = :one, number = 10 WHERE path = :two",
    ],
)
def test_a_row_that_somebody_else_wrote_is_no_reference(sealed: StateFolder, statement: str) -> None:
    add_references(sealed, {ONE: {"is": 1}, TWO: {"is": 2}}, make.START)
    tamper(sealed, statement, {"one": ONE, "two": TWO} if ":two" in statement else {"one": ONE})
    read = read_references(sealed, [ONE])
    assert (read.documents, read.unread) == ({}, (ONE,))


def test_many_paths_are_read_and_written_at_once(sealed: StateFolder) -> None:
    many = {f"bac-giang/kcl-{number:05}/cam-01/sub": {"is": number} for number in range(1_500)}
    add_references(sealed, many, make.START)
    assert read_references(sealed, many).documents == many
    assert len(read_references(sealed, list(many)[:900]).documents) == 900
