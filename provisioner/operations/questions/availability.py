"""Availability in a span, from the recorded verdicts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from provisioner.base.errors import ProvisionerError, UsageError
from provisioner.base.processes import in_parallel
from provisioner.base.service import Stage, at_stage
from provisioner.base.text import did_you_mean, printable
from provisioner.desired.limit import Limit
from provisioner.inventory.loader.load import load_settings
from provisioner.inventory.model.policy import AgreedAvailability
from provisioner.record.availability import measured
from provisioner.record.state_folder import StateFolder, state_folder_of
from provisioner.record.verdicts import read_extent, read_span

# From so much on, other processes help: to start them takes as long as to read some hundred rows.
_MANY_ROWS: Final = 2_000
_MANY_PIECES: Final = 4


@dataclass(frozen=True)
class AvailabilityRequest:
    """A question on a span, as known at `as_of`."""

    span: measured.Span
    as_of: datetime
    by: measured.GroupedBy = measured.GroupedBy.FACILITY
    limit: Limit = field(default_factory=Limit)
    before: bool = False  #: Whether to add the preceding span of equal length.
    is_strict: bool = True  #: Whether to refuse a limit without records; else the result is empty.


@dataclass(frozen=True)
class AvailabilityReport:
    """The answer, worst rows first."""

    asked: AvailabilityRequest
    rows: tuple[measured.ShareRow, ...]
    total: measured.ShareRow
    longest: timedelta  #: How long a look counts at most.
    place: StateFolder
    damaged: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()  #: Agreed levels without recorded paths.


def availability_of(root: Path, environment: Mapping[str, str], request: AvailabilityRequest) -> AvailabilityReport:
    """Compute availability without hosts, facility files or vault; or raise `UsageError`."""
    settings = load_settings(root)
    policy = settings.policy.availability
    folder, longest = state_folder_of(environment, settings.id), timedelta(hours=policy.longest_hours)
    limit = request.limit.by(settings.province_scheme)
    reader = _Reader(folder, longest, limit, request.by)
    span = request.span
    spans = (span, *([measured.Span(span.begin - (span.until - span.begin), span.begin)] if request.before else []))
    with at_stage(Stage.RECORD):
        now, *earlier = reader.records(spans)
    if request.is_strict:
        _refuse_unknown(limit, now)
    before = earlier[0].times if earlier else None
    agreed = measured.AgreedLevels(policy.percent, policy.carriers, policy.facilities)
    return AvailabilityReport(
        request,
        measured.share_rows(request.by, now.times, agreed, before),
        _total_row(now.times, measured.AgreedLevels(policy.percent), before),
        longest,
        folder,
        tuple(sorted({*now.damaged, *(earlier[0].damaged if earlier else ())})),
        tuple(_not_recorded(policy, now)) if not request.limit.wanted else (),
    )


def _total_row(
    times: Mapping[str, measured.GroupTimes],
    agreed: measured.AgreedLevels,
    before: Mapping[str, measured.GroupTimes] | None,
) -> measured.ShareRow:
    """Return all groups together, without paths if empty."""
    earlier = None if before is None else {measured.GroupedBy.ALL.value: measured.together(before.values())}
    (total,) = measured.share_rows(
        measured.GroupedBy.ALL, {measured.GroupedBy.ALL.value: measured.together(times.values())}, agreed, earlier
    )
    return total


def _not_recorded(policy: AgreedAvailability, stored: "_SpanRecords") -> Iterable[str]:
    yield from (f"carrier {name}" for name in sorted(policy.carriers.keys() - stored.carriers))
    yield from (f"facility {name}" for name in sorted(policy.facilities.keys() - stored.facilities))


def _refuse_unknown(limit: Limit, stored: "_SpanRecords") -> None:
    for kind, wanted in sorted(limit.wanted.items()):
        if kind == "host":
            raise UsageError("a host has no availability of its own", hint="choose a carrier, a province or a facility")
        names = {"province": stored.provinces, "carrier": stored.carriers}.get(kind, stored.facilities)
        for name in sorted(wanted - names) if kind != "province" or not limit.parts & names else ():
            hint = did_you_mean(name, sorted(names), "--by facility shows what is kept; a longer span may have it")
            raise UsageError(f"no verdict on {kind} {printable(name, 80)} is kept of that time", hint=hint, object=name)


@dataclass(frozen=True, slots=True)
class _SpanRecords:
    times: Mapping[str, measured.GroupTimes]  #: Durations of states, by group of chosen paths.
    provinces: frozenset[str] = frozenset()  #: Those of all paths, as the next two.
    carriers: frozenset[str] = frozenset()
    facilities: frozenset[str] = frozenset()
    damaged: tuple[str, ...] = ()


def _joined_records(parts: Sequence[_SpanRecords]) -> _SpanRecords:
    times: dict[str, measured.GroupTimes] = {}
    for part in parts:
        for name, group in part.times.items():
            times[name] = measured.together((times[name], group)) if name in times else group
    return _SpanRecords(
        times,
        frozenset().union(*(part.provinces for part in parts)),
        frozenset().union(*(part.carriers for part in parts)),
        frozenset().union(*(part.facilities for part in parts)),
        tuple(name for part in parts for name in part.damaged),
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """A unit of reading: a span's paths with a prefix."""

    span: measured.Span
    prefix: str
    newest: int | None = None


