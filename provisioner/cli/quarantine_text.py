"""Quarantined paths as people read them: by device, since when, and what is to be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import click

from provisioner.base.language import ENGLISH, Translator
from provisioner.base.printable import printable
from provisioner.cli.terminal import Terminal
from provisioner.plan.diff import Quarantined


def quarantine_lines(
    paths: Sequence[Quarantined], terminal: Terminal, *, apart: bool = True, most: int = 0, say: Translator = ENGLISH
) -> Iterator[str]:
    """The paths that relays do not pull since their devices refuse the password; nothing where there are none.

    Args:
        paths: those paths.
        terminal: what the lines are laid out for.
        apart: whether an empty line comes first.
        most: so many of them are listed; 0 lists all.
        say: whoever says it.
    """
    if not paths:
        return
    if apart:
        yield ""
    line = say("QUARANTINED: {paths} with a refused password", paths=say.counted(len(paths), "path"))
    yield click.style(line, fg="red", bold=True)
    ordered = sorted(paths, key=lambda one: (one.host, one.device, one.next_step, one.path))[: most or None]
    for (host, device, step), group in groupby(ordered, key=lambda one: (one.host, one.device, one.next_step)):
        of = list(group)
        since = min(one.since_text for one in of)
        head = say("{device} since {since}", device=printable(device), since=since)
        yield from terminal.below(f"  {host}: {head}", say.restated(step), 4)
        yield from (f"    {printable(one.path)}" for one in of)
    if len(ordered) < len(paths):
        more = say.counted(len(paths) - len(ordered), "path")
        yield "  " + say("… and {paths} more: provisioner quarantine list", paths=more)
