"""From a grid to the tables of its sheet: merged and repeated cells are filled in, what is no data is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from provisioner.base.vietnamese import clean
from provisioner.importing.cells.findings import CellPosition, Finding, Remark, error, note, warning
from provisioner.importing.cells.grid import Cell, Grid
from provisioner.importing.forms.all_forms import FORMS
from provisioner.importing.forms.choices import word_key
from provisioner.importing.forms.columns import Column
from provisioner.importing.forms.privacy import is_password_header, safe_words
from provisioner.importing.forms.template_texts import EXAMPLE_MARK, EXAMPLES, VERSION, VERSION_MARK
from provisioner.importing.tables.filled_grid import FilledGrid
from provisioner.importing.tables.headers import LEAST_HEADERS, Header, encoding_of_header, find_headers
from provisioner.importing.tables.table import SheetTables, Table, TableRow

_SILENT_SHEETS = frozenset({"huongdan", "danhmuc", "readme"})
_DITTO = frozenset({"nt", "nhutren", "nhtren", "nhtr", "idem"})
_DITTO_SIGNS = frozenset({'"', "''", "\u2033", "\u3003", "\u201d", "\u201c", "-\u2033-", '-"-'})
_TOTAL = re.compile(r"(?:tổng(?:\s+(?:cộng|số).{0,40})?|cộng|tong cong)\s*:?", re.IGNORECASE)
"""With its marks: without them a sum (cộng) and a gate (cổng) are one word."""
_SECTION = re.compile(r"[IVX]{1,5}\.?|[A-ZĐ]\.?")
_COLUMN_NUMBER = re.compile(r"\(?\[?\s*([0-9]{1,2})\s*\]?\)?")


def read_sheet(grid: Grid, position: CellPosition, *, alone: bool) -> SheetTables:
    """The tables of a sheet.

    Args:
        grid: its cells.
        position: its place.
        alone: whether no other sheet of the file may hold a table: then one has to be here.
    """
    sheet, filled = SheetTables(), FilledGrid(grid)
    headers = find_headers(filled)
    silent = word_key(grid.name) in _SILENT_SHEETS and (grid.hidden or (not headers and not alone))
    if not filled.numbers or silent:
        return sheet
    if grid.hidden:
        sheet.findings += [Finding(position, warning("sheet-hidden"))] if headers else []
        return sheet
    if remark := _other_version(filled):
        sheet.findings.append(Finding(position, remark))
        return sheet
    if not headers:
        sheet.findings.append(Finding(position, _no_header(filled, alone=alone)))
    for number, header in enumerate(headers):
        below = [h.first_row for h in headers[number + 1 :] if h.first_row > header.last_row]
        reading = _TableReader(filled, header, position, min(below, default=None), _neighbour(headers, header))
        sheet.tables.append(reading.table())
        sheet.findings += reading.findings
    return sheet


def _no_header(filled: FilledGrid, *, alone: bool) -> Remark:
    if encoding := encoding_of_header(filled):
        return error("sheet-encoding", encoding=encoding)
    return error("header-missing") if alone else note("sheet-ignored")


def _other_version(filled: FilledGrid) -> Remark | None:
    for row in filled.numbers[:LEAST_HEADERS]:
        for cell in filled.grid.rows[row].values():
            if cell.text.startswith(VERSION_MARK) and cell.text != f"{VERSION_MARK}{VERSION}":
                return error("template-version", version=VERSION)
    return None


def _neighbour(headers: tuple[Header, ...], header: Header) -> int | None:
    """The column at which a table beside this one begins."""
    beside = [min(h.columns) for h in headers if h.first_row == header.first_row]
    return min((place for place in beside if place > min(header.columns)), default=None)


@dataclass
class _TableReader:
    """One table being read."""

    filled: FilledGrid
    header: Header
    position: CellPosition
    end: int | None
    right: int | None
    findings: list[Finding] = field(default_factory=list)

    def table(self) -> Table:
        places = dict(self._places())
        rows = tuple(self._rows(places))
        self._judge_columns(places)
        of_data = {key: place for key, place in places.items() if key != "number"}
        return Table(self.position, self.header.form, self.header.last_row, of_data, rows)

    def _places(self) -> Iterator[tuple[str, int]]:
        keys: set[str] = set()
        for place, column in sorted(self.header.columns.items()):
            if column.key in keys:
                self._at_header(place, error("column-duplicate", header=column.header))
            elif not is_password_header(self.header.texts[place].text):
                keys.add(column.key)
                yield column.key, place

    def _at_header(self, place: int, remark: Remark, header: str = "") -> None:
        position = replace(self.position, row=self.header.last_row, column=place, header=header)
        self.findings.append(Finding(position, remark))

    # --- rows -------------------------------------------------------------------------------------

    def _body(self) -> Iterator[int]:
        for row in self.filled.numbers:
            if row > self.header.last_row and (self.end is None or row < self.end):
                yield row

    def _rows(self, places: Mapping[str, int]) -> Iterator[TableRow]:
        last, above = self.header.last_row, dict[str, Cell]()
        for number in self._body():
            row = {key: self.filled.grid.at(number, place) for key, place in places.items()}
            own = {key: cell for key, cell in row.items() if not cell.is_empty}
            if not own or _is_prenumbered(own) or self._is_example(own) or (not above and _is_numbering(own)):
                continue
            gap, last = bool(above) and number > last + 1, number
            remark = self._no_data(number, own, gap=gap)
            if remark is not None:
                self.findings.append(Finding(replace(self.position, row=number), remark))
                continue
            cells = {
                key: self._cell(number, place, self.header.form.by_key[key], above) for key, place in places.items()
            }
            above = {key: cell for key, cell in cells.items() if cell is not None}
            yield TableRow(number, {key: cell for key, cell in above.items() if key != "number"})

    def _no_data(self, number: int, own: Mapping[str, Cell], *, gap: bool) -> Remark | None:
        """Tell why a row is no data: hidden, a heading, a sum, or a text below the table."""
        if number in self.filled.grid.hidden_rows:
            return error("row-hidden")
        if "number" in own and word_key(own["number"].text).startswith(word_key(EXAMPLE_MARK)):
            return error("row-example", mark=EXAMPLE_MARK)
        texts = [cell.text.strip() for cell in own.values() if isinstance(cell.value, str)]
        if any(_TOTAL.fullmatch(clean(text)) for text in texts[:2]):
            return note("row-total")
        mark = own.get("number")
        alone = len(own) - (mark is not None)
        across = self.filled.merged_across(number) >= LEAST_HEADERS
        if mark is not None and (_SECTION.fullmatch(mark.text.strip()) or not alone) and alone <= 1:
            return note("row-section")
        if across and len(own) <= 1:
            return note("row-section")
        return warning("row-outside") if gap and len(own) < LEAST_HEADERS else None

    def _is_example(self, own: Mapping[str, Cell]) -> bool:
        """Tell the template's example row, marked or not; one that somebody wrote over is no example any more."""
        texts = {key: clean(cell.text) for key, cell in own.items() if key != "number"}
        return texts == EXAMPLES[self.header.form.kind]

    def _cell(self, number: int, place: int, column: Column, above: Mapping[str, Cell]) -> Cell | None:
        """A cell with what a merged range or the words "as above" put there."""
        below = self.filled.below(number, place)
        if below is not None:
            if not column.own:
                return None if below.is_empty else below
            if not below.is_empty:
                self._at(number, place, column, error("cell-merged"))
            return None
        cell = self.filled.grid.at(number, place)
        if cell.is_empty:
            return None
        if not _is_ditto(cell):
            return cell
        if column.own or column.key not in above:
            self._at(number, place, column, error("ditto-own" if column.own else "ditto-nothing"))
            return None
        return replace(above[column.key], row=number)

    def _at(self, number: int, place: int, column: Column, remark: Remark) -> None:
        self.findings.append(Finding(replace(self.position, row=number, column=place, header=column.header), remark))

    # --- columns ----------------------------------------------------------------------------------

    def _judge_columns(self, places: Mapping[str, int]) -> None:
        """Note columns that are not read; nothing of their values is said."""
        known = set(places.values())
        for place in sorted(self._filled_columns() - known):
            header = self.header.texts.get(place)
            if header is None:
                self._at_header(place, warning("column-nameless"))
            elif is_password_header(header.text):
                self._at_header(place, error("column-password"))
            elif place not in self.header.columns:
                self._unknown(place, header.text)
        for key, place in places.items():
            column = self.header.form.by_key[key]
            if not column.stored and place in self._filled_columns():
                self._at_header(place, note("column-not-kept"), column.header)
            if place in self.filled.grid.hidden_columns:
                self._at_header(place, warning("column-hidden"), column.header)

    def _unknown(self, place: int, text: str) -> None:
        other = next((form for form in FORMS if form.find(text)), None)
        if other:
            self._at_header(place, warning("column-elsewhere", sheet=other.title), safe_words(text))
        else:
            self._at_header(place, warning("column-unknown"), safe_words(text))

    def _filled_columns(self) -> set[int]:
        """The columns that hold data, and those whose header asks for a password even if they do not."""
        columns = {place for place, cell in self.header.texts.items() if is_password_header(cell.text)}
        for number in self._body():
            columns.update(place for place, cell in self.filled.grid.rows[number].items() if not cell.is_empty)
        left = min(self.header.columns)
        return {place for place in columns if place >= left and (self.right is None or place < self.right)}


def _is_ditto(cell: Cell) -> bool:
    return isinstance(cell.value, str) and (cell.value.strip() in _DITTO_SIGNS or word_key(cell.value) in _DITTO)


def _is_prenumbered(own: Mapping[str, Cell]) -> bool:
    """Tell a row that holds its number and nothing else."""
    return set(own) == {"number"} and own["number"].text.strip().isdecimal()


def _is_numbering(own: Mapping[str, Cell]) -> bool:
    """Tell the row of column numbers, (1) (2) (3) …, which official tables have below their header."""
    matches = [_COLUMN_NUMBER.fullmatch(cell.text.strip()) for cell in sorted(own.values(), key=lambda c: c.column)]
    numbers = [int(match[1]) for match in matches if match]
    ascending = all(right > left for left, right in pairwise(numbers))
    return len(numbers) == len(matches) >= LEAST_HEADERS and ascending
