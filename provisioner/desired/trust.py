"""Trusted facts of a host: keys, program, readers, policy. Pure.

Each host stores them in a file, so that a plan shows every change of trust. Otherwise two edited lines of an inventory
could give a relay's secrets to another machine and look harmless.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from provisioner.desired.approval_terms import ApprovalTerms, approval_terms
from provisioner.inventory.model.hosts import JumpHost, Ssh
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.policy import MediamtxArtefact, Policy


@dataclass(frozen=True, slots=True)
class Trust:
    """Trusted facts of one host.

    Attributes:
        host_key: the fingerprint of its SSH host key, as ssh-keygen shows it, or its CA and name.
        program: MediaMTX's version and checksums, if any.
        ssh_from: networks that new SSH may come from.
        readers: on a relay the readers, with prefixes if limited; on a centre the carriers of its reader secrets.
        keys: each tunnel peer's public key and allowed IPs, by the peer's name.
        jump: the jump host with its host key; empty without one.
        endpoint: a relay's endpoint if it is a name, with the port. It is not trusted: it tells plans which packages
            have another name.
        ports: ports of sites that do not dial the relay's first port, for the same purpose.
        publishers: on a relay the networks of pushing sites, if any.
    """

    address: str
    port: int
    user: str
    host_key: str
    program: str = ""
    ssh_from: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    jump: str = ""
    endpoint: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    publishers: tuple[str, ...] = ()

    def as_document(self) -> dict[str, object]:
        """Return the content of the host's file, without some empty keys."""
        return {name: value for name, value in asdict(self).items() if name not in _OF_SOME or value}


_OF_SOME = frozenset({"jump", "endpoint", "ports", "publishers"})


@dataclass(frozen=True, slots=True)
class AppliedPolicy:
    """Policy at a host's last apply.

    Attributes:
        freeze: windows without changes, as ISO 8601 intervals.
        signing: facts that decide whose sign-offs count, a line each.
        protected: objects that must not leave the inventory while protected.
        rego: files of Rego rules with their digests.
    """

    limits: Mapping[str, int] = field(default_factory=dict)
    freeze: tuple[str, ...] = ()
    signing: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    approvals: ApprovalTerms | None = None
    rego: tuple[str, ...] = ()

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


def trust_of(
    inventory: Inventory,
    address: object,
    ssh: Ssh,
    keys: Mapping[str, str],
    *,
    ssh_from: tuple[object, ...],
    readers: tuple[str, ...],
    relay: bool,
    jump: JumpHost | None = None,
    endpoint: str = "",
    ports: Mapping[str, int] | None = None,
    publishers: tuple[object, ...] = (),
) -> Trust:
    """Return the trusted facts of a host; arguments are as in `Trust`."""
    return Trust(
        address=str(address),
        port=ssh.port,
        user=ssh.user,
        host_key=host_key_text(ssh),
        program=_program(inventory.settings.mediamtx) if relay else "",
        ssh_from=tuple(map(str, ssh_from)),
        readers=tuple(sorted(readers)),
        keys=dict(sorted(keys.items())),
        jump=called_through(jump),
        endpoint=endpoint,
        ports=dict(sorted((ports or {}).items())),
        publishers=tuple(map(str, publishers)),
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


def _program(artefact: MediamtxArtefact) -> str:
    sums = ", ".join(f"{arch} {artefact.sha256[arch]}" for arch in sorted(artefact.sha256))
    return f"MediaMTX {artefact.version} ({sums})"


def _windows(policy: Policy) -> tuple[str, ...]:
    ends = ((window.begin, window.until) for window in policy.freeze)
    return tuple(sorted("/".join(end.isoformat(timespec="minutes") for end in window) for window in ends))
