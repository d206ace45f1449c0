"""Cameras, recorders and their streams in a facility's file."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from provisioner.inventory.model.base import SIGNED, UNSIGNED, Day, LanAddress, Model, Port, Positive, Slug, Text, Use


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
    """Where a camera may look, after the list of order 4403/CV-BCĐ; never inside a room, toilet or bath."""

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

DarkHours = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]
"""From one time of day to another; over midnight where the end is before the beginning."""


# --- settings under change ------------------------------------------------------------------------
#
# What stands beside `accept` is the new one. Its day is the last on which either is taken, by Vietnam's clock. None of
# it is part of what is signed: what a stream or a device was is what the three signed before.


class FormerStream(Model):
    """What was contracted of a stream before; what is left out was the same."""

    codec: Codec | None = None
    width: PictureWidth | None = None
    """Pixels."""
    height: PictureHeight | None = None
    """Pixels."""
    least_kbps: LeastKbps | None = None
    """The least rate that was agreed, in kilobits a second."""
    fps: Fps | None = None
    """Frames a second."""

    @model_validator(mode="after")
    def _says_something(self) -> FormerStream:
        if not self.model_dump(exclude_none=True):
            raise ValueError("write the former values: codec, width, height, fps or least_kbps")
        return self


class StreamAccept(Model):
    """Until when a stream may come as it did before."""

    old: FormerStream
    until: Day

    def holds_on(self, day: date) -> bool:
        """Return whether both are accepted on a day."""
        return day <= self.until


class FormerDevice(Model):
    """What of a device was another one."""

    login: Literal["vault"]
    """Its login; the old one stands in `secrets/`, under `old` of the new one."""


class DeviceAccept(Model):
    """Until when a device may answer as it did before."""

    old: FormerDevice
    until: Day

    def holds_on(self, day: date) -> bool:
        """Return whether both are accepted on a day."""
        return day <= self.until


# --- cameras, recorders, streams ------------------------------------------------------------------


class Stream(Model):
    """What was contracted of a stream; level 5 holds the decoded frame against codec and size."""

    codec: Annotated[Codec, SIGNED] = Codec.H264
    width: Annotated[PictureWidth, SIGNED]
    """Pixels."""
    height: Annotated[PictureHeight, SIGNED]
    """Pixels."""
    kbps: Annotated[MeanKbps | None, SIGNED] = None
    """The contracted mean rate, in kilobits a second; recorder and uplink limits are held against it."""
    least_kbps: Annotated[LeastKbps | None, SIGNED] = None
    """The least rate that was agreed, in kilobits a second; a quiet scene at a variable rate needs little."""
    fps: Annotated[Fps | None, SIGNED] = None
    """Frames a second; level 6 holds what comes against it."""
    rtsp_path: Annotated[RtspPath | None, Use(signed=True, private=True)] = None
    """Path and query of the device's RTSP address, without host and login; the make's own where it is left out.

    Where a device wants its login there, `{username}` and `{password}` stand for what `secrets/` has.
    """
    accept: Annotated[StreamAccept | None, UNSIGNED] = None
    """What it was before, and until when that is taken as well."""

    @model_validator(mode="after")
    def _was_another_one(self) -> Stream:
        if self.accept is None:
            return self
        old = self.accept.old.model_dump(exclude_none=True)
        if all(getattr(self, name) == value for name, value in old.items()):
            raise ValueError("accept: the former values equal the present ones: write the new values beside accept")
        return self


class Streams(Model):
    """A camera's streams: `sub` always, `main` if it is wanted."""

    sub: Annotated[Stream, SIGNED]
    main: Annotated[Stream | None, SIGNED] = None

    @property
    def named(self) -> tuple[tuple[StreamName, Stream], ...]:
        """The existing streams with their names."""
        streams = ((StreamName.SUB, self.sub), (StreamName.MAIN, self.main))
        return tuple((name, stream) for name, stream in streams if stream is not None)


class Onvif(Model):
    """Where a device is asked about itself by ONVIF, and what it has to say; what is left out is not compared.

    It is no part of what is signed: a device that was replaced has another serial number, and nobody agrees anew.
    """

    port: Port = 80
    """The port of its ONVIF service, on the device's own address."""
    model: Text | None = None
    """Its model as it tells it itself; it may be another word than the one on its box."""
    serial: Text | None = None
    """Its serial number as it tells it itself: no two devices of a make have the same."""
    profile: Text | None = None
    """The name or the token of the media profile that it sends as its sub stream."""


class Recorder(Model):
    """A recorder (NVR, DVR): one address, several channels, one failure."""

    id: Annotated[Slug, SIGNED]
    make: Annotated[Make, SIGNED]
    model: Annotated[Text | None, SIGNED] = None
    address: Annotated[LanAddress, SIGNED]
    port: Annotated[Port, SIGNED] = 554
    analog_channels: Annotated[Channels | None, SIGNED] = None
    """On hybrid recorders: how many analog inputs come before the first IP channel."""
    ip_channels: Annotated[Channels | None, SIGNED] = None
    """How many IP channels the recorder can take."""
    max_sessions: Annotated[Positive | None, SIGNED] = None
    """How many RTSP sessions it serves at once; every stream that we pull is one."""
    max_out_kbps: Annotated[Positive | None, SIGNED] = None
    """How much video it sends out, in kilobits a second."""
    onvif: Annotated[Onvif | None, UNSIGNED] = None
    """Where it is asked about itself; nobody asks it where this is left out."""
    accept: Annotated[DeviceAccept | None, UNSIGNED] = None
    """What of it was another one, and until when that is taken as well."""


class Camera(Model):
    """A camera: an IP camera with an address of its own, or a channel of a recorder."""

    id: Annotated[Slug, SIGNED]
    zone: Annotated[Zone, Use(signed=True, option="The camera's zone, from the list of order 4403/CV-BCĐ.")]
    location: Annotated[Text | None, Use(signed=True, option="The camera's location, as text.")] = None
    """Where it hangs, for people; no name of a person belongs here."""
    make: Annotated[Make | None, Use(signed=True, option="The make, which decides the RTSP address.")] = None
    model: Annotated[Text | None, Use(signed=True, option="")] = None
    address: Annotated[LanAddress | None, Use(signed=True, option="The device's address in the site's network.")] = None
    port: Annotated[Port, Use(signed=True, option="The RTSP port, if not 554.")] = 554
    recorder: Annotated[Slug | None, Use(signed=True, option="The camera's recorder.")] = None
    channel: Annotated[Channel, Use(signed=True, option="The channel, as the recorder's RTSP address counts them.")] = 1
    """The recorder's channel as its RTSP address counts them."""
    ip_channel: Annotated[
        Channel | None, Use(signed=True, option="The number among the IP channels of a hybrid recorder.")
    ] = None
    """On a hybrid recorder: the number among its IP channels; they follow the analog ones."""
    dark_hours: Annotated[tuple[DarkHours, ...], SIGNED] = ()
    """When it may see nothing, in Vietnam's time, e.g. `22:00-05:00`: a black picture is no fault then."""
    audio: Annotated[bool, SIGNED] = False
    """Whether sound was asked for; without it a stream that carries sound is reported."""
    onvif: Annotated[Onvif | None, UNSIGNED] = None
    """Where it is asked about itself; of a recorder's channel the recorder is asked. Nobody asks where it is left out.
    """
    accept: Annotated[DeviceAccept | None, UNSIGNED] = None
    """As a recorder's; a recorder's channel has the recorder's login."""
    streams: Annotated[Streams, SIGNED]

    @model_validator(mode="after")
    def _own_address_or_recorder(self) -> Camera:
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
