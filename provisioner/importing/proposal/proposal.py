"""A proposal with its findings, and an import's result. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from provisioner.importing.contacts.store import Contact
from provisioner.importing.grid import Finding, FindingLevel
from provisioner.importing.proposal.answers import Question
from provisioner.importing.proposal.candidates import InventorySites
from provisioner.importing.proposal.contacts import ContactsDraft
from provisioner.importing.proposal.edits import FacilityEdit
from provisioner.importing.tables.files import InputFiles
from provisioner.inventory.geography import Province
from provisioner.inventory.model import Inventory

ContactsByProvince = Mapping[str, tuple[Contact, ...] | None]
"""The contacts of provinces, by slug; None where they were not opened."""


@dataclass(frozen=True)
class Baseline:
    """What rows are held against: the inventory as it is.

    Attributes:
        inventory: what could be read of it.
        broken: owners of files that could not be understood.
        file_of: reads a known facility's file.
        default: the province of rows that name none.
        today: the day in Vietnam.
    """

    inventory: Inventory
    broken: frozenset[str]
    file_of: Callable[[str], bytes] = field(repr=False)
    default: Province | None
    today: date

    @cached_property
    def sites(self) -> InventorySites:
        """The sites of the inventory, by all that they are known by."""
        return InventorySites(self.inventory)


@dataclass(frozen=True)
class Proposal:
    """What would be written, and everything that is to be said of the rows.

    Attributes:
        findings: everything, by place.
        edits: by facility; those that change nothing are among them.
        provinces: the province slug of each edit's facility, which is its folder.
        contact_drafts: by province.
        resign: facilities whose signed content changes, with the parties that signed.
        questions: what only a person can answer; a row that is asked about is kept out.
    """

    findings: tuple[Finding, ...]
    edits: Mapping[str, FacilityEdit]
    provinces: Mapping[str, str]
    contact_drafts: Mapping[str, ContactsDraft]
    resign: Mapping[str, tuple[str, ...]]
    questions: tuple[Question, ...] = ()

    @property
    def errors(self) -> int:
        """How many errors there are."""
        return sum(finding.remark.level is FindingLevel.ERROR for finding in self.findings)

    @property
    def waiting(self) -> int:
        """How many rows wait for an answer."""
        return sum(question.holds_a_row for question in self.questions)

    @property
    def changed(self) -> tuple[FacilityEdit, ...]:
        """The edits that change a file, in the order of ids."""
        return tuple(edit for _, edit in sorted(self.edits.items()) if edit.changed)


@dataclass(frozen=True)
class ImportResult:
    """What an import came to.

    Attributes:
        inputs: what was read.
        proposal: what it asks for.
        write: whether it was to be written.
        written: the files that were.
    """

    inputs: InputFiles
    proposal: Proposal
    write: bool
    written: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.proposal.changed or any(draft.differs for draft in self.proposal.contact_drafts.values()))
