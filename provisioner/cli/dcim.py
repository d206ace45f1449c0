"""A NetBox or Nautobot that a mapping names."""

from __future__ import annotations

from pathlib import Path

from provisioner.base.errors import UsageError
from provisioner.base.files import is_tracked_path, read_regular
from provisioner.base.http import HttpLimits
from provisioner.base.secret import Secret
from provisioner.cli.support.context import Invocation
from provisioner.importing.dcim.client import DcimClient
from provisioner.importing.dcim.objects import read_mapping

_MOST_TOKEN = 4096


def dcim_client(invocation: Invocation, mapping: Path, token_file: Path | None) -> DcimClient:
    """Return a mapping's client, with the token in a file.

    Raises:
        UsageError: the token or the mapping cannot be read, or the mapping is in the checkout.
        InventoryError: the mapping is invalid.
    """
    if is_tracked_path(mapping, invocation.inventory):
        message = (
            f"{mapping} is a part of the inventory's checkout: whoever proposes a change would choose who is asked"
        )
        hint = "keep the mapping outside of the checkout: the token goes to the server that it names"
        raise UsageError(message, hint=hint)
    return DcimClient(read_mapping(mapping), _token(token_file), HttpLimits.of(invocation.env))


def _token(file: Path | None) -> Secret:
    """Read the token from a file: all users can read arguments."""
    hint = "name a file of your own with the token alone"
    try:
        token = read_regular(file, most=_MOST_TOKEN).decode().strip() if file is not None else ""
    except (OSError, UnicodeDecodeError):
        raise UsageError("the file with the token cannot be read", hint=hint) from None
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError("what is to be the server's token is none", hint=hint)
    return Secret(token)
