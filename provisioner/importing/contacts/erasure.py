"""Search for a person's records, and their erasure with the password.

A person is searched by phone, e-mail or name. Erasure removes the current records, and the password that opens former
ones.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.base.errors import LockedError, UsageError
from provisioner.base.secret import Secret
from provisioner.base.vault import VaultPasswords
from provisioner.base.vietnamese import fold
from provisioner.importing.contacts.fields import read_email, read_phone
from provisioner.importing.contacts.renewal import Renewal, finish, prepare, renew
from provisioner.importing.contacts.store import (
    Contact,
    ContactsFile,
    locked,
    provinces_in,
    render_contacts,
    revealed,
    valid_contacts,
)

_LAST_DIGITS = 8
"""This many digits of a phone number identify a person."""


@dataclass(frozen=True, slots=True)
class LocatedContact:
    """A contact and its province."""

    province: str
    contact: Contact


@dataclass(frozen=True, slots=True)
class SearchTerm:
    """A phone number, an e-mail address, or a (part of a) name."""

    text: Secret
    phone: Secret | None
    email: str
    name: str

    def names(self, contact: Contact, *, exact: bool) -> bool:
        """Return whether a contact matches; `exact` excludes parts of a name."""
        if self.phone:
            return contact.phone is not None and _phone_of(contact) == self.phone
        if self.email:
            return revealed(contact.email).casefold() == self.email
        name = fold(contact.full_name.reveal())
        return name == self.name or (not exact and f"-{self.name}-" in f"-{name}-")

    def is_named_in(self, text: str) -> bool:
        """Return whether a text, e.g. a search's purpose, contains this term."""
        if self.phone:
            return self.phone.reveal()[-_LAST_DIGITS:] in re.sub(r"[^0-9]", "", text)
        return self.email in text.casefold() if self.email else f"-{self.name}-" in f"-{fold(text)}-"


@dataclass(frozen=True)
class Person:
    """The search terms and facilities of a person to erase."""

    terms: tuple[SearchTerm, ...]
    facilities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Erasure:
    """A planned or finished erasure.

    Attributes:
        renewals: the passwords to renew, one per province.
        related: the number of other records with the same phone, e-mail or name.
    """

    contacts: tuple[LocatedContact, ...]
    renewals: tuple[Renewal, ...]
    related: int


# --- search ----------------------------------------------------------------------------------------


def search_term(text: str) -> SearchTerm:
    """Parse a phone number, an e-mail address or a name.

    Raises:
        UsageError: not one of them; it could match every contact or no contact.
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
    exact: bool = False,
) -> tuple[LocatedContact, ...]:
    """Return every contact that matches all terms, by province and file."""
    return tuple(
        LocatedContact(province, contact)
        for province, file in sorted(files.items())
        for contact in file.contacts
        if all(term.names(contact, exact=exact) for term in terms)
        and (not facilities or contact.facility in facilities)
    )


def refuse_several_people(matches: Collection[LocatedContact], terms: Collection[SearchTerm], *, placed: bool) -> None:
    """Raise `UsageError` if matches may be several people.

    Names repeat, and offices share a phone. With given facilities (`placed`), one name is one person.
    """
    hint = "say more of the person: phone, e-mail and name together, or --facility for each facility"
    if len({fold(match.contact.full_name.reveal()) for match in matches}) > 1:
        raise UsageError("the records bear different names: they may be of several people", hint=hint)
    by_name_alone = all(term.name for term in terms)
    if by_name_alone and not placed and len(list(_person_groups(matches))) > 1:
        raise UsageError("several people may bear this name: the records share no phone and no e-mail", hint=hint)


def related(files: Mapping[str, ContactsFile], matches: Collection[LocatedContact]) -> int:
    """Return how many other records share a phone, e-mail or name."""
    marks = {mark for match in matches for mark in _phone_and_email(match.contact)}
    marks |= {fold(match.contact.full_name.reveal()) for match in matches}
    contacts = (c for p, file in files.items() for c in file.contacts if LocatedContact(p, c) not in matches)
    return sum(bool(marks & {*_phone_and_email(c), fold(c.full_name.reveal())}) for c in contacts)


def _person_groups(matches: Iterable[LocatedContact]) -> Iterator[set[str]]:
    groups: list[set[str]] = []
    for number, match in enumerate(matches):
        marks = set(_phone_and_email(match.contact)) or {f"alone {number}"}
        touched = [group for group in groups if group & marks]
        groups = [group for group in groups if not group & marks] + [marks.union(*touched)]
    yield from groups


def _phone_and_email(contact: Contact) -> Iterator[str]:
    phone = _phone_of(contact)
    if phone:
        yield phone.reveal()
    if contact.email:
        yield contact.email.reveal().casefold()


def _phone_of(contact: Contact) -> Secret | None:
    """Return a contact's phone in E.164, if it can be read."""
    return read_phone(contact.phone.reveal()).value or contact.phone if contact.phone else None


# --- erasure ---------------------------------------------------------------------------------------


def finish_interrupted(folder: Path, passwords: VaultPasswords) -> tuple[str, ...]:
    """Finish an interrupted erasure; return the provinces with a renewed password."""
    with locked(folder):
        return finish(folder, passwords, provinces_in(folder))


def plan_erasure(folder: Path, passwords: VaultPasswords, person: Person, new_password_file: Path | None) -> Erasure:
    """Find the records to erase and every obstacle; change nothing.

    Raises:
        SecretsError: a province's contacts cannot be opened: the person may be in them.
        InventoryError: a file is malformed.
        UsageError: the records may be of several people.
        PolicyError: a password cannot be renewed.
    """
    files = valid_contacts(folder, passwords).files
    contacts = find(files, person.terms, facilities=person.facilities, exact=True)
    refuse_several_people(contacts, person.terms, placed=bool(person.facilities))
    provinces = sorted({contact.province for contact in contacts})
    if new_password_file and len(provinces) > 1:
        hint = "erase province by province: name the facilities of one with --facility"
        raise UsageError("one new password cannot serve several provinces", hint=hint)
    renewals = tuple(prepare(folder, province, passwords, new_password_file) for province in provinces)
    return Erasure(contacts, renewals, related(files, contacts))


def erase(folder: Path, passwords: VaultPasswords, person: Person, planned: Erasure) -> None:
    """Erase as planned, one province after the other.

    Raises:
        LockedError: another process is changing the contacts, or has changed them.
        InventoryError: a file cannot be written.
    """
    with locked(folder):
        files = valid_contacts(folder, passwords).files
        if find(files, person.terms, facilities=person.facilities, exact=True) != planned.contacts:
            hint = "run the command again and look at what it finds now"
            raise LockedError("the contacts were changed while you were asked", hint=hint)
        for renewal in planned.renewals:
            renew(renewal, _without(files[renewal.province], renewal.province, planned.contacts))


def _without(file: ContactsFile, province: str, erased: Collection[LocatedContact]) -> bytes:
    rest = [contact for contact in file.contacts if LocatedContact(province, contact) not in erased]
    return render_contacts(province, rest).encode()
