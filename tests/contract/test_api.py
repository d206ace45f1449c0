"""The documents of the Control API."""

from __future__ import annotations

import base64
import json
import socket
import uuid
from typing import TYPE_CHECKING, Final

import pytest

from .reader import HeldReader
from .relay import API_PASSWORD, API_USER, LATE, READER, READER_PASSWORD, Relay, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .camera import CameraYard
    from .conftest import StartRelay
    from .relay import Document, Engine

pytestmark = pytest.mark.contract

SOURCE: Final = "rtsp://admin:p%40ss%2F%23@127.0.0.1:1/Streaming/101"
NAMES: Final = [f"hn/site/cam-{number}/sub" for number in range(1, 6)]
UNKNOWN: Final = str(uuid.UUID(int=0))


@pytest.fixture(scope="module")
def relay(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A relay with five paths."""
    paths: Document = {name: {"source": SOURCE, "sourceOnDemand": True} for name in reversed(NAMES)}
    with Relay(engine, tmp_path_factory.mktemp("api"), {"paths": paths}) as running:
        yield running


@pytest.mark.parametrize("place", ["/v3/paths/list", "/v3/config/paths/list"])
def test_pages(relay: Relay, place: str) -> None:
    def page(query: str) -> tuple[int, int, list[str]]:
        document = relay.api(place + query).json()
        return document["itemCount"], document["pageCount"], [item["name"] for item in document["items"]]

    assert page("") == (5, 1, NAMES)
    assert page("?itemsPerPage=2") == (5, 3, NAMES[:2])
    assert page("?itemsPerPage=2&page=2") == (5, 3, NAMES[4:])
    assert page("?itemsPerPage=2&page=9") == (5, 3, [])
    assert page("?itemsPerPage=2147483647") == (5, 1, NAMES)
    for query in ("?itemsPerPage=0", "?itemsPerPage=x", "?page=-1"):
        assert relay.api(place + query).status == 400


def test_a_request_of_http_1_0_gets_one_whole_answer_and_the_end(relay: Relay) -> None:
    """What asks on a host speaks no more of HTTP than this."""
    token = base64.b64encode(f"{API_USER}:{API_PASSWORD}".encode()).decode()
    head = f"GET /v3/config/paths/list?itemsPerPage=1000 HTTP/1.0\r\nAuthorization: Basic {token}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", relay.api_port), timeout=5 + LATE) as link:
        link.sendall(head.encode())
        with link.makefile("rb") as stream:
            status, *_ = stream.readline().decode().split(" ")[1:]
            body = stream.read().partition(b"\r\n\r\n")[2]
    assert status == "200"
    assert json.loads(body)["itemCount"] == 5
    assert len(body) > 3000, "long enough to come in chunks by HTTP/1.1"


def test_the_configuration_is_shown_with_camera_passwords_and_without_others(relay: Relay) -> None:
    one = relay.api(f"/v3/config/paths/get/{NAMES[0]}").json()
    assert (one["name"], one["source"], one["sourceOnDemand"]) == (NAMES[0], SOURCE, True)
    assert (one["sourceOnDemandCloseAfter"], one["rtspTransport"], one["maxReaders"]) == ("10s", "tcp", 0)
    assert one["recordSegmentDuration"] == "1h0m0s"
    listed = relay.api("/v3/config/paths/list").json()["items"]
    assert listed[0] == one
    assert relay.api("/v3/config/pathdefaults/get").json()["rtspTransport"] == "tcp"
    globals_ = relay.api("/v3/config/global/get").json()
    assert globals_["readTimeout"] == "2s"
    assert globals_["rtspTransports"] == ["tcp"]
    assert (globals_["hls"], globals_["api"], globals_["writeQueueSize"]) == (False, True, 512)
    user = globals_["authInternalUsers"][0]
    assert (user["user"], user["pass"], user["ips"]) == (API_USER, "<redacted>", ["127.0.0.1/32"])
    assert user["permissions"] == [{"action": "api", "path": ""}]


def test_every_key_of_the_configuration_is_shown(relay: Relay) -> None:
    shown = relay.api("/v3/config/global/get").json() | relay.api("/v3/config/pathdefaults/get").json()
    assert len(relay.api("/v3/config/global/get").json()) == 120
    assert len(relay.api("/v3/config/pathdefaults/get").json()) == 91
    assert {"moqQUICAddress", "authJWTClaimKey", "forward", "rpiCameraEV", "runOnOffline"} <= shown.keys()


@pytest.mark.parametrize(
    ("place", "status", "error"),
    [
        ("/v3/paths/get/none", 404, "path not found"),
        ("/v3/paths/get/", 400, "invalid name"),
        ("/v3/config/paths/get/none", 404, "path configuration not found"),
        (f"/v3/rtspsessions/get/{UNKNOWN}", 404, "session not found"),
        (f"/v3/rtspconns/get/{UNKNOWN}", 404, "connection not found"),
        ("/v3/rtspsessions/get/zz", 400, "invalid UUID length: 2"),
    ],
)
def test_errors_are_documents(relay: Relay, place: str, status: int, error: str) -> None:
    answer = relay.api(place)
    assert (answer.status, answer.json()) == (status, {"status": "error", "error": error})


@pytest.mark.parametrize("place", ["/v3/none", "/v3/hlsmuxers/list", "/"])
def test_pages_that_do_not_exist_are_plain(relay: Relay, place: str) -> None:
    answer = relay.api(place)
    assert (answer.status, answer.body) == (404, b"404 page not found")


def test_a_kicked_session_is_cut(start_relay: StartRelay, yard: CameraYard) -> None:
    relay = start_relay({NAMES[0]: {"source": f"rtsp://127.0.0.1:{yard.camera().port}/s"}})
    wait_for(lambda: relay.path(NAMES[0])["available"])
    with HeldReader(relay.rtsp_port, NAMES[0], (READER, READER_PASSWORD)) as reader:
        assert reader.flows()
        session = relay.sessions()[0]
        assert relay.api(f"/v3/rtspsessions/get/{session['id']}").json()["id"] == session["id"]
        connection = relay.api("/v3/rtspconns/list").json()["items"][0]
        assert session["conns"] == [connection["id"]]
        assert connection["session"] == session["id"]
        assert relay.api(f"/v3/rtspconns/get/{connection['id']}").json()["id"] == connection["id"]
        kicked = relay.api(f"/v3/rtspsessions/kick/{session['id']}", method="POST")
        assert (kicked.status, kicked.json()) == (200, {"status": "ok"})
        assert reader.was_cut(3)
    wait_for(lambda: not relay.sessions())
    assert relay.api(f"/v3/rtspsessions/kick/{UNKNOWN}", method="POST").status == 404
