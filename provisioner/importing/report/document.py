"""The report of an import as one JSON document, `provisioner/import` version 1. Pure."""

from __future__ import annotations

from provisioner.importing.cells.findings import Finding
from provisioner.importing.report.messages import Language, wording
from provisioner.importing.report.result import ImportResult


def import_document(result: ImportResult, language: Language) -> dict[str, object]:
    """The document; values of cells are in it only as far as they may be shown."""
    proposal = result.proposal
    return {
        "schema": "provisioner/import",
        "version": 1,
        "ok": not proposal.errors,
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
