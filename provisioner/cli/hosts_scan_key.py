"""`provisioner hosts scan-key`: the SSH host key that a host shows, compared by a person, written into its file."""

from __future__ import annotations

import click

from provisioner.base.endpoint import endpoint_text
from provisioner.base.errors import PolicyError, UsageError
from provisioner.base.git_commit import committing
from provisioner.base.printable import printable
from provisioner.cli.completion import hosts_like
from provisioner.cli.context import Invocation
from provisioner.cli.edit_text import committed, diff_lines, edit_options, edits_of, refuse_both
from provisioner.cli.output import print_document
from provisioner.cli.question import is_attended
from provisioner.inventory.operations.file_edit import FileEdit
from provisioner.inventory.operations.host_key import KeyedHost, keyed_host, with_host_key
from provisioner.runs.single.key_scan import ShownKey, is_host_key, scanned_key

_SHOWN = 80
_ON_THE_HOST = "ssh-keygen -lf /etc/ssh/ssh_host_*.pub"


@click.command("scan-key")
@click.argument("host", metavar="HOST", shell_complete=hosts_like)
@click.option("--host-key", "compared", metavar="HOST=SHA256:…", help="Its fingerprint, or the key, as the host says.")
@edit_options
@click.pass_obj
def scan_key(invocation: Invocation, host: str, compared: str | None, *, dry_run: bool, commits: bool) -> int:
    """Ask a host which SSH key it shows, and write that into its file once somebody has compared it.

    For a host that was installed anew, or whose key was changed. It is asked from here, or by its carrier's node; one
    behind a jump host shows its key to nobody else, so that --host-key has to name it whole. Nobody logs in. At a
    terminal a person is asked; --host-key says what was read on the host, and another key ends with 6. Only the line
    of the key changes.

    Example: provisioner -i DIR hosts scan-key relay-viettel-1
    """
    refuse_both(dry_run=dry_run, commits=commits)
    known = keyed_host(edits_of(invocation), host)
    said = _compared(host, compared)
    if is_host_key(said):
        key = ShownKey(said)
    else:
        key = scanned_key(invocation.env, invocation.inventory, known)
        _compare(invocation, known, key, said, dry_run=dry_run)
    edit = with_host_key(known, key.host_key)
    commit = ""
    if edit.changed and not dry_run:
        checkout = committing(invocation.inventory) if commits else None
        edit.write(invocation.inventory)
        commit = committed(checkout, [edit], str(edit.path), f"Host key of {host}") if checkout else ""
    _tell(invocation, known, edit, commit, key, dry_run=dry_run)
    return 0


def _compared(host: str, named: str | None) -> str:
    """What somebody has read on the host: a fingerprint, or a key; empty where nothing was said."""
    if named is None:
        return ""
    name, _, said = named.partition("=")
    if name != host or not (said.startswith("SHA256:") or is_host_key(said)):
        hint = f"write --host-key {printable(host, _SHOWN)}=SHA256:…, or {printable(host, _SHOWN)}='ssh-ed25519 …'"
        raise UsageError(f"--host-key {printable(named, _SHOWN)} names no key of {printable(host, _SHOWN)}", hint=hint)
    return said


def _compare(invocation: Invocation, known: KeyedHost, key: ShownKey, said: str, *, dry_run: bool) -> None:
    """Have somebody compare a key that nothing but the network says.

    Raises:
        PolicyError: it is another one than the host has.
        UsageError: nobody is there.
    """
    place, fingerprint = endpoint_text(known.address, known.ssh.port), key.fingerprint
    if said:
        if said != fingerprint:
            message = f"{known.id} ({place}) shows another key than the one that was named: {fingerprint}"
            raise PolicyError(message, hint="ask whoever looks after it; nothing is written", object=known.id)
        return
    if dry_run:
        return
    if known.ssh.host_key != key.host_key and not is_attended(invocation):
        hint = f"compare it on the host ({_ON_THE_HOST}), and add --host-key {known.id}=SHA256:…"
        raise UsageError(f"nobody is here to compare the key of {known.id}: {fingerprint}", hint=hint)
    before = known.ssh.host_key
    if before == key.host_key:
        return
    if before:
        click.echo(f"{known.file} names {_text(ShownKey(before))}", err=True)
    click.echo(f"{known.id} ({place}) shows {_text(key)}", err=True)
    if not click.confirm(f"Is that its own? On the host: {_ON_THE_HOST}", err=True):
        raise click.Abort


def _text(key: ShownKey) -> str:
    """A key as people compare it: its kind and its fingerprint."""
    return printable(f"{key.host_key.partition(' ')[0]} {key.fingerprint}")


def _tell(
    invocation: Invocation, known: KeyedHost, edit: FileEdit, commit: str, key: ShownKey, *, dry_run: bool
) -> None:
    if invocation.json:
        print_document(
            {
                "schema": "provisioner/hosts-scan-key",
                "version": 1,
                "host": known.id,
                "file": str(edit.path),
                "host_key": key.host_key,
                "fingerprint": key.fingerprint,
                "written": edit.changed and not dry_run,
                "commit": commit or None,
                "diff": list(edit.diff),
            }
        )
        return
    if not edit.changed:
        click.echo(printable(f"{edit.path}: {known.id} has this key already: {_text(key)}"))
        return
    for line in diff_lines(edit):
        click.echo(line)
    click.echo(printable(f"{known.id}: {_text(key)}"))
    if commit:
        click.echo(f"committed as {commit[:12]}")
    click.echo(
        "nothing is written: leave --dry-run out to write it"
        if dry_run
        else printable(f"next: provisioner plan --limit host={known.id}")
    )
