"""The workbook that provinces fill in: four sheets with their lists, an example that is not read, and a guide. Pure."""

from __future__ import annotations

from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from provisioner.base.spreadsheet import BODY, EXAMPLE, HEADER, REMARK, TEXT_FORMAT, TITLE, landscape, put, saved
from provisioner.geography import provinces
from provisioner.importing.forms.all_forms import FORMS
from provisioner.importing.forms.choices import Choice
from provisioner.importing.forms.columns import Column, Form, FormKind
from provisioner.importing.forms.template_texts import EXAMPLE_MARK, EXAMPLES, GUIDE, TITLES, VERSION, VERSION_MARK
from provisioner.importing.template.content import TemplateContent, TemplateRow

_KEY_ROW, _HEADER_ROW, _EXAMPLE_ROW = 3, 4, 5
_FIRST_ROW = 6
_LAST_LISTED_ROW = 2_000
_LIST_SHEET = "Danh mục"
_GUIDE_SHEET = "Hướng dẫn"
_NARROW, _WIDE = 13, 34
_TEXTS = frozenset(
    {
        *("name", "facility_name", "street", "full_name", "title", "email"),
        *("location", "obstacles", "advice", "block_next"),
    }
)
_HEADER_HEIGHT = 48
_LINE_HEIGHT = 15
_MOST_ON_A_PAGE = 20
_REQUIRED = " *"


def filled_template(scheme: str, content: TemplateContent | None = None) -> bytes:
    """The template as an XLSX file.

    Args:
        scheme: the list of provinces to choose from.
        content: what it is filled with; empty otherwise.
    """
    book = Workbook()
    _write_guide(book.worksheets[0])
    lists = _Lists(book, tuple(province.name for province in provinces(scheme)))
    for form in FORMS:
        sheet = book.create_sheet(form.title)
        _write_form(sheet, form, lists, content.rows(form.kind) if content else ())
    book.move_sheet(_LIST_SHEET, len(FORMS))
    return saved(book)


class _Lists:
    """The hidden sheet with the words to choose from; a list within a cell's own rule could not hold commas."""

    def __init__(self, book: Workbook, names: tuple[str, ...]) -> None:
        self._sheet = book.create_sheet(_LIST_SHEET)
        self._sheet.sheet_state = "hidden"
        self._names = names
        self._places: dict[tuple[str, ...], str] = {}

    def rule(self, column: Column) -> DataValidation | None:
        """The rule of a column's cells; None where anything may stand."""
        words = self._names if column.key == "province" else column.choice.labels if column.choice else ()
        if not words:
            return None
        rule = DataValidation(type="list", formula1=self._place(words, column.header), allow_blank=True)
        rule.errorTitle, rule.error = column.header[:30], "Chọn một giá trị trong danh sách"
        rule.showErrorMessage = True
        return rule

    def _place(self, words: tuple[str, ...], header: str) -> str:
        if words not in self._places:
            column = len(self._places) + 1
            for row, word in enumerate((header, *words), start=1):
                put(self._sheet, row, column, word)
            name = get_column_letter(column)
            self._places[words] = f"'{_LIST_SHEET}'!${name}$2:${name}${len(words) + 1}"
        return self._places[words]


def _write_form(sheet: Worksheet, form: Form, lists: _Lists, rows: tuple[TemplateRow, ...]) -> None:
    columns = [column for column in form.columns if column.asked]
    put(sheet, 1, 1, TITLES[form.kind], TITLE)
    put(sheet, 2, 1, f"Cột có dấu{_REQUIRED} là bắt buộc. Cách ghi: xem trang {_GUIDE_SHEET}.", REMARK)
    put(sheet, _KEY_ROW, 1, f"{VERSION_MARK}{VERSION}")
    for place, column in enumerate(columns, start=1):
        if column.key != "number":
            put(sheet, _KEY_ROW, place, column.key)
        put(sheet, _HEADER_ROW, place, column.header + (_REQUIRED if column.required else ""), HEADER)
        put(sheet, _EXAMPLE_ROW, place, EXAMPLES[form.kind].get(column.key, ""), EXAMPLE)
        _lay_out(sheet, place, column, lists)
    put(sheet, _EXAMPLE_ROW, 1, EXAMPLE_MARK, EXAMPLE)
    for number, row in enumerate(rows, start=1):
        for place, column in enumerate(columns, start=1):
            text = str(number) if column.key == "number" else row.get(column.key, "")
            put(sheet, _FIRST_ROW + number - 1, place, text, BODY)
    sheet.row_dimensions[_KEY_ROW].hidden = True
    sheet.freeze_panes = f"{'D' if form.kind is FormKind.FACILITIES else 'C'}{_EXAMPLE_ROW}"
    sheet.row_dimensions[_HEADER_ROW].height = _HEADER_HEIGHT
    sheet.row_dimensions[_EXAMPLE_ROW].height = 2 * _LINE_HEIGHT
    sheet.print_title_cols = "A:C"
    landscape(sheet, _HEADER_ROW, pages=1 + len(columns) // _MOST_ON_A_PAGE)


def _lay_out(sheet: Worksheet, place: int, column: Column, lists: _Lists) -> None:
    name = get_column_letter(place)
    longest = max(map(len, column.choice.labels)) if column.choice else _WIDE if column.key in _TEXTS else 0
    dimension = sheet.column_dimensions[name]
    dimension.width = 7 if column.key == "number" else min(max(longest, _NARROW), _WIDE)
    dimension.number_format = TEXT_FORMAT  # what is typed stays as it is typed: phones keep their zero
    rule = lists.rule(column)
    if rule is not None:
        sheet.add_data_validation(rule)
        rule.add(f"{name}{_EXAMPLE_ROW}:{name}{_LAST_LISTED_ROW}")


def _write_guide(sheet: Worksheet) -> None:
    """Write the guide: how to fill in, then every column."""
    sheet.title = _GUIDE_SHEET
    put(sheet, 1, 1, "HƯỚNG DẪN ĐIỀN BIỂU MẪU CAMERA CƠ SỞ CÁCH LY TẬP TRUNG", TITLE)
    put(sheet, 2, 1, f"Phiên bản mẫu: {VERSION}", REMARK)
    row = 4
    for line in GUIDE:
        put(sheet, row, 1, line, REMARK)
        sheet.merge_cells(start_row=row, end_row=row, start_column=1, end_column=5)
        row += 1
    row += 1
    for place, title in enumerate(("Trang", "Cột", "Bắt buộc", "Cách ghi", "Chọn một trong"), start=1):
        put(sheet, row, place, title, HEADER)
    for form in FORMS:
        for column in (column for column in form.columns if column.asked):
            row += 1
            chosen = _labels(column.choice)
            texts = (form.title, column.header, "có" if column.required else "", column.advice, chosen)
            for place, text in enumerate(texts, start=1):
                put(sheet, row, place, text)
            lines = max(-(-len(column.advice) // 55), -(-len(chosen) // 65), 1)
            sheet.row_dimensions[row].height = lines * _LINE_HEIGHT
    for name, width in zip("ABCDE", (12, 34, 10, 60, 70), strict=True):
        sheet.column_dimensions[name].width = width
    landscape(sheet, 1)


def _labels(choice: Choice | None) -> str:
    return "; ".join(choice.labels) if choice else ""
