"""The report of an import as one JSON document, `provisioner/import` version 1. Pure."""

from __future__ import annotations

from provisioner.importing.cells.findings import Finding
from provisioner.importing.proposal.questions import Question
from provisioner.importing.report.messages import Language, wording
from provisioner.importing.report.questions import because, question_text
from provisioner.importing.report.result import ImportResult


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
