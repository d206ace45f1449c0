"""Edits of a camera or recorder, and of its settings under change.

While a setting is under change, the former one is accepted too until a day.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from provisioner.base.errors import UsageError
from provisioner.base.text import printable
from provisioner.inventory.files.edit import Flow
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model.devices import Camera, Codec, Recorder, Stream, StreamName
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.renamed_ids import DEVICE_DIGITS, next_free
from provisioner.operations.edit.file_edit import Edits, FacilityText, FileEdit, OpenFacility, key_path_of_device

_ACCEPT = "accept"
_OF_PICTURES = ("codec", "width", "height", "fps", "least_kbps")
_STREAM = re.compile(r"(?P<width>[0-9]{2,4})x(?P<height>[0-9]{2,4})(?:/(?P<codec>[a-z0-9]+))?(?:@(?P<fps>[0-9]{1,3}))?")
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """Requested settings of a camera or recorder."""

    values: Mapping[str, object]
    serial: str = ""  #: The serial number that it reports over ONVIF.
    streams: Mapping[StreamName, Mapping[str, object]] = field(default_factory=dict)  #: Values in a facility's file.

    @property
    def recorder(self) -> str:
        """The recorder that a camera is a channel of, or empty."""
        return str(self.values.get("recorder", ""))


def day_to_come(until: date, today: date) -> date:
    """Raise `UsageError` if a last day of acceptance is over."""
    if until < today:
        raise UsageError(f"{until} is over", hint=f"name a day from {today} on, the last on which either is taken")
    return until


def former_stream(key_path: KeyPath, old: Stream, values: Mapping[str, object], until: date) -> dict[KeyPath, object]:
    """Return the edit that accepts a stream's former picture until a day.

    It is empty if the picture does not change. Raises `UsageError` if it is under change already.
    """
    fields = {name: getattr(old, name) for name in _OF_PICTURES}
    former = {name: value for name, value in fields.items() if name in values and value not in {None, values[name]}}
    if not former:
        return {}
    if old.accept is not None:
        raise UsageError("its picture is under change already", hint="finish that first: provisioner camera accept")
    former = {name: str(value) if name == "codec" else value for name, value in former.items()}
    return {(*key_path, _ACCEPT): Flow(old=Flow(former), until=until.isoformat())}


def login_accepted(opened: OpenFacility, devices: Iterable[str], until: date) -> FileEdit:
    """Return an edit that accepts devices' former logins until a day."""
    value = Flow(old=Flow(login="vault"), until=until.isoformat())
    places = [key_path_of_device(opened.site, device)[0] for device in devices]
    return opened.edited(opened.text.with_values({(*key_path, _ACCEPT): value for key_path in places}))


def change_finished(edits: Edits, facility: str, device: str) -> FileEdit:
    """Return an edit that accepts only new settings, or raise `UsageError`."""
    opened = edits.open(facility)
    return opened.edited(opened.text.without(*_former_setting_paths(opened, device)))


def change_prolonged(edits: Edits, facility: str, device: str, until: date) -> FileEdit:
    """Return an edit that accepts former settings longer, or raise `UsageError`."""
    opened, day = edits.open(facility), day_to_come(until, edits.today).isoformat()
    return opened.edited(
        opened.text.with_values({(*key_path, "until"): day for key_path in _former_setting_paths(opened, device)})
    )


def _former_setting_paths(opened: OpenFacility, device: str) -> list[KeyPath]:
    """Return a device's key paths of former settings, or raise `UsageError`."""
    key_path, entry = key_path_of_device(opened.site, device)
    places: list[KeyPath] = [(*key_path, _ACCEPT)] if entry.accept else []
    places += [(*key_path, "streams", name, _ACCEPT) for name, stream in _streams(entry) if stream.accept]
    if not places:
        devices: list[Camera | Recorder] = [*opened.site.recorders, *opened.site.cameras]
        changing = [device.id for device in devices if _is_under_change(device)]
        hint = f"under change are: {', '.join(changing)}" if changing else "nothing of this facility is"
        raise UsageError(f"no setting of {opened.site.id}/{device} is under change", hint=hint, object=opened.site.id)
    return places


