"""Which approvals count for a plan, and who is still needed. Pure.

An approval counts by a key that the terms name, for what that key is there for, and for as long as they say. Whoever
the inventory does not name any more counts under no terms, whatever a host remembers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from provisioner.base.clock import VIETNAM
from provisioner.base.ssh_signature import SignatureFormError, SshPublicKey, public_key_of
from provisioner.desired.approval_terms import ApprovalTerms, TermsApprover
from provisioner.plan.guards.approval_file import Approval, ApprovalFormError, key_that_signed
from provisioner.plan.guards.approvals import ApprovalNeed

_AHEAD: Final = timedelta(minutes=5)
"""So far a signer's clock may be ahead of this one."""


@dataclass(frozen=True, slots=True)
class GivenApproval:
    """An approval that counts for a need at least, and by which key it was signed."""

    approval: Approval
    key: SshPublicKey


@dataclass(frozen=True, slots=True)
class StillNeeded:
    """A need that is not met.

    Attributes:
        given: the persons whose approvals count for it.
        own: whether they are enough, and all of them made the plan.
    """

    need: ApprovalNeed
    given: tuple[str, ...]
    own: bool = False

    @property
    def words(self) -> str:
        """The need and what there is of it, as the rest of a sentence."""
        if self.own:
            return f"{self.need.words}: {' and '.join(self.given)} made the plan, and nobody else approved it"
        has = f": only {' and '.join(self.given)} approved" if self.given else ""
        return f"{self.need.words}{has}"


@dataclass(frozen=True, slots=True)
class Approved:
    """What the approvals of a plan come to.

    Attributes:
        lacking: the needs that are not met.
        counted: the approvals that count, by person.
        aside: the others by their files' names, and why each does not count.
        of_others: good approvals of other plans, the newest first.
    """

    lacking: tuple[StillNeeded, ...]
    counted: tuple[GivenApproval, ...]
    aside: Mapping[str, str]
    of_others: tuple[Approval, ...]


@dataclass(frozen=True, slots=True)
class PlanToApprove:
    """What approvals are held against.

    Attributes:
        inventory: the inventory's id.
        meaning: of the plan.
        terms: the inventory's; None where it asks nobody any more.
        makers: the ids of approvers who made the plan.
        now: the moment.
    """

    inventory: str
    meaning: str
    terms: ApprovalTerms | None
    makers: frozenset[str]
    now: datetime


def approved(needs: Sequence[ApprovalNeed], files: Mapping[str, Approval], plan: PlanToApprove) -> Approved:
    """Hold approvals against what a plan needs.

    Args:
        needs: of the plan.
        files: the approvals that there are, by their files' names.
        plan: the plan.
    """
    aside: dict[str, str] = {}
    signed: dict[str, GivenApproval] = {}
    of_others: list[Approval] = []
    for name, approval in sorted(files.items()):
        try:
            given = GivenApproval(approval, _proved(approval, plan))
        except ApprovalFormError as error:
            aside[name] = str(error)
            continue
        if approval.meaning != plan.meaning:
            of_others.append(approval)
        else:
            signed[name] = given
    lacking: list[StillNeeded] = []
    used: set[str] = set()
    for need in needs:
        counting, reasons = _counting(need, signed, plan)
        used |= counting.keys()
        aside |= {name: reason for name, reason in reasons.items() if name not in aside}
        if still := _still_needed(need, counting.values(), plan.makers):
            lacking.append(still)
    counted = tuple(signed[name] for name in sorted(used, key=lambda name: (signed[name].approval.approver, name)))
    aside = {name: reason for name, reason in aside.items() if name not in used}
    newest = sorted(of_others, key=lambda approval: (approval.at, approval.approver), reverse=True)
    return Approved(tuple(lacking), counted, aside, tuple(newest))


def _proved(approval: Approval, plan: PlanToApprove) -> SshPublicKey:
    """The key of an approval that is of this inventory and signed.

    Raises:
        ApprovalFormError: it is not.
    """
    if approval.inventory != plan.inventory:
        raise ApprovalFormError(f"is of the inventory {approval.inventory}, not of {plan.inventory}")
    return key_that_signed(approval)


def _counting(
    need: ApprovalNeed, signed: Mapping[str, GivenApproval], plan: PlanToApprove
) -> tuple[dict[str, GivenApproval], dict[str, str]]:
    """The approvals that count for a need, and why the others do not."""
    counting, reasons = {}, {}
    for name, given in signed.items():
        if reason := _refusal(need, given, plan):
            reasons[name] = reason
        else:
            counting[name] = given
    return counting, reasons


def _refusal(need: ApprovalNeed, given: GivenApproval, plan: PlanToApprove) -> str:
    """Why an approval does not count for a need, as the rest of a sentence; empty where it does."""
    return _out_of_time(need.terms, given.approval, plan.now) or _of_nobody(need, given, plan) or _as_other(need, given)


def _out_of_time(terms: ApprovalTerms, approval: Approval, now: datetime) -> str:
    if approval.at > now + _AHEAD:
        return f"is of {approval.at_text}, which is yet to come"
    if now >= approval.at + timedelta(hours=terms.valid_hours):
        return f"is of {approval.at_text}: an approval counts for {terms.valid_hours} h"
    return ""


def _of_nobody(need: ApprovalNeed, given: GivenApproval, plan: PlanToApprove) -> str:
    who = f"{given.approval.approver} by {given.key.fingerprint}"
    if plan.terms is not None and not _entries(plan.terms, given):
        return f"is of {who}, who does not approve by signers.yml"
    entries = _entries(need.terms, given)
    if not entries:
        return f"is of {who}, who did not approve when the hosts were applied last"
    days = sorted({moment.astimezone(VIETNAM).date() for moment in (given.approval.at, plan.now)})
    if not any(all(map(one.approves_on, days)) for one in entries):
        return f"is of {who}, a key that does not approve on {' and '.join(map(str, days))}"
    return ""


def _as_other(need: ApprovalNeed, given: GivenApproval) -> str:
    person, claimed, role = given.approval.approver, set(given.approval.roles), need.rule.role
    of_carrier = [one for one in _entries(need.terms, given) if one.is_for(need.carrier)]
    if not of_carrier:
        return f"is of {person}, who approves for other carriers than {need.carrier or 'all'}"
    if role and role not in claimed:
        return f"is not given as {role}"
    if not any(set(one.roles) & claimed & ({role} if role else claimed) for one in of_carrier):
        return f"is given as {role or ' '.join(sorted(claimed))}, which {person} is not"
    return ""


def _entries(terms: ApprovalTerms, given: GivenApproval) -> list[TermsApprover]:
    """The entries of the person and the key that signed."""
    return [one for one in terms.approvers if one.id == given.approval.approver and key_blob(one.key) == given.key.blob]


@lru_cache(maxsize=1024)
def key_blob(line: str) -> bytes:
    """What a key is compared by; a line that is no key is equal to none."""
    try:
        return public_key_of(line).blob
    except SignatureFormError:
        return b""


def _still_needed(need: ApprovalNeed, given: Iterable[GivenApproval], makers: frozenset[str]) -> StillNeeded | None:
    """Who is lacking: a person counts once, whatever keys it has, and so does a key, whatever ids it has."""
    pairs = [(one.approval.approver, one.key.blob) for one in given]
    people, keys = {person for person, _ in pairs}, {key for _, key in pairs}
    names = tuple(sorted(people))
    if min(len(people), len(keys)) < need.rule.people:
        return StillNeeded(need, names)
    return None if people - makers else StillNeeded(need, names, own=True)
