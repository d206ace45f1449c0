"""Makes of cameras and recorders: one row each, with its RTSP paths and the words by which sheets name it. Pure.

Another make is a member of `Make` and a row here. The patterns are from the vendors' documents. Hikvision: ISAPI,
`channel * 100 + stream`. Dahua and its OEMs KBVision and Imou: `realmonitor`. Uniview: `media/video` on cameras,
`unicast` on recorders. Axis: VAPIX, `media.amp` with stream profiles named `main` and `sub`, which the installer
makes on the camera. EZVIZ: `h264`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from provisioner.base.text import msg
from provisioner.inventory.model import Camera, Facility, Make, Recorder, Stream, StreamName, channel_of


@dataclass(frozen=True, slots=True)
class Maker:
    """What is known of a make.

    A pattern has `{channel}` (from 1), `{stream}` (`main`, `sub`), `{index}` (main is 0, sub 1) and `{number}`
    (main is 1, sub 2).

    Attributes:
        words: how people write it; the first is the one that we write.
        path: the pattern of a camera's RTSP path and query.
        recorder_path: that of a recorder, where it is another one.
    """

    words: tuple[str, ...]
    path: str
    recorder_path: str = ""


_REALMONITOR: Final = "/cam/realmonitor?channel={channel}&subtype={index}"

MAKES: Final[Mapping[Make, Maker]] = MappingProxyType(
    {
        Make.HIKVISION: Maker(("Hikvision", "HiLook", "HIK"), "/Streaming/Channels/{channel}0{number}"),
        Make.DAHUA: Maker(("Dahua", "DH"), _REALMONITOR),
        Make.KBVISION: Maker(("KBVision", "KBOne", "KB Vision"), _REALMONITOR),
        Make.IMOU: Maker(("Imou",), _REALMONITOR),
        Make.UNIVIEW: Maker(("Uniview", "UNV"), "/media/video{number}", "/unicast/c{channel}/s{index}/live"),
        Make.AXIS: Maker(("Axis",), "/axis-media/media.amp?camera={channel}&streamprofile={stream}"),
        Make.EZVIZ: Maker(("EZVIZ",), "/h264/ch{channel}/{stream}/av_stream"),
    }
)
"""Every make but `generic`, in the order in which our template lists them."""


class NoRtspPathError(ValueError):
    """A make has no path pattern for what is asked; the message says why."""


# A country asks for two hundred thousand paths, and for few different ones.
@lru_cache(maxsize=4096)
def rtsp_path(make: Make, channel: int, stream: StreamName, *, recorder: bool = False) -> str:
    """The path and query of a device's RTSP address.

    Args:
        make: the device's make.
        channel: 1-based channel; cameras have one.
        stream: `main` or `sub`.
        recorder: whether the device is a recorder.

    Raises:
        NoRtspPathError: the make has no known pattern.
    """
    maker = MAKES.get(make)
    if maker is None:
        raise NoRtspPathError(msg("the make {value} has no RTSP path of its own", make.value))
    pattern = (recorder and maker.recorder_path) or maker.path
    index = int(stream is StreamName.SUB)
    return pattern.format(channel=channel, stream=stream.value, index=index, number=index + 1)


def stream_of(camera: Camera, name: StreamName) -> Stream:
    """A camera's stream.

    Raises:
        KeyError: the camera has no such stream.
    """
    stream = camera.streams.sub if name is StreamName.SUB else camera.streams.main
    if stream is None:
        raise KeyError(name.value)
    return stream


class Behind(NamedTuple):
    """What answers for a camera: the make and the channel of its recorder, or its own."""

    make: Make
    channel: int
    recorder: bool


def behind(camera: Camera, recorders: Mapping[str, Recorder]) -> Behind:
    """What answers for a camera.

    Args:
        camera: the camera.
        recorders: the facility's recorders by id.

    Raises:
        KeyError: the camera's recorder does not exist.
    """
    if camera.recorder is None:
        return Behind(camera.make or Make.GENERIC, camera.channel, recorder=False)
    recorder = recorders[camera.recorder]
    return Behind(recorder.make, channel_of(camera, recorder), recorder=True)


def path_behind(at: Behind, stream: Stream, name: StreamName) -> str:
    """The RTSP path of a stream: the one written out, or its make's.

    Raises:
        NoRtspPathError: neither is there.
    """
    return stream.rtsp_path or rtsp_path(at.make, at.channel, name, recorder=at.recorder)


def stream_path(facility: Facility, camera: Camera, name: StreamName) -> str:
    """The RTSP path of a camera's stream: the one written out, or its make's.

    Raises:
        NoRtspPathError: neither is there.
        KeyError: the camera's recorder or stream does not exist.
    """
    stream = stream_of(camera, name)
    if stream.rtsp_path:
        return stream.rtsp_path
    return path_behind(behind(camera, {recorder.id: recorder for recorder in facility.recorders}), stream, name)
