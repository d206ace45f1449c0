"""The report of an import as text, with its questions. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from provisioner.base.language import Language
from provisioner.importing.grid import Finding, FindingLevel
from provisioner.importing.proposal.answers import Candidate, Question, QuestionKind, Why
from provisioner.importing.proposal.edits import FacilityEdit, FieldChange
from provisioner.importing.proposal.proposal import ContactsDraft, ImportResult
from provisioner.importing.report.messages import wording
from provisioner.importing.tables.files import InputFiles

_ASKS: Mapping[Language, Mapping[QuestionKind, str]] = {
    Language.EN: {
        QuestionKind.TWIN: "is this one of these sites, or a site of its own of the same name?",
        QuestionKind.RENAME: "is this one of these sites under another name, or a site of its own?",
        QuestionKind.MISSING: "in the inventory, and not in this list: is it closed, or has it another name?",
        QuestionKind.CAMERA: "in the inventory, and not in this list of devices: was it removed?",
    },
    Language.VI: {
        QuestionKind.TWIN: "Đây là một trong các cơ sở sau, hay là cơ sở khác trùng tên?",
        QuestionKind.RENAME: "Đây là một trong các cơ sở sau nhưng ghi tên khác, hay là cơ sở khác?",
        QuestionKind.MISSING: "Có trong hệ thống nhưng không có trong danh sách này: đã đóng hay đã đổi tên?",
        QuestionKind.CAMERA: "Có trong hệ thống nhưng không có trong danh sách thiết bị này: đã tháo bỏ?",
    },
}
_ANSWERS: Mapping[Language, Mapping[str, str]] = {
    Language.EN: {
        "cell": "write into {cell} (Mã cơ sở)",
        "column": "add a column Mã cơ sở and write into row {row}",
        "id": "{facility} if it is that one",
        "new": "“mới” if it is a site of its own",
        "bare": "“mới” if it is a site of its own, and fill in Xã/Phường and Địa chỉ as well",
        "listed": "if it is {facilities}, which another row is about, delete this row",
        "rows": "if it is the site of row {rows}, keep one of the rows",
        "missing": "closed: a row with {facility} in Mã cơ sở and “Đã đóng” in Tình trạng hoạt động; another name: "
        "{facility} in the row of that name; as it was: a row with {facility} alone. Nothing is closed by itself",
        "camera": "removed: provisioner camera remove {facility}/{camera}; still there: a row for it. Nothing is"
        " removed by itself",
    },
    Language.VI: {
        "cell": "ghi vào ô {cell} (Mã cơ sở)",
        "column": "thêm cột Mã cơ sở và ghi vào dòng {row}",
        "id": "{facility} nếu là cơ sở đó",
        "new": "“mới” nếu là cơ sở khác",
        "bare": "“mới” nếu là cơ sở khác, và ghi thêm cả Xã/Phường, Địa chỉ",
        "listed": "nếu là {facilities} (đã có dòng khác) thì xóa dòng này",
        "rows": "nếu là cơ sở ở dòng {rows} thì chỉ giữ một dòng",
        "missing": "đã đóng: thêm dòng ghi {facility} ở cột Mã cơ sở và Tình trạng hoạt động “Đã đóng”; đổi tên: ghi "
        "{facility} vào dòng có tên mới; vẫn như cũ: thêm dòng chỉ ghi {facility}. Hệ thống không tự đóng cơ sở nào",
        "camera": "đã tháo: provisioner camera remove {facility}/{camera}; vẫn còn: thêm một dòng cho nó. Hệ thống"
        " không tự xóa camera nào",
    },
}
_REASONS: Mapping[Language, Mapping[Why, str]] = {
    Language.EN: {
        Why.SAME_NAME: "the same name",
        Why.OTHER_MARKS: "the same name but for its marks",
        Why.LIKE_NAME: "a name that is written like it",
        Why.LONGER_NAME: "one name has words that the other has not",
        Why.SAME_WARD: "the same ward",
        Why.SAME_STREET: "the same address",
        Why.PLACE_MISSING: "district, ward or address is missing on one side",
        Why.PLACE_LIKE: "district, ward or address is written in another way",
        Why.MANY_NAMESAKES: "one of very many of this name",
        Why.LISTED: "another row is about it",
        Why.NOT_LISTED: "no row of the list is about it",
        Why.NOT_THIS_ID: "no site has the id of the row",
    },
    Language.VI: {
        Why.SAME_NAME: "cùng tên",
        Why.OTHER_MARKS: "cùng tên, khác dấu",
        Why.LIKE_NAME: "tên viết gần giống",
        Why.LONGER_NAME: "tên này có thêm từ so với tên kia",
        Why.SAME_WARD: "cùng xã, phường",
        Why.SAME_STREET: "cùng địa chỉ",
        Why.PLACE_MISSING: "một bên thiếu huyện, xã hoặc địa chỉ",
        Why.PLACE_LIKE: "huyện, xã hoặc địa chỉ ghi khác cách",
        Why.MANY_NAMESAKES: "có rất nhiều cơ sở cùng tên",
        Why.LISTED: "đã có dòng khác ghi cơ sở này",
        Why.NOT_LISTED: "chưa có dòng nào trong danh sách ghi cơ sở này",
        Why.NOT_THIS_ID: "mã ghi ở dòng này chưa có trong hệ thống",
    },
}
_ROW: Mapping[Language, str] = {Language.EN: "row {row}", Language.VI: "dòng {row}"}
_MOST_CHANGES = 8
_MOST_NOTES = 3  #: For one code.

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
        "report": "findings written to {file}",
        "written": "files written: {files}",
        "partly": "files written: {files}, without the rows that have errors; mend them and import again",
        "commit": "commit {file}",
        "next": "next: provisioner {command}",
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
        "report": "đã ghi kết quả kiểm tra vào {file}",
        "written": "đã ghi {files} tệp",
        "partly": "đã ghi {files} tệp, trừ các dòng có lỗi; sửa rồi nhập lại",
        "commit": "commit {file}",
        "next": "tiếp theo: provisioner {command}",
        "none": "chưa ghi gì",
    },
}


class QuestionText(NamedTuple):
    """A question in words: position, question, candidates, instructions."""

    place: str
    message: str
    candidates: tuple[str, ...]
    answer: str


def question_text(question: Question, language: Language) -> QuestionText:
    """Return a question in words."""
    name = f" “{question.name}”" if question.name else ""
    facility = f" {question.facility}" if question.facility else ""
    lines = tuple(f"{_site(candidate, language)} ({because(candidate, language)})" for candidate in question.candidates)
    place = f"{question.position}{facility}{name}"
    return QuestionText(place, _ASKS[language][question.kind], lines, _answer_text(question, language))


def because(candidate: Candidate, language: Language) -> str:
    """Return why a site is a candidate."""
    return "; ".join(_REASONS[language][reason] for reason in candidate.reasons)


def _site(candidate: Candidate, language: Language) -> str:
    row = _ROW[language].format(row=candidate.row.row) if candidate.row else ""
    named = ", ".join(filter(None, (candidate.facility, row)))
    return f"{named}: {', '.join(filter(None, (candidate.name, candidate.address)))}"


def _answer_text(question: Question, language: Language) -> str:
    phrases = _ANSWERS[language]
    if question.kind is QuestionKind.MISSING:
        return phrases["missing"].format(facility=question.facility)
    if question.kind is QuestionKind.CAMERA:
        return phrases["camera"].format(facility=question.facility, camera=question.name)
    position, candidates = question.position, question.candidates
    where = phrases["cell" if position.column else "column"].format(cell=position.cell, row=position.row)
    free = [c.facility for c in candidates if c.facility and Why.LISTED not in c.reasons]
    listed = [c.facility for c in candidates if c.facility and Why.LISTED in c.reasons]
    rows = sorted(c.row.row for c in candidates if c.row and not c.facility)
    choices = [phrases["id"].format(facility=facility) for facility in dict.fromkeys(free)]
    choices.append(phrases["bare" if _is_bare(question) else "new"])
    answers = [f"{where}: {' / '.join(choices)}"]
    answers += [phrases["listed"].format(facilities=", ".join(listed))] if listed else []
    answers += [phrases["rows"].format(rows=", ".join(map(str, rows)))] if rows else []
    return "; ".join(answers)


def _is_bare(question: Question) -> bool:
    candidates = question.candidates
    return question.bare and any(not c.row and not c.address and Why.SAME_NAME in c.reasons for c in candidates)


def finding_lines(findings: Iterable[Finding], language: Language) -> Iterator[tuple[FindingLevel, str, str]]:
    """Yield each finding's level, sentence with position, and hint."""
    for finding in findings:
        text = wording(finding.remark, language)
        header = f" ({finding.position.header})" if finding.position.header else ""
        value = f" “{finding.value}”" if finding.value else ""
        yield finding.remark.level, f"{finding.position}{header}{value}: {text.message}", text.hint


