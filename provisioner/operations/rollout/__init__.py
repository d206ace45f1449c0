"""A rollout: waves of hosts, a confirmed transaction each. An effect stage."""

from provisioner.operations.rollout.dispatcher import Journal, JournalStep, MemoryJournal, StartedHost
from provisioner.operations.rollout.gate import GateRules
from provisioner.operations.rollout.job import (
    CONFIRM_S,
    RETURN_S,
    TRANSACTION_TIMEOUT_S,
    Job,
    RolloutOptions,
    planned_job,
    relays_beside,
)
from provisioner.operations.rollout.result import (
    HostOutcome,
    HostResult,
    NotStartedBecause,
    RunEnd,
    exit_code,
    outcome_of,
    run_ending,
)
from provisioner.operations.rollout.waves import WAVES_AT_ONCE, Rollout, RunProgress, Wave, apply, roll_out, waves_of

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
    "exit_code",
    "outcome_of",
    "planned_job",
    "relays_beside",
    "roll_out",
    "run_ending",
    "waves_of",
]
