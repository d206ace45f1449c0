"""From rows to a proposal: edits of facility files, contacts, findings. Pure.

A row with an error is left out with all rows that depend on it, and the proposal is built again until no error remains.
So it is right whether or not the rest is corrected. Rows with an open question are left out likewise: the proposal is
right whatever the answer. A problem of the inventory's rules refers to the causing cell.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from ipaddress import IPv4Network

from pydantic import ValidationError

from provisioner.base.errors import Problem, Severity
from provisioner.importing.forms.columns import FormKind
from provisioner.importing.grid import CellPosition, Finding, FindingLevel, Remark, error, in_order, note, warning
from provisioner.importing.proposal.answers import Question, QuestionKind
from provisioner.importing.proposal.devices import DeviceDraft
from provisioner.importing.proposal.edits import FacilityDraft, FacilityEdit, FieldPath, WantedValue, edit_of
from provisioner.importing.proposal.facilities import want_facility, want_survey
from provisioner.importing.proposal.facility_registry import FacilityRegistry
from provisioner.importing.proposal.proposal import (
    Baseline,
    ContactsByProvince,
    ContactsDraft,
    Proposal,
    representatives_not_named,
)
from provisioner.importing.proposal.unmatched import unlisted_sites
from provisioner.importing.tables.files import ReadRow, RowPlace
from provisioner.inventory import rules
from provisioner.inventory.files.edit import EditError
from provisioner.inventory.files.positions import KeyPath, Places, Position
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.loader.site import validated
from provisioner.inventory.model.facility import Facility, Gateway
from provisioner.inventory.model.hosts import Allocations
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.rules.plans import UNFINISHED
from provisioner.inventory.signed import signed_content

_MOST_ROUNDS = 20
_LACKING = frozenset({"required-missing", "column-missing", "title-missing", "phone-empty", "email-empty"})


def propose(
    read_rows: Iterable[ReadRow],
    baseline: Baseline,
    contacts: ContactsByProvince,
    earlier: Iterable[Finding] = (),
    complete: Collection[str] = (),
) -> Proposal:
    """Build the proposal of rows.

    `contacts` of a province are `None` if not opened. `earlier` has the findings from reading the files,
    `complete` the slugs of provinces whose complete list the sheets are.
    """
    rows = list(read_rows)
    errors: list[Finding] = []
    unsure: frozenset[RowPlace] = frozenset()
    checked: dict[str, _CheckedEdit] = {}
    for number in range(_MOST_ROUNDS):
        attempt = _Attempt(baseline, contacts, unsure)
        attempt.work(rows, report_missing=not errors)
        newly_unsure = attempt.rows_matched_by_name() - unsure
        if newly_unsure and number < _MOST_ROUNDS - 2:
            unsure |= newly_unsure
            continue
        attempt.check_edits(checked)
        errors += [f for f in attempt.findings if f.remark.level is FindingLevel.ERROR]
        bad_places = attempt.places_with_errors()
        if number == _MOST_ROUNDS - 2:  # a chain that long is no table of this world: no row of it is taken
            bad_places |= {row.place for row in rows}
        if not any(row.is_valid and row.place in bad_places for row in rows):
            break
        rows = [replace(row, is_valid=row.is_valid and row.place not in bad_places) for row in rows]
    return attempt.proposal([*earlier, *errors], complete)


def provinces_of_contacts(records: Iterable[ReadRow], baseline: Baseline) -> frozenset[str]:
    """Return the provinces with rows of contacts, without opening any."""
    attempt = _Attempt(baseline, {}, frozenset())
    attempt.register(list(records))
    return frozenset(
        attempt.province(facility) for facility, rows in attempt.rows_of(FormKind.CONTACTS).items() if rows
    )


@dataclass
class _Attempt:
    baseline: Baseline
    contacts: ContactsByProvince
    unsure: frozenset[RowPlace]
    findings: list[Finding] = field(default_factory=list)
    drafts: dict[str, FacilityDraft] = field(default_factory=dict)
    edits: dict[str, FacilityEdit] = field(default_factory=dict)
    contact_drafts: dict[str, ContactsDraft] = field(default_factory=dict)
    resign: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unlisted_cameras: list[Question] = field(default_factory=list)
    _registry: FacilityRegistry = field(init=False)
    _rows: dict[FormKind, dict[str, list[ReadRow]]] = field(default_factory=dict)
    _invalid_rows: dict[FormKind, dict[str, list[ReadRow]]] = field(default_factory=dict)
    _bad: set[RowPlace] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._registry = FacilityRegistry(self.baseline, self.unsure)

    def work(self, rows: list[ReadRow], *, report_missing: bool) -> None:
        """Process the valid rows; with `report_missing`, also report what others lack."""
        self.register(rows)
        for facility, listed in self.rows_of(FormKind.FACILITIES).items():
            want_facility(self._draft_of(facility), listed[0])
        for facility, listed in self.rows_of(FormKind.SURVEYS).items():
            self._add_surveys(facility, listed)
        for facility, listed in self.rows_of(FormKind.CAMERAS).items():
            devices = DeviceDraft(self._draft_of(facility))
            devices.want(listed)
            if facility not in self._invalid_rows.get(FormKind.CAMERAS, {}):
                sheet = replace(listed[0].position, row=0, column=0, header="")
                missing = (Question(QuestionKind.CAMERA, sheet, name, facility) for name in devices.unlisted)
                self.unlisted_cameras += missing
        self._take_contacts()
        if report_missing:
            self._report_missing()
        for draft in self.drafts.values():
            self.findings += draft.findings
            self._add_edit(draft)

    def register(self, rows: list[ReadRow]) -> None:
        by_kind = {kind: [row for row in rows if row.kind is kind] for kind in FormKind}
        for row, facility in self._registry.register(by_kind[FormKind.FACILITIES]):
            self._rows.setdefault(FormKind.FACILITIES, {}).setdefault(facility, []).append(row)
        for kind in (FormKind.CONTACTS, FormKind.SURVEYS, FormKind.CAMERAS):
            for row in by_kind[kind]:
                about = self._registry.find(row)
                if about is not None:
                    rows_of = self._rows if row.is_valid else self._invalid_rows
                    rows_of.setdefault(kind, {}).setdefault(about, []).append(row)
        self.findings += self._registry.findings

    def rows_of(self, kind: FormKind) -> dict[str, list[ReadRow]]:
        return self._rows.get(kind, {})

    def province(self, facility: str) -> str:
        existing = self.baseline.inventory.facilities.get(facility)
        return existing.province if existing else self._registry.new[facility]

    def _draft_of(self, facility: str) -> FacilityDraft:
        if facility not in self.drafts:
            existing = self.baseline.inventory.facilities.get(facility)
            self.drafts[facility] = FacilityDraft(facility, existing, self.province(facility))
        return self.drafts[facility]

    def _add_surveys(self, facility: str, listed: list[ReadRow]) -> None:
        draft = self._draft_of(facility)
        want_survey(draft, listed[0])
        for row in listed[1:]:
            key = "facility_id" if row.has_facility_id else "facility_name"
            draft.say(row, error("row-duplicate", row=listed[0].number), key)

    def _report_missing(self) -> None:
        """Report everything that faulty rows lack, without keeping their values."""
        for kind, by_facility in self._invalid_rows.items():
            for facility, listed in by_facility.items():
                site = self.baseline.inventory.facilities.get(facility)
                for row in listed:
                    scratch = FacilityDraft(facility, site, self.province(facility))
                    draft = ContactsDraft(scratch.province, self.contacts.get(scratch.province), self.baseline.today)
                    if kind is FormKind.CONTACTS:
                        draft.take(row, facility, site)
                    elif kind is FormKind.SURVEYS:
                        want_survey(scratch, row)
                    else:
                        DeviceDraft(scratch).want([replace(row, is_valid=True)])
                    of_row = [*scratch.findings, *draft.findings]
                    self.findings += [f for f in of_row if f.remark.code in _LACKING]

    # --- contacts ---------------------------------------------------------------------------------
    def _take_contacts(self) -> None:
        named: dict[str, list[tuple[ReadRow, str]]] = {}
        for facility, listed in self.rows_of(FormKind.CONTACTS).items():
            named.setdefault(self.province(facility), []).extend((row, facility) for row in listed)
        for province, pairs in named.items():
            draft = ContactsDraft(province, self.contacts.get(province), self.baseline.today)
            for row, facility in sorted(pairs, key=lambda pair: pair[0].position):
                draft.take(row, facility, self.baseline.inventory.facilities.get(facility))
            self.contact_drafts[province] = draft
            self.findings += draft.findings
            for facility in sorted(set(representatives_not_named(draft, pairs))):
                first = next(row for row, about in pairs if about == facility)
                self.findings.append(first.finding(note("contact-not-in-sheet", facility=facility), "", facility))
            self._confirm(draft)

    def _confirm(self, contacts: ContactsDraft) -> None:
        """Note when a representative was named; facility files do not name people."""
        if contacts.known is None:
            return
        for facility, row in contacts.confirmed.items():
            draft = self._draft_of(facility)
            if draft.existing is None or draft.existing.contact_confirmed_on is None:
                draft.want(row, ("contact_confirmed_on",), "full_name", self.baseline.today.isoformat())

    # --- files ------------------------------------------------------------------------------------
    def _add_edit(self, draft: FacilityDraft) -> None:
        if not draft.wanted_values:
            return
        first = draft.wanted_values[0].record
        try:
            edit = edit_of(draft, self.baseline.file_of(draft.facility) if draft.existing else None)
        except EditError as failure:
            remark = error("file-cannot-be-edited", facility=draft.facility, cause=failure)
            self.findings.append(first.finding(remark, "", draft.facility))
            self._bad |= {value.record.place for value in draft.wanted_values}
            return
        self.edits[draft.facility] = edit

    def check_edits(self, checked: dict[str, "_CheckedEdit"]) -> None:
        """Check changed files with model and rules, unless `checked` has them."""
        for facility, edit in self.edits.items():
            if not edit.changed:
                continue
            draft = self.drafts[facility]
            known = checked.get(facility)
            if known is None or known[:2] != (edit, draft.lan):
                result = check_edit(edit, self.baseline.inventory, draft.lan, self.baseline.today)
                known = checked[facility] = (edit, draft.lan, result)
            *_, judged = known
            self.findings += judged.findings
            self._bad |= {row.place for row in judged.bad_rows}
            if judged.signed:
                self.resign[facility] = judged.signed
                remark = warning("sign-off-needed", facility=facility, parties=", ".join(judged.signed))
                rows = self.rows_of(FormKind.CAMERAS).get(facility, [draft.wanted_values[0].record])
                self.findings.append(rows[0].finding(remark, "", facility))

    def places_with_errors(self) -> set[RowPlace]:
        with_errors = {
            (f.position.file, f.position.number, f.position.row)
            for f in self.findings
            if f.remark.level is FindingLevel.ERROR and f.position.row
        }
        return with_errors | self._bad

    # --- questions --------------------------------------------------------------------------------
    def rows_matched_by_name(self) -> frozenset[RowPlace]:
        """Return rows without a site's id whose change a person confirms."""
        bare = self._registry.bare.items()
        return frozenset(row.place for facility, row in bare if self._is_changed_by_name(facility))

    def _is_changed_by_name(self, facility: str) -> bool:
        if any(facility in draft.changed_by_name for draft in self.contact_drafts.values()):
            return True
        if facility not in self.edits or not self.edits[facility].changed:
            return False
        draft = self.drafts[facility]
        named = [value for value in draft.wanted_values if not value.record.has_facility_id]
        by_name = replace(draft, wanted_values=named)
        return bool(named) and edit_of(by_name, self.baseline.file_of(facility)).changed

    def _first_positions(self) -> dict[str, CellPosition]:
        lists: dict[str, CellPosition] = {}
        for facility, rows in self.rows_of(FormKind.FACILITIES).items():
            province = self.baseline.sites.provinces.get(facility) or self._registry.new[facility]
            lists[province] = min(rows[0].position, lists.get(province, rows[0].position))
        return lists

    def proposal(self, earlier: Iterable[Finding], complete: Collection[str]) -> Proposal:
        registry = self._registry
        unlisted = unlisted_sites(self.baseline.sites, registry.listed, self._first_positions(), complete)
        questions = (
            *sorted(registry.questions, key=lambda question: question.position),
            *unlisted,
            *self.unlisted_cameras,
        )
        provinces = {facility: self.province(facility) for facility in self.edits}
        return Proposal(
            in_order([*earlier, *self.findings]), self.edits, provinces, self.contact_drafts, self.resign, questions
        )


