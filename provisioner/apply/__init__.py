"""Enact a plan: waves of hosts, one transaction a host, each confirmed over a newer connection. An effect stage."""

from provisioner.apply.course import WAVES_AT_ONCE, RunProgress
from provisioner.apply.gate import GateRules
from provisioner.apply.job import CONFIRM_S, RETURN_S, TRANSACTION_TIMEOUT_S, Job, RolloutOptions, relays_beside
from provisioner.apply.journal import Journal, JournalStep, MemoryJournal, StartedHost
from provisioner.apply.last_lines import RunEnd, run_ending
from provisioner.apply.result import (
    HostOutcome,
    HostResult,
    NotStartedBecause,
    apply_document,
    exit_code,
    host_document,
    outcome_of,
)
from provisioner.apply.rollout import Rollout, apply, roll_out
from provisioner.apply.waves import Wave, waves_of

__all__ = [
    "CONFIRM_S",
    "RETURN_S",
    "TRANSACTION_TIMEOUT_S",
    "WAVES_AT_ONCE",
    "GateRules",
    "HostOutcome",
    "HostResult",
    "Job",
    "Journal",
    "JournalStep",
    "MemoryJournal",
    "NotStartedBecause",
    "Rollout",
    "RolloutOptions",
    "RunEnd",
    "RunProgress",
    "StartedHost",
    "Wave",
    "apply",
    "apply_document",
    "exit_code",
    "host_document",
    "outcome_of",
    "relays_beside",
    "roll_out",
    "run_ending",
    "waves_of",
]
