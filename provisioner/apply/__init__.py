"""Enact a plan: waves of hosts, one transaction a host, each confirmed over new connections. An effect stage."""

from provisioner.apply.gate import GateRules
from provisioner.apply.job import CONFIRM_S, RETURN_S, TRANSACTION_TIMEOUT_S, Job, Options
from provisioner.apply.journal import Journal, MemoryJournal, Step
from provisioner.apply.result import HostResult, Outcome, Refusal, document, exit_code, host_document, outcome_of
from provisioner.apply.rollout import Progress, Rollout, apply, roll_out
from provisioner.apply.waves import NAMES, Wave, waves_of

__all__ = [
    "CONFIRM_S",
    "NAMES",
    "RETURN_S",
    "TRANSACTION_TIMEOUT_S",
    "GateRules",
    "HostResult",
    "Job",
    "Journal",
    "MemoryJournal",
    "Options",
    "Outcome",
    "Progress",
    "Refusal",
    "Rollout",
    "Step",
    "Wave",
    "apply",
    "document",
    "exit_code",
    "host_document",
    "outcome_of",
    "roll_out",
    "waves_of",
]
