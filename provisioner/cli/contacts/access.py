"""Access to contacts: their folder, their key, and its record.

Each access opens contacts for one question and is recorded before the answer. Pages get call cards in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
from pydantic import BeforeValidator

from provisioner.base.document import Day, Row, of
from provisioner.base.errors import UsageError
from provisioner.base.text import VIETNAM, nearest, which_was_meant
from provisioner.base.vault import VaultPasswords, outside_of
from provisioner.cli.support.context import Invocation, state_dir
from provisioner.cli.support.terminal import ValidPath
from provisioner.importing.contacts import store
from provisioner.importing.contacts.erasure import LocatedContact
from provisioner.inventory.geography import UnknownProvinceError
from provisioner.inventory.loader.load import load_partial
from provisioner.inventory.model.inventory import Inventory

if TYPE_CHECKING:
    from provisioner.web.app import Contacts
    from provisioner.web.pages import CallCard
    from provisioner.web.readers import WebUser

folder_option = click.option(
    "--contacts",
    "chosen",
    type=ValidPath(),
    metavar="DIR",
    help="The folder of contacts. Default: PROVISIONER_CONTACTS, else contacts/ in the inventory.",
)
force_option = click.option("--force", is_flag=True, help="Overwrite an existing file.")
texts_argument = click.argument("texts", nargs=-1, required=True, metavar="TEXT…")
facilities_option = click.option(
    "--facility", "facilities", multiple=True, metavar="ID", help="Only records of this facility. May be repeated."
)


@dataclass(frozen=True)
class ContactsAccess:
    """One access to contacts; `purpose` and `requester` go into the access log."""

    invocation: Invocation
    chosen: Path | None
    purpose: str
    requester: str
    now: datetime

    @cached_property
    def folder(self) -> Path:
        """The folder of contacts."""
        return store.contacts_folder(self.chosen, self.invocation.env, self.invocation.inventory)

    @cached_property
    def passwords(self) -> VaultPasswords:
        """The passwords' sources."""
        named = VaultPasswords.from_environment(self.invocation.env)
        return outside_of(named, self.invocation.inventory, self.folder)

    @property
    def inventory(self) -> Inventory:
        """The readable part, as a request cannot wait; or raise `InventoryError`."""
        return self._read[0]

    @property
    def unread(self) -> frozenset[str]:
        """The facilities with invalid files, or raise `InventoryError`."""
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

    def record(self, action: str, names: Iterable[str], records: int, *, persons: Iterable[store.Contact]) -> None:
        """Record the access before its result, or raise `PolicyError`.

        Raises `UsageError` if its purpose or requester names one of the persons, who are all that were opened.
        """
        store.refuse_names((self.purpose, self.requester), (person.full_name.reveal() for person in persons))
        folder = state_dir(self.invocation.env) / self.inventory.settings.id
        store.record(folder, store.AccessRecord(self.now, action, self.purpose, self.requester, tuple(names), records))

    def province_name(self, slug: str) -> str:
        """Return a province's Vietnamese name; unknown ones raise `UsageError`."""
        try:
            return self.inventory.province_of_folder(slug).name
        except UnknownProvinceError:
            used = sorted({facility.province for facility in self.inventory.facilities.values()})
            hint = f"{which_was_meant(nearest(slug, used))} this inventory has: {', '.join(used)}".lstrip()
            raise UsageError(f"there is no province {slug}", hint=hint, object=slug) from None


def open_access(invocation: Invocation, chosen: Path | None, purpose: str, requester: str | None) -> ContactsAccess:
    """Begin a command's access."""
    return ContactsAccess(invocation, chosen, purpose, requester or store.system_user(), datetime.now(VIETNAM))


class PlaceRow(Row):
    """A contact without its personal data."""

    province: str
    facility: str = of("contact", "facility")
    role: store.Role = of("contact", "role")
    valid_from: Day = of("contact", "valid_from")
    #: The last day; empty if the duty has no end.
    valid_to: Annotated[str, BeforeValidator(lambda day: str(day or ""))] = of("contact", "valid_to")


Revealed = Annotated[str, BeforeValidator(store.revealed)]


class ContactRow(PlaceRow):
    """A contact."""

    full_name: Revealed = of("contact", "full_name")
    title: Revealed = of("contact", "title")
    phone: Revealed = of("contact", "phone")
    email: Revealed = of("contact", "email")
    note: Revealed = of("contact", "note")
    source: Revealed = of("contact", "source")


def records(contacts: Iterable[LocatedContact], *, show: bool) -> tuple[PlaceRow, ...]:
    """Return records' positions, with `show` their content too."""
    return tuple(map((ContactRow if show else PlaceRow).model_validate, contacts))


def print_records(contacts: Iterable[LocatedContact], *, show: bool) -> None:
    """Print records' positions, one a line, with `show` their content too."""
    for row in records(contacts, show=show):
        province, facility, role, valid_from, valid_to, *personal = row.plain.values()
        period = f"from {valid_from} " + (f"to {valid_to}" if valid_to else "on")
        click.echo("  ".join([province, facility, role, period, *filter(None, personal)]))


def cards_for(invocation: Invocation, purpose: str) -> Contacts:
    """Return a server's reader of call cards, which records the purpose."""
    # The commands of contacts serve no pages.
    from provisioner.web.pages import CallCard  # noqa: PLC0415
    from provisioner.web.readers import role_name  # noqa: PLC0415

    def card(contact: store.Contact) -> CallCard:
        return CallCard(
            name=contact.full_name.reveal(),
            title=store.revealed(contact.title),
            phone=store.revealed(contact.phone),
            role=store.ROLE_LABELS[contact.role],
        )

    def current_cards(province: str, facility: str, user: WebUser) -> Sequence[CallCard]:
        access = open_access(invocation, None, purpose, f"{role_name(user)} {user.who}".strip())
        file = store.valid_contacts(access.folder, access.passwords, [province]).files.get(province)
        contacts = [contact for contact in file.contacts if contact.facility == facility] if file else []
        current = [contact for contact in contacts if contact.is_current(access.today)]
        access.record("show", [province], len(current), persons=())  # a reader may be one of them
        return [card(contact) for contact in current]

    return current_cards