@dataclass(frozen=True)
class RuleCheck:
    """The result of the rules for an edit."""

    findings: tuple[Finding, ...]  #: New problems, at their cells.
    bad_rows: tuple[ReadRow, ...]  #: The rows that cause errors.
    signed: tuple[str, ...] = ()  #: The parties whose sign-offs become invalid.


_CheckedEdit = tuple[FacilityEdit, str | None, RuleCheck]  #: With the LAN that it was checked with.


class _CellPositions:
    """Positions of a facility's values that lead to the table's cells.

    A position's line is no line of a file, but the number of a wanted value in `numbered`, from 1.
    """

    def __init__(self, edit: FacilityEdit) -> None:
        self.display_path = edit.facility
        self.numbered: list[WantedValue] = []
        self._edit = edit
        self.document: object = parse(edit.after).value
        self._around: dict[FieldPath, WantedValue] = {}
        for path, value in edit.origins.items():
            for length in range(1, len(path)):
                self._around.setdefault(path[:length], value)

    def at(self, path: KeyPath, *, key: bool = False) -> Position:  # noqa: ARG002 (the protocol's)
        """Return a position with the cell's number as line, or 0."""
        origin = self.find(path)
        if origin is None:
            return Position(self.display_path, 0, 0)
        self.numbered.append(origin)
        return Position(self.display_path, len(self.numbered), 0)

    def find(self, path: KeyPath) -> WantedValue | None:
        """Return the wanted value at a path, within it, or beside it."""
        origins, parts = self._edit.origins, self._field_path(path)
        for length in range(len(parts), 0, -1):
            if nearest := origins.get(parts[:length]) or self._around.get(parts[:length]):
                return nearest
        return next(iter(origins.values()), None)

    def _field_path(self, path: KeyPath) -> FieldPath:
        parts: list[str] = []
        node = self.document
        for part in path:
            if isinstance(part, int):
                node = node[part] if isinstance(node, list) and part < len(node) else None
                parts.append(str(node.get("id")) if isinstance(node, dict) else str(part))
            else:
                node = node.get(part) if isinstance(node, dict) else None
                parts.append(part)
        return tuple(parts)


