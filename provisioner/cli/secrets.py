"""`provisioner secrets`: what people write into the vault."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from provisioner.base.counted import counted
from provisioner.base.errors import UsageError
from provisioner.base.json_document import Document
from provisioner.base.secret import Secret
from provisioner.cli.context import Invocation, today
from provisioner.cli.lazy import NamedGroup
from provisioner.cli.output import print_document
from provisioner.cli.question import is_attended
from provisioner.cli.session import session_of
from provisioner.cli.word import DAY
from provisioner.inventory.operations.file_edit import FileEdit
from provisioner.inventory.operations.logins import LoginsFile, LoginsOrder, forget_old_logins, set_logins

_MOST_BYTES = 4096
_PIPE = "send it one line, e.g. from a password manager; a password never stands among a command's words"


@click.group(cls=NamedGroup)
def secrets() -> None:
    """Write logins of cameras and recorders into the vault."""


@secrets.command("set")
@click.argument("devices", nargs=-1, required=True, metavar="FACILITY/DEVICE…")
@click.option("--username", default="", metavar="NAME", help="The user; of a device that has a login the one it has.")
@click.option(
    "--accept-old-until",
    type=DAY,
    metavar="DATE",
    help="The last day on which the login that they have now is taken as well.",
)
@click.pass_obj
def set_(invocation: Invocation, devices: tuple[str, ...], username: str, accept_old_until: datetime | None) -> int:
    """Set the login of cameras and recorders, in the encrypted file that has it.

    The password is asked for twice and not shown; without a terminal it is the one line of standard input. All that
    are named get the same one. A recorder has the login of its channels. The file keeps its vault id, its comments
    and its order, and is written only where something in it is another one. Hosts have it with the next apply.

    With --accept-old-until the password may be changed on the device on any day until then: relays go on with the old
    login until the device refuses it, and the apply after that brings the new one. The facilities' files say so.

    Example: provisioner -i DIR secrets set kcl-bg-001/nvr-1 --username viewer
    """
    session = session_of(invocation)
    until = accept_old_until.date() if accept_old_until else None
    order = LoginsOrder(devices, _password(invocation), username, until)
    env = invocation.env
    written = set_logins(invocation.inventory, session.passwords, order, today=today(), environment=env)
    files = written.files
    if invocation.json:
        print_document(_document(files, written.accepted))
        return 0
    for file in files:
        click.echo(_line(file))
    for edit in written.accepted:
        click.echo(f"{edit.path}: either login is taken until {until}")
    if any(file.changed for file in files):
        click.echo("next: provisioner validate, commit, then provisioner plan")
    return 0


@secrets.command()
@click.argument("devices", nargs=-1, required=True, metavar="FACILITY/DEVICE…")
@click.pass_obj
def forget(invocation: Invocation, devices: tuple[str, ...]) -> int:
    """Remove the old logins of devices from the vault, once a change of theirs is finished.

    Example: provisioner -i DIR secrets forget kcl-bg-001/nvr-1
    """
    session = session_of(invocation)
    env = invocation.env
    files = forget_old_logins(invocation.inventory, session.passwords, devices, today=today(), environment=env)
    if invocation.json:
        print_document(_document(files, ()))
        return 0
    for file in files:
        gone = f"the old login of {', '.join(file.changed)} is gone" if file.changed else "there is no old login"
        click.echo(f"{file.path}: {gone}")
    return 0


def _password(invocation: Invocation) -> Secret:
    """The password, as a person types it or as standard input has it.

    Raises:
        UsageError: there is none, or more than one line.
    """
    if is_attended(invocation):
        typed = click.prompt("Password", hide_input=True, confirmation_prompt="The same again", err=True)
        return Secret(typed)
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    try:
        text = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable() or len(data) > _MOST_BYTES:
        raise UsageError("standard input is not one line with a password", hint=_PIPE)
    return Secret(text)


def _line(file: LoginsFile) -> str:
    if not file.changed:
        return f"{file.path}: {', '.join(file.devices)} had this login already"
    same = len(file.devices) - len(file.changed)
    rest = f"; {counted(same, 'device')} had it already" if same else ""
    return f"{file.path}: the login of {', '.join(file.changed)} is set{rest}"


def _document(files: tuple[LoginsFile, ...], accepted: tuple[FileEdit, ...]) -> Document:
    return {
        "schema": "provisioner/secrets-set",
        "version": 1,
        "files": [
            {"file": str(file.path), "devices": list(file.devices), "changed": list(file.changed)} for file in files
        ],
        "accepted": [str(edit.path) for edit in accepted],
    }
