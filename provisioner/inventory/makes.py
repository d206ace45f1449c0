"""Makes of cameras and recorders: RTSP paths, and names in sheets. Pure.

Another make is a member of `Make` and a row here. The patterns are from the vendors' documents. Hikvision: ISAPI,
`channel * 100 + stream`. Dahua and its OEMs KBVision and Imou: `realmonitor`. Uniview: `media/video` on cameras,
`unicast` on recorders. Axis: VAPIX, `media.amp` with stream profiles named `main` and `sub`, which the installer
makes on the camera. EZVIZ: `h264`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from provisioner.base.text import msg
from provisioner.inventory.model.devices import Camera, Make, Recorder, Stream, StreamName, channel_of
from provisioner.inventory.model.facility import Facility


@dataclass(frozen=True, slots=True)
class Maker:
    """Names and RTSP paths of a make.

    A pattern has `{channel}` (from 1), `{stream}` (`main`, `sub`), `{index}` (main is 0, sub 1) and `{number}`
    (main is 1, sub 2).
    """

    words: tuple[str, ...]  #: Its names in sheets; we write the first.
    path: str  #: Pattern of a camera's RTSP path and query.
    recorder_path: str = ""  #: The same of a recorder, if different.


_REALMONITOR: Final = "/cam/realmonitor?channel={channel}&subtype={index}"

#: Every make except `generic`, in the order of our template.
MAKES: Final[Mapping[Make, Maker]] = {
    Make.HIKVISION: Maker(("Hikvision", "HiLook", "HIK"), "/Streaming/Channels/{channel}0{number}"),
    Make.DAHUA: Maker(("Dahua", "DH"), _REALMONITOR),
    Make.KBVISION: Maker(("KBVision", "KBOne", "KB Vision"), _REALMONITOR),
    Make.IMOU: Maker(("Imou",), _REALMONITOR),
    Make.UNIVIEW: Maker(("Uniview", "UNV"), "/media/video{number}", "/unicast/c{channel}/s{index}/live"),
    Make.AXIS: Maker(("Axis",), "/axis-media/media.amp?camera={channel}&streamprofile={stream}"),
    Make.EZVIZ: Maker(("EZVIZ",), "/h264/ch{channel}/{stream}/av_stream"),
}


class NoRtspPathError(ValueError):
    """A make has no path pattern; the message says why."""


# A country asks for two hundred thousand paths, and for few different ones.
@lru_cache(maxsize=4096)
def rtsp_path(make: Make, channel: int, stream: StreamName, *, recorder: bool = False) -> str:
    """Return the RTSP path of a channel (from 1), or raise `NoRtspPathError`."""
    maker = MAKES.get(make)
    if maker is None:
        raise NoRtspPathError(msg("the make {value} has no RTSP path of its own", make.value))
    pattern = (recorder and maker.recorder_path) or maker.path
    index = int(stream is StreamName.SUB)
    return pattern.format(channel=channel, stream=stream.value, index=index, number=index + 1)


def stream_of(camera: Camera, name: StreamName) -> Stream:
    """Return a camera's stream, or raise `KeyError`."""
    stream = camera.streams.sub if name is StreamName.SUB else camera.streams.main
    if stream is None:
        raise KeyError(name.value)
    return stream


class Behind(NamedTuple):
    """Make and channel of a camera's recorder, or the camera's own."""

    make: Make
    channel: int
    recorder: bool


def behind(camera: Camera, recorders: Mapping[str, Recorder]) -> Behind:
    """Return the make and channel behind a camera; `KeyError` without its recorder."""
    if camera.recorder is None:
        return Behind(camera.make or Make.GENERIC, camera.channel, recorder=False)
    recorder = recorders[camera.recorder]
    return Behind(recorder.make, channel_of(camera, recorder), recorder=True)


def path_behind(at: Behind, stream: Stream, name: StreamName) -> str:
    """Return a stream's own or make's RTSP path, or raise `NoRtspPathError`."""
    return stream.rtsp_path or rtsp_path(at.make, at.channel, name, recorder=at.recorder)


def stream_path(facility: Facility, camera: Camera, name: StreamName) -> str:
    """Return a stream's RTSP path, its own or its make's, or `NoRtspPathError`."""
    stream = stream_of(camera, name)
    if stream.rtsp_path:
        return stream.rtsp_path
    return path_behind(behind(camera, {recorder.id: recorder for recorder in facility.recorders}), stream, name)
