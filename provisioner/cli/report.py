"""`provisioner report`."""

from __future__ import annotations

from pathlib import Path

import click

from provisioner.base.counted import counted
from provisioner.cli.context import Invocation, now
from provisioner.cli.lazy import NamedGroup
from provisioner.cli.word import Place


@click.group(cls=NamedGroup)
def report() -> None:
    """Write pages for people who look and do not type."""


@report.command()
@click.argument("folder", type=Place(path_type=Path), metavar="DIR")
@click.pass_obj
def html(invocation: Invocation, folder: Path) -> int:
    """Write the pages of `serve` as files: one a province, one a facility, in both languages.

    They hold what the engineer sees, so that they are for engineers: DIR and its files are readable by their owner
    alone. They hold nothing of persons. DIR is a new folder, an empty one, or one that was written by this before: then
    it is brought up to date.

    Example: provisioner -i DIR report html pages
    """
    invocation.refuse_proposed(folder)
    # Pages' libraries are imported where there are pages.
    from provisioner.web.source import RecordedSource  # noqa: PLC0415
    from provisioner.web.static import write_pages  # noqa: PLC0415

    source = RecordedSource(invocation.inventory, invocation.env, now)
    number = write_pages(folder, source.load(), source.past, now())
    click.echo(f"wrote {counted(number, 'file')}: open {folder / 'index.html'}")
    return 0
