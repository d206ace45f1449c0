"""The run that is taken up again: the last one that has not ended, whatever came after it."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.base.errors import UsageError
from provisioner.operations.apply.run import Intent, intent_of, unfinished
from provisioner.operations.rollout.waves import Wave
from provisioner.plan.change import Action, Change, HostCut, Impact, Resource
from provisioner.plan.plan import Basis
from provisioner.record.entries import Event, Operation
from provisioner.record.event_log import EventLog
from provisioner.record.state_folder import StateFolder
from provisioner.record.store import open_history
from tests import histories

REQUESTS = {"relay-1": {"switch": "c"}}
INTENT = Intent(
    basis=Basis(inventory="i", templates="t", live={}, version="1", desired={}, planned={}, allow={}),
    waves=(Wave("canary", ("relay-1",)),),
    live={"relay-1": "l"},
    changes={},
)


@pytest.fixture
def place(tmp_path: Path) -> StateFolder:
    """Where no run was ever recorded."""
    return StateFolder("example", tmp_path / "state" / "state.db")


FULL = Intent(
    basis=Basis(
        "i", "t", {"relay-1": "l"}, "1", {"relay-1": "d"}, {"relay-1": "p"}, {"hosts": 3}, ("kcl-bg-001",), REQUESTS
    ),
    waves=(Wave("canary", ("relay-1",)), Wave("rest", ())),
    live={"relay-1": "l"},
    changes={"relay-1": (Change("relay-1", Resource.PATH, "a/b", Action.CREATE, Impact.NONE, "as recorded"),)},
    rollback={"relay-1": "run-0"},
    max_failed=2,
    cuts={"relay-1": HostCut("relay-1", paths=frozenset({"a/b"}))},
    warrant=b"{}",
)


@pytest.mark.parametrize("intent", [INTENT, FULL])
def test_every_recorded_intent_is_read(intent: Intent) -> None:
    text = json.dumps(intent.plain())
    assert intent_of(json.loads(text)) == intent
    assert json.dumps(intent_of(json.loads(text)).plain()) == text


def test_an_intent_of_an_older_version_is_read() -> None:
    plain = json.loads(json.dumps(INTENT.plain()))
    for name in ("held", "requests"):
        del plain["basis"][name]
    del plain["cuts"]
    assert intent_of(plain) == INTENT


def begin(place: StateFolder, number: int, *, begun: bool = True, ended: bool = False) -> None:
    """Record an apply."""
    with closing(open_history(place)) as store, closing(EventLog(place)) as log:
        run = histories.run(number, Operation.APPLY)
        store.begin(run, ["relay-1"])
        if begun:
            log.add(run.id, Event("", "run", "begin", INTENT.plain(), at=histories.START))
            log.add(run.id, Event("relay-1", "start", "begin", at=histories.START))
        if ended:
            store.end(run, histories.ending(number, outcome="applied"))


def test_a_run_that_has_not_ended_is_taken_up_again_also_after_a_later_one_that_has(place: StateFolder) -> None:
    begin(place, 1)
    begin(place, 2, ended=True)
    last = unfinished(place, proved=False)
    assert (last.run.id, set(last.progress.started)) == ("run-1", {"relay-1"})


def test_of_two_that_have_not_ended_the_later_is_taken_up(place: StateFolder) -> None:
    begin(place, 1)
    begin(place, 2)
    assert unfinished(place, proved=False).run.id == "run-2"


def test_a_run_that_never_began_its_journal_has_touched_nothing_and_hides_no_other(place: StateFolder) -> None:
    begin(place, 1)
    begin(place, 2, begun=False)
    assert unfinished(place, proved=False).run.id == "run-1"


def test_where_every_run_has_ended_there_is_none(place: StateFolder) -> None:
    begin(place, 1, ended=True)
    begin(place, 2, begun=False)
    with pytest.raises(UsageError, match="no run is unfinished"):
        unfinished(place, proved=False)
