"""What sheets ask of an inventory: edits of facility files, contacts, and every finding. Pure.

A row with an error is kept out, and with it what hangs on it; then all is worked out again, until nothing
of what is left is wrong. So what would be written is right whether or not the rest is mended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from provisioner.contacts.model import Contact
from provisioner.geography import Province
from provisioner.importing.cells.findings import Finding, Level, error, in_order, note, warning
from provisioner.importing.forms.columns import Kind
from provisioner.importing.proposal.devices import DeviceDraft
from provisioner.importing.proposal.draft import Draft
from provisioner.importing.proposal.edits import Edit, edit_of
from provisioner.importing.proposal.people import People, representatives_not_named
from provisioner.importing.proposal.registry import Registry
from provisioner.importing.proposal.rule_check import check_edit
from provisioner.importing.proposal.sites import want_facility, want_survey
from provisioner.importing.tables.records import Record
from provisioner.inventory.files.edit import EditError
from provisioner.inventory.model import Inventory

_Row = tuple[str, int, int]
_MOST_ROUNDS = 20
_LACKING = frozenset({"required-missing", "column-missing", "title-missing", "phone-empty", "email-empty"})


@dataclass(frozen=True)
class Known:
    """What there is.

    Attributes:
        inventory: what could be read of it.
        broken: owners of files that could not be understood.
        file_of: gives a facility's file.
        default: the province of rows that name none.
        today: the day in Vietnam.
    """

    inventory: Inventory
    broken: frozenset[str]
    file_of: Callable[[str], bytes] = field(repr=False)
    default: Province | None
    today: date


@dataclass(frozen=True)
class Proposal:
    """What would be written, and what was found.

    Attributes:
        findings: everything, by place.
        edits: by facility; those that change nothing are among them.
        provinces: the province slug of each edit's facility, which is its folder.
        people: by province.
        resign: facilities whose signed content changes, with the parties that signed.
    """

    findings: tuple[Finding, ...]
    edits: Mapping[str, Edit]
    provinces: Mapping[str, str]
    people: Mapping[str, People]
    resign: Mapping[str, tuple[str, ...]]

    @property
    def errors(self) -> int:
        """How many errors there are."""
        return sum(finding.remark.level is Level.ERROR for finding in self.findings)

    @property
    def changed(self) -> tuple[Edit, ...]:
        """The edits that change a file, in the order of ids."""
        return tuple(edit for _, edit in sorted(self.edits.items()) if edit.changed)


def propose(
    records: Iterable[Record],
    known: Known,
    contacts: Mapping[str, tuple[Contact, ...] | None],
    found: Iterable[Finding] = (),
) -> Proposal:
    """Work out what rows ask for.

    Args:
        records: the rows.
        known: what there is.
        contacts: the contacts by province; None where they were not opened.
        found: what was found already.
    """
    rows = list(records)
    errors: list[Finding] = []
    for number in range(_MOST_ROUNDS):
        attempt = _Attempt(known, contacts)
        attempt.work(rows, probe=number == 0)
        errors += [f for f in attempt.findings if f.remark.level is Level.ERROR]
        spoiled = attempt.spoiled()
        if number == _MOST_ROUNDS - 2:  # a chain that long is no table of this world: no row of it is taken
            spoiled |= {_row(record) for record in rows}
        if not any(record.sound and _row(record) in spoiled for record in rows):
            break
        rows = [replace(record, sound=record.sound and _row(record) not in spoiled) for record in rows]
    return attempt.proposal([*found, *errors])


def provinces_of_contacts(records: Iterable[Record], known: Known) -> frozenset[str]:
    """The provinces whose contacts rows are about, without opening any."""
    attempt = _Attempt(known, {})
    attempt.register(list(records))
    return frozenset(attempt.province(facility) for facility, rows in attempt.rows_of(Kind.CONTACTS).items() if rows)


def _row(record: Record) -> _Row:
    return record.spot.file, record.spot.number, record.number


@dataclass
class _Attempt:
    """One working out, with the rows that are sound so far."""

    known: Known
    contacts: Mapping[str, tuple[Contact, ...] | None]
    findings: list[Finding] = field(default_factory=list)
    drafts: dict[str, Draft] = field(default_factory=dict)
    edits: dict[str, Edit] = field(default_factory=dict)
    people: dict[str, People] = field(default_factory=dict)
    resign: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _registry: Registry = field(init=False)
    _rows: dict[Kind, dict[str, list[Record]]] = field(default_factory=dict)
    _unsound: dict[Kind, dict[str, list[Record]]] = field(default_factory=dict)
    _bad: set[_Row] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._registry = Registry(self.known.inventory, self.known.broken, self.known.default)

    def work(self, rows: list[Record], *, probe: bool) -> None:
        """Work out what the sound rows ask for; with `probe` also what the others lack."""
        self.register(rows)
        for facility, listed in self.rows_of(Kind.FACILITIES).items():
            want_facility(self._draft(facility), listed[0])
        for facility, listed in self.rows_of(Kind.SURVEYS).items():
            self._survey(facility, listed)
        for facility, listed in self.rows_of(Kind.CAMERAS).items():
            DeviceDraft(self._draft(facility)).want(listed)
        self._take_people()
        if probe:
            self._probe()
        for draft in self.drafts.values():
            self.findings += draft.findings
            self._edit(draft)

    def register(self, rows: list[Record]) -> None:
        """Find out which facility each row is about."""
        of = {kind: [record for record in rows if record.kind is kind] for kind in Kind}
        for record, facility in self._registry.register(of[Kind.FACILITIES]):
            self._rows.setdefault(Kind.FACILITIES, {}).setdefault(facility, []).append(record)
        for kind in (Kind.CONTACTS, Kind.SURVEYS, Kind.CAMERAS):
            for record in of[kind]:
                found = self._registry.find(record)
                if found is not None:
                    kept = self._rows if record.sound else self._unsound
                    kept.setdefault(kind, {}).setdefault(found, []).append(record)
        self.findings += self._registry.findings

    def rows_of(self, kind: Kind) -> dict[str, list[Record]]:
        """The sound rows of a sheet by facility."""
        return self._rows.get(kind, {})

    def province(self, facility: str) -> str:
        """The slug that is a facility's folder."""
        existing = self.known.inventory.facilities.get(facility)
        return existing.province if existing else self._registry.new[facility]

    def _draft(self, facility: str) -> Draft:
        if facility not in self.drafts:
            existing = self.known.inventory.facilities.get(facility)
            self.drafts[facility] = Draft(facility, existing, self.province(facility))
        return self.drafts[facility]

    def _survey(self, facility: str, listed: list[Record]) -> None:
        draft = self._draft(facility)
        want_survey(draft, listed[0])
        for record in listed[1:]:
            draft.say(record, error("row-duplicate", row=listed[0].number), "facility_id")

    def _probe(self) -> None:
        """Find what rows with errors lack besides, so that all of it is told at once; nothing of them is kept."""
        for kind, by_facility in self._unsound.items():
            for facility, listed in by_facility.items():
                site = self.known.inventory.facilities.get(facility)
                for record in listed:
                    scratch = Draft(facility, site, self.province(facility))
                    people = People(scratch.province, self.contacts.get(scratch.province), self.known.today)
                    if kind is Kind.CONTACTS:
                        people.take(record, facility, site)
                    elif kind is Kind.SURVEYS:
                        want_survey(scratch, record)
                    else:
                        DeviceDraft(scratch).want([replace(record, sound=True)])
                    found = [*scratch.findings, *people.findings]
                    self.findings += [f for f in found if f.remark.code in _LACKING]

    # --- contacts ---------------------------------------------------------------------------------

    def _take_people(self) -> None:
        named: dict[str, list[tuple[Record, str]]] = {}
        for facility, listed in self.rows_of(Kind.CONTACTS).items():
            named.setdefault(self.province(facility), []).extend((record, facility) for record in listed)
        for province, pairs in named.items():
            people = People(province, self.contacts.get(province), self.known.today)
            for record, facility in sorted(pairs, key=lambda pair: pair[0].spot):
                people.take(record, facility, self.known.inventory.facilities.get(facility))
            self.people[province] = people
            self.findings += people.findings
            for facility in sorted(set(representatives_not_named(people, pairs))):
                first = next(record for record, about in pairs if about == facility)
                self.findings.append(first.finding(note("contact-not-in-sheet", facility=facility), "", facility))
            self._confirm(people)

    def _confirm(self, people: People) -> None:
        """Note the day on which the list named a representative; who it is, no facility's file says."""
        if people.known is None:
            return
        for facility, record in people.confirmed.items():
            draft = self._draft(facility)
            if draft.existing is None or draft.existing.contact_confirmed_on is None:
                draft.want(record, ("contact_confirmed_on",), "full_name", self.known.today.isoformat())

    # --- files ------------------------------------------------------------------------------------

    def _edit(self, draft: Draft) -> None:
        if not draft.wanted:
            return
        first = draft.wanted[0].record
        try:
            edit = edit_of(draft, self.known.file_of(draft.facility) if draft.existing else None)
        except EditError as failure:
            remark = error("file-cannot-be-edited", facility=draft.facility, cause=failure)
            self.findings.append(first.finding(remark, "", draft.facility))
            self._bad |= {_row(wanted.record) for wanted in draft.wanted}
            return
        self.edits[draft.facility] = edit
        if not edit.changed:
            return
        judged = check_edit(edit, self.known.inventory, draft.lan, self.known.today)
        self.findings += judged.findings
        self._bad |= {_row(record) for record in judged.spoiled}
        if judged.signed:
            self.resign[draft.facility] = judged.signed
            remark = warning("sign-off-needed", facility=draft.facility, parties=", ".join(judged.signed))
            rows = self.rows_of(Kind.CAMERAS).get(draft.facility, [first])
            self.findings.append(rows[0].finding(remark, "", draft.facility))

    def spoiled(self) -> set[_Row]:
        """The rows that have an error."""
        found = {
            (f.spot.file, f.spot.number, f.spot.row)
            for f in self.findings
            if f.remark.level is Level.ERROR and f.spot.row
        }
        return found | self._bad

    def proposal(self, found: Iterable[Finding]) -> Proposal:
        """What is left when nothing of it is wrong."""
        provinces = {facility: self.province(facility) for facility in self.edits}
        return Proposal(in_order([*found, *self.findings]), self.edits, provinces, self.people, self.resign)
