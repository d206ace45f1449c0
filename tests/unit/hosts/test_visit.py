"""A visit's parts side by side: what waits for one thing holds up no other, and what it waited for is said."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from provisioner_host.firewall import firewall
from provisioner_host.look import deliveries, probe, reach, readers
from provisioner_host.machine import units
from provisioner_host.observe import host as observed_host
from provisioner_host.relay import relay, source_log
from provisioner_host.wire import ProbeRequest, SampleAnswer

NAME, OTHER = "bac-giang/kcl-001/cam-01/sub", "bac-giang/kcl-001/cam-01/main"
INSTALLED = firewall.InstalledEndpoints(cameras=frozenset({("10.91.0.2", 10554)}), own=frozenset({("10.91.0.1", 8554)}))
READS = {NAME: {"codec": "h264"}, OTHER: {"codec": "h264"}}


def sample_of(received: int, *, available: bool = True) -> SampleAnswer:
    return {"available": available, "online": True, "inbound_bytes": received, "tracks": []}


def request(*, sample_s: float = 1.0) -> ProbeRequest:
    return {
        "operation": "probe",
        "observe": {"operation": "observe", "digest_key": "k", "files": [], "units": [], "program": None},
        "deadline_s": 60,
        "max_readers": 8,
        "sample_s": sample_s,
        "read_s": 25,
        "relay": {
            "address": "10.91.0.1",
            "paths": [
                {"name": n, "on_demand": n == OTHER, "address": "10.91.0.2", "port": 10554, "peer": "k"}
                for n in (NAME, OTHER)
            ],
        },
    }


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A host on which all is well; a test replaces what it is about."""
    tunnel = {"public_key": "", "listen_port": 0, "addresses": [], "routes": [], "mtu": 0, "peers": {}}
    received = iter(range(1000, 10**6, 500))
    monkeypatch.setattr(probe, "_LEAST_S", 0.2)
    monkeypatch.setattr(firewall, "installed_places", lambda: INSTALLED)
    monkeypatch.setattr(probe, "sample", lambda paths: ({n: sample_of(next(received)) for n in paths}, ""))
    monkeypatch.setattr(observed_host, "observe", lambda *_a: {"facts": "of a host"})
    monkeypatch.setattr(probe, "reads_of_relay", lambda *_a: READS)
    monkeypatch.setattr(reach, "live_tunnel", lambda _key: tunnel)
    monkeypatch.setattr(reach, "connect_all", lambda *_a: [])
    monkeypatch.setattr(reach, "again", lambda devices, *_a: devices)
    monkeypatch.setattr(reach, "wait_for_keepalive", lambda *_a: tunnel)
    monkeypatch.setattr(source_log, "connections", lambda: None)
    monkeypatch.setattr(source_log, "last_errors", lambda *_a: {})
    monkeypatch.setattr(relay, "api", lambda _path: {"items": []})
    monkeypatch.setattr(deliveries, "_counted_links", lambda _wanted: {})
    monkeypatch.setattr(units, "active", lambda _name: "active")
    return {}


@pytest.mark.usefixtures("host")
def test_facts_reads_and_ports_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3, timeout=60)

    def meets(answer: Any) -> Any:
        def work(*_arguments: object) -> Any:
            together.wait()
            return answer

        return work

    monkeypatch.setattr(observed_host, "observe", meets({"facts": "of a host"}))
    monkeypatch.setattr(probe, "reads_of_relay", meets(READS))
    monkeypatch.setattr(reach, "connect_all", meets([]))
    answer = probe.probe(request(), Path())
    assert answer["facts"] is not None
    assert answer["relay"]["paths"][NAME]["read"] == {"codec": "h264"}


@pytest.mark.usefixtures("host")
def test_a_visit_says_what_it_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_a: object) -> dict[str, Any]:
        time.sleep(0.4)
        return READS

    monkeypatch.setattr(probe, "reads_of_relay", slow)
    answer = probe.probe(request(), Path())
    parts = {span["what"]: span["seconds"] for span in answer["spans"]}
    assert parts.keys() == {"facts", "reads", "ports", "samples", "again", "causes"}
    assert parts["reads"] >= 0.4 > parts["facts"]
    assert answer["seconds"] >= parts["reads"]


