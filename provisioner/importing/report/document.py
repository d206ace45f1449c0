"""An import's report, as JSON and as a province's spreadsheet. Pure."""

from collections.abc import Iterator
from typing import Literal

from openpyxl import Workbook
from openpyxl.utils import get_column_letter

from provisioner.base.document import Count, Printed, Row, of
from provisioner.base.language import Language
from provisioner.base.spreadsheet import HEADER, landscape, put, saved
from provisioner.importing.grid import Finding, FindingLevel
from provisioner.importing.proposal.answers import Question, QuestionKind, Why
from provisioner.importing.proposal.proposal import ImportResult
from provisioner.importing.report.messages import LEVELS, wording
from provisioner.importing.report.text import because, in_order_of_weight, question_text

_HEADERS = {
    Language.VI: ("STT", "Mức độ", "Tệp", "Trang", "Ô", "Cột", "Giá trị", "Vấn đề", "Cách sửa", "Mã"),
    Language.EN: ("No", "Level", "File", "Sheet", "Cell", "Column", "Value", "Problem", "How to mend it", "Code"),
}
_TITLES = {Language.VI: "Kết quả kiểm tra", Language.EN: "Findings"}
_LINE_HEIGHT = 15
_WIDTHS = (6, 10, 24, 12, 8, 24, 20, 56, 56, 22)


class TableRow(Row):
    """A table in a file."""

    file: str = of("position", "file")  #: The file's name as typed.
    sheet: str = of("position", "sheet")  #: Empty for CSV.
    kind: Literal["facilities", "contacts", "surveys", "cameras"]  #: The kind of object in its rows.
    header_row: Count  #: The last row of its header.
    rows: Count  #: The number of its data rows.


class FindingRow(Row):
    """A problem in a table."""

    severity: FindingLevel = of("remark", "level")
    code: str = of("remark", "code")  #: A stable id.
    message: str
    hint: str  #: The next step.
    file: str = of("position", "file")
    sheet: str = of("position", "sheet")
    row: Count = of("position", "row")  #: 0 without a row.
    column: str  #: The column's letters; empty without a cell.
    header: str = of("position", "header")  #: The column's header in Vietnamese.
    value: str  #: The cell's value, if it may be shown.
    object: str  #: The facility concerned, as facility/ID, or empty.


class CandidateRow(Row):
    """A site that a row may be."""

    facility: str  #: Its id; empty for a row of the sheets that has none yet.
    row: Count  #: The candidate's row; 0 for a site of the inventory.
    sheet: str  #: The sheet with that row, or empty.
    name: str  #: Its name.
    address: str  #: Known parts of street, ward and district.
    why: tuple[Why, ...] = of("reasons")  #: The reason that it is a candidate.
    because: str  #: The reason in words.


class QuestionRow(Row):
    """A question that only a person can answer."""

    #: Twin: sites with one name, of which one lacks the values that distinguish them. rename: a name or place like that
    #: of another site. missing: a site of the inventory that is not in the list of its province. camera-missing: a
    #: camera that is not in the list of its site's devices.
    kind: QuestionKind
    message: str
    answer: str  #: The way to answer.
    file: str = of("position", "file")  #: The file's name as typed.
    sheet: str = of("position", "sheet")  #: Empty for CSV.
    row: Count = of("position", "row")  #: The row with the question; 0 for a missing site.
    column: str  #: The letters of the column Mã cơ sở, which takes the answer; empty without such a column.
    #: The row's name, if a candidate has a similar one; name and address of a missing site; id of a missing camera.
    name: str
    object: str  #: The missing site as facility/ID, or empty.
    candidates: tuple[CandidateRow, ...]  #: The sites that the row may be, best first; five at most.


class ChangedValueRow(Row):
    """A value that the sheets change."""

    field: str = of("path")  #: The path to the value, with the ids of cameras and recorders.
    before: str  #: Empty without a former value, and for free texts.
    after: str  #: Empty for free texts.


class ChangedFileRow(Row):
    """A file that the sheets change."""

    facility: str  #: Its id.
    file: str  #: Its file, below the inventory's folder.
    action: Literal["create", "update"]
    changes: tuple[ChangedValueRow, ...]
    sign_offs_needed: tuple[str, ...]  #: Parties that signed the changed values: dic, health, carrier.


