"""The headers of a sheet's tables: rows in which at least three cells are known headers of one of the four sheets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from provisioner.base.vietnamese import possible_readings
from provisioner.importing.cells.grid import Cell
from provisioner.importing.cells.limits import HEADER_ROWS
from provisioner.importing.forms.all_forms import FORMS, WITHOUT_MEANING
from provisioner.importing.forms.choices import word_key
from provisioner.importing.forms.columns import Column, Form
from provisioner.importing.tables.filled_grid import FilledGrid

LEAST_HEADERS = 3
_LONGEST_HEADER = 120
_FIRST_CELLS = 4
"""A header is recognised by its first cells: no table begins with many columns that nobody knows."""

_BEGINNINGS = frozenset({"number", "facility_id", "facility_name", "name", "full_name", "camera_id"})


@dataclass(frozen=True)
class Header:
    """The header of one table.

    Attributes:
        form: the sheet that it is of.
        first_row: its first row; a header may have two levels, and the template's hidden keys above it.
        last_row: its last row.
        columns: the known columns by their place.
        texts: what stands there, in known columns and others.
    """

    form: Form
    first_row: int
    last_row: int
    columns: Mapping[int, Column]
    texts: Mapping[int, Cell]


def find_headers(filled: FilledGrid) -> tuple[Header, ...]:
    """The headers of a sheet from top to bottom, those beside each other from left to right."""
    headers: list[Header] = []
    block: list[int] = []
    for row in filled.numbers:
        if block and row == block[-1] + 1 and _is_header(filled, row):
            block.append(row)
            continue
        if block:
            headers += _tables(filled, block)
            block = []
        if (headers or row <= HEADER_ROWS) and _is_header(filled, row, mostly=bool(headers)):
            block = [row]
    return tuple(headers + (_tables(filled, block) if block else []))


def encoding_of_header(filled: FilledGrid) -> str | None:
    """Name the legacy encoding in which the first rows would hold a header; None where there is none."""
    for row in filled.numbers:
        if row > HEADER_ROWS:
            break
        by_encoding: dict[str, set[str]] = {}
        for cell in filled.grid.rows[row].values():
            for reading in possible_readings(cell.text[:_LONGEST_HEADER]):
                keys = {column.key for form in FORMS if (column := form.find(reading.reading))}
                by_encoding.setdefault(str(reading.encoding), set()).update(keys)
        best = max(by_encoding, key=lambda name: len(by_encoding[name]), default=None)
        if best and len(by_encoding[best]) >= LEAST_HEADERS:
            return best
    return None


@lru_cache(maxsize=8192)
def _columns(text: str) -> tuple[Column | None, ...]:
    """The column that a text is the header of, in each of the forms."""
    return tuple(form.find(text) for form in FORMS)


def _texts(filled: FilledGrid, row: int) -> Iterator[Cell]:
    """The cells of a row that may be headers; one that is merged over two rows stands in both."""
    last = max(filled.grid.rows[row])
    for column in range(1, last + 1):
        cell = filled.cell(row, column)
        if isinstance(cell.value, str) and 0 < len(cell.value.strip()) <= _LONGEST_HEADER:
            yield cell


def _is_header(filled: FilledGrid, row: int, *, mostly: bool = False) -> bool:
    """Tell whether a row is a header; below a table most of its texts have to be headers: words in data may be, too."""
    if not any(any(_columns(cell.text)) for cell in islice(_texts(filled, row), _FIRST_CELLS)):
        return False
    matches = [_columns(cell.text) for cell in _texts(filled, row)]
    least = max(LEAST_HEADERS, (len(matches) + 1) // 2 if mostly else 0)
    return any(_count(matches, number) >= least for number in range(len(FORMS)))


def _count(matches: list[tuple[Column | None, ...]], number: int) -> int:
    return len({column.key for columns in matches if (column := columns[number])})


def _tables(filled: FilledGrid, block: list[int]) -> list[Header]:
    """The tables whose header is a block of rows; where columns repeat, a second table begins beside the first."""
    texts: dict[int, list[Cell]] = {}
    for row in block:
        for cell in _texts(filled, row):
            texts.setdefault(cell.column, []).append(cell)
    return _side_by_side(filled, block, texts)


def _side_by_side(filled: FilledGrid, block: list[int], texts: Mapping[int, list[Cell]]) -> list[Header]:
    header = _header(filled, block, texts)
    if header is None:
        return []
    for start in _repetitions(header):
        left = _header(filled, block, {column: cells for column, cells in texts.items() if column < start})
        right = _side_by_side(filled, block, {column: cells for column, cells in texts.items() if column >= start})
        if left and right:
            return [left, *right]
    return [header]


def _repetitions(header: Header) -> Iterator[int]:
    """The columns at which a key with which tables begin comes again."""
    keys: set[str] = set()
    for place, column in sorted(header.columns.items()):
        if column.key in keys and column.key in _BEGINNINGS:
            yield place
        keys.add(column.key)


def _header(filled: FilledGrid, block: list[int], texts: Mapping[int, list[Cell]]) -> Header | None:
    form = _form(filled, texts)
    if form is None:
        return None
    columns = {place: column for place, cells in texts.items() if (column := _column(form, cells))}
    lowest = {place: cells[-1] for place, cells in texts.items()}
    return Header(form, block[0], block[-1], columns, lowest)


def _column(form: Form, cells: list[Cell]) -> Column | None:
    """The column of a header of several rows: a key for programs counts most, then the lowest row."""
    number = FORMS.index(form)
    candidates = [column for cell in reversed(cells) if (column := _columns(cell.text)[number])]
    exact = (column for column in candidates if any(cell.text.strip() == column.key for cell in cells))
    return next(exact, candidates[0] if candidates else None)


def _form(filled: FilledGrid, texts: Mapping[int, list[Cell]]) -> Form | None:
    """The sheet that a header is of: the one that the sheet's name says, else the one with most columns."""
    keys = {form.kind: {c.key for cells in texts.values() if (c := _column(form, cells))} for form in FORMS}
    fitting = [form for form in FORMS if len(keys[form.kind]) >= LEAST_HEADERS and keys[form.kind] - WITHOUT_MEANING]
    title = word_key(filled.grid.name)
    named = [form for form in fitting if title in form.title_keys]
    return max(named or fitting, key=lambda f: len(keys[f.kind] - WITHOUT_MEANING), default=None)
