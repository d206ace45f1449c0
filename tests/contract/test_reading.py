"""Reading a path over RTSP."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from .camera import CameraYard
from .clip import HEIGHT, WIDTH
from .reader import Dialogue, HeldReader, describe
from .relay import LATE, READER, READER_PASSWORD, Relay, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .clip import Clip
    from .conftest import StartRelay
    from .relay import Document, Engine

pytestmark = pytest.mark.contract

PATH: Final = "hn/site/cam-1/sub"
CREDENTIALS: Final = (READER, READER_PASSWORD)
SETUP: Final = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}


@pytest.fixture(scope="module")
def relay(engine: Engine, clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A relay with one streaming camera and one dead one."""
    with CameraYard(clip) as yard:
        paths: Document = {
            PATH: {"source": f"rtsp://127.0.0.1:{yard.camera().port}/s"},
            "hn/dead": {"source": "rtsp://127.0.0.1:1/s"},
            "cfg/0": {},
        }
        with Relay(engine, tmp_path_factory.mktemp("reading"), {"paths": paths}) as running:
            wait_for(lambda: running.path(PATH)["inboundBytes"])
            yield running


def test_descriptions(relay: Relay, clip: Clip) -> None:
    good = describe(relay.rtsp_port, PATH, CREDENTIALS)
    assert good.status == 200
    assert good.headers["content-type"] == "application/sdp"
    assert good.headers["content-base"] == f"rtsp://127.0.0.1:{relay.rtsp_port}/{PATH}/"
    kept = "sprop-parameter-sets=" + clip.sdp().partition("sprop-parameter-sets=")[2].split("\r\n")[0]
    for line in ("m=video 0 RTP/AVP 96", "a=control:trackID=0", "a=rtpmap:96 H264/90000", kept):
        assert line in good.body
    statuses = {name: describe(relay.rtsp_port, name, CREDENTIALS).status for name in ("hn/dead", "hn/none")}
    assert statuses == {"hn/dead": 404, "hn/none": 400}


def test_a_refused_description_ends_the_connection(relay: Relay) -> None:
    with Dialogue(relay.rtsp_port, CREDENTIALS) as dialogue:
        assert dialogue.ask("DESCRIBE", "hn/dead").status == 404
        assert dialogue.at_end()


def test_only_tcp_is_offered(relay: Relay) -> None:
    with Dialogue(relay.rtsp_port, CREDENTIALS) as dialogue:
        udp = {"Transport": "RTP/AVP;unicast;client_port=5000-5001"}
        assert dialogue.ask("SETUP", f"{PATH}/trackID=0", udp).status == 461


@pytest.mark.parametrize(
    ("method", "place", "headers", "status"),
    [
        ("SETUP", PATH, SETUP, 400),
        ("SETUP", f"{PATH}/trackID=7", SETUP, 400),
        ("PLAY", PATH, {}, 501),
        ("TEARDOWN", PATH, {"Session": "unknown"}, 454),
        ("ANNOUNCE", PATH, {}, 400),
    ],
)
def test_requests_that_fail(relay: Relay, method: str, place: str, headers: dict[str, str], status: int) -> None:
    with Dialogue(relay.rtsp_port, CREDENTIALS) as dialogue:
        assert dialogue.ask(method, place, headers).status == status


def test_a_whole_session(relay: Relay) -> None:
    with Dialogue(relay.rtsp_port, CREDENTIALS) as dialogue:
        assert "DESCRIBE" in dialogue.ask("OPTIONS", PATH).headers["public"]
        setup = dialogue.ask("SETUP", f"{PATH}/trackID=0", SETUP)
        assert setup.headers["transport"].startswith("RTP/AVP/TCP;unicast;interleaved=0-1")
        session = {"Session": setup.headers["session"].partition(";")[0]}
        # A session of an earlier test may still be on its way out.
        wait_for(lambda: len(relay.sessions()) == 1)
        assert [item["state"] for item in relay.sessions()] == ["idle"]
        assert dialogue.ask("GET_PARAMETER", PATH, session).status == 200
        assert dialogue.ask("TEARDOWN", PATH, session).status == 200
        wait_for(lambda: not relay.sessions())


def test_many_readers_of_one_camera(relay: Relay) -> None:
    # Sessions of earlier tests may still end, and MediaMTX 1.20.1 keeps a reader of each SETUP of an unknown track for
    # ever, without a session: this test waits for its own sessions alone.
    earlier = {session["id"] for session in relay.sessions()}
    reading: set[str] = set()
    readers = [HeldReader(relay.rtsp_port, PATH, CREDENTIALS) for _ in range(3)]
    try:
        assert all(reader.flows() for reader in readers)
        ours = [session for session in relay.sessions() if session["id"] not in earlier]
        reading = {session["id"] for session in ours}
        assert len(reading) == 3
        wait_for(lambda: _rtsp_readers(relay) >= reading)
        before = relay.path(PATH)["outboundBytes"]
        wait_for(lambda: relay.path(PATH)["outboundBytes"] > before)
        for session in ours:
            assert session["state"] == "read"
            assert (session["path"], session["user"], session["transport"]) == (PATH, READER, "TCP")
            assert session["userAgent"] == "contract"
            assert session["outboundBytes"] > 0
    finally:
        for reader in readers:
            reader.hang_up()
    wait_for(lambda: not _rtsp_readers(relay) & reading)


def _rtsp_readers(relay: Relay) -> set[str]:
    return {reader["id"] for reader in relay.path(PATH)["readers"] if reader["type"] == "rtspSession"}


def test_a_full_path_refuses_the_next_reader(start_relay: StartRelay, yard: CameraYard) -> None:
    relay = start_relay({PATH: {"source": f"rtsp://127.0.0.1:{yard.camera().port}/s", "maxReaders": 1}})
    wait_for(lambda: relay.path(PATH)["available"])
    with HeldReader(relay.rtsp_port, PATH, CREDENTIALS), Dialogue(relay.rtsp_port, CREDENTIALS) as dialogue:
        assert dialogue.ask("SETUP", f"{PATH}/trackID=0", SETUP).status == 400


def test_ffprobe_decodes_a_key_frame(relay: Relay) -> None:
    ffprobe = shutil.which("ffprobe")
    assert ffprobe is not None, "ffprobe is needed to decode what the relay sends"
    arguments = ["-v", "error", "-rtsp_transport", "tcp", "-analyzeduration", "1000000", "-read_intervals", "%+#8"]
    arguments += ["-select_streams", "v:0", "-of", "json"]
    arguments += ["-show_entries", "frame=key_frame,width,height:stream=codec_name"]
    ran = subprocess.run([ffprobe, *arguments, relay.url(PATH)], capture_output=True, timeout=30 + LATE, check=True)
    seen = json.loads(ran.stdout)
    assert seen["streams"][0]["codec_name"] == "h264"
    keys = [frame for frame in seen["frames"] if frame["key_frame"]]
    assert keys
    assert (keys[0]["width"], keys[0]["height"]) == (WIDTH, HEIGHT)
