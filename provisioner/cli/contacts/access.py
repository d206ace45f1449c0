"""Access to contacts: their folder, their key, and its record.

Contacts are opened for one question each, and the access is recorded before the answer. Pages get their call cards in
the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

import click

from provisioner.base.errors import UsageError
from provisioner.base.text import VIETNAM, asked, nearest
from provisioner.base.vault import VaultPasswords
from provisioner.base.vault_password import outside_of
from provisioner.cli.support.context import Invocation, state_dir
from provisioner.cli.support.terminal import Place
from provisioner.importing.contacts.access_log import AccessRecord, record, system_user
from provisioner.importing.contacts.erasure import LocatedContact
from provisioner.importing.contacts.store import (
    PERSONAL_FIELDS,
    ROLE_LABELS,
    Contact,
    contacts_folder,
    revealed,
    valid_contacts,
)
from provisioner.inventory.geography import UnknownProvinceError
from provisioner.inventory.loader.load import load_partial
from provisioner.inventory.model import Inventory
from provisioner.web.app import Contacts
from provisioner.web.pages import CallCard
from provisioner.web.readers import Reader, role_name

folder_option = click.option(
    "--contacts",
    "chosen",
    type=Place(path_type=Path),
    metavar="DIR",
    help="The folder of contacts; PROVISIONER_CONTACTS or contacts/ in the inventory otherwise.",
)
purpose_option = click.option("--purpose", required=True, metavar="TEXT", help="What for: it goes into the access log.")
requester_option = click.option(
    "--requester", metavar="WHO", help="On whose behalf; the user of this machine otherwise."
)
force_option = click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
texts_argument = click.argument("texts", nargs=-1, required=True, metavar="TEXT…")
facilities_option = click.option(
    "--facility", "facilities", multiple=True, metavar="ID", help="Only records of this facility. May be repeated."
)


@dataclass(frozen=True)
class ContactsAccess:
    """One access to contacts.

    Attributes:
        invocation: the call of the program.
        chosen: the folder named by `--contacts`, or None.
        purpose: what for, for the access log.
        requester: on whose behalf.
        now: when, in Vietnam's time.
    """

    invocation: Invocation
    chosen: Path | None
    purpose: str
    requester: str
    now: datetime

    @cached_property
    def folder(self) -> Path:
        """The folder of contacts."""
        return contacts_folder(self.chosen, self.invocation.env, self.invocation.inventory)

    @cached_property
    def passwords(self) -> VaultPasswords:
        """Where passwords come from."""
        named = VaultPasswords.from_environment(self.invocation.env)
        return outside_of(named, self.invocation.inventory, self.folder)

    @property
    def inventory(self) -> Inventory:
        """What can be read of the inventory: its other problems are no reason to refuse a person's request.

        Raises:
            InventoryError: nothing can be read of it.
        """
        return self._read[0]

    @property
    def unread(self) -> frozenset[str]:
        """The facilities whose files cannot be understood.

        Raises:
            InventoryError: nothing can be read of the inventory.
        """
        owners = (owner.partition("/") for owner in self._read[1])
        return frozenset(name for kind, _, name in owners if kind == "facility")

    @cached_property
    def _read(self) -> tuple[Inventory, frozenset[str]]:
        loaded, inventory = load_partial(self.invocation.inventory, today=self.today)
        return inventory, loaded.broken

    @property
    def today(self) -> date:
        """The day in Vietnam."""
        return self.now.date()

    def record(self, action: str, names: Iterable[str], records: int) -> None:
        """Record the access before its result is shown.

        Raises:
            PolicyError: it cannot be recorded.
        """
        folder = state_dir(self.invocation.env) / self.inventory.settings.id
        record(folder, AccessRecord(self.now, action, self.purpose, self.requester, tuple(names), records))

    def province_name(self, slug: str) -> str:
        """A province's name in Vietnamese.

        Raises:
            UsageError: neither the inventory's list of provinces nor a facility has such a province.
        """
        try:
            return self.inventory.province_of_folder(slug).name
        except UnknownProvinceError:
            used = sorted({facility.province for facility in self.inventory.facilities.values()})
            hint = f"{asked(nearest(slug, used))} this inventory has: {', '.join(used)}".lstrip()
            raise UsageError(f"there is no province {slug}", hint=hint, object=slug) from None


def open_access(invocation: Invocation, chosen: Path | None, purpose: str, requester: str | None) -> ContactsAccess:
    """The access of a command that begins now."""
    return ContactsAccess(invocation, chosen, purpose, requester or system_user(), datetime.now(VIETNAM))


def contacts_document(command: str, **fields: object) -> dict[str, object]:
    """The JSON document of a command about contacts."""
    return {"schema": "provisioner/contacts", "version": 1, "command": command, **fields}


def records(contacts: Iterable[LocatedContact], *, show: bool) -> list[dict[str, str]]:
    """Where records stand, and with `show` what they say."""
    return [_place(contact) | (_personal(contact) if show else {}) for contact in contacts]


def print_records(contacts: Iterable[LocatedContact], *, show: bool) -> None:
    """Print where records stand, one a line, and with `show` what they say."""
    for contact in contacts:
        place = _place(contact)
        until = f"to {place['valid_to']}" if place["valid_to"] else "on"
        words = [place["province"], place["facility"], place["role"], f"from {place['valid_from']} {until}"]
        click.echo("  ".join(words + [value for value in _personal(contact).values() if value and show]))


def _place(located: LocatedContact) -> dict[str, str]:
    contact = located.contact
    return {
        "province": located.province,
        "facility": contact.facility,
        "role": contact.role.value,
        "valid_from": str(contact.valid_from),
        "valid_to": str(contact.valid_to or ""),
    }


def _personal(located: LocatedContact) -> dict[str, str]:
    return {name: revealed(getattr(located.contact, name)) for name in PERSONAL_FIELDS}


def cards_for(invocation: Invocation, purpose: str) -> Contacts:
    """What a server asks for whom to call.

    Args:
        invocation: the server's.
        purpose: what for: it goes into the access log each time.
    """

    def cards(province: str, facility: str, reader: Reader) -> Sequence[CallCard]:
        requester = f"{role_name(reader)} {reader.who}".strip()
        access = open_access(invocation, None, purpose, requester)
        file = valid_contacts(access.folder, access.passwords, [province]).files.get(province)
        own = [one for one in file.contacts if one.facility == facility] if file else []
        current = [one for one in own if one.is_current(access.today)]
        access.record("show", [province], len(current))
        return [_card(one) for one in current]

    return cards


def _card(contact: Contact) -> CallCard:
    return CallCard(
        name=contact.full_name.reveal(),
        title=revealed(contact.title),
        phone=revealed(contact.phone),
        role=ROLE_LABELS[contact.role],
    )
