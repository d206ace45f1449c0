"""The on-host reader against an RTSP server: a decoded key frame, or the error that tells why there is none."""

import errno
import os
import re
import socket
import threading
import time
from pathlib import Path

import pytest

from provisioner_host.look import batch_decoder, reach
from provisioner_host.look.picture_look import PictureLook
from provisioner_host.look.rtsp_talk import Login
from provisioner_host.relay import source_log
from provisioner_host.wire import LookToTake
from tests.hostile import CAMERA
from tests.looks import read

from .camera import CameraYard, FakeCamera, Fault, Scheme
from .clip import FRAMES_PER_SECOND, HEIGHT, OUT_OF_ORDER, WIDTH, Clip, encode
from .relay import LATE

pytestmark = pytest.mark.usefixtures("ffmpeg")

# Seconds for what answers at once on a machine with nothing else to do.
PATIENT = 15 + LATE


class _Bare(Clip):
    """A clip that a camera describes without its parameter sets; they come with the key frames."""

    def sdp(self) -> str:
        """Describe the clip."""
        return re.sub(r";sprop-parameter-sets=\S+", "", Clip.sdp(self))


def _login(camera: FakeCamera, password: str = "") -> Login:
    return Login("127.0.0.1", camera.port, camera.user or "nobody", password or camera.password)


@pytest.mark.parametrize("scheme", [Scheme.BASIC, Scheme.DIGEST_MD5])
def test_a_key_frame_is_decoded_whatever_the_password_holds(yard: CameraYard, scheme: Scheme) -> None:
    camera = yard.camera(user="probe", password="s3cret-p%40ss", scheme=scheme)
    found = read(_login(camera), "a/b/c/sub", PATIENT)
    assert (found["codec"], found["width"], found["height"]) == ("h264", WIDTH, HEIGHT)


def test_a_short_password_does_not_garble_what_was_read(yard: CameraYard) -> None:
    assert read(_login(yard.camera(), "y"), "a/b/c/sub", PATIENT)["codec"] == "h264"


def test_a_stream_whose_description_lacks_its_parameter_sets_is_decoded(clip: Clip) -> None:
    with CameraYard(_Bare(clip.sps, clip.pps, clip.frames)) as yard:
        found = read(_login(yard.camera(), "x"), "a/b/c/sub", PATIENT)
    assert (found["codec"], found["width"], found["height"]) == ("h264", WIDTH, HEIGHT)


def test_a_key_frame_is_there_at_once_where_frames_come_out_of_order(tmp_path: Path) -> None:
    clip = encode(tmp_path, OUT_OF_ORDER)
    with CameraYard(clip) as yard:
        found = read(_login(yard.camera(), "x"), "a/b/c/sub", PATIENT)
    # The next key frame comes after a minute.
    assert found.get("codec") == "h264", found


@pytest.mark.parametrize("skips", [False, True], ids=["small", "large"])
def test_key_frames_alone_are_looked_at_where_frames_come_out_of_order_and_key_frames_are_rare(
    tmp_path: Path, *, skips: bool
) -> None:
    clip = encode(tmp_path, OUT_OF_ORDER)
    look: LookToTake = {**QUICK, "every": False, "skips": skips}
    with CameraYard(clip) as yard:
        found = read(_login(yard.camera(), "x"), "a/b/c/sub", PATIENT, look=PictureLook(look))
    assert found.get("codec") == "h264", found
    picture = found["picture"]
    assert picture
    assert picture["key_frames"] == 1
    assert picture["packets"]["count"] >= 12
    assert picture["packets"]["step_s"] == pytest.approx(1 / FRAMES_PER_SECOND)
    # Of all that it was to decode it decoded all but what the decoder keeps back for its order.
    assert picture["owed"] - picture["frames"] <= 4


# Twice as long as it takes to count twelve packets: on a busy machine some come late.
QUICK: LookToTake = {"seconds": 3, "most_s": 3, "keys": 0, "every": True}


def test_a_look_goes_on_from_the_first_key_frame_and_measures_what_comes(yard: CameraYard) -> None:
    found = read(_login(yard.camera(), "x"), "a/b/c/sub", PATIENT, look=PictureLook(QUICK))
    picture = found.get("picture")
    assert picture, found
    assert (found["codec"], found["width"], found["height"]) == ("h264", WIDTH, HEIGHT)
    assert 2 <= picture["looked_s"] <= 5
    assert picture["packets"]["count"] >= 12
    assert picture["packets"]["step_s"] == pytest.approx(1 / FRAMES_PER_SECOND)
    assert (picture["complaints"], picture["packets"]["gaps"]) == (0, 0)
    assert picture["scene"]


def test_a_look_waits_for_as_many_key_frames_as_it_is_to_have_and_no_longer(yard: CameraYard) -> None:
    camera = yard.camera()
    found = read(
        _login(camera, "x"), "a/b/c/sub", PATIENT, look=PictureLook({**QUICK, "seconds": 0.2, "most_s": 9, "keys": 4})
    )
    picture = found["picture"]
    assert picture
    assert 4 <= picture["key_frames"] <= 6
    assert picture["looked_s"] < 8


def test_a_look_ends_with_the_time_that_was_left(yard: CameraYard) -> None:
    begun = time.monotonic()
    look = PictureLook({**QUICK, "seconds": 90, "most_s": 90}, until=begun + 12)
    found = read(_login(yard.camera(), "x"), "a/b/c/sub", PATIENT, look=look)
    assert found.get("picture"), found
    assert time.monotonic() - begun < 15 + LATE


