"""`provisioner relay`: lost hardware replaced or restored."""

from collections.abc import Iterator
from pathlib import Path

import click

from provisioner.base.document import Known, Printed, Truth, of
from provisioner.base.errors import UsageError
from provisioner.base.git import Checkout
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.text import msg, printable
from provisioner.cli.hosts import compared_key
from provisioner.cli.keys import recovery_pair
from provisioner.cli.relay_drain import drain, keep
from provisioner.cli.support import texts
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.completion import hosts_like
from provisioner.cli.support.context import Invocation, echo_lines, make_sure, print_warning, show, today
from provisioner.cli.support.options import split_host_and_port
from provisioner.cli.support.session import session_of, write_tree
from provisioner.cli.support.terminal import ValidPath
from provisioner.desired.render.site import USUAL_DAYS, valid_for
from provisioner.operations.edit.keys import jump_host_of
from provisioner.operations.edit.shared_files import NONE, relay_changed
from provisioner.operations.hosts.decommission import UNRECORDED_HINT, record_done
from provisioner.operations.hosts.replace import (
    Replaced,
    Replacement,
    Restoration,
    Restored,
    replace_relay,
    restore_relay,
    see_replacement,
    see_restoration,
)
from provisioner.operations.pipeline.session import CalledHost, Session
from provisioner.operations.pipeline.stages import site_packages
from provisioner.operations.questions.packages import NOT_RECORDED_HINT, record_handed
from provisioner.plan.guards.policy import TRUST, parse_allowances
from provisioner.record.entries import Operation
from provisioner.record.state_folder import who, who_text
from provisioner.report.tables import some_of


@click.command("set")
@click.argument("relay", metavar="RELAY", shell_complete=hosts_like)
@click.option("--address", metavar="ADDRESS", help="The address for SSH, and for WireGuard without an endpoint.")
@click.option("--endpoint", metavar="ADDRESS", help="The public address or name for WireGuard; `none` removes it.")
@click.option("--endpoint-address", metavar="ADDRESS", help="The address of an endpoint that is a name, or `none`.")
@click.option("--jump", metavar="USER@ADDRESS[:PORT]", help="Its own jump host for SSH; `none` removes it.")
@click.option("--jump-inside", "inside", metavar="ADDRESS", help="The jump host's address behind it, if another one.")
@click.option("--host-key", "compared", metavar="ADDRESS=SHA256:…", help="The jump host's key or fingerprint.")
@texts.edits_file
def set_(
    invocation: Invocation,
    /,
    relay: str,
    *,
    jump: str | None,
    inside: str | None,
    compared: str | None,
    **places: str | None,
) -> texts.EditedWithNext:
    """Change a relay's address, public endpoint or jump host.

    Name only the values that change. The command asks a new jump host for its key, and you compare it as in
    `hosts scan-key`. The next plan lists the sites whose gateways need a new package.

    Example: provisioner -i DIR relay set relay-viettel-1 --endpoint 203.0.113.12
    """
    edits = texts.edits_of(invocation)
    values: dict[str, object] = {name: value for name, value in places.items() if value is not None}
    if (compared or inside) and jump in {None, NONE}:
        message = "--host-key and --jump-inside are about a new jump host"
        raise UsageError(message, hint="name it with --jump USER@ADDRESS")
    if jump == NONE:
        values["jump"] = NONE
    elif jump is not None:
        user, _, place = jump.rpartition("@")
        address, digits = split_host_and_port(place)
        port = int(digits) if digits.isascii() and digits.isdigit() else 0
        keyed = jump_host_of(edits, relay, user, address, port)
        ssh = keyed.ssh.model_dump(exclude_defaults=True)
        key = compared_key(invocation, keyed, compared).host_key
        values["jump"] = {"address": address, **({"inside": inside} if inside else {}), "ssh": ssh | {"host_key": key}}
    if not values:
        raise UsageError("no value is named", hint="name what changes: --address, --endpoint or --jump")
    # Centres send to its endpoint, too.
    limit = [] if values.keys() & {"endpoint", "endpoint_address"} else ["--limit", f"host={relay}"]
    then = invocation.say("next: {command}", command=" ".join(["provisioner plan", *limit]))
    return relay_changed(edits, relay, values), f"{relay}: {', '.join(sorted(values))}", then


