"""A setting under change in a facility's file: until when the former one is taken as well, and the end of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from provisioner.base.errors import UsageError
from provisioner.inventory.files.edit import Flow
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model import Camera, Recorder, Stream
from provisioner.inventory.operations.file_edit import Edits, FileEdit, OpenFacility
from provisioner.inventory.operations.named import place_of_device

_ACCEPT = "accept"
_OF_PICTURES = ("codec", "width", "height", "fps", "least_kbps")


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


def _streams(device: Camera | Recorder) -> list[tuple[str, Stream]]:
    return [] if isinstance(device, Recorder) else [(name.value, stream) for name, stream in device.streams.named]


def _is_under_change(device: Camera | Recorder) -> bool:
    return device.accept is not None or any(stream.accept for _, stream in _streams(device))
