"""Reports for provinces and the ministry, a row of one table each. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from provisioner.base.text import Document, local_iso
from provisioner.record.lifecycle.pictures import Freshness
from provisioner.report.exports.progress import PROGRESS
from provisioner.report.exports.report import ACCEPTANCE_REPORT, SCORECARD, FacilityList, Report
from provisioner.report.exports.surveys import SURVEY_MINUTES, SURVEYS, ZONES
from provisioner.report.status import freshness_document

__all__ = ["REPORTS", "FacilityList", "Report", "export_document"]

# `Any`: each row counts a type of its own, which only its own functions take.
REPORTS: Mapping[str, Report[Any]] = {
    "progress": PROGRESS,
    "surveys": SURVEYS,
    "zones": ZONES,
    "scorecard": SCORECARD,
    "acceptance": ACCEPTANCE_REPORT,
    "survey-minutes": SURVEY_MINUTES,
}
"""By the name that `export` takes."""


def export_document(
    name: str, counted: object, listing: FacilityList, as_of: datetime, runs: int, *, proof: Freshness | None = None
) -> Document:
    """The `export` document.

    Args:
        name: which report.
        counted: what it counted.
        listing: what it counted that of.
        as_of: its moment, with its zone.
        runs: how many runs the evidence is of.
        proof: how old the proof is, of a report that rests on it.
    """
    head: Document = {
        "schema": "provisioner/export",
        "version": 1,
        "as_of": local_iso(as_of),
        "runs": runs,
        "report": name,
    }
    if proof is not None:
        head |= {"proof": freshness_document(proof)}
    return head | REPORTS[name].document(counted, listing)
