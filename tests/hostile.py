"""Who attacks: the marker of every test in which somebody means harm, and the count of them by attacker.

`docs/threats.md` names each of these tests; `scripts/hostile` counts their cases.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections import Counter
from collections.abc import Iterable
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
LOCAL_USER: Final = pytest.mark.hostile("local user")
"""Somebody with an account on the controller's machine or on a host, who is neither the engineer nor root."""

ATTACKERS: Final = ("merge request", "gateway", "camera", "viewer", "centre", "relay", "local user")
_ROOT: Final = Path(__file__).parents[1]


@dataclass
class HostileCases:
    """A plugin of pytest that keeps every hostile case it collects.

    Attributes:
        cases: how many cases each test has, by attacker and the test's name (`tests/…/test_x.py::test_y`).
        total: how many cases there are, those of two attackers once.
    """

    cases: Counter[tuple[str, str]] = field(default_factory=Counter)
    total: int = 0

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


def collected() -> HostileCases:
    """Collect every test, run none, and keep the hostile cases.

    Raises:
        RuntimeError: the tests cannot be collected.
    """
    counted, said = HostileCases(), io.StringIO()
    # Only a file that has the word can have such a test; to import all others takes seconds.
    files = [str(f) for f in sorted(_ROOT.glob("tests/**/test_*.py")) if "hostile" in f.read_text(encoding="utf-8")]
    with contextlib.redirect_stdout(said):
        code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", *files], [counted])
    if code:
        raise RuntimeError(f"the tests cannot be collected: {said.getvalue()[-2000:]}")
    return counted


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
