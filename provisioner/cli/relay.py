"""`provisioner relay`: a relay whose hardware is lost."""

from __future__ import annotations

import click

from provisioner.base.json_document import Document
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.printable import printable
from provisioner.cli.completion import hosts_like
from provisioner.cli.context import Invocation
from provisioner.cli.lazy import NamedGroup
from provisioner.cli.new_hardware import IF_NEW, listed, proof_line, unproved
from provisioner.cli.output import print_document
from provisioner.cli.question import make_sure
from provisioner.cli.recovery_text import recovery_pair
from provisioner.cli.relay_drain import drain
from provisioner.cli.relay_keep import keep
from provisioner.cli.relay_replace import replace
from provisioner.cli.session import session_of
from provisioner.history.who import who, who_text
from provisioner.plan.guards.policy import TRUST, parse_allowances
from provisioner.runs.single.restore import Restoration, Restored, restore_relay, see_restoration


@click.group(cls=NamedGroup)
def relay() -> None:
    """Empty a relay onto another one, or keep it after all; replace a dead one."""


relay.add_command(drain)
relay.add_command(keep)
relay.add_command(replace)


@relay.command()
@click.argument("relay", metavar="RELAY", shell_complete=hosts_like)
@click.option("--allow", "allows", multiple=True, metavar="trust=1", help="The hardware is new, and meant.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; ask for no key, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask whether to do it.")
@click.pass_obj
def restore(invocation: Invocation, relay: str, allows: tuple[str, ...], *, dry_run: bool, yes: bool) -> int:
    """Put a dead relay's tunnel key onto the hardware that stands in for it, so that no site needs a new package.

    The hardware's address and SSH host key stand in the carrier's file already. Says which sites go on and which paths
    are cut until the next apply, asks, and takes the recovery key's private half: line by line, not shown, or from
    standard input. The box that keys init left in the lock is opened here, in memory, and the key goes to the hardware;
    passwords and identity are made anew there. Hardware that proves nothing needs --allow trust=1. Repeat it where it
    was interrupted. Then apply.
    Ends with 3 where the key was never sealed or the box is of another key than the lock's, with 12 where the recovery
    key is not the one or the box is damaged or another host's, with 6 where the host is another inventory's or has run
    with a key of its own. Nothing is changed then.

    Example: provisioner -i DIR relay restore relay-viettel-1 --allow trust=1
    """
    session, allowed = session_of(invocation), parse_allowances(allows)
    seen = see_restoration(session, relay, allow=allowed)
    if not invocation.json:
        for line in restoration_lines(seen, invocation.say):
            click.echo(printable(line), err=not dry_run)
    if seen.is_alive or dry_run:
        return _end(invocation, seen, None, dry_run=dry_run)
    trusted = allowed.get(TRUST, 0)
    if seen.is_new and not trusted:
        raise unproved(relay, IF_NEW)
    make_sure(invocation, "Restore it?", "whether to do it", yes=yes)
    done = restore_relay(session, seen, recovery_pair(invocation), trusted=trusted, who=who_text(who(invocation.env)))
    return _end(invocation, seen, done, dry_run=False)


def _end(invocation: Invocation, seen: Restoration, done: Restored | None, *, dry_run: bool) -> int:
    if invocation.json:
        print_document(_document(seen, done, dry_run=dry_run))
        return 0
    for line in restoration_ending(seen, done, invocation.say, dry_run=dry_run):
        click.echo(printable(line))
    return 0


def restoration_lines(seen: Restoration, say: Translator = ENGLISH) -> tuple[str, ...]:
    """What a restoration does, the worst first, before somebody is asked."""
    if seen.is_alive:
        return ()
    sites, paths = say.counted(len(seen.sites), "site"), say.counted(len(seen.paths), "path")
    names = listed(seen.sites, say)
    if seen.moved:
        moved = {"moved": say.restated(seen.moved), "centre": seen.seen_by}
        address = marked(
            "gateways send to another address: {moved}, by {centre}; give the hardware the former one if that can be"
        )
        only = say("connected only with a new package, with this key or any other: {sites}", sites=sites)
        lines = [say(address, **moved), f"{only}{names}"]
    else:
        again = say("connected again without a visit: {sites}", sites=sites)
        lines = [f"{again}{names}", f"  {_goes_by(seen, say)}"]
    lines.append(f"{say('cut until the next apply: {paths}', paths=paths)}{listed(seen.paths, say)}")
    lines.append(proof_line(seen.called.place, say, is_new=seen.is_new))
    key = say("the tunnel's key {key}, out of its box in allocations.lock.yml", key=seen.public_key)
    passwords = say("passwords of its API and of the probe, made there anew; their hashes go into the lock")
    lines += [f"  {key}", f"  {passwords}"]
    lines.append(say("the dead hardware has the same key: it must never be connected again as it is"))
    return tuple(lines)


def _goes_by(seen: Restoration, say: Translator) -> str:
    if seen.goes_by:
        return say("by the name {name}, once it leads there", name=seen.goes_by)
    if seen.seen_by:
        return say("by the address that gateways send to, as {centre} knows it", centre=seen.seen_by)
    return say("by the address that gateways send to, if that is the former one: no centre could say")


def restoration_ending(
    seen: Restoration, done: Restored | None, say: Translator = ENGLISH, *, dry_run: bool
) -> tuple[str, ...]:
    """The last lines: what is so now, and what comes next."""
    relay = seen.relay
    if seen.is_alive:
        line = marked("{relay} is alive and has its key: there is nothing to restore; see provisioner plan")
        return (say(line, relay=relay),)
    if dry_run or done is None:
        more = " --allow trust=1" if seen.is_new else ""
        command = f"provisioner relay restore {relay}{more}"
        return (say("nothing was changed; to do it: {command}", command=command),)
    wrote = (say("wrote {file}: commit it", file=done.written),) if done.written else ()
    has = marked("{relay} has its tunnel's key again; its paths are cut until it is applied, which trusts it anew")
    command = f"provisioner apply --limit host={relay} --allow trust=1"
    return (*wrote, say(has, relay=relay), say("next: {command}", command=command))


def _document(seen: Restoration, done: Restored | None, *, dry_run: bool) -> Document:
    return {
        "schema": "provisioner/relay-restore",
        "version": 1,
        "relay": seen.relay,
        "public_key": seen.public_key,
        "new_hardware": seen.is_new,
        "alive": seen.is_alive,
        "sites": list(seen.sites),
        "paths": list(seen.paths),
        "address_moved": seen.moved or None,
        "address_known_by": seen.seen_by or None,
        "dry_run": dry_run,
        "restored": done is not None,
        "written": str(done.written) if done and done.written else None,
    }
