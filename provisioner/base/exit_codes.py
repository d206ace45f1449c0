"""Which of several exit codes a command ends with (docs/design.md, part 8). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

INTERRUPTED: Final = 130
"""The exit code after an interrupt: 128 and the signal's number."""

MEANINGS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "done; for plan --exit-code and drift: no change",
        1: "verification: something is degraded, down or unknown; an agreed availability missed; an idle intent;"
        " a Rego test",
        2: "wrong usage, or nothing selected",
        3: "the inventory is invalid: all problems are listed; or a facility is held, and all others were done",
        4: "rendering failed",
        5: "a host could not be reached or read, lacks a precondition, or what became of its change is not known",
        6: "refused by policy, or because the new rules would lock SSH out",
        7: "apply failed; hosts are at their last-good state, or a fresh plan of what was applied is not empty",
        8: "stale plan, with what moved",
        9: "locked by someone else",
        10: "changes present (plan --exit-code, drift)",
        11: "rollback failed: a person is needed now",
        12: "secrets cannot be opened",
        13: "the history of runs cannot be opened, read or written; nothing was changed",
        14: "nightly, notify, forge: a receiver, or the forge, was not told",
        15: "standard output, a report or the metrics (nightly) cannot be written",
        70: "internal error, a defect of provisioner; the message names the file with the trace",
        130: "interrupted",
    }
)
"""What each code means, for people."""

_WORST_FIRST: Final = (11, 7, 9, 8, 6, 5, INTERRUPTED, 14, 15, 3, 10, 1, 0)


def worst_of(*codes: int) -> int:
    """The code that says the worst; 0 where there is none.

    A code that is not in the order is a command's that could not do its work at all, and says more than any other.
    """
    return min(codes, key=rank_of, default=0)


def rank_of(code: int) -> int:
    """A code's place among all, the worst first: what is to be said of the least comes first."""
    return _WORST_FIRST.index(code) if code in _WORST_FIRST else -1
