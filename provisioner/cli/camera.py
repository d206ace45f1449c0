"""`provisioner camera`: edits of cameras and recorders in a facility file."""

from collections.abc import Mapping
from datetime import datetime

import click

from provisioner.base.errors import UsageError
from provisioner.base.text import Document
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.completion import devices_like, facilities_like
from provisioner.cli.support.context import Invocation
from provisioner.cli.support.options import field_options, in_order
from provisioner.cli.support.terminal import DAY
from provisioner.cli.support.texts import Edited, edits_file, edits_of
from provisioner.inventory.model.devices import Camera, Recorder, StreamName
from provisioner.operations.edit import cameras as camera_edits
from provisioner.operations.edit.file_edit import named_values

_RTSP_PATH = "The stream's RTSP path, if not the make's own."
_STREAM = "WxH[/CODEC][@FPS]"


_FIELDS = field_options(Camera, required=True)
_SERIAL = {"serial": click.option("--serial", metavar="TEXT", help="The serial number that ONVIF reports.")}
_SHARED = {name: option for name, option in _FIELDS.items() if name in Recorder.model_fields}
_OF_DEVICE = in_order(_SHARED | _SERIAL)
_OF_CAMERA = in_order({name: _FIELDS[name] for name in ("zone", "location")} | _SHARED | _SERIAL | _FIELDS)
_OF_MOVE = in_order(
    field_options(
        Camera,
        zone="The new zone.",
        location="The new location, as text.",
        recorder="",
        channel="",
        ip_channel="",
        address="The camera's own address, instead of a recorder's channel.",
        make="With --address: the make, which decides the RTSP address.",
        port="With --address: the RTSP port, if not 554.",
    )
)
_OF_STREAMS = in_order(
    {
        "sub": click.option(
            "--sub", metavar=_STREAM, help="The contracted quality of the stream that is always pulled."
        ),
        "main": click.option("--main", metavar=_STREAM, help="The contracted quality of the stream on demand."),
        "sub_path": click.option("--sub-path", metavar="PATH", help=_RTSP_PATH),
        "main_path": click.option("--main-path", metavar="PATH", help=_RTSP_PATH),
    }
)


@click.group(cls=NamedGroup)
def camera() -> None:
    """Add, replace, move and remove cameras and recorders of a facility."""


@camera.command()
@click.argument("name", metavar="FACILITY[/CAMERA]", shell_complete=facilities_like)
@_OF_CAMERA
@click.option(
    "--recorder-address", default="", metavar="ADDRESS", help="The address of a new recorder, to add with the camera."
)
@_OF_STREAMS
@edits_file
def add(invocation: Invocation, /, name: str, *, recorder_address: str, **words: object) -> Edited:
    """Add a camera: a channel of a recorder, or a device with its own address.

    Without an id the camera gets the next number. --recorder-address adds the recorder too: --make, --model, --port and
    --serial then describe the recorder. The parties that signed the facility's plan have to sign again.

    Example: provisioner -i DIR camera add kcl-bg-001 --zone san --recorder nvr-01 --channel 5 --sub 640x360
    """
    facility, _, identifier = name.partition("/")
    request = _request(words)
    if StreamName.SUB not in request.streams:
        raise UsageError("a camera has a stream that is always pulled", hint="add --sub, e.g. --sub 640x360")
    edits = edits_of(invocation)
    edit = camera_edits.camera_added(edits, facility, request, camera=identifier, new_recorder=recorder_address)
    return edit, f"{facility}: a camera more"


