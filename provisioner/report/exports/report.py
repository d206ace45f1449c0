"""What a report for provinces and the ministry is made of, and the facilities that it is counted from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

from provisioner.base.json_document import Document
from provisioner.geography import Province
from provisioner.inventory.model import Facility
from provisioner.lifecycle.evidence import NO_EVIDENCE, Evidence
from provisioner.lifecycle.status import FacilityStatus
from provisioner.report.pages import Page
from provisioner.report.scorecard import CarrierIncidents, CarrierShares

C = TypeVar("C")
"""What a report counted."""


@dataclass(frozen=True)
class FacilityList:
    """The facilities that a report counts.

    Attributes:
        statuses: each facility's status, in the order of ids.
        province_of: the province under which a facility is counted.
        evidence: what was shown of them.
        carriers: by its id, a carrier's name.
        incidents: what the last verification found broken; None where it is not known.
        shares: for what share of a time pictures came; None where that is said of no carrier.
    """

    statuses: tuple[FacilityStatus, ...]
    province_of: Callable[[Facility], Province]
    evidence: Evidence = NO_EVIDENCE
    carriers: Mapping[str, str] = field(default_factory=dict)
    incidents: CarrierIncidents | None = None
    shares: CarrierShares | None = None

    @property
    def facilities(self) -> tuple[Facility, ...]:
        """The facilities themselves."""
        return tuple(status.facility for status in self.statuses)

    @cached_property
    def province_names(self) -> Mapping[str, str]:
        """The provinces' names as people read them, by slug."""
        return {province.slug: province.name for province in map(self.province_of, self.facilities)}

    def slug(self, facility: Facility) -> str:
        """The slug of a facility's province."""
        return self.province_of(facility).slug


@dataclass(frozen=True, slots=True)
class Report(Generic[C]):
    """One report: how it is counted, and how what was counted is shown.

    Attributes:
        heading: what stands above its spreadsheet, in Vietnamese.
        count: counts it.
        document: its own part of the `export` document.
        lines: its tables as text.
        pages: its sheets in Vietnamese.
        rests_on_proof: whether it counts what verifications proved, so that it has to say first how old that is.
        needs_incidents: whether it counts what the last verification found broken.
        needs_shares: whether it says for what share of a time pictures came.
        basis: what its numbers rest on beside runs and data, in Vietnamese.
    """

    heading: str
    count: Callable[[FacilityList], C]
    document: Callable[[C], Document]
    lines: Callable[[C], Iterator[str]]
    pages: Callable[[C, FacilityList], tuple[Page, ...]]
    rests_on_proof: bool = False
    needs_incidents: bool = False
    needs_shares: bool = False
    basis: Callable[[C], str] = lambda _: ""
