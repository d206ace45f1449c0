"""Where the program keeps its state: a folder, or a database that several machines share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

VARIABLE = "PROVISIONER_STATE"
FILE = "state.db"


@dataclass(frozen=True)
class StatePlace:
    """Where the history of one inventory is.

    Attributes:
        inventory: the inventory's id; a shared database keeps several inventories apart by it.
        file: the SQLite file; None where it is a database server.
        url: the server's URL, with what opens it; empty where it is a file.
    """

    inventory: str
    file: Path | None
    url: str = field(default="", repr=False)

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
    if "://" in named:
        return StatePlace(inventory, None, named)
    return StatePlace(inventory, state_folder(environment) / inventory / FILE)
