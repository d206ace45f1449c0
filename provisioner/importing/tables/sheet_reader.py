"""From a grid to the tables of its sheet. Pure.

A header is a row with at least three known headers of one of the four sheets. Merged cells have the first cell's value,
as in Excel. Repeated cells are filled in, and rows that are not data are left out.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import islice, pairwise

from provisioner.base.vietnamese import clean, fold, possible_readings
from provisioner.importing import grid as grids
from provisioner.importing.forms.choices import word_key
from provisioner.importing.forms.columns import (
    EXAMPLE_MARK,
    EXAMPLES,
    VERSION,
    VERSION_MARK,
    Column,
    Form,
    is_password_header,
    safe_words,
)
from provisioner.importing.forms.forms import FORMS, WITHOUT_MEANING
from provisioner.importing.grid import MAX_CELLS

LEAST_HEADERS = 3
_LONGEST_HEADER = 120
_FIRST_CELLS = 4  #: Only the first cells identify a header: no table begins with many unknown columns.

_BEGINNINGS = frozenset({"number", "facility_id", "facility_name", "name", "full_name", "camera_id"})
_SILENT_SHEETS = frozenset({"huongdan", "danhmuc", "readme"})
_DITTO = frozenset({"nt", "nhutren", "nhtren", "nhtr", "idem"})
_DITTO_SIGNS = frozenset({'"', "''", "\u2033", "\u3003", "\u201d", "\u201c", "-\u2033-", '-"-'})
#: With marks: without them a sum (cộng) and a gate (cổng) are one word.
_OF_WHOM = r"\s+(?:toàn|tỉnh|thành phố|huyện|quận|thị xã|xã|phường|thị trấn|khu vực|tp|tx|h|q|p)\b.{0,60}"
_TOTAL = re.compile(
    rf"(?:tổng\s+(?:cộng|số).{{0,60}}|(?:tổng|cộng)(?:\s*:.{{0,60}}|{_OF_WHOM})?|toàn\s+(?:tỉnh|huyện)|tong cong)\s*:?",
    re.IGNORECASE,
)
#: Lines below a table: who made it, who signs it, where and when, to whom it goes.
_SIGNATURE = re.compile(
    r"(?:người|cán bộ|đơn vị|chuyên viên)\s+(?:lập|tổng hợp|báo cáo|kiểm tra|duyệt|ký).{0,60}"
    r"|(?:thủ trưởng|xác nhận của|đại diện|lãnh đạo)\s.{1,80}|(?:kt|tm|tl|tuq|q)\.\s*\w.{0,80}"
    r"|\(?\s*(?:đã\s+)?ký(?:\s*tên)?\s*[,;.]?.{0,60}|nơi nhận\s*:?.{0,80}"
    r"|.{0,60}\bngày\s*[0-9.…]*\s*tháng\s*[0-9.…]*\s*năm\s*[0-9.…]*",
    re.IGNORECASE,
)
#: Words of a comment that may close or change a row; without marks only those that mean nothing else.
_TURNING = re.compile(
    r"(?<!\w)(?:đóng|ngừng|dừng|thôi|nghỉ|giải thể|giải tán|x[óo][áa]|bỏ|hủy|huỷ|không còn|không dùng|hết|chuyển|sai"
    r"|nhầm|cũ|trùng|thay|chưa|đổi|hỏng|tháo|closed|deleted?|removed?|wrong|old|moved)(?!\w)",
    re.IGNORECASE,
)
#: Of a column that is not read, only words that end a row: notes are many, comments few.
_ENDING = re.compile(
    r"(?<!\w)(?:đóng|ngừng|dừng|giải thể|giải tán|x[óo][áa]|hủy|huỷ|không còn|không dùng|chuyển|trùng|tháo)(?!\w)",
    re.IGNORECASE,
)
_TURNING_PLAIN = re.compile(
    r"(?:^|-)(?:da-dong|dong-cua|ngung|tam-dung|giai-the|xoa|huy|khong-con|khong-dung|chuyen-di|sai|nham|trung|chua)(?:-|$)"
)
_SECTION = re.compile(r"[IVX]{1,5}\.?|[A-ZĐ]\.?")
_COLUMN_NUMBER = re.compile(r"\(?\[?\s*([0-9]{1,2})\s*\]?\)?")


class FilledGrid:
    """Cells with the merged range that they are part of."""

    def __init__(self, grid: grids.Grid) -> None:
        self.grid = grid

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        """The filled rows, in order."""
        return tuple(sorted(number for number, cells in self.grid.rows.items() if cells))

    @cached_property
    def _merged(self) -> dict[int, list[grids.MergedRange]]:
        """Merged ranges by row, down to the last value."""
        last = self.numbers[-1] if self.numbers else 0
        by_row: dict[int, list[grids.MergedRange]] = {}
        cells_left = MAX_CELLS
        for merged in self.grid.merged:
            rows = range(merged.first_row, min(merged.last_row, last) + 1)
            cells_left -= len(rows)
            if cells_left < 0:
                raise grids.FileRefusedError(grids.error("file-too-many-cells", limit=MAX_CELLS))
            for row in rows:
                by_row.setdefault(row, []).append(merged)
        return by_row

    @cached_property
    def marks(self) -> dict[int, list[tuple[int, grids.Remark]]]:
        """Remarks on crossed-out text and comments, by row."""
        marks: dict[int, dict[int, grids.Remark]] = {}
        for row, column in sorted(self.grid.struck, reverse=True):
            if not self.grid.at(row, column).is_empty:
                marks[row] = {column: grids.question("cell-struck")}
        for (row, column), text in self.grid.comments.items():
            written = clean(text)
            turning = _TURNING.search(written) or _TURNING_PLAIN.search(fold(written) if written.isascii() else "")
            remark = grids.question("comment-changes") if turning else grids.warning("comment-unread")
            if written:
                marks.setdefault(row, {}).setdefault(column, remark)
        return {row: sorted(of_row.items()) for row, of_row in marks.items()}

    def merged_across(self, row: int) -> int:
        """Return the width of a row's widest merged range."""
        return max((m.last_column - m.first_column + 1 for m in self._merged.get(row, ())), default=1)

    def below(self, row: int, column: int) -> grids.Cell | None:
        """Return the value from a range that begins above in this column."""
        merged = next((merged for merged in self._merged.get(row, ()) if merged.holds(row, column)), None)
        if merged is None or merged.first_row == row or merged.first_column != column:
            return None
        first = self.grid.at(merged.first_row, column)
        return grids.Cell(row, column, first.value, first.state)

    def cell(self, row: int, column: int) -> grids.Cell:
        """Return a cell as Excel shows it."""
        return self.below(row, column) or self.grid.at(row, column)