def _is_under_change(device: Camera | Recorder) -> bool:
    return device.accept is not None or any(stream.accept for _, stream in _streams(device))


def _streams(device: Camera | Recorder) -> list[tuple[str, Stream]]:
    return [] if isinstance(device, Recorder) else [(name.value, stream) for name, stream in device.streams.named]


def stream_of(text: str, rtsp_path: str = "") -> Mapping[str, object]:
    """Parse `640x360`, `1920x1080/h265` or `640x360@15`, or raise `UsageError`."""
    match = _STREAM.fullmatch(text)
    if match is None or (match["codec"] and match["codec"] not in set(Codec)):
        hint = f"write WIDTHxHEIGHT[/CODEC][@FPS], e.g. 640x360/h264@15; codecs are {', '.join(Codec)}"
        raise UsageError(f"{printable(text, _SHOWN)} is no stream", hint=hint)
    values: dict[str, object] = {"codec": match["codec"]} if match["codec"] else {}
    values |= {name: int(match[name]) for name in ("width", "height", "fps") if match[name]}
    return values | ({"rtsp_path": rtsp_path} if rtsp_path else {})


def camera_added(
    edits: Edits, facility: str, request: DeviceRequest, *, camera: str = "", new_recorder: str = ""
) -> FileEdit:
    """Return an edit that adds a camera, or raise `UsageError`.

    Without a recorder the request has the camera's address and make. An empty `camera` means `cam-` and the next
    number. `new_recorder` is the address of a recorder with the request's make and model.
    """
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    name = camera or next_free("cam", DEVICE_DIGITS, (existing.id for existing in site.cameras))
    if any(existing.id == name for existing in site.cameras):
        hint = f"provisioner camera replace {facility}/{name}"
        raise UsageError(f"facility {facility} has a camera {name}", hint=hint, object=facility)
    if not request.recorder and "address" not in request.values:
        hint = "add --address 192.168.1.31 --make axis, or of a recorder --recorder nvr-01 --channel 1"
        raise UsageError("a camera has an address of its own, or is a recorder's channel", hint=hint, object=facility)
    values = request.values
    if new_recorder:
        text = _with_recorder(text, site, request, new_recorder)
        values = {key: value for key, value in values.items() if key not in {"make", "model", "port"}}
    streams = {stream.value: Flow(wanted) for stream, wanted in request.streams.items()}
    new: dict[str, object] = {"id": name, **values, "streams": streams}
    if request.serial and not request.recorder:
        new["onvif"] = Flow(serial=request.serial)
    text = text.with_values({("cameras", len(site.cameras)): new} if site.cameras else {("cameras",): [new]})
    return opened.edited(text)


def _with_recorder(text: FacilityText, site: Facility, request: DeviceRequest, address: str) -> FacilityText:
    if any(recorder.id == request.recorder for recorder in site.recorders):
        hint = f"leave its address out, or give it another one: provisioner camera replace {site.id}/{request.recorder}"
        raise UsageError(f"facility {site.id} has a recorder {request.recorder}", hint=hint, object=site.id)
    if not request.recorder or "make" not in request.values:
        raise UsageError("a new recorder needs an id and a make", hint="add --recorder nvr-02 --make hikvision")
    values = {**request.values, "id": request.recorder, "address": address}
    new: dict[str, object] = {key: values[key] for key in ("id", "make", "model", "address", "port") if key in values}
    new |= {"onvif": Flow(serial=request.serial)} if request.serial else {}
    addition: dict[KeyPath, object] = {("recorders", len(site.recorders)): Flow(new)}
    return text.with_values(addition if site.recorders else {("recorders",): [Flow(new)]})


