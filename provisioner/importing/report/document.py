"""The report of an import, as JSON and as a spreadsheet. Pure.

The document is `provisioner/import` version 1. The spreadsheet goes back to the province and holds no more.
"""

from __future__ import annotations

from collections.abc import Iterator

from openpyxl import Workbook
from openpyxl.utils import get_column_letter

from provisioner.base.language import Language
from provisioner.base.spreadsheet import HEADER, landscape, put, saved
from provisioner.importing.grid import Finding
from provisioner.importing.proposal.answers import Question
from provisioner.importing.proposal.proposal import ImportResult
from provisioner.importing.report.messages import LEVELS, wording
from provisioner.importing.report.text import QUESTION, because, in_order_of_weight, question_text

_HEADERS = {
    Language.VI: ("STT", "Mức độ", "Tệp", "Trang", "Ô", "Cột", "Giá trị", "Vấn đề", "Cách sửa", "Mã"),
    Language.EN: ("No", "Level", "File", "Sheet", "Cell", "Column", "Value", "Problem", "How to mend it", "Code"),
}
_TITLES = {Language.VI: "Kết quả kiểm tra", Language.EN: "Findings"}
_LINE_HEIGHT = 15
_WIDTHS = (6, 10, 24, 12, 8, 24, 20, 56, 56, 22)


def import_document(result: ImportResult, language: Language) -> dict[str, object]:
    """The document; values of cells are in it only as far as they may be shown."""
    proposal = result.proposal
    return {
        "schema": "provisioner/import",
        "version": 1,
        "ok": not proposal.errors and not proposal.waiting,
        "language": language.value,
        "tables": [
            {
                "file": table.position.file,
                "sheet": table.position.sheet,
                "kind": table.form.kind.value,
                "header_row": table.header_row,
                "rows": len(table.rows),
            }
            for table in result.inputs.tables
        ],
        "problems": [_problem(finding, language) for finding in proposal.findings],
        "questions": [_question(question, language) for question in proposal.questions],
        "facilities": [
            {
                "facility": edit.facility,
                "file": f"facilities/{proposal.provinces[edit.facility]}/{edit.facility}.yml",
                "action": "create" if edit.before is None else "update",
                "changes": [{"field": c.path, "before": c.before, "after": c.after} for c in edit.changes],
                "sign_offs_needed": list(proposal.resign.get(edit.facility, ())),
            }
            for edit in proposal.changed
        ],
        "contacts": [
            {
                "province": draft.province,
                "compared": draft.known is not None,
                "new": draft.new,
                "changed": draft.changed,
                "unchanged": draft.unchanged,
            }
            for draft in proposal.contact_drafts.values()
        ],
        "written": list(result.written),
    }


def _question(question: Question, language: Language) -> dict[str, object]:
    words = question_text(question, language)
    position = question.position
    return {
        "kind": question.kind.value,
        "message": words.message,
        "answer": words.answer,
        "file": position.file,
        "sheet": position.sheet,
        "row": position.row,
        "column": position.cell.rstrip("0123456789"),
        "name": question.name,
        "object": f"facility/{question.facility}" if question.facility else "",
        "candidates": [
            {
                "facility": candidate.facility,
                "row": candidate.row.row if candidate.row else 0,
                "sheet": candidate.row.sheet if candidate.row else "",
                "name": candidate.name,
                "address": candidate.address,
                "why": [reason.value for reason in candidate.reasons],
                "because": because(candidate, language),
            }
            for candidate in question.candidates
        ],
    }


def _problem(finding: Finding, language: Language) -> dict[str, object]:
    words = wording(finding.remark, language)
    position = finding.position
    return {
        "severity": finding.remark.level.value,
        "code": finding.remark.code,
        "message": words.message,
        "hint": words.hint,
        "file": position.file,
        "sheet": position.sheet,
        "row": position.row,
        "column": position.cell.rstrip("0123456789"),
        "header": position.header,
        "value": finding.value,
        "object": finding.object,
    }


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
    yield from (_finding_row(finding, language) for finding in weighty)
    yield from (_question_row(question, language) for question in result.proposal.questions)
    yield from (_finding_row(finding, language) for listed in notes.values() for finding in listed)


def _finding_row(finding: Finding, language: Language) -> tuple[str, ...]:
    position, words = finding.position, wording(finding.remark, language)
    place_texts = (position.file, position.sheet, position.cell, position.header, finding.value)
    return (LEVELS[language][finding.remark.level], *place_texts, words.message, words.hint, finding.remark.code)


def _question_row(question: Question, language: Language) -> tuple[str, ...]:
    position, words = question.position, question_text(question, language)
    message = " ".join(
        (words.message, *(f"[{number}] {line}" for number, line in enumerate(words.candidates, start=1)))
    )
    name = question.name or question.facility
    place_texts = (position.file, position.sheet, position.cell, position.header, name)
    return (QUESTION[language], *place_texts, message, words.answer, f"question-{question.kind.value}")
