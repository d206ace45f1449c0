"""An approval made: what is signed, by whom, and the file that holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from provisioner.base.atomic_file import replace_file
from provisioner.base.clock import VIETNAM, is_between
from provisioner.base.errors import UsageError
from provisioner.base.nearest import did_you_mean
from provisioner.base.printable import printable
from provisioner.base.ssh_signature import SignatureFormError, SshPublicKey, unarmoured
from provisioner.inventory.model import Approver
from provisioner.inventory.operations.ssh_keygen import made_signature
from provisioner.pipeline.session import Session
from provisioner.plan import WrittenPlan
from provisioner.plan.guards.approval_file import (
    APPROVAL_NAMESPACE,
    Approval,
    ApprovalFormError,
    approval_statement,
    approval_text,
    key_that_signed,
)
from provisioner.plan.guards.approved import key_blob
from provisioner.runs.approvals.before_apply import FOLDER, kept_plan_name

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """What somebody is about to approve.

    Attributes:
        person: the approver's id.
        roles: as what; all that the person has where none is named.
        at: the moment that is signed.
    """

    person: str
    roles: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalMade:
    """An approval that was written: its file, and the key that signed it."""

    approval: Approval
    file: Path
    key: SshPublicKey


def approval_to_sign(session: Session, plan: WrittenPlan, asked: ApprovalAsked) -> Approval:
    """What is signed.

    Raises:
        UsageError: the inventory knows no such approver, or not as that.
        InventoryError: it cannot be read.
    """
    entries = _entries(session, asked.person)
    has = {role for one in entries for role in one.roles}
    if other := sorted(set(asked.roles) - has):
        hint = f"{asked.person} approves as {', '.join(sorted(has))}"
        raise UsageError(f"{asked.person} does not approve as {printable(other[0], _SHOWN)}", hint=hint)
    return Approval(
        inventory=session.inventory.settings.id,
        meaning=plan.basis.meaning,
        plan=plan.basis.digest,
        approver=asked.person,
        roles=tuple(sorted(set(asked.roles) or has)),
        at=asked.at.astimezone(UTC).replace(microsecond=0),
    )


def _entries(session: Session, person: str) -> list[Approver]:
    known = session.inventory.approvers
    entries = [one for one in known if one.id == person]
    if not entries:
        otherwise = "approvers stand in signers.yml; a new one is added there, in a change of its own"
        hint = did_you_mean(person, {one.id for one in known}, otherwise)
        raise UsageError(f"there is no approver {printable(person, _SHOWN)}", hint=hint)
    return entries


def sign(approval: Approval, key: Path, environment: Mapping[str, str]) -> bytes:
    """Let a key sign an approval; the file that `ssh-keygen -Y sign` would have written.

    Raises:
        UsageError: it does not sign.
    """
    return made_signature(approval_statement(approval), key, APPROVAL_NAMESPACE, environment)


def record_approval(session: Session, approval: Approval, signature: bytes, folder: Path | None) -> ApprovalMade:
    """Write an approval into the folder of approvals, once it is known to count.

    Args:
        session: the inventory.
        approval: what was signed.
        signature: as `ssh-keygen -Y sign` writes it.
        folder: another folder than the inventory's own.

    Raises:
        UsageError: the signature is of something else, or by a key of somebody else; or the file cannot be written.
    """
    try:
        made = replace(approval, signature=unarmoured(signature))
        key = key_that_signed(made)
    except (SignatureFormError, ApprovalFormError) as error:
        words = str(error) if isinstance(error, ApprovalFormError) else f"has a signature that {error}"
        hint = (
            f"sign what --statement prints, with -n {APPROVAL_NAMESPACE}, for the same plan, person, roles and moment"
        )
        raise UsageError(f"the approval {words}", hint=hint) from None
    _refuse_key(session, made, key)
    file = (folder or session.root / FOLDER) / made.file_name
    _write(file, approval_text(made).encode())
    return ApprovalMade(made, file, key)


def keep_plan(session: Session, plan: WrittenPlan, data: bytes, folder: Path | None) -> Path:
    """Keep a plan beside its approvals, so that what moved can be said once they are lost.

    Raises:
        UsageError: it cannot be written.
    """
    file = (folder or session.root / FOLDER) / kept_plan_name(plan.basis.meaning)
    _write(file, data)
    return file


def _write(file: Path, data: bytes) -> None:
    try:
        if file.parent.is_symlink():
            raise UsageError(f"{file.parent} is a link: nothing is written over it", hint="name the folder itself")
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, data, mode=0o644, lasting=False)
    except OSError as error:
        hint = "name a folder that you can write to: --approvals DIR"
        raise UsageError(f"{file} cannot be written: {error.strerror}", hint=hint) from None


def _refuse_key(session: Session, approval: Approval, key: SshPublicKey) -> None:
    """Refuse a key that does not approve as this person today: nobody should learn of that at the apply.

    Raises:
        UsageError: it does not.
    """
    entries = [one for one in _entries(session, approval.approver) if key_blob(one.key) == key.blob]
    if not entries:
        message = f"{key.fingerprint} is no key of {approval.approver} in signers.yml"
        raise UsageError(message, hint="sign by the key that stands there")
    day = approval.at.astimezone(VIETNAM).date()
    valid = [one for one in entries if is_between(day, one.since, one.until)]
    if not valid:
        message = f"{key.fingerprint} of {approval.approver} does not approve on {day}"
        raise UsageError(message, hint="sign by the key that is valid now")
    if not any(set(one.roles) & set(approval.roles) for one in valid):
        message = f"{key.fingerprint} does not approve as {', '.join(approval.roles)}"
        raise UsageError(message, hint=f"it approves as {', '.join(sorted({r for one in valid for r in one.roles}))}")
