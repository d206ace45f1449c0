"""`provisioner keys`."""

from __future__ import annotations

import click

from provisioner.base.counted import counted
from provisioner.base.errors import HostError, PolicyError
from provisioner.base.json_document import Document
from provisioner.cli.context import Invocation
from provisioner.cli.held_text import code_with_held, held_documents, print_held
from provisioner.cli.lazy import NamedGroup
from provisioner.cli.output import print_document, print_error_line, print_warning
from provisioner.cli.progress import session_of
from provisioner.history.who import who, who_text
from provisioner.pipeline import KeysMade, init_keys
from provisioner.plan.guards.measures import named
from provisioner.plan.guards.policy import parse_allowances
from provisioner.plan.last_lines import held_ending


@click.group(cls=NamedGroup)
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
    Ends with 5 if a host could not be reached or did not prove itself; run it again then. One that belongs to another
    inventory is sent nothing, whatever is allowed, and it ends with 6: see hosts adopt.

    Example: provisioner -i DIR keys init --allow trust=3
    """
    session = session_of(invocation)
    made = init_keys(session, allow=parse_allowances(allows), who=who_text(who(invocation.env)))
    if invocation.json:
        print_document(_document(made))
    else:
        _print(made, invocation)
    failed = PolicyError if made.foreign else HostError
    return code_with_held(failed.exit_code if made.unreadable else 0, made.held)


def _document(made: KeysMade) -> Document:
    return {
        "schema": "provisioner/keys",
        "version": 1,
        "written": [str(path) for path in made.written],
        "hosts": list(made.hosts),
        "unreadable": {host: error.message for host, error in sorted(made.unreadable.items())},
        "shut": dict(made.shut),
        "site_packages": {relay: list(sites) for relay, sites in made.site_packages.items()},
        "held": held_documents(made.held),
    }


def _print(made: KeysMade, invocation: Invocation) -> None:
    for path in made.written:
        click.echo(f"wrote {path}: commit it")
    for file, vault_id in made.shut.items():
        hint = f"whoever has a password for the vault id {vault_id} runs this, too"
        print_warning(f"{file}.yml stayed shut: nothing was made for it", hint, color=invocation.color)
    print_held(made.held, color=invocation.color, what="nothing was made, and what there is stays")
    for _, error in sorted(made.unreadable.items()):
        print_error_line(error, color=invocation.color, margin="  ")
    for line in keys_ending(made):
        click.echo(line)


def keys_ending(made: KeysMade) -> tuple[str, ...]:
    """The last lines, the worst first: hosts whose keys are not made, files that stayed shut, then what there is."""
    sentences = []
    if made.unreadable:
        missed, hosts = named(sorted(made.unreadable)), counted(len(made.unreadable), "host")
        sentences.append(f"{hosts} not asked for keys: {missed}; settle what the errors name, and run keys init again")
    if made.shut:
        files = named([f"{file}.yml" for file in made.shut])
        sentences.append(f"{counted(len(made.shut), 'file')} stayed shut: {files}; nothing was made for it")
    if made.held:
        sentences.append(held_ending([one.id for one in made.held]))
    for relay, sites in made.site_packages.items():
        sentences.append(
            f"{relay} has a new key: {counted(len(sites), 'site')} of it connects only with a new package:"
            f" {named(sites)}; make them: provisioner site-package FACILITY… --out DIR"
        )
    asked = len(made.hosts) + len(made.unreadable)
    of = f" of {asked}" if made.unreadable else ""
    sentences.append(f"{counted(len(made.hosts), 'host')}{of} with keys: {', '.join(made.hosts) or 'none'}")
    if not (made.written or made.unreadable or made.shut):
        for_whom = " for all others" if made.held else ""
        sentences.append(f"nothing to make{for_whom}: every key and secret is there")
    return tuple(sentences)
