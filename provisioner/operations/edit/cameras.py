"""Edits of a camera or recorder, and of its settings under change.

As in `facilities`, an edit is held against all rules, and shown before it is written. While a setting is under change,
the former one is accepted as well until a day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from provisioner.base.errors import UsageError
from provisioner.base.text import printable
from provisioner.inventory.files.edit import Flow
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model import Camera, Codec, Facility, Recorder, Stream, StreamName
from provisioner.inventory.renamed_ids import DEVICE_DIGITS, next_free
from provisioner.operations.edit.file_edit import Edits, FacilityText, FileEdit, OpenFacility, place_of_device

_ACCEPT = "accept"
_OF_PICTURES = ("codec", "width", "height", "fps", "least_kbps")
_STREAM = re.compile(r"(?P<width>[0-9]{2,4})x(?P<height>[0-9]{2,4})(?:/(?P<codec>[a-z0-9]+))?(?:@(?P<fps>[0-9]{1,3}))?")
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class StreamOrder:
    """What was contracted of a stream.

    Attributes:
        width, height: pixels.
        codec: how it is encoded; h264 where nobody said.
        fps: frames a second; None where nothing was agreed.
        rtsp_path: path and query of its RTSP address; empty for the make's own.
    """

    width: int
    height: int
    codec: Codec | None = None
    fps: int | None = None
    rtsp_path: str = ""

    @property
    def values(self) -> dict[str, object]:
        """As a facility's file has it."""
        values: dict[str, object] = {"codec": self.codec.value} if self.codec else {}
        values |= {"width": self.width, "height": self.height}
        if self.fps is not None:
            values["fps"] = self.fps
        return values | ({"rtsp_path": self.rtsp_path} if self.rtsp_path else {})


@dataclass(frozen=True, slots=True)
class DeviceOrder:
    """What is asked of a camera or a recorder.

    Attributes:
        values: the camera's fields that were named, as a facility's file has them.
        serial: what it says by ONVIF that its serial number is.
        streams: what was contracted of its streams.
    """

    values: Mapping[str, object]
    serial: str = ""
    streams: Mapping[StreamName, StreamOrder] = field(default_factory=dict)

    @property
    def recorder(self) -> str:
        """The recorder whose channel a camera is; empty if none was named."""
        return str(self.values.get("recorder", ""))


def day_to_come(until: date, today: date) -> date:
    """A last day on which either is taken.

    Raises:
        UsageError: it is over.
    """
    if until < today:
        raise UsageError(f"{until} is over", hint=f"name a day from {today} on, the last on which either is taken")
    return until


def former_stream(place: KeyPath, old: Stream, values: Mapping[str, object], until: date) -> dict[KeyPath, object]:
    """The edit by which a stream may come for a while as it did; empty where nothing changes that is seen in a picture.

    Args:
        place: the stream's place in the file.
        old: what it is now.
        values: what it is to be, as the file has it.
        until: the last day on which it may.

    Raises:
        UsageError: it is under change already.
    """
    known = {name: getattr(old, name) for name in _OF_PICTURES}
    former = {name: value for name, value in known.items() if name in values and value not in {None, values[name]}}
    if not former:
        return {}
    if old.accept is not None:
        raise UsageError("its picture is under change already", hint="finish that first: provisioner camera accept")
    former = {name: str(value) if name == "codec" else value for name, value in former.items()}
    return {(*place, _ACCEPT): Flow(old=Flow(former), until=until.isoformat())}


def login_accepted(opened: OpenFacility, devices: Iterable[str], until: date) -> FileEdit:
    """A facility's file by which either login of some devices is taken until a day.

    Raises:
        UsageError: there is no such device.
        InventoryError: the file cannot be edited, or what it says then breaks a rule.
    """
    value = Flow(old=Flow(login="vault"), until=until.isoformat())
    places = [place_of_device(opened.site, device)[0] for device in devices]
    return opened.edited(opened.text.with_values({(*place, _ACCEPT): value for place in places}))


def change_finished(edits: Edits, facility: str, device: str) -> FileEdit:
    """A facility's file in which the new settings of a device and its streams are the only ones.

    Raises:
        UsageError: there is no such device, or nothing of it is under change.
        InventoryError: the facility cannot be read, or what it says then breaks a rule.
    """
    opened = edits.open(facility)
    return opened.edited(opened.text.without(*_places(opened, device)))


def change_prolonged(edits: Edits, facility: str, device: str, until: date) -> FileEdit:
    """A facility's file in which the former settings of a device and its streams are taken until another day.

    Raises:
        UsageError: there is no such device, nothing of it is under change, or the day is over.
        InventoryError: the facility cannot be read, or what it says then breaks a rule.
    """
    opened, day = edits.open(facility), day_to_come(until, edits.today).isoformat()
    return opened.edited(opened.text.with_values({(*place, "until"): day for place in _places(opened, device)}))