@camera.command()
@click.argument("name", metavar="FACILITY/DEVICE", shell_complete=devices_like)
@_OF_DEVICE
@_OF_STREAMS
@click.option(
    "--accept-old-until",
    type=DAY,
    metavar="DATE",
    help="The last day on which the former codec, size and rate are valid.",
)
@edits_file
def replace(invocation: Invocation, /, name: str, *, accept_old_until: datetime | None, **words: object) -> Edited:
    """Record another device in the place of a camera or recorder.

    The id and the zone stay. Name only the values that changed. `secrets set` writes the new login; `verify --accept`
    accepts the new picture.

    Example: provisioner -i DIR camera replace kcl-bg-001/cam-04 --make hikvision --model DS-2CD --sub 640x360
    """
    facility, device = _facility_and_device(name)
    until = accept_old_until.date() if accept_old_until else None
    edit = camera_edits.device_replaced(edits_of(invocation), facility, device, _request(words), accept_old_until=until)
    return edit, f"{facility}: {device} is another device"


@camera.command()
@click.argument("name", metavar="FACILITY/DEVICE", shell_complete=devices_like)
@click.option("--finish", is_flag=True, help="End the change: only the new settings are valid.")
@click.option("--accept-old-until", "until", type=DAY, metavar="DATE", help="Another last day on which both are valid.")
@edits_file
def accept(invocation: Invocation, name: str, *, finish: bool, until: datetime | None) -> Edited:
    """End a change of device settings, or set another last day for it.

    During such a change the old and the new settings are both valid. The change begins with --accept-old-until of
    `camera replace` (codec, size, rate) or `secrets set` (login). `verify` shows which of the two the device has.

    Example: provisioner -i DIR camera accept kcl-bg-001/nvr-01 --finish
    """
    facility, device = _facility_and_device(name)
    if finish == (until is not None):
        raise UsageError("say what becomes of the change", hint="name --finish, or --accept-old-until DATE")
    edits = edits_of(invocation)
    if until is not None:
        edit = camera_edits.change_prolonged(edits, facility, device, until.date())
        message = f"{facility}: either setting of {device} until {until.date()}"
    else:
        edit = camera_edits.change_finished(edits, facility, device)
        message = f"{facility}: the new settings of {device} alone"
    return edit, message


@camera.command()
@click.argument("name", metavar="FACILITY/CAMERA", shell_complete=devices_like)
@_OF_MOVE
@edits_file
def move(invocation: Invocation, /, name: str, **words: object) -> Edited:
    """Record a camera's new zone, or its new recorder or address.

    Example: provisioner -i DIR camera move kcl-bg-001/cam-03 --recorder nvr-01 --channel 18
    """
    if words.get("recorder") and words.get("address"):
        raise UsageError("a camera has either an address of its own or a recorder", hint="name one of the two")
    facility, device = _facility_and_device(name)
    edit = camera_edits.camera_moved(edits_of(invocation), facility, device, _request(words))
    return edit, f"{facility}: {device} is moved"


@camera.command()
@click.argument("name", metavar="FACILITY/DEVICE", shell_complete=devices_like)
@edits_file
def remove(invocation: Invocation, name: str) -> Edited:
    """Remove a camera from a facility, or a recorder without channels.

    Example: provisioner -i DIR camera remove kcl-bg-001/cam-04
    """
    facility, device = _facility_and_device(name)
    edit = camera_edits.device_removed(edits_of(invocation), facility, device)
    return edit, f"{facility}: {device} is gone"


def _facility_and_device(name: str) -> tuple[str, str]:
    facility, slash, device = name.partition("/")
    if not slash or not facility or not device:
        raise UsageError(f"{name} names no device", hint="name a facility and one of its devices: FACILITY/DEVICE")
    return facility, device


def _request(options: Document) -> camera_edits.DeviceRequest:
    return camera_edits.DeviceRequest(named_values(Camera, options), options.get("serial") or "", _streams(options))


def _streams(options: Document) -> dict[StreamName, Mapping[str, object]]:
    """Return the named streams; a path without size raises `UsageError`."""
    named = {name: (options.get(name.value), options.get(f"{name.value}_path") or "") for name in StreamName}
    for stream, (size, path) in named.items():
        if path and not size:
            raise UsageError(f"--{stream.value}-path goes with --{stream.value}", hint="name its size as well")
    return {stream: camera_edits.stream_of(size, path) for stream, (size, path) in named.items() if size}