def check_edit(edit: FacilityEdit, inventory: Inventory, lan: str | None, today: date) -> RuleCheck:
    """Check an edited facility (without gateway, its `lan`) with model and rules."""
    positions = _CellPositions(edit)
    try:
        new: Facility = validated(Facility, positions.document)
    except ValidationError as refusal:
        return _refused_values(edit, positions, refusal)
    old = inventory.facilities.get(edit.facility)
    before = (
        {(p.code, p.message) for p in _problems_of_facility(inventory, old, None, Places({}), today)} if old else set()
    )
    places = Places({f"facility/{edit.facility}": positions})
    problems = [
        p for p in _problems_of_facility(inventory, new, lan, places, today) if (p.code, p.message) not in before
    ]
    findings = [_finding(problem, positions) for problem in problems]
    bad = [positions.numbered[p.line - 1].record for p in problems if p.severity is Severity.ERROR and p.line]
    return RuleCheck(tuple(findings), tuple(bad), _parties_to_sign_again(old, new))


def _problems_of_facility(
    inventory: Inventory, facility: Facility, lan: str | None, places: Places, today: date
) -> Iterable[Problem]:
    if lan and facility.gateway is None:
        gateway = Gateway(lan=IPv4Network(lan), lan_interface="lan")
        facility = facility.model_copy(update={"gateway": gateway})
    alone = inventory.model_copy(update={"facilities": {facility.id: facility}, "allocations": Allocations()})
    for problem in rules.check(alone, places, today):
        if problem.object == f"facility/{facility.id}" and problem.code not in UNFINISHED:
            yield problem


