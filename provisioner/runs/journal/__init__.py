"""A run's steps as they are written down, who is told of them, and how long such runs took before."""

from __future__ import annotations

from provisioner.runs.journal.attended import AttendedJournal, attended
from provisioner.runs.journal.run_log import RunLog, state_place
from provisioner.runs.journal.usual_time import UsualTime, expect_usual_time, usual_time

__all__ = ["AttendedJournal", "RunLog", "UsualTime", "attended", "expect_usual_time", "state_place", "usual_time"]
