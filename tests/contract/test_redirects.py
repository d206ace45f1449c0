"""A camera that redirects its relay: both engines follow to anywhere, for ever, with the login of the camera.

That is why the firewall, and not MediaMTX, says where a relay connects to.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tests.hostile import CAMERA
from tests.processes import free_port

from .camera import CameraYard, FakeCamera, Scheme
from .relay import Relay, wait_for

if TYPE_CHECKING:
    from .conftest import StartRelay

pytestmark = pytest.mark.contract


def _url(camera: FakeCamera, login: str = "") -> str:
    return f"rtsp://{login}127.0.0.1:{camera.port}/s"


def _told(relay: Relay) -> list[str]:
    mark = " ERR [path hn/a] [RTSP source] "
    return [line.partition(mark)[2] for line in relay.log().splitlines() if mark in line]


@CAMERA
@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "303 See Other", "305 Use Proxy"])
def test_a_relay_follows_a_redirect_to_another_camera(start_relay: StartRelay, yard: CameraYard, status: str) -> None:
    other, camera = yard.camera(), yard.camera()
    camera.locations, camera.status = (_url(other),), status
    relay = start_relay({"hn/a": {"source": _url(camera)}})
    wait_for(lambda: relay.path("hn/a")["inboundBytes"])
    assert relay.path("hn/a")["available"]
    assert (camera.plays, other.plays) == (0, 1)


@CAMERA
def test_the_login_goes_along_in_clear(start_relay: StartRelay, yard: CameraYard) -> None:
    other = yard.camera(user="admin", password="canary-1", scheme=Scheme.BASIC)
    camera = yard.camera(user="admin", password="canary-1")
    camera.locations = (_url(other, "nobody:else@"),)
    relay = start_relay({"hn/a": {"source": _url(camera, "admin:canary-1@")}})
    wait_for(lambda: relay.path("hn/a")["inboundBytes"])
    assert base64.b64decode(other.logins[0].removeprefix("Basic ")) == b"admin:canary-1"


@CAMERA
def test_a_camera_that_redirects_to_itself_is_asked_without_end(yard: CameraYard, start_relay: StartRelay) -> None:
    camera = yard.camera()
    camera.locations = (_url(camera),)
    relay = start_relay({"hn/a": {"source": _url(camera)}})
    wait_for(lambda: camera.dials > 200)
    assert _told(relay) == []


@CAMERA
def test_the_log_names_the_place_that_could_not_be_reached(start_relay: StartRelay, yard: CameraYard) -> None:
    camera, gone = yard.camera(), free_port()
    camera.locations = (f"rtsp://127.0.0.1:{gone}/x",)
    relay = start_relay({"hn/a": {"source": _url(camera, "admin:canary-1@")}})
    assert wait_for(lambda: _told(relay)) == [f"dial tcp 127.0.0.1:{gone}: connect: connection refused"]


@CAMERA
@pytest.mark.parametrize(
    ("locations", "error"),
    [
        (("http://127.0.0.1:9/x",), "unsupported scheme 'http'"),
        (("rtsp://127.0.0.1:1/x", "rtsp://127.0.0.1:2/x"), "bad status code: 302 (Found)"),
    ],
)
def test_what_is_no_redirect_is_not_followed(
    start_relay: StartRelay, yard: CameraYard, locations: tuple[str, ...], error: str
) -> None:
    camera = yard.camera()
    camera.locations = locations
    relay = start_relay({"hn/a": {"source": _url(camera)}})
    assert wait_for(lambda: _told(relay)) == [error]


@CAMERA
def test_a_description_that_names_somebody_else_leads_nowhere(start_relay: StartRelay, yard: CameraYard) -> None:
    other, camera = yard.camera(), yard.camera()
    camera.names = f"{_url(other)}/"
    relay = start_relay({"hn/a": {"source": _url(camera)}})
    wait_for(lambda: relay.path("hn/a")["inboundBytes"])
    assert (camera.plays, other.dials) == (1, 0)