def in_order_of_weight(findings: Iterable[Finding]) -> tuple[list[Finding], dict[str, list[Finding]]]:
    """Return errors, warnings, then questions, by position; and notes by code."""
    levels = (FindingLevel.ERROR, FindingLevel.WARNING, FindingLevel.QUESTION)
    weighty: dict[FindingLevel, list[Finding]] = {level: [] for level in levels}
    notes: dict[str, list[Finding]] = {}
    for finding in findings:
        level = finding.remark.level
        (weighty[level] if level in weighty else notes.setdefault(finding.remark.code, [])).append(finding)
    return [finding for listed in weighty.values() for finding in listed], notes


def note_lines(notes: Mapping[str, list[Finding]], language: Language) -> Iterator[str]:
    """Yield the first notes of each code, and how many more follow."""
    for code, listed in notes.items():
        first = listed if len(listed) <= _MOST_NOTES + 1 else listed[:_MOST_NOTES]
        yield from (message for _, message, _ in finding_lines(first, language))
        if len(first) < len(listed):
            yield _PHRASES[language]["notes_more"].format(count=len(listed) - len(first), code=code)


def word(name: str, language: Language) -> str:
    """Return a phrase, such as the label of a hint."""
    return _PHRASES[language][name]


def read_lines(inputs: InputFiles, language: Language) -> Iterator[str]:
    """Yield the tables that were read, one line per file."""
    phrases = _PHRASES[language]
    for file in inputs.files:
        tables = [table for table in inputs.tables if table.position.file == file]
        counts = ", ".join(phrases["table"].format(sheet=t.form.title, rows=len(t.rows)) for t in tables)
        if counts:
            yield phrases["read"].format(file=file, tables=counts)


