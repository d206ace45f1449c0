"""The plan: every change of every chosen host, and what there is to say about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provisioner.base.diagnostics import Problem
from provisioner.base.held import HeldFacility
from provisioner.plan.basis import Basis
from provisioner.plan.changes import Change, pending
from provisioner.plan.diff import Quarantined, SitePackageNeed
from provisioner.plan.guards.approvals import ApprovalNeed
from provisioner.plan.guards.policy import PlanRefusal
from provisioner.rego.verdict import RegoVerdict


@dataclass(frozen=True, slots=True)
class Against:
    """The older revision that a plan without hosts was compared with.

    Attributes:
        name: as it was asked for.
        digest: of the inventory's content then.
    """

    name: str
    commit: str
    digest: str


@dataclass(frozen=True, slots=True)
class HeldInPlan:
    """A facility that is held: what hosts have of it is no part of a plan.

    Attributes:
        hosts: of those that were read, the ones that have something of it.
        chosen: whether a limit takes it; where none does, it is said as a note.
    """

    facility: HeldFacility
    hosts: tuple[str, ...] = ()
    chosen: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """Every change of the chosen hosts, no-ops included.

    Attributes:
        commit: the inventory's commit, shown and not in the digest; empty outside Git.
        left_out: hosts that a limit leaves out; they were not read.
        outside: pending changes of chosen hosts that the limit does not name.
        carriers: the carrier of each relay; what is not in it is a centre.
        refused: why it is not to be applied as it stands.
        uncounted: hosts of which it is not known who watches.
        unreadable: hosts that could not be read, and why: their changes are not in the plan.
        unproved: those of them that did not prove that they were managed before; nothing was sent to them.
        site_packages: the sites whose gateways need a new package once this is applied.
        notes: what else a reader has to know, e.g. what could not be checked.
        warnings: what the machines themselves have against it, each with its place in the inventory's files.
        lacking: programs that changes need and that an apply from here would not ship, each with why.
        against: the revision that was compared with instead of hosts; such a plan cannot be applied, and knows
            of no viewers.
        noops_elsewhere: how many no-ops there are on hosts that need not be compared; they are not among the changes.
        held: facilities with errors of their own: nothing of them changes.
        quarantined: paths that relays do not pull, since their devices refuse the password.
        approvals: who has to approve it before it is applied.
        rego: what Rego rules said of it; None where none was asked.
    """

    basis: Basis
    changes: tuple[Change, ...]
    commit: str = ""
    left_out: tuple[str, ...] = ()
    outside: tuple[Change, ...] = ()
    carriers: Mapping[str, str] = field(default_factory=dict)
    refused: tuple[PlanRefusal, ...] = ()
    uncounted: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    unproved: tuple[str, ...] = ()
    site_packages: tuple[SitePackageNeed, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()
    lacking: tuple[str, ...] = ()
    against: Against | None = None
    noops_elsewhere: int = 0
    held: tuple[HeldInPlan, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    approvals: tuple[ApprovalNeed, ...] = ()
    rego: RegoVerdict | None = None

    @property
    def resources(self) -> int:
        """How many resources were compared, or need not be."""
        return len(self.changes) + self.noops_elsewhere

    @property
    def held_back(self) -> tuple[HeldInPlan, ...]:
        """What is held of what was chosen: the plan did without it, and a command that shows it ends with 3."""
        return tuple(one for one in self.held if one.chosen)

    @property
    def pending(self) -> tuple[Change, ...]:
        """The changes that are no no-ops."""
        return pending(self.changes)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but no-ops."""
        return not any(change.pending for change in self.changes)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that change, in order."""
        return tuple(sorted({change.host for change in self.pending}))
