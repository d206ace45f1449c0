"""`provisioner render`."""

from __future__ import annotations

from pathlib import Path

import click

from provisioner.base.counted import counted
from provisioner.cli.context import Invocation
from provisioner.cli.files import write_tree
from provisioner.cli.held_text import code_with_held, held_documents, print_held
from provisioner.cli.limit import hosts_limit_option
from provisioner.cli.output import print_document, print_warning
from provisioner.cli.session import session_of
from provisioner.cli.word import Place
from provisioner.desired.limit import parse_limits
from provisioner.pipeline.stages import rendered_files


@click.command()
@click.option(
    "--out", "folder", type=Place(path_type=Path), required=True, metavar="DIR", help="A new or empty folder."
)
@hosts_limit_option
@click.pass_obj
def render(invocation: Invocation, folder: Path, limits: tuple[str, ...]) -> int:
    """Write every file as it should lie on each host.

    Contacts no host. The relay files hold camera passwords: they are written with mode 0600 into a
    folder with mode 0700, and belong into no repository.

    Example: provisioner -i DIR render --out /run/user/1000/rendered
    """
    invocation.refuse_proposed(folder)
    session = session_of(invocation)
    written: list[Path] = []
    limit = parse_limits(limits)
    rendered = rendered_files(session, limit)
    held = session.held_by(limit)
    for host, files in rendered.items():
        written += write_tree(folder / host, files)
    left_out = {host.id: host.reason for host in session.state.left_out.values()}
    if invocation.json:
        listed = [str(path) for path in written]
        document = {"schema": "provisioner/render", "version": 1, "files": listed, "left_out": left_out}
        print_document(document | {"held": held_documents(held)})
    else:
        for reason in left_out.values():
            print_warning(reason, "set a password for its vault id to render it as well", color=invocation.color)
        click.echo(f"wrote {counted(len(written), 'file')} below {folder}; those of relays hold secrets")
        print_held(held, color=invocation.color, what="not in these files; hosts keep what they have")
    return code_with_held(0, held)
