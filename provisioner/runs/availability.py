"""How available what was: the kept verdicts of an inventory's runs, asked for a span."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from provisioner.availability.looks import ByPath
from provisioner.availability.measured import Measured, Span
from provisioner.availability.shares import AgreedLevels, GroupedBy, ShareRow, share_rows
from provisioner.base.errors import UsageError
from provisioner.base.nearest import did_you_mean
from provisioner.base.printable import printable
from provisioner.desired.limit import Limit
from provisioner.history.place import StatePlace, state_place_of
from provisioner.inventory.loader.settings import load_settings
from provisioner.inventory.model import AgreedAvailability


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
    times = reader.measured(asked.span)
    before = reader.measured(_before(asked.span)) if asked.before else None
    agreed = AgreedLevels(policy.percent, policy.carriers, policy.facilities)
    (total,) = share_rows(GroupedBy.ALL, times, AgreedLevels(policy.percent), before) or (
        ShareRow("all", 0, Measured()),
    )
    return AvailabilityReport(
        asked,
        share_rows(asked.by, times, agreed, before),
        total,
        longest,
        place,
        tuple(sorted({*times.damaged, *(before.damaged if before else ())})),
        tuple(_not_kept(policy, times)) if not asked.limit.wanted else (),
    )


def _before(span: Span) -> Span:
    return Span(span.begin - (span.until - span.begin), span.begin)


def _not_kept(policy: AgreedAvailability, times: ByPath[Measured]) -> Iterable[str]:
    carriers, facilities = set(times.carriers.values()), {path.split("/")[1] for path in times if "/" in path}
    yield from (f"carrier {name}" for name in sorted(policy.carriers.keys() - carriers))
    yield from (f"facility {name}" for name in sorted(policy.facilities.keys() - facilities))


class _Reader:
    """The paths that a limit takes, and how long each was what."""

    def __init__(self, place: StatePlace, longest: timedelta, limit: Limit, *, is_strict: bool) -> None:
        self._place, self._longest, self._limit, self._is_strict = place, longest, limit, is_strict

    def measured(self, span: Span) -> ByPath[Measured]:
        """How long each chosen path was what.

        Raises:
            UsageError: none is chosen.
        """
        from provisioner.history.verdicts import read_availability  # noqa: PLC0415 (the database's library takes time)

        provinces = self._limit.wanted.get("province")
        prefixes = [f"{name}/" for name in sorted({*provinces, *self._limit.parts})] if provinces else [""]
        parts = [read_availability(self._place, prefix, span, self._longest) for prefix in prefixes]
        merged = _merged(parts)
        return ByPath({path: merged[path] for path in self._chosen(merged)}, merged.damaged, 0, merged.carriers)

    def _chosen(self, times: ByPath[Measured]) -> Sequence[str]:
        names = {path: _names_of(path, times.carriers) for path in times}
        for kind, wanted in sorted(self._limit.wanted.items()) if self._is_strict else ():
            self._refuse_unknown(kind, wanted, {next(iter(one[kind])) for one in names.values() if kind in one})
        return [path for path in times if self._limit.takes(names[path])]

    def _refuse_unknown(self, kind: str, wanted: Iterable[str], known: set[str]) -> None:
        if kind == "host":
            raise UsageError("a host has no availability of its own", hint="choose a carrier, a province or a facility")
        for name in sorted(set(wanted) - known) if kind != "province" or not self._limit.parts & known else ():
            hint = did_you_mean(name, sorted(known), "--by facility shows what is kept; a longer span may have it")
            message = f"no verdict on {kind} {printable(name, 80)} is kept of that time"
            raise UsageError(message, hint=hint, object=name)


def _names_of(path: str, carriers: Mapping[str, str]) -> dict[str, tuple[str]]:
    province, _, rest = path.partition("/")
    return {"province": (province,), "facility": (rest.partition("/")[0],), "carrier": (carriers.get(path, ""),)}


def _merged(parts: Sequence[ByPath[Measured]]) -> ByPath[Measured]:
    times = {path: one for part in parts for path, one in part.items()}
    carriers = {path: carrier for part in parts for path, carrier in part.carriers.items()}
    return ByPath(times, sorted({name for part in parts for name in part.damaged}), 0, carriers)
