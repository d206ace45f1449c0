"""`inventory.yml` by itself: what asks for no facility need not read ten thousand of them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from provisioner.base.errors import InventoryError
from provisioner.inventory.files.layout import File, leads_out
from provisioner.inventory.loader.file_content import bytes_of, read
from provisioner.inventory.model import Settings

_NAME: Final = "inventory.yml"


def load_settings(root: Path) -> Settings:
    """Load what holds for the whole inventory; its other files may be as they are.

    Args:
        root: the inventory's folder.

    Raises:
        InventoryError: there is none, or it cannot be understood.
    """
    file = File(root, _NAME, "inventory", Settings)
    if not file.path.is_file():
        hint = "name the inventory's folder with -i DIR or PROVISIONER_INVENTORY"
        raise InventoryError(f"{root} holds no {_NAME}", hint=hint)
    if leads_out(str(root), (_NAME,)):
        raise InventoryError(f"{file.shown} is a link out of the inventory", hint="put the file itself there")
    try:
        content = read(file, bytes_of(file))
    except OSError as error:
        raise InventoryError(f"{file.shown} cannot be read: {error.strerror}", hint="give yourself the file") from None
    if not isinstance(content.model, Settings) or content.problems:
        hint = "correct the places listed"
        raise InventoryError(f"{file.shown} cannot be understood", problems=content.problems, hint=hint)
    return content.model
