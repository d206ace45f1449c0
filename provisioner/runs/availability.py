"""How available what was: the kept verdicts of an inventory's runs, asked for a span."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.availability.measured import Measured, Span
from provisioner.availability.shares import (
    AgreedLevels,
    GroupedBy,
    GroupTimes,
    ShareRow,
    facility_of,
    group_times,
    share_rows,
    together,
)
from provisioner.base.errors import UsageError
from provisioner.base.nearest import did_you_mean
from provisioner.base.printable import printable
from provisioner.desired.limit import Limit
from provisioner.history.place import StatePlace, state_place_of
from provisioner.inventory.loader.settings import load_settings
from provisioner.inventory.model import AgreedAvailability

if TYPE_CHECKING:
    from provisioner.history.verdicts import ReadLooks


@dataclass(frozen=True)
class AvailabilityAsked:
    """What is asked for.

    Attributes:
        span: of which time; it ends no later than what was known.
        as_of: what was known at that moment.
        before: whether the span of the same length just before it is asked for, too.
        is_strict: whether a limit is refused that takes nothing of the record; else nothing is measured.
    """

    span: Span
    as_of: datetime
    by: GroupedBy = GroupedBy.FACILITY
    limit: Limit = field(default_factory=Limit)
    before: bool = False
    is_strict: bool = True


@dataclass(frozen=True)
class AvailabilityReport:
    """What came of it.

    Attributes:
        rows: the worst first.
        total: all of them together.
        longest: how long a look stands for at most.
        place: where the history is.
        damaged: records that could not be read.
        unknown: what levels are agreed for and no path is kept of.
    """

    asked: AvailabilityAsked
    rows: tuple[ShareRow, ...]
    total: ShareRow
    longest: timedelta
    place: StatePlace
    damaged: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def availability_of(root: Path, environment: Mapping[str, str], asked: AvailabilityAsked) -> AvailabilityReport:
    """Ask how available what was. No host is asked, no facility's file is read and no vault opened.

    Args:
        root: the inventory's folder.
        environment: the caller's environment (where the history is).
        asked: what is asked for.

    Raises:
        InventoryError: its settings cannot be understood.
        UsageError: nothing is chosen, or what names it is unknown.
        StateError: there is a history, and it cannot be read.
    """
    settings = load_settings(root)
    policy = settings.policy.availability
    place, longest = state_place_of(environment, settings.id), timedelta(hours=policy.longest_hours)
    reader = _Reader(place, longest, asked.limit.by(settings.province_scheme), is_strict=asked.is_strict)
    looks = reader.looks(asked.span)
    times = reader.times(looks, asked.by, asked.span)
    earlier = reader.looks(_before(asked.span)) if asked.before else None
    before = None if earlier is None else reader.times(earlier, asked.by, _before(asked.span))
    agreed = AgreedLevels(policy.percent, policy.carriers, policy.facilities)
    return AvailabilityReport(
        asked,
        share_rows(asked.by, times, agreed, before),
        _total(times, AgreedLevels(policy.percent), before),
        longest,
        place,
        tuple(sorted({*looks.damaged, *(earlier.damaged if earlier else ())})),
        tuple(_not_kept(policy, looks)) if not asked.limit.wanted else (),
    )


def _before(span: Span) -> Span:
    return Span(span.begin - (span.until - span.begin), span.begin)


def _total(times: Mapping[str, GroupTimes], agreed: AgreedLevels, before: Mapping[str, GroupTimes] | None) -> ShareRow:
    """All groups together; where there is none nothing is agreed, either."""
    if not times:
        return ShareRow(GroupedBy.ALL.value, 0, Measured())
    earlier = None if before is None else {GroupedBy.ALL.value: together(before.values())}
    (total,) = share_rows(GroupedBy.ALL, {GroupedBy.ALL.value: together(times.values())}, agreed, earlier)
    return total


def _not_kept(policy: AgreedAvailability, looks: ReadLooks) -> Iterable[str]:
    tables = looks.tables.values()
    carriers = {name for table in tables for name in table.carriers} if policy.carriers else set()
    facilities = {facility_of(path) for table in tables for path in table.paths} if policy.facilities else set()
    yield from (f"carrier {name}" for name in sorted(policy.carriers.keys() - carriers))
    yield from (f"facility {name}" for name in sorted(policy.facilities.keys() - facilities))


class _Reader:
    """The looks at the paths that a limit takes, and how long groups of them were what."""

    def __init__(self, place: StatePlace, longest: timedelta, limit: Limit, *, is_strict: bool) -> None:
        self._place, self._longest, self._limit, self._is_strict = place, longest, limit, is_strict

    def looks(self, span: Span) -> ReadLooks:
        """The looks at the paths of the provinces that a limit names.

        Raises:
            UsageError: a name of the limit is none of theirs.
        """
        from provisioner.history.verdicts import ReadLooks, read_span  # noqa: PLC0415 (the database's library takes time)

        provinces = self._limit.wanted.get("province")
        prefixes = [f"{name}/" for name in sorted({*provinces, *self._limit.parts})] if provinces else [""]
        looks = ReadLooks()
        for part in (read_span(self._place, prefix, span, self._longest) for prefix in prefixes):
            looks.tables |= part.tables
            looks.damaged += part.damaged
        if self._is_strict:
            self._refuse_unknown(looks)
        return looks

    def times(self, looks: ReadLooks, by: GroupedBy, span: Span) -> dict[str, GroupTimes]:
        """How long groups of the chosen paths were what."""
        takes = self._takes if self._limit.wanted.keys() - {"province"} else None
        return group_times(by, looks.tables.values(), span, self._longest, takes)

    def _takes(self, path: str, carrier: str) -> bool:
        return self._limit.takes({"facility": (facility_of(path),), "carrier": (carrier,)})

    def _refuse_unknown(self, looks: ReadLooks) -> None:
        for kind, wanted in sorted(self._limit.wanted.items()):
            if kind == "host":
                hint = "choose a carrier, a province or a facility"
                raise UsageError("a host has no availability of its own", hint=hint)
            known = _known(kind, looks)
            for name in sorted(wanted - known) if kind != "province" or not self._limit.parts & known else ():
                hint = did_you_mean(name, sorted(known), "--by facility shows what is kept; a longer span may have it")
                message = f"no verdict on {kind} {printable(name, 80)} is kept of that time"
                raise UsageError(message, hint=hint, object=name)


def _known(kind: str, looks: ReadLooks) -> set[str]:
    """The names of a kind that the looks are of."""
    tables = looks.tables.values()
    match kind:
        case "province":
            return {name for name, table in looks.tables.items() if table.paths}
        case "carrier":
            return {carrier for table in tables for carrier in table.carriers}
    return {facility_of(path) for table in tables for path in table.paths}
