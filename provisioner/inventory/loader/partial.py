"""What can be read of an inventory, whatever problems it has."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from provisioner.base.diagnostics import Severity
from provisioner.base.errors import InventoryError
from provisioner.inventory.loader.cache import Cache
from provisioner.inventory.loader.load import Loaded, load
from provisioner.inventory.model import Inventory


def load_partial(root: Path, *, today: date, cache: Cache | None = None) -> tuple[Loaded, Inventory]:
    """Load an inventory as far as it can be understood: its other problems are another command's.

    Args:
        root: the inventory's folder.
        today: the day for which its files are judged.
        cache: what earlier runs read.

    Raises:
        InventoryError: nothing can be read of it.
    """
    loaded = load(root, today=today, cache=cache)
    if loaded.partial is None:
        raise InventoryError(
            f"the inventory {root} cannot be understood",
            problems=tuple(problem for problem in loaded.problems if problem.severity is Severity.ERROR),
            hint="run: provisioner validate",
        )
    return loaded, loaded.partial
