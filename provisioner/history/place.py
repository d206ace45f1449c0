"""Where the program keeps its state: a folder, or a database that several machines share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.history.seal import NO_KEYS, RecordKeys

VARIABLE = "PROVISIONER_STATE"
FILE = "state.db"
_HEAD = "head.json"


@dataclass(frozen=True)
class StatePlace:
    """Where the history of one inventory is.

    Attributes:
        inventory: the inventory's id; a shared database keeps several inventories apart by it.
        file: the SQLite file; None where it is a database server.
        url: the server's URL, with what opens it; empty where it is a file.
        keys: what seals its entries, and what they are held against.
        remembered: the file in which this machine remembers the newest entry that it wrote; None remembers nothing.
    """

    inventory: str
    file: Path | None
    url: str = field(default="", repr=False)
    keys: RecordKeys = field(default=NO_KEYS, repr=False, compare=False)
    remembered: Path | None = field(default=None, compare=False)

    @property
    def shown(self) -> str:
        """The place as people may see it: of a URL only what kind of server it is."""
        return str(self.file) if self.file else f"the database that {VARIABLE} names"


def state_folder(environment: Mapping[str, str]) -> Path:
    """The folder of the program's own state; `PROVISIONER_STATE` may be a database URL, which is no folder."""
    named = environment.get(VARIABLE, "")
    if named and "://" not in named:
        return Path(named)
    base = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".local/state")
    return Path(base) / "provisioner"


def state_place_of(environment: Mapping[str, str], inventory: str) -> StatePlace:
    """The place of an inventory's history."""
    named = environment.get(VARIABLE, "")
    folder = state_folder(environment) / inventory
    if "://" in named:
        return StatePlace(inventory, None, named, remembered=folder / _HEAD)
    return StatePlace(inventory, folder / FILE, remembered=folder / _HEAD)
