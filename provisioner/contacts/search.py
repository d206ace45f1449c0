"""The search for the records of one person, by phone, e-mail or name. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from provisioner.base.errors import UsageError
from provisioner.base.secret import Secret
from provisioner.base.vietnamese import fold
from provisioner.contacts.emails import read_email
from provisioner.contacts.model import Contact, ContactsFile, revealed
from provisioner.contacts.phones import read_phone

_LAST_DIGITS = 8
"""So many digits of a phone number identify a person."""


@dataclass(frozen=True, slots=True)
class LocatedContact:
    """A contact and where it stands."""

    province: str
    contact: Contact


@dataclass(frozen=True, slots=True)
class SearchTerm:
    """One thing that is known of a person: a phone number, an e-mail address, or a name or a part of it."""

    text: Secret
    phone: Secret | None
    email: str
    name: str

    def names(self, contact: Contact, *, whole: bool) -> bool:
        """Whether a contact has this phone, e-mail or name; with `whole` a part of a name does not count."""
        if self.phone:
            return contact.phone is not None and _phone_of(contact) == self.phone
        if self.email:
            return revealed(contact.email).casefold() == self.email
        name = fold(contact.full_name.reveal())
        return name == self.name or (not whole and f"-{self.name}-" in f"-{name}-")

    def is_named_in(self, text: str) -> bool:
        """Whether a text, such as the purpose of a search, says this of the person."""
        if self.phone:
            return self.phone.reveal()[-_LAST_DIGITS:] in re.sub(r"[^0-9]", "", text)
        return self.email in text.casefold() if self.email else f"-{self.name}-" in f"-{fold(text)}-"


def search_term(text: str) -> SearchTerm:
    """Take a text as a phone number, an e-mail address or a name, whichever it is.

    Raises:
        UsageError: it is none of them, so that it could match nobody or everybody.
    """
    email = read_email(text).value if "@" in text else None
    phone = None if email else read_phone(text).value
    name = "" if email or phone else fold(text)
    if not (email or phone) and ("@" in text or not any(c.isalpha() for c in name)):
        hint = "name a whole phone number, a whole e-mail address, or words of a name"
        raise UsageError("the text is no phone number, no e-mail address and no name", hint=hint)
    return SearchTerm(Secret(text), phone, email.reveal().casefold() if email else "", name)


def find(
    files: Mapping[str, ContactsFile],
    terms: Collection[SearchTerm],
    *,
    facilities: Collection[str] = (),
    whole: bool = False,
) -> tuple[LocatedContact, ...]:
    """Every contact that has all of what is known of a person, in the order of provinces and files."""
    return tuple(
        LocatedContact(province, contact)
        for province, file in sorted(files.items())
        for contact in file.contacts
        if all(term.names(contact, whole=whole) for term in terms)
        and (not facilities or contact.facility in facilities)
    )


def refuse_several_people(matches: Collection[LocatedContact], terms: Collection[SearchTerm], *, placed: bool) -> None:
    """Refuse to take several people for one: names repeat, and offices share a phone.

    Args:
        matches: the contacts that match.
        terms: what was asked for.
        placed: whether the facilities were named as well: a name at named facilities is one person.

    Raises:
        UsageError: the contacts may be of more than one person.
    """
    hint = "say more of the person: phone, e-mail and name together, or --facility for each facility"
    if len({fold(match.contact.full_name.reveal()) for match in matches}) > 1:
        raise UsageError("the records bear different names: they may be of several people", hint=hint)
    by_name_alone = all(term.name for term in terms)
    if by_name_alone and not placed and len(list(_circles(matches))) > 1:
        raise UsageError("several people may bear this name: the records share no phone and no e-mail", hint=hint)


def related(files: Mapping[str, ContactsFile], matches: Collection[LocatedContact]) -> int:
    """How many other records share a phone, an e-mail or a name with the matches: somebody has to look."""
    marks = {mark for match in matches for mark in _marks(match.contact)}
    marks |= {fold(match.contact.full_name.reveal()) for match in matches}
    others = (c for p, file in files.items() for c in file.contacts if LocatedContact(p, c) not in matches)
    return sum(bool(marks & {*_marks(c), fold(c.full_name.reveal())}) for c in others)


def _circles(matches: Iterable[LocatedContact]) -> Iterator[set[str]]:
    """The groups of contacts that hang together by a shared phone or e-mail."""
    circles: list[set[str]] = []
    for number, match in enumerate(matches):
        marks = set(_marks(match.contact)) or {f"alone {number}"}
        joined = [circle for circle in circles if circle & marks]
        circles = [circle for circle in circles if not circle & marks] + [marks.union(*joined)]
    yield from circles


def _marks(contact: Contact) -> Iterator[str]:
    phone = _phone_of(contact)
    if phone:
        yield phone.reveal()
    if contact.email:
        yield contact.email.reveal().casefold()


def _phone_of(contact: Contact) -> Secret | None:
    """A contact's phone as it is compared: in E.164 even where the file has another form."""
    return read_phone(contact.phone.reveal()).value or contact.phone if contact.phone else None
