"""Cameras that mean harm, behind a relay: the probing reader ends in time, in little memory, and believes no word."""

from __future__ import annotations

import re
import resource
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner_host.look import batch_decoder, device_probe
from provisioner_host.look.batch_decoder import BatchLog, StreamToDecode
from provisioner_host.look.rtsp_talk import Login
from tests.hostile import CAMERA, VIEWER
from tests.looks import read

from .camera import CameraYard, Fault
from .clip import HEIGHT, WIDTH, Clip
from .reader import Dialogue, describe
from .relay import API_PASSWORD, API_USER, LATE, READER, READER_PASSWORD, Relay, wait_for

if TYPE_CHECKING:
    from .conftest import StartRelay

pytestmark = pytest.mark.contract

FORGED = f"[showinfo@decoded0 @ 0x1] n:0 pts_time:10 s:{WIDTH}x{HEIGHT} i:P iskey:1 type:I"


@dataclass(frozen=True, slots=True)
class _Titled(Clip):
    """A clip whose title is what a reader says that has decoded it."""

    title: str = FORGED

    def sdp(self) -> str:
        """Describe the clip."""
        return Clip.sdp(self).replace("s=fake camera", f"s={self.title}")


def _read(relay: Relay, timeout_s: float = 4) -> dict[str, object]:
    login = Login("127.0.0.1", relay.rtsp_port, READER, READER_PASSWORD)
    return dict(read(login, "hn/a", timeout_s))


@CAMERA
def test_a_title_that_says_a_key_frame_was_decoded_decodes_none(clip: Clip, start_relay: StartRelay) -> None:
    with CameraYard(_Titled(clip.sps, clip.pps, clip.frames)) as yard:
        camera = yard.camera(fault=Fault.SILENT)
        relay = start_relay({"hn/a": {"source": f"rtsp://127.0.0.1:{camera.port}/s"}}, readTimeout="20s")
        wait_for(lambda: relay.path("hn/a")["available"])
        assert FORGED in describe(relay.rtsp_port, "hn/a", (READER, READER_PASSWORD)).body
        found = _read(relay)
    assert "codec" not in found, found


@CAMERA
@pytest.mark.parametrize("place", ["    title           : ", "[concat @ 0x5] ", "  Metadata: "])
def test_only_ffmpegs_own_lines_count(place: str) -> None:
    heard = BatchLog([StreamToDecode("h264", every=True, source=0)])
    heard.take(f"{place}{FORGED}\n{place}{FORGED}\nframe=0\n".encode())
    assert heard.streams[0].frames == 0
    heard.take(f"{FORGED}\n".encode())
    assert heard.streams[0].frames == 1


_RESIDENT = re.compile(r"VmHWM:\s+(\d+) kB")


def _most_memory(relay: Relay) -> int:
    with open(f"/proc/{relay.process.pid}/status", encoding="ascii") as status:  # noqa: PTH123
        matched = _RESIDENT.search(status.read())
    assert matched
    return int(matched[1]) * 1024


@CAMERA
@pytest.mark.parametrize("fault", [Fault.HUGE, Fault.ENDLESS, Fault.SLOW, Fault.GARBAGE, Fault.NOISE])
def test_a_camera_that_sends_without_end_costs_neither_time_nor_memory_nor_another_path(
    start_relay: StartRelay, yard: CameraYard, fault: Fault
) -> None:
    hostile, honest = yard.camera(fault=fault), yard.camera()
    sources = {"hn/a": hostile.port, "hn/b": honest.port}
    relay = start_relay({name: {"source": f"rtsp://127.0.0.1:{port}/s"} for name, port in sources.items()})
    wait_for(lambda: relay.path("hn/b")["inboundBytes"])
    before = _most_memory(relay)
    begun = time.monotonic()
    found = _read(relay)
    assert time.monotonic() - begun < 6 + LATE
    assert "codec" not in found, found
    if fault is not Fault.NOISE:
        relay.wait_for_log("ERR [path hn/a] [RTSP source] ")
    assert hostile.sent < 20_000_000
    assert _most_memory(relay) < before + 60_000_000
    login = Login("127.0.0.1", relay.rtsp_port, READER, READER_PASSWORD)
    assert read(login, "hn/b", 10 + LATE)["codec"] == "h264"


