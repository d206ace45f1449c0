"""`scripts/house`: figures of the package's folders, held against pyproject.toml.

A room is a module or package directly inside the folder that is counted. An arrow says that a module of one room
imports one of another, wherever the import stands; a thin arrow rests on a single import. A room's floor is the longest
chain of arrows below it. Modules are counted at every depth, so that growth inside a room is seen. The change is the
number of Python files that a commit touches if it touches the folder: the median of the newest commits, moves left out.

Layers and circles are contracts of import-linter.
"""

import statistics
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grimp

ROOT = Path(__file__).parents[1]
_COMMITS = 200
_FEWEST_COMMITS = 20
# A commit that touches more files than this moves them.
_MOVE = 150


def figures_of(graph: grimp.ImportGraph, container: str) -> dict[str, int]:
    """Count the rooms, arrows, thin arrows, floors and modules of a dotted package."""
    rooms = graph.find_children(container)
    arrows: Counter[tuple[str, str]] = Counter()
    modules = graph.find_descendants(container)
    for module in modules:
        for imported in graph.find_modules_directly_imported_by(module):
            pair = _room(module, container), _room(imported, container)
            if pair[0] != pair[1] and set(pair) <= rooms:
                arrows[pair] += 1
    packages = sum(1 for module in modules if graph.find_children(module))
    return {
        "rooms": len(rooms),
        "arrows": len(arrows),
        "thin": sum(1 for count in arrows.values() if count == 1),
        "floors": _floors(rooms, set(arrows)),
        "modules": len(modules) - packages,
    }


def _room(module: str, container: str) -> str:
    name = module.removeprefix(f"{container}.").partition(".")[0]
    return f"{container}.{name}" if module.startswith(f"{container}.") else ""


def _floors(rooms: set[str], arrows: set[tuple[str, str]]) -> int:
    heights = dict.fromkeys(rooms, 1)
    for _ in rooms:  # a circle raises its rooms in each round; import-linter names it
        for source, target in arrows:
            heights[source] = max(heights[source], heights[target] + 1)
    return max(heights.values(), default=0)


def change_of(root: Path, folder: str) -> int | None:
    """Return the median number of Python files in a commit that touches a folder; `None` without enough history."""
    command = [
        "git",
        "log",
        f"-n{_COMMITS}",
        "--no-merges",
        "--full-diff",
        "--name-only",
        "--format=%x00",
        "--",
        folder,
    ]
    log = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout
    commits = [[name for name in part.split() if name.endswith(".py")] for part in log.split("\0")[1:]]
    sizes = [len(names) for names in commits if 0 < len(names) <= _MOVE]
    return int(statistics.median(sizes)) if len(sizes) >= _FEWEST_COMMITS else None


def breaches(folder: str, counted: Mapping[str, int], limits: Mapping[str, int]) -> Iterator[str]:
    """Yield a sentence with the next step for each figure that is not the one in pyproject.toml.

    Args:
        folder: relative to the checkout, with `/`.
        counted: the folder's figures, of those that pyproject.toml limits; one without history is absent.
        limits: the figures in pyproject.toml.
    """
    for name, count in counted.items():
        limit = limits[name]
        if count > limit:
            yield (
                f"{folder}: {name} is {count}, pyproject.toml allows {limit}: put the module into the room whose stage"
                " it belongs to (docs/internals/changing.md), or write the new figure and say in the commit why"
            )
        elif count < limit and name != "change":
            yield f"{folder}: {name} fell to {count}, pyproject.toml allows {limit}: write {count} there"


def report(root: Path) -> tuple[list[str], list[str]]:
    """Return the lines of the table and the breaches for every folder that pyproject.toml names."""
    settings: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    sys.path.insert(0, str(root / "playbooks"))
    graph = grimp.build_graph("provisioner", "provisioner_host", cache_dir=None)
    names = ("rooms", "arrows", "thin", "floors", "modules", "change")
    table = [f"{'folder':<28}" + "".join(f"{name:>9}" for name in names)]
    wrong: list[str] = []
    for folder, limits in settings["tool"]["house"].items():
        counted = {
            name: n
            for name, n in figures_of(graph, folder.removeprefix("playbooks/").replace("/", ".")).items()
            if name in limits
        }
        if "change" in limits and (change := change_of(root, folder)) is not None:
            counted["change"] = change
        table.append(f"{folder:<28}" + "".join(f"{counted.get(name, '-'):>9}" for name in names))
        wrong += breaches(folder, counted, limits)
    return table, wrong


def main() -> int:
    """Print the table and the breaches; return 1 if there are any."""
    table, wrong = report(ROOT)
    sys.stdout.write("\n".join(table) + "\n")
    sys.stderr.writelines(f"error: {sentence}\n" for sentence in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
