"""A watch over hosts in memory: what it asks, what it tells, and how it ends."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provisioner.base.errors import HostError, UsageError
from provisioner.desired.limit import Limit
from provisioner.hosts.call_target import CallTarget
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, OpenRunner
from provisioner.integrations.alerting.metric_catalogue import exposition
from provisioner.operations.pipeline.session import Session
from provisioner.operations.watch import run as watch_run
from provisioner.operations.watch.run import News, Pace, PathWatch, Watched, watched
from provisioner.plan.change import HostCut
from provisioner.verify import path_history, watch_report, watch_states
from provisioner.verify.path_history import Window
from provisioner.verify.result import Verdict
from provisioner.verify.watch_report import WatchWord, file_of, read_reports, words_of
from tests.alarms import wait_for
from tests.recorded import RecordingController, applied_controller
from tests.watched import WatchedHosts

QUICK = Pace(timedelta(seconds=0.3), timedelta(seconds=0.5), timedelta(seconds=0.1))
STILL = "bac-giang/kcl-bg-001/cam-01/sub"


@dataclass
class Watching:
    """A watch that runs beside a test."""

    one: PathWatch
    controller: RecordingController
    stop: threading.Event = field(default_factory=threading.Event)
    news: list[News] = field(default_factory=list)
    error: list[BaseException] = field(default_factory=list)

    def run(self) -> None:
        try:
            self.one.run(self.stop, self.news.append)
        except BaseException as error:  # noqa: BLE001 (the test looks at it)
            self.error.append(error)

    def number(self, verdict: Verdict) -> int:
        return self.one.view().number(verdict)

    @property
    def total(self) -> int:
        return self.one.view().total

    @property
    def begun(self) -> list[dict[str, str]]:
        return [dict(labels) for one in list(self.news) for labels, _ in one.begun]

    @property
    def ended(self) -> list[dict[str, str]]:
        return [dict(labels) for one in list(self.news) for labels in one.ended]


def session(controller: RecordingController) -> Session:
    return Session(controller.root, controller.environment, datetime.now(UTC).date())


@pytest.fixture
def controller(tmp_path: Path) -> RecordingController:
    return applied_controller(tmp_path)


@pytest.fixture
def short_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two looks be apart after a second: a minute of real time would make tests wait."""
    for module in (path_history, watch_report, watch_states):
        monkeypatch.setattr(module, "APART", timedelta(seconds=2))
    monkeypatch.setattr(watch_states, "_SILENT_PAUSE", timedelta(seconds=0.3))
    monkeypatch.setattr(watch_run, "_NEWS_S", 0.1)
    monkeypatch.setattr(watch_run, "_REPORT_S", 0.1)
    monkeypatch.setattr(watch_run, "_MOMENT_S", 0.02)


@pytest.fixture
def watching(controller: RecordingController, request: pytest.FixtureRequest) -> Watching:
    request.getfixturevalue("short_minute")
    return started(controller)


def started(controller: RecordingController, hosts: WatchedHosts | None = None) -> Watching:
    runner = hosts or controller.hosts
    inventory = watched(session(controller), Limit(), runner)

    def reload(known: Watched) -> Watched | None:
        now = session(controller)
        return None if now.digest == known.digest else watched(now, Limit(), runner)

    return Watching(PathWatch(inventory, QUICK, reload), controller)


def run_beside(watching: Watching) -> threading.Thread:
    thread = threading.Thread(target=watching.run)
    thread.start()
    return thread


def test_a_camera_that_falls_silent_is_told_with_its_cause_and_when_it_is_mended(watching: Watching) -> None:
    hosts = watching.controller.hosts
    thread = run_beside(watching)
    try:
        wait_for(lambda: watching.number(Verdict.UP) == watching.total > 0, "all paths flow")
        assert exposition(watching.one.families()).count(b"provisioner_watch_incident_paths{") == 0
        hosts.silent.add(STILL)
        wait_for(lambda: bool(watching.begun), "it is down")
        (began,) = watching.begun
        assert (began["scope"], began["object"]) == ("path", STILL)
        assert b'path="%s"' % STILL.encode() in exposition(watching.one.families())
        hosts.silent.clear()
        wait_for(lambda: watching.ended == [began], "it is mended")
        assert b'scope="path"} 0.0' in exposition(watching.one.families()), "a 0 stays for a while"
    finally:
        watching.stop.set()
        thread.join(60)
    assert (watching.error, thread.is_alive()) == ([], False)


