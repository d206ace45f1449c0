"""What is known of a run, kept beside its key in a private directory in memory."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from .errors import LabError
from .owner import Owner
from .topology import GATEWAYS

PREFIX: Final = "provlab-"
_RECORD: Final = "lab.json"
# What passwords of the field look like: all that URLs, shells and configurations treat as their own, and Vietnamese.
_SHAPES: Final = ("Cam@{}", "a:b/{}#c", "Giám sát {}", "{}?x=1&y%41", "$G1{}", "q\"u\\o'te{}", "Đường+{}", "{}")


@dataclass(frozen=True, slots=True)
class Record:
    """One run. Passwords are by `facility/device`."""

    run: str
    owner: str
    keep: bool
    image: str
    managed_image: str
    passwords: dict[str, str]

    @property
    def project(self) -> str:
        """Name of the compose project."""
        return f"{PREFIX}{self.run}"

    @property
    def directory(self) -> Path:
        """The run's private directory."""
        return _memory() / self.project

    @classmethod
    def new(cls, *, image: str, keep: bool, managed_image: str = "") -> Record:
        """Draw a run with its own id and passwords, and write it down; relays and centre may have another image."""
        managed = managed_image or image
        record = cls(secrets.token_hex(4), str(Owner.current()), keep, image, managed, _draw_passwords())
        record.directory.mkdir(mode=0o700)
        record.write()
        return record

    def write(self) -> None:
        """Write the record, whole or not at all."""
        file = self.directory / _RECORD
        scratch = file.with_suffix(".new")
        scratch.touch(mode=0o600)
        scratch.write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")
        scratch.replace(file)

    def remove(self) -> None:
        """Remove the run's directory with its key and passwords."""
        shutil.rmtree(self.directory, ignore_errors=True)


def recorded() -> Iterator[Record]:
    """Yield the record of every run on this machine."""
    for file in sorted(_memory().glob(f"{PREFIX}*/{_RECORD}")):
        # A run that ends at this moment takes its record with it.
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        yield Record(**json.loads(text))


def find(run: str | None) -> Record:
    """Return the record of a run, or of the only one there is."""
    found = [record for record in recorded() if run in (None, record.run)]
    if len(found) != 1:
        known = ", ".join(record.run for record in found) or "none"
        raise LabError(f"which lab? {run or 'not named'}; known: {known}")
    return found[0]


def _draw_passwords() -> dict[str, str]:
    names = [f"{gateway.facility}/{device.id}" for gateway in GATEWAYS for device in gateway.devices]
    return {name: _SHAPES[index % len(_SHAPES)].format(secrets.token_urlsafe(6)) for index, name in enumerate(names)}


def _memory() -> Path:
    shared = Path("/dev/shm")  # noqa: S108 - the runs' directories in it are private
    return shared if shared.is_dir() else Path(tempfile.gettempdir())
