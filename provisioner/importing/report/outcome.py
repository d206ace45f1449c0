"""The report of an import, for people, in Vietnamese or English. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from provisioner.importing.cells.findings import Finding, Level
from provisioner.importing.proposal.edits import Edit, FieldChange
from provisioner.importing.proposal.people import People
from provisioner.importing.proposal.whole import Proposal
from provisioner.importing.report.messages import LEVELS, Language, wording
from provisioner.importing.tables.sources import Sources

_MOST_CHANGES = 8

_PHRASES: dict[Language, dict[str, str]] = {
    Language.EN: {
        "hint": "hint",
        "read": "{file}: {tables} (rows)",
        "table": "{sheet} {rows}",
        "changes": "would change:",
        "changed": "changed:",
        "new": "new",
        "more": "and {count} more",
        "people": "contacts of {province}: {new} new, {changed} changed, {same} as they are",
        "people_closed": "contacts of {province}: rows {new}, not compared",
        "sums": "errors: {errors}, warnings: {warnings}, notes: {notes}",
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
        "read": "{file}: {tables} (số dòng)",
        "table": "{sheet} {rows}",
        "changes": "sẽ thay đổi:",
        "changed": "đã thay đổi:",
        "new": "mới",
        "more": "và {count} mục khác",
        "people": "đầu mối {province}: {new} mới, {changed} thay đổi, {same} không đổi",
        "people_closed": "đầu mối {province}: {new} dòng, chưa so sánh",
        "sums": "{errors} lỗi, {warnings} cảnh báo, {notes} ghi chú",
        "nothing": "không có gì thay đổi",
        "dry": "chưa ghi gì; thêm --write để ghi",
        "mend": "chưa ghi gì; sửa các lỗi, hoặc ghi phần còn lại bằng --write --partial",
        "written": "đã ghi {files} tệp",
        "partly": "đã ghi {files} tệp, trừ các dòng có lỗi; sửa rồi nhập lại",
        "commit": "commit {file}",
        "none": "chưa ghi gì",
    },
}


@dataclass(frozen=True)
class ImportResult:
    """What an import came to.

    Attributes:
        sources: what was read.
        proposal: what it asks for.
        write: whether it was to be written.
        written: the files that were.
    """

    sources: Sources
    proposal: Proposal
    write: bool
    written: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.proposal.changed or any(people.differs for people in self.proposal.people.values()))


def finding_lines(findings: Iterable[Finding], language: Language) -> Iterator[tuple[Level, str, str]]:
    """Each finding's level, its sentence with its place, and its hint."""
    for finding in findings:
        words = wording(finding.remark, language)
        header = f" ({finding.spot.header})" if finding.spot.header else ""
        shown = f" “{finding.shown}”" if finding.shown else ""
        yield finding.remark.level, f"{finding.spot}{header}{shown}: {words.message}", words.hint


def level_word(level: Level, language: Language) -> str:
    """A level's name."""
    return LEVELS[language][level]


def hint_word(language: Language) -> str:
    """What stands before a hint."""
    return _PHRASES[language]["hint"]


def read_lines(sources: Sources, language: Language) -> Iterator[str]:
    """Tell which tables were read."""
    phrases = _PHRASES[language]
    for file in sources.files:
        tables = [table for table in sources.tables if table.spot.file == file]
        told = ", ".join(phrases["table"].format(sheet=t.form.title, rows=len(t.rows)) for t in tables)
        if told:
            yield phrases["read"].format(file=file, tables=told)


def summary_lines(outcome: ImportResult, language: Language) -> Iterator[str]:
    """Tell what changes, and what comes next."""
    phrases = _PHRASES[language]
    if outcome.changes:
        yield phrases["changed" if outcome.written else "changes"]
        for edit in outcome.proposal.changed:
            yield f"  {_edit_line(edit, language)}"
    for people in outcome.proposal.people.values():
        yield f"  {_people_line(people, language)}"
    yield _sums(outcome.proposal.findings, language)
    yield from _ending(outcome, language)


def _edit_line(edit: Edit, language: Language) -> str:
    phrases = _PHRASES[language]
    if edit.before is None:
        return f"+ {edit.facility} ({phrases['new']})"
    told = [_change(change) for change in edit.changes[:_MOST_CHANGES]]
    more = len(edit.changes) - len(told)
    return f"~ {edit.facility}: {'; '.join([*told, *([phrases['more'].format(count=more)] if more else [])])}"


def _change(change: FieldChange) -> str:
    if not change.before and not change.after:
        return change.way
    return f"{change.way} {change.before + ' ' if change.before else ''}→ {change.after}"


def _people_line(people: People, language: Language) -> str:
    phrases = _PHRASES[language]
    if people.known is None:
        return phrases["people_closed"].format(province=people.province, new=people.new)
    counts = {"new": people.new, "changed": people.changed, "same": people.unchanged}
    return phrases["people"].format(province=people.province, **counts)


def _sums(findings: Iterable[Finding], language: Language) -> str:
    counts = Counter(finding.remark.level for finding in findings)
    return _PHRASES[language]["sums"].format(
        errors=counts[Level.ERROR], warnings=counts[Level.WARNING], notes=counts[Level.NOTE]
    )


def _ending(outcome: ImportResult, language: Language) -> Iterator[str]:
    phrases = _PHRASES[language]
    if outcome.written:
        yield phrases["partly" if outcome.proposal.errors else "written"].format(files=len(outcome.written))
        yield from (phrases["commit"].format(file=file) for file in outcome.written)
    elif outcome.proposal.errors:
        yield phrases["mend" if not outcome.write or outcome.changes else "none"]
    else:
        yield phrases["dry" if outcome.changes else "nothing"]
