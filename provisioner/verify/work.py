"""Runs, hosts and waiting work, as pages show them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Final

from provisioner.plan.guards.approvals import StillNeeded
from provisioner.record.lifecycle.site_packages import PackageStatus
from provisioner.verify.result import Finding


@dataclass(frozen=True, slots=True)
class WaitingPlan:
    """A plan that lacks approvals."""

    origin: str  #: Its file or reference.
    digest: str
    changes: Mapping[str, int]  #: Their number by host.
    maker: str
    is_current: bool  #: Whether it is of the inventory's present content.
    lacking: tuple[StillNeeded, ...]


@dataclass(frozen=True, slots=True)
class RunRow:
    """A recorded run that changed something, or meant to."""

    id: str
    operation: str
    state: str  #: Its outcome or progress.
    started: datetime
    finished: datetime | None = None
    hosts: tuple[str, ...] = ()
    facilities: tuple[str, ...] = ()  #: Those that it names.
    who: str = ""  #: User, machine and job; empty for roles that see no persons.
    approval: str = ""  #: The change's approval in its forge.
    plan: str = ""  #: The plan's digest; empty without a plan.
    tool: str = ""  #: The version of the program.
    approvals: tuple[tuple[str, str], ...] = ()  #: Approver with roles, and time.


@dataclass(frozen=True, slots=True)
class HostChanges:
    """What a run changed on a host, in short."""

    host: str
    outcome: str = ""  #: Empty if it is unknown.
    cause: str = ""
    changes: str = ""  #: E.g. `path +2 ~1, peer -1`.
    back: str = ""  #: The run that a rollback undoes.


@dataclass(frozen=True, slots=True)
class HostRow:
    """A relay or centre, as verifications and runs know it."""

    id: str
    carrier: str = ""  #: Empty for a centre.
    name: str = ""
    most_paths: int = 0
    outcome: str = ""  #: Of the last verification that asked it; empty if none did.
    error: str = ""
    looked_at: datetime | None = None
    findings: tuple[Finding, ...] = ()
    drift: tuple[str, ...] | None = None  #: The last known one; `None` if it was never compared.
    compared_at: datetime | None = None
    engine: str = ""
    system: str = ""
    readers: int | None = None
    applied: RunRow | None = None  #: The newest apply or rollback.


@dataclass(frozen=True, slots=True, order=True)
class Expiry:
    """A certificate or key whose next one is due."""

    due: date
    owner: str
    kind: str
    carrier: str = ""
    facility: str = ""


@dataclass(frozen=True)
class Work:
    """Runs, hosts, and work that waits."""

    runs: tuple[RunRow, ...] = ()  #: Newest first.
    hosts: tuple[HostRow, ...] = ()
    due: tuple[Expiry, ...] = ()
    packages: tuple[PackageStatus, ...] = ()  #: Made, and not known to be installed; oldest first.
    plans: tuple[WaitingPlan, ...] = ()
    is_damaged: bool = False  #: Whether the record of packages cannot be read.

    @cached_property
    def carrier_of(self) -> Mapping[str, str]:
        """The carrier of each relay."""
        return {host.id: host.carrier for host in self.hosts if host.carrier}


NO_WORK: Final = Work()