class _Reader:
    def __init__(self, folder: StateFolder, longest: timedelta, limit: Limit, by: measured.GroupedBy) -> None:
        self._place, self._longest, self._limit, self._by = folder, longest, limit, by

    def records(self, spans: Sequence[measured.Span]) -> list[_SpanRecords]:
        """Return each span's records; many provinces are read in parallel."""
        pieces = [self._pieces_of(span) for span in spans]
        all_pieces = [piece for of_span in pieces for piece in of_span]
        # The rows of named provinces have not been counted.
        in_threads = len(all_pieces) >= _MANY_PIECES and any(piece.newest is not None for piece in all_pieces)
        done = list(in_parallel(self._read_unless_it_fails, all_pieces)) if in_threads else []
        by_piece = dict(zip(all_pieces, done, strict=False))
        return [
            _joined_records([by_piece.get(piece) or self._read_piece(piece) for piece in of_span]) for of_span in pieces
        ]

    def _pieces_of(self, span: measured.Span) -> list[_Piece]:
        if provinces := self._limit.wanted.get("province"):
            return [_Piece(span, f"{name}/") for name in sorted({*provinces, *self._limit.parts})]
        extent = read_extent(self._place, span, self._longest)
        if extent is None or extent.rows < _MANY_ROWS:
            return [_Piece(span, "")]
        return [_Piece(span, f"{name}/", extent.newest) for name in extent.provinces]

    def _read_unless_it_fails(self, piece: _Piece) -> _SpanRecords | None:
        """Read a piece; `None` on failure, which a second read reports."""
        try:
            return self._read_piece(piece)
        except ProvisionerError:
            return None

    def _read_piece(self, piece: _Piece) -> _SpanRecords:
        looks = read_span(self._place, piece.prefix, piece.span, self._longest, piece.newest)
        tables = looks.tables.values()
        takes = self._takes if self._limit.wanted.keys() - {"province"} else None
        return _SpanRecords(
            measured.group_times(self._by, tables, piece.span, self._longest, takes),
            frozenset(name for name, table in looks.tables.items() if table.paths),
            frozenset(carrier for table in tables for carrier in table.carriers),
            frozenset(measured.facility_of(path) for table in tables for path in table.paths),
            tuple(looks.damaged),
        )

    def _takes(self, path: str, carrier: str) -> bool:
        return self._limit.takes({"facility": (measured.facility_of(path),), "carrier": (carrier,)})