class ContactCounts(Row):
    """Contacts of a province, in numbers only."""

    province: str  #: Its slug.
    compared: bool  #: Whether its contacts could be opened.
    new: Count
    changed: Count
    unchanged: Count


class ImportDocument(Printed, name="import", title="An import"):
    """Output of `provisioner import FILE… --output json`.

    It has no value that may be a password or a person's data.
    """

    ok: bool  #: Whether no error and no open question exists. Warnings and notes do not count.
    language: Language  #: The language of messages and hints.
    tables: tuple[TableRow, ...]  #: Every table in the files.
    problems: tuple[FindingRow, ...]  #: All problems, by place.
    #: Questions that only a person can answer. A row with an open question is not written.
    questions: tuple[QuestionRow, ...]
    facilities: tuple[ChangedFileRow, ...]  #: Files that the sheets change.
    contacts: tuple[ContactCounts, ...]  #: Contacts by province, in numbers only.
    written: tuple[str, ...]  #: The written files; empty without --write.


def import_document(result: ImportResult, language: Language) -> ImportDocument:
    """Return the document, with only those cell values that may be shown."""
    proposal = result.proposal
    return ImportDocument(
        ok=not proposal.errors and not proposal.waiting,
        language=language,
        tables=[
            TableRow.made_of(table, kind=table.form.kind.value, rows=len(table.rows)) for table in result.inputs.tables
        ],
        problems=[_problem(finding, language) for finding in proposal.findings],
        questions=[_question(question, language) for question in proposal.questions],
        facilities=[
            ChangedFileRow.made_of(
                edit,
                file=f"facilities/{proposal.provinces[edit.facility]}/{edit.facility}.yml",
                action="create" if edit.before is None else "update",
                sign_offs_needed=proposal.resign.get(edit.facility, ()),
            )
            for edit in proposal.changed
        ],
        contacts=[
            ContactCounts.made_of(draft, compared=draft.known is not None) for draft in proposal.contact_drafts.values()
        ],
        written=result.written,
    )


def _question(question: Question, language: Language) -> QuestionRow:
    text = question_text(question, language)
    return QuestionRow.made_of(
        question,
        message=text.message,
        answer=text.answer,
        column=question.position.cell.rstrip("0123456789"),
        object=f"facility/{question.facility}" if question.facility else "",
        candidates=[
            CandidateRow.made_of(
                candidate,
                row=candidate.row.row if candidate.row else 0,
                sheet=candidate.row.sheet if candidate.row else "",
                because=because(candidate, language),
            )
            for candidate in question.candidates
        ],
    )


def _problem(finding: Finding, language: Language) -> FindingRow:
    text, column = wording(finding.remark, language), finding.position.cell.rstrip("0123456789")
    return FindingRow.made_of(finding, message=text.message, hint=text.hint, column=column)


def report_sheet(result: ImportResult, language: Language) -> bytes:
    """Return the findings as an XLSX file."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = _TITLES[language]
    for place, (title, width) in enumerate(zip(_HEADERS[language], _WIDTHS, strict=True), start=1):
        put(sheet, 1, place, title, HEADER)
        sheet.column_dimensions[get_column_letter(place)].width = width
    rows = tuple(_report_rows(result, language))
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


def _report_rows(result: ImportResult, language: Language) -> Iterator[tuple[str, ...]]:
    weighty, notes = in_order_of_weight(result.proposal.findings)
    yield from (_finding_row(finding, language) for finding in weighty)
    yield from (_question_row(question, language) for question in result.proposal.questions)
    yield from (_finding_row(finding, language) for listed in notes.values() for finding in listed)


def _finding_row(finding: Finding, language: Language) -> tuple[str, ...]:
    position, text = finding.position, wording(finding.remark, language)
    place_texts = (position.file, position.sheet, position.cell, position.header, finding.value)
    return (LEVELS[language][finding.remark.level], *place_texts, text.message, text.hint, finding.remark.code)


def _question_row(question: Question, language: Language) -> tuple[str, ...]:
    position, text = question.position, question_text(question, language)
    message = " ".join((text.message, *(f"[{number}] {line}" for number, line in enumerate(text.candidates, start=1))))
    name = question.name or question.facility
    place_texts = (position.file, position.sheet, position.cell, position.header, name)
    return (
        LEVELS[language][FindingLevel.QUESTION],
        *place_texts,
        message,
        text.answer,
        f"question-{question.kind.value}",
    )