def _places(opened: OpenFacility, device: str) -> list[KeyPath]:
    """Where it stands what a device and its streams were.

    Raises:
        UsageError: there is no such device, or nothing of it is under change.
    """
    place, known = place_of_device(opened.site, device)
    places: list[KeyPath] = [(*place, _ACCEPT)] if known.accept else []
    places += [(*place, "streams", name, _ACCEPT) for name, stream in _streams(known) if stream.accept]
    if not places:
        devices: list[Camera | Recorder] = [*opened.site.recorders, *opened.site.cameras]
        changing = [device.id for device in devices if _is_under_change(device)]
        hint = f"under change are: {', '.join(changing)}" if changing else "nothing of this facility is"
        raise UsageError(f"nothing of {opened.site.id}/{device} is under change", hint=hint, object=opened.site.id)
    return places


def _is_under_change(device: Camera | Recorder) -> bool:
    return device.accept is not None or any(stream.accept for _, stream in _streams(device))


def _streams(device: Camera | Recorder) -> list[tuple[str, Stream]]:
    return [] if isinstance(device, Recorder) else [(name.value, stream) for name, stream in device.streams.named]


def stream_of(text: str, rtsp_path: str = "") -> StreamOrder:
    """A stream as people type it: `640x360`, `1920x1080/h265`, `640x360@15`.

    Raises:
        UsageError: it is something else.
    """
    match = _STREAM.fullmatch(text)
    codec = match["codec"] if match else None
    if match is None or (codec and codec not in set(Codec)):
        hint = f"write WIDTHxHEIGHT[/CODEC][@FPS], e.g. 640x360/h264@15; codecs are {', '.join(Codec)}"
        raise UsageError(f"{printable(text, _SHOWN)} is no stream", hint=hint)
    fps = int(match["fps"]) if match["fps"] else None
    return StreamOrder(int(match["width"]), int(match["height"]), Codec(codec) if codec else None, fps, rtsp_path)


def camera_added(
    edits: Edits, facility: str, order: DeviceOrder, *, camera: str = "", new_recorder: str = ""
) -> FileEdit:
    """A facility's file with one more camera.

    Args:
        edits: the inventory.
        facility: its id.
        order: the camera; without a recorder it has an address and a make of its own.
        camera: its id; `cam-` and the next number where it is left out.
        new_recorder: the address of the recorder, where that comes new as well; make and model are the recorder's then.

    Raises:
        UsageError: there is such a camera, or something that it needs was not said.
        InventoryError: the facility cannot be read, or what it says then breaks a rule.
    """
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    name = camera or next_free("cam", DEVICE_DIGITS, (known.id for known in site.cameras))
    if any(known.id == name for known in site.cameras):
        hint = f"provisioner camera replace {facility}/{name}"
        raise UsageError(f"facility {facility} has a camera {name}", hint=hint, object=facility)
    if not order.recorder and "address" not in order.values:
        hint = "add --address 192.168.1.31 --make axis, or of a recorder --recorder nvr-01 --channel 1"
        raise UsageError("a camera has an address of its own, or is a recorder's channel", hint=hint, object=facility)
    values = order.values
    if new_recorder:
        text = _with_recorder(text, site, order, new_recorder)
        values = {key: value for key, value in values.items() if key not in {"make", "model", "port"}}
    streams = {stream.value: Flow(wanted.values) for stream, wanted in order.streams.items()}
    new: dict[str, object] = {"id": name, **values, "streams": streams}
    if order.serial and not order.recorder:
        new["onvif"] = Flow(serial=order.serial)
    text = text.with_values({("cameras", len(site.cameras)): new} if site.cameras else {("cameras",): [new]})
    return opened.edited(text)


def _with_recorder(text: FacilityText, site: Facility, order: DeviceOrder, address: str) -> FacilityText:
    if any(recorder.id == order.recorder for recorder in site.recorders):
        hint = f"leave its address out, or give it another one: provisioner camera replace {site.id}/{order.recorder}"
        raise UsageError(f"facility {site.id} has a recorder {order.recorder}", hint=hint, object=site.id)
    if not order.recorder or "make" not in order.values:
        raise UsageError("a new recorder needs an id and a make", hint="add --recorder nvr-02 --make hikvision")
    values = {**order.values, "id": order.recorder, "address": address}
    new: dict[str, object] = {key: values[key] for key in ("id", "make", "model", "address", "port") if key in values}
    new |= {"onvif": Flow(serial=order.serial)} if order.serial else {}
    place: dict[KeyPath, object] = {("recorders", len(site.recorders)): Flow(new)}
    return text.with_values(place if site.recorders else {("recorders",): [Flow(new)]})


