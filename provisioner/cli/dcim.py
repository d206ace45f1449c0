"""A NetBox or Nautobot that a mapping names, and what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from provisioner.base.errors import NoticeError, UsageError
from provisioner.base.files import is_proposed, read_regular
from provisioner.base.http import Patience
from provisioner.base.language import Language, marked
from provisioner.base.secret import Secret
from provisioner.base.text import Document, printable
from provisioner.cli.support.context import Invocation
from provisioner.cli.support.output import print_warning
from provisioner.importing.dcim.client import DcimClient, to_tell
from provisioner.importing.dcim.objects import ObjectMapping, read_mapping
from provisioner.importing.forms.columns import FormKind
from provisioner.importing.grid import FileRefusedError
from provisioner.importing.report.messages import wording
from provisioner.plan.guards.policy import named

_MOST_TOKEN = 4096


def dcim_client(invocation: Invocation, mapping: Path, token_file: Path | None) -> DcimClient:
    """The server of a mapping, as whoever has the token in a file.

    Raises:
        UsageError: the token or the mapping cannot be read, or the mapping is a part of the checkout.
        InventoryError: the mapping is not in order.
    """
    if is_proposed(mapping, invocation.inventory):
        message = (
            f"{mapping} is a part of the inventory's checkout: whoever proposes a change would choose who is asked"
        )
        hint = "keep the mapping outside of the checkout: the token goes to the server that it names"
        raise UsageError(message, hint=hint)
    return DcimClient(read_mapping(mapping), _token(token_file), Patience.of(invocation.env))


def _token(file: Path | None) -> Secret:
    """The server's token: never an argument, which every user of the machine could read."""
    hint = "name a file of your own with the token alone"
    try:
        token = read_regular(file, most=_MOST_TOKEN).decode().strip() if file is not None else ""
    except (OSError, UnicodeDecodeError):
        raise UsageError("the file with the token cannot be read", hint=hint) from None
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError("what is to be the server's token is none", hint=hint)
    return Secret(token)


def tell_status(invocation: Invocation, client: DcimClient, facilities: Sequence[Document]) -> None:
    """Write where facilities stand into custom fields of the server's sites, and say what became of it.

    Raises:
        UsageError: the mapping has no status.
        NoticeError: the server was not reached, or took nothing.
    """
    status, sites = client.mapping.status, client.mapping.sites
    if status is None:
        hint = "write status into it, with facility_id and fields"
        raise UsageError("the mapping says nothing of status", hint=hint)
    chosen = sites or ObjectMapping(columns={"facility_id": status.facility_id})
    try:
        due = to_tell(client.objects(FormKind.FACILITIES, chosen), status, facilities)
    except FileRefusedError as refused:
        said = wording(refused.remark, Language.EN)
        raise NoticeError(f"{client.server} was not told: {said.message}", hint=said.hint) from None
    number = client.tell(due.changes)
    click.echo(printable(f"{client.server}: {number} told, {due.same} as they were"), err=True)
    messages = [marked(f"{client.server} has no site for {named(due.missing)}")] if due.missing else []
    messages += [marked(f"{client.server} has several sites for {named(due.doubled)}")] if due.doubled else []
    for message in messages:
        print_warning(message, "", color=invocation.color, say=invocation.say)
