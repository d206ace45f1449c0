"""What rows want a facility's file to say, value by value, before it is held against what the file says."""

from __future__ import annotations

from dataclasses import dataclass, field

from provisioner.importing.cells.findings import Finding, Remark, error
from provisioner.importing.tables.records import Record
from provisioner.inventory.model import Facility

FieldPath = tuple[str, ...]
"""The keys that lead to a value in a facility's file; other than a `KeyPath` it names cameras and recorders by ids."""


@dataclass(frozen=True)
class WantedValue:
    """A value that a cell asks for.

    Attributes:
        path: where it goes.
        value: as the file has it.
        record: the row that asks for it.
        key: the column.
    """

    path: FieldPath
    value: object = field(repr=False)
    record: Record
    key: str


@dataclass
class FacilityDraft:
    """What rows want one facility's file to say.

    Attributes:
        facility: its id.
        existing: what the inventory says of it; None for a new one.
        province: the slug of a new one's province.
        wanted_values: later ones count.
        rewritten: paths of mappings that are written anew as a whole, because keys have to go.
        lan: a LAN that has no gateway to be written to; addresses are held against it.
        findings: what is wrong in the rows.
    """

    facility: str
    existing: Facility | None
    province: str
    wanted_values: list[WantedValue] = field(default_factory=list)
    rewritten: set[FieldPath] = field(default_factory=set)
    lan: str | None = None
    findings: list[Finding] = field(default_factory=list)

    def say(self, record: Record, remark: Remark, key: str = "") -> None:
        """Note a finding in a row's cell."""
        self.findings.append(record.finding(remark, key, self.facility))

    def want(self, record: Record, path: FieldPath, key: str, value: object = None) -> None:
        """Want the value of a column, or one that follows from it; nothing where the cell is empty."""
        if value is None:
            value = record.get(key)
        if value is not None:
            self.wanted_values.append(WantedValue(path, value, record, key))

    def require(self, record: Record, *keys: str) -> bool:
        """Tell whether a row has values in some columns; each one that is empty is a finding."""
        missing = [key for key in keys if record.get(key) is None]
        for key in missing:
            if key in record.filled:
                continue  # what stands there was not understood, and a finding says so already
            header = record.table.form.by_key[key].header
            if record.column(key) in record.table.places:
                self.say(record, error("required-missing", column=header), key)
            else:
                position = record.table.at(record.table.header_row)
                self.findings.append(Finding(position, error("column-missing", column=header)))
                # The row itself is kept out as well.
                self.say(record, error("required-missing", column=header))
        return not missing
