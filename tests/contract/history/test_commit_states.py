"""What became of commits, and the lease of agents: one suite for every database."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from provisioner.base.errors import LockedError
from provisioner.record.database import open_database
from provisioner.record.leases import LeaseHolder, agent_lease, night_lease
from provisioner.record.sent import MOST, CommitRow, keep_commit_states, reached_last, read_commit_states
from provisioner.record.state_folder import StateFolder
from provisioner.record.tables import commit_states

pytestmark = pytest.mark.contract
AT = datetime(2021, 6, 1, tzinfo=UTC)
ONE = LeaseHolder("noc@one", "11", "2021-05-20 01:30:00 +07:00")
UNSIGNED = "is not signed"
PROOF = "5 of 5 paths up"
REACHED = CommitRow(
    commit="a" * 40, state="reached", at=AT, signer="merger", run="run-1", proof=PROOF, stuck=("relay-a",)
)


def test_the_last_word_on_a_commit_counts_and_there_is_one(place: StateFolder) -> None:
    assert read_commit_states(place) == ()
    waiting = CommitRow(commit="b" * 40, state="waiting", at=AT, cause="freeze", reason="until Monday", due=("forge",))
    keep_commit_states(place, [REACHED, waiting])
    keep_commit_states(place, [replace(waiting, state="reached", cause="", reason="", within="c" * 40, due=())])
    rows = {row.commit: row for row in read_commit_states(place)}
    assert rows["a" * 40] == REACHED
    assert (rows["b" * 40].state, rows["b" * 40].within, len(rows)) == ("reached", "c" * 40, 2)
    assert read_commit_states(replace(place, inventory="another")) == ()


def test_what_was_reached_is_known_however_many_are_refused_after_it(place: StateFolder) -> None:
    refused = [
        CommitRow(commit=f"{n:040x}", state="refused", at=AT + timedelta(seconds=n), cause="signature", reason=UNSIGNED)
        for n in range(1, MOST + 20)
    ]
    keep_commit_states(
        place, [REACHED, *refused, replace(refused[0], commit="d" * 40, state="reached", within="e" * 40)]
    )
    rows = read_commit_states(place)
    assert len(rows) == MOST + 1
    assert rows[0] == refused[-1]
    assert reached_last(rows) == REACHED


def test_a_row_that_nobody_of_ours_wrote_is_nothing(place: StateFolder) -> None:
    keep_commit_states(place, [REACHED])
    database = open_database(place, create=False)
    assert database is not None
    with closing(database), database.writing() as connection:
        for number, content in enumerate(("", "[]", "{", '{"stuck": 7, "state": 3}')):
            row = {"inventory": place.inventory, "revision": f"f{number}", "at": AT, "by_itself": False}
            connection.execute(commit_states.insert().values(content=content, **row))
    states = {row.commit: row.state for row in read_commit_states(place)}
    assert states == {"a" * 40: "reached", "f3": "3"}


def test_one_agent_leads_and_nights_go_on_beside_it(place: StateFolder) -> None:
    with agent_lease(place, ONE) as lease, night_lease(place, ONE):
        assert lease.is_held()
        with pytest.raises(LockedError) as caught, agent_lease(place, ONE):
            pass
        assert f"is led already, by {ONE.text}" in caught.value.message
    with agent_lease(place, ONE):
        pass
