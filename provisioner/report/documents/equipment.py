"""The devices of a facility as minutes list them: what they are and where they look, no address and no login. Pure."""

from __future__ import annotations

from typing import Final

from provisioner.inventory.model import Camera, Facility
from provisioner.report.documents.official import OfficialTable, TableColumn
from provisioner.report.equipment import device_words
from provisioner.report.labels import label

_COLUMNS: Final = (
    TableColumn("STT", 12, is_centred=True),
    TableColumn("Mã camera", 25),
    TableColumn("Khu vực", 38),
    TableColumn("Vị trí", 40),
    TableColumn("Thiết bị", 30),
    TableColumn("Luồng hình", 20, is_centred=True),
)


def camera_table(facility: Facility) -> OfficialTable:
    """The cameras that are registered."""
    return OfficialTable(_COLUMNS, [_row(n, facility, camera) for n, camera in enumerate(facility.cameras, start=1)])


def _row(number: int, facility: Facility, camera: Camera) -> tuple[str | int, ...]:
    stream = camera.streams.sub
    size = f"{stream.width}x{stream.height}"
    return number, camera.id, label(camera.zone), camera.location or "", device_words(facility, camera), size
