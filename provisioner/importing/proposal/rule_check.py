"""The inventory's own rules over what the sheets ask for; each problem is brought back to the cell that caused it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Network

from pydantic import ValidationError

from provisioner.base.diagnostics import Problem, Severity
from provisioner.importing.cells.findings import Finding, Level, Remark
from provisioner.importing.proposal.draft import WantedValue, Way
from provisioner.importing.proposal.edits import Edit
from provisioner.importing.tables.records import Record
from provisioner.inventory import rules
from provisioner.inventory.files.positions import KeyPath, Places, Position
from provisioner.inventory.files.strict_yaml import parse
from provisioner.inventory.loader.file_content import validated
from provisioner.inventory.model import Allocations, Facility, Gateway, Inventory
from provisioner.inventory.rules import ALLOCATION_MISSING, GATEWAY_KEY_MISSING, HOST_KEYS_MISSING
from provisioner.inventory.signed import signed_content

_NOT_OF_A_SHEET = frozenset(
    {ALLOCATION_MISSING, GATEWAY_KEY_MISSING, HOST_KEYS_MISSING, "sign-off-stale", "sign-off-missing"}
)
"""What other commands are there for, and what the report says in its own words."""


@dataclass(frozen=True)
class Judged:
    """What the rules say of an edit.

    Attributes:
        facility: the facility as it will be; None where the model refuses it.
        findings: problems that the edit brings, at their cells.
        spoiled: the rows that cause errors.
        signed: the parties whose sign-offs hold no longer.
    """

    facility: Facility | None
    findings: tuple[Finding, ...]
    spoiled: tuple[Record, ...]
    signed: tuple[str, ...] = ()


class _Origins:
    """A facility's file whose places are those of the cells that ask for its values."""

    def __init__(self, edit: Edit) -> None:
        self.shown = edit.facility
        self.wanted: list[WantedValue] = []
        self._edit = edit
        self._document = parse(edit.after).value

    def at(self, path: KeyPath, *, key: bool = False) -> Position:  # noqa: ARG002 (the protocol's)
        """A place whose line is the number of a wish; 0 where no cell asks for anything near it."""
        found = self.find(path)
        if found is None:
            return Position(self.shown, 0, 0)
        self.wanted.append(found)
        return Position(self.shown, len(self.wanted), 0)

    def find(self, path: KeyPath) -> WantedValue | None:
        """The wish for a value, for something in it, or for something beside it."""
        way = self._way(path)
        for length in range(len(way), 0, -1):
            exact = self._edit.origins.get(way[:length])
            inner = (wanted for known, wanted in self._edit.origins.items() if known[:length] == way[:length])
            if found := exact or next(inner, None):
                return found
        return next(iter(self._edit.origins.values()), None)

    def _way(self, path: KeyPath) -> Way:
        way: list[str] = []
        here = self._document
        for part in path:
            if isinstance(part, int):
                here = here[part] if isinstance(here, list) and part < len(here) else None
                way.append(str(here.get("id")) if isinstance(here, dict) else str(part))
            else:
                here = here.get(part) if isinstance(here, dict) else None
                way.append(part)
        return tuple(way)


def check_edit(edit: Edit, inventory: Inventory, lan: str | None, today: date) -> Judged:
    """Hold a facility as it will be against the model and the rules.

    Args:
        edit: the edit.
        inventory: what there is now.
        lan: its LAN, where it has no gateway that says so.
        today: the day in Vietnam.
    """
    origins = _Origins(edit)
    try:
        new: Facility = validated(Facility, parse(edit.after).value)
    except ValidationError as refusal:
        return _refused(edit, origins, refusal)
    old = inventory.facilities.get(edit.facility)
    before = {(p.code, p.message) for p in _problems(inventory, old, None, Places({}), today)} if old else set()
    places = Places({f"facility/{edit.facility}": origins})
    found = [p for p in _problems(inventory, new, lan, places, today) if (p.code, p.message) not in before]
    findings = [_finding(problem, origins) for problem in found]
    bad = [origins.wanted[p.line - 1].record for p in found if p.severity is Severity.ERROR and p.line]
    return Judged(new, tuple(findings), tuple(bad), _signed(old, new))


def _problems(
    inventory: Inventory, facility: Facility, lan: str | None, places: Places, today: date
) -> Iterable[Problem]:
    if lan and facility.gateway is None:
        gateway = Gateway(lan=IPv4Network(lan), lan_interface="lan")
        facility = facility.model_copy(update={"gateway": gateway})
    alone = inventory.model_copy(update={"facilities": {facility.id: facility}, "allocations": Allocations()})
    for problem in rules.check(alone, places, today):
        if problem.object == f"facility/{facility.id}" and problem.code not in _NOT_OF_A_SHEET:
            yield problem


def _finding(problem: Problem, origins: _Origins) -> Finding:
    level = Level.ERROR if problem.severity is Severity.ERROR else Level.WARNING
    fills = (("message", problem.message.partition(": ")[2]), ("hint", problem.hint))
    return _at(
        origins.wanted[problem.line - 1] if problem.line else origins.find(()), Remark(problem.code, level, fills)
    )


def _at(wanted: WantedValue | None, remark: Remark) -> Finding:
    if wanted is None:
        raise LookupError(remark.code)  # never: an edit without wishes changes nothing and is not judged
    facility = dict(remark.fills).get("facility", "")
    return wanted.record.finding(remark, wanted.key, facility)


def _refused(edit: Edit, origins: _Origins, refusal: ValidationError) -> Judged:
    """Say that the model takes a value not; the readers of cells should have seen that."""
    findings, records = [], []
    for detail in refusal.errors(include_url=False, include_input=False):
        wanted = origins.find(tuple(part for part in detail["loc"] if part != "[key]"))
        if wanted is not None:
            where = ".".join(map(str, detail["loc"]))
            fills = (("where", where), ("facility", edit.facility))
            findings.append(_at(wanted, Remark("value-refused", Level.ERROR, fills)))
            records.append(wanted.record)
    return Judged(None, tuple(findings), tuple(records))


def _signed(old: Facility | None, new: Facility) -> tuple[str, ...]:
    """Who signed what the edit changes."""
    parties: Mapping[str, None] = {}
    for before, after in ((old.plan, new.plan), (old.successor, new.successor)) if old else ():
        if old and before and after and signed_content(old, before) != signed_content(new, after):
            parties = {**parties, **dict.fromkeys(s.by.value for s in before.sign_offs)}
    return tuple(parties)
