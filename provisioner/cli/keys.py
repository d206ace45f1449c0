"""`provisioner keys`."""

from __future__ import annotations

import click

from provisioner.base.counted import counted
from provisioner.base.errors import HostError
from provisioner.base.json_document import Document
from provisioner.cli.context import Invocation, today
from provisioner.cli.held_text import code_with_held, held_documents, print_held
from provisioner.cli.output import print_document, print_error_line, print_warning
from provisioner.pipeline import KeysMade, Session, init_keys
from provisioner.plan.guards.policy import parse_allowances


@click.group()
def keys() -> None:
    """Make the keys and secrets that hosts and the vault hold."""


@keys.command()
@click.option("--allow", "allows", multiple=True, metavar="trust=NUMBER", help="So many hosts are new, and meant.")
@click.pass_obj
def init(invocation: Invocation, allows: tuple[str, ...]) -> int:
    """Let every relay and centre make its keys, and draw the vault's secrets.

    Private keys and passwords are born on the hosts and stay there; public keys and hashes go into
    allocations.lock.yml, reader secrets and pre-shared keys into secrets/. What is there already stays.
    Each host is also left a key with which it proves later that it is the same one. A host that cannot is asked
    nothing: at a first contact say how many are new, --allow trust=NUMBER.
    Ends with 5 if a host could not be reached or did not prove itself; run it again then.

    Example: provisioner -i inventories/example keys init --allow trust=3
    """
    made = init_keys(Session(invocation.inventory, invocation.env, today()), allow=parse_allowances(allows))
    if invocation.json:
        print_document(_document(made))
    else:
        _print(made, invocation)
    return code_with_held(HostError.exit_code if made.unreadable else 0, made.held)


def _document(made: KeysMade) -> Document:
    return {
        "schema": "provisioner/keys",
        "version": 1,
        "written": [str(path) for path in made.written],
        "hosts": list(made.hosts),
        "unreadable": {host: error.message for host, error in sorted(made.unreadable.items())},
        "shut": dict(made.shut),
        "held": held_documents(made.held),
    }


def _print(made: KeysMade, invocation: Invocation) -> None:
    for path in made.written:
        click.echo(f"wrote {path}: commit it")
    if not made.written:
        click.echo("nothing to make: every key and secret is there")
    click.echo(f"{counted(len(made.hosts), 'host')} with keys: {', '.join(made.hosts) or 'none'}")
    for file, vault_id in made.shut.items():
        hint = f"whoever has a password for the vault id {vault_id} runs this, too"
        print_warning(f"{file}.yml stayed shut: nothing was made for it", hint, color=invocation.color)
    print_held(made.held, color=invocation.color, what="nothing was made, and what there is stays")
    for _, error in sorted(made.unreadable.items()):
        print_error_line(error, color=invocation.color, margin="  ")
