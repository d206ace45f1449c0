"""`provisioner hosts`: whose a host is, where that changes."""

from __future__ import annotations

import click

from provisioner.base.counted import counted
from provisioner.base.json_document import Document
from provisioner.base.printable import printable
from provisioner.cli.completion import hosts_like
from provisioner.cli.context import Invocation
from provisioner.cli.lazy import NamedGroup
from provisioner.cli.output import print_document
from provisioner.cli.progress import session_of
from provisioner.cli.question import ask, refuse_unattended
from provisioner.desired.owner import Owner
from provisioner.history.who import who, who_text
from provisioner.runs.single.owners import Adoption, record_adoption, release_host, see_owner, see_releasable


@click.group(cls=NamedGroup)
def hosts() -> None:
    """Take a host over from another inventory, or let one go.

    A host carries the mark of the inventory that manages it. No other inventory changes it, whatever is allowed.
    """


@hosts.command()
@click.argument("host", metavar="HOST", shell_complete=hosts_like)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def adopt(invocation: Invocation, host: str, *, yes: bool) -> int:
    """Record that a host is to be taken over from its owner.

    Shows whose it is and what was done there last, and writes that into allocations.lock.yml. On the host nothing
    changes: the next plan shows the take-over and what it ends, and needs --allow trust=NUMBER. If the owner changes
    something there before that is applied, it is refused again. Of a host that is ours, or nobody's, a record that
    is spent goes.

    Example: provisioner -i DIR hosts adopt relay-viettel-1
    """
    session = session_of(invocation)
    adoption = see_owner(session, host)
    if adoption.owner is not None:
        _say(invocation, f"{host} belongs to {adoption.owner.words}")
    if not adoption.is_recorded:
        if adoption.owner is not None:
            _ask(invocation, "Record that it is to be taken over?", "whether it is to be taken over", yes=yes)
        path = record_adoption(session, adoption)
        _say(invocation, f"wrote {path}: commit it")
    if invocation.json:
        print_document(_adopted(adoption))
    else:
        click.echo(printable(_adoption_ending(adoption)))
    return 0


@hosts.command()
@click.argument("host", metavar="HOST", shell_complete=hosts_like)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def release(invocation: Invocation, host: str, *, yes: bool) -> int:
    """Let a host go, so that another inventory may take it.

    The host has to prove that it is this inventory's. What runs there goes on running, until another inventory's
    apply, which then needs no adoption, but --allow trust=NUMBER. Take the host out of this inventory's files
    afterwards: the next apply of this inventory would ask to have it back.

    Example: provisioner -i DIR hosts release relay-viettel-1
    """
    session = session_of(invocation)
    facts = see_releasable(session, host)
    last = f"last run there: {facts.confirmed or 'none'}"
    _say(invocation, f"{host} is this inventory's; {last}; {counted(len(facts.installed), 'file')} of it stay there")
    _ask(invocation, "Let it go?", "whether it is to be let go", yes=yes)
    release_host(session, host, who_text(who(invocation.env)))
    if invocation.json:
        print_document({"schema": "provisioner/hosts-release", "version": 1, "host": host, "released": True})
    else:
        click.echo(f"{host} is released: another inventory may take it; take it out of this one's files")
    return 0


def _say(invocation: Invocation, sentence: str) -> None:
    if not invocation.json:
        click.echo(printable(sentence), err=True)


def _ask(invocation: Invocation, question: str, what: str, *, yes: bool) -> None:
    if yes:
        return
    refuse_unattended(invocation, what)
    ask(question)


def _adoption_ending(adoption: Adoption) -> str:
    host = adoption.host
    if adoption.owner is not None:
        return f"{host} is to be taken over; nothing has changed there: see what that cuts, with provisioner plan"
    if adoption.is_recorded:
        return f"{host} is this inventory's or nobody's: there is nothing to take over"
    return f"{host} is this inventory's or nobody's: what was recorded of a take-over is spent, and went"


def _adopted(adoption: Adoption) -> Document:
    return {
        "schema": "provisioner/hosts-adopt",
        "version": 1,
        "host": adoption.host,
        "owner": _owner(adoption.owner) if adoption.owner is not None else None,
        "written": not adoption.is_recorded,
    }


def _owner(owner: Owner) -> Document:
    return {
        "inventory": owner.inventory,
        "key": owner.key,
        "host": owner.host,
        "run": owner.run,
        "at": owner.at,
        "who": owner.who,
    }
