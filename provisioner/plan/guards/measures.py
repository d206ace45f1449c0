"""What is held against each limit of the policy: a number, and a sentence about it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from provisioner.base.counted import counted

_MANY = 5


@dataclass(frozen=True, slots=True)
class Effect:
    """What a plan does, as the limits measure it.

    Attributes:
        changing: how many changes are pending.
        hosts: how many hosts change.
        lost: how many paths no relay serves afterwards.
        paths: how many paths there are, lost and served.
        cut_whole: the hosts on which every path reconnects, in order.
        viewers: how many live readers are cut.
        frozen: until when nothing should change, and why; empty outside freeze windows.
    """

    changing: int
    hosts: int
    lost: int
    paths: int
    cut_whole: tuple[str, ...]
    viewers: int
    frozen: str


def named(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    listed = ", ".join(names[:_MANY])
    return f"{listed} and {len(names) - _MANY} more" if len(names) > _MANY else listed


class Measure(NamedTuple):
    """What is held against one limit.

    Attributes:
        name: the limit's, a field of the inventory's `Limits`.
        of: the number.
        words: the effect and that number as a sentence.
    """

    name: str
    of: Callable[[Effect], int]
    words: Callable[[Effect, int], str]


MEASURES: Final = (
    Measure("deletions", lambda e: e.lost, lambda _, n: f"{counted(n, 'path')} would be served nowhere any more"),
    Measure(
        "deletion_percent",
        lambda e: -(-100 * e.lost // e.paths) if e.lost else 0,
        lambda _, n: f"{n} % of all paths would be served nowhere any more",
    ),
    Measure("hosts", lambda e: e.hosts, lambda _, n: f"{counted(n, 'host')} would change"),
    Measure(
        "all_impact",
        lambda e: len(e.cut_whole),
        lambda e, n: f"every path would reconnect on {counted(n, 'host')}: {named(e.cut_whole)}",
    ),
    Measure("viewers", lambda e: e.viewers, lambda _, n: f"{counted(n, 'viewer')} would be cut"),
    Measure(
        "freeze",
        lambda e: e.changing if e.frozen else 0,
        lambda e, n: f"frozen, {counted(n, 'change')} {e.frozen}",
    ),
)
"""One for each limit, in the order in which refusals are listed."""
