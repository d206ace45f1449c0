"""Official documents in Vietnamese, by report; `docx` writes the files. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from provisioner.record.lifecycle.status import FacilityStatus
from provisioner.report.documents.minutes import DocumentBasis, acceptance_record, refuse_survey, survey_minutes
from provisioner.report.documents.official import OfficialDocument
from provisioner.report.documents.progress import progress_report
from provisioner.report.exports.report import FacilityList
from provisioner.report.status import proof_of_facility


@dataclass(frozen=True, slots=True)
class MinutesForm:
    """Minutes of one facility; `refusal` returns why it has none."""

    words: str
    rule: str
    refusal: Callable[[FacilityStatus, FacilityList], str]
    make: Callable[[FacilityStatus, FacilityList, DocumentBasis], OfficialDocument]


#: Documents on all chosen facilities, by the argument of `export`.
REPORT_LETTERS: Final[Mapping[str, Callable[[FacilityList, DocumentBasis], OfficialDocument]]] = {
    "progress": progress_report
}

#: Documents on one facility each.
MINUTES: Final[Mapping[str, MinutesForm]] = {
    "acceptance": MinutesForm(
        "acceptance record",
        "an acceptance record is of one facility",
        lambda status, listing: proof_of_facility(status, listing.evidence).refusal,
        acceptance_record,
    ),
    "survey-minutes": MinutesForm(
        "survey minutes",
        "survey minutes are of one facility",
        lambda status, _listing: refuse_survey(status),
        survey_minutes,
    ),
}