@click.command()
@click.argument("relay", metavar="RELAY", shell_complete=hosts_like)
@click.option("--allow", "allows", multiple=True, metavar="trust=1", help="Confirm new hardware.")
@click.option("--packages", type=ValidPath(), metavar="DIR", help="The folder for the sites' new packages.")
@click.option("--recovery-lost", is_flag=True, help="Replace the key although it is sealed: the recovery key is lost.")
@texts.commit_option
@click.option("--dry-run", is_flag=True, help="Show the steps without changing anything.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def replace(
    invocation: Invocation,
    relay: str,
    allows: tuple[str, ...],
    packages: Path | None,
    *,
    recovery_lost: bool,
    commits: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Replace a dead relay without its key: each site needs a new package.

    First record the new hardware's address (relay set) and SSH host key (hosts scan-key). The command lists the sites
    that are dark until their package is installed, and asks. The hardware creates new keys, which replace the former
    ones in the lock, and the command writes the packages. Exit code 6: the relay had sealed its key; use relay restore,
    after which no site needs a package. If the command is interrupted, run it again. Then apply.

    Example: provisioner -i DIR relay replace relay-viettel-1 --allow trust=1 --packages /run/user/1000/sites
    """
    texts.refuse_both(dry_run=dry_run, commits=commits)
    checkout = texts.checkout_for(invocation, commits=commits)
    session, allowed = session_of(invocation), parse_allowances(allows)
    if packages is not None:
        _refuse_filled(invocation, packages)
    replacement = see_replacement(session, relay, allow=allowed, is_recovery_lost=recovery_lost)
    if not invocation.json:
        echo_lines(map(printable, _replacement_lines(replacement, invocation.say)), err=not dry_run)
    done: Replaced | None = None
    if not (replacement.is_alive or dry_run):
        trusted = allowed.get(TRUST, 0)
        _confirm(invocation, replacement, trusted, marked("Replace it?"), yes=yes)
        done = replace_relay(session, replacement, trusted=trusted, actor=who_text(who(invocation.env)))
        document = ReplaceDocument.made_of(replacement, done=done, packages={}, dry_run=False)
        _record(session, replacement.called, document)
    wrote = (
        _write_packages(invocation, replacement, packages)
        if packages and not dry_run and (done or replacement.is_alive)
        else {}
    )
    _commit(invocation, checkout, relay, done.written if done else None)
    document = ReplaceDocument.made_of(replacement, done=done, packages=wrote, dry_run=dry_run)
    show(invocation, document, _replacement_ending(replacement, done, wrote, invocation.say, dry_run=dry_run))


def _confirm(invocation: Invocation, new: Replacement | Restoration, trusted: int, asked: str, *, yes: bool) -> None:
    """Ask before new hardware gets a key; refuse it without its allowance."""
    if new.is_new and not trusted:
        raise texts.unproved_error(new.relay, texts.IF_NEW)
    make_sure(invocation, asked, "whether to do it", yes=yes)


def _commit(invocation: Invocation, checkout: Checkout | None, relay: str, written: Path | None) -> None:
    if written:
        texts.commit_written(invocation, checkout, [written], f"{relay}: new hardware")
        click.echo(texts.written_line(written, checkout), err=invocation.json)


def _record(session: Session, called: CalledHost, document: Printed) -> None:
    if left := record_done(session, Operation.KEYS, [called.spec.id], document.plain, called.secrets.digest_key):
        print_warning(left, UNRECORDED_HINT)


def _refuse_filled(invocation: Invocation, folder: Path) -> None:
    invocation.refuse_tracked_links(folder)
    invocation.refuse_inside(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(msg("{folder} is not empty", folder), hint="name a new folder: files with secrets go into it")


def _write_packages(invocation: Invocation, replacement: Replacement, folder: Path) -> dict[str, str]:
    if not replacement.sites:
        return {}
    session = session_of(invocation)
    packages = site_packages(session, replacement.sites, valid_for(today(), USUAL_DAYS))
    for facility, package in packages.files.items():
        write_tree(folder / facility, package.files)
    if failure := record_handed(session, packages):
        print_warning(failure, NOT_RECORDED_HINT)
    return {facility: str(folder / facility) for facility in packages.files}


class ReplaceDocument(Printed, name="relay-replace", title="A relay replaced"):
    """Output of `provisioner relay replace --output json`."""

    relay: str
    former_public_key: Known = of("former")
    public_key: str | None = of("done", "public_key", or_none=True)
    new_hardware: bool = of("is_new")
    alive: bool = of("is_alive")
    sites: tuple[str, ...]
    paths: tuple[str, ...]
    centres: tuple[str, ...]
    packages: dict[str, str]  #: By site, the folder of its new package.
    sealed: bool | None = of("done", "sealed", or_none=True)
    dry_run: bool
    replaced: Truth = of("done")
    written: Path | None = of("done", "written", or_none=True)


def _replacement_ending(
    replacement: Replacement, done: Replaced | None, wrote: dict[str, str], say: Translator, *, dry_run: bool
) -> Iterator[str]:
    relay = replacement.relay
    if replacement.is_alive:
        yield say("{relay} is alive and has its key: a replacement is not needed; see provisioner plan", relay=relay)
        yield from _package_lines(replacement, wrote, say)
        return
    if dry_run or done is None:
        more = " --allow trust=1" if replacement.is_new else ""
        command = f"provisioner relay replace {relay}{more}"
        yield say("no changes were made; to make them: {command}", command=command)
        return
    if not done.sealed:
        yield say("its new key is in no box: the next death costs the same again; see provisioner keys recovery")
    yield from _package_lines(replacement, wrote, say)
    limit = " ".join(f"--limit host={host}" for host in (relay, *replacement.centres))
    yield say("next: {command}", command=f"provisioner apply {limit} --allow trust=NUMBER")


def _package_lines(replacement: Replacement, wrote: dict[str, str], say: Translator) -> Iterator[str]:
    for facility, folder in wrote.items():
        line = marked("wrote {folder}: install it on the gateway of {facility}, as its setup.html says")
        yield say(line, folder=folder, facility=facility)
    if replacement.sites and not wrote:
        yield say("packages: {command}", command=f"provisioner site-package {' '.join(replacement.sites)} --out DIR")


def _replacement_lines(replacement: Replacement, say: Translator = ENGLISH) -> Iterator[str]:
    if replacement.is_alive:
        return
    sites, paths = say.counted(len(replacement.sites), "site"), say.counted(len(replacement.paths), "path")
    dark = say("dark until somebody has installed a new package there: {sites}", sites=sites)
    yield f"{dark}{texts.listed(replacement.sites, say)}"
    yield f"{say('cut until then: {paths}', paths=paths)}{texts.listed(replacement.paths, say)}"
    place = replacement.called.place
    if replacement.is_new:
        yield say("{place}, without a proof of identity, like new hardware, creates new keys:", place=place)
    else:
        yield say("{place}, which has this inventory's key already, makes new keys:", place=place)
    passwords = say("passwords of its API and of the probe; all go into the lock by their public halves")
    tunnel = (
        say("of the tunnel, in the place of {key}", key=replacement.former)
        if replacement.former
        else say("of the tunnel")
    )
    yield f"  {tunnel}; {passwords}"
    if replacement.centres:
        yield say(
            "centres that learn the new key with the next apply: {names}", names=some_of(list(replacement.centres), say)
        )


@click.group(cls=NamedGroup)
def relay() -> None:
    """Change, drain, keep or replace a relay."""


relay.add_command(drain)
relay.add_command(keep)
relay.add_command(set_)
relay.add_command(replace)


@relay.command()
@click.argument("relay", metavar="RELAY", shell_complete=hosts_like)
@click.option("--allow", "allows", multiple=True, metavar="trust=1", help="Confirm new hardware.")
@texts.commit_option
@click.option("--dry-run", is_flag=True, help="Show the steps without reading a key or changing anything.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def restore(
    invocation: Invocation, relay: str, allows: tuple[str, ...], *, commits: bool, dry_run: bool, yes: bool
) -> None:
    """Restore a dead relay's tunnel key onto new hardware: no new packages.

    First record the new hardware's address (relay set) and SSH host key (hosts scan-key). The command shows the sites
    that go on and the paths that are cut until the next apply, and asks. It reads the private half of the recovery key,
    without echo or from standard input, opens the box in the lock in memory, and sends the key to the hardware. The
    hardware creates new passwords and a new identity. New hardware needs --allow trust=1. If the command is
    interrupted, run it again. Then apply.

    Exit code 3: the relay never sealed its key, or the box has another key than the lock. 12: wrong recovery key,
    damaged box, or another host's box. 6: the host belongs to another inventory, or has used a key of its own. In these
    cases the command changes nothing.

    Example: provisioner -i DIR relay restore relay-viettel-1 --allow trust=1
    """
    texts.refuse_both(dry_run=dry_run, commits=commits)
    checkout = texts.checkout_for(invocation, commits=commits)
    session, allowed = session_of(invocation), parse_allowances(allows)
    restoration = see_restoration(session, relay, allow=allowed)
    if not invocation.json:
        echo_lines(map(printable, _restoration_lines(restoration, invocation.say)), err=not dry_run)
    done: Restored | None = None
    if not (restoration.is_alive or dry_run):
        trusted = allowed.get(TRUST, 0)
        _confirm(invocation, restoration, trusted, marked("Restore it?"), yes=yes)
        pair, actor = recovery_pair(invocation), who_text(who(invocation.env))
        done = restore_relay(session, restoration, pair, trusted=trusted, actor=actor)
    document = RestoreDocument.made_of(restoration, done=done, dry_run=dry_run)
    if done:
        _record(session, restoration.called, document)
    _commit(invocation, checkout, relay, done.written if done else None)
    show(invocation, document, _restoration_ending(restoration, done, invocation.say, dry_run=dry_run))


class RestoreDocument(Printed, name="relay-restore", title="A relay restored"):
    """Output of `provisioner relay restore --output json`."""

    relay: str
    public_key: str
    new_hardware: bool = of("is_new")
    alive: bool = of("is_alive")
    sites: tuple[str, ...]
    paths: tuple[str, ...]
    address_moved: Known = of("moved")
    address_known_by: Known = of("seen_by")
    dry_run: bool
    restored: Truth = of("done")
    written: Path | None = of("done", "written", or_none=True)


def _restoration_lines(restoration: Restoration, say: Translator = ENGLISH) -> tuple[str, ...]:
    if restoration.is_alive:
        return ()
    sites, paths = say.counted(len(restoration.sites), "site"), say.counted(len(restoration.paths), "path")
    names = texts.listed(restoration.sites, say)
    if restoration.moved:
        moved = {"moved": say.restated(restoration.moved), "centre": restoration.seen_by}
        address = marked(
            "gateways send to another address: {moved}, by {centre}; give the hardware the former one if that can be"
        )
        only = say("connected only with a new package, with this key or any other: {sites}", sites=sites)
        lines = [say(address, **moved), f"{only}{names}"]
    else:
        again = say("connected again without a visit: {sites}", sites=sites)
        lines = [f"{again}{names}", f"  {_reconnection_text(restoration, say)}"]
    lines.append(f"{say('cut until the next apply: {paths}', paths=paths)}{texts.listed(restoration.paths, say)}")
    lines.append(texts.proof_line(restoration.called.place, say, is_new=restoration.is_new))
    key = say("the tunnel's key {key}, out of its box in allocations.lock.yml", key=restoration.public_key)
    passwords = say("passwords of its API and of the probe, made there anew; their hashes go into the lock")
    lines += [f"  {key}", f"  {passwords}"]
    lines.append(say("the dead hardware has the same key: it must never be connected again as it is"))
    return tuple(lines)


def _reconnection_text(restoration: Restoration, say: Translator) -> str:
    if restoration.goes_by:
        return say("by the name {name}, once it leads there", name=restoration.goes_by)
    if restoration.seen_by:
        return say("by the address that gateways send to, as {centre} knows it", centre=restoration.seen_by)
    return say("by the address that gateways send to, if that is the former one: no centre could say")


def _restoration_ending(
    restoration: Restoration, done: Restored | None, say: Translator = ENGLISH, *, dry_run: bool
) -> tuple[str, ...]:
    relay = restoration.relay
    if restoration.is_alive:
        line = marked("{relay} is alive and has its key: a restore is not needed; see provisioner plan")
        return (say(line, relay=relay),)
    if dry_run or done is None:
        more = " --allow trust=1" if restoration.is_new else ""
        command = f"provisioner relay restore {relay}{more}"
        return (say("no changes were made; to make them: {command}", command=command),)
    has = marked("{relay} has its tunnel's key again; its paths are cut until it is applied, which trusts it anew")
    command = f"provisioner apply --limit host={relay} --allow trust=1"
    return (say(has, relay=relay), say("next: {command}", command=command))
