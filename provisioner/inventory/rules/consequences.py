"""Problems that follow from another one: who corrects that one is rid of them, so they are not listed beside it.

Only an error hides others, so that no inventory becomes valid by it; what is still wrong afterwards is said then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, TypeVar

from provisioner.base.diagnostics import Problem, Severity

_Root = TypeVar("_Root")
_OF_A_PLAN: Final = frozenset({"allocation-missing", "carrier-not-designated", "sign-off-stale"})

IN_ONE_FILE: Final[Mapping[str, frozenset[str]]] = {
    "province-unknown": _OF_A_PLAN | {"facility-file-misplaced"},
    "facility-file-misplaced": _OF_A_PLAN,
    "centre-file-misplaced": frozenset({"allocation-missing"}),
    "carrier-file-misplaced": frozenset({"allocation-missing"}),
    "carrier-unknown": _OF_A_PLAN | {"relay-of-other-carrier", "backup-relay-unfit"},
    "relay-unknown": frozenset({"sign-off-stale"}),
    "relay-of-other-carrier": frozenset({"sign-off-stale"}),
    "backup-relay-unfit": frozenset({"sign-off-stale"}),
    "recorder-unknown": frozenset({"allocation-missing", "sign-off-stale"}),
}
"""What an error hides among the problems of the same file."""

ANYWHERE: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("carrier", "carrier-file-misplaced"): frozenset({"relay-of-other-carrier", "carrier-unknown", "pool-missing"}),
    ("centre", "centre-file-misplaced"): frozenset({"centre-unknown"}),
    ("designations", "province-unknown"): frozenset({"carrier-not-designated"}),
    ("designations", "carrier-unknown"): frozenset({"carrier-not-designated"}),
}
"""What an error of such an object hides in other files: they name what it should have said."""


def without_consequences(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems without those that only follow from another of them."""
    listed = tuple(problems)
    errors = [problem for problem in listed if problem.severity is Severity.ERROR]
    codes: dict[str, set[str]] = {}
    for problem in errors:
        # An object whose file is called otherwise has no place: what is said of it stands nowhere.
        for file in {problem.file, ""} if problem.code.endswith("-file-misplaced") else {problem.file}:
            codes.setdefault(file, set()).add(problem.code)
    everywhere = _hidden(ANYWHERE, {(problem.object.partition("/")[0], problem.code) for problem in errors})
    hidden = {file: _hidden(IN_ONE_FILE, roots) for file, roots in codes.items()}
    return tuple(p for p in listed if p.code not in everywhere and p.code not in hidden.get(p.file, ()))


def _hidden(table: Mapping[_Root, frozenset[str]], roots: Collection[_Root]) -> frozenset[str]:
    return frozenset().union(*(table[root] for root in roots if root in table))
