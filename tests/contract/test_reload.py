"""What a changed file does to a running relay: who is cut, what is lost, what ends it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from tests.processes import free_port

from .camera import CameraYard
from .reader import HeldReader, describe
from .relay import API_PASSWORD, API_USER, READER, READER_HASH, READER_PASSWORD, Relay, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .camera import FakeCamera
    from .clip import Clip
    from .conftest import StartRelay
    from .relay import Document, Engine

pytestmark = pytest.mark.contract

A: Final = "hn/site-a/cam-1/sub"
B: Final = "hn/site-b/cam-1/sub"
CREDENTIALS: Final = (READER, READER_PASSWORD)

# A cut happens while the relay reloads, so that it has happened once the sentinel is there.
_SOON: Final = 2.0


@dataclass(slots=True)
class Pair:
    """A relay with two live paths and a reader on each, kept from test to test while they live."""

    relay: Relay
    cameras: dict[str, FakeCamera]
    readers: dict[str, HeldReader]

    def hold(self) -> None:
        """See to it that both readers receive."""
        for name in (A, B):
            self._wait_for_bytes(name)
            if name not in self.readers:
                self.readers[name] = HeldReader(self.relay.rtsp_port, name, CREDENTIALS)
            assert self.readers[name].flows()

    def _wait_for_bytes(self, name: str) -> None:
        wait_for(lambda: self.relay.path(name).get("inboundBytes"))

    def was_cut(self, name: str) -> bool:
        """Whether a reader lost its connection; if so it is forgotten."""
        reader = self.readers[name]
        if reader.was_cut(0) or not reader.flows():
            assert reader.was_cut(_SOON), "the reader is neither cut nor served"
            self.readers.pop(name).hang_up()
            return True
        return False


@pytest.fixture(scope="module")
def pair(engine: Engine, clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two cameras, two paths, two readers."""
    with CameraYard(clip) as yard:
        cameras = {A: yard.camera(), B: yard.camera()}
        paths: Document = {name: {"source": f"rtsp://127.0.0.1:{camera.port}/s"} for name, camera in cameras.items()}
        with Relay(engine, tmp_path_factory.mktemp("pair"), {"paths": paths}) as relay:
            pair = Pair(relay, cameras, {})
            yield pair
            for reader in pair.readers.values():
                reader.hang_up()


Change = Callable[[Relay], None]


def _nothing(_relay: Relay) -> None:
    pass


def _set(**values: object) -> Change:
    def change(relay: Relay) -> None:
        relay.config |= values

    return change


def _set_path(name: str, **values: object) -> Change:
    def change(relay: Relay) -> None:
        relay.config["paths"][name] |= values

    return change


def _set_defaults(**values: object) -> Change:
    def change(relay: Relay) -> None:
        relay.config["pathDefaults"] |= values

    return change


def _move_api(relay: Relay) -> None:
    relay.api_port = free_port()
    relay.config["apiAddress"] = f"127.0.0.1:{relay.api_port}"


def _move_rtsp(relay: Relay) -> None:
    relay.rtsp_port = free_port()
    relay.config["rtspAddress"] = f"127.0.0.1:{relay.rtsp_port}"


def _add_path(relay: Relay) -> None:
    relay.config["paths"]["hn/site-c/cam-1/sub"] = {}


def _add_user(relay: Relay) -> None:
    relay.config["authInternalUsers"].append({"user": "other", "pass": READER_HASH, "permissions": []})


# change, is A cut, is B cut, does A's camera get a new connection
RULES: Final[dict[str, tuple[Change, bool, bool, bool]]] = {
    "same content": (_nothing, False, False, False),
    "new path": (_add_path, False, False, False),
    "new user": (_add_user, False, False, False),
    "recording key of a path": (_set_path(A, recordDeleteAfter="2d"), False, False, False),
    "recording key of the defaults": (_set_defaults(recordSegmentDuration="30m"), False, False, False),
    "API origins": (_set(apiAllowOrigins=["https://noc.example"]), False, False, False),
    "API address": (_move_api, False, False, False),
    "HLS address, while HLS is off": (_set(hlsAddress="127.0.0.1:1"), False, False, False),
    "profiler address, while it is off": (_set(pprofAddress="127.0.0.1:1"), False, False, False),
    "source of B": (_set_path(B, sourceFingerprint="a" * 64), False, True, False),
    "reader limit of A": (_set_path(A, maxReaders=7), True, False, True),
    "reader limit of all": (_set_defaults(maxReaders=9, overridePublisher=False), True, True, True),
    "log level": (_set(logLevel="warn"), True, True, True),
    "log format": (_set(logStructured=True, logLevel="info"), True, True, True),
    "metrics address": (_set(metricsAddress="127.0.0.1:1"), True, True, True),
    "read timeout": (_set(readTimeout="3s"), True, True, True),
    "write queue": (_set(writeQueueSize=1024), True, True, True),
    "payload size": (_set(udpMaxPayloadSize=1392), True, True, True),
    "token issuer": (_set(authJWTIssuer="x"), True, True, True),
    "RTSP address": (_move_rtsp, True, True, True),
    "RTP address": (_set(rtpAddress="127.0.0.1:2"), True, True, False),
}


