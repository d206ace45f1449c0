"""`provisioner hosts`: prepare, scan-key, adopt, release and decommission."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from provisioner.base.document import Known, Printed, of
from provisioner.base.errors import HostError, PolicyError, UsageError
from provisioner.base.ssh_signature import SshHostKey
from provisioner.base.text import counted, endpoint_text, named, printable
from provisioner.cli.support import texts
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.completion import hosts_like
from provisioner.cli.support.context import (
    Invocation,
    echo_lines,
    is_attended,
    make_sure,
    print_warning,
    said,
    show,
    tell_before,
)
from provisioner.cli.support.session import session_of
from provisioner.cli.support.terminal import ValidPath
from provisioner.desired.owner import Owner
from provisioner.operations.edit.file_edit import FileEdit
from provisioner.operations.edit.keys import KeyedHost, keyed_host, step_after_host_key, with_host_key
from provisioner.operations.hosts import decommission as ownership
from provisioner.operations.hosts import prepare as preparation
from provisioner.operations.questions.packages import packages_naming
from provisioner.plan.guards.policy import TRUST, parse_allowances
from provisioner.record.lifecycle.site_packages import PackageState, PackageStatus
from provisioner.record.state_folder import who, who_text

_PREPARE_WIDTH = 10
_SHOWN = 80
_ON_THE_HOST = "ssh-keygen -lf /etc/ssh/ssh_host_*.pub"


@click.command("prepare")
@click.argument("host", metavar="HOST", shell_complete=hosts_like)
@click.option("--user", "login", default="", metavar="NAME", help="The login: root, or a user with sudo on the host.")
@click.option(
    "--public-key",
    "keys",
    multiple=True,
    type=ValidPath(),
    metavar="FILE",
    help="The public key of the inventory's user.",
)
@click.option("--dry-run", is_flag=True, help="Show the steps without changing anything.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def prepare(invocation: Invocation, host: str, login: str, keys: tuple[Path, ...], *, dry_run: bool, yes: bool) -> int:
    """Prepare a bare Debian, Ubuntu or Enterprise Linux host.

    The command installs packages, the inventory's user and its sudo rule. It shows the present and the future state,
    asks, makes the changes, and checks again, at last as that user. --user names another login of the host, root or one
    with sudo, by key. Address, port, jump host and host key come from the inventory.

    The user has no password; the key is this machine's, or --public-key. Before keys init the user may run any command
    with sudo. Run the same command afterwards: the user may then run only the two commands of provisioner's program.
    The command removes no package, adds no package source and leaves the SSH server as it is.

    If it is interrupted, run it again. Exit code 5: a person has to do the listed steps; 6: the host belongs to another
    inventory.

    Example: provisioner -i DIR hosts prepare relay-viettel-1 --user root
    """
    session = session_of(invocation)
    invocation.refuse_tracked_links(*keys)
    before = preparation.see_prepare(session, host, login=login, keys=preparation.named_keys(keys))
    tell_before(invocation, _state_lines(before), asks=not yes or bool(before.plan.by_hand), dry_run=dry_run)
    does = not (before.plan.deeds.are_none or dry_run)
    if does:
        make_sure(invocation, "Do it?", "whether it is to be made ready", yes=yes)
    after = before if dry_run or before.is_refused else preparation.prepare_host(session, before)
    changed, ready = not (dry_run or before.plan.deeds.are_none), after.is_proved and after.plan.is_ready
    more = {"by_hand": after.plan.by_hand, "notes": after.plan.notes, "changed": changed, "ready": ready}
    document = preparation.PreparedDocument.made_of(before, dry_run=dry_run, **more)
    show(invocation, document, _prepare_ending(after, dry_run=dry_run, done=does))
    return HostError.exit_code if after.plan.by_hand else 0


def _state_lines(prepared: preparation.Prepared) -> Iterator[str]:
    host, plan = prepared.seen.host, prepared.plan
    system = f"{host.system['id'] or 'an unknown system'} {host.system['version']}".strip()
    yield f"{prepared.host}: {system}, {host.arch or 'an unknown machine'}; {prepared.place}"
    for task in plan.by_hand:
        yield f"  by hand: {task.message}"
        yield f"    hint: {task.hint}"
    for step in plan.steps:
        after = f" → {step.after}" if step.after else ""
        yield f"  {step.thing.value:<{_PREPARE_WIDTH}}{step.before}{after}"
    for note in plan.notes:
        yield f"  note: {note}"


def _prepare_ending(after: preparation.Prepared, *, dry_run: bool, done: bool) -> tuple[str, ...]:
    host, plan = after.host, after.plan
    same = f"provisioner hosts prepare {host}{after.login_option}"
    if plan.by_hand:
        predicate = "was changed" if not done else "more is done by this command"
        return (f"{host} is not ready: {plan.by_hand[0].message}", f"nothing {predicate}; once that is settled: {same}")
    if dry_run and not plan.deeds.are_none:
        return (f"no changes were made; to make them: {same}",)
    user = after.wanted.user
    if dry_run:
        return (f"{host} reports no missing part; nothing was changed",)
    if not after.seen.host.has_identity:
        return (
            f"{host} is ready: {user} was logged in from here, and may do anything by sudo until it has made its keys",
            f"next: {_first_contact(after)}",
        )
    return (
        f"{host} is ready: {user} was logged in from here, and may do by sudo what is needed",
        "next: provisioner plan",
    )


def _first_contact(after: preparation.Prepared) -> str:
    """Return the command that leaves a key on the host."""
    if after.host in after.without_keys:
        return f"provisioner keys init --allow trust={len(after.without_keys)}"
    if after.wanted.is_relay:
        return f"provisioner relay restore {after.host} --allow trust=1, if it stands in for dead hardware"
    return "provisioner plan"


@click.command("scan-key")
@click.argument("host", metavar="HOST", shell_complete=hosts_like)
@click.option(
    "--host-key", "compared", metavar="HOST=SHA256:…", help="The key or its fingerprint, as read on the host."
)
@texts.edit_options
def scan_key(invocation: Invocation, host: str, compared: str | None, *, dry_run: bool, commits: bool) -> None:
    """Read a host's SSH key, and write it into its file after you compared it.

    Use it for a host that was installed anew or has a new key. The controller asks the host, or its carrier's node
    does. Nobody else can ask a host behind a jump host: give its whole key with --host-key. The command does not log
    in. In a terminal it asks you to compare the key. --host-key is the key as read on the host; exit code 6: the host
    shows another one. Only the line of the key changes.

    Example: provisioner -i DIR hosts scan-key relay-viettel-1
    """
    texts.refuse_both(dry_run=dry_run, commits=commits)
    keyed = keyed_host(texts.edits_of(invocation), host)
    key = compared_key(invocation, keyed, compared, dry_run=dry_run)
    edit = with_host_key(keyed, key.host_key)
    commit = texts.write_edits(invocation, [edit], f"Host key of {host}", commits=commits) if not dry_run else ""
    _show_scanned(invocation, keyed, edit, commit, key, dry_run=dry_run)


def compared_key(
    invocation: Invocation, keyed: KeyedHost, compared: str | None, *, dry_run: bool = False
) -> SshHostKey:
    """Return a host's key: named, or fetched and compared."""
    named_key = _named_fingerprint(keyed.id, compared)
    if preparation.is_host_key(named_key):
        return SshHostKey(named_key)
    key = preparation.scanned_key(invocation.env, invocation.inventory, keyed)
    _ask_to_compare(invocation, keyed, key, named_key, dry_run=dry_run)
    return key


