"""Trusted facts of a host: keys, program, readers, policy, approvals. Pure.

Each host stores them in a file, so that a plan shows every change of trust. Otherwise two edited lines of an inventory
could give a relay's secrets to another machine and look harmless.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator

from provisioner.base.text import is_between
from provisioner.inventory.model.hosts import JumpHost, Ssh
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.policy import ApprovedChanges, MediamtxArtefact, Policy


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
    return ApprovalTerms(
        policy.valid_hours,
        tuple(sorted(set(rules))),
        tuple(sorted(set(approvers), key=lambda a: (a.id, a.key, a.since, a.words))),
    )


@dataclass(frozen=True, slots=True)
class Trust:
    """Trusted facts of one host."""

    address: str
    port: int
    user: str
    host_key: str  #: The fingerprint of its SSH host key, as ssh-keygen shows it, or its CA and name.
    program: str = ""  #: MediaMTX's version and checksums, if any.
    ssh_from: tuple[str, ...] = ()  #: Networks that new SSH may come from.
    #: On a relay the readers, with prefixes if limited; on a centre the carriers of its reader secrets.
    readers: tuple[str, ...] = ()
    #: Each tunnel peer's public key and allowed IPs, by the peer's name.
    keys: Mapping[str, str] = field(default_factory=dict)
    jump: str = ""  #: The jump host with its host key; empty without one.
    #: A relay's endpoint if it is a name, with the port. It is not trusted: it tells plans which packages have another
    #: name.
    endpoint: str = ""
    #: Ports of sites that do not dial the relay's first port, for the same purpose.
    ports: Mapping[str, int] = field(default_factory=dict)
    publishers: tuple[str, ...] = ()  #: On a relay the networks of pushing sites, if any.

    def as_document(self) -> dict[str, object]:
        """Return the content of the host's file, without some empty keys."""
        return {name: value for name, value in asdict(self).items() if name not in _OF_SOME or value}


_OF_SOME = frozenset({"jump", "endpoint", "ports", "publishers"})


@dataclass(frozen=True, slots=True)
class AppliedPolicy:
    """Policy at a host's last apply."""

    limits: Mapping[str, int] = field(default_factory=dict)
    freeze: tuple[str, ...] = ()  #: Windows without changes, as ISO 8601 intervals.
    signing: tuple[str, ...] = ()  #: Facts that decide whose sign-offs count, a line each.
    protected: tuple[str, ...] = ()  #: Objects that must not leave the inventory while protected.
    approvals: ApprovalTerms | None = None
    rego: tuple[str, ...] = ()  #: Files of Rego rules with their digests.

    def as_document(self) -> dict[str, object]:
        """Return the content of the host's file, without empty approvals and Rego."""
        plain = {name: value for name, value in asdict(self).items() if name not in {"approvals", "rego"}}
        plain |= {"approvals": self.approvals.as_document()} if self.approvals else {}
        return plain | ({"rego": self.rego} if self.rego else {})


def policy_of(inventory: Inventory) -> AppliedPolicy:
    """Return the inventory's policy."""
    settings = inventory.settings
    # Signatures are bound to the one, and offices' provinces are read by the other.
    bound = (f"inventory {settings.id}", f"provinces by {settings.province_scheme.value}")
    terms = bound if inventory.signers else ()
    return AppliedPolicy(
        settings.policy.limits.model_dump(),
        _windows(settings.policy),
        (*terms, *inventory.signing_facts),
        tuple(sorted(inventory.allocations.protected)),
        approval_terms(inventory),
        tuple(sorted(file.mark for file in inventory.rego if not file.is_test)),
    )


def called_through(jump: JumpHost | None) -> str:
    """Return the jump host with its host key; empty without one."""
    return f"{jump.ssh.login_at(jump.address)}, host key {host_key_text(jump.ssh)}" if jump else ""


def host_key_text(ssh: Ssh) -> str:
    """Return a host key's fingerprint, or its CA and name (known_hosts)."""
    if ssh.host_key is not None:
        return fingerprint(ssh.host_key)
    return f"@cert-authority {fingerprint(ssh.host_ca)} {ssh.principal}" if ssh.host_ca else ""


def fingerprint(host_key: str) -> str:
    """Return an SSH public key's fingerprint, as ssh-keygen shows it."""
    kind, _, text = host_key.partition(" ")
    digest = hashlib.sha256(base64.b64decode(text.split()[0])).digest()
    return f"{kind} SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def program_words(artefact: MediamtxArtefact) -> str:
    """Return MediaMTX's version and checksums in a line."""
    sums = ", ".join(f"{arch} {artefact.sha256[arch]}" for arch in sorted(artefact.sha256))
    return f"MediaMTX {artefact.version} ({sums})"


def _windows(policy: Policy) -> tuple[str, ...]:
    ends = ((window.begin, window.until) for window in policy.freeze)
    return tuple(sorted("/".join(end.isoformat(timespec="minutes") for end in window) for window in ends))
