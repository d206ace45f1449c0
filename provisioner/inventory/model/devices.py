"""Cameras, recorders and their streams in a facility's file."""

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from provisioner.inventory.model.base import (
    MEASURED,
    SIGNED,
    UNSIGNED,
    Day,
    LanAddress,
    Model,
    Port,
    Positive,
    Slug,
    Text,
    Use,
)


class Make(StrEnum):
    """Makes of cameras and recorders with an RTSP address pattern of their own."""

    HIKVISION = "hikvision"
    DAHUA = "dahua"
    KBVISION = "kbvision"
    IMOU = "imou"
    UNIVIEW = "uniview"
    AXIS = "axis"
    EZVIZ = "ezviz"
    GENERIC = "generic"


class Zone(StrEnum):
    """A zone that a camera may show, by the list of order 4403/CV-BCĐ; never inside a room, toilet or bath."""

    HANH_LANG = "hanh_lang"
    SANH_TANG = "sanh_tang"
    SAN = "san"
    LAY_MAU = "lay_mau"
    TIEP_DON = "tiep_don"
    KIEM_TRA_Y_TE = "kiem_tra_y_te"
    NHAN_DO = "nhan_do"
    NGOAI_NHA_TAM_VE_SINH = "ngoai_nha_tam_ve_sinh"
    CONG = "cong"
    KHAC = "khac"


class StreamName(StrEnum):
    """`sub` is always pulled, `main` on demand."""

    SUB = "sub"
    MAIN = "main"


class Codec(StrEnum):
    """Video codecs that relays forward and checks decode."""

    H264 = "h264"
    H265 = "h265"


PictureWidth = Annotated[int, Field(ge=16, le=7680)]
PictureHeight = Annotated[int, Field(ge=16, le=4320)]
MeanKbps = Annotated[int, Field(ge=16, le=100_000)]
LeastKbps = Annotated[int, Field(ge=1, le=100_000)]
Fps = Annotated[int, Field(ge=1, le=120)]
Channel = Annotated[int, Field(ge=1, le=256)]
Channels = Annotated[int, Field(ge=0, le=256)]
RtspPath = Annotated[str, StringConstraints(pattern=r"^/[\x21-\x7e]*$", max_length=500)]

#: From one time of day to another; over midnight where the end is before the beginning.
DarkHours = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]


# --- settings under change ------------------------------------------------------------------------
#
# `accept` has the former values; beside it are the new ones. Its day is the last on which both count, by Vietnam's
# clock. `accept` is not signed: the three parties signed the former values before.


class FormerStream(Model):
    """Contracted values of a stream before a change; an absent value did not change."""

    codec: Codec | None = None
    width: PictureWidth | None = None  #: Pixels.
    height: PictureHeight | None = None  #: Pixels.
    least_kbps: LeastKbps | None = None  #: The agreed least rate, in kilobits a second.
    fps: Fps | None = None  #: Frames a second.

    @model_validator(mode="after")
    def _says_something(self) -> "FormerStream":
        if not self.model_dump(exclude_none=True):
            raise ValueError("write the former values: codec, width, height, fps or least_kbps")
        return self


class StreamAccept(Model):
    """The last day on which a stream may have its former values, and those values."""

    old: FormerStream
    until: Day

    def holds_on(self, day: date) -> bool:
        """Return whether both are accepted on a day."""
        return day <= self.until


class FormerDevice(Model):
    """Former values of a device."""

    login: Literal["vault"]  #: `vault`: the former login is in `secrets/`, under `old` of the new one.


class DeviceAccept(Model):
    """The last day on which a device may answer as before a change, and the former values."""

    old: FormerDevice
    until: Day

    def holds_on(self, day: date) -> bool:
        """Return whether both are accepted on a day."""
        return day <= self.until


# --- cameras, recorders, streams ------------------------------------------------------------------
class Stream(Model):
    """Contracted values of a stream. Level 5 compares the decoded frame with codec and size."""

    codec: Annotated[Codec, SIGNED] = Codec.H264
    width: Annotated[PictureWidth, SIGNED]  #: Pixels.
    height: Annotated[PictureHeight, SIGNED]  #: Pixels.
    #: The contracted mean rate, in kilobits a second. Limits of recorder and uplink are compared with it.
    kbps: Annotated[MeanKbps | None, MEASURED] = None
    #: The agreed least rate, in kilobits a second. A quiet scene at a variable rate needs little.
    least_kbps: Annotated[LeastKbps | None, MEASURED] = None
    fps: Annotated[Fps | None, MEASURED] = None  #: Frames a second. Level 6 compares the measured rate with it.
    #: Path and query of the device's RTSP address, without host and login. If absent, the make's pattern is used.
    #:
    #: If a device needs its login there, write `{username}` and `{password}`; the values come from `secrets/`.
    rtsp_path: Annotated[RtspPath | None, Use(signed=True, private=True)] = None
    #: Former values of the stream, and the last day on which they are accepted too.
    accept: Annotated[StreamAccept | None, UNSIGNED] = None

    @model_validator(mode="after")
    def _was_another_one(self) -> "Stream":
        if self.accept is None:
            return self
        old = self.accept.old.model_dump(exclude_none=True)
        if all(getattr(self, name) == value for name, value in old.items()):
            raise ValueError("accept: the former values equal the present ones: write the new values beside accept")
        return self


class Streams(Model):
    """A camera's streams: `sub` is required, `main` is optional."""

    sub: Annotated[Stream, SIGNED]
    main: Annotated[Stream | None, SIGNED] = None

    @property
    def named(self) -> tuple[tuple[StreamName, Stream], ...]:
        """The existing streams with their names."""
        streams = ((StreamName.SUB, self.sub), (StreamName.MAIN, self.main))
        return tuple((name, stream) for name, stream in streams if stream is not None)


