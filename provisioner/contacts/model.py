"""`contacts/<province>.yml` as typed, frozen values (docs/contacts.md)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import PlainValidator

from provisioner.base.secret import Secret
from provisioner.base.vietnamese import fold
from provisioner.inventory.model import Model
from provisioner.inventory.model.base import Day, Slug

PERSONAL_FIELDS = ("full_name", "title", "phone", "email", "note", "source")
"""The fields that are masked in memory; facility, role and days say nothing of a person."""

REQUIRED_FIELDS = ("full_name", "title", "phone", "email")
"""What clause 1 of letter 1407/BTTTT-CVT asks for each representative."""


def _masked(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, str) and value:
        return Secret(value)
    raise ValueError("this is no text, or an empty one: put it in quotes (a number in YAML loses its zero or plus)")


Personal = Annotated[Secret, PlainValidator(_masked)]
"""A text about a person: masked in memory."""


class Role(StrEnum):
    """For whom a contact speaks."""

    REPRESENTATIVE = "representative"
    TECHNICIAN = "technician"
    DIC = "dic"
    HEALTH = "health"
    CARRIER = "carrier"


ROLE_LABELS = {
    Role.REPRESENTATIVE: "Đại diện cơ sở",
    Role.TECHNICIAN: "Kỹ thuật",
    Role.DIC: "Sở TT&TT",
    Role.HEALTH: "Sở Y tế",
    Role.CARRIER: "Doanh nghiệp viễn thông",
}
"""The roles as lists for the provinces and the ministry name them."""


class Contact(Model):
    """One person's duty at one facility.

    A file may hold a contact that still lacks something, or something that cannot be right: `check`
    reports it. A person's own request must never fail because of another person's phone number.
    """

    facility: Slug
    role: Role
    full_name: Personal
    title: Personal | None = None
    phone: Personal | None = None
    email: Personal | None = None
    valid_from: Day
    valid_to: Day | None = None
    note: Personal | None = None
    source: Personal | None = None

    def is_current(self, day: date) -> bool:
        """Whether the person has this duty on a day; `valid_to` is the last one."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    @property
    def lacking(self) -> tuple[str, ...]:
        """The fields that the consolidated list needs and that are not there."""
        return tuple(name for name in REQUIRED_FIELDS if getattr(self, name) is None)

    @property
    def order(self) -> tuple[str, ...]:
        """The key by which contacts stand in a file and in a list."""
        personal = (revealed(getattr(self, name)) for name in PERSONAL_FIELDS)
        roles = str(list(Role).index(self.role))
        return (
            self.facility,
            roles,
            fold(self.full_name.reveal()),
            str(self.valid_from),
            str(self.valid_to),
            *personal,
        )


class ContactsFile(Model):
    """`contacts/<province>.yml`."""

    version: Literal[1]
    province: Slug
    contacts: tuple[Contact, ...]


def revealed(value: Secret | None) -> str:
    """The text of a field, empty where it is missing; for lists that a person asked for, and for the encrypted file."""
    return value.reveal() if value else ""
