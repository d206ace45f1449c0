"""Options of the commands that verify: how long, how each picture is looked at, and what counts in the exit code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import click

from provisioner.cli.word import ListedWord
from provisioner.verify.picture.looks import Looks

_C = TypeVar("_C", bound=Callable[..., object])
_SHORTEST_S: Final = 15
_LONGEST_S: Final = 86_400
LEVELS: Final = 7
"""As many as `verify.levels` has, whose import would keep hosts from being told."""


def deadline_option(description: str) -> Callable[[_C], _C]:
    """`--deadline SECONDS`."""
    range_s = click.IntRange(_SHORTEST_S, _LONGEST_S)
    return click.option("--deadline", type=range_s, metavar="SECONDS", help=description)


def picture_option(default: Looks) -> Callable[[_C], _C]:
    """`--picture`, with what is done where nobody says."""
    return click.option(
        "--picture",
        type=ListedWord([looks.value for looks in Looks]),
        default=default.value,
        show_default=True,
        help="How each picture is looked at: not at all, for 3 s at most, for 10 to 60 s, or so long where it is due.",
    )


def fail_on_option(description: str) -> Callable[[_C], _C]:
    """`--fail-on`."""
    return click.option(
        "--fail-on",
        type=ListedWord(["degraded", "unknown", "down"]),
        default="degraded",
        show_default=True,
        help=description,
    )
