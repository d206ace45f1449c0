"""Which facility a row is about, and the ids of new ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from provisioner.base.vietnamese import fold
from provisioner.geography import Province, ProvinceError
from provisioner.importing.cells.findings import Finding, Remark, error, note, warning
from provisioner.importing.proposal.provinces import province_of
from provisioner.importing.tables.records import Record
from provisioner.inventory.model import Facility, Inventory

_DIGITS = 3
_REQUIRED = ("province", "name", "kind", "managing_body", "operating")


@dataclass
class FacilityRegistry:
    """The facilities of the inventory and of the sheets.

    Attributes:
        inventory: what there is already.
        broken: ids of facilities whose files cannot be understood.
        default: the province of rows that name none.
        new: the provinces of new facilities, by id.
        findings: what is wrong in the rows.
    """

    inventory: Inventory
    broken: frozenset[str]
    default: Province | None
    new: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    _names: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    _names_of: dict[str, set[str]] = field(default_factory=dict)
    _unsound: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for facility in self.inventory.facilities.values():
            self._name(facility.name, self._today(facility), facility.id)

    def _today(self, facility: Facility) -> str:
        try:
            return self.inventory.province_today(facility).slug
        except ProvinceError:
            return facility.province

    def _name(self, name: str, province: str, facility: str) -> None:
        self._names.setdefault(fold(name), set()).add((province, facility))
        self._names_of.setdefault(facility, set()).add(fold(name))

    # --- rows of the sheet of facilities ----------------------------------------------------------

    def register(self, records: Iterable[Record]) -> Iterator[tuple[Record, str]]:
        """Each sound row with its facility's id; ids that rows have count before new ones are proposed."""
        first_rows: dict[str, Record] = {}
        known: list[tuple[Record, str]] = []
        nameless: list[tuple[Record, str]] = []
        for record in records:
            province = self._province(record)
            facility_id = self._identify(record, province) if province is not None else None
            if facility_id is None:
                self._spoil(record)
            elif facility_id:
                known.append((record, facility_id))
                if facility_id not in self.inventory.facilities and facility_id not in self.new:
                    self._add(record, facility_id, province or "")
            else:
                nameless.append((record, province or ""))
        known += [(record, self._propose(record, province)) for record, province in nameless]
        for record, facility in sorted(known, key=lambda pair: pair[0].position):
            first = first_rows.setdefault(facility, record)
            if first is not record:
                self._say(record, error("row-duplicate", row=first.number), "facility_id", facility)
            elif record.sound:
                yield record, facility

    def _identify(self, record: Record, province: str) -> str | None:
        """A row's id; an empty one for a new facility without an id, None where the row cannot be taken."""
        facility_id = record.text("facility_id")
        if facility_id is None:
            return self._by_own_name(record, province)
        if f"facility/{facility_id}" in self.broken:
            self._say(record, error("facility-unreadable", facility=facility_id), "facility_id", facility_id)
            return None
        existing = self.inventory.facilities.get(facility_id)
        if existing is not None:
            if province not in ("", existing.province, self._today(existing)):
                remark = error("facility-province", facility=facility_id, province=existing.province)
                self._say(record, remark, "province", facility_id)
                return None
            return facility_id
        if any(facility_id in stone.object.split("/") for stone in self.inventory.allocations.tombstones):
            self._say(record, error("id-retired", facility=facility_id), "facility_id", facility_id)
            return None
        return facility_id if self._is_complete(record, province, facility_id) else None

    def _by_own_name(self, record: Record, province: str) -> str | None:
        name = record.text("name")
        if name is None:
            self._missing(record, "name")
            return None
        same = sorted(facility for where, facility in self._names.get(fold(name), ()) if where == province)
        if len(same) > 1:
            self._say(record, error("facility-ambiguous", facilities=", ".join(same)), "name")
            return None
        if same:
            self._say(record, note("facility-matched", facility=same[0]), "facility_id", same[0])
            return same[0]
        return "" if self._is_complete(record, province, "") else None

    def _is_complete(self, record: Record, province: str, facility: str) -> bool:
        """Tell whether a row has what a new facility needs."""
        missing = [key for key in _REQUIRED if record.get(key) is None and not (key == "province" and province)]
        for key in missing:
            self._missing(record, key, facility)
        return record.sound and not missing

    def _add(self, record: Record, facility: str, province: str) -> None:
        name = record.required_text("name")
        same = sorted(other for where, other in self._names.get(fold(name), ()) if where == province)
        if same:
            self._say(record, warning("facility-name-known", facility=same[0]), "name", facility)
        self.new[facility] = province
        self._name(name, province, facility)

    def _propose(self, record: Record, province: str) -> str:
        """A new facility its id: kcl, the first letters of the province's slug, the next free number."""
        name = record.required_text("name")
        twin = sorted(f for where, f in self._names.get(fold(name), ()) if where == province)
        if twin:  # the same name stood further up: the duplicate is a finding where rows are compared
            return twin[0]
        prefix = "kcl-" + "".join(word[0] for word in province.split("-"))
        facility = next_free(prefix, _DIGITS, self._ids())
        self.new[facility] = province
        self._name(name, province, facility)
        self._say(record, note("id-proposed", facility=facility), "facility_id", facility)
        return facility

    def _ids(self) -> Iterator[str]:
        yield from self.inventory.facilities
        yield from self.new
        yield from (owner.removeprefix("facility/") for owner in self.broken)
        for stone in self.inventory.allocations.tombstones:
            yield from stone.object.split("/")

    def _province(self, record: Record) -> str | None:
        """The slug of a row's province; an empty one where none is needed, None where it is not known."""
        slug, remark = province_of(record, self.inventory)
        if remark is not None:
            self._say(record, remark, "province" if record.get("province") else "province_code")
            return None
        if slug is None and self.default is not None:
            return self.default.slug
        if slug is None and record.get("facility_id") is None:
            self._missing(record, "province")
            return None
        return slug or ""

    def _missing(self, record: Record, key: str, facility: str = "") -> None:
        """Say that a new facility lacks something; once for the table where it has no such column."""
        if key in record.filled:
            return
        column = record.table.form.by_key[key].header
        if key in record.table.places:
            self._say(record, error("required-missing", column=column), key, facility)
        else:
            self.findings.append(
                Finding(record.table.at(record.table.header_row), error("column-missing", column=column))
            )

    def _spoil(self, record: Record) -> None:
        """Remember a row that cannot be taken, for the rows of other sheets that are about the same facility."""
        self._unsound |= {fold(str(record.get(key))) for key in ("facility_id", "name") if record.get(key)}

    # --- rows of the other sheets -----------------------------------------------------------------

    def find(self, record: Record) -> str | None:
        """The facility that a row of another sheet is about; None, with a finding, where it does not say."""
        facility_id, name = record.text("facility_id"), record.text("facility_name")
        if facility_id is None and name is None:
            if not {"facility_id", "facility_name"} & record.filled:
                key = "facility_id" if "facility_id" in record.table.places else "facility_name"
                self._say(record, error("facility-missing"), key)
            return None
        if facility_id is not None:
            facility = self._by_id(record, facility_id)
        else:
            facility = self._by_name(record, record.required_text("facility_name"))
        if facility and name and facility_id and fold(name) not in self._names_of[facility]:
            self._say(record, warning("facility-name-differs", facility=facility), "facility_name", facility)
        return facility

    def _by_id(self, record: Record, facility_id: str) -> str | None:
        if facility_id in self.inventory.facilities or facility_id in self.new:
            return facility_id
        if f"facility/{facility_id}" in self.broken:
            remark = error("facility-unreadable", facility=facility_id)
        else:
            remark = error("facility-row-bad" if fold(facility_id) in self._unsound else "facility-unknown")
        self._say(record, remark, "facility_id")
        return None

    def _by_name(self, record: Record, name: str) -> str | None:
        places = self._names.get(fold(name), set())
        province, remark = province_of(record, self.inventory)
        if remark is not None:
            self._say(record, remark, "province")
            return None
        province = province or (self.default.slug if self.default else None)
        fitting = sorted(facility for where, facility in places if province in (None, where))
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            remark = error("facility-ambiguous", facilities=", ".join(fitting))
        else:
            remark = error("facility-row-bad" if fold(name) in self._unsound else "facility-unknown")
        self._say(record, remark, "facility_name")
        return None

    def _say(self, record: Record, remark: Remark, key: str, facility: str = "") -> None:
        self.findings.append(record.finding(remark, key, facility))


def next_free(prefix: str, digits: int, used: Iterable[str]) -> str:
    """`prefix-NNN` with the number after the highest one in use: a gap may be an id that was retired."""
    pattern = re.compile(rf"{re.escape(prefix)}-([0-9]{{1,9}})")
    numbers = [int(match[1]) for name in used if (match := pattern.fullmatch(name))]
    return f"{prefix}-{max(numbers, default=0) + 1:0{digits}}"