def _named_fingerprint(host: str, named: str | None) -> str:
    """Return the fingerprint or key named for a host, or empty."""
    if named is None:
        return ""
    name, _, key = named.partition("=")
    if name != host or not (key.startswith("SHA256:") or preparation.is_host_key(key)):
        hint = f"write --host-key {printable(host, _SHOWN)}=SHA256:…, or {printable(host, _SHOWN)}='ssh-ed25519 …'"
        raise UsageError(f"--host-key {printable(named, _SHOWN)} names no key of {printable(host, _SHOWN)}", hint=hint)
    return key


def _ask_to_compare(
    invocation: Invocation, keyed: KeyedHost, key: SshHostKey, named_key: str, *, dry_run: bool
) -> None:
    place, fingerprint = endpoint_text(keyed.address, keyed.ssh.port), key.fingerprint
    if named_key:
        if named_key != fingerprint:
            message = f"{keyed.id} ({place}) shows another key than the one that was named: {fingerprint}"
            raise PolicyError(message, hint="ask whoever looks after it; nothing is written", object=keyed.id)
        return
    if dry_run:
        return
    if keyed.ssh.host_key != key.host_key and not is_attended(invocation):
        hint = f"compare it on the host ({_ON_THE_HOST}), and add --host-key {keyed.id}=SHA256:…"
        raise UsageError(f"nobody is here to compare the key of {keyed.id}: {fingerprint}", hint=hint)
    before = keyed.ssh.host_key
    if before == key.host_key:
        return
    if before:
        click.echo(f"{keyed.file} names {_key_text(SshHostKey(before))}", err=True)
    click.echo(f"{keyed.id} ({place}) shows {_key_text(key)}", err=True)
    if not click.confirm(said(f"Is that its own? On the host: {_ON_THE_HOST}"), err=True):
        raise click.Abort


