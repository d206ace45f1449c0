"""The findings as a spreadsheet that goes back to the province. Pure; holds what the report holds, and no more."""

from __future__ import annotations

from openpyxl import Workbook
from openpyxl.utils import get_column_letter

from provisioner.base.spreadsheet import HEADER, landscape, put, saved
from provisioner.importing.report.messages import LEVELS, Language, wording
from provisioner.importing.report.result import ImportResult

_HEADERS = {
    Language.VI: ("STT", "Mức độ", "Tệp", "Trang", "Ô", "Cột", "Giá trị", "Vấn đề", "Cách sửa", "Mã"),
    Language.EN: ("No", "Level", "File", "Sheet", "Cell", "Column", "Value", "Problem", "How to mend it", "Code"),
}
_TITLES = {Language.VI: "Kết quả kiểm tra", Language.EN: "Findings"}
_LINE_HEIGHT = 15
_WIDTHS = (6, 10, 24, 12, 8, 24, 20, 56, 56, 22)


def report_sheet(result: ImportResult, language: Language) -> bytes:
    """The findings as an XLSX file."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = _TITLES[language]
    for place, (title, width) in enumerate(zip(_HEADERS[language], _WIDTHS, strict=True), start=1):
        put(sheet, 1, place, title, HEADER)
        sheet.column_dimensions[get_column_letter(place)].width = width
    for number, finding in enumerate(result.proposal.findings, start=1):
        position, words = finding.position, wording(finding.remark, language)
        place_texts = (position.file, position.sheet, position.cell, position.header, finding.value)
        level = LEVELS[language][finding.remark.level]
        texts = (str(number), level, *place_texts, words.message, words.hint, finding.remark.code)
        for place, text in enumerate(texts, start=1):
            put(sheet, number + 1, place, text)
        lines = max(-(-len(text) // width) for text, width in zip(texts, _WIDTHS, strict=True))
        sheet.row_dimensions[number + 1].height = max(lines, 1) * _LINE_HEIGHT
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(_WIDTHS))}{len(result.proposal.findings) + 1}"
    landscape(sheet, 1)
    return saved(book)
