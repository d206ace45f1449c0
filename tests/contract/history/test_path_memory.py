"""What is remembered of paths is replaced, sealed, and apart by inventory: one suite for every database."""

import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.base.text import Document
from provisioner.record.path_memory import FORGOTTEN_AFTER, remember_paths
from provisioner.record.state_folder import StateFolder
from provisioner.record.store import find_history, open_history
from tests import histories as make
from tests.histories import read_memories, tamper
from tests.hostile import LOCAL_USER

pytestmark = pytest.mark.contract
ONE, TWO = "bac-giang/kcl-001/cam-01/sub", "bac-giang/kcl-002/cam-01/sub"


def counted(_path: str, known: Document | None) -> Document:
    """A memory that counts how often it was changed."""
    return {"times": (known or {"times": 0})["times"] + 1}


def memories(place: StateFolder, paths: list[str]) -> dict[str, Document | None]:
    read = read_memories(place, paths)
    assert read is not None
    return read


def remember(place: StateFolder, *paths: str) -> None:
    remember_paths(place, paths, counted, make.START)


def remember_often(place: StateFolder, times: int) -> None:
    for _ in range(times):
        remember(place, ONE)


def test_what_is_remembered_is_replaced(sealed: StateFolder) -> None:
    remember(sealed, ONE)
    remember(sealed, ONE, TWO)
    read = memories(sealed, [ONE, TWO, "bac-giang/kcl-003/cam-01/sub"])
    assert read == {ONE: {"times": 2}, TWO: {"times": 1}}
    assert memories(sealed, [TWO]) == {TWO: {"times": 1}}


def test_nothing_is_made_to_read(place: StateFolder) -> None:
    assert read_memories(place, [ONE]) is None
    assert find_history(place) is None


def test_a_database_of_before_has_no_memories_until_one_is_written(sealed: StateFolder) -> None:
    open_history(sealed).close()
    tamper(sealed, "DROP TABLE provisioner_path_memories")
    tamper(sealed, "DROP TABLE provisioner_migrations")
    tamper(sealed, "DROP TABLE provisioner_host_epochs")
    assert memories(sealed, [ONE]) == {}
    remember(sealed, ONE)
    assert memories(sealed, [ONE]) == {ONE: {"times": 1}}


def test_inventories_share_a_database_and_no_memory(sealed: StateFolder) -> None:
    remember(sealed, ONE)
    other = replace(sealed, inventory="another")
    assert memories(other, [ONE]) == {}
    remember(other, ONE)
    remember(other, ONE)
    assert memories(sealed, [ONE]) == {ONE: {"times": 1}}


def test_a_change_that_fails_changes_nothing(sealed: StateFolder) -> None:
    remember(sealed, ONE)

    def broken(path: str, known: Document | None) -> Document:
        if path == TWO:
            raise KeyError(path)
        return counted(path, known)

    with pytest.raises(KeyError):
        remember_paths(sealed, [ONE, TWO], broken, make.START)
    assert memories(sealed, [ONE, TWO]) == {ONE: {"times": 1}}


def test_writers_beside_each_other_lose_nothing(sealed: StateFolder) -> None:
    remember(sealed, ONE)
    writers = [threading.Thread(target=remember_often, args=(sealed, 5)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert memories(sealed, [ONE]) == {ONE: {"times": 21}}


OF_ANOTHER_PATH = (
    "UPDATE provisioner_path_memories SET (content, seal) ="
    " (SELECT content, seal FROM provisioner_path_memories WHERE path = :two) WHERE path = :one"
)


@LOCAL_USER
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE provisioner_path_memories SET content = '{}' WHERE path = :one",
        "UPDATE provisioner_path_memories SET content = '[' WHERE path = :one",
        "UPDATE provisioner_path_memories SET seal = '' WHERE path = :one",
        "UPDATE provisioner_path_memories SET seal = 'hmac-sha256:x:y' WHERE path = :one",
        OF_ANOTHER_PATH,
    ],
)
def test_a_row_that_somebody_else_wrote_is_no_memory(sealed: StateFolder, statement: str) -> None:
    remember(sealed, ONE, TWO)
    tamper(sealed, statement, {"one": ONE, "two": TWO} if ":two" in statement else {"one": ONE})
    read = memories(sealed, [ONE, TWO])
    assert read == {ONE: None, TWO: {"times": 1}}
    remember(sealed, ONE)
    assert None not in memories(sealed, [ONE, TWO]).values()


def test_the_chain_says_nothing_of_memories(sealed: StateFolder) -> None:
    with closing(open_history(sealed)) as history:
        history.end(make.run(), make.ending())
        remember(sealed, ONE)
        assert history.verify_chain().faults == ()


def test_paths_that_nobody_looks_at_any_more_are_forgotten(sealed: StateFolder) -> None:
    remember(sealed, ONE)
    remember_paths(sealed, [TWO], counted, make.START + FORGOTTEN_AFTER + timedelta(seconds=1))
    assert set(memories(sealed, [ONE, TWO])) == {TWO}


def test_many_paths_are_read_and_written_at_once(sealed: StateFolder) -> None:
    many = [f"bac-giang/kcl-{number:05}/cam-01/sub" for number in range(2_500)]
    remember(sealed, *many)
    assert len(memories(sealed, many)) == len(many)
    assert len(memories(sealed, many[:1_001])) == 1_001
