"""The inventory's rules over the edits; problems refer to the causing cell."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Network

from pydantic import ValidationError

from provisioner.base.errors import Problem, Severity
from provisioner.importing.grid import Finding, FindingLevel, Remark
from provisioner.importing.proposal.edits import FacilityEdit, FieldPath, WantedValue
from provisioner.importing.tables.files import ReadRow
from provisioner.inventory import rules
from provisioner.inventory.files.positions import KeyPath, Places, Position
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.loader.site import validated
from provisioner.inventory.model.connection import Gateway
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.hosts import Allocations
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.rules import UNFINISHED
from provisioner.inventory.signed import signed_content


@dataclass(frozen=True)
class RuleCheck:
    """The result of the rules for an edit."""

    facility: Facility | None  #: The edited facility; `None` if the model refuses it.
    findings: tuple[Finding, ...]  #: New problems, at their cells.
    bad_rows: tuple[ReadRow, ...]  #: The rows that cause errors.
    signed: tuple[str, ...] = ()  #: The parties whose sign-offs become invalid.


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
    return RuleCheck(new, tuple(findings), tuple(bad), _parties_to_sign_again(old, new))


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
    return RuleCheck(None, tuple(findings), tuple(rows))


def _parties_to_sign_again(old: Facility | None, new: Facility) -> tuple[str, ...]:
    parties: Mapping[str, None] = {}
    for before, after in ((old.plan, new.plan), (old.successor, new.successor)) if old else ():
        if old and before and after and signed_content(old, before) != signed_content(new, after):
            parties = {**parties, **dict.fromkeys(s.by.value for s in before.sign_offs)}
    return tuple(parties)
