"""Approvals of a plan: needed, signed, counted, missing (docs/internals/inventory.md). Pure.

The file has the signed text in JSON as well, beside the signature; only the signed text counts. A person removed from
the inventory never counts, whatever a host remembers.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import product
from typing import Final

from provisioner.base import ssh_signature
from provisioner.base.groups import grouped
from provisioner.base.text import VIETNAM, counted, local_time, msg, named, strict_json
from provisioner.desired.trust import ApprovalTerms, TermsApprover, TermsRule
from provisioner.inventory.model.policy import ApprovedChanges
from provisioner.plan.change import Change, Impact, Resource, is_of_policy

#: Namespace of the signature. One for a sign-off, a file or a commit is invalid here.
APPROVAL_NAMESPACE: Final = "approval@provisioner"

SCHEMA: Final = "provisioner/approval"
MAX_APPROVAL_BYTES: Final = 4 * ssh_signature.MAX_BYTES
_SLUG: Final = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_LONGEST: Final = 100
_MOST_ROLES: Final = 20
_FORMS: Final = {
    "inventory": re.compile(_SLUG),
    "meaning": re.compile(r"sha256:[0-9a-f]{64}"),
    "plan": re.compile(r"sha256:[0-9a-f]{64}"),
    "approver": re.compile(_SLUG),
    "at": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"),
    "signature": re.compile(r"[A-Za-z0-9+/]+={0,2}"),
}

_AHEAD: Final = timedelta(minutes=5)  #: Maximum advance of a signer's clock.


class ApprovalFormError(ValueError):
    """A file is no approval; the message continues the file's name."""


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval in a file."""

    inventory: str
    meaning: str
    plan: str  #: The digest of the read plan; other plans with the same `meaning` are approved, too.
    approver: str
    roles: tuple[str, ...]
    at: datetime  #: The signing time, by the signer's clock.
    signature: str = ""  #: In base64; empty before signing.

    @property
    def at_text(self) -> str:
        """The time in the signed text."""
        return moment_text(self.at)

    @property
    def file_name(self) -> str:
        """Name of its file, replaced by the person's next approval."""
        return f"{file_stem(self.meaning)}-{self.approver}.json"


@dataclass(frozen=True, slots=True)
class ApprovalNeed:
    """Approvals that changes on some hosts (sorted) of a carrier need."""

    rule: TermsRule
    carrier: str
    hosts: tuple[str, ...]
    terms: ApprovalTerms = field(repr=False)

    @property
    def words(self) -> str:
        """The need as a sentence's end."""
        number = self.rule.people
        people = counted(number, "approver") if number == 1 else counted(number, "different approver")
        role = (" " + msg("as {role}", self.rule.role)) if self.rule.role else ""
        carrier = (" " + msg("of {carrier}", self.carrier)) if self.carrier else ""
        return msg(
            "{people}{role}{carrier} for {hosts} ({value})",
            people,
            role,
            carrier,
            named(self.hosts),
            self.rule.changes.value,
        )


@dataclass(frozen=True, slots=True)
class HostTerms:
    """Approval terms of a host's last apply."""

    carriers: tuple[str, ...]
    remembered: ApprovalTerms | None = None  #: The terms, or `None` without approvals.
    is_known: bool = True  #: Whether the host remembers them; a new host does not.


@dataclass(frozen=True, slots=True)
class VerifiedApproval:
    """An approval that counts for a need, and its key."""

    approval: Approval
    key: ssh_signature.SshPublicKey


@dataclass(frozen=True, slots=True)
class StillNeeded:
    """An unmet need."""

    need: ApprovalNeed
    given: tuple[str, ...]  #: Persons whose approvals count for it.
    own: bool = False  #: Whether they are enough, but all made the plan.

    @property
    def words(self) -> str:
        """The need and its approvals as a sentence's end."""
        if self.own:
            return f"{self.need.words}: {' and '.join(self.given)} made the plan, and nobody else approved it"
        approvers = f": only {' and '.join(self.given)} approved" if self.given else ""
        return f"{self.need.words}{approvers}"


