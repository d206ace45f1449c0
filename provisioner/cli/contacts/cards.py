"""Who is to be called for one facility, for pages: opened for each question, and recorded before it is answered."""

from __future__ import annotations

from collections.abc import Sequence

from provisioner.cli.contacts.access import open_access
from provisioner.cli.context import Invocation
from provisioner.contacts.model import ROLE_LABELS, Contact, revealed
from provisioner.contacts.store import valid_contacts
from provisioner.web.app import Contacts
from provisioner.web.pages import CallCard
from provisioner.web.readers import role_name
from provisioner.web.scope import Reader


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