@CAMERA
def test_a_redirect_is_asked_for_without_a_login_and_not_followed(yard: CameraYard) -> None:
    other, camera, honest = yard.camera(), yard.camera(), yard.camera(user="a", password="b")
    camera.locations = (f"rtsp://admin:canary-1@127.0.0.1:{other.port}/x",)
    devices = [("127.0.0.1", port) for port in (camera.port, honest.port, other.port)]
    found = device_probe.query_devices(dict.fromkeys(devices, "/s"), time.monotonic() + 10 + LATE)
    assert [found[device].get("redirect") for device in devices] == [f"127.0.0.1:{other.port}", None, None]
    assert [found[device]["status"] for device in devices] == [302, 401, 200]
    assert found[devices[2]]["media"] == ["video"]
    assert (other.dials, camera.logins, other.logins, honest.logins) == (1, [], [], [])


@CAMERA
@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        (Fault.MUTE, {"nothing"}),
        (Fault.ENDLESS, {"rtsp"}),
        # How far it came in the time is its matter.
        (Fault.SLOW, {"rtsp", "other"}),
        (Fault.HUGE, {"rtsp"}),
    ],
)
def test_who_answers_without_end_is_not_listened_to_for_long(yard: CameraYard, fault: Fault, kinds: set[str]) -> None:
    camera = yard.camera(fault=fault)
    begun = time.monotonic()
    said = device_probe.query_devices({("127.0.0.1", camera.port): "/s"}, time.monotonic() + 60)
    assert len(said) == 1
    assert {one["kind"] for one in said.values()} <= kinds
    assert not [one for one in said.values() if "redirect" in one]
    assert time.monotonic() - begun < 5 + LATE


@CAMERA
@given(st.binary())
def test_whatever_a_device_answers_is_a_short_clean_place_or_none(answer: bytes) -> None:
    for text in (answer, b"RTSP/1.0 302 Found\r\nLocation: " + answer):
        place = device_probe.redirect_in(text)
        assert len(place) <= 80
        assert place.isprintable()
        assert place.isascii()


@CAMERA
def test_a_program_that_says_without_end_is_not_listened_to(yard: CameraYard, monkeypatch: pytest.MonkeyPatch) -> None:
    login = Login("127.0.0.1", yard.camera().port, "u", "p")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.monotonic()
    chatter = ["sh", "-c", "exec yes '[h264 @ 0x1] error while decoding MB 1 1' >&2"]
    monkeypatch.setattr(batch_decoder, "command", lambda *_: chatter)
    found = read(login, "hn/a", 10 + LATE)
    assert "said too much" in found["error"]
    assert time.monotonic() - begun < 5 + LATE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 60_000


@VIEWER
def test_a_viewer_reads_his_own_and_neither_publishes_nor_asks_api(start_relay: StartRelay, yard: CameraYard) -> None:
    relay = start_relay({"hn/a": {"source": f"rtsp://127.0.0.1:{yard.camera().port}/s"}})
    relay.reload("sentinel")
    viewer = (READER, READER_PASSWORD)
    description = (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    )
    for name in ("hn/a", "cfg/sentinel", "hn/new"):
        with Dialogue(relay.rtsp_port, viewer) as dialogue:
            head = {"Content-Type": "application/sdp", "Content-Length": str(len(description))}
            reply = dialogue.ask("ANNOUNCE", name, head, description)
            assert reply.status in {400, 401, 501}, (name, reply)
    assert relay.api("/v3/paths/list", credentials=viewer).status == 401
    assert relay.api("/v3/config/paths/add/hn/new", method="POST", credentials=viewer).status == 401
    assert describe(relay.rtsp_port, "hcm/other", (API_USER, API_PASSWORD)).status in {400, 401}
    assert relay.api("/v3/paths/get/hn/new").status == 404
