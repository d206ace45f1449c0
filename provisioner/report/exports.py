"""The three exports as text and as documents. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from provisioner.base.clock import local_iso
from provisioner.inventory.model import BlockReason, SurveyVerdict
from provisioner.report import progress as progress_report
from provisioner.report import surveys as survey_report
from provisioner.report import zones as zone_report
from provisioner.report.progress import Group, ProgressReport
from provisioner.report.status import facility_document
from provisioner.report.surveys import SurveyGroup, Surveys
from provisioner.report.tables import text_table
from provisioner.report.zones import Cover, Zones

_ALL = "all"
_NO_PLAN = "no plan yet"


def export_document(report: ProgressReport | Surveys | Zones, as_of: datetime, runs: int) -> dict[str, Any]:
    """The `export` document.

    Args:
        report: which of the three.
        as_of: its moment, with its zone.
        runs: how many runs the evidence is of.
    """
    head = {"schema": "provisioner/export", "version": 1, "as_of": local_iso(as_of), "runs": runs}
    if isinstance(report, ProgressReport):
        return head | {"report": "progress"} | _progress(report)
    if isinstance(report, Surveys):
        return head | {"report": "surveys"} | _surveys(report)
    return head | {"report": "zones"} | _zones(report)


def _progress(report: ProgressReport) -> dict[str, Any]:
    document = progress_report.group_document
    return {
        "total": document(report.total, ""),
        "by_province": [document(group, "province") for group in report.by_province],
        "by_carrier": [document(group, "carrier") for group in report.by_carrier],
        "by_managing_body": [document(group, "managing_body") for group in report.by_managing_body],
        "closed": report.closed,
        "facilities": [
            facility_document(status) | {"counted_as": progress_report.counted_as(status).value}
            for status in report.listed
        ],
    }


def _surveys(report: Surveys) -> dict[str, Any]:
    return {
        "total": survey_report.group_document(report.total),
        "by_province": [survey_report.group_document(group) for group in report.by_province],
        "facilities": [survey_report.facility_document(facility) for facility in report.listed],
    }


def _zones(report: Zones) -> dict[str, Any]:
    return {
        "by_zone": [zone_report.group_document(group) for group in report.by_zone],
        "lacking": [zone_report.cover_document(one) for one in report.lacking],
    }


# --- text -----------------------------------------------------------------------------------------


def export_lines(report: ProgressReport | Surveys | Zones) -> Iterator[str]:
    """The counts as tables."""
    if isinstance(report, ProgressReport):
        yield from _progress_lines(report)
    elif isinstance(report, Surveys):
        yield from _survey_lines(report)
    else:
        yield from _zone_lines(report)


def _progress_lines(report: ProgressReport) -> Iterator[str]:
    reasons = [reason for reason in BlockReason if reason in report.total.blocked]
    yield from _group_table("province", report.by_province, report.total, reasons)
    yield ""
    yield from _group_table("carrier", report.by_carrier, report.total, reasons)
    yield ""
    yield from _group_table("managing body", report.by_managing_body, report.total, reasons)
    if report.closed:
        yield ""
        yield f"closed, and not counted: {report.closed}"


def _group_table(noun: str, groups: Sequence[Group], total: Group, reasons: Sequence[BlockReason]) -> Iterator[str]:
    blocked = tuple(f"blocked: {reason.value}" for reason in reasons)
    names = (
        noun,
        "facilities",
        "connected",
        "late",
        *blocked,
        "suspended",
        "under way",
        "overdue",
        "cameras connected",
    )
    rows = [_cells(group, group.key or _NO_PLAN, reasons) for group in groups]
    yield from text_table(names, [*rows, _cells(total, _ALL, reasons)], numbers=True)


def _cells(group: Group, name: str, reasons: Sequence[BlockReason]) -> list[str]:
    blocked = [group.blocked.get(reason, 0) for reason in reasons]
    counts = [group.facilities, group.connected, group.late, *blocked]
    counts += [group.suspended, group.under_way, group.overdue]
    cameras = f"{group.cameras_connected}/{group.cameras}"
    return [name, *map(str, counts), cameras]


def _survey_lines(report: Surveys) -> Iterator[str]:
    verdicts = [verdict for verdict in SurveyVerdict if verdict in report.total.verdicts]
    names = ("province", "facilities", "surveyed", *(verdict.value for verdict in verdicts), "missing", "cameras fit")
    rows = [_survey_cells(group, group.key, verdicts) for group in report.by_province]
    yield from text_table(names, [*rows, _survey_cells(report.total, _ALL, verdicts)], numbers=True)


def _survey_cells(group: SurveyGroup, name: str, verdicts: Sequence[SurveyVerdict]) -> list[str]:
    found = [str(group.verdicts.get(verdict, 0)) for verdict in verdicts]
    cameras = f"{group.cameras_fit}/{group.cameras_present}"
    return [name, str(group.facilities), str(group.surveyed), *found, str(group.missing), cameras]


def _zone_lines(report: Zones) -> Iterator[str]:
    names = ("zone", "facilities", *(cover.value.replace("_", " ") for cover in Cover))
    rows = [
        [group.zone.value, str(group.facilities), *(str(group.covers[cover]) for cover in Cover)]
        for group in report.by_zone
    ]
    yield from text_table(names, rows, numbers=True)
    yield ""
    gaps: dict[str, list[str]] = {}
    for one in report.lacking:
        if one.cover is Cover.GAP:
            gaps.setdefault(one.facility.id, []).append(one.zone.value)
    for facility, zones in gaps.items():
        yield f"{facility}: no camera at {', '.join(zones)}"
