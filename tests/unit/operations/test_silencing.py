"""While hosts change, alerts about what the plan cuts are silenced at Alertmanager, and paths are in maintenance."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.http import HttpLimits
from provisioner.base.vault import encrypt
from provisioner.operations.apply import journal, silences
from provisioner.operations.apply.journal import changes_since
from provisioner.operations.apply.silences import LabelMatcher, SilencedServer, Silencer, SilenceText, ToSilence
from provisioner.operations.pipeline.session import Session
from provisioner.record.entries import JournalStep
from provisioner.record.event_log import EventLog
from tests.hostile import LOCAL_USER, MERGE_REQUEST
from tests.processes import free_port
from tests.recorded import RecordingController, recording_controller
from tests.silences import SilencesInMemory, silences_served
from tests.simulated import MemoryJournal
from tests.sinks import drip, web_sink

from .test_record import KilledError, close_facility

RELAY, OTHER = "relay-viettel-1", "relay-vnpt-1"
ALL = ("apply", "--yes", "--allow", "trust=9", "--allow", "deletion_percent=100")
GONE, STAYS = "bac-giang/kcl-bg-002/cam-01/sub", "bac-giang/kcl-bg-001/cam-01/sub"
SECRET = "canary-of-the-alertmanager"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RecordingController:
    controller = recording_controller(tmp_path_factory.mktemp("silencing"))
    assert controller.run(*ALL).code == 0
    return controller


@dataclass
class Place:
    """A controller, an Alertmanager, and what was silenced whenever a host was called."""

    controller: RecordingController
    memory: SilencesInMemory
    seen: list[tuple[str, str, bool, bool]] = field(default_factory=list)

    def look(self, operation: str, host: str) -> None:
        """Look which alerts are hidden when a host is called."""
        self.seen.append((operation, host, self.hides(GONE), self.hides(STAYS)))

    def hides(self, path: str, host: str = RELAY) -> bool:
        labels = {"alertname": "ProvisionerPathDown", "inventory": "example", "scope": "path", "path": path}
        return self.memory.hides({**labels, "host": host, "facility": path.split("/")[1]})

    def during(self, *operations: str) -> set[tuple[bool, bool]]:
        return {(gone, stays) for op, host, gone, stays in self.seen if op in operations and host == RELAY}

    def steps(self) -> list[tuple[str, str, str]]:
        with closing(self.controller.history) as history, closing(EventLog(self.controller.place, create=False)) as log:
            newest = history.runs()[0].run.id
            return [(event.host, event.step, event.state) for event in log.of(newest)]

    def run_id(self) -> str:
        with closing(self.controller.history) as history:
            return history.runs()[0].run.id

    def windows(self, since: datetime | None = None) -> dict[str, Any]:
        """Which hosts are in a window of a change now."""
        session = Session(self.controller.root, self.controller.environment, datetime.now(UTC).date())
        now = datetime.now(UTC)
        return {w.cut.host: w for w in changes_since(session, since or now) if w.cut and (since or w.holds(now))}


def receivers(controller: RecordingController, url: str, role: str = "ministry", **of: str) -> None:
    """Have an Alertmanager among the receivers, with a login."""
    listed = [{"id": "alerts", "kind": "alertmanager", "role": role, "url": url, **of}]
    (controller.root / "receivers.yml").write_text(json.dumps({"version": 1, "receivers": listed}), encoding="utf-8")
    password = (controller.root / ".vault-password").read_bytes().strip()
    secrets = {"receivers": {"alerts": {"username": "provisioner", "password": SECRET}}}
    vaulted = encrypt(json.dumps(secrets).encode(), password, "secrets")
    (controller.root / "secrets/receivers.yml").write_text(vaulted, encoding="utf-8")


@pytest.fixture
def place(recorded: RecordingController, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        memory = stack.enter_context(silences_served())
        controller = recorded.copy(tmp_path / "copy")
        shutil.copytree(controller.root, tmp_path / "before/example")
        receivers(controller, memory.url)
        one = Place(controller, memory)
        controller.hosts.before = one.look
        close_facility(controller)
        one.seen.clear()
        yield one


def test_what_is_cut_is_silent_while_its_host_changes_and_nothing_else_is(place: Place) -> None:
    printed = place.controller.run(*ALL)
    assert printed.code == 0, printed
    assert place.during("observe") == {(False, False)}
    assert place.during("apply", "look", "confirm") == {(True, False)}
    assert not place.memory.active()
    assert "silence" not in printed.out + printed.err
    (made,) = list(place.memory.silences.values())
    assert (made["createdBy"], made["comment"]) == ("provisioner", f"run {place.run_id()} of inventory example: apply")
    steps = place.steps()
    assert steps.index((RELAY, "silence", "made")) < steps.index((RELAY, "start", "begin"))
    assert steps.index((RELAY, "silence", "ended")) > steps.index((RELAY, "end", "applied"))
    assert set(place.memory.headers) == {"Basic " + "cHJvdmlzaW9uZXI6Y2FuYXJ5LW9mLXRoZS1hbGVydG1hbmFnZXI="}
    assert SECRET not in printed.out + printed.err
    assert place.controller.check().code == 0
    assert SECRET.encode() not in b"".join(f.read_bytes() for f in place.controller.state.iterdir() if f.is_file())


def test_a_run_that_cuts_nothing_asks_no_alertmanager(place: Place) -> None:
    place.controller.run(*ALL)
    asked = len(place.memory.asked)
    host = place.controller.hosts.hosts[RELAY]
    host.files.pop("/etc/provisioner/policy.json", None)
    assert place.controller.run(*ALL).code == 0
    assert len(place.memory.asked) == asked


@pytest.mark.parametrize("operation", ["apply", "look", "confirm"])
def test_nothing_stays_silent_after_a_run_that_failed(place: Place, operation: str) -> None:
    def fail(called: str, host: str) -> None:
        place.look(called, host)
        if (called, host) == (operation, RELAY):
            place.controller.hosts.hosts[RELAY].reachable = False

    place.controller.hosts.before = fail
    assert place.controller.run(*ALL).code != 0
    assert (True, False) in place.during("apply", "look", "confirm")
    assert not place.memory.active()


def test_an_exception_leaves_nothing_silent(place: Place) -> None:
    def die(called: str, host: str) -> None:
        place.look(called, host)
        if called == "look":
            raise KilledError

    place.controller.hosts.before = die
    with pytest.raises(KilledError):
        place.controller.run(*ALL)
    assert place.memory.silences
    assert not place.memory.active()


def test_a_rollback_silences_all_of_its_hosts(place: Place) -> None:
    assert place.controller.run(*ALL).code == 0
    place.seen.clear()
    assert place.controller.run("rollback", RELAY, "--yes").code == 0
    assert place.during("rollback", "look", "confirm") == {(True, True)}
    assert not place.memory.active()


# --- killed, and gone on with ---------------------------------------------------------------------
def killed(place: Place, monkeypatch: pytest.MonkeyPatch, operation: str = "look") -> None:
    """Kill an apply so that nobody ends its silences."""

    def die(called: str, _host: str) -> None:
        if called == operation:
            raise KilledError

    place.controller.hosts.before = die
    with monkeypatch.context() as patch:
        patch.setattr(Silencer, "close", lambda _self: None)
        with pytest.raises(KilledError):
            place.controller.run(*ALL)
    place.controller.hosts.before = place.look


def test_who_was_killed_leaves_a_silence_that_ends_soon(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(place, monkeypatch)
    assert place.hides(GONE)
    now = datetime.now(UTC)
    assert place.memory.active(now)
    assert not place.memory.active(now + silences.LASTS)


def test_who_goes_on_takes_the_silences_up_and_leaves_none(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(place, monkeypatch)
    (left,) = place.memory.active()
    printed = place.controller.run("apply", "--resume")
    assert printed.code == 0, printed
    assert place.during("look", "status", "confirm") == {(True, False)}
    assert len(place.memory.silences) > 1
    assert ("DELETE", f"/api/v2/silence/{left['id']}") in place.memory.asked
    assert not place.memory.active()


def test_who_ends_a_run_by_hand_silences_what_returns_and_leaves_none_of_his_own(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(place, monkeypatch)
    before = set(place.memory.silences)
    place.seen.clear()
    assert place.controller.run("apply", "--abort").code in {0, 7}
    own = set(place.memory.silences) - before
    assert own
    assert not [one for one in place.memory.active() if one["id"] in own]


# --- an Alertmanager that is no good --------------------------------------------------------------
def test_an_alertmanager_that_is_away_holds_no_apply_up_and_is_told_of(place: Place) -> None:
    receivers(place.controller, f"http://127.0.0.1:{free_port()}")
    begun = datetime.now(UTC)
    printed = place.controller.run("--output", "json", *ALL)
    assert printed.code == 0
    assert datetime.now(UTC) - begun < timedelta(seconds=20)
    (warning,) = printed.document["warnings"]
    assert warning.startswith(
        "alerts of paths that this run cuts are not all silenced at receiver alerts: it cannot be"
    )
    assert (RELAY, "silence", "failed") in place.steps()


@MERGE_REQUEST
def test_an_alertmanager_that_drips_costs_a_wave_some_seconds_and_no_host_its_confirmation(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silences, "_ATTEMPT_S", 0.3)
    monkeypatch.setattr(silences, "_TOTAL_S", 0.6)
    with web_sink(drip) as sink:
        receivers(place.controller, sink.url())
        printed = place.controller.run("--output", "json", *ALL)
    assert (printed.code, printed.document["outcome"]) == (0, "applied")
    assert len(printed.document["warnings"]) == 1


def test_an_alertmanager_that_takes_them_and_is_gone_at_the_end_is_told_of(place: Place) -> None:
    def gone(called: str, host: str) -> None:
        place.look(called, host)
        if called == "confirm":
            place.memory.broken = 401

    place.controller.hosts.before = gone
    printed = place.controller.run("--output", "json", *ALL)
    assert printed.code == 0
    (warning,) = printed.document["warnings"]
    assert "end by themselves within 3 minutes" in warning
    assert place.memory.active()
    assert not place.memory.active(datetime.now(UTC) + silences.LASTS)
    assert (RELAY, "silence", "ended") not in place.steps()


def test_receivers_with_errors_hold_no_apply_up(place: Place) -> None:
    receivers(place.controller, "http://alertmanager.example.com")  # not encrypted, and not this machine
    printed = place.controller.run("--output", "json", *ALL)
    assert printed.code == 0
    assert printed.document["warnings"] == [
        "no alert of paths that this run cuts is silenced: receivers.yml has errors"
    ]
    assert not place.memory.asked


@pytest.mark.parametrize(
    ("role", "of", "number"),
    [
        ("carrier", {"carrier": "viettel"}, 1),
        ("carrier", {"carrier": "vnpt"}, 0),
        ("dic", {"province": "bac-giang"}, 0),
        ("steering", {}, 0),
    ],
)
def test_an_alertmanager_hears_of_relays_that_its_role_may_see(
    place: Place, role: str, of: Mapping[str, str], number: int
) -> None:
    receivers(place.controller, place.memory.url, role, **of)
    assert place.controller.run(*ALL).code == 0
    assert len(place.memory.silences) == number


# --- the journal's windows ------------------------------------------------------------------------
def test_what_is_cut_is_in_maintenance_while_its_host_changes_and_no_longer(place: Place) -> None:
    windows: list[tuple[str, set[str]]] = []

    def look(called: str, host: str) -> None:
        if host == RELAY:
            windows.append((called, set(place.windows())))

    place.controller.hosts.before = look
    begun = datetime.now(UTC)
    assert place.controller.run(*ALL).code == 0
    assert {called for called, hosts in windows if RELAY in hosts} == {"apply", "look", "confirm"}
    assert not place.windows()
    # Who looked meanwhile hears of it afterwards as well.
    past = place.windows(begun)
    assert past[RELAY].begin >= begun
    assert past[RELAY].until <= datetime.now(UTC)
    assert past[RELAY].reason == f"run {place.run_id()} changes {RELAY}"
    assert past[RELAY].cut.cuts_path("kcl-bg-002", GONE)
    assert not past[RELAY].cut.cuts_path("kcl-bg-001", STAYS)


def test_a_killed_run_keeps_a_window_for_minutes_and_none_after(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(place, monkeypatch)
    assert RELAY in place.windows()
    monkeypatch.setattr(journal, "SILENT", timedelta(0))
    assert not place.windows()


@LOCAL_USER
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE provisioner_events SET before = replace(before, 'kcl-bg-002', 'kcl-bg-001')",
        "UPDATE provisioner_events SET host = 'relay-vnpt-1' WHERE host = 'relay-viettel-1'",
        "DELETE FROM provisioner_seals",
    ],
)
def test_a_record_that_somebody_wrote_into_makes_no_outage_look_announced(
    place: Place, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    killed(place, monkeypatch)
    with place.controller.tampered() as connection:
        connection.execute(statement)
    assert not place.windows()


def test_a_verification_beside_an_apply_says_maintenance_of_what_is_cut(place: Place) -> None:
    """The facility's cameras go silent with the change; another one beside it is down for itself."""
    meanwhile: list[dict[str, str]] = []
    hosts = place.controller.hosts
    hosts.silent = {GONE, STAYS}

    def verify(called: str, host: str) -> None:
        if (called, host) == ("look", RELAY) and not meanwhile:
            hosts.before = lambda *_of: None
            meanwhile.append(_verified(place))

    # Somebody's verification still goes by the inventory of before, in which the facility is open.
    hosts.before = verify
    assert place.controller.run(*ALL).code == 0
    assert meanwhile[0] == {GONE: "maintenance", STAYS: "down"}
    assert _verified(place) == {GONE: "down", STAYS: "down"}