class HostKeyDocument(Printed, name="hosts-scan-key", title="A host's SSH key"):
    """Output of `provisioner hosts scan-key --output json`."""

    host: str
    file: Path = of("path")
    host_key: str
    fingerprint: str
    written: bool
    commit: Known
    diff: tuple[str, ...]


def _show_scanned(
    invocation: Invocation, keyed: KeyedHost, edit: FileEdit, commit: str, key: SshHostKey, *, dry_run: bool
) -> None:
    more = {"host": keyed.id, "host_key": key.host_key, "fingerprint": key.fingerprint}
    lines = [f"{edit.path}: {keyed.id} has this key already: {_key_text(key)}"]
    if edit.changed:
        next_ = "dry run: no files were written; repeat without --dry-run"
        step = step_after_host_key(texts.edits_of(invocation), keyed.id)
        next_ = next_ if dry_run else f"next: provisioner {step}"
        of_commit = [f"committed as {commit[:12]}"] if commit else []
        lines = [*texts.diff_lines(edit), f"{keyed.id}: {_key_text(key)}", *of_commit, next_]
    written = edit.changed and not dry_run
    show(invocation, HostKeyDocument.made_of(edit, written=written, commit=commit, **more), lines)


def _key_text(key: SshHostKey) -> str:
    return printable(f"{key.host_key.partition(' ')[0]} {key.fingerprint}")


@click.group(cls=NamedGroup)
def hosts() -> None:
    """Prepare, adopt, release and decommission hosts.

    A host has a mark of its owner, the inventory that manages it. No other inventory can change the host, with any
    option.
    """


hosts.add_command(prepare)
hosts.add_command(scan_key)


@hosts.command()
@click.argument("host", metavar="HOST", shell_complete=hosts_like)
@texts.commit_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def adopt(invocation: Invocation, host: str, *, commits: bool, yes: bool) -> None:
    """Record that this inventory takes a host over from its owner.

    The command shows the owner and its last change, and writes them into allocations.lock.yml. The host does not
    change. The next plan shows the take-over and what it ends; it needs --allow trust=NUMBER. If the owner changes the
    host before your apply, the apply is refused. If the host is this inventory's already, or has no owner, the command
    removes a used record.

    Example: provisioner -i DIR hosts adopt relay-viettel-1
    """
    session, checkout = session_of(invocation), texts.checkout_for(invocation, commits=commits)
    adoption = ownership.see_owner(session, host)
    document = AdoptedDocument.made_of(adoption, written=not adoption.is_recorded)
    if adoption.owner is not None:
        _say(invocation, f"{host} belongs to {adoption.owner.words}")
    if not adoption.is_recorded:
        if adoption.owner is not None:
            make_sure(invocation, "Record that it is to be taken over?", "whether it is to be taken over", yes=yes)
        path, failure = ownership.record_adoption(session, adoption, document.plain)
        _say(invocation, texts.written_line(path, checkout))
        _warn(failure)
        texts.commit_written(
            invocation,
            checkout,
            [path],
            f"{host} is to be taken over" if adoption.owner else f"{host}: its take-over is done",
        )
    show(invocation, document, _adoption_ending(adoption))


