"""From a server's objects to rows: each object is a row, its cells where the mapping says. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from provisioner.base.json_document import Document
from provisioner.importing.cells.findings import CellPosition
from provisioner.importing.cells.grid import Cell, CellState
from provisioner.importing.dcim.field_places import FieldPlace, ObjectMapping, form_of
from provisioner.importing.forms.columns import FormKind
from provisioner.importing.tables.table import Table, TableRow

_ADDRESSES: Final = frozenset({"address"})
_HUGE: Final = 2**53
_CONTROL: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class DcimObject:
    """One object of a server.

    Attributes:
        place: its list and id, e.g. `dcim/sites/17`.
        fields: what the server says of it; hostile until it is read.
    """

    place: str
    fields: Document = field(repr=False)


@dataclass(frozen=True)
class ObjectTable(Table):
    """A list of objects as a table: each row is named by its object.

    Attributes:
        objects: the places of the objects, a row each.
    """

    objects: tuple[str, ...] = ()

    def at(self, row: int, key: str = "") -> CellPosition:
        """The field of an object; the object where the mapping has no such column."""
        position = super().at(row, key)
        return replace(position, sheet=self.objects[row - 1]) if 0 < row <= len(self.objects) else position


def table_of(
    position: CellPosition, kind: FormKind, chosen: ObjectMapping, objects: Sequence[DcimObject]
) -> ObjectTable:
    """The rows of objects, numbered from 1.

    Args:
        position: what findings call the list.
        kind: what the objects are to us.
        chosen: where values stand.
        objects: the server's.
    """
    places = chosen.places
    columns = {key: number for number, key in enumerate(places, start=1)}
    rows = []
    for row, one in enumerate(objects, start=1):
        cells = {key: _cell(one, place, key, Cell(row, columns[key])) for key, place in places.items()}
        rows.append(TableRow(row, {key: cell for key, cell in cells.items() if not cell.is_empty}))
    return ObjectTable(position, form_of(kind), 0, columns, tuple(rows), tuple(one.place for one in objects))


def _cell(one: DcimObject, place: FieldPlace, key: str, empty: Cell) -> Cell:
    value: object = place.value if place.path is None else value_at(one.fields, place.path)
    if isinstance(value, str):
        value = place.values.get(value, value)
        if key in _ADDRESSES:
            value = value.partition("/")[0]  # an address there has its network's length
    if value is not None and not _is_plain(value):
        return replace(empty, state=CellState.BROKEN)
    return replace(empty, value=value)


def _is_plain(value: object) -> bool:
    """Whether a value is one that a cell may hold: a text that somebody typed, or a number of sensible size."""
    if isinstance(value, str):
        return _CONTROL.search(value) is None
    return isinstance(value, int | float) and abs(value) < _HUGE  # what is no number is not less


def value_at(fields: object, path: str) -> object:
    """What stands at a path of an object; None where there is nothing."""
    for part in path.split("."):
        if not isinstance(fields, dict):
            return None
        fields = fields.get(part)
    return fields
