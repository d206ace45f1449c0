"""How far the surveys have come, and what they found. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.inventory.model import Facility, Operating, Survey, SurveyVerdict


@dataclass(frozen=True)
class SurveyGroup:
    """The surveys of one province; of all where `key` is empty.

    `facilities` is the sum of `verdicts` and `missing`.

    Attributes:
        verdicts: how many surveys came to each verdict, only verdicts that there are.
        missing: how many facilities were not surveyed.
        cameras_present: how many cameras were found.
        cameras_fit: how many of them will do.
        cameras_missing: how many are to be added.
    """

    key: str
    facilities: int
    verdicts: Mapping[SurveyVerdict, int]
    missing: int
    cameras_present: int
    cameras_fit: int
    cameras_missing: int

    @property
    def surveyed(self) -> int:
        """How many were surveyed."""
        return sum(self.verdicts.values())


@dataclass(frozen=True)
class Surveys:
    """The whole report: all facilities that are not closed, in the order of ids."""

    total: SurveyGroup
    by_province: tuple[SurveyGroup, ...]
    listed: tuple[Facility, ...]


def surveys(facilities: Iterable[Facility], province_of: Callable[[Facility], str]) -> Surveys:
    """Count surveys.

    Args:
        facilities: the facilities.
        province_of: gives the province under which one is counted.
    """
    listed = tuple(f for f in facilities if f.operating is not Operating.CLOSED)
    groups: dict[str, list[Facility]] = defaultdict(list)
    for facility in listed:
        groups[province_of(facility)].append(facility)
    return Surveys(_group("", listed), tuple(_group(name, group) for name, group in sorted(groups.items())), listed)


def _group(key: str, group: Sequence[Facility]) -> SurveyGroup:
    found = [facility.survey for facility in group if facility.survey]
    verdicts = Counter(survey.verdict for survey in found)
    return SurveyGroup(
        key=key,
        facilities=len(group),
        verdicts={verdict: verdicts[verdict] for verdict in SurveyVerdict if verdicts[verdict]},
        missing=len(group) - len(found),
        cameras_present=sum(survey.cameras.present for survey in found),
        cameras_fit=sum(survey.cameras.fit for survey in found),
        cameras_missing=sum(survey.cameras.missing for survey in found),
    )


def group_document(group: SurveyGroup) -> dict[str, Any]:
    """A group's counts as documents have them."""
    named = {"province": group.key} if group.key else {}
    return named | {
        "facilities": group.facilities,
        "surveyed": group.surveyed,
        "verdicts": {verdict.value: count for verdict, count in group.verdicts.items()},
        "missing": group.missing,
        "cameras_present": group.cameras_present,
        "cameras_fit": group.cameras_fit,
        "cameras_missing": group.cameras_missing,
    }


def facility_document(facility: Facility) -> dict[str, Any]:
    """One facility's survey as documents have it; `survey` is None where there was none."""
    told = {"facility": facility.id, "name": facility.name, "province": facility.province}
    return told | {"survey": _survey(facility.survey) if facility.survey else None}


def _survey(survey: Survey) -> dict[str, Any]:
    uplink, cameras = survey.uplink, survey.cameras
    return {
        "surveyed_on": str(survey.surveyed_on),
        "by": [party.value for party in survey.by],
        "uplink": {
            "kind": uplink.kind.value,
            "provider": uplink.provider,
            "upload_mbps": uplink.upload_mbps,
            "address": uplink.address.value if uplink.address else None,
            "router": uplink.router,
        },
        "rtsp": survey.rtsp.value if survey.rtsp else None,
        "logins": survey.logins.value if survey.logins else None,
        "cameras": {"present": cameras.present, "fit": cameras.fit, "missing": cameras.missing},
        "gaps": [zone.value for zone in survey.gaps],
        "verdict": survey.verdict.value,
        "obstacles": survey.obstacles,
        "advice": survey.advice,
    }
