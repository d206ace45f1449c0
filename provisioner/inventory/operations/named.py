"""Facilities and devices as they are named in an argument of a command, and the edit of a file of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from provisioner.base.atomic_file import write_atomic
from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.nearest import did_you_mean
from provisioner.base.printable import printable
from provisioner.base.regular_file import read_regular
from provisioner.inventory.allocate import devices_of
from provisioner.inventory.files.edit import EditError, edited
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.files.strict_yaml import MAX_BYTES
from provisioner.inventory.loader.load import Loaded
from provisioner.inventory.model import Camera, Facility, Recorder, device_of

_SHOWN = 80


def facility_named(loaded: Loaded, name: str) -> Facility:
    """The facility of an id.

    Raises:
        InventoryError: its file, or the inventory's, cannot be understood.
        UsageError: there is none.
    """
    if loaded.frame and name in loaded.outlines:
        return loaded.facility(name)
    if {f"facility/{name}", "inventory"} & {problem.object for problem in loaded.problems}:
        hint = "run `provisioner validate` and correct what it lists"
        raise InventoryError(f"facility {name} cannot be read", hint=hint)
    hint = did_you_mean(name, loaded.outlines, "name the id in its file")
    raise UsageError(f"there is no facility {printable(name, _SHOWN)}", hint=hint, object=name)


def facility_file(root: Path, facility: Facility) -> Path:
    """A facility's file."""
    return root / "facilities" / facility.province / f"{facility.id}.yml"


def edit_file(root: Path, path: Path, changes: Mapping[KeyPath, object], by_hand: str) -> tuple[bytes, bytes]:
    """Set values in a file of an inventory, and write it where that makes it another one: its text before and after.

    Args:
        root: the inventory's folder.
        path: the file.
        changes: new values by place, as `edited` takes them.
        by_hand: what a person writes where the file cannot be edited.

    Raises:
        InventoryError: the file cannot be edited or written.
    """
    before, after = edited_file(path, changes, by_hand)
    if after != before:
        write_atomic(path, after.decode(), within=root)
    return before, after


def edited_file(path: Path, changes: Mapping[KeyPath, object], by_hand: str) -> tuple[bytes, bytes]:
    """A file's text as it is, and with values set; nothing is written. The arguments are those of `edit_file`.

    Raises:
        InventoryError: the file cannot be edited.
    """
    before = read_regular(path, most=MAX_BYTES)
    try:
        return before, edited(before, changes)
    except EditError as error:
        raise InventoryError(f"{path} cannot be edited: {error}", hint=by_hand) from error


def place_of_device(site: Facility, device: str) -> tuple[KeyPath, Camera | Recorder]:
    """Where a recorder or camera stands in its facility's file, and what it is.

    Raises:
        UsageError: there is none.
    """
    for index, recorder in enumerate(site.recorders):
        if recorder.id == device:
            return ("recorders", index), recorder
    for index, camera in enumerate(site.cameras):
        if camera.id == device:
            return ("cameras", index), camera
    ids = [*(recorder.id for recorder in site.recorders), *(camera.id for camera in site.cameras)]
    hint = did_you_mean(device, ids, f"its devices are: {', '.join(ids) or 'none'}")
    raise UsageError(f"facility {site.id} has no device {printable(device, _SHOWN)}", hint=hint, object=site.id)


def device_named(loaded: Loaded, name: str) -> tuple[Facility, str]:
    """The facility and the device of a name `FACILITY/DEVICE`: a recorder, or a camera with an address of its own.

    Raises:
        InventoryError: the facility's file, or the inventory's, cannot be understood.
        UsageError: there is none, or it is a channel of a recorder, which has the login.
    """
    site, slash, device = name.partition("/")
    if not slash:
        hint = "name a facility and one of its devices: FACILITY/DEVICE"
        raise UsageError(f"{printable(name, _SHOWN)} names no device", hint=hint, object=name)
    facility = facility_named(loaded, site)
    known = devices_of(facility)
    if device in known:
        return facility, device
    for camera in facility.cameras:
        if camera.id == device:
            recorder = device_of(camera)
            message = f"{site}/{device} is a channel of {recorder}, which has the login of all its channels"
            raise UsageError(message, hint=f"name {site}/{recorder}", object=name)
    hint = did_you_mean(device, known, f"its devices are: {', '.join(known) or 'none'}")
    raise UsageError(f"facility {site} has no device {printable(device, _SHOWN)}", hint=hint, object=name)
