"""`scripts/house`: rooms, arrows and floors of the package, counted from its imports and held against pyproject.toml.

A room is a module or package directly inside the folder that is counted. An arrow says that something in one
room imports something in another one, wherever the import stands. A room's floor is the longest chain of
arrows below it. A circle is a set of rooms that reach each other; an arrow is upward where it goes against the
layers that pyproject.toml has for the folder.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, order=True)
class Arrow:
    """One import from room to room, with the place of the first line that has it."""

    source: str
    target: str
    place: str


@dataclass(frozen=True)
class House:
    """The structure of one folder.

    Attributes:
        folder: the folder, relative to the checkout, with `/`.
        rooms: names of the modules and packages in it.
        arrows: one for each pair of rooms, in order.
    """

    folder: str
    rooms: tuple[str, ...]
    arrows: tuple[Arrow, ...]

    @property
    def figures(self) -> dict[str, int]:
        """The counts that pyproject.toml holds."""
        return {"rooms": len(self.rooms), "arrows": len(self.arrows), "floors": self.floors}

    @property
    def floors(self) -> int:
        """The floors of the highest room; rooms of a circle count as one."""
        below = self._reach
        circle = {room: frozenset(other for other in below[room] if room in below[other]) | {room} for room in below}
        targets = {room: {a.target for a in self.arrows if a.source in circle[room]} - circle[room] for room in below}

        @cache
        def floor(room: str) -> int:
            return 1 + max((floor(target) for target in targets[room]), default=0)

        return max((floor(room) for room in self.rooms), default=0)

    @property
    def circles(self) -> tuple[tuple[str, ...], ...]:
        """Sets of rooms that reach each other."""
        below = self._reach
        sets = {frozenset(o for o in below[r] if r in below[o]) | {r} for r in self.rooms if r in below[r]}
        return tuple(sorted(tuple(sorted(rooms)) for rooms in sets))

    @property
    def _reach(self) -> dict[str, set[str]]:
        below: dict[str, set[str]] = {room: set() for room in self.rooms}
        for arrow in self.arrows:
            below[arrow.source].add(arrow.target)
        for middle in self.rooms:
            for room in self.rooms:
                if middle in below[room]:
                    below[room] |= below[middle]
        return below


def house_of(root: Path, folder: str) -> House:
    """Count a folder of a checkout.

    Args:
        root: the checkout.
        folder: the folder below it, with `/`; its first part is the package.
    """
    rooms = {path.stem if path.is_file() else path.name for path in _rooms(root / folder)}
    container = folder.replace("/", ".")
    first: dict[tuple[str, str], str] = {}
    for path in sorted((root / folder).rglob("*.py")):
        source = path.relative_to(root / folder).parts[0].removesuffix(".py")
        for line, module in _imports(path, root):
            target = _room(module, container)
            if target != source and {source, target} <= rooms:
                first.setdefault((source, target), f"{path.relative_to(root)}:{line}")
    return House(folder, tuple(sorted(rooms)), tuple(Arrow(*pair, place) for pair, place in sorted(first.items())))


def _rooms(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").is_file()):
            yield path


def _room(module: str, container: str) -> str:
    """The room of a container that a dotted module is in; empty where it is in none."""
    if module == container:
        return "__init__"
    return module.removeprefix(container + ".").partition(".")[0] if module.startswith(container + ".") else ""


def _imports(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                full = root / node.module.replace(".", "/") / alias.name
                is_module = full.with_suffix(".py").is_file() or (full / "__init__.py").is_file()
                yield node.lineno, f"{node.module}.{alias.name}" if is_module else node.module


# --- held against pyproject.toml ------------------------------------------------------------------


def layers_of(settings: Mapping[str, Any], folder: str) -> list[set[str]]:
    """Layers that import-linter's contracts name for a folder, the highest first; none where there is no contract."""
    container = folder.replace("/", ".")
    for contract in settings["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers" and container in contract["containers"]:
            return [{name.strip() for name in layer.split("|")} for layer in contract["layers"]]
    return []


def breaches(house: House, layers: list[set[str]], figures: Mapping[str, int]) -> Iterator[str]:
    """What is wrong with a folder, each a sentence that says what to do.

    Args:
        house: the folder as it is.
        layers: its layers, the highest first; none where it has no contract.
        figures: the counts that pyproject.toml holds.
    """
    for circle in house.circles:
        yield f"{house.folder}: {', '.join(circle)} import each other in a circle: move what they share below them"
    yield from _upward(house, layers)
    for name, limit in figures.items():
        count = house.figures[name]
        if count > limit:
            yield (
                f"{house.folder} has {count} {name}, pyproject.toml allows {limit}: put the new module into the room"
                " whose stage it belongs to (docs/changing.md), or say in the commit why the figure has to grow"
            )
        elif count < limit:
            yield f"{house.folder} has {count} {name} and pyproject.toml allows {limit}: write {count} there"


def _upward(house: House, layers: list[set[str]]) -> Iterator[str]:
    if not layers:
        return
    height = {room: -place for place, layer in enumerate(layers) for room in layer}
    for room in house.rooms:
        if room not in height and not room.startswith("__"):
            yield (
                f"{house.folder}/{room} is in no layer: move it into the folder of its stage (docs/changing.md), or"
                f" give it a place among the layers of {house.folder} in pyproject.toml"
            )
    for arrow in house.arrows:
        source, target = height.get(arrow.source), height.get(arrow.target)
        if source is not None and target is not None and source <= target:
            how = "comes before" if source < target else "stands beside"
            yield (
                f"{arrow.place}: {house.folder}/{arrow.source} {how} {arrow.target} and may not import it:"
                " move what both need down, or hand it in as an argument"
            )


def report(root: Path) -> tuple[list[str], list[str]]:
    """Lines of the table, and the breaches, of every folder that pyproject.toml counts."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    table = [f"{'folder':<24}  rooms  arrows  floors"]
    wrong: list[str] = []
    for folder, figures in settings["tool"]["house"].items():
        house = house_of(root, folder)
        count = house.figures
        table.append(f"{folder:<24}  {count['rooms']:>5}  {count['arrows']:>6}  {count['floors']:>6}")
        wrong += breaches(house, layers_of(settings, folder), figures)
    return table, wrong


def main() -> int:
    """Print the table and what is wrong; the exit code is 1 where something is."""
    table, wrong = report(ROOT)
    sys.stdout.write("\n".join(table) + "\n")
    sys.stderr.writelines(f"error: {sentence}\n" for sentence in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