class AdoptedDocument(Printed, name="hosts-adopt", title="A take-over"):
    """Output of `provisioner hosts adopt --output json`."""

    host: str
    owner: Owner | None
    written: bool


class ReleasedDocument(Printed, name="hosts-release", title="A released host"):
    """Output of `provisioner hosts release --output json`."""

    host: str
    released: bool


def _adoption_ending(adoption: ownership.Adoption) -> tuple[str, ...]:
    host = adoption.host
    if adoption.owner is not None:
        next_step = f"next: provisioner plan --limit host={host} --allow trust=1"
        return f"{host} is to be taken over; the plan shows what that cuts", next_step
    if adoption.is_recorded:
        return (f"{host} is this inventory's or nobody's: there is nothing to take over",)
    return (f"{host} is this inventory's or nobody's: what was recorded of a take-over is spent, and went",)


@hosts.command()
@click.argument("host", metavar="HOST", shell_complete=hosts_like)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def release(invocation: Invocation, host: str, *, yes: bool) -> None:
    """Release a host, so that another inventory may take it.

    The host has to prove that it is this inventory's. Its services run on until another inventory's apply, which needs
    no adoption, but --allow trust=NUMBER. Remove the host from this inventory's files afterwards: otherwise the next
    apply asks to take it back.

    Example: provisioner -i DIR hosts release relay-viettel-1
    """
    session = session_of(invocation)
    facts = ownership.see_releasable(session, host)
    last = f"last run there: {facts.confirmed or 'none'}"
    _say(invocation, f"{host} is this inventory's; {last}; {counted(len(facts.installed), 'file')} of it stay there")
    make_sure(invocation, "Let it go?", "whether it is to be let go", yes=yes)
    document = ReleasedDocument(host=host, released=True)
    _warn(ownership.release_host(session, facts, who_text(who(invocation.env)), document.plain))
    show(invocation, document, [f"{host} is released: another inventory may take it; take it out of this one's files"])


def _say(invocation: Invocation, sentence: str) -> None:
    if not invocation.json:
        click.echo(printable(sentence), err=True)


def _warn(failure: str) -> None:
    if failure:
        print_warning(failure, ownership.UNRECORDED_HINT)


