"""Who has to approve a plan before it is applied: by the inventory's rules, and by those that hosts remember. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from provisioner.base.counted import counted
from provisioner.base.json_document import Document
from provisioner.desired.approval_terms import ApprovalTerms, TermsRule
from provisioner.inventory.model import ApprovedChanges
from provisioner.plan.changes import Change, Impact, Resource, is_of_policy
from provisioner.plan.guards.measures import named


@dataclass(frozen=True, slots=True)
class ApprovalNeed:
    """People who have to approve what changes on some hosts.

    Attributes:
        rule: which rule asks for it.
        carrier: whose hosts; empty for hosts of no carrier.
        hosts: in order.
        terms: of which the rule is one: they say who approves, and for how long.
    """

    rule: TermsRule
    carrier: str
    hosts: tuple[str, ...]
    terms: ApprovalTerms = field(repr=False)

    @property
    def words(self) -> str:
        """What is needed as the rest of a sentence, e.g. `1 approver as noc of viettel for relay-viettel-1 (any)`."""
        number = self.rule.people
        people = counted(number, "approver") if number == 1 else counted(number, "different approver")
        role = f" as {self.rule.role}" if self.rule.role else ""
        carrier = f" of {self.carrier}" if self.carrier else ""
        return f"{people}{role}{carrier} for {named(self.hosts)} ({self.rule.changes.value})"

    @property
    def document(self) -> Document:
        """The need as it stands in a plan's document."""
        rule = self.rule
        return {
            "changes": rule.changes.value,
            "role": rule.role,
            "people": rule.people,
            "carrier": self.carrier,
            "hosts": list(self.hosts),
        }


@dataclass(frozen=True, slots=True)
class HostTerms:
    """Under which terms a host was applied last.

    Attributes:
        carriers: whose host it is; a centre may be of several.
        remembered: the terms of the policy under which it was applied; None where nobody had to approve.
        is_known: whether it remembers that policy; a host that was never applied does not.
    """

    carriers: tuple[str, ...]
    remembered: ApprovalTerms | None = None
    is_known: bool = True


def approval_needs(
    changing: Iterable[Change], hosts: Mapping[str, HostTerms], own: ApprovalTerms | None
) -> tuple[ApprovalNeed, ...]:
    """Who has to approve what changes; nobody where neither the inventory nor a host asks for it.

    The terms under which a host was applied last hold beside the inventory's: an edit that asks for less has to be
    approved by those who were asked before. A host that remembers nothing is held to what the others remember.

    Args:
        changing: the pending changes.
        hosts: those that were read.
        own: the inventory's terms.
    """
    by_host: dict[str, list[Change]] = defaultdict(list)
    for change in changing:
        by_host[change.host].append(change)
    of_others = _distinct(one.remembered for _, one in sorted(hosts.items()))
    asked: dict[tuple[ApprovalTerms, TermsRule, str], list[str]] = defaultdict(list)
    for host, changes in sorted(by_host.items()):
        at = hosts[host]
        remembered = [at.remembered] if at.is_known else of_others
        for terms in _distinct((own, *remembered)):
            concerned = (rule for rule in terms.rules if _concerns(rule.changes, changes))
            for rule, carrier in product(concerned, at.carriers or ("",)):
                asked[terms, rule, carrier].append(host)
    return tuple(ApprovalNeed(rule, carrier, tuple(names), terms) for (terms, rule, carrier), names in asked.items())


def need_documents(needs: Sequence[ApprovalNeed]) -> list[Document]:
    """The needs of a plan, one by the inventory's terms and the same one by a host's terms once."""
    return list({repr(need.document): need.document for need in needs}.values())


def need_lines(needs: Sequence[ApprovalNeed]) -> tuple[str, ...]:
    """The needs of a plan as sentences, each once."""
    return tuple(dict.fromkeys(need.words for need in needs))


def _distinct(terms: Iterable[ApprovalTerms | None]) -> list[ApprovalTerms]:
    return list(dict.fromkeys(one for one in terms if one is not None))


def _concerns(kind: ApprovedChanges, changes: Sequence[Change]) -> bool:
    """Whether a rule is about what changes on a host."""
    if kind is ApprovedChanges.ANY:
        return bool(changes)
    if kind is ApprovedChanges.POLICY:
        return any(map(is_of_policy, changes))
    if kind is ApprovedChanges.TRUST:
        return any(change.resource is Resource.TRUST and not is_of_policy(change) for change in changes)
    least = Impact.ALL if kind is ApprovedChanges.ALL else Impact.PATH
    return any(change.impact.rank >= least.rank for change in changes)
