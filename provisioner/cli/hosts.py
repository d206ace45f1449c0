"""`provisioner hosts`: what a host needs before all else, and whose it is, where that changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from provisioner.base.counted import counted
from provisioner.base.json_document import Document
from provisioner.base.printable import printable
from provisioner.cli.completion import hosts_like
from provisioner.cli.context import Invocation
from provisioner.cli.hosts_prepare import prepare
from provisioner.cli.hosts_scan_key import scan_key
from provisioner.cli.lazy import NamedGroup
from provisioner.cli.new_hardware import unproved
from provisioner.cli.output import print_document, print_warning
from provisioner.cli.question import make_sure
from provisioner.cli.session import session_of
from provisioner.desired.owner import Owner
from provisioner.history.who import who, who_text
from provisioner.lifecycle.site_packages import PackageStanding, PackageState
from provisioner.plan.guards.measures import named
from provisioner.plan.guards.policy import TRUST, parse_allowances
from provisioner.runs.packages import still_naming
from provisioner.runs.single.decommission import Decommission, decommission, see_decommission
from provisioner.runs.single.owners import Adoption, record_adoption, release_host, see_owner, see_releasable
from provisioner.runs.single.record import UNRECORDED_HINT


@click.group(cls=NamedGroup)
def hosts() -> None:
    """Make a bare host ready, take one over from another inventory, let one go, or take one out of service.

    A host carries the mark of the inventory that manages it. No other inventory changes it, whatever is allowed.
    """


hosts.add_command(prepare)
hosts.add_command(scan_key)


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
            make_sure(invocation, "Record that it is to be taken over?", "whether it is to be taken over", yes=yes)
        path, left = record_adoption(session, adoption, _adopted(adoption))
        _say(invocation, f"wrote {path}: commit it")
        _warn(invocation, left)
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
    make_sure(invocation, "Let it go?", "whether it is to be let go", yes=yes)
    document: Document = {"schema": "provisioner/hosts-release", "version": 1, "host": host, "released": True}
    _warn(invocation, release_host(session, host, who_text(who(invocation.env)), document))
    if invocation.json:
        print_document(document)
    else:
        click.echo(f"{host} is released: another inventory may take it; take it out of this one's files")
    return 0


@hosts.command("decommission")
@click.argument("host", metavar="HOST", shell_complete=hosts_like)
@click.option("--allow", "allows", multiple=True, metavar="trust=1", help="The host proves nothing, and is meant.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def take_out(invocation: Invocation, host: str, allows: tuple[str, ...], *, dry_run: bool, yes: bool) -> int:
    """Take everything of ours off a host that nothing uses any more.

    Units, rules, tunnel, files, keys and the users of ours go; packages, the machine's own rules and the
    SSH user stay. Refused (6) while a facility's plan names the relay, or a carrier the centre, while it is protected,
    and while its tunnel has a site's peer: apply that first, as a plan says whom it cuts. The host has to prove that it
    is this inventory's. What was cut off in the middle is finished by the same command; where its key is gone already,
    and its mark still names this inventory, add --allow trust=1. Afterwards the host says itself that nothing is there.

    Example: provisioner -i DIR hosts decommission relay-viettel-1
    """
    session, trusted = session_of(invocation), parse_allowances(allows)
    seen = see_decommission(session, host, allow=trusted)
    naming = still_naming(session, host) if host in seen.called.inventory.relays else ()
    if not invocation.json:
        for line in (*decommission_lines(seen), *_naming_lines(host, naming)):
            click.echo(printable(line), err=not dry_run)
    notes: tuple[str, ...] = ()
    is_done = not (seen.is_bare or dry_run)
    if is_done:
        if seen.facts is None:
            hint = "if this host is meant, and was being taken out of service, add --allow trust=1"
            raise unproved(host, hint)
        make_sure(invocation, "Take everything of ours off it?", "whether it is to be taken out of service", yes=yes)
        notes = decommission(session, seen, trusted=trusted.get(TRUST, 0))
    if invocation.json:
        print_document(_decommissioned(seen, notes, is_done=is_done, dry_run=dry_run) | _naming_document(naming))
    else:
        for line in decommission_ending(seen, notes, dry_run=dry_run):
            click.echo(printable(line))
    return 0


def decommission_lines(seen: Decommission) -> tuple[str, ...]:
    """What is taken off, and what stays, before somebody is asked."""
    if seen.is_bare:
        return ()
    lines = [f"{seen.host} is used by nothing any more; {seen.called.place}; taken off it:"]
    facts = seen.facts
    if facts is not None:
        last = f", of the last run there {facts.confirmed}" if facts.confirmed else ""
        running = sum(unit.active == "active" for unit in facts.units.values())
        lines.append(f"  {counted(len(facts.installed), 'file')} and {counted(running, 'unit')} that run{last}")
    names = seen.called.spec.names
    if names.side:
        beside = ", ".join(owner.inventory or "somebody unknown" for owner in facts.beside) if facts else ""
        lines += [
            f"  the table inet {names.table} and the interface {names.tunnel}",
            f"  its keys, saved states and receipts, and the user {names.probe_user}",
            f"what others have on this host stays as it is{f': {beside}' if beside else ''}",
        ]
    else:
        lines += [
            "  the table inet provisioner and the interface wg-prov: the machine's own rules alone decide from then on",
            "  its keys, saved states and receipts, and the users mediamtx and provisioner-probe",
        ]
    return (*lines, "packages, the SSH user and what he may do by sudo stay")


def _naming_lines(relay: str, naming: Sequence[PackageStanding]) -> Iterator[str]:
    """That gateways go on knocking at a relay that goes, as far as anybody knows."""
    may = [one.facility for one in naming if one.state is not PackageState.NOT_RECORDED]
    unknown = [one.facility for one in naming if one.state is PackageState.NOT_RECORDED]
    if may:
        yield f"{counted(len(may), 'site')} may carry a package that names {relay}, and go on knocking: {named(may)}"
        yield "  its address should be nobody else's WireGuard until they have the next one: provisioner status"
    if unknown:
        yield f"of {counted(len(unknown), 'site')} of its carrier it is not recorded which package they carry"


def _naming_document(naming: Sequence[PackageStanding]) -> Document:
    known = [one.facility for one in naming if one.state is not PackageState.NOT_RECORDED]
    unknown = [one.facility for one in naming if one.state is PackageState.NOT_RECORDED]
    return {"named_by": known, "not_recorded": unknown}


def decommission_ending(seen: Decommission, notes: tuple[str, ...], *, dry_run: bool) -> tuple[str, ...]:
    """The last lines: what is so now, and what comes next."""
    remaining = f"next: take its block out of {seen.file}, then provisioner allocate, validate and apply"
    if seen.is_bare:
        return (f"{seen.host} says that nothing is on it: there is nothing to take off", remaining)
    if dry_run:
        more = " --allow trust=1" if seen.is_unproved else ""
        return (f"nothing was changed; to do it: provisioner hosts decommission {seen.host}{more}",)
    return (*(f"note: {note}" for note in notes), f"nothing of ours is on {seen.host} any more", remaining)


def _decommissioned(seen: Decommission, notes: tuple[str, ...], *, is_done: bool, dry_run: bool) -> Document:
    return {
        "schema": "provisioner/hosts-decommission",
        "version": 1,
        "host": seen.host,
        "bare": seen.is_bare,
        "unproved": seen.is_unproved and not seen.is_bare,
        "files": len(seen.facts.installed) if seen.facts else None,
        "dry_run": dry_run,
        "removed": is_done,
        "notes": list(notes),
    }


def _say(invocation: Invocation, sentence: str) -> None:
    if not invocation.json:
        click.echo(printable(sentence), err=True)


def _warn(invocation: Invocation, left: str) -> None:
    """Say why the history has nothing of what was done."""
    if left:
        print_warning(left, UNRECORDED_HINT, color=invocation.color)


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
