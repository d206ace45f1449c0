"""A controller in other hands sends looks, which no person approves: they reach only what the host has installed."""

import json
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner_host.change import gate
from provisioner_host.firewall import drops, firewall
from provisioner_host.look import deliveries, device_probe, probe, reach, readers
from provisioner_host.look.rtsp_talk import Login
from provisioner_host.machine import paths, units
from provisioner_host.machine.shell import Failed
from provisioner_host.observe import host as observed_host
from provisioner_host.onvif import onvif
from provisioner_host.relay import relay, source_log
from provisioner_host.tunnel import endpoints
from tests.hostile import NODE

pytestmark = NODE

RULES = """\
table inet provisioner {
	set relays {
		type ipv4_addr
		elements = { 100.64.1.1 }
	}

	set cameras {
		type ipv4_addr . inet_service
		elements = { 100.64.0.4 . 10554, 100.64.0.8 . 10554 }
	}

	set onvif {
		type ipv4_addr . inet_service
		elements = { 100.64.0.4 . 10080 }
	}

	chain output {
		meta skuid "provisioner-probe" oifname "lo" ip daddr 100.64.0.1 tcp dport 8554 accept comment "probe-reads"
		meta skuid "provisioner-probe" oifname "lo" ip daddr 10.9.0.1 tcp dport 8322 accept comment "probe-hub"
	}
}
"""
CAMERA, OTHER_CAMERA, ASKED, OWN, HUB = (
    ("100.64.0.4", 10554),
    ("100.64.0.8", 10554),
    ("100.64.0.4", 10080),
    ("100.64.0.1", 8554),
    ("10.9.0.1", 8322),
)
RELAYS = {("100.64.1.1", 8554), ("100.64.1.1", 8322)}
INSTALLED = {CAMERA, OTHER_CAMERA, ASKED, OWN, HUB} | RELAYS
OBSERVE: Any = {"operation": "observe", "digest_key": "k", "files": [], "units": [], "program": None}
TUNNEL: Any = {"public_key": "", "listen_port": 0, "addresses": [], "routes": [], "mtu": 1380, "peers": {}}


