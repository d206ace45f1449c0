"""RTSP paths by make: pure, from the vendors' documents.

Hikvision: ISAPI, `channel * 100 + stream`. Dahua and its OEMs KBVision and Imou: `realmonitor`.
Uniview: `media/video` on cameras, `unicast` on recorders. Axis: VAPIX, `media.amp` with
stream profiles named `main` and `sub`, which the installer makes on the camera. EZVIZ: `h264`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from provisioner.inventory.model import Camera, Facility, Make, Recorder, Stream, StreamName, channel_of

_DAHUA_FAMILY = frozenset({Make.DAHUA, Make.KBVISION, Make.IMOU})


class NoRtspPathError(ValueError):
    """A make has no path pattern for what is asked; the message says why."""


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
    sub = stream is StreamName.SUB
    if make is Make.HIKVISION:
        return f"/Streaming/Channels/{channel}0{2 if sub else 1}"
    if make in _DAHUA_FAMILY:
        return f"/cam/realmonitor?channel={channel}&subtype={int(sub)}"
    if make is Make.UNIVIEW:
        return f"/unicast/c{channel}/s{int(sub)}/live" if recorder else f"/media/video{2 if sub else 1}"
    if make is Make.AXIS:
        return f"/axis-media/media.amp?camera={channel}&streamprofile={stream.value}"
    if make is Make.EZVIZ:
        return f"/h264/ch{channel}/{stream.value}/av_stream"
    raise NoRtspPathError(f"the make {make.value} has no RTSP path of its own")


def stream_of(camera: Camera, name: StreamName) -> Stream:
    """A camera's stream.

    Raises:
        KeyError: the camera has no such stream.
    """
    found = camera.streams.sub if name is StreamName.SUB else camera.streams.main
    if found is None:
        raise KeyError(name.value)
    return found


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
