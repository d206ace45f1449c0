"""Since when what is broken has been so, by the verifications that are kept, this one included. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from provisioner.verify.result import Incident, PathVerdict, Verdict, VerifyResult

REMEMBERED: Final = timedelta(days=40)
"""So far back it is looked: what is older is that old at least."""

_DOWN = frozenset({Verdict.DOWN, Verdict.QUARANTINED})


@dataclass(frozen=True, slots=True)
class InARow:
    """How long something has been broken.

    Attributes:
        since: the first verification in a row that saw it so.
        times: how many did, this one included.
    """

    since: datetime
    times: int


def in_a_row(result: VerifyResult, incident: Incident) -> InARow | None:
    """How long an incident has been: as its path of longest; None where no earlier verification saw it so."""
    wanted = frozenset(incident.paths)
    rows = [row for path in result.paths if path.path in wanted and (row := _of(path, result))]
    return InARow(min(row.since for row in rows), max(row.times for row in rows)) if rows else None


def _of(path: PathVerdict, result: VerifyResult) -> InARow | None:
    before = result.before.get(path.path)
    if before is None or before.unknown_since is not None or not _is_alike(path.without_window, before.verdict):
        return None
    return InARow(before.since, before.looks + 1)


def _is_alike(now: Verdict, before: str) -> bool:
    return now.value == before or (now in _DOWN and before in {verdict.value for verdict in _DOWN})