@pytest.fixture
def listener() -> Iterator[tuple[tuple[str, int], list[str]]]:
    """A service on this host that no file of ours names, and who connected to it."""
    came: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def work() -> None:
            while True:
                try:
                    link, place = server.accept()
                except OSError:
                    return
                came.append(place[0])
                link.close()

        threading.Thread(target=work, daemon=True).start()
        yield server.getsockname(), came
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A host with the rules of `RULES`, whose MediaMTX does not answer."""
    monkeypatch.setattr(paths, "NFT_FILE", tmp_path / "provisioner.nft")
    (tmp_path / "provisioner.nft").write_text(RULES)
    (tmp_path / "password").write_text("x")
    monkeypatch.setattr(probe, "PROBE_PASSWORD", tmp_path / "password")
    monkeypatch.setattr(observed_host, "observe", lambda *_a: {"facts": "of a host"})
    monkeypatch.setattr(relay, "api", _silent)
    monkeypatch.setattr(reach, "live_tunnel", lambda _key: TUNNEL)
    monkeypatch.setattr(reach, "wait_for_keepalive", lambda *_a: TUNNEL)
    monkeypatch.setattr(drops._Monitor, "started", False)  # noqa: SLF001
    monkeypatch.setattr(drops, "_READY_S", 0)
    monkeypatch.setattr(units, "active", lambda _name: "active")
    monkeypatch.setattr(device_probe, "foreign_chains", list)
    monkeypatch.setattr(relay, "log", lambda _since: "")
    monkeypatch.setattr(deliveries, "_counted_links", lambda _wanted: {})
    for wait in ("_LEAST_S", "_RETRY_S", "_AGAIN_SAMPLE_S"):
        monkeypatch.setattr(probe, wait, 0.0)
    return tmp_path


def _silent(_path: str, timeout_s: float = 5, *, method: str = "GET") -> Any:
    raise Failed(f"no answer to {method} within {timeout_s} s")


def path_at(name: str, place: tuple[str, int], **more: Any) -> dict[str, Any]:
    return {"name": name, "on_demand": False, "address": place[0], "port": place[1], "peer": "k", **more}


def request(**parts: Any) -> Any:
    limits = {"deadline_s": 20, "max_readers": 8, "sample_s": 0, "read_s": 5, "connect_s": 0.2}
    return {"operation": "probe", "observe": OBSERVE, **limits, **parts}


def at_relay(*listed: dict[str, Any], **more: Any) -> Any:
    return request(relay={"address": OWN[0], "paths": list(listed), "read": False, **more})


def test_a_probe_connects_to_no_port_of_its_request(host: Path, listener: tuple[tuple[str, int], list[str]]) -> None:
    place, came = listener
    answer = probe.probe(at_relay(path_at("hn/a/cam-1/sub", place)), host)
    assert came == []
    assert answer["relay"]["devices"] == []
    assert answer["relay"]["not_installed"] == [{"address": place[0], "port": place[1]}]


def test_a_look_of_a_change_connects_to_no_port_that_only_its_request_has(
    host: Path, listener: tuple[tuple[str, int], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, came = listener
    monkeypatch.setattr(gate, "sessions", lambda **_: {})
    asked: Any = {**request(), "address": OWN[0], "paths": [], "away": [path_at("hn/a/cam-1/sub", place)]}
    answer = gate.look(asked)
    assert host.exists()
    assert came == []
    assert answer["relay"] is not None
    assert answer["relay"]["devices"] == []


def test_a_relay_is_read_at_its_own_address_alone(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, int]] = []
    monkeypatch.setattr(
        readers, "read_all", lambda logins, *_: read.extend((x.address, x.port) for x in logins.values())
    )
    asked = path_at("hn/a/cam-1/sub", CAMERA)
    answers = {
        address: probe.probe(at_relay(asked, read=True, address=address), host)["relay"]["paths"][asked["name"]]["read"]
        for address in (OWN[0], "192.0.2.66")
    }
    assert read == [OWN]
    assert answers["192.0.2.66"] == {"not_run": firewall.refusal("192.0.2.66", 8554)}
    assert "192.0.2.66:8554" in firewall.refusal("192.0.2.66", 8554)


def test_a_place_that_is_not_installed_hides_no_other(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Any] = []
    monkeypatch.setattr(reach, "_connect_all_at_once", lambda devices, *_: [*map(tried.append, devices), []][-1])
    monkeypatch.setattr(endpoints, "answers", lambda *_: [])
    monkeypatch.setattr(onvif, "query_devices", lambda devices, *_: {d["name"]: {"outcome": "silent"} for d in devices})
    names = {"hn/a/cam-1/sub": CAMERA, "hn/b/cam-1/sub": ("192.0.2.66", 22), "hn/c/cam-1/sub": OTHER_CAMERA}
    asked = [
        {"name": name, "address": place[0], "port": place[1], "paths": [], "profile": ""}
        for name, place in (("a/cam-1", ASKED), ("b/cam-1", ("192.0.2.66", 80)))
    ]
    answer = probe.probe(at_relay(*(path_at(*one) for one in names.items()), onvif=asked), host)["relay"]
    assert set(tried) == {CAMERA, OTHER_CAMERA}
    assert answer["not_installed"] == [{"address": "192.0.2.66", "port": 22}]
    assert answer["paths"].keys() == names.keys()
    assert answer["onvif"]["a/cam-1"] == {"outcome": "silent"}
    assert answer["onvif"]["b/cam-1"] == {"outcome": "not run", "detail": firewall.refusal("192.0.2.66", 80)}


def test_a_centre_reads_the_other_relays_if_one_is_not_installed(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = {"user": "centre", "secret": "s3cret", "paths": ["hn/a/cam-1/sub"]}
    hubs = {"relay-1": HUB, "relay-3": ("192.0.2.66", 8322)}
    through = {name: {"address": at[0], "port": at[1], "fingerprint": ""} for name, at in hubs.items()}
    asked = [
        {**of, "relay": "relay-1", "address": "100.64.1.1", "through": through["relay-1"]},
        {**of, "relay": "relay-2", "address": "192.0.2.66"},
        {**of, "relay": "relay-3", "address": "100.64.1.1", "through": through["relay-3"]},
    ]
    read: list[tuple[str, int]] = []

    def read_all(logins: dict[str, Login], turns: Any, _times: Any, done: Any, _looks: Any) -> None:
        read.extend((login.address, login.port) for login in logins.values())
        for number in range(len(turns)):
            done(number, {"codec": "h264"})

    monkeypatch.setattr(readers, "read_all", read_all)
    answer = probe.probe(request(centre={"relays": asked}), host)["centre"]
    assert read == [HUB]
    assert {name: reads["hn/a/cam-1/sub"] for name, reads in answer["relays"].items()} == {
        "relay-1": {"codec": "h264"},
        "relay-2": {"not_run": firewall.refusal("192.0.2.66", 8554)},
        "relay-3": {"not_run": firewall.refusal("192.0.2.66", 8322)},
    }


@pytest.mark.parametrize("rules", [None, "", "table inet provisioner {\n\tset cameras {\n\t\tsomething\n\t}\n}\n"])
def test_a_host_without_rules_of_ours_connects_to_nothing(host: Path, rules: str | None) -> None:
    (host / "provisioner.nft").unlink() if rules is None else (host / "provisioner.nft").write_text(rules)
    assert firewall.installed_places() == firewall.InstalledEndpoints()


GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("**/provisioner.nft")), ids=lambda f: str(f.relative_to(GOLDEN)))
def test_whatever_is_rendered_for_a_host_its_looks_may_reach(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "NFT_FILE", file)
    installed = firewall.installed_places()
    rules, media, tunnel = file.read_text(), file.with_name("mediamtx.yml"), file.with_name("wg-prov.conf")
    assert ("set relays {" in rules) == bool(installed.relays)
    if media.exists():
        lines = media.read_text().splitlines()
        sources = [json.loads(match[2]).get("source", "") for line in lines if (match := relay.PATH_LINE.match(line))]
        places = {source.rpartition("@")[2].partition("/")[0] for source in sources if "@" in source}
        there = {f"{address}:{port}" for address, port in installed.cameras}
        assert {place for place in places if place.partition(":")[0] not in installed.relays} == there
        assert len(installed.own) == 1
    elif tunnel.exists():
        allowed = {line.removeprefix("AllowedIPs = ") for line in tunnel.read_text().splitlines()}
        assert {f"{address}/32" for address in installed.relays} <= allowed


# --- whatever a request says ----------------------------------------------------------------------
PLACES = st.one_of(
    st.sampled_from(sorted(INSTALLED)),
    st.tuples(
        st.one_of(
            st.sampled_from([*sorted({address for address, _ in INSTALLED}), "127.0.0.1", "", "any"]),
            st.sampled_from(["localhost", "100.64.0.4 . 10554 }; flush ruleset; {", "224.0.0.1", "-F/etc/shadow"]),
            st.text(max_size=8),
        ),
        st.sampled_from([0, 22, 554, 8322, 8554, 9997, 10080, 10554, -1, 65536]),
    ),
)
NAMES = st.sampled_from(["hn/a/cam-1/sub", "hn/a/cam-1/main", "hn/b/cam-1/sub"])


@st.composite
def relay_paths(draw: st.DrawFn) -> dict[str, Any]:
    return path_at(draw(NAMES), draw(PLACES), on_demand=draw(st.booleans()))


@st.composite
def relays_to_read(draw: st.DrawFn) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "relay": draw(st.sampled_from(["r1", "r2"])),
        "address": draw(PLACES)[0],
        "user": "u",
        "secret": "s",
    }
    if draw(st.booleans()):
        asked["fingerprint"] = "ab"
    if draw(st.booleans()):
        at = draw(PLACES)
        asked["through"] = {"address": at[0], "port": at[1], "fingerprint": ""}
    return {**asked, "paths": [draw(NAMES)]}


@st.composite
def devices_to_ask(draw: st.DrawFn) -> dict[str, Any]:
    at = draw(PLACES)
    return {"name": draw(NAMES), "address": at[0], "port": at[1], "paths": [draw(NAMES)], "profile": ""}


class Reached:
    """Where a look went, in the place of what would go there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.places: set[tuple[str, int]] = set()
        self.addresses: set[str] = set()
        monkeypatch.setattr(reach, "_connect_all_at_once", self.connect)
        monkeypatch.setattr(device_probe, "_first_bytes", self.answer)
        monkeypatch.setattr(readers, "read_all", self.read)
        monkeypatch.setattr(onvif, "query_devices", self.ask)
        monkeypatch.setattr(endpoints, "answers", self.ping)
        monkeypatch.setattr(drops, "traced", self.traced)
        monkeypatch.setattr(source_log, "count_to", self.count)

    def connect(self, devices: Any, *_: Any) -> list[Any]:
        self.places.update(devices)
        return [{"address": a, "port": p, "outcome": "ok", "seconds": 0.0} for a, p in devices]

    def answer(self, device: Any, *_: Any) -> tuple[bytes, bool]:
        self.places.add(device)
        return b"", True

    def read(self, logins: dict[str, Login], turns: Any, _times: Any, done: Any, _looks: Any = None) -> None:
        self.places.update((login.address, login.port) for login in logins.values())
        for number in range(len(turns)):
            done(number, {"error": "refused", "status": None, "timed_out": True, "seconds": 9.0})

    def ask(self, devices: Any, *_: Any) -> dict[str, Any]:
        self.places.update((device["address"], device["port"]) for device in devices)
        return {}

    def ping(self, addresses: Any, *_: Any) -> list[Any]:
        self.addresses.update(addresses)
        return []

    @contextmanager
    def traced(self, devices: Iterable[tuple[str, int]], _port: int) -> Iterator[drops.Trace]:
        self.places.update(devices)
        yield drops.Trace()

    def count(self, address: str, port: int) -> int:
        self.places.add((address, port))
        return 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    own=PLACES,
    listed=st.lists(relay_paths(), max_size=3),
    onvif_devices=st.lists(devices_to_ask(), max_size=2),
    centres=st.lists(relays_to_read(), max_size=2),
    answers=st.booleans(),
)
def test_whatever_a_request_says_a_look_goes_only_where_the_host_has_it_installed(
    host: Path,
    own: tuple[str, int],
    listed: list[dict[str, Any]],
    onvif_devices: list[dict[str, Any]],
    centres: list[dict[str, Any]],
    *,
    answers: bool,
) -> None:
    with pytest.MonkeyPatch.context() as patches:
        reached = Reached(patches)
        patches.setattr(gate, "sessions", lambda **_: {})
        if answers:
            there = [{"name": path["name"], "available": True, "online": True} for path in listed]
            patches.setattr(relay, "api", lambda path, *_a, **_k: {"items": there} if "list" in path else there[0])
        asked: Any = {"address": own[0], "paths": listed, "onvif": onvif_devices}
        probe.probe(request(relay=asked, centre={"relays": centres}), host)
        change: Any = {**request(), "address": own[0], "paths": listed[:1], "away": listed}
        gate.look(change)
        gate.look(change, switched=True)
    assert reached.places <= INSTALLED
    assert reached.addresses <= {address for address, _ in INSTALLED}
