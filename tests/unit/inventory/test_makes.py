"""RTSP paths by make, as the vendors document them."""

from typing import Any

import pytest

from provisioner.inventory.makes import NoRtspPathError, rtsp_path, stream_path
from provisioner.inventory.model.devices import Make, StreamName
from tests import inventories as make

MAIN, SUB = StreamName.MAIN, StreamName.SUB


@pytest.mark.parametrize(
    ("name", "channel", "recorder", "main", "sub"),
    [
        (Make.HIKVISION, 1, False, "/Streaming/Channels/101", "/Streaming/Channels/102"),
        (Make.HIKVISION, 16, True, "/Streaming/Channels/1601", "/Streaming/Channels/1602"),
        (Make.DAHUA, 3, True, "/cam/realmonitor?channel=3&subtype=0", "/cam/realmonitor?channel=3&subtype=1"),
        (Make.KBVISION, 1, False, "/cam/realmonitor?channel=1&subtype=0", "/cam/realmonitor?channel=1&subtype=1"),
        (Make.IMOU, 1, False, "/cam/realmonitor?channel=1&subtype=0", "/cam/realmonitor?channel=1&subtype=1"),
        (Make.UNIVIEW, 1, False, "/media/video1", "/media/video2"),
        (Make.UNIVIEW, 4, True, "/unicast/c4/s0/live", "/unicast/c4/s1/live"),
        (Make.EZVIZ, 1, False, "/h264/ch1/main/av_stream", "/h264/ch1/sub/av_stream"),
        (
            Make.AXIS,
            2,
            False,
            "/axis-media/media.amp?camera=2&streamprofile=main",
            "/axis-media/media.amp?camera=2&streamprofile=sub",
        ),
    ],
)
def test_each_make_has_its_path(name: Make, channel: int, *, recorder: bool, main: str, sub: str) -> None:
    assert rtsp_path(name, channel, MAIN, recorder=recorder) == main
    assert rtsp_path(name, channel, SUB, recorder=recorder) == sub


def test_generic_has_no_path() -> None:
    with pytest.raises(NoRtspPathError, match="generic"):
        rtsp_path(Make.GENERIC, 1, SUB)


def paths(camera: dict[str, Any], **changes: Any) -> str:
    facility = make.inventory(facilities=[make.facility(cameras=[camera], **changes)]).facilities["kcl-bg-001"]
    return stream_path(facility, facility.cameras[0], SUB)


def test_a_channel_takes_the_make_of_its_recorder() -> None:
    assert paths(make.channel("cam-01", 5), recorders=[make.recorder(make="uniview")]) == "/unicast/c5/s1/live"


def test_a_written_path_comes_before_the_makes() -> None:
    written = {"sub": {"width": 640, "height": 360, "rtsp_path": "/live?x=1&y=2"}}
    assert paths(make.camera(streams=written)) == "/live?x=1&y=2"