@dataclass(frozen=True)
class Header:
    """The header of one table."""

    form: Form
    first_row: int  #: A header may have two levels, and the template's hidden keys above it.
    last_row: int
    columns: Mapping[int, Column]
    texts: Mapping[int, grids.Cell]  #: The texts, also of unknown columns.


@dataclass(frozen=True)
class TableRow:
    """A row of data: its filled cells by column key."""

    number: int
    cells: Mapping[str, grids.Cell]


@dataclass(frozen=True)
class Table:
    """A table of a sheet; `places` has each key's column number."""

    position: grids.CellPosition
    form: Form
    header_row: int
    places: Mapping[str, int]
    rows: tuple[TableRow, ...]

    def at(self, row: int, key: str = "") -> grids.CellPosition:
        """Return the position of a row's cell, or of the row."""
        column_number = self.places.get(key, 0)
        header = self.form.by_key[key].header if key in self.form.by_key else ""
        return replace(self.position, row=row, column=column_number, header=header)


@dataclass
class SheetTables:
    """The tables of one sheet, with its findings."""

    tables: list[Table] = field(default_factory=list)
    findings: list[grids.Finding] = field(default_factory=list)


def find_headers(filled: FilledGrid) -> tuple[Header, ...]:
    """Return the headers of a sheet, top to bottom, left to right."""
    headers: list[Header] = []
    block: list[int] = []
    for row in filled.numbers:
        if 0 < len(block) < grids.HEADER_ROWS and row == block[-1] + 1 and _is_header(filled, row):
            block.append(row)
            continue
        if block:
            headers += _tables(filled, block)
            block = []
        if (headers or row <= grids.HEADER_ROWS) and _is_header(filled, row, mostly=bool(headers)):
            block = [row]
    return tuple(headers + (_tables(filled, block) if block else []))


def encoding_of_header(filled: FilledGrid) -> str | None:
    """Return the legacy encoding in which the first rows have a header."""
    for row in filled.numbers:
        if row > grids.HEADER_ROWS:
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