def device_replaced(
    edits: Edits, facility: str, device: str, request: DeviceRequest, *, accept_old_until: date | None = None
) -> FileEdit:
    """Return an edit that replaces a device, or raise `UsageError`.

    A recorder's channel has only streams of its own. With `accept_old_until` its former streams are accepted until that
    day.
    """
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    key_path, entry = key_path_of_device(site, device)
    if isinstance(entry, Recorder) and request.streams:
        hint = f"name one of its channels: {', '.join(c.id for c in site.cameras if c.recorder == device) or 'none'}"
        raise UsageError(f"{device} is a recorder: streams are those of its channels", hint=hint, object=facility)
    changes = _device_changes(key_path, entry, request)
    if not changes:
        raise UsageError(
            f"no value of {facility}/{device} was named", hint="name the values that changed, e.g. --model"
        )
    if accept_old_until is not None:
        changes |= _former_streams_edit(key_path, entry, request, day_to_come(accept_old_until, edits.today))
    return opened.edited(text.with_values(changes))


def _device_changes(key_path: KeyPath, entry: Camera | Recorder, request: DeviceRequest) -> dict[KeyPath, object]:
    changes: dict[KeyPath, object] = {(*key_path, key): value for key, value in request.values.items()}
    for stream, wanted in request.streams.items():
        old = getattr(entry.streams, stream.value) if isinstance(entry, Camera) else None
        if old is None:
            changes[*key_path, "streams", stream.value] = Flow(wanted)
        else:
            changes |= {(*key_path, "streams", stream.value, key): value for key, value in wanted.items()}
    if request.serial:
        changes |= (
            {(*key_path, "onvif", "serial"): request.serial}
            if entry.onvif
            else {(*key_path, "onvif"): Flow(serial=request.serial)}
        )
    return changes


def _former_streams_edit(
    key_path: KeyPath, entry: Camera | Recorder, request: DeviceRequest, until: date
) -> dict[KeyPath, object]:
    former: dict[KeyPath, object] = {}
    for stream, wanted in request.streams.items():
        old = getattr(entry.streams, stream.value) if isinstance(entry, Camera) else None
        if old is not None:
            former |= former_stream((*key_path, "streams", stream.value), old, wanted, until)
    if not former:
        hint = "an old codec, size or rate is taken: name --sub or --main; of a login: provisioner secrets set"
        raise UsageError("nothing was named of which the old one is taken as well", hint=hint)
    return former


def camera_moved(edits: Edits, facility: str, camera: str, request: DeviceRequest) -> FileEdit:
    """Return an edit that changes zone, recorder or address, or raise `UsageError`.

    A recorder's channel loses address, make and port; a camera with an address loses recorder and channel.
    """
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    key_path, device = key_path_of_device(site, camera)
    if not isinstance(device, Camera):
        hint = f"give it another address: provisioner camera replace {facility}/{camera} --address …"
        raise UsageError(f"{camera} is a recorder", hint=hint, object=facility)
    values = request.values
    if not values:
        hint = "name its zone, its location, its recorder and channel, or its address"
        raise UsageError(f"the new place of {facility}/{camera} is missing", hint=hint, object=facility)
    removed: tuple[str, ...] = ()
    if request.recorder:
        removed = ("address", "make", "model", "port", "onvif", "accept")
    elif "address" in values:
        removed = ("recorder", "channel", "ip_channel")
    removed += ("ip_channel",) if "channel" in values else ("channel",) if "ip_channel" in values else ()
    text = text.with_values({(*key_path, key): value for key, value in values.items()})
    return opened.edited(text.without(*((*key_path, key) for key in removed if key not in values)))


def device_removed(edits: Edits, facility: str, device: str) -> FileEdit:
    """Return an edit that removes camera or recorder, or raise `UsageError`."""
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    key_path, entry = key_path_of_device(site, device)
    channels = [camera.id for camera in site.cameras if camera.recorder == device]
    if isinstance(entry, Recorder) and channels:
        hint = f"remove or move its channels first: {', '.join(channels)}"
        raise UsageError(f"{device} has channels", hint=hint, object=facility)
    return opened.edited(text.without(key_path))
