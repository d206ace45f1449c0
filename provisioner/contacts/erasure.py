"""The erasure of a person: the records of today, and the password that opens the records of yesterday."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from provisioner.base.errors import LockedError, UsageError
from provisioner.base.vault import VaultPasswords
from provisioner.contacts.model import ContactsFile
from provisioner.contacts.renewal import Renewal, finish, prepare, renew
from provisioner.contacts.search import LocatedContact, SearchTerm, find, refuse_several_people, related
from provisioner.contacts.store import locked, provinces_in, render_contacts, valid_contacts


@dataclass(frozen=True)
class Person:
    """Whom an erasure is about: what is known of the person, and at which facilities."""

    terms: tuple[SearchTerm, ...]
    facilities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Erasure:
    """What an erasure would do, or has done.

    Attributes:
        contacts: the records of the person.
        renewals: the passwords that are renewed, one a province.
        related: how many other records share a phone, an e-mail or a name with the person.
    """

    contacts: tuple[LocatedContact, ...]
    renewals: tuple[Renewal, ...]
    related: int


def finish_interrupted(folder: Path, passwords: VaultPasswords) -> tuple[str, ...]:
    """Go on with an erasure that a crash interrupted; returns the provinces whose password was renewed by that.

    Raises:
        SecretsError: a province's contacts open with none of the two passwords.
        LockedError: somebody else is changing the contacts.
    """
    with locked(folder):
        return finish(folder, passwords, provinces_in(folder))


def plan_erasure(folder: Path, passwords: VaultPasswords, person: Person, new_password_file: Path | None) -> Erasure:
    """Find what is to be erased, and everything that stands against it; changes nothing.

    Raises:
        SecretsError: a province's contacts cannot be opened: the person may be in them.
        InventoryError: a file cannot be understood.
        UsageError: the records may be of several people.
        PolicyError: a password cannot be renewed.
    """
    files = valid_contacts(folder, passwords).files
    contacts = find(files, person.terms, facilities=person.facilities, whole=True)
    refuse_several_people(contacts, person.terms, placed=bool(person.facilities))
    provinces = sorted({contact.province for contact in contacts})
    if new_password_file and len(provinces) > 1:
        hint = "erase province by province: name the facilities of one with --facility"
        raise UsageError("one new password cannot serve several provinces", hint=hint)
    renewals = tuple(prepare(folder, province, passwords, new_password_file) for province in provinces)
    return Erasure(contacts, renewals, related(files, contacts))


def erase(folder: Path, passwords: VaultPasswords, person: Person, planned: Erasure) -> None:
    """Do what was planned, one province after the other.

    Raises:
        LockedError: somebody else is changing the contacts, or has since the plan was made.
        InventoryError: something cannot be written.
    """
    with locked(folder):
        files = valid_contacts(folder, passwords).files
        if find(files, person.terms, facilities=person.facilities, whole=True) != planned.contacts:
            hint = "run the command again and look at what it finds now"
            raise LockedError("the contacts were changed while you were asked", hint=hint)
        for renewal in planned.renewals:
            renew(renewal, _without(files[renewal.province], renewal.province, planned.contacts))


def _without(file: ContactsFile, province: str, erased: Collection[LocatedContact]) -> bytes:
    rest = [contact for contact in file.contacts if LocatedContact(province, contact) not in erased]
    return render_contacts(province, rest).encode()
