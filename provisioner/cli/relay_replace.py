"""`provisioner relay replace`: a dead relay whose key nobody has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from provisioner.base.errors import UsageError
from provisioner.base.json_document import Document
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.printable import printable
from provisioner.cli.completion import hosts_like
from provisioner.cli.context import Invocation, today
from provisioner.cli.files import write_tree
from provisioner.cli.new_hardware import IF_NEW, listed, unproved
from provisioner.cli.output import print_document, print_warning
from provisioner.cli.question import make_sure
from provisioner.cli.session import session_of
from provisioner.cli.word import Place
from provisioner.history.who import who, who_text
from provisioner.pipeline.stages import site_packages
from provisioner.plan.guards.policy import TRUST, parse_allowances
from provisioner.render.validity import USUAL_DAYS, valid_for
from provisioner.report.names import some_of
from provisioner.runs.packages import NOT_RECORDED_HINT, record_handed
from provisioner.runs.single.replace import Replaced, Replacement, replace_relay, see_replacement


@click.command()
@click.argument("relay", metavar="RELAY", shell_complete=hosts_like)
@click.option("--allow", "allows", multiple=True, metavar="trust=1", help="The hardware is new, and meant.")
@click.option("--packages", type=Place(path_type=Path), metavar="DIR", help="Write the sites' new packages there.")
@click.option("--recovery-lost", is_flag=True, help="Although its key lies in a box: nobody can open it any more.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask whether to do it.")
@click.pass_obj
def replace(
    invocation: Invocation,
    relay: str,
    allows: tuple[str, ...],
    packages: Path | None,
    *,
    recovery_lost: bool,
    dry_run: bool,
    yes: bool,
) -> int:
    """Put new hardware into the place of a dead relay whose key nobody has: each of its sites needs a new package.

    The hardware's address and SSH host key stand in the carrier's file already. Says first how many sites are dark
    until somebody has installed their package, and which; asks; lets the hardware make new keys, which take the place
    of the former ones in the lock, and writes the packages. Where the relay had sealed its key it refuses (6) and
    names relay restore, with which no site needs anything. Repeat it where it was interrupted. Then apply.

    Example: provisioner -i DIR relay replace relay-viettel-1 --allow trust=1 --packages /run/user/1000/sites
    """
    session, allowed = session_of(invocation), parse_allowances(allows)
    if packages is not None:
        _refuse_filled(invocation, packages)
    seen = see_replacement(session, relay, allow=allowed, is_recovery_lost=recovery_lost)
    if not invocation.json:
        for line in replacement_lines(seen, invocation.say):
            click.echo(printable(line), err=not dry_run)
    done: Replaced | None = None
    if not (seen.is_alive or dry_run):
        trusted = allowed.get(TRUST, 0)
        if seen.is_new and not trusted:
            raise unproved(relay, IF_NEW)
        make_sure(invocation, "Replace it?", "whether to do it", yes=yes)
        done = replace_relay(session, seen, trusted=trusted, who=who_text(who(invocation.env)))
    wrote = _write_packages(invocation, seen, packages) if packages and not dry_run and (done or seen.is_alive) else {}
    if invocation.json:
        print_document(_document(seen, done, wrote, dry_run=dry_run))
    else:
        for line in _ending(seen, done, wrote, invocation.say, dry_run=dry_run):
            click.echo(printable(line))
    return 0


def _refuse_filled(invocation: Invocation, folder: Path) -> None:
    invocation.refuse_proposed(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", hint="name a new folder: files with secrets go into it")


def _write_packages(invocation: Invocation, seen: Replacement, folder: Path) -> dict[str, str]:
    """Write the package of each site, by the lock as it is now."""
    if not seen.sites:
        return {}
    session = session_of(invocation)
    packages = site_packages(session, seen.sites, valid_for(today(), USUAL_DAYS))
    for facility, package in packages.files.items():
        write_tree(folder / facility, package.files)
    if left := record_handed(session, packages):
        print_warning(left, NOT_RECORDED_HINT, color=invocation.color)
    return {facility: str(folder / facility) for facility in packages.files}


def replacement_lines(seen: Replacement, say: Translator = ENGLISH) -> Iterator[str]:
    """What a replacement does, the worst first, before somebody is asked."""
    if seen.is_alive:
        return
    sites, paths = say.counted(len(seen.sites), "site"), say.counted(len(seen.paths), "path")
    dark = say("dark until somebody has installed a new package there: {sites}", sites=sites)
    yield f"{dark}{listed(seen.sites, say)}"
    yield f"{say('cut until then: {paths}', paths=paths)}{listed(seen.paths, say)}"
    place = seen.called.place
    if seen.is_new:
        yield say("{place}, which proves nothing, as new hardware does, makes new keys:", place=place)
    else:
        yield say("{place}, which has this inventory's key already, makes new keys:", place=place)
    passwords = say("passwords of its API and of the probe; all go into the lock by their public halves")
    tunnel = say("of the tunnel, in the place of {key}", key=seen.former) if seen.former else say("of the tunnel")
    yield f"  {tunnel}; {passwords}"
    if seen.centres:
        yield say("centres that learn the new key with the next apply: {names}", names=some_of(list(seen.centres), say))


def _ending(
    seen: Replacement, done: Replaced | None, wrote: dict[str, str], say: Translator, *, dry_run: bool
) -> Iterator[str]:
    relay = seen.relay
    if seen.is_alive:
        yield say("{relay} is alive and has its key: there is nothing to replace; see provisioner plan", relay=relay)
        yield from _packages(seen, wrote, say)
        return
    if dry_run or done is None:
        more = " --allow trust=1" if seen.is_new else ""
        command = f"provisioner relay replace {relay}{more}"
        yield say("nothing was changed; to do it: {command}", command=command)
        return
    if done.written:
        yield say("wrote {file}: commit it", file=done.written)
    if not done.sealed:
        yield say("its new key is in no box: the next death costs the same again; see provisioner keys recovery")
    yield from _packages(seen, wrote, say)
    limit = " ".join(f"--limit host={host}" for host in (relay, *seen.centres))
    yield say("next: {command}", command=f"provisioner apply {limit} --allow trust=NUMBER")


def _packages(seen: Replacement, wrote: dict[str, str], say: Translator) -> Iterator[str]:
    for facility, folder in wrote.items():
        line = marked("wrote {folder}: install it on the gateway of {facility}, as its setup.html says")
        yield say(line, folder=folder, facility=facility)
    if seen.sites and not wrote:
        yield say("packages: {command}", command=f"provisioner site-package {' '.join(seen.sites)} --out DIR")


def _document(seen: Replacement, done: Replaced | None, wrote: dict[str, str], *, dry_run: bool) -> Document:
    return {
        "schema": "provisioner/relay-replace",
        "version": 1,
        "relay": seen.relay,
        "former_public_key": seen.former or None,
        "public_key": done.public_key if done else None,
        "new_hardware": seen.is_new,
        "alive": seen.is_alive,
        "sites": list(seen.sites),
        "paths": list(seen.paths),
        "centres": list(seen.centres),
        "packages": wrote,
        "sealed": done.sealed if done else None,
        "dry_run": dry_run,
        "replaced": done is not None,
        "written": str(done.written) if done and done.written else None,
    }