@hosts.command("decommission")
@click.argument("host", metavar="HOST", shell_complete=hosts_like)
@click.option(
    "--allow", "allows", multiple=True, metavar="trust=1", help="Confirm a host that cannot prove its identity."
)
@click.option("--dry-run", is_flag=True, help="Show the steps without changing anything.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def take_out(invocation: Invocation, host: str, allows: tuple[str, ...], *, dry_run: bool, yes: bool) -> None:
    """Remove everything of provisioner from an unused host.

    Its units, rules, tunnel, files, keys and users go. Packages, the machine's own rules and the SSH user stay. Exit
    code 6: a facility's plan names the relay, a carrier names the centre, the host is protected, or its tunnel has a
    site's peer. Apply that removal first: its plan shows the viewers it cuts.

    The host has to prove that it is this inventory's. If the command is interrupted, run it again; if the host's key is
    gone already and its mark still names this inventory, add --allow trust=1. At the end the host confirms that the
    removal is complete.

    Example: provisioner -i DIR hosts decommission relay-viettel-1
    """
    session, trusted = session_of(invocation), parse_allowances(allows)
    removal = ownership.see_decommission(session, host, allow=trusted)
    naming = packages_naming(session, host) if host in removal.called.inventory.relays else ()
    if not invocation.json:
        echo_lines(map(printable, (*_decommission_lines(removal), *_naming_lines(host, naming))), err=not dry_run)
    notes: tuple[str, ...] = ()
    is_done = not (removal.is_bare or dry_run)
    if is_done:
        if removal.facts is None:
            hint = "if this host is meant, and was being taken out of service, add --allow trust=1"
            raise texts.unproved_error(host, hint)
        make_sure(invocation, "Take everything of ours off it?", "whether it is to be taken out of service", yes=yes)
        notes = ownership.decommission(session, removal, trusted=trusted.get(TRUST, 0))
    unproved_yet = removal.is_unproved and not removal.is_bare
    more = {"unproved": unproved_yet, "dry_run": dry_run, "removed": is_done, "notes": notes}
    named_by, unknown = _naming(naming)
    files = len(removal.facts.installed) if removal.facts else None
    document = RemovedDocument.made_of(removal, files=files, named_by=named_by, not_recorded=unknown, **more)
    show(invocation, document, _decommission_ending(removal, notes, dry_run=dry_run))


def _naming_lines(relay: str, naming: Sequence[PackageStatus]) -> Iterator[str]:
    may, unknown = _naming(naming)
    if may:
        yield f"{counted(len(may), 'site')} may carry a package that names {relay}, and go on knocking: {named(may)}"
        yield "  its address should be nobody else's WireGuard until they have the next one: provisioner status"
    if unknown:
        yield f"of {counted(len(unknown), 'site')} of its carrier it is not recorded which package they carry"


def _naming(packages: Sequence[PackageStatus]) -> tuple[list[str], list[str]]:
    unknown = [package.facility for package in packages if package.state is PackageState.NOT_RECORDED]
    return [package.facility for package in packages if package.facility not in unknown], unknown


class RemovedDocument(Printed, name="hosts-decommission", title="A host taken out of service"):
    """Output of `provisioner hosts decommission --output json`."""

    host: str
    bare: bool = of("is_bare")
    unproved: bool
    files: int | None
    dry_run: bool
    removed: bool
    notes: tuple[str, ...]
    named_by: tuple[str, ...]  #: Sites that may carry a package that names the relay.
    not_recorded: tuple[str, ...]  #: Sites of its carrier without a record of their package.


def _decommission_lines(removal: ownership.Decommission) -> tuple[str, ...]:
    if removal.is_bare:
        return ()
    lines = [f"{removal.host} is used by nothing any more; {removal.called.place}; taken off it:"]
    facts = removal.facts
    if facts is not None:
        last = f", of the last run there {facts.confirmed}" if facts.confirmed else ""
        running = sum(unit["active"] == "active" for unit in facts.units.values())
        lines.append(f"  {counted(len(facts.installed), 'file')} and {counted(running, 'unit')} that run{last}")
    names = removal.called.spec.names
    if names.side:
        owners = ", ".join(owner.inventory or "somebody unknown" for owner in facts.beside) if facts else ""
        lines += [
            f"  the table inet {names.table} and the interface {names.tunnel}",
            f"  its keys, saved states and receipts, and the user {names.probe_user}",
            f"what others have on this host stays as it is{f': {owners}' if owners else ''}",
        ]
    else:
        lines += [
            "  the table inet provisioner and the interface wg-prov: the machine's own rules alone decide from then on",
            "  its keys, saved states and receipts, and the users mediamtx and provisioner-probe",
        ]
    return (*lines, "packages, the SSH user and what he may do by sudo stay")


def _decommission_ending(removal: ownership.Decommission, notes: tuple[str, ...], *, dry_run: bool) -> tuple[str, ...]:
    remaining = f"next: take its block out of {removal.file}, then provisioner allocate, validate and apply"
    if removal.is_bare:
        return (f"{removal.host} says that nothing is on it: there is nothing to take off", remaining)
    if dry_run:
        more = " --allow trust=1" if removal.is_unproved else ""
        return (f"no changes were made; to make them: provisioner hosts decommission {removal.host}{more}",)
    return (*(f"note: {note}" for note in notes), f"nothing of ours is on {removal.host} any more", remaining)
