"""The report of a running watch, a file for each limit.

The pages of the same machine and user show it beside verifications. A report that is older than a minute counts no
longer. Files may be damaged, and are hostile until they are parsed.
"""

import hashlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, ValidationError

from provisioner.base.document import Row, UtcMoment
from provisioner.base.files import make_own_folder, read_regular, refuse_link, replace_file
from provisioner.record.state_folder import StateFolder
from provisioner.verify.document import Name, SaidCause, SaidLayer
from provisioner.verify.path_history import APART
from provisioner.verify.result import NO_FINDING, Cause, Finding, Layer, SaidVerdict, Verdict, WithFinding
from provisioner.verify.watch_states import WatchView

COUNTS_FOR: Final = timedelta(minutes=1)  #: The age from which a report counts no longer.
_MOST_FILES: Final = 16
_LARGEST: Final = 8 * 2**20  #: Bytes of a file; 20,000 paths take one eighth.
_CLOCK: Final = timedelta(seconds=5)  #: The most that a report may be ahead of the reader's clock.
_FILES: Final = "watch-*.json"

# Outside these years a time in another zone may overflow.
_Time = Annotated[UtcMoment, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2200, 1, 1, tzinfo=UTC))]
_Text = Annotated[Name, Field(max_length=300)]


class StillPath(Row):
    """A path that does not flow, or not surely."""

    path: _Text
    verdict: SaidVerdict
    cause: SaidCause
    layer: SaidLayer | None
    object: _Text
    since: _Time | None


class ReportedRelay(Row):
    """A relay with its watched paths."""

    host: _Text
    known: _Time | None  #: The time of its last answer.
    silence: SaidCause | None  #: Why no answer came for a minute, if none came.
    paths: tuple[_Text, ...]  #: The watched paths that are not in `still`. They flow unless the relay is silent.
    still: tuple[StillPath, ...]


class WatchReport(Row):
    """The present state of a watch."""

    at: _Time
    limit: dict[_Text, tuple[_Text, ...]]  #: The names of its `--limit` by kind; empty for all.
    relays: tuple[ReportedRelay, ...]


@dataclass(frozen=True, slots=True)
class WatchWord(WithFinding):
    """A path by a watch, which proves level 4 only."""

    verdict: str  #: `up` means flowing.
    finding: Finding = NO_FINDING
    since: datetime | None = None


def report_of(
    view: WatchView, watched: Mapping[str, Collection[str]], limit: Mapping[str, Collection[str]], began: datetime
) -> WatchReport:
    """Return the report of a watch; `watched` are paths by relay."""
    causes = {incident.object: incident.cause for incident in view.incidents if incident.layer is Layer.HOST}
    still: dict[str, dict[str, StillPath]] = {}
    for path in view.standing:
        if path.verdict is not Verdict.UP:
            since = path.standing.since if path.standing else None
            more = {"layer": path.layer, "object": path.object, "since": since}
            row = StillPath(path=path.path, verdict=path.verdict, cause=path.cause, **more)
            still.setdefault(path.relay, {})[path.path] = row
    relays = []
    for relay in view.relays:
        is_silent = view.at - (relay.known or began) > APART
        rows = still.get(relay.host, {})
        # Before its first answer a relay's paths are neither flowing nor unknown.
        rest = watched.get(relay.host, ()) if relay.known or is_silent else ()
        silence = causes.get(relay.host, Cause.CANNOT_CHECK) if is_silent else None
        paths = tuple(sorted(name for name in rest if name not in rows))
        names = {"host": relay.host, "known": relay.known, "silence": silence, "paths": paths}
        relays.append(ReportedRelay(**names, still=tuple(rows.values())))
    return WatchReport(
        at=view.at, limit={kind: tuple(sorted(limit[kind])) for kind in sorted(limit)}, relays=tuple(relays)
    )


def words_of(report: WatchReport) -> Iterator[tuple[tuple[str, str], WatchWord]]:
    """Yield the word on each watched path, by path and relay."""
    for relay in report.relays:
        rest = WatchWord(Verdict.UP.value)
        if relay.silence is not None:
            rest = WatchWord(Verdict.UNKNOWN.value, Finding(relay.silence, Layer.HOST, relay.host), relay.known)
        for name in relay.paths:
            yield (name, relay.host), rest
        for path in relay.still:
            finding = Finding(path.cause, path.layer, path.object)
            yield (path.path, relay.host), WatchWord(path.verdict.value, finding, path.since)


# --- files ----------------------------------------------------------------------------------------
def file_of(place: StateFolder, limit: Mapping[str, Collection[str]]) -> Path | None:
    """Return the file of a limit's report, if any."""
    named = repr([(kind, sorted(limit[kind])) for kind in sorted(limit)])
    digest = hashlib.sha256(named.encode()).hexdigest()[:16]
    return place.remembered.with_name(_FILES.replace("*", digest)) if place.remembered else None


def write_report(file: Path, report: WatchReport) -> None:
    """Replace a report's file, or raise `OSError`."""
    make_own_folder(file.parent)
    replace_file(file, report.model_dump_json().encode(), lasting=False)


def read_reports(place: StateFolder, now: datetime) -> tuple[Sequence[WatchReport], Sequence[str]]:
    """Return the reports of running watches, and the names of unreadable files."""
    reports, unreadable = [], []
    for file in _written_lately(place):
        try:
            refuse_link(file)
            report = WatchReport.model_validate_json(read_regular(file, most=_LARGEST))
        except FileNotFoundError:
            continue
        except (OSError, ValidationError):
            unreadable.append(file.name)
            continue
        if -_CLOCK <= now - report.at <= COUNTS_FOR:
            reports.append(report)
    return reports, unreadable


def _written_lately(place: StateFolder) -> Sequence[Path]:
    """Return the newest files, damaged ones included."""
    if place.remembered is None:
        return ()
    written: list[tuple[float, Path]] = []
    with suppress(OSError):
        for file in place.remembered.parent.glob(_FILES):
            with suppress(OSError):
                written.append((file.lstat().st_mtime, file))
    oldest = time.time() - COUNTS_FOR.total_seconds()
    return sorted(file for at, file in sorted(written)[-_MOST_FILES:] if at >= oldest)
