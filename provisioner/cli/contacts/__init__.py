"""`provisioner contacts`: the only commands that open personal data."""

import click

from provisioner.cli.contacts.commands import check, erase, find, list_
from provisioner.cli.support.commands import NamedGroup

__all__ = ["contacts"]


@click.group(cls=NamedGroup)
def contacts() -> None:
    """Check, list, find and erase the facilities' contacts.

    Contacts are personal data. Each province has its own password. Each access is recorded in contacts-access.log in
    the state folder. No other command can open contacts.
    """


for _command in (check, erase, find, list_):
    contacts.add_command(_command)
