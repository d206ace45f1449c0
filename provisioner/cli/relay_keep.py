"""`provisioner relay keep`: a drain that is half done, taken back."""

from __future__ import annotations

import click

from provisioner.base.errors import InventoryError
from provisioner.base.git_commit import committing
from provisioner.base.json_document import Document
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.printable import printable
from provisioner.cli.completion import hosts_like
from provisioner.cli.context import Invocation
from provisioner.cli.edit_text import committed, diff_lines, edit_options, edits_of, refuse_both
from provisioner.cli.output import print_document
from provisioner.inventory.operations.relay_keep import KeptRelay, drain_taken_back
from provisioner.report.names import some_of
from provisioner.runs.drain.steps import write_all


@click.command()
@click.argument("relay", metavar="RELAY", shell_complete=hosts_like)
@edit_options
@click.pass_obj
def keep(invocation: Invocation, relay: str, *, dry_run: bool, commits: bool) -> int:
    """Take back a drain that is half done: the relay keeps the sites that it still has.

    Files alone are written: those sites lose their successor over the other relay, and drain_to goes. No host is
    called; the next apply takes these sites off the other relay, and its plan says whom that cuts there. A site that
    was let go already stays at the other relay; facility move brings one back. Ends with 3 where a site's file has
    errors: it stays as it is, and the same command goes on.

    Example: provisioner -i DIR relay keep relay-viettel-1
    """
    refuse_both(dry_run=dry_run, commits=commits)
    kept = drain_taken_back(edits_of(invocation), relay)
    commit = ""
    if kept.edits and not dry_run:
        checkout = committing(invocation.inventory) if commits else None
        write_all(invocation.inventory, kept.edits)
        commit = committed(checkout, kept.edits, "all", f"{relay} is not emptied") if checkout else ""
    if invocation.json:
        print_document(_document(kept, commit, dry_run=dry_run))
    else:
        for line in (
            *(line for edit in kept.edits for line in diff_lines(edit)),
            *keep_ending(kept, invocation.say, dry_run=dry_run),
        ):
            click.echo(printable(line))
    return InventoryError.exit_code if kept.stays else 0


def keep_ending(kept: KeptRelay, say: Translator = ENGLISH, *, dry_run: bool) -> tuple[str, ...]:
    """The last lines, the worst first: what stays behind, what is so now, and what comes next."""
    values = {"relay": kept.relay, "to": kept.to}
    if not kept.to:
        return (say("{relay} is not being emptied: there is nothing to take back", relay=kept.relay),)
    stays = tuple(
        say("stays: {facility}: {reason}", facility=name, reason=say.restated(why)) for name, why in kept.stays.items()
    )
    if dry_run:
        return (*stays, say("nothing is written: leave --dry-run out to write it"))
    if stays:
        sites, names = say.counted(len(kept.stays), "site"), some_of(list(kept.stays), say)
        left = say("{sites} still to leave {to}: {names}", sites=sites, to=kept.to, names=names)
        again = f"provisioner relay keep {kept.relay}"
        return (*stays, f"{left}; {say('correct what provisioner validate lists, then {command}', command=again)}")
    if kept.sites:
        sites, names = say.counted(len(kept.sites), "site"), some_of(list(kept.sites), say)
        line = marked(
            "{relay} is not being emptied onto {to} any more: {sites} with it: {names}; what {to} took over stays there"
        )
        done = say(line, sites=sites, names=names, **values)
    else:
        line = marked(
            "{relay} is not being emptied onto {to} any more: no site with it; what {to} took over stays there"
        )
        done = say(line, **values)
    plan = f"provisioner plan --limit host={kept.to}"
    return (done, say("next: {command}, which says who is cut there", command=plan))


def _document(kept: KeptRelay, commit: str, *, dry_run: bool) -> Document:
    return {
        "schema": "provisioner/relay-keep",
        "version": 1,
        "relay": kept.relay,
        "to": kept.to or None,
        "sites": list(kept.sites),
        "stays": dict(kept.stays),
        "files": [str(edit.path) for edit in kept.edits],
        "written": bool(kept.edits) and not dry_run,
        "commit": commit or None,
    }
