"""What a host tells of a look: sessions that flow, peers, rules, and what has become of its relay's file."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provisioner_host.change import gate
from provisioner_host.firewall import firewall
from provisioner_host.look import probe, reach
from provisioner_host.machine import files, units
from provisioner_host.machine.paths import MEDIAMTX_FILE
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import relay, source_log, streams
from provisioner_host.state import last_good
from provisioner_host.tunnel import tunnel
from provisioner_host.wire import GateRequest, PathToRead, SessionsAnswer
from tests.conftest import QuickClock

STARTED = "2021-05-11T17:00:00Z"
# As MediaMTX 1.20.1 tells of a camera that was lost: online it stays, since when it had been.
LOST = {"available": False, "availableTime": None, "online": True, "onlineTime": STARTED, "inboundBytes": 0}


def path(name: str, received: int, **changes: Any) -> dict[str, Any]:
    there = {"available": True, "availableTime": STARTED, "online": True, "onlineTime": STARTED}
    return {"name": name, **there, "inboundBytes": received, "readers": [], **changes}


class Host:
    """A relay, its peers and its rules, as the programs of a host tell of them."""

    def __init__(self) -> None:
        self.paths = [path("hn/a/sub", 1000), path("cfg/1", 0)]
        self.peers = {"key": {"handshake": 5, "received_bytes": 70, "allowed_ips": ["100.64.0.4/32"], "psk": "x"}}
        self.rules: list[dict[str, Any]] = [
            {"metainfo": {"version": "1.0.6"}},
            {"table": {"family": "inet", "name": "provisioner", "handle": 1}},
            {"set": self.set("cameras", [{"concat": ["100.64.0.4", 10554]}])},
            {"set": self.set("management", ["192.0.2.5"])},
            {"table": {"family": "inet", "name": "somebody", "handle": 2}},
        ]
        self.routes = ["100.64.0.0/10"]

    @staticmethod
    def set(name: str, elements: list[Any]) -> dict[str, Any]:
        of = {"family": "inet", "table": "provisioner", "handle": 7}
        return {**of, "name": name, "type": "ipv4_addr", "elem": elements}

    def api(self, asked: str, timeout_s: float = 5, *, method: str = "GET") -> Any:
        assert (timeout_s, method) == (5, "GET")
        return {"started": STARTED} if asked == "/v3/info" else {"items": self.paths}

    def run(self, command: list[str], **_: Any) -> Any:
        assert command == ["nft", "-j", "list", "ruleset"]
        return SimpleNamespace(stdout=json.dumps({"nftables": self.rules}))


def request(*, paths: Sequence[PathToRead] = (), away: Sequence[PathToRead] = ()) -> GateRequest:
    """A look at paths."""
    return {
        "address": "10.0.0.1",
        "paths": list(paths),
        "away": list(away),
        "deadline_s": 36.0,
        "sample_s": 0,
        "read_s": 12.0,
        "max_readers": 8,
    }


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host()
    monkeypatch.setattr(relay, "api", host.api)
    monkeypatch.setattr(gate, "run", host.run)
    monkeypatch.setattr(tunnel, "live_peers", lambda _key: host.peers)
    monkeypatch.setattr(tunnel, "live_link", lambda: {"routes": host.routes})
    return host


def test_a_path_is_told_by_its_stream_and_not_by_what_is_configured(host: Host) -> None:
    host.paths = [path("hn/a/sub", 9), {"name": "hn/b/sub", **LOST, "readers": [{"id": "r2"}, {"id": "r1"}]}]
    answer = gate.sessions()
    assert answer["started"] == STARTED
    assert answer["paths"] == {
        "hn/a/sub": {"available": True, "since": STARTED, "bytes": 9, "flowed": False, "readers": []},
        "hn/b/sub": {"available": False, "since": "", "bytes": 0, "flowed": False, "readers": ["r1", "r2"]},
    }
    assert answer["peers"] == {"key": {"handshake": 5, "received": 70, "allowed_ips": ["100.64.0.4/32"]}}


def test_what_flowed_just_before_a_switch_is_told_and_that_it_was_seen_for_how_long(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([100.0, 102.5])
    monkeypatch.setattr(time, "time", lambda: next(clock))
    names = ("hn/flows/sub", "hn/still/sub", "hn/again/sub", "hn/lost/sub")
    host.paths = [path(name, 1000) for name in names]
    before = gate.look(None)
    again = path(names[2], 2000, availableTime="2021-05-11T17:00:05Z")
    host.paths = [path(names[0], 2000), path(names[1], 1000), again, {"name": names[3], **LOST}]
    sessions = gate.latest(before)["sessions"]
    assert {name: path["flowed"] for name, path in (sessions["paths"] or {}).items()} == {
        names[0]: True,
        names[1]: False,
        names[2]: False,
        names[3]: False,
    }
    assert (sessions["at"], sessions["over_s"]) == (102.5, 2.5)
    assert sessions["peers"] == before["sessions"]["peers"]


@pytest.mark.parametrize(
    ("observed_at", "over_s", "flows"), [(99.6, 2.4, True), (97.9, 0.5, False)], ids=["a moment ago", "too long ago"]
)
def test_what_flowed_since_the_host_was_observed_a_moment_ago_is_told(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, observed_at: float, over_s: float, *, flows: bool
) -> None:
    monkeypatch.setattr(streams, "STREAMS", tmp_path / "streams.json")
    monkeypatch.setattr(streams, "STREAMS", tmp_path / "streams.json")
    monkeypatch.setattr(files, "folder", lambda *_: None)
    clock = iter([observed_at, 101.5, 102.0, 102.2])
    monkeypatch.setattr(time, "time", lambda: next(clock))
    host.paths = [path("hn/slow/sub", 1000), path("hn/still/sub", 1000)]
    streams.save_streams(host.paths)
    host.paths[0]["inboundBytes"] = 2000
    sessions = gate.latest(gate.look(None))["sessions"]
    assert {name: path["flowed"] for name, path in (sessions["paths"] or {}).items()} == {
        "hn/slow/sub": flows,
        "hn/still/sub": False,
    }
    assert round(sessions["over_s"], 3) == over_s


def test_what_was_kept_of_streams_and_cannot_be_read_says_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(streams, "STREAMS", tmp_path / "streams.json")
    clock = iter([101.5, 102.0])
    monkeypatch.setattr(time, "time", lambda: next(clock))
    (tmp_path / "streams.json").write_text('{"at": 101.0, "paths": [')
    host.paths = [path("hn/a/sub", 1000)]
    assert gate.latest(gate.look(None))["sessions"]["over_s"] == 0.5


@pytest.mark.usefixtures("host")
def test_a_relay_that_does_not_answer_the_second_time_is_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    before = gate.look(None)

    def silent(_asked: str, timeout_s: float = 5, *, method: str = "GET") -> Any:
        raise Failed(f"no answer to {method} within {timeout_s} s")

    monkeypatch.setattr(relay, "api", silent)
    assert gate.latest(before) == before


def live_rules() -> Any:
    answer = gate.sessions()["rules"]
    assert answer is not None
    return answer


@pytest.mark.parametrize("answer", [Failed("no"), OSError(111, "refused"), {"error": "internal"}])
def test_a_relay_whose_second_answer_is_none_changes_nothing_of_the_first(
    host: Host, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    before = gate.look(None)
    assert (before["relay"], before["waited_s"]) == (None, 0.0)
    assert before["sessions"]["paths"]
    assert host.paths

    def api(_asked: str, **_options: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(relay, "api", api)
    assert gate.latest(before) == before
    assert gate.sessions()["paths"] is None


@pytest.mark.parametrize("longest_s", [0.0, 0.05, 1.0, 7.0])
def test_samples_are_taken_until_their_time_is_over_and_no_longer(
    monkeypatch: pytest.MonkeyPatch, longest_s: float
) -> None:
    clock = QuickClock()
    monkeypatch.setattr(gate, "time", clock)
    monkeypatch.setattr(clock, "monotonic", lambda: clock._ahead_s)  # noqa: SLF001 (only what was waited for counts)
    samples = gate._Samples(["hn/a/sub"], lambda: ({}, ""), longest_s)  # noqa: SLF001
    samples.follow()
    assert clock.monotonic() == pytest.approx(longest_s)


def test_rules_are_told_by_what_may_reach_cameras_who_may_come_in_and_all_else(host: Host) -> None:
    first = live_rules()
    assert first["cameras"] == ["100.64.0.4 . 10554"]
    # What counts is no difference.
    host.rules[1]["table"]["handle"] = 99
    assert live_rules() == first
    changes: dict[str, Callable[[], None]] = {
        "cameras": lambda: host.rules[2].update(set=host.set("cameras", [])),
        "doors": lambda: host.rules[3].update(set=host.set("management", ["192.0.2.6"])),
        "rest": lambda: host.rules.append(
            {"chain": {"family": "inet", "table": "provisioner", "name": "output", "policy": "drop"}}
        ),
        "around": lambda: host.rules.append({"table": {"family": "ip", "name": "another"}}),
    }
    for what, change in changes.items():
        before = live_rules()
        change()
        after = live_rules()
        assert {name for name in after if after[name] != before[name]} == {what}
    before = live_rules()
    host.routes = []
    assert live_rules()["around"] != before["around"]


def test_a_table_that_is_not_loaded_has_no_rest_and_what_cannot_be_listed_is_not_told(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.rules = host.rules[:1]
    assert live_rules()["rest"] == ""

    def refuses(_command: list[str], **_: Any) -> Any:
        raise Failed("nft: no")

    for run in (refuses, lambda *_, **__: SimpleNamespace(stdout=""), lambda *_, **__: SimpleNamespace(stdout="{}")):
        monkeypatch.setattr(gate, "run", run)
        assert gate.sessions()["rules"] is None


@pytest.mark.usefixtures("host")
def test_paths_that_the_relays_file_has_anew_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    then = 'logLevel: "info"\npaths:\n  "a": {"source": "1"}\n  "b": {"source": "2"}\n  "c": {"x": 1, "y": 2}\n'
    now = 'logLevel: "info"\npaths:\n  "b": {"source": "3"}\n  "c": {"y": 2, "x": 1}\n  "d": {}\n  "cfg/2": {}\n'
    (tmp_path / "4").write_text(then)
    monkeypatch.setattr(gate, "LAST_GOOD", tmp_path)
    saved = {"files": [{"path": str(MEDIAMTX_FILE), "content": "4"}]}
    monkeypatch.setattr(last_good, "state_of", lambda _folder: saved)
    monkeypatch.setattr(relay, "read_file", lambda: now)
    assert gate.look(None, switched=True)["sessions"]["changed"] == ["b"]
    assert gate.look(None)["sessions"]["changed"] == []


@pytest.mark.usefixtures("host")
def test_after_a_switch_a_still_stream_is_not_read_for_its_whole_time(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["hn/flows/sub", "hn/still/sub"]
    asked: list[PathToRead] = [
        {"name": name, "on_demand": False, "address": "100.64.0.4", "port": 10554} for name in names
    ]
    samples = iter([1, 2, 1, 2])

    def sample(_paths: Any) -> Any:
        received = next(samples)
        states = ((names[0], received), (names[1], 7))
        return {n: {"available": True, "online": True, "inbound_bytes": r, "tracks": []} for n, r in states}, ""

    read: list[list[str]] = []

    def reads(_address: str, paths: Any, *_: Any) -> dict[str, Any]:
        read.append(sorted(paths))
        return {}

    monkeypatch.setattr(probe, "sample", sample)
    monkeypatch.setattr(probe, "reads_of_relay", reads)
    monkeypatch.setattr(units, "states", lambda unit_names: {unit: {"active": "active"} for unit in unit_names})
    monkeypatch.setattr(source_log, "last_errors", lambda _paths, _since: {})
    for switched in (False, True):
        answer = gate.look(request(paths=asked), switched=switched)
    assert read == [names, names[:1]]
    assert answer["relay"] is not None
    assert answer["relay"]["paths"][names[1]]["read"] == {
        "error": "no frame: nothing comes from its source",
        "status": None,
    }


class Clock:
    """A clock that moves while somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, now: float) -> None:
        self.now = now
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Reading:
    """A relay whose paths come and grow as they are sampled, and what was done in which order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, samples: Sequence[dict[str, int]]) -> None:
        self.done: list[str] = []
        self._samples, self._now = iter(samples), 0.0
        monkeypatch.setattr(probe, "sample", self.sample)
        monkeypatch.setattr(probe, "reads_of_relay", self.reads)
        monkeypatch.setattr(units, "states", lambda names: {unit: {"active": "active"} for unit in names})
        monkeypatch.setattr(source_log, "last_errors", lambda _paths, _since: {})
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(time, "monotonic", lambda: self._now)

    def sample(self, _paths: Any) -> Any:
        self.done.append("sample")
        there = {"available": True, "online": True, "damaged": 0, "tracks": []}
        return {name: {**there, "inbound_bytes": received} for name, received in next(self._samples).items()}, ""

    def reads(self, _address: str, paths: Any, *_: Any) -> dict[str, Any]:
        self.done.append(f"read {', '.join(sorted(paths))}")
        return {}

    def sleep(self, seconds: float) -> None:
        self._now += seconds
        if seconds:
            self.done.append("sleep")


ASKED: list[PathToRead] = [{"name": name, "on_demand": False, "address": "", "port": 0} for name in ("a", "b")]


@pytest.mark.usefixtures("host")
def test_before_a_switch_paths_are_read_at_once_and_sampled_again_only_once_they_are_known_to_flow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading = Reading(monkeypatch, [{"a": 1, "b": 1}, {"a": 2, "b": 2}])
    gate.look({**request(paths=ASKED), "sample_s": 1})
    assert reading.done == ["sample", "read a, b", "sleep", "sample"]


@pytest.mark.usefixtures("host")
def test_after_a_switch_paths_are_read_as_soon_as_all_have_come_back_and_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(monkeypatch, [{"a": 1}, {"a": 2}, {"a": 3, "b": 1}])
    gate.look({**request(paths=ASKED), "sample_s": 1}, switched=True)
    assert reading.done == ["sample", *["sleep", "sample"] * 2, "read a, b"]


@pytest.mark.usefixtures("host")
def test_what_does_not_come_back_is_waited_for_a_second_and_then_read(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(monkeypatch, [{"a": 1}, *[{"a": 2}] * 20])
    gate.look({**request(paths=ASKED), "sample_s": 1}, switched=True)
    assert reading.done[-1] == "read a, b"
    assert 3 <= reading.done.count("sample") <= 6


@pytest.mark.usefixtures("host")
def test_a_look_begins_in_time_and_a_host_waits_no_longer_than_its_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, 100.0)
    for wait_s, since, waits_s in (
        (0.3, None, 0.3),
        (3600.0, None, 5.0),
        (-1.0, None, 0.0),
        # From the switch; of a moment that is past nothing is waited, nor of one of another boot for ever.
        (2.5, -0.5, 2.0),
        (2.5, -9.0, 0.0),
        (2.5, 9000.0, 5.0),
    ):
        begun = clock.now
        asked: GateRequest = {**request(), "wait_s": wait_s}
        if since is not None:
            asked["since"] = begun + since
        answer = gate.look(asked, switched=True)
        assert clock.now - begun == pytest.approx(waits_s)
        assert answer["waited_s"] == pytest.approx(max(0.0, waits_s - (since or 0.0)))


@pytest.mark.usefixtures("host")
def test_one_call_looks_at_once_and_at_the_end_of_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, looks = Clock(monkeypatch, 100.0), list[float]()
    plain = gate.sessions

    def sessions(*, answers: bool = True) -> SessionsAnswer:
        looks.append(clock.now)
        return {**plain(answers=answers), "started": f"look {len(looks)}"}

    monkeypatch.setattr(gate, "sessions", sessions)
    answer = gate.look({**request(), "wait_s": 2.5, "since": 99.6, "first": True}, switched=True)
    assert looks == [100.0, pytest.approx(102.1)]
    assert (answer["first"]["started"], answer["sessions"]["started"]) == ("look 1", "look 2")
    assert "first" not in gate.look({**request(), "wait_s": 2.5, "since": 99.6}, switched=True)


@pytest.mark.usefixtures("host")
def test_paths_are_read_before_the_moment_of_a_look_and_have_to_flow_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    key_frame = {"codec": "h264", "width": 640, "height": 360}
    samples = [{"a": 1, "b": 1}, {"a": 2, "b": 2}, {"a": 5, "b": 5}, *[{"a": 6, "b": 5}] * 20]
    reading = Reading(monkeypatch, samples)
    moments: list[float] = []

    def reads(_address: str, paths: Any, *_: Any) -> dict[str, Any]:
        reading.done.append(f"read {', '.join(sorted(paths))}")
        moments.append(time.monotonic())
        return dict.fromkeys(paths, key_frame)

    monkeypatch.setattr(probe, "reads_of_relay", reads)
    asked: GateRequest = {**request(paths=ASKED), "sample_s": 1, "wait_s": 1.2, "early_s": 1.0}
    answer = gate.look(asked, switched=True)
    # Between the reads and the moment a stream has time to grow: who flows is known at the moment itself.
    assert reading.done[:7] == ["sleep", "sample", "sleep", "sample", "read a, b", "sample", "sleep"]
    assert set(reading.done[7:]) == {"sample", "sleep"}
    assert [round(moment, 1) for moment in moments] == [0.3]
    assert time.monotonic() >= 1.2
    assert answer["relay"] is not None
    told = {name: path["read"] for name, path in answer["relay"]["paths"].items()}
    assert told["a"] == key_frame
    assert told["b"] == {"error": "no frame: nothing comes from its source", "status": None}
    assert answer["waited_s"] == 1.2


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize(("wait_s", "early_s"), [(0.0, 1.0), (1.2, 0.0)], ids=["no moment to come", "not early"])
def test_a_look_that_has_no_moment_to_come_or_may_not_be_early_reads_after_it_has_begun(
    monkeypatch: pytest.MonkeyPatch, wait_s: float, early_s: float
) -> None:
    reading = Reading(monkeypatch, [{"a": 1, "b": 1}, {"a": 2, "b": 2}])
    gate.look({**request(paths=ASKED), "sample_s": 1, "wait_s": wait_s, "early_s": early_s}, switched=True)
    assert reading.done[-4:] == ["sample", "sleep", "sample", "read a, b"]


@pytest.mark.usefixtures("host")
def test_of_paths_that_stay_away_the_devices_are_tried_and_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    away: list[PathToRead] = [{"name": "hn/a/sub", "on_demand": False, "address": "100.64.0.4", "port": 10554}]
    tried: list[Any] = []

    def connect(devices: Any, timeout_s: float) -> list[Any]:
        tried.append((devices, timeout_s))
        return []

    installed = firewall.InstalledEndpoints(cameras=frozenset({("100.64.0.4", 10554)}))
    monkeypatch.setattr(firewall, "installed_places", lambda: installed)
    monkeypatch.setattr(reach, "connect_all", connect)
    monkeypatch.setattr(probe, "sample", lambda _paths: ({}, ""))
    monkeypatch.setattr(units, "states", lambda unit_names: {unit: {"active": "active"} for unit in unit_names})
    monkeypatch.setattr(source_log, "last_errors", lambda paths, since: {n: [f"EOF within {since} s"] for n in paths})
    answer = gate.look(request(away=away), switched=True)["relay"]
    assert tried == [({("100.64.0.4", 10554)}, 4.0)]
    assert answer is not None
    assert (answer["paths"], answer["errors"]) == ({}, {"hn/a/sub": ["EOF within 20 s"]})


def test_items_of_our_table_alone_are_read_as_its_own(host: Host) -> None:
    ours = [entry for entry in host.rules if gate._is_ours(entry)]  # noqa: SLF001
    assert set(firewall.items({"nftables": ours})) == {
        "set cameras",
        "element cameras 100.64.0.4 . 10554",
        "set management",
        "element management 192.0.2.5",
    }