def test_it_reports_to_pages_what_it_sees_until_it_ends(watching: Watching) -> None:
    place = watching.controller.place

    def words() -> dict[tuple[str, str], WatchWord]:
        reports, unreadable = read_reports(place, datetime.now(UTC))
        assert not unreadable
        return {key: word for report in reports for key, word in words_of(report)}

    def verdict() -> str:
        return next(word.verdict for (path, _), word in words().items() if path == STILL)

    assert words() == {}
    thread = run_beside(watching)
    try:
        wait_for(lambda: len(words()) == watching.total > 0, "all paths are reported")
        assert {word.verdict for word in words().values()} == {"up"}
        file = file_of(place, {})
        assert file
        assert file.stat().st_mode & 0o777 == 0o600
        watching.controller.hosts.silent.add(STILL)
        wait_for(lambda: verdict() == "down", "it is down")
        assert [word.since for word in words().values() if word.since]
        relay = next(relay.host for relay in watching.one.view().relays)
        watching.controller.hosts.hosts[relay].reachable = False
        wait_for(lambda: "host unreachable" in {word.cause for word in words().values()}, "the relay is silent")
        assert verdict() == "down"
    finally:
        watching.stop.set()
        thread.join(60)
    assert not file.exists()


def test_a_state_folder_that_cannot_be_written_ends_no_watch(watching: Watching) -> None:
    file = file_of(watching.controller.place, {})
    assert file
    file.mkdir(parents=True)
    thread = run_beside(watching)
    try:
        wait_for(lambda: any(one.warnings for one in list(watching.news)), "it says why")
        file.rmdir()
        wait_for(file.is_file, "it is reported again")
    finally:
        watching.stop.set()
        thread.join(60)
    assert not watching.error
    assert [len(one.warnings) for one in watching.news if one.warnings] == [1]