def _is_header(filled: FilledGrid, row: int, *, mostly: bool = False) -> bool:
    """Return whether a row is a header; below a table, mostly headers."""
    if not any(any(_columns(cell.text)) for cell in islice(_header_texts(filled, row), _FIRST_CELLS)):
        return False
    matches = [_columns(cell.text) for cell in _header_texts(filled, row)]
    least = max(LEAST_HEADERS, (len(matches) + 1) // 2 if mostly else 0)
    of_forms = ({column.key for columns in matches if (column := columns[n])} for n in range(len(FORMS)))
    return any(len(keys) >= least for keys in of_forms)


@lru_cache(maxsize=8192)
def _columns(text: str) -> tuple[Column | None, ...]:
    return tuple(form.find(text) for form in FORMS)


def _header_texts(filled: FilledGrid, row: int) -> Iterator[grids.Cell]:
    last = max(filled.grid.rows[row])
    for column in range(1, last + 1):
        cell = filled.cell(row, column)
        if isinstance(cell.value, str) and 0 < len(cell.value.strip()) <= _LONGEST_HEADER:
            yield cell


def _tables(filled: FilledGrid, block: list[int]) -> list[Header]:
    texts: dict[int, list[grids.Cell]] = {}
    for row in block:
        for cell in _header_texts(filled, row):
            texts.setdefault(cell.column, []).append(cell)
    return _side_by_side(filled, block, texts)


def _side_by_side(filled: FilledGrid, block: list[int], texts: Mapping[int, list[grids.Cell]]) -> list[Header]:
    """Split headers into tables that stand side by side."""
    header = _header_in(filled, block, texts)
    if header is None:
        return []
    for start in _repeated_columns(header):
        left = _header_in(filled, block, {column: cells for column, cells in texts.items() if column < start})
        right = _side_by_side(filled, block, {column: cells for column, cells in texts.items() if column >= start})
        if left and right:
            return [left, *right]
    return [header]


def _repeated_columns(header: Header) -> Iterator[int]:
    keys: set[str] = set()
    for column_number, column in sorted(header.columns.items()):
        if column.key in keys and column.key in _BEGINNINGS:
            yield column_number
        keys.add(column.key)


def _header_in(filled: FilledGrid, block: list[int], texts: Mapping[int, list[grids.Cell]]) -> Header | None:
    form = _form_of(filled, texts)
    if form is None:
        return None
    columns = {column_number: column for column_number, cells in texts.items() if (column := _column_of(form, cells))}
    lowest = {column_number: cells[-1] for column_number, cells in texts.items()}
    return Header(form, block[0], block[-1], columns, lowest)


def _column_of(form: Form, cells: list[grids.Cell]) -> Column | None:
    """Return a header's column: a program key first, then the lowest row."""
    number = FORMS.index(form)
    candidates = [column for cell in reversed(cells) if (column := _columns(cell.text)[number])]
    exact = (column for column in candidates if any(cell.text.strip() == column.key for cell in cells))
    return next(exact, candidates[0] if candidates else None)


def _form_of(filled: FilledGrid, texts: Mapping[int, list[grids.Cell]]) -> Form | None:
    """Return a header's sheet: by the sheet's name, else with most columns."""
    keys = {form.kind: {c.key for cells in texts.values() if (c := _column_of(form, cells))} for form in FORMS}
    fitting = [form for form in FORMS if len(keys[form.kind]) >= LEAST_HEADERS and keys[form.kind] - WITHOUT_MEANING]
    title = word_key(filled.grid.name)
    named = [form for form in fitting if title in form.title_keys]
    return max(named or fitting, key=lambda f: len(keys[f.kind] - WITHOUT_MEANING), default=None)


def read_sheet(grid: grids.Grid, position: grids.CellPosition, *, needs_table: bool) -> SheetTables:
    """Return a sheet's tables; `needs_table`: having none is an error."""
    sheet, filled = SheetTables(), FilledGrid(grid)
    headers = find_headers(filled)
    silent = word_key(grid.name) in _SILENT_SHEETS and (grid.hidden or (not headers and not needs_table))
    if not filled.numbers or silent:
        return sheet
    if grid.hidden:
        sheet.findings += [grids.Finding(position, grids.warning("sheet-hidden"))] if headers else []
        return sheet
    if remark := _version_remark(filled):
        sheet.findings.append(grids.Finding(position, remark))
        return sheet
    if not headers:
        sheet.findings.append(grids.Finding(position, _no_header(filled, needs_table=needs_table)))
    for number, header in enumerate(headers):
        below = [h.first_row for h in headers[number + 1 :] if h.first_row > header.last_row]
        reading = _TableReader(filled, header, position, min(below, default=None), _neighbour(headers, header))
        sheet.tables.append(reading.table())
        sheet.findings += reading.findings
    return sheet


def _no_header(filled: FilledGrid, *, needs_table: bool) -> grids.Remark:
    if encoding := encoding_of_header(filled):
        return grids.error("sheet-encoding", encoding=encoding)
    return grids.error("header-missing") if needs_table else grids.note("sheet-ignored")


def _version_remark(filled: FilledGrid) -> grids.Remark | None:
    for row in filled.numbers[:LEAST_HEADERS]:
        for cell in filled.grid.rows[row].values():
            if cell.text.startswith(VERSION_MARK) and cell.text != f"{VERSION_MARK}{VERSION}":
                return grids.error("template-version", version=VERSION)
    return None


def _neighbour(headers: tuple[Header, ...], header: Header) -> int | None:
    starts = [min(h.columns) for h in headers if h.first_row == header.first_row]
    return min((column_number for column_number in starts if column_number > min(header.columns)), default=None)


@dataclass
class _TableReader:
    filled: FilledGrid
    header: Header
    position: grids.CellPosition
    end: int | None
    right: int | None
    findings: list[grids.Finding] = field(default_factory=list)
    left_out: set[int] = field(default_factory=set)  #: Rows that are no data.
    signed: bool = False  #: Whether the lines of signatures have begun.

    def table(self) -> Table:
        places = dict(self._columns_by_key())
        rows = tuple(self._table_rows(places))
        self._judge_columns(places)
        of_data = {key: column_number for key, column_number in places.items() if key != "number"}
        return Table(self.position, self.header.form, self.header.last_row, of_data, rows)

    def _columns_by_key(self) -> Iterator[tuple[str, int]]:
        keys: set[str] = set()
        for column_number, column in sorted(self.header.columns.items()):
            if column.key in keys:
                self._at_header(column_number, grids.error("column-duplicate", header=column.header))
            elif not is_password_header(self.header.texts[column_number].text):
                keys.add(column.key)
                yield column.key, column_number

    def _at_header(self, column_number: int, remark: grids.Remark, header: str = "") -> None:
        position = replace(self.position, row=self.header.last_row, column=column_number, header=header)
        self.findings.append(grids.Finding(position, remark))

    # --- rows -------------------------------------------------------------------------------------
    def _body_rows(self) -> Sequence[int]:
        numbers = self.filled.numbers
        end = len(numbers) if self.end is None else bisect_left(numbers, self.end)
        return numbers[bisect_right(numbers, self.header.last_row) : end]

    def _table_rows(self, places: Mapping[str, int]) -> Iterator[TableRow]:
        last, above = self.header.last_row, dict[str, grids.Cell]()
        for number in self._body_rows():
            row = {key: self.filled.grid.at(number, column_number) for key, column_number in places.items()}
            filled_cells = {key: cell for key, cell in row.items() if not cell.is_empty}
            if (
                not filled_cells
                or (set(filled_cells) == {"number"} and filled_cells["number"].text.strip().isdecimal())
                or self._is_example(filled_cells)
                or (not above and _is_numbering(filled_cells))
            ):
                continue
            gap, last = bool(above) and number > last + 1, number
            remark = self._remark_on_other_row(number, filled_cells, gap=gap)
            if remark is not None:
                self.findings.append(grids.Finding(replace(self.position, row=number), remark))
                self.left_out.add(number)
                if remark.level is grids.FindingLevel.ERROR:  # "as above" would mean a row that is not read
                    above = {}
                continue
            self._report_marks(number, places)
            cells = {
                key: self._cell(number, column_number, self.header.form.by_key[key], above)
                for key, column_number in places.items()
            }
            above = {key: cell for key, cell in cells.items() if cell is not None}
            yield TableRow(number, {key: cell for key, cell in above.items() if key != "number"})

    def _remark_on_other_row(self, number: int, cells: Mapping[str, grids.Cell], *, gap: bool) -> grids.Remark | None:
        if number in self.filled.grid.hidden_rows:
            return grids.error("row-hidden")
        if "number" in cells and word_key(cells["number"].text).startswith(word_key(EXAMPLE_MARK)):
            return grids.error("row-example", mark=EXAMPLE_MARK)
        texts = [clean(cell.text) for cell in cells.values() if isinstance(cell.value, str)]
        is_total = any(map(_TOTAL.fullmatch, texts[:2]))
        self.signed |= len(cells) < LEAST_HEADERS and all(map(_SIGNATURE.fullmatch, texts or [""]))
        if is_total or (self.signed and len(cells) < LEAST_HEADERS):
            return grids.note("row-total" if is_total else "row-signature")
        mark = cells.get("number")
        other_cells = len(cells) - (mark is not None)
        is_merged = self.filled.merged_across(number) >= LEAST_HEADERS
        if mark is not None and (_SECTION.fullmatch(mark.text.strip()) or not other_cells) and other_cells <= 1:
            return grids.note("row-section")
        if is_merged and len(cells) <= 1:
            return grids.note("row-section")
        return grids.warning("row-outside") if gap and len(cells) < LEAST_HEADERS else None

    def _report_marks(self, number: int, places: Mapping[str, int]) -> None:
        columns = self.header.form.by_key
        read = {place for key, place in places.items() if key != "note" or columns[key].stored}
        notes = [
            (place, grids.question("note-changes"))
            for place, cell in sorted(self.filled.grid.rows[number].items())
            if place not in read and isinstance(cell.value, str) and _ENDING.search(clean(cell.value))
        ]
        for column_number, remark in (*self.filled.marks.get(number, ()), *notes):
            if column_number >= min(self.header.columns) and (self.right is None or column_number < self.right):
                column = self.header.columns.get(column_number)
                at = replace(self.position, row=number, column=column_number, header=column.header if column else "")
                self.findings.append(grids.Finding(at, remark))

    def _is_example(self, cells: Mapping[str, grids.Cell]) -> bool:
        texts = {key: clean(cell.text) for key, cell in cells.items() if key != "number"}
        return texts == EXAMPLES[self.header.form.kind]

    def _cell(
        self, number: int, column_number: int, column: Column, above: Mapping[str, grids.Cell]
    ) -> grids.Cell | None:
        """Return a cell, resolving merged ranges and "as above"."""
        below = self.filled.below(number, column_number)
        if below is not None:
            if not column.own:
                return None if below.is_empty else below
            if not below.is_empty:
                self._at(number, column_number, column, grids.error("cell-merged"))
            return None
        cell = self.filled.grid.at(number, column_number)
        if cell.is_empty:
            return None
        if not _is_ditto(cell):
            return cell
        if column.own or column.key not in above:
            self._at(number, column_number, column, grids.error("ditto-own" if column.own else "ditto-nothing"))
            return None
        return replace(above[column.key], row=number)

    def _at(self, number: int, column_number: int, column: Column, remark: grids.Remark) -> None:
        self.findings.append(
            grids.Finding(replace(self.position, row=number, column=column_number, header=column.header), remark)
        )

    # --- columns ----------------------------------------------------------------------------------
    def _judge_columns(self, places: Mapping[str, int]) -> None:
        """Report columns that are not read, without their values."""
        read_columns = set(places.values())
        for column_number in sorted(self._filled_columns() - read_columns):
            header = self.header.texts.get(column_number)
            if header is None:
                self._at_header(column_number, grids.warning("column-nameless"))
            elif is_password_header(header.text):
                self._at_header(column_number, grids.error("column-password"))
            elif column_number not in self.header.columns:
                self._report_unknown_column(column_number, header.text)
        for key, column_number in places.items():
            column = self.header.form.by_key[key]
            if not column.stored and column_number in self._filled_columns():
                self._at_header(column_number, grids.note("column-not-kept"), column.header)
            if column_number in self.filled.grid.hidden_columns:
                self._at_header(column_number, grids.warning("column-hidden"), column.header)

    def _report_unknown_column(self, column_number: int, text: str) -> None:
        other_form = next((form for form in FORMS if form.find(text)), None)
        if other_form:
            self._at_header(column_number, grids.warning("column-elsewhere", sheet=other_form.title), safe_words(text))
        else:
            self._at_header(column_number, grids.warning("column-unknown"), safe_words(text))

    def _filled_columns(self) -> set[int]:
        columns = {column_number for column_number, cell in self.header.texts.items() if is_password_header(cell.text)}
        for number in (number for number in self._body_rows() if number not in self.left_out):
            columns.update(
                column_number for column_number, cell in self.filled.grid.rows[number].items() if not cell.is_empty
            )
        leftmost = min(self.header.columns)
        return {
            column_number
            for column_number in columns
            if column_number >= leftmost and (self.right is None or column_number < self.right)
        }


def _is_ditto(cell: grids.Cell) -> bool:
    return isinstance(cell.value, str) and (cell.value.strip() in _DITTO_SIGNS or word_key(cell.value) in _DITTO)


def _is_numbering(cells: Mapping[str, grids.Cell]) -> bool:
    """Return whether a row numbers the columns, as official tables do."""
    matches = [_COLUMN_NUMBER.fullmatch(cell.text.strip()) for cell in sorted(cells.values(), key=lambda c: c.column)]
    numbers = [int(match[1]) for match in matches if match]
    ascending = all(right > left for left, right in pairwise(numbers))
    return len(numbers) == len(matches) >= LEAST_HEADERS and ascending
