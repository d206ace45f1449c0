"""How soon a certificate ends, in words. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from provisioner.base.counted import counted


def words_of_end(until: datetime, warn_days: int, now: datetime) -> str:
    """That a certificate ends soon, e.g. `ends in 3 days, on 2026-11-30`, or has ended; empty while it is far off."""
    left = (until - now) // timedelta(days=1)
    if left > warn_days:
        return ""
    if until <= now:
        return f"has ended on {until:%Y-%m-%d}"
    return f"ends in {counted(left, 'day')}, on {until:%Y-%m-%d}"
