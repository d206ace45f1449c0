"""A proposal with its contacts and findings, and an import's result. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from provisioner.base.secret import Secret
from provisioner.base.vietnamese import fold
from provisioner.importing.contacts.store import PERSONAL_FIELDS, REQUIRED_FIELDS, Contact, Role
from provisioner.importing.grid import Finding, FindingLevel, Remark, error, warning
from provisioner.importing.proposal.answers import Question
from provisioner.importing.proposal.candidates import InventorySites
from provisioner.importing.proposal.edits import FacilityEdit
from provisioner.importing.tables.files import InputFiles, ReadRow
from provisioner.inventory.geography import Province
from provisioner.inventory.model.facility import Facility, Operating
from provisioner.inventory.model.inventory import Inventory

_MISSING = {"title": "title-missing", "phone": "phone-empty", "email": "email-empty"}


@dataclass
class ContactsDraft:
    """A province's contacts while rows are processed."""

    province: str
    known: tuple[Contact, ...] | None  #: The contacts in the encrypted file; `None` if not opened.
    today: date  #: The default first day.
    contacts: list[Contact] = field(default_factory=list)  #: The new content.
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    confirmed: dict[str, ReadRow] = field(default_factory=dict)  #: Facilities with a new or completed representative.
    findings: list[Finding] = field(default_factory=list)
    #: Facilities whose contacts are changed by a row without an id.
    changed_by_name: set[str] = field(default_factory=set)
    _taken: dict[int, ReadRow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.contacts = list(self.known or ())

    @property
    def differs(self) -> bool:
        """Return whether the encrypted file must be written."""
        return bool(self.new or self.changed)

    def take(self, row: ReadRow, facility: str, site: Facility | None) -> bool:
        """Process a row; return whether it counts. `site` is the inventory's."""
        if row.get("full_name") is None:
            if "full_name" not in row.filled:
                self._say(row, error("required-missing", column="Họ và tên"), "full_name", facility)
            return False
        index = self._index_of_contact(row, facility)
        if index is not None and index in self._taken:
            self._say(row, error("row-duplicate", row=self._taken[index].number), "full_name", facility)
            return False
        old = self.contacts[index] if index is not None else None
        contact = self._merged_contact(row, facility, old)
        if not self._may_be(row, contact):
            return False
        if site is not None and site.operating is Operating.CLOSED:
            self._say(row, warning("contact-of-closed"), "facility_id", facility)
        self._put_contact(row, contact, index)
        return True

    def _index_of_contact(self, row: ReadRow, facility: str) -> int | None:
        """Return the contact of a row: same person, role, facility and time."""
        role, name = _role(row), fold(row.required_text("full_name"))
        since = _day(row.text("valid_from"))
        same = [
            (number, contact)
            for number, contact in enumerate(self.contacts)
            if (contact.facility, contact.role, fold(contact.full_name.reveal())) == (facility, role, name)
        ]
        if since is None:
            running = [number for number, contact in same if contact.is_current(self.today)]
            latest = [number for number, _ in sorted(same, key=lambda pair: pair[1].valid_from)]
            return next(iter(running[-1:] or latest[-1:]), None)
        exact = [number for number, contact in same if contact.valid_from == since]
        until = _day(row.text("valid_to")) or date.max
        overlapping = [n for n, c in same if c.valid_from <= until and since <= (c.valid_to or date.max)]
        return next(iter(exact or overlapping), None)

    def _merged_contact(self, row: ReadRow, facility: str, old: Contact | None) -> Contact:
        """Merge a row with the known contact; empty cells remove nothing."""
        fields: dict[str, object] = {
            "facility": facility,
            "role": _role(row),
            "valid_from": old.valid_from if old else self.today,
        }
        fields |= {key: getattr(old, key) for key in (*PERSONAL_FIELDS, "valid_to")} if old else {}
        fields |= {key: Secret(text) for key in PERSONAL_FIELDS if (text := row.text(key)) is not None}
        fields |= {key: day for key in ("valid_from", "valid_to") if (day := _day(row.text(key)))}
        return Contact.model_validate(fields)

    def _may_be(self, row: ReadRow, contact: Contact) -> bool:
        """Return whether a contact is valid; the letter requires four fields."""
        if contact.valid_to is not None and contact.valid_to < contact.valid_from:
            self._say(row, error("contact-days"), "valid_to", contact.facility)
            return False
        if contact.role is Role.REPRESENTATIVE:
            missing = [key for key in REQUIRED_FIELDS if getattr(contact, key) is None]
        else:
            missing = [] if contact.phone or contact.email else ["phone"]
        for key in missing:
            if key not in row.filled:
                self._say(row, error(_MISSING[key]), key, contact.facility)
        return not missing

    def _put_contact(self, row: ReadRow, contact: Contact, index: int | None) -> None:
        if index is None:
            index = len(self.contacts)
            self.contacts.append(contact)
            self.new += 1
        elif self.contacts[index] == contact:
            self.unchanged += 1
            self._taken[index] = row
            return
        else:
            self.contacts[index] = contact
            self.changed += 1
        self._taken[index] = row
        if self.known is not None and not row.has_facility_id:
            self.changed_by_name.add(contact.facility)
        if contact.role is Role.REPRESENTATIVE and contact.is_current(self.today):
            self.confirmed.setdefault(contact.facility, row)

    def _say(self, row: ReadRow, remark: Remark, key: str, facility: str) -> None:
        self.findings.append(row.finding(remark, key, facility))


def _role(row: ReadRow) -> Role:
    return Role(row.text("role") or Role.REPRESENTATIVE)


def _day(value: str | None) -> date | None:
    return date.fromisoformat(value) if value else None


def representatives_not_named(draft: ContactsDraft, rows: Sequence[tuple[ReadRow, str]]) -> Iterable[str]:
    """Yield facilities with a current representative that the sheet lacks."""
    named = {(facility, fold(row.text("full_name") or "")) for row, facility in rows}
    sheet = {facility for _, facility in rows}
    for contact in draft.known or ():
        listed = contact.facility in sheet and contact.role is Role.REPRESENTATIVE and contact.is_current(draft.today)
        if listed and (contact.facility, fold(contact.full_name.reveal())) not in named:
            yield contact.facility


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
    by_hand: tuple[str, ...]  #: Written files that a person commits.

    @property
    def changes(self) -> bool:
        """Return whether any change is proposed."""
        return bool(self.proposal.changed or any(draft.differs for draft in self.proposal.contact_drafts.values()))
