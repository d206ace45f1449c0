"""What a device is, in words: make, model, the recorder whose channel it is; no address and no login. Pure."""

from __future__ import annotations

from provisioner.inventory.model import Camera, Facility


def device_words(facility: Facility, camera: Camera) -> str:
    """What a camera is: its make and model, or the recorder whose channel it is."""
    if camera.recorder is None:
        return _named(camera.make.value if camera.make else "", camera.model)
    named = {one.id: _named(one.make.value, one.model) for one in facility.recorders}
    return f"Đầu ghi {camera.recorder} ({named.get(camera.recorder, '')})"


def _named(make: str, model: str | None) -> str:
    return " ".join(part for part in (make, model) if part)