@pytest.mark.usefixtures("host")
def test_failing_facts_leave_the_paths_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_a: object) -> None:
        raise OSError("rtsp://admin:secret@10.0.0.1/ is no file")

    monkeypatch.setattr(observed_host, "observe", refuses)
    answer = probe.probe(request(), Path())
    assert answer["facts"] is None
    assert "secret" not in answer["facts_error"]
    assert answer["relay"]["paths"][NAME]["read"] == {"codec": "h264"}


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize(
    ("second", "third", "looks"),
    [
        pytest.param(sample_of(2000), sample_of(3000), 2, id="it flows: nobody waits any longer"),
        pytest.param(sample_of(1000), sample_of(1500), 3, id="a slow one has its time"),
        pytest.param(
            sample_of(0, available=False), sample_of(0, available=False), 3, id="none: only all the time says"
        ),
    ],
)
def test_the_second_sample_takes_as_long_as_it_has_to(
    monkeypatch: pytest.MonkeyPatch, second: SampleAnswer, third: SampleAnswer, looks: int
) -> None:
    taken: list[float] = []
    # An idle path on demand is no reason to wait.
    idle = sample_of(0, available=False)

    def sample(_paths: object) -> tuple[dict[str, SampleAnswer], str]:
        taken.append(time.monotonic())
        return {NAME: (sample_of(1000), second, third)[len(taken) - 1], OTHER: idle}, ""

    monkeypatch.setattr(probe, "sample", sample)
    monkeypatch.setattr("provisioner_host.look.probe._Look.take_again", lambda *_a: None)
    answer = probe.probe(request(sample_s=0.6), Path())
    assert len(taken) == looks
    assert taken[-1] - taken[0] >= (0.2 if looks == 2 else 0.6)
    assert answer["relay"]["paths"][NAME]["samples"][1] == (second if looks == 2 else third)


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize(
    ("second", "looks"), [pytest.param(2000, 2, id="it has grown"), pytest.param(1000, 3, id="it has its time")]
)
def test_beside_a_centre_who_looks_a_path_that_has_grown_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, second: int, looks: int
) -> None:
    monkeypatch.setattr(probe, "_BESIDE_LOOKS_S", 0.1)
    monkeypatch.setattr(probe, "_LEAST_S", 0.6)
    monkeypatch.setattr("provisioner_host.look.awaited_reads.AwaitedReads.wait", lambda *_a: None)
    monkeypatch.setattr("provisioner_host.look.probe._Look.take_again", lambda *_a: None)
    taken: list[float] = []

    def sample(_paths: object) -> tuple[dict[str, SampleAnswer], str]:
        taken.append(time.monotonic())
        return {NAME: sample_of((1000, second, 3000)[len(taken) - 1]), OTHER: sample_of(0, available=False)}, ""

    monkeypatch.setattr(probe, "sample", sample)
    wanted = request(sample_s=0.6)
    for path in wanted["relay"]["paths"]:
        path["read_by"] = ["centre"]
    probe.probe(wanted, Path())
    assert len(taken) == looks
    assert (0.1 if looks == 2 else 0.6) <= taken[-1] - taken[0] < (0.5 if looks == 2 else 20)


def test_paths_with_a_stream_are_read_first_else_in_the_order_in_which_they_are_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = ["d", "c", "b", "a"]
    paths = {n: {"name": n, "on_demand": n == "c", "address": "10.91.0.2", "port": 1, "peer": "k"} for n in names}
    read: list[str] = []
    monkeypatch.setattr(probe, "PROBE_PASSWORD", tmp_path / "password")
    monkeypatch.setattr(firewall, "installed_places", lambda: INSTALLED)
    (tmp_path / "password").write_text("x")
    monkeypatch.setattr(readers, "read_all", lambda _l, turns, *_a: read.extend(name for _, name in turns))
    first = {"d": sample_of(0, available=False), "b": sample_of(5), "a": sample_of(0)}
    limits = probe.ProbeBudget(request())
    probe.reads_of_relay("10.91.0.1", paths, (first, {}), limits)  # type: ignore[arg-type]
    assert read == ["b", "a", "c", "d"]


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize(
    ("changes", "read"),
    [({}, {NAME, OTHER}), ({"samples_suffice": True}, {OTHER}), ({"read": False, "samples_suffice": True}, set())],
)
def test_where_samples_suffice_only_what_is_pulled_on_demand_is_read(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], read: set[str]
) -> None:
    asked = set[str]()

    def reads(_address: str, paths: dict[str, Any], *_rest: object) -> dict[str, Any]:
        asked.update(paths)
        return {name: READS[name] for name in paths}

    monkeypatch.setattr(probe, "reads_of_relay", reads)
    wanted = request()
    wanted["relay"] = {**wanted["relay"], **changes}  # type: ignore[typeddict-item]  # keys of its own
    evidence = probe.probe(wanted, Path())["relay"]["paths"]
    assert asked == read
    assert {name for name, path in evidence.items() if path["read"]} == read
    assert all(path["samples"][1] is not None for path in evidence.values())


@pytest.mark.usefixtures("host")
def test_a_relay_of_which_all_is_pulled_reads_one_path_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def reads(_address: str, paths: dict[str, Any], *_rest: object) -> dict[str, Any]:
        asked.extend(paths)
        return {name: READS[name] for name in paths}

    monkeypatch.setattr(probe, "reads_of_relay", reads)
    wanted = request()
    wanted["relay"]["samples_suffice"] = True
    for path in wanted["relay"]["paths"]:
        path["on_demand"] = False
    probe.probe(wanted, Path())
    assert asked == [NAME]
