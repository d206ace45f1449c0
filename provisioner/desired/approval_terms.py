"""Rules and approvers of plans, for the inventory and hosts. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator

from provisioner.base.text import is_between
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.policy import ApprovedChanges


@dataclass(frozen=True, slots=True, order=True)
class TermsRule:
    """Number of approvals for some changes; an empty `role` is any role."""

    changes: ApprovedChanges
    role: str
    people: int

    @property
    def words(self) -> str:
        """The rule as one line."""
        return f"{self.changes.value} changes: {self.people} of {self.role or 'any role'}"


@dataclass(frozen=True, slots=True, order=True)
class TermsApprover:
    """An approver's key; empty `carriers` are all, and `until` the last day."""

    id: str
    key: str
    roles: tuple[str, ...]
    carriers: tuple[str, ...]
    since: date
    until: Annotated[date | None, BeforeValidator(lambda day: day or None)]

    @property
    def words(self) -> str:
        """The approver, key and scope as one line."""
        scope = f" of {' '.join(self.carriers)}" if self.carriers else ""
        until = f" until {self.until}" if self.until else ""
        return f"{self.id} approves as {' '.join(self.roles)}{scope} by {self.key} since {self.since}{until}"

    def approves_on(self, day: date) -> bool:
        """Return whether the key is valid on a day."""
        return is_between(day, self.since, self.until)

    def is_for(self, carrier: str) -> bool:
        """Return whether the key is for a carrier's hosts."""
        return not self.carriers or carrier in self.carriers


@dataclass(frozen=True, slots=True)
class ApprovalTerms:
    """Rules, approvers, and the validity of an approval."""

    valid_hours: int
    rules: tuple[TermsRule, ...]
    approvers: tuple[TermsApprover, ...]

    def as_document(self) -> dict[str, object]:
        """Return the document that hosts keep."""
        return {
            "valid_hours": self.valid_hours,
            "rules": [asdict(rule) | {"changes": rule.changes.value} for rule in self.rules],
            "approvers": [
                asdict(approver)
                | {"since": str(approver.since), "until": str(approver.until) if approver.until else ""}
                for approver in self.approvers
            ],
        }


def approval_terms(inventory: Inventory) -> ApprovalTerms | None:
    """Return the terms of an inventory, or `None` without approvals."""
    policy = inventory.settings.policy.approvals
    if policy is None:
        return None
    rules = (TermsRule(rule.changes, rule.role or "", rule.people) for rule in policy.rules)
    approvers = (
        TermsApprover(
            approver.id,
            approver.key,
            tuple(sorted(set(approver.roles))),
            tuple(sorted(set(approver.carriers))),
            approver.since,
            approver.until,
        )
        for approver in inventory.approvers
    )
    return ApprovalTerms(policy.valid_hours, tuple(sorted(set(rules))), tuple(sorted(set(approvers), key=_by_key)))


def _by_key(approver: TermsApprover) -> tuple[str, str, date, str]:
    return approver.id, approver.key, approver.since, approver.words
