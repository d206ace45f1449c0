"""Who attacks: the marker of every test in which somebody means harm, and the count of them by attacker.

`docs/internals/threats.md` names each of these tests; `scripts/hostile` counts their cases.
"""

import ast
import contextlib
import io
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

MERGE_REQUEST: Final = pytest.mark.hostile("merge request")
GATEWAY: Final = pytest.mark.hostile("gateway")
CAMERA: Final = pytest.mark.hostile("camera")
VIEWER: Final = pytest.mark.hostile("viewer")
CENTRE: Final = pytest.mark.hostile("centre")
RELAY: Final = pytest.mark.hostile("relay")
#: The node of another carrier, the broker between, or somebody who has its disk.
NODE: Final = pytest.mark.hostile("node")
#: Another carrier's controller, or whoever has its key, against the ministry's view.
CONTROLLER: Final = pytest.mark.hostile("controller")
#: Somebody with an account on the controller's machine or on a host, who is neither the engineer nor root.
LOCAL_USER: Final = pytest.mark.hostile("local user")

ATTACKERS: Final = (
    "merge request",
    "gateway",
    "camera",
    "viewer",
    "centre",
    "relay",
    "node",
    "controller",
    "local user",
)
_ROOT: Final = Path(__file__).parents[1]


@dataclass
class HostileCases:
    """A plugin of pytest that keeps every hostile case it collects."""

    #: How many cases each test has, by attacker and the test's name (`tests/…/test_x.py::test_y`).
    cases: Counter[tuple[str, str]] = field(default_factory=Counter)
    total: int = 0  #: How many cases there are, those of two attackers once.

    def pytest_collection_modifyitems(self, items: Iterable[pytest.Item]) -> None:
        """Count what was collected."""
        for item in items:
            self.total += item.get_closest_marker("hostile") is not None
            for attacker in {str(mark.args[0]) for mark in item.iter_markers("hostile")}:
                self.cases[attacker, item.nodeid.partition("[")[0]] += 1

    def of(self, attacker: str) -> int:
        """How many cases an attacker has."""
        return sum(number for (who, _), number in self.cases.items() if who == attacker)

    @property
    def tests(self) -> set[str]:
        """The names of all hostile tests."""
        return {name for _, name in self.cases}


def written() -> set[tuple[str, str]]:
    """The attacker and the name of every hostile test, as its file marks it: by a decorator, or the whole file.

    It imports nothing, so that a merge can wait for it; that it names what `collected` names is a test of the soak.
    """
    return {
        (attacker, f"{path.relative_to(_ROOT)}::{test}")
        for path in _files()
        for attacker, test in _marked_in(ast.parse(path.read_text(encoding="utf-8")))
    }


def collected() -> HostileCases:
    """Collect every test, run none, and keep the hostile cases.

    Raises:
        RuntimeError: the tests cannot be collected.
    """
    counted, said = HostileCases(), io.StringIO()
    files = [str(path) for path in _files()]
    with contextlib.redirect_stdout(said):
        code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", *files], [counted])
    if code:
        raise RuntimeError(f"the tests cannot be collected: {said.getvalue()[-2000:]}")
    return counted


def _files() -> list[Path]:
    """The files that can have such a test, since they have the word; to import all others takes seconds."""
    return [path for path in sorted(_ROOT.glob("tests/**/test_*.py")) if "hostile" in path.read_text(encoding="utf-8")]


def _marked_in(module: ast.Module) -> Iterator[tuple[str, str]]:
    """The attacker and the name of each hostile test of a file."""
    markers = dict(_imported(module))
    of_all: set[str] = set()
    for statement in module.body:
        if isinstance(statement, ast.Assign) and any(_is_named(target, "pytestmark") for target in statement.targets):
            of_all |= _attackers_in(statement.value, markers)
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            marked = of_all.union(*(_attackers_in(one, markers) for one in node.decorator_list))
            yield from ((attacker, node.name) for attacker in marked)


def _imported(module: ast.Module) -> Iterator[tuple[str, str]]:
    """The markers of this module that a file imports: what it calls each, and its attacker."""
    for node in ast.walk(module):
        for alias in node.names if isinstance(node, ast.ImportFrom) and node.module == __name__ else ():
            marker = globals()[alias.name]
            if isinstance(marker, pytest.MarkDecorator):
                yield alias.asname or alias.name, str(marker.args[0])


def _attackers_in(expression: ast.expr, markers: Mapping[str, str]) -> set[str]:
    """Whom an expression names, wherever in it the marker stands."""
    return {markers[node.id] for node in ast.walk(expression) if isinstance(node, ast.Name) and node.id in markers}


def _is_named(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name


def main() -> int:
    """Print the count; 1 where the tests cannot be collected."""
    try:
        counted = collected()
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for attacker in ATTACKERS:
        tests = sum(who == attacker for who, _ in counted.cases)
        sys.stdout.write(f"{attacker:<14}{counted.of(attacker):>5} cases in {tests} tests\n")
    sys.stdout.write(f"{'hostile':<14}{counted.total:>5} cases in {len(counted.tests)} tests\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
