"""Factories of runs and endings; every test changes what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from provisioner.record.entries import Ending, FacilityCheck, Holding, Operation, Run

START = datetime(2021, 5, 8, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def content(number: int = 1) -> str:
    """A hash that stands for a signed content."""
    return f"sha256:{number:064x}"


def run(number: int = 1, operation: Operation = Operation.VERIFY, **changes: Any) -> Run:
    """The run that began so many hours after the first."""
    plain: dict[str, Any] = {
        "id": f"run-{number}",
        "operation": operation,
        "started": START + number * HOUR,
        "commit": "c0ffee",
        "digest": "sha256:d1",
        "who": {"user": "noc", "machine": "controller", "job": ""},
        "tool": "1.2.3",
    }
    return Run(**(plain | changes))


def ending(number: int = 1, **changes: Any) -> Ending:
    """The end of that run, a minute after it began."""
    plain: dict[str, Any] = {"finished": START + number * HOUR + timedelta(minutes=1), "outcome": "up"}
    return Ending(**(plain | changes))


def check(facility: str = "kcl-bg-001", number: int = 1, **changes: Any) -> FacilityCheck:
    """A check in which all of a facility's paths were up, in that run."""
    plain: dict[str, Any] = {
        "facility": facility,
        "content": content(),
        "relay": "relay-1",
        "at": START + number * HOUR + timedelta(seconds=30),
        "pulled": 4,
        "checked": 4,
        "proved": 4,
    }
    return FacilityCheck(**(plain | changes))


def holding(number: int = 1, host: str = "relay-1", held: dict[str, str] | None = None, **changes: Any) -> Holding:
    """What that run saw on a host and nothing else there: without `held` nobody knows."""
    plain: dict[str, Any] = {"host": host, "at": START + number * HOUR, "held": held, "exact": held is not None}
    return Holding(**(plain | changes))