def test_what_a_change_of_a_host_cuts_raises_nothing_meanwhile_and_is_told_of_where_it_stays_down(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts, now = watching.controller.hosts, datetime.now(UTC)
    cut = HostCut("relay-viettel-1", paths=frozenset({STILL}))
    windows = [Window(now, now + timedelta(minutes=5), "run r changes relay-viettel-1", cut=cut)]
    # What a centre loses meanwhile flows into its relay all the same.
    windows.append(replace(windows[0], cut=HostCut("centre-hcm", everything=True)))
    monkeypatch.setattr(watch_run, "changes_since", lambda _session, _since: tuple(windows))
    hosts.silent.add(STILL)
    thread = run_beside(watching)
    try:
        wait_for(lambda: watching.number(Verdict.MAINTENANCE) == 1, "it is in maintenance")
        time.sleep(2.5)  # longer than what makes it down otherwise
        assert (watching.number(Verdict.MAINTENANCE), watching.begun) == (1, [])
        assert watching.number(Verdict.UP) == watching.total - 1
        windows.clear()
        wait_for(lambda: [one["object"] for one in watching.begun] == [STILL], "it is down")
    finally:
        watching.stop.set()
        thread.join(60)
    assert watching.error == []


def test_a_relay_that_dies_hides_no_other_and_comes_back(watching: Watching) -> None:
    hosts = watching.controller.hosts.hosts
    thread = run_beside(watching)
    try:
        wait_for(lambda: watching.number(Verdict.UP) == watching.total > 0, "all paths flow")
        hosts["relay-vnpt-1"].reachable = False
        wait_for(lambda: [one["object"] for one in watching.begun] == ["relay-vnpt-1"], "it is away")
        assert watching.begun[0]["carrier"] == "vnpt"
        wait_for(lambda: 0 < watching.number(Verdict.UNKNOWN) < watching.total, "its paths are unknown")
        assert watching.number(Verdict.UP) + watching.number(Verdict.UNKNOWN) == watching.total
        hosts["relay-vnpt-1"].reachable = True
        wait_for(lambda: watching.number(Verdict.UP) == watching.total, "it is back")
    finally:
        watching.stop.set()
        thread.join(60)
    assert watching.error == []


class HungHosts(WatchedHosts, OpenRunner):
    """Hosts of which one takes a call and never answers, until somebody closes the connection."""

    def __init__(self, hung: str) -> None:
        super().__init__()
        self.hung, self.closed = hung, threading.Event()
        self.expected: list[str] = []
        self.asked: list[str] = []

    def expect(self, specs: Sequence[CallTarget]) -> None:
        """Keep which hosts are expected."""
        self.expected += [spec.id for spec in specs]

    def close(self) -> None:
        """Let the hung call go."""
        self.closed.set()

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """Answers, unless the hung host is among them: those of others come all the same, by another call."""
        self.asked += [call.spec.id for call in calls]
        return iter(self._each(calls, timeout_s))

    def _each(self, calls: Sequence[HostCall], timeout_s: float) -> Sequence[HostAnswer]:
        answers = self.call([call for call in calls if call.spec.id != self.hung], timeout_s=timeout_s)
        if any(call.spec.id == self.hung for call in calls):
            assert self.closed.wait(120)
            answers[self.hung] = HostAnswer(self.hung, CallOutcome.UNREACHABLE, error="the connection was closed")
        return list(answers.values())


@pytest.mark.usefixtures("short_minute")
def test_a_relay_that_hangs_keeps_no_end_waiting(controller: RecordingController) -> None:
    hosts = HungHosts("relay-vnpt-1")
    hosts.hosts = controller.hosts.hosts
    watching = started(controller, hosts)
    thread = run_beside(watching)
    wait_for(lambda: "relay-vnpt-1" in hosts.asked, "it is asked")
    begun = time.monotonic()
    watching.stop.set()
    thread.join(60)
    assert not thread.is_alive()
    assert time.monotonic() - begun < 30
    assert hosts.asked.count("relay-vnpt-1") == 1, "a relay is asked one thing at a time"
    assert set(hosts.expected) == {"relay-viettel-1", "relay-vnpt-1"}


class Broken(WatchedHosts):
    """A carrier of calls that does not work."""

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """Fail."""
        raise HostError(f"ansible-runner did not work: {len(calls)} {timeout_s}")


@pytest.mark.usefixtures("short_minute")
def test_a_carrier_of_calls_that_never_works_ends_the_watch(controller: RecordingController) -> None:
    watching = started(controller, Broken())
    thread = run_beside(watching)
    thread.join(60)
    assert not thread.is_alive()
    (error,) = watching.error
    assert isinstance(error, HostError)


def test_it_goes_by_the_inventory_as_it_is_now_and_by_the_last_valid_one(watching: Watching) -> None:
    thread = run_beside(watching)
    facility = next(watching.controller.root.glob("facilities/*/kcl-qn-001.yml"))
    text = facility.read_text(encoding="utf-8")
    try:
        wait_for(lambda: watching.number(Verdict.UP) == watching.total > 0, "all paths flow")
        total = watching.total
        inventory = watching.controller.root / "inventory.yml"
        valid = inventory.read_text(encoding="utf-8")
        inventory.write_text("schema: [", encoding="utf-8")
        wait_for(lambda: not watching.one.current, "it says that it is outdated")
        assert watching.total == total
        wait_for(lambda: any(one.warnings for one in list(watching.news)), "it says why")
        inventory.write_text(valid, encoding="utf-8")
        facility.write_text(text.replace("operating: open", "operating: closed"), encoding="utf-8")
        wait_for(lambda: watching.one.current and watching.total < total, "it goes by the new one")
    finally:
        watching.stop.set()
        thread.join(60)
    assert watching.error == []
    assert [len(one.warnings) for one in watching.news if one.warnings] == [1], "that it is outdated is said once"


@pytest.mark.usefixtures("short_minute")
def test_an_error_of_ours_ends_it_and_is_told(controller: RecordingController) -> None:
    inventory = watched(session(controller), Limit(), controller.hosts)

    def reload(_known: Watched) -> Watched | None:
        raise KeyError("a defect")

    watching = Watching(PathWatch(inventory, replace(QUICK, reload=timedelta(0)), reload), controller)
    run_beside(watching).join(60)
    assert [type(error) for error in watching.error] == [KeyError]


def test_the_inventory_of_a_limit_that_takes_nothing_is_refused(controller: RecordingController) -> None:
    with pytest.raises(UsageError):
        watched(session(controller), Limit({"facility": frozenset({"kcl-xx-999"})}), controller.hosts)
