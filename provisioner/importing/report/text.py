"""The report of an import as lines of text, in Vietnamese or English. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from provisioner.importing.cells.findings import Finding, FindingLevel
from provisioner.importing.proposal.contacts import ContactsDraft
from provisioner.importing.proposal.edits import FacilityEdit, FieldChange
from provisioner.importing.proposal.questions import Question
from provisioner.importing.report.messages import LEVELS, Language, wording
from provisioner.importing.report.questions import QuestionText, question_text
from provisioner.importing.report.result import ImportResult
from provisioner.importing.tables.input_files import InputFiles

_MOST_CHANGES = 8
_MOST_NOTES = 3
"""Of one code."""

_PHRASES: dict[Language, dict[str, str]] = {
    Language.EN: {
        "hint": "hint",
        "answer": "answer",
        "read": "{file}: {tables} (rows)",
        "table": "{sheet} {rows}",
        "changes": "would change:",
        "changed": "changed:",
        "new": "new",
        "more": "and {count} more",
        "people": "contacts of {province}: {new} new, {changed} changed, {same} as they are",
        "people_closed": "contacts of {province}: rows {new}, not compared",
        "sums": "errors: {errors}, warnings: {warnings}, questions: {questions}, notes: {notes}",
        "notes_more": "{count} more notes of this kind ({code}); all of them: --output json, or --report OUT.xlsx",
        "open": "open questions: {questions}; rows that wait for an answer, and were not written: {waiting}",
        "open_dry": "open questions: {questions}; rows that wait for an answer, and are not written: {waiting}",
        "open_none": "open questions: {questions}; no row waits for an answer",
        "nothing": "nothing to change",
        "dry": "nothing was written; add --write to write it",
        "mend": "nothing was written; mend the errors, or write the rest with --write --partial",
        "written": "files written: {files}",
        "partly": "files written: {files}, without the rows that have errors; mend them and import again",
        "commit": "commit {file}",
        "none": "nothing was written",
    },
    Language.VI: {
        "hint": "cách sửa",
        "answer": "trả lời",
        "read": "{file}: {tables} (số dòng)",
        "table": "{sheet} {rows}",
        "changes": "sẽ thay đổi:",
        "changed": "đã thay đổi:",
        "new": "mới",
        "more": "và {count} mục khác",
        "people": "đầu mối {province}: {new} mới, {changed} thay đổi, {same} không đổi",
        "people_closed": "đầu mối {province}: {new} dòng, chưa so sánh",
        "sums": "{errors} lỗi, {warnings} cảnh báo, {questions} câu hỏi, {notes} ghi chú",
        "notes_more": "còn {count} ghi chú cùng loại ({code}); xem tất cả: --output json hoặc --report OUT.xlsx",
        "open": "còn {questions} câu hỏi; {waiting} dòng chưa ghi vì chờ trả lời",
        "open_dry": "còn {questions} câu hỏi; {waiting} dòng không được ghi vì chờ trả lời",
        "open_none": "còn {questions} câu hỏi; không có dòng nào phải chờ trả lời",
        "nothing": "không có gì thay đổi",
        "dry": "chưa ghi gì; thêm --write để ghi",
        "mend": "chưa ghi gì; sửa các lỗi, hoặc ghi phần còn lại bằng --write --partial",
        "written": "đã ghi {files} tệp",
        "partly": "đã ghi {files} tệp, trừ các dòng có lỗi; sửa rồi nhập lại",
        "commit": "commit {file}",
        "none": "chưa ghi gì",
    },
}


def finding_lines(findings: Iterable[Finding], language: Language) -> Iterator[tuple[FindingLevel, str, str]]:
    """Each finding's level, its sentence with its place, and its hint."""
    for finding in findings:
        words = wording(finding.remark, language)
        header = f" ({finding.position.header})" if finding.position.header else ""
        value = f" “{finding.value}”" if finding.value else ""
        yield finding.remark.level, f"{finding.position}{header}{value}: {words.message}", words.hint


def in_order_of_weight(findings: Iterable[Finding]) -> tuple[list[Finding], dict[str, list[Finding]]]:
    """Errors, then warnings, each by place; and the notes by their codes."""
    weighty: dict[FindingLevel, list[Finding]] = {FindingLevel.ERROR: [], FindingLevel.WARNING: []}
    notes: dict[str, list[Finding]] = {}
    for finding in findings:
        level = finding.remark.level
        (weighty[level] if level in weighty else notes.setdefault(finding.remark.code, [])).append(finding)
    return [finding for listed in weighty.values() for finding in listed], notes