@dataclass(frozen=True, slots=True)
class Approved:
    """Result of a plan's approvals."""

    lacking: tuple[StillNeeded, ...]
    counted: tuple[VerifiedApproval, ...]  #: Approvals that count, sorted by person.
    aside: Mapping[str, str]  #: Reasons why other approvals do not count, by file name.
    of_others: tuple[Approval, ...]  #: Valid approvals of other plans, newest first.


@dataclass(frozen=True, slots=True)
class PlanToApprove:
    """A plan, for its approvals."""

    inventory: str
    meaning: str
    terms: ApprovalTerms | None
    makers: frozenset[str]  #: Ids of approvers who made the plan.
    now: datetime
    used: Mapping[Approval, str] = field(default_factory=dict)  #: The run that used an unsigned approval.
    #: Start times of this plan's runs; an older approval counts as used by the run.
    begun: Mapping[str, datetime] = field(default_factory=dict)


def moment_text(at: datetime) -> str:
    """Return a time as in approvals."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def file_stem(meaning: str) -> str:
    """Return the prefix of file names for a plan's meaning."""
    return meaning.removeprefix("sha256:")[:16]


def approval_statement(approval: Approval) -> bytes:
    """Return the signed bytes; their form never changes within a version."""
    lines = (
        "provisioner plan approval, version 1",
        f"inventory: {approval.inventory}",
        f"meaning: {approval.meaning}",
        f"plan: {approval.plan}",
        f"approver: {approval.approver}",
        f"as: {' '.join(approval.roles)}",
        f"at: {approval.at_text}",
    )
    return "".join(f"{line}\n" for line in lines).encode()


