"""Which file of an inventory's folder says what (docs/design.md, part 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner.diagnostics import Problem
from provisioner.inventory.model import (
    Allocations,
    Carrier,
    Centre,
    Designations,
    Facility,
    Instructions,
    Model,
    Settings,
)

LOCK_NAME = "allocations.lock.yml"

_SINGLE: dict[str, tuple[str, type[Model]]] = {
    "inventory.yml": ("inventory", Settings),
    "instructions.yml": ("instructions", Instructions),
    "designations.yml": ("designations", Designations),
    LOCK_NAME: ("allocations", Allocations),
}
_FOLDERS: dict[str, tuple[str, type[Model]]] = {"carriers": ("carrier", Carrier), "centres": ("centre", Centre)}
_LAYOUT_HINT = (
    "files are inventory.yml, instructions.yml, designations.yml, carriers/<carrier>.yml, centres/<centre>.yml,"
    " facilities/<province>/<facility>.yml, and encrypted ones under secrets/ and contacts/"
)


@dataclass(frozen=True)
class File:
    """A file of the inventory.

    Attributes:
        root: the inventory's folder, as the user named it.
        relative: the path inside it, with `/`.
        owner: the object it describes, e.g. `facility/kcl-bg-001`.
        model: what it has to be; None for encrypted files.
    """

    root: Path
    relative: str
    owner: str
    model: type[Model] | None

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.root / self.relative

    @property
    def shown(self) -> str:
        """The path as the user would type it; printable whatever bytes it holds."""
        return str(self.path).encode("utf-8", "backslashreplace").decode()

    @property
    def kind(self) -> str:
        """The owner's kind: `facility`, `carrier`, …."""
        return self.owner.partition("/")[0]

    @property
    def expected(self) -> dict[str, str]:
        """The ids that the file's name and folder promise."""
        parts = self.relative.removesuffix(".yml").split("/")
        if self.kind == "facility":
            return {"id": parts[2], "province": parts[1]}
        return {"id": parts[1]} if self.kind in {"carrier", "centre"} else {}

    def moved(self, key: str, value: str) -> str:
        """Give the path at which the file would agree with an id in it."""
        parts = self.relative.split("/")
        parts[1 if key == "province" else -1] = value if key == "province" else f"{value}.yml"
        return "/".join(parts)


def files_of(root: Path) -> Iterator[File]:
    """Give the inventory's files in an order that does not depend on the disk; contacts/ is not among them."""
    for name, (owner, model) in _SINGLE.items():
        if (root / name).is_file():
            yield File(root, name, owner, model)
    for folder, (kind, model) in _FOLDERS.items():
        for path in _yml(root / folder, "*.yml"):
            yield File(root, f"{folder}/{path.name}", f"{kind}/{path.stem}", model)
    for path in _yml(root / "facilities", "*/*.yml"):
        yield File(root, f"facilities/{path.parent.name}/{path.name}", f"facility/{path.stem}", Facility)
    yield from secret_files_of(root)


def secret_files_of(root: Path) -> Iterator[File]:
    """Give the encrypted files: the owner of `secrets/cameras/bac-giang.yml` is `secrets/cameras/bac-giang`."""
    for pattern in ("inventory.yml", "cameras/*.yml", "carriers/*.yml"):
        for path in _yml(root / "secrets", pattern):
            relative = path.relative_to(root).as_posix()
            yield File(root, relative, relative.removesuffix(".yml"), None)


def _yml(folder: Path, pattern: str) -> list[Path]:
    return sorted(p for p in folder.glob(pattern) if p.is_file() and not p.name.startswith("."))


def find_misplaced(root: Path) -> Iterator[Problem]:
    """Find YAML files that no one reads: a facility in the wrong folder would be missed without a word."""
    read = {file.path for file in files_of(root)}
    for path in sorted(root.glob("**/*")):
        parts = path.relative_to(root).parts
        if parts[0] == "contacts" or any(part.startswith(".") for part in parts):
            continue
        if path.suffix in {".yml", ".yaml"} and path not in read and not path.is_dir():
            relative = "/".join(parts)
            file = File(root, relative, relative, None)
            message = f"{relative} is not a file of an inventory: nothing reads it"
            yield Problem(file.shown, 0, 0, "file-unexpected", message, _LAYOUT_HINT, "")