@pytest.mark.parametrize("rule", RULES)
def test_who_is_cut(pair: Pair, rule: str) -> None:
    change, cuts_a, cuts_b, reconnects = RULES[rule]
    pair.hold()
    dials = pair.cameras[A].dials
    change(pair.relay)
    pair.relay.reload(f"mark{list(RULES).index(rule)}")
    assert (pair.was_cut(A), pair.was_cut(B)) == (cuts_a, cuts_b)
    if reconnects:
        wait_for(lambda: pair.cameras[A].dials > dials)
    else:
        assert pair.cameras[A].dials == dials


def test_a_deleted_path_is_gone_with_its_readers(pair: Pair) -> None:
    pair.hold()
    kept = pair.relay.config["paths"].pop(B)
    pair.relay.reload("deleted")
    assert (pair.was_cut(A), pair.was_cut(B)) == (False, True)
    assert pair.relay.api(f"/v3/paths/get/{B}").status == 404
    assert describe(pair.relay.rtsp_port, B, CREDENTIALS).status == 400
    pair.relay.config["paths"][B] = kept
    pair.relay.reload("restored")
    pair.hold()


def test_a_removed_user_keeps_the_session_but_not_the_key(pair: Pair) -> None:
    pair.hold()
    users = pair.relay.config["authInternalUsers"]
    removed = next(user for user in users if user["user"] == READER)
    users.remove(removed)
    pair.relay.reload("removed")
    assert not pair.was_cut(A)
    assert describe(pair.relay.rtsp_port, A, CREDENTIALS).status == 401
    users.append(removed)
    pair.relay.reload("returned")
    assert describe(pair.relay.rtsp_port, A, CREDENTIALS).status == 200


def test_a_reload_is_no_restart(pair: Pair) -> None:
    started = pair.relay.api("/v3/info").json()["started"]
    pair.relay.reload("same-process")
    assert pair.relay.api("/v3/info").json()["started"] == started


def test_a_second_write_within_a_second_is_lost(start_relay: StartRelay) -> None:
    relay = start_relay()
    relay.reload("first")
    relay.config["paths"] = {"cfg/second": {}}
    relay.write(gap=False)
    time.sleep(2)
    assert not relay.has_config("cfg/second")
    assert relay.has_config("cfg/first")
    relay.write()
    wait_for(lambda: relay.has_config("cfg/second"))


def test_the_sentinel_is_a_path_that_nobody_publishes(start_relay: StartRelay) -> None:
    relay = start_relay()
    relay.reload("0123456789ab")
    assert relay.api("/v3/config/paths/get/cfg/0123456789ab").json()["source"] == "publisher"
    document = relay.path("cfg/0123456789ab")
    assert (document["available"], document["online"], document["source"]) == (False, False, None)


@pytest.mark.parametrize("text", ["foo: 1\n", "paths: {/a: {}}\n", "paths: {a: {source:"])
def test_an_invalid_file_ends_the_relay_with_code_0(start_relay: StartRelay, text: str) -> None:
    relay = start_relay()
    relay.write(text)
    assert relay.wait_for_exit() == 0
    assert " ERR " in relay.log()


def test_a_busy_port_ends_the_relay_with_code_0(start_relay: StartRelay) -> None:
    relay = start_relay()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        relay.config["rtspAddress"] = f"127.0.0.1:{port}"
        relay.write()
        assert relay.wait_for_exit() == 0
    assert f"ERR listen tcp 127.0.0.1:{port}: bind: address already in use" in relay.log()


def test_an_empty_file_has_neither_api_nor_paths(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> None:
    # The variables keep the defaults' listeners off the machine's own ports.
    port = free_port()
    variables = {f"MTX_{name}": "no" for name in ("HLS", "WEBRTC", "RTMP", "SRT", "MOQ")}
    variables |= {"MTX_RTSPADDRESS": f"127.0.0.1:{port}", "MTX_RTSPTRANSPORTS": "tcp"}
    config: Document = {"paths": {"hn/a": {}}}
    with Relay(engine, tmp_path_factory.mktemp("empty"), config, variables, rtsp_port=port) as relay:
        assert relay.api("/v3/info", credentials=(API_USER, API_PASSWORD)).status == 200
        relay.write("")
        wait_for(lambda: not _listens(relay.api_port))
        assert relay.exit_code is None
        # The listener has other settings now: it is closed and opened anew.
        wait_for(lambda: _listens(relay.rtsp_port))
        # Anybody may read now, and there is nothing to read.
        assert describe(relay.rtsp_port, "hn/a", None).status == 400


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
