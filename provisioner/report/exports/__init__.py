"""Reports for provinces and the ministry, from one table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from provisioner.base.document import Count, HeldRow, Moment, Printed, Row, Said, absent, form, ungiven
from provisioner.base.frozen import FrozenFacility
from provisioner.base.text import Document, LongList
from provisioner.record.lifecycle.pictures import Freshness
from provisioner.report.exports.progress import PROGRESS, CountedRow
from provisioner.report.exports.report import (
    ACCEPTANCE_REPORT,
    SCORECARD,
    CarrierScoreRow,
    FacilityList,
    IncidentsOfRow,
    ProvedRow,
    Report,
    ScoreRow,
    SharesOfRow,
)
from provisioner.report.exports.surveys import (
    SURVEY_MINUTES,
    SURVEYS,
    ZONES,
    LackingRow,
    MinutesRow,
    SurveyedRow,
    ZoneRow,
)
from provisioner.report.progress import Group, SurveyGroup
from provisioner.report.status import ProofRow, proof_row

__all__ = ["REPORTS", "FacilityList", "InventoryRow", "Report", "export_document"]

# `Any`: each row counts a type of its own, which only its own functions take.
REPORTS: Mapping[str, Report[Any]] = {
    "progress": PROGRESS,
    "surveys": SURVEYS,
    "zones": ZONES,
    "scorecard": SCORECARD,
    "acceptance": ACCEPTANCE_REPORT,
    "survey-minutes": SURVEY_MINUTES,
}
"""Reports by the argument of `export`."""


class InventoryRow(Row):
    """The inventory that was counted."""

    id: Said
    digest: Said


class ExportDocument(Printed, name="export", title="Counts for provinces and the ministry"):
    """What `provisioner export --output json` prints."""

    as_of: Moment
    """A moment, with Vietnam's zone."""
    runs: Count
    """How many runs the evidence is of."""
    report: Annotated[str, form(enum=[*REPORTS])]
    proof: ProofRow | None = absent()
    total: Group | SurveyGroup | None = absent()
    """Of progress and surveys."""
    by_province: tuple[Group | SurveyGroup, ...] | None = absent()
    """Of progress and surveys."""
    by_carrier: tuple[Group, ...] | None = absent()
    """Of progress."""
    by_managing_body: tuple[Group, ...] | None = absent()
    """Of progress."""
    closed: Count | None = absent()
    """Of progress: facilities that are closed, and counted nowhere else."""
    accepted: Count | None = absent()
    """Of acceptance: how many facilities."""
    proved_once: Count | None = absent()
    """Of acceptance: proved, and not yet again a day later."""
    facilities: tuple[CountedRow | SurveyedRow | ProvedRow | MinutesRow, ...] | None = absent()
    """Of progress, surveys, acceptance and survey-minutes."""
    by_zone: tuple[ZoneRow, ...] | None = absent()
    """Of zones."""
    lacking: tuple[LackingRow, ...] | None = absent()
    """Of zones: those of each facility that no camera looks at, as far as anybody knows."""
    carriers: tuple[CarrierScoreRow, ...] | None = absent()
    """Of scorecard."""
    all_carriers: ScoreRow | None = absent()
    """Of scorecard."""
    incidents_of: IncidentsOfRow | None = ungiven()
    """Of scorecard: the verification that the incidents are of."""
    availability_of: SharesOfRow | None = ungiven()
    """Of scorecard: the time that availability is of; null where a host is chosen."""
    inventory: InventoryRow
    held: tuple[HeldRow, ...] = ()


def export_document(
    name: str,
    counted: object,
    listing: FacilityList,
    as_of: datetime,
    runs: int,
    *,
    inventory: InventoryRow,
    proof: Freshness | None = None,
    frozen: Sequence[FrozenFacility] = (),
) -> Document:
    """Return the `export` document of a report's counts (`counted`).

    `proof` is the age of the proof, if the report rests on it. `frozen` facilities are not counted.
    """
    fields = REPORTS[name].document(counted, listing)
    fresh = proof and proof_row(proof)
    parts = {key: value for key, value in fields.items() if isinstance(value, LongList)}
    head = {"as_of": as_of, "runs": runs, "report": name, "proof": fresh, "inventory": inventory, "held": frozen}
    return ExportDocument(**head, **fields | dict.fromkeys(parts, ())).plain | parts
