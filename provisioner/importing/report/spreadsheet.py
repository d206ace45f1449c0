"""The findings as a spreadsheet that goes back to the province. Pure; holds what the report holds, and no more."""

from __future__ import annotations

from collections.abc import Iterator

from openpyxl import Workbook
from openpyxl.utils import get_column_letter

from provisioner.base.spreadsheet import HEADER, landscape, put, saved
from provisioner.importing.cells.findings import Finding
from provisioner.importing.proposal.questions import Question
from provisioner.importing.report.messages import LEVELS, Language, wording
from provisioner.importing.report.questions import QUESTION, question_text
from provisioner.importing.report.result import ImportResult
from provisioner.importing.report.text import in_order_of_weight

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
    rows = tuple(_rows(result, language))
    for number, cells in enumerate(rows, start=1):
        texts = (str(number), *cells)
        for place, text in enumerate(texts, start=1):
            put(sheet, number + 1, place, text)
        lines = max(-(-len(text) // width) for text, width in zip(texts, _WIDTHS, strict=True))
        sheet.row_dimensions[number + 1].height = max(lines, 1) * _LINE_HEIGHT
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(_WIDTHS))}{len(rows) + 1}"
    landscape(sheet, 1)
    return saved(book)


def _rows(result: ImportResult, language: Language) -> Iterator[tuple[str, ...]]:
    """The rows below the header: errors, warnings, questions, then every note."""
    weighty, notes = in_order_of_weight(result.proposal.findings)
    yield from (_finding(finding, language) for finding in weighty)
    yield from (_question(question, language) for question in result.proposal.questions)
    yield from (_finding(finding, language) for listed in notes.values() for finding in listed)


def _finding(finding: Finding, language: Language) -> tuple[str, ...]:
    position, words = finding.position, wording(finding.remark, language)
    place_texts = (position.file, position.sheet, position.cell, position.header, finding.value)
    return (LEVELS[language][finding.remark.level], *place_texts, words.message, words.hint, finding.remark.code)


def _question(question: Question, language: Language) -> tuple[str, ...]:
    position, words = question.position, question_text(question, language)
    message = " ".join(
        (words.message, *(f"[{number}] {line}" for number, line in enumerate(words.candidates, start=1)))
    )
    name = question.name or question.facility
    place_texts = (position.file, position.sheet, position.cell, position.header, name)
    return (QUESTION[language], *place_texts, message, words.answer, f"question-{question.kind.value}")
