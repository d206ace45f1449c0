"""What rows want a facility's file to say, value by value, before it is held against what the file says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from provisioner.importing.cells.findings import Finding, Level, Remark, error
from provisioner.importing.tables.records import Record
from provisioner.inventory.model import Facility

Way = tuple[str, ...]
"""The way to a value in a facility's file; cameras and recorders are named by their ids, not by places in a list."""


@dataclass(frozen=True)
class WantedValue:
    """A value that a cell asks for.

    Attributes:
        way: where it goes.
        value: as the file has it.
        record: the row that asks for it.
        key: the column.
    """

    way: Way
    value: Any = field(repr=False)
    record: Record
    key: str


@dataclass
class Draft:
    """The wishes for one facility.

    Attributes:
        facility: its id.
        existing: what the inventory says of it; None for a new one.
        province: the slug of a new one's province.
        wanted: the wishes, later ones count.
        whole: ways of mappings that are written anew as a whole, because keys have to go.
        lan: a LAN that has no gateway to be written to; addresses are held against it.
        findings: what was found on the way.
    """

    facility: str
    existing: Facility | None
    province: str
    wanted: list[WantedValue] = field(default_factory=list)
    whole: set[Way] = field(default_factory=set)
    lan: str | None = None
    findings: list[Finding] = field(default_factory=list)

    def say(self, record: Record, remark: Remark, key: str = "") -> None:
        """Note a finding in a row's cell."""
        self.findings.append(record.finding(remark, key, self.facility))

    def want(self, record: Record, way: Way, key: str, value: Any = None) -> None:
        """Wish for the value of a column, or for one that follows from it; nothing where the cell is empty."""
        found = record.get(key) if value is None else value
        if found is not None:
            self.wanted.append(WantedValue(way, found, record, key))

    def require(self, record: Record, *keys: str) -> bool:
        """Tell whether a row has values in some columns; each one that is empty is a finding."""
        missing = [key for key in keys if record.get(key) is None]
        for key in missing:
            if key in record.filled:
                continue  # what stands there was not understood, and that is told already
            header = record.table.form.by_key[key].header
            if record.column(key) in record.table.places:
                self.say(record, error("required-missing", column=header), key)
            else:
                spot = record.table.at(record.table.header_row)
                self.findings.append(Finding(spot, error("column-missing", column=header)))
                # The row itself is kept out as well.
                self.say(record, error("required-missing", column=header))
        return not missing

    def spoiled(self) -> Iterator[tuple[str, int, int]]:
        """The rows that have an error: file, sheet, row."""
        for finding in self.findings:
            if finding.remark.level is Level.ERROR:
                yield finding.spot.file, finding.spot.number, finding.spot.row
