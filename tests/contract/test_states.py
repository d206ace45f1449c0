"""What the Control API and the log say about cameras in every condition."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest

from tests.processes import free_port

from .camera import CameraYard, Fault, Scheme
from .clip import HEIGHT, WIDTH
from .reader import HeldReader, describe
from .relay import LATE, READER, READER_PASSWORD, Relay, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .clip import Clip
    from .conftest import StartRelay
    from .relay import Document, Engine

pytestmark = pytest.mark.contract

CREDENTIALS: Final = (READER, READER_PASSWORD)
PASSWORD: Final = "p@ss/w#rd:?%ü"

_START_TIMEOUT: Final = 1.0
_REFUSED: Final = "dial tcp 127.0.0.1:{port}: connect: connection refused"


def _source(port: int, password: str = PASSWORD) -> str:
    return f"rtsp://admin:{quote(password, safe='')}@127.0.0.1:{port}/Streaming/101?transportmode=unicast"


@pytest.fixture(scope="module")
def site(engine: Engine, clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """One relay, and a camera in every condition."""
    with CameraYard(clip) as yard:

        def camera(scheme: Scheme = Scheme.DIGEST_MD5, fault: Fault = Fault.NONE) -> int:
            return yard.camera(user="admin", password=PASSWORD, scheme=scheme, fault=fault).port

        demand = {"sourceOnDemand": True, "sourceOnDemandStartTimeout": "1s", "sourceOnDemandCloseAfter": "1s"}
        good = camera()
        paths: Document = {
            "hn/md5": {"source": _source(good)},
            "hn/sha256": {"source": _source(camera(Scheme.DIGEST_SHA256))},
            "hn/basic": {"source": _source(camera(Scheme.BASIC))},
            "hn/refused": {"source": _source(free_port())},
            "hn/password": {"source": _source(good, "wrong")},
            "hn/locked": {"source": _source(camera(fault=Fault.UNAUTHORIZED))},
            "hn/nostream": {"source": _source(camera(fault=Fault.NOT_FOUND))},
            "hn/silent": {"source": _source(camera(fault=Fault.SILENT))},
            "hn/mute": {"source": _source(camera(fault=Fault.MUTE))},
            "hn/demand": {"source": _source(good), **demand},
            "hn/demand-dead": {"source": _source(free_port()), **demand},
            "cfg/0": {},
        }
        with Relay(engine, tmp_path_factory.mktemp("site"), {"paths": paths}) as relay:
            yield relay


@pytest.mark.parametrize("name", ["hn/md5", "hn/sha256", "hn/basic"])
def test_a_streaming_camera(site: Relay, name: str) -> None:
    wait_for(lambda: site.path(name)["inboundBytes"])
    first = site.path(name)
    wait_for(lambda: site.path(name)["inboundBytes"] > first["inboundBytes"])
    assert (first["available"], first["online"], first["ready"]) == (True, True, True)
    assert first["source"] == {"type": "rtspSource", "id": ""}
    assert first["tracks"] == ["H264"]
    picture = {"width": WIDTH, "height": HEIGHT, "profile": "Baseline", "level": "1.1"}
    assert first["tracks2"] == [{"codec": "H264", "codecProps": picture}]
    assert first["availableTime"].endswith("Z")
    assert first["bytesReceived"] == first["inboundBytes"]


CAUSES: Final = {
    "hn/refused": "connect: connection refused",
    "hn/password": "bad status code: 401 (Unauthorized)",
    "hn/locked": "bad status code: 401 (Unauthorized)",
    "hn/nostream": "bad status code: 404 (Not Found)",
    "hn/mute": "request timed out",
}


@pytest.mark.parametrize("name", CAUSES)
def test_a_dead_camera(site: Relay, name: str) -> None:
    def told() -> list[str]:
        marked = f" ERR [path {name}] [RTSP source] "
        return [line.partition(marked)[2] for line in site.log().splitlines() if marked in line]

    assert wait_for(told)[0].endswith(CAUSES[name])
    document = site.path(name)
    # Configured is enough for `online`.
    assert (document["available"], document["online"], document["inboundBytes"]) == (False, True, 0)
    assert document["onlineTime"] == "0001-01-01T00:00:00Z"
    assert (document["tracks2"], document["readers"]) == ([], [])
    assert describe(site.rtsp_port, name, CREDENTIALS).status == 404


def test_a_silent_camera_is_available_without_bytes_until_the_timeout(site: Relay) -> None:
    wait_for(lambda: site.path("hn/silent")["available"])
    assert site.path("hn/silent")["inboundBytes"] == 0
    wait_for(lambda: not site.path("hn/silent")["available"])
    site.wait_for_log("ERR [path hn/silent] [RTSP source] TCP timeout")
    assert site.path("hn/silent")["online"]


def test_a_camera_on_demand(site: Relay) -> None:
    idle = site.path("hn/demand")
    assert (idle["available"], idle["online"], idle["inboundBytes"]) == (False, True, 0)
    with HeldReader(site.rtsp_port, "hn/demand", CREDENTIALS) as reader:
        assert reader.flows()
        read = site.path("hn/demand")
        assert (read["available"], read["online"], len(read["readers"])) == (True, True, 1)
        assert read["inboundBytes"] > 0
        time.sleep(1.5)  # longer than it stays without readers
        assert reader.flows()
    wait_for(lambda: not site.path("hn/demand")["available"])
    site.wait_for_log("[path hn/demand] [RTSP source] started on demand")
    site.wait_for_log("[path hn/demand] [RTSP source] stopped: not needed by anyone")


def test_a_description_alone_starts_a_camera_on_demand(site: Relay) -> None:
    wait_for(lambda: not site.path("hn/demand")["available"])
    assert describe(site.rtsp_port, "hn/demand", CREDENTIALS).status == 200
    assert site.path("hn/demand")["available"]
    wait_for(lambda: not site.path("hn/demand")["available"])


def test_a_dead_camera_on_demand_answers_after_the_start_timeout(site: Relay) -> None:
    began = time.monotonic()
    assert describe(site.rtsp_port, "hn/demand-dead", CREDENTIALS).status == 400
    assert _START_TIMEOUT <= time.monotonic() - began < _START_TIMEOUT + LATE
    site.wait_for_log("source of path 'hn/demand-dead' has timed out")


def test_a_sentinel_has_no_stream(site: Relay) -> None:
    document = site.path("cfg/0")
    assert (document["available"], document["online"], document["onlineTime"]) == (False, False, None)


def test_a_camera_that_comes_back_is_found_after_the_pause(start_relay: StartRelay, yard: CameraYard) -> None:
    camera = yard.camera()
    relay = start_relay({"hn/a": {"source": f"rtsp://127.0.0.1:{camera.port}/s"}})
    wait_for(lambda: relay.path("hn/a")["available"])
    first = relay.path("hn/a")
    yard.stop(camera)
    lost = time.monotonic()
    wait_for(lambda: not relay.path("hn/a")["available"])
    # Online it stays, and since when it had been: only the stream tells that the camera is gone.
    gone = relay.path("hn/a")
    assert (gone["inboundBytes"], gone["availableTime"]) == (0, None)
    assert (gone["online"], gone["onlineTime"]) == (True, first["onlineTime"])
    yard.start(camera)
    wait_for(lambda: relay.path("hn/a")["available"])
    assert time.monotonic() - lost > 4
    assert relay.path("hn/a")["availableTime"] > first["availableTime"]


def test_a_structured_log_names_path_and_cause(start_relay: StartRelay) -> None:
    port = free_port()
    relay = start_relay({"hn/a": {"source": f"rtsp://127.0.0.1:{port}/s"}}, logStructured=True)
    expected = f"[path hn/a] [RTSP source] {_REFUSED.format(port=port)}"

    def lines() -> list[Document]:
        return [json.loads(line) for line in relay.log().splitlines()]

    line = wait_for(lambda: [line for line in lines() if line["level"] == "ERR"])[0]
    assert line.keys() == {"timestamp", "level", "message"}
    assert line["message"] == expected
