"""A proposal with its findings, and an import's result. Pure."""

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
from provisioner.inventory.model.inventory import Inventory

#: The contacts of provinces by slug; `None` if not opened.
ContactsByProvince = Mapping[str, tuple[Contact, ...] | None]


@dataclass(frozen=True)
class Baseline:
    """The current state that rows are compared with."""

    inventory: Inventory  #: Its readable part.
    broken: frozenset[str]  #: Owners of malformed files.
    file_of: Callable[[str], bytes] = field(repr=False)
    default: Province | None  #: The province of rows without one.
    today: date

    @cached_property
    def sites(self) -> InventorySites:
        """The sites of the inventory."""
        return InventorySites(self.inventory)


@dataclass(frozen=True)
class Proposal:
    """The edits, and all findings about the rows."""

    findings: tuple[Finding, ...]
    edits: Mapping[str, FacilityEdit]  #: By facility, also without changes.
    provinces: Mapping[str, str]  #: The province slug (folder) of each edit's facility.
    contact_drafts: Mapping[str, ContactsDraft]
    resign: Mapping[str, tuple[str, ...]]  #: Facilities whose signed content changes, with the parties that signed.
    questions: tuple[Question, ...] = ()  #: For a person; a row in question is left out.

    @property
    def errors(self) -> int:
        """The number of errors."""
        return sum(finding.remark.level is FindingLevel.ERROR for finding in self.findings)

    @property
    def asking(self) -> tuple[Finding, ...]:
        """The findings that a person answers in the sheet."""
        return tuple(finding for finding in self.findings if finding.remark.level is FindingLevel.QUESTION)

    @property
    def open_questions(self) -> int:
        """The number of questions of both kinds."""
        return len(self.questions) + len(self.asking)

    @property
    def waiting(self) -> int:
        """The number of rows that wait for an answer."""
        places = [question.position for question in self.questions if question.holds_a_row]
        places += [finding.position for finding in self.asking]
        return len({(place.file, place.number, place.row) for place in places})

    @property
    def changed(self) -> tuple[FacilityEdit, ...]:
        """The edits that change a file, by id."""
        return tuple(edit for _, edit in sorted(self.edits.items()) if edit.changed)


@dataclass(frozen=True)
class ImportResult:
    """The result of an import; `write` tells whether writing was requested."""

    inputs: InputFiles
    proposal: Proposal
    write: bool
    written: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Return whether any change is proposed."""
        return bool(self.proposal.changed or any(draft.differs for draft in self.proposal.contact_drafts.values()))
