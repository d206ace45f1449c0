"""`provisioner hosts prepare`: a bare host made ready for everything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from provisioner.base.errors import HostError
from provisioner.base.json_document import Document
from provisioner.base.printable import printable
from provisioner.cli.completion import hosts_like
from provisioner.cli.context import Invocation
from provisioner.cli.output import print_document
from provisioner.cli.question import make_sure, tell_before
from provisioner.cli.session import session_of
from provisioner.cli.word import Place
from provisioner.runs.single.prepare import Prepared, named_keys, prepare_host, see_prepare

_WIDTH = 10


@click.command("prepare")
@click.argument("host", metavar="HOST", shell_complete=hosts_like)
@click.option("--user", "login", default="", metavar="NAME", help="Log in as root, or who may use sudo there.")
@click.option("--key", "keys", multiple=True, type=Place(path_type=Path), metavar="FILE", help="Its user's public key.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def prepare(invocation: Invocation, host: str, login: str, keys: tuple[Path, ...], *, dry_run: bool, yes: bool) -> int:
    """Make a bare Debian, Ubuntu or Enterprise Linux host ready: packages, the user of the inventory, its sudo rule.

    Says what is there and what will be, asks, does it, and looks again, at last as that user. By --user it goes as
    another login that the host has, root or one with sudo, by key; address, port, jump host and host key are the
    inventory's. The user is made without a password, for the key of this machine or that of --key. Before keys init it
    gets the right to do anything by sudo; afterwards the same command leaves it the two words of provisioner's program
    and no more. Nothing is removed, no source of packages is added, and its SSH server stays as it is.
    Repeat it where it was interrupted. What only a person can do is named, and then it ends with 5. Ends with 6 where
    the host is another inventory's.

    Example: provisioner -i DIR hosts prepare relay-viettel-1 --user root
    """
    session = session_of(invocation)
    seen = see_prepare(session, host, login=login, keys=named_keys(keys))
    tell_before(invocation, prepare_lines(seen), asks=not yes or bool(seen.plan.by_hand), dry_run=dry_run)
    does = not (seen.plan.deeds.are_none or dry_run)
    if does:
        make_sure(invocation, "Do it?", "whether it is to be made ready", yes=yes)
    after = seen if dry_run or seen.is_refused else prepare_host(session, seen)
    if invocation.json:
        print_document(_document(seen, after, dry_run=dry_run))
    else:
        for line in prepare_ending(after, dry_run=dry_run, done=does):
            click.echo(printable(line))
    return HostError.exit_code if after.plan.by_hand else 0


def prepare_lines(seen: Prepared) -> tuple[str, ...]:
    """What is there and what will be, the worst first."""
    return tuple(_lines(seen))


def _lines(seen: Prepared) -> Iterator[str]:
    host, plan = seen.seen.host, seen.plan
    system = f"{host.system.id or 'an unknown system'} {host.system.version}".strip()
    yield f"{seen.host}: {system}, {host.arch or 'an unknown machine'}; {seen.place}"
    for one in plan.by_hand:
        yield f"  by hand: {one.message}"
        yield f"    hint: {one.hint}"
    for step in plan.steps:
        after = f" → {step.after}" if step.after else ""
        yield f"  {step.thing.value:<{_WIDTH}}{step.before}{after}"
    for note in plan.notes:
        yield f"  note: {note}"


def prepare_ending(after: Prepared, *, dry_run: bool, done: bool) -> tuple[str, ...]:
    """The last lines: what is so now, and what comes next."""
    host, plan = after.host, after.plan
    same = f"provisioner hosts prepare {host}{after.login_words}"
    if plan.by_hand:
        what = "was changed" if not done else "more is done by this command"
        return (f"{host} is not ready: {plan.by_hand[0].message}", f"nothing {what}; once that is settled: {same}")
    if dry_run and not plan.deeds.are_none:
        return (f"nothing was changed; to do it: {same}",)
    user = after.wanted.user
    if dry_run:
        return (f"{host} has what it needs, as it says; nothing was changed",)
    if not after.seen.host.has_identity:
        return (
            f"{host} is ready: {user} was logged in from here, and may do anything by sudo until it has made its keys",
            f"next: {_first_contact(after)}",
        )
    return (
        f"{host} is ready: {user} was logged in from here, and may do by sudo what is needed",
        "next: provisioner plan",
    )


def _first_contact(after: Prepared) -> str:
    """The command that leaves a key on the host, so that it can prove itself."""
    if after.host in after.without_keys:
        return f"provisioner keys init --allow trust={len(after.without_keys)}"
    if after.wanted.is_relay:
        return f"provisioner relay restore {after.host} --allow trust=1, if it stands in for dead hardware"
    return "provisioner plan"


def _document(seen: Prepared, after: Prepared, *, dry_run: bool) -> Document:
    host, plan = seen.seen.host, seen.plan
    return {
        "schema": "provisioner/hosts-prepare",
        "version": 1,
        "host": seen.host,
        "login": seen.login.ssh.user,
        "user": seen.wanted.user,
        "system": {"id": host.system.id, "version": host.system.version},
        "arch": host.arch,
        "steps": [{"thing": one.thing.value, "before": one.before, "after": one.after or None} for one in plan.steps],
        "by_hand": [{"message": one.message, "hint": one.hint} for one in after.plan.by_hand],
        "notes": list(after.plan.notes),
        "packages": list(plan.deeds.packages),
        "dry_run": dry_run,
        "changed": not (dry_run or plan.deeds.are_none),
        "ready": after.is_proved and after.plan.is_ready,
    }