def approval_text(approval: Approval) -> str:
    """Return an approval's file content."""
    document = {
        "schema": SCHEMA,
        "version": 1,
        "inventory": approval.inventory,
        "meaning": approval.meaning,
        "plan": approval.plan,
        "approver": approval.approver,
        "roles": list(approval.roles),
        "at": approval.at_text,
        "signature": approval.signature,
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def approval_in(data: bytes) -> Approval:
    """Parse an approval's file, or raise `ApprovalFormError`."""
    if len(data) > MAX_APPROVAL_BYTES:
        raise ApprovalFormError("is larger than an approval")
    try:
        return _approval_in(strict_json(data.decode()))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ApprovalFormError("is no approval") from None


def _approval_in(plain: dict[str, object]) -> Approval:
    if plain.pop("schema") != SCHEMA or plain.pop("version") != 1:
        raise ValueError("another document")
    roles = plain.pop("roles")
    if not isinstance(roles, list) or not 1 <= len(roles) <= _MOST_ROLES or sorted(set(roles)) != roles:
        raise ValueError("no roles")
    texts = {name: _checked_text(name, plain.pop(name)) for name in _FORMS}
    if plain:
        raise ValueError("something that no approval has")
    at = datetime.fromisoformat(texts.pop("at"))
    return Approval(**texts, roles=tuple(_checked_text("approver", role) for role in roles), at=at)


def _checked_text(name: str, value: object) -> str:
    longest = 2 * ssh_signature.MAX_BYTES if name == "signature" else _LONGEST
    if not isinstance(value, str) or len(value) > longest or not _FORMS[name].fullmatch(value):
        raise ValueError("a text has another form")
    return value


def key_that_signed(approval: Approval) -> ssh_signature.SshPublicKey:
    """Return an approval's key, of whichever person, or raise `ApprovalFormError`."""
    try:
        signature = ssh_signature.signature_of(approval.signature)
    except ssh_signature.SignatureFormError as error:
        raise ApprovalFormError(f"has a signature that {error}") from None
    if signature.namespace != APPROVAL_NAMESPACE.encode():
        raise ApprovalFormError(f"has a signature that was made for something else than {APPROVAL_NAMESPACE}")
    if not ssh_signature.is_made_by_its_key(signature, approval_statement(approval)):
        raise ApprovalFormError("has a signature that is of another text")
    return signature.key


def approval_needs(
    changing: Iterable[Change], hosts: Mapping[str, HostTerms], inventory_terms: ApprovalTerms | None
) -> tuple[ApprovalNeed, ...]:
    """Return the needed approvals, by terms of the inventory and of hosts.

    The terms of a host's last apply count, too: an edit that loosens them needs the former approvers. A host without
    terms uses those of the other hosts.
    """
    by_host = grouped(changing, lambda change: change.host)
    other_terms = _distinct(host_terms.remembered for _, host_terms in sorted(hosts.items()))
    needed: dict[tuple[ApprovalTerms, TermsRule, str], list[str]] = defaultdict(list)
    for host, changes in sorted(by_host.items()):
        at = hosts[host]
        remembered = [at.remembered] if at.is_known else other_terms
        for terms in _distinct((inventory_terms, *remembered)):
            concerned = (rule for rule in terms.rules if _concerns_changes(rule.changes, changes))
            for rule, carrier in product(concerned, at.carriers or ("",)):
                needed[terms, rule, carrier].append(host)
    return tuple(ApprovalNeed(rule, carrier, tuple(names), terms) for (terms, rule, carrier), names in needed.items())


def need_lines(needs: Sequence[ApprovalNeed]) -> tuple[str, ...]:
    """Return the needs as distinct sentences."""
    return tuple(dict.fromkeys(need.words for need in needs))


def _distinct(terms: Iterable[ApprovalTerms | None]) -> list[ApprovalTerms]:
    return list(dict.fromkeys(entry for entry in terms if entry is not None))


def _concerns_changes(kind: ApprovedChanges, changes: Sequence[Change]) -> bool:
    if kind is ApprovedChanges.ANY:
        return bool(changes)
    if kind is ApprovedChanges.POLICY:
        return any(map(is_of_policy, changes))
    if kind is ApprovedChanges.TRUST:
        return any(change.resource is Resource.TRUST and not is_of_policy(change) for change in changes)
    least = Impact.ALL if kind is ApprovedChanges.ALL else Impact.PATH
    return any(change.impact.rank >= least.rank for change in changes)


def approved(needs: Sequence[ApprovalNeed], files: Mapping[str, Approval], plan: PlanToApprove) -> Approved:
    """Check approvals, by file name, against a plan's needs."""
    not_counted: dict[str, str] = {}
    signed: dict[str, VerifiedApproval] = {}
    of_other_plans: list[Approval] = []
    for name, approval in sorted(files.items()):
        try:
            verified = VerifiedApproval(approval, _verified_key(approval, plan))
        except ApprovalFormError as error:
            not_counted[name] = str(error)
            continue
        if approval.meaning != plan.meaning:
            of_other_plans.append(approval)
        else:
            signed[name] = verified
    lacking: list[StillNeeded] = []
    used: set[str] = set()
    for need in needs:
        counting, reasons = _counting_approvals(need, signed, plan)
        used |= counting.keys()
        not_counted |= {name: reason for name, reason in reasons.items() if name not in not_counted}
        if unmet := _still_needed(need, counting.values(), plan.makers):
            lacking.append(unmet)
    counted = tuple(signed[name] for name in sorted(used, key=lambda name: (signed[name].approval.approver, name)))
    not_counted = {name: reason for name, reason in not_counted.items() if name not in used}
    newest = sorted(of_other_plans, key=lambda approval: (approval.at, approval.approver), reverse=True)
    return Approved(tuple(lacking), counted, not_counted, tuple(newest))


def _verified_key(approval: Approval, plan: PlanToApprove) -> ssh_signature.SshPublicKey:
    """Return the key of this inventory's valid approval, or raise `ApprovalFormError`."""
    if approval.inventory != plan.inventory:
        raise ApprovalFormError(f"is of the inventory {approval.inventory}, not of {plan.inventory}")
    return key_that_signed(approval)


def _counting_approvals(
    need: ApprovalNeed, signed: Mapping[str, VerifiedApproval], plan: PlanToApprove
) -> tuple[dict[str, VerifiedApproval], dict[str, str]]:
    """Return approvals that count for a need, and reasons against the others."""
    counting, reasons = {}, {}
    for name, verified in signed.items():
        if reason := _refusal_of_approval(need, verified, plan):
            reasons[name] = reason
        else:
            counting[name] = verified
    return counting, reasons


def _refusal_of_approval(need: ApprovalNeed, verified: VerifiedApproval, plan: PlanToApprove) -> str:
    older = (run for run, at in plan.begun.items() if verified.approval.at < at)
    if run := plan.used.get(replace(verified.approval, signature="")) or next(older, ""):
        return f"is of {local_time(verified.approval.at)}, and run {run} has used it up"
    return (
        _refusal_of_time(need.terms, verified.approval, plan.now)
        or _refusal_of_signer(need, verified, plan)
        or _refusal_of_role(need, verified)
    )


def _refusal_of_time(terms: ApprovalTerms, approval: Approval, now: datetime) -> str:
    if approval.at > now + _AHEAD:
        return f"is of {local_time(approval.at)}, which is yet to come"
    if now >= approval.at + timedelta(hours=terms.valid_hours):
        return f"is of {local_time(approval.at)}: an approval counts for {terms.valid_hours} h"
    return ""


def _refusal_of_signer(need: ApprovalNeed, verified: VerifiedApproval, plan: PlanToApprove) -> str:
    signer = f"{verified.approval.approver} by {verified.key.fingerprint}"
    if plan.terms is not None and not _entries(plan.terms, verified):
        return f"is of {signer}, who does not approve by signers.yml"
    entries = _entries(need.terms, verified)
    if not entries:
        return f"is of {signer}, who did not approve when the hosts were applied last"
    days = sorted({moment.astimezone(VIETNAM).date() for moment in (verified.approval.at, plan.now)})
    if not any(all(map(entry.approves_on, days)) for entry in entries):
        return f"is of {signer}, a key that does not approve on {' and '.join(map(str, days))}"
    return ""


def _refusal_of_role(need: ApprovalNeed, verified: VerifiedApproval) -> str:
    person, claimed, role = verified.approval.approver, set(verified.approval.roles), need.rule.role
    of_carrier = [entry for entry in _entries(need.terms, verified) if entry.is_for(need.carrier)]
    if not of_carrier:
        return f"is of {person}, who approves for other carriers than {need.carrier or 'all'}"
    if role and role not in claimed:
        return f"is not given as {role}"
    if not any(set(entry.roles) & claimed & ({role} if role else claimed) for entry in of_carrier):
        return f"is given as {role or ' '.join(sorted(claimed))}, which {person} is not"
    return ""


def _entries(terms: ApprovalTerms, verified: VerifiedApproval) -> list[TermsApprover]:
    return [
        approver
        for approver in terms.approvers
        if approver.id == verified.approval.approver and key_blob(approver.key) == verified.key.blob
    ]


@lru_cache(maxsize=1024)
def key_blob(line: str) -> bytes:
    """Return a key's blob for comparison; empty if invalid."""
    try:
        return ssh_signature.public_key_of(line).blob
    except ssh_signature.SignatureFormError:
        return b""


def _still_needed(
    need: ApprovalNeed, counting: Iterable[VerifiedApproval], makers: frozenset[str]
) -> StillNeeded | None:
    """Return a need if unmet; each person and each key counts once."""
    pairs = [(verified.approval.approver, verified.key.blob) for verified in counting]
    people, keys = {person for person, _ in pairs}, {key for _, key in pairs}
    names = tuple(sorted(people))
    if min(len(people), len(keys)) < need.rule.people:
        return StillNeeded(need, names)
    return None if people - makers else StillNeeded(need, names, own=True)
