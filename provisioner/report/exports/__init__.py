"""Reports for provinces and the ministry, from one table. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from provisioner.base.document import Count, HeldRow, Moment, Printed, Row, Said, absent, form, ungiven
from provisioner.base.errors import FrozenFacility
from provisioner.base.text import Document, LongList
from provisioner.record.lifecycle.state import Freshness
from provisioner.report.exports import surveys
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
from provisioner.report.progress import BeforeRow, Group, SurveyGroup
from provisioner.report.status import ProofRow, proof_row

__all__ = ["REPORTS", "FacilityList", "InventoryRow", "Report", "export_document"]

# `Any`: each row counts a type of its own, which only its own functions take.
#: Reports by the argument of `export`.
REPORTS: Mapping[str, Report[Any]] = {
    "progress": PROGRESS,
    "surveys": surveys.SURVEYS,
    "zones": surveys.ZONES,
    "scorecard": SCORECARD,
    "acceptance": ACCEPTANCE_REPORT,
    "survey-minutes": surveys.SURVEY_MINUTES,
}


class InventoryRow(Row):
    """The counted inventory."""

    id: Said
    digest: Said


class ExportDocument(Printed, name="export", title="Counts for provinces and the ministry"):
    """Output of `provisioner export --output json`."""

    as_of: Moment  #: A time with Vietnam's zone.
    runs: Count  #: The number of runs with evidence.
    report: Annotated[str, form(enum=[*REPORTS])]
    proof: ProofRow | None = absent()
    total: Group | SurveyGroup | None = absent()  #: In `progress` and `surveys`.
    by_province: tuple[Group | SurveyGroup, ...] | None = absent()  #: In `progress` and `surveys`.
    by_carrier: tuple[Group, ...] | None = absent()  #: In `progress`.
    by_managing_body: tuple[Group, ...] | None = absent()  #: In `progress`.
    closed: Count | None = absent()  #: In `progress`: closed facilities, which no other count includes.
    accepted: Count | None = absent()  #: In `acceptance`: the number of accepted facilities.
    #: In `acceptance`: facilities with a first proof, but without one a day later.
    proved_once: Count | None = absent()
    #: In `progress`, `surveys`, `acceptance` and `survey-minutes`.
    facilities: tuple[CountedRow | surveys.SurveyedRow | ProvedRow | surveys.MinutesRow, ...] | None = absent()
    by_zone: tuple[surveys.ZoneRow, ...] | None = absent()  #: In `zones`.
    lacking: tuple[surveys.LackingRow, ...] | None = absent()  #: In `zones`: those without a known camera, by facility.
    carriers: tuple[CarrierScoreRow, ...] | None = absent()  #: In `scorecard`.
    all_carriers: ScoreRow | None = absent()  #: In `scorecard`.
    incidents_of: IncidentsOfRow | None = ungiven()  #: In `scorecard`: the verification with the incidents.
    #: In `scorecard`: the span of the availability; null if a host is chosen.
    availability_of: SharesOfRow | None = ungiven()
    before: BeforeRow | None = absent()  #: In `progress` with --against-before.
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
    """Return the `export` document of counts, with the age of their proof."""
    fields = REPORTS[name].document(counted, listing)
    fresh = proof and proof_row(proof)
    parts = {key: value for key, value in fields.items() if isinstance(value, LongList)}
    head = {"as_of": as_of, "runs": runs, "report": name, "proof": fresh, "inventory": inventory, "held": frozen}
    return ExportDocument(**head, **fields | dict.fromkeys(parts, ())).plain | parts
