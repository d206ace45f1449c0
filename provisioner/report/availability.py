"""Availability as text and as a document. Pure."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from provisioner.base.document import Count, Moment, Positive, Printed, Row, Seconds, Share, of
from provisioner.base.text import are, counted, local_time, percent, printable
from provisioner.record.availability.measured import AgreedLevel, GroupedBy, Measured, ShareRow, Span
from provisioner.report.tables import text_table

_NAMED = 3
_UNKNOWN = "-"


def agreed_percent(level: float | None) -> str:
    """Return an agreed level for people; empty for `None`."""
    return "" if level is None else f"{level:g} %"


# --- text -----------------------------------------------------------------------------------------
def availability_lines(
    noun: str,
    rows: Sequence[ShareRow],
    total: ShareRow,
    *,
    row_limit: int,
    before: bool,
    span: Span,
    longest: timedelta,
) -> Iterator[str]:
    """Yield the span, the table (worst rows first), and the result."""
    yield span_line(span)
    yield validity_line(longest)
    yield ""
    changes = ("before", "change") if before else ()
    levels = any(row.agreed is not None for row in rows)
    names = (
        noun,
        "paths",
        "available",
        *changes,
        *(("agreed",) if levels else ()),
        "degraded",
        "down",
        "outages",
        "maintenance",
        "not measured",
    )
    listed = [*rows[:row_limit], *([total] if len(rows) > 1 else [])]
    cells = [_share_cells(row, before=before, levels=levels) for row in listed]
    yield from map(printable, text_table(names, cells, numbers=True))
    if len(rows) > row_limit:
        yield f"… and {len(rows) - row_limit} more that did better; --rows shows them"
    yield ""
    yield from map(printable, availability_ending(noun, rows, total))


def span_line(span: Span) -> str:
    """Return the span in words."""
    return f"from {local_time(span.begin)} until {local_time(span.until)}"


def validity_line(longest: timedelta) -> str:
    """Return in words how long a check counts, and what gaps mean."""
    hours = counted(round(longest.total_seconds() / 3600), "hour")
    return f"each check counts until the next one, for {hours} at most; later time is not measured, and never up"


def _share_cells(row: ShareRow, *, before: bool, levels: bool) -> Sequence[str]:
    measured = row.measured
    changes = (percent(row.before.available if row.before else None), _change(row.change)) if before else ()
    agreed = (agreed_percent(row.agreed),) if levels else ()
    parts = (
        percent(_share(measured.degraded, measured)),
        percent(_share(measured.down, measured)),
        str(measured.outages),
    )
    rest = percent(measured.maintenance_share), percent(measured.unmeasured_share)
    return (
        row.name or _UNKNOWN,
        str(row.paths),
        percent(measured.available, row.agreed),
        *changes,
        *agreed,
        *parts,
        *rest,
    )


def _share(part: int, measured: Measured) -> float:
    return part / measured.total if measured.total else 0.0


def _change(change: float | None) -> str:
    return _UNKNOWN if change is None else f"{change * 100:+.2f}"


def availability_ending(noun: str, rows: Sequence[ShareRow], total: ShareRow) -> Iterator[str]:
    """Yield the last lines: missed levels, unmeasured rows, the whole."""
    of_rows = f"of {counted(len(rows), noun)}"
    below = [row for row in rows if row.kept is AgreedLevel.MISSED]
    blind = [row for row in rows if row.kept is AgreedLevel.UNMEASURED]
    if below:
        named = ", ".join(
            f"{row.name} {percent(row.measured.available, row.agreed)} of {row.agreed:g} %" for row in below[:_NAMED]
        )
        yield f"{len(below)} {of_rows} below the agreed level: {named}{_more(below)}"
    if blind:
        named = ", ".join(row.name for row in blind[:_NAMED])
        yield f"{len(blind)} {of_rows} not measured at all, against an agreed level: {named}{_more(blind)}"
    measured = total.measured
    if not total.paths:
        level = f", against an agreed level of {total.agreed:g} %" if total.agreed is not None else ""
        yield f"no path was checked in this time: it is not measured{level}"
        return
    yield (
        f"{percent(measured.available)} available over {counted(total.paths, 'path')} by what was measured;"
        f" {percent(measured.unmeasured_share)} of the time {are(1)} not measured"
    )


def _more(rows: Sequence[ShareRow]) -> str:
    return f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""


# --- document -------------------------------------------------------------------------------------
_InSeconds = Annotated[Seconds, BeforeValidator(lambda time: time / 1_000_000)]


class TimesRow(Row):
    """Seconds of paths by verdict, and their share."""

    #: The share of the measured time outside of maintenance in which pictures came; null without such time.
    available: Share | None
    up_s: _InSeconds = of("up")  #: Seconds of all paths together in which they were up.
    #: Seconds in which pictures came, but not as agreed; they count as available.
    degraded_s: _InSeconds = of("degraded")
    down_s: _InSeconds = of("down")  #: Seconds in which paths were down or quarantined.
    maintenance_s: _InSeconds = of("maintenance")  #: Seconds in an announced window, whatever the verdict.
    unmeasured_s: _InSeconds = of("unmeasured")  #: Seconds without a check, or with the verdict unknown.
    unmeasured_share: Share
    outages: Count  #: The number of times that a path went down.


class _Named(Row):
    name: str  #: A camera's path without its stream, or an id; empty for an unknown carrier.


class _OfPaths(Row):
    paths: Count


class AgreedTimesRow(TimesRow, _OfPaths):
    """Seconds of paths by verdict, their share, and the agreed level."""

    agreed_percent: float | None  #: The agreed level; null without one.
    kept: AgreedLevel


class AvailabilityRow(AgreedTimesRow, _Named):
    """Availability of a name, against its agreed level."""

    before: TimesRow | None  #: The times of the preceding span of the same length; null unless requested.


def agreed_times(row: ShareRow) -> AgreedTimesRow:
    """Return a row's times and agreed level, without its name."""
    return AgreedTimesRow.made_of(row.measured, **_agreed(row))


def _agreed(row: ShareRow) -> dict[str, object]:
    return {"paths": row.paths, "agreed_percent": row.agreed, "kept": row.kept}


class AvailabilityDocument(Printed, name="availability", title="Availability"):
    """Output of `provisioner availability --output json`."""

    from_: Moment = Field(serialization_alias="from")  #: A time with Vietnam's zone.
    until: Moment  #: The first time after the span.
    as_of: Moment  #: The document uses evidence up to this time.
    by: GroupedBy
    longest_s: Positive  #: The longest time, in seconds, for which one check counts.
    rows: tuple[AvailabilityRow, ...]  #: Rows, worst first.
    total: AvailabilityRow
    damaged: tuple[str, ...]  #: Records that cannot be read. Their time counts as not measured.


def availability_row(row: ShareRow) -> AvailabilityRow:
    """Make the row of a document."""
    return AvailabilityRow.made_of(row.measured, name=row.name, before=row.before, **_agreed(row))
