"""Rows of cameras and recorders: their device, and its wanted values.

A channel's row may give its recorder's make, address and port, as provinces' tables do; they must agree with the
recorder's other rows. In tables with a row per stream, a camera has several rows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from provisioner.importing.forms.choices import DeviceKind
from provisioner.importing.forms.forms import CAMERAS
from provisioner.importing.grid import error, note, warning
from provisioner.importing.proposal.edits import FacilityDraft
from provisioner.importing.tables.files import ReadRow
from provisioner.inventory.model.devices import Camera, Recorder, StreamName
from provisioner.inventory.renamed_ids import DEVICE_DIGITS, next_free

_STREAM_KEYS = ("size", "fps", "codec", "kbps", "rtsp_path")
_STREAMED = tuple(f"{name.value}_{key}" for name in StreamName for key in _STREAM_KEYS)
_OF_RECORDERS = CAMERAS.fields_of(Recorder)
_OF_CAMERAS = CAMERAS.fields_of(Camera)
_OF_CAMERAS_ONLY = (*(key for key in _OF_CAMERAS if key not in _OF_RECORDERS), *_STREAMED)
_OF_CHANNELS = ("channel", "ip_channel")
_OF_OWN_ADDRESSES = ("make", "address", "port")
_DEFAULT_PORT = 554


@dataclass
class _Device:
    id: str
    known: dict[str, object]
    new: bool
    number: int = 0
    record: ReadRow | None = None
    streams: set[str] = field(default_factory=set)

    @property
    def recorder(self) -> str | None:
        name = self.known.get("recorder")
        return name if isinstance(name, str) else None

    @property
    def stored_streams(self) -> dict[str, dict[str, object]]:
        streams = self.known.get("streams")
        return {name: stream for name, stream in streams.items() if stream} if isinstance(streams, dict) else {}


class DeviceDraft:
    """The devices of one facility."""

    def __init__(self, draft: FacilityDraft) -> None:
        self._draft = draft
        existing = draft.existing
        recorders = existing.recorders if existing else ()
        cameras = existing.cameras if existing else ()
        self._recorders = {r.id: _Device(r.id, r.model_dump(mode="json"), new=False) for r in recorders}
        self._cameras = {
            c.id: _Device(c.id, c.model_dump(mode="json"), new=False, number=number) for number, c in enumerate(cameras)
        }
        #: The cameras by present or former address or channel, and by number.
        self._at: dict[tuple[object, ...], dict[int, _Device]] = {}
        for device in self._cameras.values():
            self._index_by_address(device)
        #: By kind: the numbers of recorders and cameras at the last proposal, and its id.
        self._highest: dict[str, tuple[int, int, str]] = {}

    def want(self, rows: Iterable[ReadRow]) -> None:
        """Process the rows: recorders and rows with ids before proposed ids."""
        pairs = [(row, self._kind_of(row)) for row in map(_with_stream_keys, rows) if row.is_valid]
        order = {DeviceKind.RECORDER: 0, DeviceKind.CHANNEL: 1, DeviceKind.CAMERA: 1}
        for row, kind in sorted(
            ((row, kind) for row, kind in pairs if kind),
            key=lambda pair: (
                order[pair[1]],
                pair[0].get("camera_id") is None,
                pair[0].get("stream") == StreamName.MAIN,
                pair[0].position,
            ),
        ):
            if kind is DeviceKind.RECORDER:
                self._process_recorder(row)
            else:
                self._process_camera(row, kind)

    @property
    def unlisted(self) -> Sequence[str]:
        """Known cameras without a row, if half of them have one."""
        known = [device for device in self._cameras.values() if not device.new]
        missing = [device.id for device in known if device.record is None]
        return missing if 2 * len(missing) <= len(known) else ()

    def _kind_of(self, row: ReadRow) -> DeviceKind | None:
        """Return a row's kind of device; `None` for a contradiction."""
        named = row.text("device")
        of_channel = [key for key in ("recorder_id", "channel", "ip_channel") if row.get(key) is not None]
        camera = self._cameras.get(row.text("camera_id") or "")
        if named is None and not of_channel and camera is not None and row.get("address") is None:
            return DeviceKind.CHANNEL if camera.recorder else DeviceKind.CAMERA
        if named is None:
            return DeviceKind.CHANNEL if of_channel else DeviceKind.CAMERA
        if named == DeviceKind.CAMERA and of_channel:
            self._draft.say(row, error("device-contradiction"), of_channel[0])
            return None
        return DeviceKind(named)

    # --- recorders --------------------------------------------------------------------------------
    def _process_recorder(self, row: ReadRow) -> None:
        for key in _OF_CAMERAS_ONLY:
            if row.get(key) is not None:
                self._draft.say(row, warning("column-not-of-recorder"), key)
        name = row.text("recorder_id") or row.text("camera_id") or self._recorder_at(row.text("address"))
        device = self._recorders.get(name or "")
        if device is None and not self._draft.require(row, "make", "address"):
            return
        if device is None:
            device = self._add_recorder(row, name)
        elif device.record is not None:
            self._say_duplicate(row, device.record, "recorder_id", "camera_id", "address")
            return
        device.record = row
        self._want_recorder_fields(device, row, _OF_RECORDERS)

    def _recorder_at(self, address: str | None) -> str | None:
        matches = [
            device.id for device in self._recorders.values() if address and device.known.get("address") == address
        ]
        return matches[0] if len(matches) == 1 else None

    def _add_recorder(self, row: ReadRow, name: str | None) -> _Device:
        if name is None:
            name = self._free_id("nvr")
            self._draft.say(row, note("id-proposed", facility=name), "recorder_id")
        self._recorders[name] = _Device(name, {}, new=True)
        return self._recorders[name]

    def _want_recorder_fields(self, device: _Device, row: ReadRow, keys: Iterable[str]) -> None:
        for key in keys:
            self._draft.want(row, ("recorders", device.id, key), key)
            if row.get(key) is not None:
                device.known[key] = row.get(key)

    def _recorder_of(self, row: ReadRow) -> _Device | None:
        """Return the recorder of a channel's row, or make a new one."""
        name = row.text("recorder_id")
        camera = self._cameras.get(row.text("camera_id") or "")
        if name is None:
            name = self._recorder_at(row.text("address"))
            if name is None and row.get("address") is None and camera is not None:
                name = camera.recorder
        device = self._recorders.get(name or "")
        if device is None:
            if row.get("address") is None:
                self._draft.say(row, error("recorder-unnamed" if name is None else "recorder-not-there"), "recorder_id")
                return None
            if not self._draft.require(row, "make", "address"):
                return None
            device = self._add_recorder(row, name)
            self._want_recorder_fields(device, row, ("make", "address", "port", "analog_channels", "ip_channels"))
            return device
        return device if self._agrees_with_recorder(device, row) else None

    def _agrees_with_recorder(self, device: _Device, row: ReadRow) -> bool:
        for key in ("make", "address", "port", "analog_channels", "ip_channels"):
            value, recorded = row.get(key), device.known.get(key, _DEFAULT_PORT if key == "port" else None)
            if value is None or value == recorded:
                continue
            if recorded is None:
                self._want_recorder_fields(device, row, (key,))
                continue
            self._draft.say(row, error("recorder-differs", recorder=device.id), key)
            return False
        return True

    # --- cameras ----------------------------------------------------------------------------------
    def _process_camera(self, row: ReadRow, kind: DeviceKind) -> None:
        recorder = self._recorder_of(row) if kind is DeviceKind.CHANNEL else None
        if kind is DeviceKind.CHANNEL and recorder is None:
            return
        device = self._camera_of(row, recorder)
        if device is None:
            return
        if device.record is not None:
            self._want_more(device, row)
            return
        device.record = row
        device.streams = _streams_in(row)
        if self._is_complete(device, row, recorder):
            self._want_camera_fields(device, row, recorder)

    def _camera_of(self, row: ReadRow, recorder: _Device | None) -> _Device | None:
        name = row.text("camera_id") or self._camera_at(row, recorder)
        if name in self._recorders:
            self._draft.say(row, error("device-id-taken", device=name), "camera_id")
            return None
        if name is None:
            name = self._free_id("cam")
            self._draft.say(row, note("id-proposed", facility=name), "camera_id")
        return self._cameras.setdefault(name, _Device(name, {}, new=True, number=len(self._cameras)))

    def _free_id(self, prefix: str) -> str:
        """Take the next free id, above all that existed before."""
        recorders, cameras, *last = self._highest.get(prefix, (0, 0))
        more = chain(islice(self._recorders, recorders, None), islice(self._cameras, cameras, None))
        name = next_free(prefix, DEVICE_DIGITS, [*map(str, last), *more])
        self._highest[prefix] = len(self._recorders), len(self._cameras), name
        return name

    def _index_by_address(self, device: _Device) -> None:
        fields = device.known
        address, port = fields.get("address"), fields.get("port") or _DEFAULT_PORT
        channels = [(fields.get("recorder"), key, fields.get(key)) for key in _OF_CHANNELS]
        for place in ((address,), (address, port), *channels):
            self._at.setdefault(place, {})[device.number] = device

    def _camera_at(self, row: ReadRow, recorder: _Device | None) -> str | None:
        address, port = row.get("address"), row.get("port")
        channels = {key: row.get(key) for key in _OF_CHANNELS if row.get(key)}
        if recorder is None:
            devices = self._at.get((address,) if port is None else (address, port), {})
        else:
            devices = self._at.get((recorder.id, *next(iter(channels.items()), ())), {})
        for _, device in sorted(devices.items()):
            fields = device.known
            if recorder is not None:
                if fields.get("recorder") == recorder.id and all(fields.get(key) == channels[key] for key in channels):
                    return device.id
            elif fields.get("address") == address is not None and port in (None, fields.get("port") or _DEFAULT_PORT):
                return device.id
        return None

    def _is_complete(self, device: _Device, row: ReadRow, recorder: _Device | None) -> bool:
        """Return whether row and known values are enough for a camera."""
        if device.new:
            needed = ["zone", "sub_size"] + ([] if recorder else ["make", "address"])
            if recorder and row.get("channel") is None and row.get("ip_channel") is None:
                needed.append("channel")
            if not self._draft.require(row, *needed):
                return False
        elif recorder is None and device.recorder and not self._draft.require(row, "make", "address"):
            return False
        if row.get("channel") is not None and row.get("ip_channel") is not None:
            self._draft.say(row, error("channel-twice"), "ip_channel")
            return False
        return self._has_sizes(device, row)

    def _has_sizes(self, device: _Device, row: ReadRow) -> bool:
        for name in sorted(_streams_in(row)):
            if name not in device.stored_streams and not self._draft.require(row, f"{name}_size"):
                return False
        return True

    def _want_camera_fields(self, device: _Device, row: ReadRow, recorder: _Device | None) -> None:
        """Want a camera's values; rewrite the camera if it moved."""
        path = ("cameras", device.id)
        fields = device.known
        excluded = _OF_CHANNELS if recorder is None else _OF_OWN_ADDRESSES
        keys = [key for key in _OF_CAMERAS if key not in excluded]
        if recorder is not None:
            self._draft.want(row, (*path, "recorder"), "recorder_id", recorder.id)
        moved = (recorder is None and fields.get("recorder")) or (recorder is not None and fields.get("address"))
        renumbered = (row.get("channel") and fields.get("ip_channel")) or (
            row.get("ip_channel") and fields and fields.get("ip_channel") is None
        )
        if not device.new and (moved or renumbered):
            self._draft.rewritten.add(path)
            self._want_recorded_fields(device, row, recorder)
        for key in keys:
            self._draft.want(row, (*path, key), key)
        device.known = fields | {key: row.get(key) for key in keys if row.get(key) is not None}
        device.known |= {"recorder": recorder.id} if recorder else {}
        self._index_by_address(device)
        for name in sorted(device.streams):
            self._want_stream_fields(device, row, name)

    def _want_recorded_fields(self, device: _Device, row: ReadRow, recorder: _Device | None) -> None:
        """Rewrite a camera that changes its kind or numbering, with valid values."""
        removed = {*_OF_OWN_ADDRESSES} if recorder else {"recorder"}
        removed |= {*_OF_CHANNELS} if not recorder or any(row.get(key) for key in _OF_CHANNELS) else set()
        for key, value in device.known.items():
            if key in removed | {"id", "streams"} or value in (None, []):
                continue
            self._draft.want(row, ("cameras", device.id, key), key, value)
        for name, stream in device.stored_streams.items():
            for key, value in stream.items():
                self._draft.want(row, ("cameras", device.id, "streams", name, key), f"{name}_{key}", value)

    def _want_stream_fields(self, device: _Device, row: ReadRow, name: str) -> None:
        path = ("cameras", device.id, "streams", name)
        size = row.get(f"{name}_size")
        if isinstance(size, tuple):
            self._draft.want(row, (*path, "width"), f"{name}_size", size[0])
            self._draft.want(row, (*path, "height"), f"{name}_size", size[1])
        for key in ("codec", "kbps", "fps", "rtsp_path"):
            self._draft.want(row, (*path, key), f"{name}_{key}")

    def _want_more(self, device: _Device, row: ReadRow) -> None:
        """Process another stream's row of a camera, without contradictions."""
        first = device.record
        more = _streams_in(row)
        if first is None or not more or more & device.streams or row.get("stream") is None:
            self._say_duplicate(row, first, "camera_id", *_OF_CHANNELS, "address")
            return
        for key, value in row.values.items():
            if (
                key not in _STREAMED
                and key not in {"stream", "facility_id", "facility_name"}
                and first.get(key) != value
            ):
                self._draft.say(row, error("row-contradicts", row=first.number), key)
                return
        if self._has_sizes(device, row):
            device.streams |= more
            for name in sorted(more):
                self._want_stream_fields(device, row, name)

    def _say_duplicate(self, row: ReadRow, first: ReadRow | None, *keys: str) -> None:
        """Report a device's second row, in its first filled identifying cell."""
        key = next((key for key in keys if row.get(key) is not None), keys[0])
        code = "row-duplicate" if key.endswith("_id") else "device-duplicate"
        self._draft.say(row, error(code, row=first.number if first else 0), key)


def _with_stream_keys(row: ReadRow) -> ReadRow:
    """Return a row-per-stream row with its stream's keys; sub by default."""
    if not any(row.get(key) is not None for key in _STREAM_KEYS):
        return row
    name = row.get("stream") or StreamName.SUB.value
    values = {f"{name}_{key}" if key in _STREAM_KEYS else key: value for key, value in row.values.items()}
    return replace(row, values=values)


def _streams_in(row: ReadRow) -> set[str]:
    return {
        name.value for name in StreamName if any(row.get(f"{name.value}_{key}") is not None for key in _STREAM_KEYS)
    }
