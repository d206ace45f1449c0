"""The report of an import as one JSON document, `provisioner/import` version 1. Pure."""

from __future__ import annotations

from typing import Any

from provisioner.importing.cells.findings import Finding
from provisioner.importing.report.messages import Language, wording
from provisioner.importing.report.outcome import ImportResult


def import_document(outcome: ImportResult, language: Language) -> dict[str, Any]:
    """The document; values of cells are in it only as far as they may be shown."""
    proposal = outcome.proposal
    return {
        "schema": "provisioner/import",
        "version": 1,
        "ok": not proposal.errors,
        "language": language.value,
        "tables": [
            {
                "file": table.spot.file,
                "sheet": table.spot.sheet,
                "kind": table.form.kind.value,
                "header_row": table.header_row,
                "rows": len(table.rows),
            }
            for table in outcome.sources.tables
        ],
        "problems": [_problem(finding, language) for finding in proposal.findings],
        "facilities": [
            {
                "facility": edit.facility,
                "file": f"facilities/{proposal.provinces[edit.facility]}/{edit.facility}.yml",
                "action": "create" if edit.before is None else "update",
                "changes": [{"field": c.way, "before": c.before, "after": c.after} for c in edit.changes],
                "sign_offs_needed": list(proposal.resign.get(edit.facility, ())),
            }
            for edit in proposal.changed
        ],
        "contacts": [
            {
                "province": people.province,
                "compared": people.known is not None,
                "new": people.new,
                "changed": people.changed,
                "unchanged": people.unchanged,
            }
            for people in proposal.people.values()
        ],
        "written": list(outcome.written),
    }


def _problem(finding: Finding, language: Language) -> dict[str, Any]:
    words = wording(finding.remark, language)
    spot = finding.spot
    return {
        "severity": finding.remark.level.value,
        "code": finding.remark.code,
        "message": words.message,
        "hint": words.hint,
        "file": spot.file,
        "sheet": spot.sheet,
        "row": spot.row,
        "column": spot.cell.rstrip("0123456789"),
        "header": spot.header,
        "value": finding.shown,
        "object": finding.object,
    }