def test_a_stream_whose_size_comes_late_is_looked_at_all_the_same(clip: Clip) -> None:
    with CameraYard(_Bare(clip.sps, clip.pps, clip.frames[1:5] * 8 + clip.frames)) as yard:
        found = read(_login(yard.camera(), "x"), "a/b/c/sub", PATIENT, look=PictureLook(QUICK))
    assert (found["codec"], found["width"], found["height"]) == ("h264", WIDTH, HEIGHT)
    assert found["picture"]


def test_a_camera_that_gives_no_picture_is_told_as_without_a_look(yard: CameraYard) -> None:
    found = read(_login(yard.camera(fault=Fault.SILENT), "x"), "a/b/c/sub", 2, look=PictureLook(QUICK))
    assert found["timed_out"]
    assert "picture" not in found
    found = read(_login(yard.camera(fault=Fault.NOT_FOUND), "x"), "a/b/c/sub", PATIENT, look=PictureLook(QUICK))
    assert found["status"] == 404


@CAMERA
@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.NOISE, Fault.HUGE])
def test_what_is_no_stream_is_looked_at_no_longer_than_it_is_read(yard: CameraYard, fault: Fault) -> None:
    begun = time.monotonic()
    found = read(_login(yard.camera(fault=fault), "x"), "a/b/c/sub", 3, look=PictureLook(QUICK))
    assert time.monotonic() - begun < 8 + LATE
    assert "codec" not in found


def test_the_password_is_never_in_an_argument(yard: CameraYard) -> None:
    camera = yard.camera(user="probe", password="c4nary-secret")
    look = PictureLook({**QUICK, "seconds": 6, "most_s": 6})
    reading = threading.Thread(target=read, args=(_login(camera), "a/b/c/sub", PATIENT, look))
    reading.start()
    seen: list[bytes] = []
    while reading.is_alive():
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(process.read_bytes())
            except OSError:
                continue
        time.sleep(0.2)
    reading.join()
    assert any(b"ffmpeg" in words and b"pipe:" in words for words in seen)
    assert not [words for words in seen if b"c4nary-secret" in words]


def test_a_wrong_password_is_told_by_its_status_without_the_password(yard: CameraYard) -> None:
    camera = yard.camera(user="probe", password="right", scheme=Scheme.BASIC)
    found = read(_login(camera, "wr0ng-secret"), "a/b/c/sub", PATIENT)
    assert found["status"] == 401
    assert "wr0ng-secret" not in str(found)


def test_a_stream_that_is_not_there_is_told_by_its_status(yard: CameraYard) -> None:
    assert read(_login(yard.camera(fault=Fault.NOT_FOUND), "x"), "a/b/c/sub", PATIENT)["status"] == 404


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.MUTE])
def test_a_read_without_a_picture_ends_in_time(yard: CameraYard, fault: Fault) -> None:
    begun = time.monotonic()
    found = read(_login(yard.camera(fault=fault), "x"), "a/b/c/sub", 2)
    assert time.monotonic() - begun < 4 + LATE
    assert "codec" not in found
    assert found["status"] is None


def test_nobody_at_the_port_is_an_error_without_status(yard: CameraYard) -> None:
    camera = yard.camera()
    yard.stop(camera)
    found = read(_login(camera, "x"), "a/b/c/sub", PATIENT)
    assert "refused" in found["error"]
    assert found["status"] is None


def test_a_program_that_was_not_started_read_nothing(yard: CameraYard, monkeypatch: pytest.MonkeyPatch) -> None:
    for argv in (["nice", "-n", "0", "no-such-program"], ["no-such-program"]):
        monkeypatch.setattr(batch_decoder, "command", lambda *_, argv=argv: argv)
        found = read(_login(yard.camera(), "x"), "a/b/c/sub", PATIENT)
        assert "no-such-program" in found["not_run"]


def test_connections_are_classed(yard: CameraYard) -> None:
    gone = yard.camera()
    yard.stop(gone)
    there = yard.camera()
    found = reach.connect_all([("127.0.0.1", there.port), ("127.0.0.1", gone.port), ("127.0.0.1", there.port)], 3)
    assert {d["port"]: d["outcome"] for d in found} == {there.port: "ok", gone.port: "refused"}
    assert len(found) == 2


def test_a_device_that_does_not_answer_times_out_and_is_tried_again() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        where = full.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.settimeout(0)
            assert filler.connect_ex(where) in {0, errno.EINPROGRESS}
        begun = time.monotonic()
        found = reach.connect_all([where], 0.5)
        assert found[0]["outcome"] == "timeout"
        assert time.monotonic() - begun < 2 + LATE
        for filler in fillers:
            filler.close()
    assert reach.again(found, 0.5)[0]["outcome"] == "refused"


def test_the_log_gives_each_paths_last_errors_without_credentials() -> None:
    lines = [
        '{"timestamp":"t","level":"ERR","message":"[path a/b/c/sub] [RTSP source] TCP timeout"}',
        '{"timestamp":"t","level":"INF","message":"[path a/b/c/sub] [RTSP source] ready"}',
        "not JSON",
        '{"timestamp":"t","level":"ERR","message":"[path a/b/c/sub] [RTSP source] dial rtsp://u:p@h/x: refused"}',
        '{"timestamp":"t","level":"ERR","message":"[path other] [RTSP source] EOF"}',
    ]
    found = source_log.errors_in(os.linesep.join(lines), {"a/b/c/sub"}, {})
    assert found == {"a/b/c/sub": ["dial rtsp://***@h/x: refused", "TCP timeout"]}