def _verified(place: Place) -> dict[str, str]:
    """Verify by the inventory as it was before the change, with the same hosts and the same record."""
    before = RecordingController(place.controller.folder.parent / "before", place.controller.hosts)
    state = place.controller.environment["XDG_STATE_HOME"]
    words = ("verify", "--once", "--level", "4", "--limit", "province=bac-giang")
    printed = before.run("--output", "json", *words, XDG_STATE_HOME=state)
    verdicts = {one["path"]: one["verdict"] for one in printed.document["paths"]}
    return {path: verdicts[path] for path in (GONE, STAYS)}


# --- by itself ------------------------------------------------------------------------------------
def silencer(memory: SilencesInMemory, journal: MemoryJournal, *, renewed_s: float) -> Silencer:
    patience = HttpLimits(named=frozenset({"127.0.0.1"}), attempt_s=2.0, total_s=4.0, attempts=1)
    server = SilencedServer("alerts", memory.url, None, patience)
    alerts = {host: ((LabelMatcher("host", host),),) for host in ("a", "b", "c")}
    wanted = ToSilence(alerts, ((server, frozenset({"a", "b", "c"})),), SilenceText("provisioner", "run r"))
    return Silencer(journal, wanted, renewed_s=renewed_s)


def wave(*hosts: str) -> JournalStep:
    return JournalStep("", "wave", "begin", {"wave": "canary", "hosts": list(hosts)})