def _finding(problem: Problem, positions: _CellPositions) -> Finding:
    level = FindingLevel.ERROR if problem.severity is Severity.ERROR else FindingLevel.WARNING
    fills = (("message", problem.message.partition(": ")[2]), ("hint", problem.hint))
    return _finding_at(
        positions.numbered[problem.line - 1] if problem.line else positions.find(()), Remark(problem.code, level, fills)
    )


def _finding_at(origin: WantedValue | None, remark: Remark) -> Finding:
    if origin is None:
        raise LookupError(remark.code)  # never: an edit without wanted values changes nothing and is not judged
    return origin.record.finding(remark, origin.key, dict(remark.fills).get("facility", ""))


def _refused_values(edit: FacilityEdit, positions: _CellPositions, refusal: ValidationError) -> RuleCheck:
    """Return findings of values that the model, but no reader, refuses."""
    findings, rows = [], []
    for detail in refusal.errors(include_url=False, include_input=False):
        origin = positions.find(tuple(part for part in detail["loc"] if part != "[key]"))
        if origin is not None:
            where = ".".join(map(str, detail["loc"]))
            fills = (("where", where), ("facility", edit.facility))
            findings.append(_finding_at(origin, Remark("value-refused", FindingLevel.ERROR, fills)))
            rows.append(origin.record)
    return RuleCheck(tuple(findings), tuple(rows))


def _parties_to_sign_again(old: Facility | None, new: Facility) -> tuple[str, ...]:
    parties: Mapping[str, None] = {}
    for before, after in ((old.plan, new.plan), (old.successor, new.successor)) if old else ():
        if old and before and after and signed_content(old, before) != signed_content(new, after):
            parties = {**parties, **dict.fromkeys(s.by.value for s in before.sign_offs)}
    return tuple(parties)
