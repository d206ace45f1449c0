"""Who and what is trusted: the host itself, its program, who comes in, and what holds a plan back. Pure.

Each host keeps it as a file, so that a plan says of every change what was trusted before: two edited lines of an
inventory may otherwise hand a relay's secrets to another machine, and look like an edit of no consequence.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from provisioner.desired.approval_terms import ApprovalTerms, approval_terms
from provisioner.inventory.model import Inventory, JumpHost, MediamtxArtefact, Policy, Ssh


@dataclass(frozen=True, slots=True)
class Trust:
    """What is trusted about one host.

    Attributes:
        host_key: the fingerprint of its SSH host key, as ssh-keygen shows it, or who signs it and for which name.
        program: MediaMTX's version and checksums, empty on a host without a relay.
        ssh_from: the networks from which new SSH is accepted.
        readers: on a relay who may read, and of what if not of all; on a centre the carriers whose reader secrets it
            holds.
        keys: each tunnel peer's public key and allowed IPs, by the peer's name.
        jump: through which host it is called, with that one's host key; empty where it is called directly.
        endpoint: of a relay that gateways go to by name, that name and the port. Nobody is trusted for it: it is how
            a plan knows which packages name another one.
        ports: by site whose gateway dials another port of a relay than its first, that one; for the same purpose.
        publishers: on a relay the networks from which sites push to it; nobody's where none may.
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
        """What its file on the host says; what only some hosts have is in no other one's file."""
        return {name: value for name, value in asdict(self).items() if name not in _OF_SOME or value}


_OF_SOME = frozenset({"jump", "endpoint", "ports", "publishers"})


@dataclass(frozen=True, slots=True)
class AppliedPolicy:
    """What held plans back when a host was applied last.

    Attributes:
        limits: the policy's limits by name.
        freeze: the windows in which nothing changes, as ISO 8601 intervals.
        signing: all that decides whose word on a connection plan counts, a line each.
        protected: what may not leave the inventory before its mark is removed.
        approvals: who has to approve plans; None where nobody has to.
        rego: the files of Rego rules that judge plans, each with its digest.
    """

    limits: Mapping[str, int] = field(default_factory=dict)
    freeze: tuple[str, ...] = ()
    signing: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    approvals: ApprovalTerms | None = None
    rego: tuple[str, ...] = ()

    def as_document(self) -> dict[str, object]:
        """What its file on the host says; where nobody approves and no Rego judges it has no word of that."""
        plain = {name: value for name, value in asdict(self).items() if name not in {"approvals", "rego"}}
        plain |= {"approvals": self.approvals.as_document()} if self.approvals else {}
        return plain | ({"rego": self.rego} if self.rego else {})


def policy_of(inventory: Inventory) -> AppliedPolicy:
    """What holds plans back by the inventory."""
    settings = inventory.settings
    # Signatures are bound to the one, and offices' provinces are read by the other.
    bound = (f"inventory {settings.id}", f"provinces by {settings.province_scheme.value}")
    whose = bound if inventory.signers else ()
    return AppliedPolicy(
        settings.policy.limits.model_dump(),
        _windows(settings.policy),
        (*whose, *inventory.signing_facts),
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
    """What is trusted about a host by the inventory.

    Args:
        inventory: the whole of it.
        address: where the host is called.
        ssh: how it is logged in to.
        keys: of its tunnel's peers, each with its allowed IPs.
        ssh_from: from where new SSH is accepted.
        readers: who reads there, or whose readers' secrets it holds.
        relay: whether MediaMTX runs on it.
        jump: the host through which it is called.
        endpoint: where gateways find it, if by name.
        ports: by site, which port of it the gateway dials, of those that do not dial its first one.
        publishers: from where sites push to it.
    """
    return Trust(
        address=str(address),
        port=ssh.port,
        user=ssh.user,
        host_key=known_by(ssh),
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
    """The host through which another one is called, with its host key; empty where that is called directly."""
    return f"{jump.ssh.place(jump.address)}, host key {known_by(jump.ssh)}" if jump else ""


def known_by(ssh: Ssh) -> str:
    """What a host is known by: its key's fingerprint; or who signs it, and the signed name, as in known_hosts."""
    if ssh.host_key is not None:
        return fingerprint(ssh.host_key)
    return f"@cert-authority {fingerprint(ssh.host_ca)} {ssh.principal}" if ssh.host_ca else ""


def fingerprint(host_key: str) -> str:
    """The fingerprint of an SSH public key, `TYPE BASE64`, as ssh-keygen shows it."""
    kind, _, text = host_key.partition(" ")
    digest = hashlib.sha256(base64.b64decode(text.split()[0])).digest()
    return f"{kind} SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _program(artefact: MediamtxArtefact) -> str:
    sums = ", ".join(f"{arch} {artefact.sha256[arch]}" for arch in sorted(artefact.sha256))
    return f"MediaMTX {artefact.version} ({sums})"


def _windows(policy: Policy) -> tuple[str, ...]:
    """Every window as an ISO 8601 interval."""
    ends = ((window.begin, window.until) for window in policy.freeze)
    return tuple(sorted("/".join(end.isoformat(timespec="minutes") for end in window) for window in ends))