def note_lines(notes: Mapping[str, list[Finding]], language: Language) -> Iterator[str]:
    """The first notes of each code, and how many more there are: they do not bury what is to be done."""
    for code, listed in notes.items():
        first = listed if len(listed) <= _MOST_NOTES + 1 else listed[:_MOST_NOTES]
        yield from (message for _, message, _ in finding_lines(first, language))
        if len(first) < len(listed):
            yield _PHRASES[language]["notes_more"].format(count=len(listed) - len(first), code=code)


def question_lines(questions: Iterable[Question], language: Language) -> Iterator[QuestionText]:
    """The questions in words."""
    return (question_text(question, language) for question in questions)


def level_word(level: FindingLevel, language: Language) -> str:
    """A level's name."""
    return LEVELS[language][level]


def hint_word(language: Language) -> str:
    """What stands before a hint."""
    return _PHRASES[language]["hint"]


def answer_word(language: Language) -> str:
    """What stands before how to answer."""
    return _PHRASES[language]["answer"]


def read_lines(inputs: InputFiles, language: Language) -> Iterator[str]:
    """The tables that were read, one line a file."""
    phrases = _PHRASES[language]
    for file in inputs.files:
        tables = [table for table in inputs.tables if table.position.file == file]
        counts = ", ".join(phrases["table"].format(sheet=t.form.title, rows=len(t.rows)) for t in tables)
        if counts:
            yield phrases["read"].format(file=file, tables=counts)


def summary_lines(result: ImportResult, language: Language) -> Iterator[str]:
    """What changes, and what comes next."""
    phrases = _PHRASES[language]
    if result.changes:
        yield phrases["changed" if result.written else "changes"]
        for edit in result.proposal.changed:
            yield f"  {_edit_line(edit, language)}"
    for draft in result.proposal.contact_drafts.values():
        yield f"  {_contacts_line(draft, language)}"
    yield _sums(result, language)
    yield from _ending(result, language)
    yield from _open_questions(result, language)


def _edit_line(edit: FacilityEdit, language: Language) -> str:
    phrases = _PHRASES[language]
    if edit.before is None:
        return f"+ {edit.facility} ({phrases['new']})"
    changes = [_change(change) for change in edit.changes[:_MOST_CHANGES]]
    more = len(edit.changes) - len(changes)
    return f"~ {edit.facility}: {'; '.join([*changes, *([phrases['more'].format(count=more)] if more else [])])}"


def _change(change: FieldChange) -> str:
    if not change.before and not change.after:
        return change.path
    return f"{change.path} {change.before + ' ' if change.before else ''}→ {change.after}"


def _contacts_line(draft: ContactsDraft, language: Language) -> str:
    phrases = _PHRASES[language]
    if draft.known is None:
        return phrases["people_closed"].format(province=draft.province, new=draft.new)
    counts = {"new": draft.new, "changed": draft.changed, "same": draft.unchanged}
    return phrases["people"].format(province=draft.province, **counts)


def _sums(result: ImportResult, language: Language) -> str:
    counts = Counter(finding.remark.level for finding in result.proposal.findings)
    return _PHRASES[language]["sums"].format(
        errors=counts[FindingLevel.ERROR],
        warnings=counts[FindingLevel.WARNING],
        questions=len(result.proposal.questions),
        notes=counts[FindingLevel.NOTE],
    )


def _open_questions(result: ImportResult, language: Language) -> Iterator[str]:
    """The last line, where a person is asked anything."""
    questions, waiting = len(result.proposal.questions), result.proposal.waiting
    if questions:
        dry = "open" if result.write else "open_dry"
        phrase = _PHRASES[language][dry if waiting else "open_none"]
        yield phrase.format(questions=questions, waiting=waiting)


def _ending(result: ImportResult, language: Language) -> Iterator[str]:
    phrases = _PHRASES[language]
    if result.written:
        yield phrases["partly" if result.proposal.errors else "written"].format(files=len(result.written))
        yield from (phrases["commit"].format(file=file) for file in result.written)
    elif result.proposal.errors:
        yield phrases["mend" if not result.write or result.changes else "none"]
    else:
        yield phrases["dry" if result.changes else "nothing"]