def device_replaced(
    edits: Edits, facility: str, device: str, order: DeviceOrder, *, accept_old_until: date | None = None
) -> FileEdit:
    """A facility's file with another device in the place of a camera or a recorder: id and zone stay.

    Of a recorder's channel the streams alone are its own: its recorder is the device. With `accept_old_until` a stream
    may come as it did until that day.

    Raises:
        UsageError: there is no such device, nothing of it was said, or there is nothing of which the old is taken.
        InventoryError: the facility cannot be read, or what it says then breaks a rule.
    """
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    place, known = place_of_device(site, device)
    if isinstance(known, Recorder) and order.streams:
        hint = f"name one of its channels: {', '.join(c.id for c in site.cameras if c.recorder == device) or 'none'}"
        raise UsageError(f"{device} is a recorder: streams are those of its channels", hint=hint, object=facility)
    changes = _changes(place, known, order)
    if not changes:
        raise UsageError(f"nothing of {facility}/{device} was named", hint="name what is another one, e.g. --model")
    if accept_old_until is not None:
        changes |= _former(place, known, order, day_to_come(accept_old_until, edits.today))
    return opened.edited(text.with_values(changes))


def _changes(place: KeyPath, known: Camera | Recorder, order: DeviceOrder) -> dict[KeyPath, object]:
    changes: dict[KeyPath, object] = {(*place, key): value for key, value in order.values.items()}
    for stream, wanted in order.streams.items():
        old = getattr(known.streams, stream.value) if isinstance(known, Camera) else None
        if old is None:
            changes[*place, "streams", stream.value] = Flow(wanted.values)
        else:
            changes |= {(*place, "streams", stream.value, key): value for key, value in wanted.values.items()}
    if order.serial:
        changes |= (
            {(*place, "onvif", "serial"): order.serial}
            if known.onvif
            else {(*place, "onvif"): Flow(serial=order.serial)}
        )
    return changes


def _former(place: KeyPath, known: Camera | Recorder, order: DeviceOrder, until: date) -> dict[KeyPath, object]:
    """The edit by which the streams of an order may come as they did until a day.

    Raises:
        UsageError: none of them would come otherwise, or one is under change already.
    """
    former: dict[KeyPath, object] = {}
    for stream, wanted in order.streams.items():
        old = getattr(known.streams, stream.value) if isinstance(known, Camera) else None
        if old is not None:
            former |= former_stream((*place, "streams", stream.value), old, wanted.values, until)
    if not former:
        hint = "an old codec, size or rate is taken: name --sub or --main; of a login: provisioner secrets set"
        raise UsageError("nothing was named of which the old one is taken as well", hint=hint)
    return former


def camera_moved(edits: Edits, facility: str, camera: str, order: DeviceOrder) -> FileEdit:
    """A facility's file in which a camera looks at something else, or is reached another way.

    To a recorder's channel it loses address, make and port; to an address of its own the recorder and its channel.

    Raises:
        UsageError: there is no such camera, or nothing was said of where it goes.
        InventoryError: the facility cannot be read, or what it says then breaks a rule.
    """
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    place, known = place_of_device(site, camera)
    if not isinstance(known, Camera):
        hint = f"give it another address: provisioner camera replace {facility}/{camera} --address …"
        raise UsageError(f"{camera} is a recorder", hint=hint, object=facility)
    values = order.values
    if not values:
        hint = "name its zone, its location, its recorder and channel, or its address"
        raise UsageError(f"nothing was said of where {facility}/{camera} goes", hint=hint, object=facility)
    gone: tuple[str, ...] = ()
    if order.recorder:
        gone = ("address", "make", "model", "port", "onvif", "accept")
    elif "address" in values:
        gone = ("recorder", "channel", "ip_channel")
    gone += ("ip_channel",) if "channel" in values else ("channel",) if "ip_channel" in values else ()
    text = text.with_values({(*place, key): value for key, value in values.items()})
    return opened.edited(text.without(*((*place, key) for key in gone if key not in values)))


def device_removed(edits: Edits, facility: str, device: str) -> FileEdit:
    """A facility's file without a camera, or without a recorder that has no channel any more.

    Raises:
        UsageError: there is no such device, or a recorder has channels.
        InventoryError: the facility cannot be read, or what it says then breaks a rule.
    """
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    place, known = place_of_device(site, device)
    channels = [camera.id for camera in site.cameras if camera.recorder == device]
    if isinstance(known, Recorder) and channels:
        hint = f"remove or move its channels first: {', '.join(channels)}"
        raise UsageError(f"{device} has channels", hint=hint, object=facility)
    return opened.edited(text.without(place))
