"""How far the surveys have come, and what they found. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from provisioner.inventory.model import Facility, Operating, SurveyVerdict


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
        province_of: the province under which one is counted.
    """
    listed = tuple(f for f in facilities if f.operating is not Operating.CLOSED)
    groups: dict[str, list[Facility]] = defaultdict(list)
    for facility in listed:
        groups[province_of(facility)].append(facility)
    return Surveys(_group("", listed), tuple(_group(name, group) for name, group in sorted(groups.items())), listed)


def _group(key: str, group: Sequence[Facility]) -> SurveyGroup:
    made = [facility.survey for facility in group if facility.survey]
    verdicts = Counter(survey.verdict for survey in made)
    return SurveyGroup(
        key=key,
        facilities=len(group),
        verdicts={verdict: verdicts[verdict] for verdict in SurveyVerdict if verdicts[verdict]},
        missing=len(group) - len(made),
        cameras_present=sum(survey.cameras.present for survey in made),
        cameras_fit=sum(survey.cameras.fit for survey in made),
        cameras_missing=sum(survey.cameras.missing for survey in made),
    )
