"""`provisioner readers`."""

from __future__ import annotations

import click

from provisioner.cli.completion import hosts_like
from provisioner.cli.context import Invocation
from provisioner.cli.held_text import code_with_held, held_documents, print_held
from provisioner.cli.limit import limit_option
from provisioner.cli.output import print_document
from provisioner.cli.readers_text import reading_document, reading_ending, reading_lines
from provisioner.cli.session import session_of
from provisioner.desired.limit import parse_limits
from provisioner.desired.readers import reading_list


@click.command()
@click.option(
    "--centre",
    default="",
    metavar="ID",
    shell_complete=hosts_like,
    help="Where it reads; the only centre if left out.",
)
@click.option("--viewer", default="", metavar="ID", help="A viewer of the centre; the centre itself if left out.")
@limit_option
@click.pass_obj
def readers(invocation: Invocation, centre: str, viewer: str, limits: tuple[str, ...]) -> int:
    """List where a reader at a monitoring centre has each path that it may read.

    By the inventory alone: no host is asked, and no vault is opened. A path has one name at every relay that carries
    it. The first relay always pulls it; at a backup relay it comes when somebody reads it there, which is what a reader
    does that gets nothing from the first one any more. Passwords are in no list: they are in the vault.

    Example: provisioner -i DIR --output json readers --limit province=bac-giang
    """
    part = session_of(invocation).readable
    seen = reading_list(part.inventory, part.held, (centre, viewer), parse_limits(limits))
    if invocation.json:
        document = reading_document(seen.centre, seen.user, seen.readings)
        print_document(document | {"held": held_documents(seen.held)})
        return code_with_held(0, seen.held)
    for line in reading_lines(seen.readings):
        click.echo(line)
    print_held(seen.held, color=invocation.color, what="nothing is said of them")
    click.echo(reading_ending(seen.readings, seen.user))
    return code_with_held(0, seen.held)