def summary_lines(result: ImportResult, language: Language) -> Iterator[str]:
    """Yield the changes, and the next step."""
    phrases = _PHRASES[language]
    if result.changes:
        yield phrases["changed" if result.written else "changes"]
        for edit in result.proposal.changed:
            yield f"  {_edit_line(edit, language)}"
    for draft in result.proposal.contact_drafts.values():
        yield f"  {_contacts_line(draft, language)}"
    yield _sums(result, language)
    yield from _ending_lines(result, language)
    yield from _open_question_line(result, language)
    if result.written and result.proposal.changed:
        first, *others = (edit.facility for edit in result.proposal.changed)
        yield phrases["next"].format(command="status" if others else f"facility next {first}")


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
        questions=result.proposal.open_questions,
        notes=counts[FindingLevel.NOTE],
    )


def _open_question_line(result: ImportResult, language: Language) -> Iterator[str]:
    questions, waiting = result.proposal.open_questions, result.proposal.waiting
    if questions:
        dry = "open" if result.write else "open_dry"
        phrase = _PHRASES[language][dry if waiting else "open_none"]
        yield phrase.format(questions=questions, waiting=waiting)


def _ending_lines(result: ImportResult, language: Language) -> Iterator[str]:
    phrases = _PHRASES[language]
    if result.written:
        yield phrases["partly" if result.proposal.errors else "written"].format(files=len(result.written))
        yield from (phrases["commit"].format(file=file) for file in result.by_hand)
    elif result.proposal.errors:
        yield phrases["mend" if not result.write or result.changes else "none"]
    else:
        yield phrases["dry" if result.changes else "nothing"]