class Onvif(Model):
    """A device's ONVIF service, and the values that its answers should have. Absent values are not compared.

    These fields are not signed: a replaced device has another serial number, which needs no new sign-off.
    """

    port: Port = 80  #: The port of its ONVIF service, on the device's own address.
    model: Text | None = None  #: The model that the device reports; it may differ from the name on its box.
    serial: Text | None = None  #: The serial number that the device reports. It is unique among devices of a make.
    profile: Text | None = None  #: The name or token of the media profile of its sub stream.


class Recorder(Model):
    """A recorder (NVR, DVR): one address with several channels, which fail together."""

    id: Annotated[Slug, SIGNED]
    make: Annotated[Make, SIGNED]
    model: Annotated[Text | None, SIGNED] = None
    address: Annotated[LanAddress, SIGNED]
    port: Annotated[Port, SIGNED] = 554
    #: On hybrid recorders: the number of analog inputs before the first IP channel.
    analog_channels: Annotated[Channels | None, SIGNED] = None
    ip_channels: Annotated[Channels | None, SIGNED] = None  #: The largest number of IP channels.
    #: The largest number of RTSP sessions at once. Each stream that a relay pulls is one session.
    max_sessions: Annotated[Positive | None, MEASURED] = None
    #: The largest rate of video that the recorder sends, in kilobits a second.
    max_out_kbps: Annotated[Positive | None, MEASURED] = None
    #: The recorder's ONVIF service. If absent, verify does not ask the recorder about itself.
    onvif: Annotated[Onvif | None, UNSIGNED] = None
    #: Former values of the recorder, and the last day on which they are accepted too.
    accept: Annotated[DeviceAccept | None, UNSIGNED] = None


class Camera(Model):
    """An IP camera with an address of its own, or a channel of a recorder."""

    id: Annotated[Slug, SIGNED]
    zone: Annotated[Zone, Use(signed=True, option="The camera's zone, from the list of order 4403/CV-BCĐ.")]
    #: The camera's place in words, without the name of a person.
    location: Annotated[Text | None, Use(signed=True, option="The camera's location, as text.")] = None
    make: Annotated[Make | None, Use(signed=True, option="The make, which decides the RTSP address.")] = None
    model: Annotated[Text | None, Use(signed=True, option="The camera's model.")] = None
    address: Annotated[LanAddress | None, Use(signed=True, option="The device's address in the site's network.")] = None
    port: Annotated[Port, Use(signed=True, option="The RTSP port, if not 554.")] = 554
    recorder: Annotated[Slug | None, Use(signed=True, option="The camera's recorder.")] = None
    #: The recorder's channel, counted as in its RTSP address.
    channel: Annotated[Channel, Use(signed=True, option="The channel, as the recorder's RTSP address counts them.")] = 1
    #: On a hybrid recorder: the number among its IP channels, which follow the analog channels.
    ip_channel: Annotated[
        Channel | None, Use(signed=True, option="The number among the IP channels of a hybrid recorder.")
    ] = None
    #: Hours in which a black picture is not a fault, in Vietnam's time, e.g. `22:00-05:00`.
    dark_hours: Annotated[tuple[DarkHours, ...], SIGNED] = ()
    #: Whether the stream should carry sound. If not, a stream with sound is reported.
    audio: Annotated[bool, SIGNED] = False
    #: Whether the camera turns (a tour, or PTZ by hand). Another view is then no suspicion.
    tour: Annotated[bool, Use(signed=False, option="Whether the camera turns: a tour, or PTZ by hand.")] = False
    #: The camera's ONVIF service; for a channel, set it on the recorder. If absent, verify does not ask.
    onvif: Annotated[Onvif | None, UNSIGNED] = None
    #: As for a recorder. A recorder's channel has the recorder's login.
    accept: Annotated[DeviceAccept | None, UNSIGNED] = None
    streams: Annotated[Streams, SIGNED]

    @model_validator(mode="after")
    def _own_address_or_recorder(self) -> "Camera":
        if (self.address is None) == (self.recorder is None):
            raise ValueError("a camera has either an address of its own or a recorder")
        if self.address is not None and self.make is None:
            raise ValueError("a camera with an address of its own needs its make")
        if self.recorder is not None and self.make is not None:
            raise ValueError("a recorder's channel takes the recorder's make: leave out make")
        if self.ip_channel is not None and (self.recorder is None or "channel" in self.model_fields_set):
            raise ValueError("ip_channel stands instead of channel, with a recorder")
        if self.onvif is not None and self.recorder is not None:
            raise ValueError("a recorder's channel is not asked by ONVIF: write onvif at its recorder")
        if self.accept is not None and self.recorder is not None:
            raise ValueError("a recorder's channel has its recorder's login: write accept at its recorder")
        return self


def device_of(camera: Camera) -> str:
    """Return the id of the device that answers for a camera."""
    return camera.recorder or camera.id


def accept_of(cameras: Iterable[Camera], recorders: Iterable[Recorder]) -> dict[str, DeviceAccept]:
    """Return the devices under change, with the change."""
    devices: tuple[Recorder | Camera, ...] = (*recorders, *cameras)
    return {device.id: device.accept for device in devices if device.accept is not None}


def channel_of(camera: Camera, recorder: Recorder | None) -> int:
    """Return the channel in a camera's RTSP address.

    On hybrid recorders IP channels follow the analog ones: with 16 analog inputs the first is 17 (Hikvision's and
    Dahua's numbering).
    """
    if camera.ip_channel is None:
        return camera.channel
    return (recorder.analog_channels or 0 if recorder else 0) + camera.ip_channel
