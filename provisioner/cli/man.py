"""`provisioner man`."""

from __future__ import annotations

from pathlib import Path

import click

from provisioner import __version__
from provisioner.base.atomic_file import replace_file
from provisioner.base.counted import counted
from provisioner.base.errors import UsageError
from provisioner.cli.context import Invocation
from provisioner.cli.manual import manual_pages
from provisioner.cli.output import print_document
from provisioner.cli.word import Place


@click.command()
@click.option("--out", type=Place(path_type=Path), metavar="DIR", required=True, help="The folder that they go into.")
@click.pass_context
def man(ctx: click.Context, /, *, out: Path) -> int:
    """Write the manual pages: one for the program, and one for each command.

    They say what --help says. The package installs them already: man provisioner, man provisioner-plan. This is for
    machines on which man looks elsewhere, e.g. ~/.local/share/man/man1. DIR is made where it is missing, and of what is
    in it only files of these names are overwritten.

    Example: provisioner man --out ~/.local/share/man/man1
    """
    invocation: Invocation = ctx.obj
    invocation.refuse_proposed(out)
    program = ctx.find_root().command
    if not isinstance(program, click.Group):
        raise TypeError("the program is a group of commands")
    pages = manual_pages(program, f"provisioner {__version__}")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, page in pages.items():
            replace_file(out / name, page.encode("ascii"), mode=0o644, lasting=False)
    except OSError as error:
        hint = "name a folder that you can write to"
        raise UsageError(f"{out} cannot be written: {error.strerror}", hint=hint) from None
    if invocation.json:
        print_document({"schema": "provisioner/man", "version": 1, "folder": str(out), "pages": sorted(pages)})
    else:
        click.echo(f"wrote {counted(len(pages), 'page')} into {out}")
    return 0