def until(condition: Any) -> None:
    end = datetime.now(UTC) + timedelta(seconds=20)
    while not condition():
        assert datetime.now(UTC) < end


def test_hosts_of_later_waves_are_silenced_with_their_wave_and_each_until_it_is_through() -> None:
    with silences_served() as memory, silencer(memory, MemoryJournal(), renewed_s=60.0) as journal:
        journal.write(wave("a", "b"))
        assert [memory.hides({"host": host}) for host in "abc"] == [True, True, False]
        journal.write(JournalStep("a", "end", "applied"))
        until(lambda: not memory.hides({"host": "a"}))
        assert memory.hides({"host": "b"})
        journal.write(JournalStep("b", "end", "rolled-back"))
        journal.write(wave("c"))
        assert memory.hides({"host": "c"})
    assert not memory.active()


def test_silences_of_a_long_change_are_renewed_until_it_is_through() -> None:
    with silences_served() as memory, silencer(memory, MemoryJournal(), renewed_s=0.05) as journal:
        journal.write(wave("a"))
        (first,) = memory.active()
        end = first["ends"]
        until(lambda: memory.active() and memory.active()[0]["ends"] > end)
        assert [one["id"] for one in memory.active()] == [first["id"]]
    assert not memory.active()


def test_a_silence_that_a_person_ended_stays_ended() -> None:
    with silences_served() as memory, silencer(memory, MemoryJournal(), renewed_s=0.05) as journal:
        journal.write(wave("a"))
        (one,) = memory.active()
        memory.delete(one["id"])
        asked = len(memory.asked)
        until(lambda: len(memory.asked) > asked)
        journal.write(JournalStep("", "wave", "done"))
        assert not memory.active()
    assert len(memory.silences) == 1
