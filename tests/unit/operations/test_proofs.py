"""What a verification proves while it goes on: there when it is killed, and the same at its end."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from provisioner.base.errors import StateError
from provisioner.base.text import Document
from provisioner.hosts.runner import HostAnswer, HostCall, OpenRunner
from provisioner.operations.apply import journal
from provisioner.operations.apply.journal import ProofsSoFar, keyed_state_folder
from provisioner.operations.pipeline import stages
from provisioner.operations.pipeline.session import Session
from provisioner.record.entries import Operation
from provisioner.verify.path_history import Timepiece
from tests.histories import read_memories
from tests.recorded import RecordingController, recording_controller
from tests.watched import WatchedHosts

SILENT: Final = "bac-giang/kcl-bg-001/cam-02/sub"
OF_VNPT: Final = "quang-ninh/kcl-qn-001/cam-01/sub"
LAST: Final = "relay-vnpt-1"


class KilledError(BaseException):
    """The controller is killed."""


class HostsOneByOne(WatchedHosts, OpenRunner):
    """Hosts that answer one after the other, one of them last; the controller is killed before a host's answer."""

    def __init__(self) -> None:
        super().__init__()
        self.killed_before = ""

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """An answer for every call."""
        for call in sorted(calls, key=lambda call: (call.spec.id == LAST, call.spec.id)):
            if call.spec.id == self.killed_before and call.request["operation"] == "probe":
                raise KilledError
            yield from self.call([call], timeout_s=timeout_s).values()


def controller_of(folder: Path, every_s: float, monkeypatch: pytest.MonkeyPatch) -> RecordingController:
    """A controller on whose hosts everything is applied."""
    monkeypatch.setattr(journal, "ProofsSoFar", partial(ProofsSoFar, every_s=every_s))
    controller = recording_controller(folder)
    controller.hosts = HostsOneByOne()
    assert controller.run("apply", "--yes", "--allow", "trust=4").code == 0
    return controller


def memories(controller: RecordingController) -> Mapping[str, Document]:
    """What is remembered of all paths, by their names."""
    session = Session(controller.root, controller.environment, date(2021, 6, 1))
    read = read_memories(keyed_state_folder(session), [path.name for _, path in session.state.paths])
    assert read is not None
    return {path: document for path, document in read.items() if document is not None}


def at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time be one that stands, but for what is waited for."""
    now = [datetime(2021, 6, 1, 1, 0, tzinfo=UTC)]

    def pause(seconds: float) -> None:
        now[0] += timedelta(seconds=seconds)

    monkeypatch.setattr(stages, "WATCH", Timepiece(lambda: now[0], pause))


#: Of each night: the paths that are silent, and the host that does not answer.
NIGHTS: Final = (
    (set[str](), ""),
    ({SILENT}, ""),
    (set[str](), LAST),
    ({SILENT, OF_VNPT}, ""),
    ({SILENT}, "relay-viettel-1"),
    (set[str](), ""),
)


def test_what_is_remembered_is_not_by_when_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = []
    for name, every_s in (("as it goes", 0.0), ("at the end", 3600.0)):
        at_the_same_time(monkeypatch)
        controller = controller_of(tmp_path / name, every_s, monkeypatch)
        nights = []
        for silent, gone in NIGHTS:
            controller.hosts.silent = silent
            for host, one in controller.hosts.hosts.items():
                one.reachable = host != gone
            stages.WATCH.pause(20_000)
            controller.run("verify")
            nights.append(memories(controller))
        left.append(nights)
    assert left[0] == left[1]
    failing = [night[SILENT].get("failing") for night in left[0]]
    assert [one is not None for one in failing] == [False, True, False, True, True, False]


def test_a_killed_verification_leaves_what_it_had_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    controller = controller_of(tmp_path, 0.0, monkeypatch)
    assert controller.run("verify").code == 0
    before = memories(controller)
    stages.WATCH.pause(86_400)
    controller.hosts.silent = {SILENT}
    monkeypatch.setattr(controller.hosts, "killed_before", LAST)
    with pytest.raises(KilledError):
        controller.run("verify")
    after = memories(controller)
    session = Session(controller.root, controller.environment, date(2021, 6, 1))
    every = {path.name: host.id for host, path in session.state.paths}
    # What failed waits for the end: what is said of it hangs on what else is found.
    proved = {name for name in every if after[name] != before[name]}
    assert proved == {name for name, relay in every.items() if relay != LAST and name != SILENT}
    with closing(controller.history) as history:
        assert [run.run.operation for run in history.runs()].count(Operation.VERIFY) == 1
    assert controller.run("history", "verify").code == 0


def test_a_record_that_cannot_be_written_meanwhile_is_told_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = controller_of(tmp_path, 0.0, monkeypatch)
    tried = []

    def refused(*_arguments: object) -> None:
        tried.append(1)
        raise StateError("the disk is full", hint="make room")

    monkeypatch.setattr(journal, "remember_paths", refused)
    printed = controller.run("verify")
    assert printed.code == 0
    # Once while it goes on, once at the end, whose sentence is the one that is read.
    assert len(tried) == 2
    assert "what it saw of paths is not remembered: the disk is full" in printed.err
