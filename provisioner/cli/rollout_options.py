"""The options that `apply` and `rollback` take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict, TypeVar

import click

from provisioner.cli.word import Amount, ListedWord
from provisioner.desired.wave_names import NAMES

C = TypeVar("C", bound=Callable[..., object])


class RolloutChoices(TypedDict):
    """What the options of a rollout were set to, as click hands it in."""

    max_failed: int
    pause_after: str | None
    min_new_up: float
    max_lost: float
    required: tuple[str, ...]
    gate_patience: float
    approval: str


def rollout_options(command: C) -> C:
    """Add the options of a rollout to a command."""
    options = (
        click.option("--max-failed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
                     help="So many hosts may fail before no further wave is started."),
        click.option("--pause-after", type=ListedWord(NAMES), default=None, help="Pause when this wave is through."),
        click.option("--min-new-up", type=Amount(0, 1), default=0.0, show_default=True, metavar="SHARE",
                     help="This share of new paths has to give a picture, else the host returns."),
        click.option("--max-lost", type=Amount(0, 1), default=0.0, show_default=True, metavar="SHARE",
                     help="This share of paths that gave a picture before may give none after."),
        click.option("--require-up", "required", multiple=True, metavar="PATH",
                     help="This path, or all that begin so, has to give a picture whatever it gave before."),
        click.option("--gate-patience", type=Amount(5, 600), default=60.0, show_default=True,
                     metavar="SECONDS", help="So long paths may take to come back."),
        click.option("--approval", default="", metavar="TEXT", help="What approved this: it goes into the record."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command
