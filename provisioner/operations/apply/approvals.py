"""Approvals of a saved plan: read, required before an apply, made.

Approvals in a folder are compared with the plan's needs before any change. If a carrier's own people approve its
changes, a warrant goes with the plan to the carrier's node.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from provisioner.base.errors import PolicyError, StalePlanError, UsageError, os_errors
from provisioner.base.files import read_regular, replace_file
from provisioner.base.ssh_signature import SignatureFormError, SshPublicKey, unarmoured
from provisioner.base.text import VIETNAM, counted, did_you_mean, is_between, local_time, printable
from provisioner.desired.trust import approval_terms
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.receivers import Approver
from provisioner.operations.edit.sign_off import made_signature
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned
from provisioner.plan.guards import approvals as guard
from provisioner.plan.saved.comparison import BetweenPlans, compare_plans
from provisioner.plan.saved.file import MAX_PLAN_BYTES, Saved, WrittenPlan, warrant_bytes, written_plan
from provisioner.record import read_history
from provisioner.record.entries import RecordedApproval, Run
from provisioner.record.state_folder import state_folder_of

FOLDER: Final = "approvals"  #: The default folder of approvals in an inventory.

_ENDING: Final = ".json"
PLAN_ENDING: Final = ".plan.json"  #: The end of the name of a plan that is kept beside its approvals.
_MOST_FILES: Final = 1000
_NAMED: Final = 5
_SHOWN: Final = 80
_SAVE_FIRST: Final = (
    "save the plan, have that file approved, and apply it: provisioner plan {allowed}--out plan.json, provisioner"
    " approve plan.json --as ID --key FILE, provisioner apply plan.json"
)
_MOST_IN_WARRANT: Final = 100


@dataclass(frozen=True, slots=True)
class ApprovalFiles:
    """Content of an approvals folder."""

    folder: Path | None = None  #: `None` if it is missing.
    files: Mapping[str, guard.Approval] = field(default_factory=dict)
    odd: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApprovalMade:
    """A written approval, its file and signing key."""

    approval: guard.Approval
    file: Path
    key: SshPublicKey


def approval_files(root: Path, named: Path | None) -> ApprovalFiles:
    """Read the approvals of an inventory or of `named`, or raise `UsageError`."""
    folder = named or root / FOLDER
    if named is None and (folder.is_symlink() or not folder.is_dir()):
        return ApprovalFiles()
    hint = "name the folder that approvals are in"
    with os_errors(f"{folder} cannot be read", hint), os.scandir(folder) as listing:
        entries = sorted((entry for entry in listing if _is_approval_file(entry.name)), key=lambda entry: entry.name)
    if len(entries) > _MOST_FILES:
        hint = f"take those of plans that were applied out of {folder}"
        raise UsageError(f"{folder} has more than {_MOST_FILES} approvals", hint=hint)
    files, invalid = {}, {}
    for entry in entries:
        name = printable(entry.name, _SHOWN)
        try:
            files[name] = guard.approval_in(_bytes_of(entry))
        except OSError as error:
            invalid[name] = f"cannot be read: {error.strerror}"
        except guard.ApprovalFormError as error:
            invalid[name] = str(error)
    return ApprovalFiles(folder, files, invalid)


def _is_approval_file(name: str) -> bool:
    return name.endswith(_ENDING) and not name.endswith(PLAN_ENDING) and not name.startswith(".")


def _bytes_of(entry: os.DirEntry[str]) -> bytes:
    if entry.is_symlink():
        raise guard.ApprovalFormError("is a link, which is not followed")
    return read_regular(entry.path, most=guard.MAX_APPROVAL_BYTES)


def _stored_plan_name(meaning: str) -> str:
    return f"{guard.file_stem(meaning)}{PLAN_ENDING}"


def refuse_unapproved(
    session: Session,
    planned: Planned,
    saved: Saved | None,
    read: Callable[[], ApprovalFiles],
    without: Sequence[str] = (),
) -> tuple[RecordedApproval, ...]:
    """Refuse a plan that lacks approvals (`PolicyError`); return those that count.

    `saved` is the reviewed plan, `read` reads the approvals, `without` hosts that moved. Raises `UsageError` for the
    folder; `StateError` if the history does not tell whether an approval was used.
    """
    needs = _of_started(planned.plan.approvals, without)
    if not needs:
        return ()
    if saved is None:
        needed = "; ".join(guard.need_lines(needs)[:_NAMED])
        message = f"a plan has to be approved before it is applied, and this one is in no file: {needed}"
        allowed = "".join(f"--allow {name}={number} " for name, number in sorted(planned.plan.basis.allow.items()))
        raise PolicyError(message, hint=_SAVE_FIRST.format(allowed=allowed))
    approvals = read()
    folder = state_folder_of(session.environment, session.inventory.settings.id)
    runs = read_history(folder, lambda history: history.approved_runs(saved.basis.meaning), ())
    subject = plan_to_approve(session.inventory, saved.written, runs, datetime.now(UTC))
    result = guard.approved(needs, approvals.files, subject)
    if result.lacking:
        raise _missing_approvals_error(saved, approvals, result)
    return tuple(map(_recorded, result.counted))


def plan_to_approve(inventory: Inventory, plan: WrittenPlan, runs: Sequence[Run], now: datetime) -> guard.PlanToApprove:
    """Return a plan as approvals are counted for it; `runs` were approved for its meaning."""
    own = inventory.settings.id
    return guard.PlanToApprove(
        inventory=own,
        meaning=plan.basis.meaning,
        terms=approval_terms(inventory),
        makers=frozenset(plan.maker.approvers),
        now=now,
        used={_approval_of(approval, own): run.id for run in runs for approval in run.approvals},
        begun={run.id: run.started.replace(microsecond=0) for run in runs},
    )


def _approval_of(recorded: RecordedApproval, inventory: str) -> guard.Approval:
    """Return a recorded approval without its signature."""
    at = datetime.fromisoformat(recorded.at)
    return guard.Approval(inventory, recorded.meaning, recorded.plan, recorded.approver, recorded.roles, at)


def _of_started(needs: Sequence[guard.ApprovalNeed], without: Sequence[str]) -> list[guard.ApprovalNeed]:
    of_others = (replace(need, hosts=tuple(host for host in need.hosts if host not in without)) for need in needs)
    return [need for need in of_others if need.hosts]


def _missing_approvals_error(saved: Saved, approvals: ApprovalFiles, result: guard.Approved) -> PolicyError:
    """Explain missing and rejected approvals, and changes since another plan's."""
    missing = list(dict.fromkeys(need.words for need in result.lacking))
    sentences = [f"the plan still has to be approved: {_first_few(missing)}"]
    ignored = {**approvals.odd, **result.aside}
    if ignored:
        sentences.append(f"not counted: {_first_few([f'{name} {reason}' for name, reason in sorted(ignored.items())])}")
    if result.of_others:
        newest = result.of_others[0]
        other_plans = f"of another plan: {counted(len(result.of_others), 'approval')}"
        sentences.append(f"{other_plans}, the newest by {newest.approver} at {local_time(newest.at)}, of {newest.plan}")
        sentences += filter(None, [_moved_since(approvals, newest.meaning, saved)])
    searched = f"looked for in {approvals.folder}" if approvals.folder else f"there is no {FOLDER}/ in the inventory"
    hint = f"let them read it and sign: provisioner approve FILE --as ID --key KEY ({searched})"
    return PolicyError("; ".join(sentences), hint=hint)


def _moved_since(approvals: ApprovalFiles, meaning: str, saved: Saved) -> str:
    """Return the changes since an approved plan that was kept, or empty."""
    if approvals.folder is None:
        return ""
    try:
        path = approvals.folder / _stored_plan_name(meaning)
        if path.is_symlink():
            return ""
        before = written_plan(read_regular(path, most=MAX_PLAN_BYTES), path.name)
    except (OSError, StalePlanError):
        return "that plan is not kept beside the approvals, so what moved since is not known"
    if before.basis.meaning != meaning:
        return ""
    return _differences_text(compare_plans(before, saved.written))


def _differences_text(compared: BetweenPlans) -> str:
    moved = [
        f"{row.either.action.value} {row.either.resource.value} {row.either.name} on {row.either.host} {row.turn.value}"
        for row in compared.changes
    ]
    moved += [f"{row.what} {row.of}".strip() for row in compared.beside if row.what not in {"commit", "inventory"}]
    number = counted(len(moved), "thing")
    return f"since then {number} moved: {_first_few([printable(text) for text in moved])}"


def _first_few(items: Sequence[str]) -> str:
    more = f"; and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return "; ".join(items[:_NAMED]) + more


def _recorded(signed: guard.VerifiedApproval) -> RecordedApproval:
    approval = signed.approval
    return RecordedApproval.made_of(approval, key=signed.key.fingerprint, at=approval.at_text)


def plan_warrant(session: Session, saved: Saved | None, read: Callable[[], ApprovalFiles]) -> bytes:
    """Return a plan's warrant; empty without nodes or approvals; or raise `UsageError`.

    Each node decides which approvals count for its carrier, so all for the plan's meaning are included.
    """
    if saved is None or not session.by_nodes:
        return b""
    inventory, basis = session.inventory.settings.id, saved.basis
    approvals = read().files.values()
    of_plan = [
        approval for approval in approvals if (approval.inventory, approval.meaning) == (inventory, basis.meaning)
    ]
    newest = sorted(of_plan, key=lambda approval: (approval.at, approval.approver), reverse=True)[:_MOST_IN_WARRANT]
    if not newest:
        return b""
    return warrant_bytes(inventory, basis, newest)


def approval_to_sign(
    session: Session, plan: WrittenPlan, person: str, roles: Collection[str], at: datetime
) -> guard.Approval:
    """Return the approval to sign, in all roles if none is named.

    Raises `UsageError` if there is no such approver, or not with these roles, or the plan changes nothing;
    `PolicyError` if policy refuses the plan, so that no approval lets it be applied.
    """
    entries = _approver_entries(session, person)
    allowed_roles = {role for entry in entries for role in entry.roles}
    if unknown_roles := sorted(set(roles) - allowed_roles):
        hint = f"{person} approves as {', '.join(sorted(allowed_roles))}"
        raise UsageError(f"{person} does not approve as {printable(unknown_roles[0], _SHOWN)}", hint=hint)
    if not plan.changes:
        raise UsageError("the plan changes nothing: there is nothing to approve", hint="see that it is the right file")
    if plan.refused:
        _, host, sentence = plan.refused[0]
        message = f"policy refuses this plan, and apply would with every approval: {printable(sentence)}"
        raise PolicyError(
            message, hint="make a plan that policy accepts (provisioner plan), and approve that", object=host
        )
    return guard.Approval(
        inventory=session.inventory.settings.id,
        meaning=plan.basis.meaning,
        plan=plan.basis.digest,
        approver=person,
        roles=tuple(sorted(set(roles) or allowed_roles)),
        at=at.astimezone(UTC).replace(microsecond=0),
    )


def sign(approval: guard.Approval, key: Path, environment: Mapping[str, str]) -> bytes:
    """Sign an approval with `ssh-keygen -Y sign`, or raise `UsageError`."""
    return made_signature(guard.approval_statement(approval), key, guard.APPROVAL_NAMESPACE, environment)


def record_approval(session: Session, approval: guard.Approval, signature: bytes, folder: Path | None) -> ApprovalMade:
    """Check an approval's signature and write its file, or raise `UsageError`."""
    try:
        made = replace(approval, signature=unarmoured(signature))
        key = guard.key_that_signed(made)
    except (SignatureFormError, guard.ApprovalFormError) as error:
        fault = str(error) if isinstance(error, guard.ApprovalFormError) else f"has a signature that {error}"
        namespace = guard.APPROVAL_NAMESPACE
        hint = f"sign what --statement prints, with -n {namespace}, for the same plan, person, roles and moment"
        raise UsageError(f"the approval {fault}", hint=hint) from None
    _refuse_key(session, made, key)
    file = (folder or session.root / FOLDER) / made.file_name
    _write_file(file, guard.approval_text(made).encode())
    return ApprovalMade(made, file, key)


def _refuse_key(session: Session, approval: guard.Approval, key: SshPublicKey) -> None:
    """Raise `UsageError` if a key does not approve as this person today."""
    entries = [
        entry for entry in _approver_entries(session, approval.approver) if guard.key_blob(entry.key) == key.blob
    ]
    if not entries:
        message = f"{key.fingerprint} is no key of {approval.approver} in signers.yml"
        raise UsageError(message, hint="sign by the key that stands there")
    day = approval.at.astimezone(VIETNAM).date()
    valid = [entry for entry in entries if is_between(day, entry.since, entry.until)]
    if not valid:
        message = f"{key.fingerprint} of {approval.approver} does not approve on {day}"
        raise UsageError(message, hint="sign by the key that is valid now")
    if not any(set(entry.roles) & set(approval.roles) for entry in valid):
        message = f"{key.fingerprint} does not approve as {', '.join(approval.roles)}"
        raise UsageError(
            message, hint=f"it approves as {', '.join(sorted({r for entry in valid for r in entry.roles}))}"
        )


def _approver_entries(session: Session, person: str) -> list[Approver]:
    approvers = session.inventory.approvers
    entries = [approver for approver in approvers if approver.id == person]
    if not entries:
        otherwise = "approvers stand in signers.yml; a new one is added there, in a change of its own"
        hint = did_you_mean(person, {approver.id for approver in approvers}, otherwise)
        raise UsageError(f"there is no approver {printable(person, _SHOWN)}", hint=hint)
    return entries


def keep_plan(session: Session, plan: WrittenPlan, data: bytes, folder: Path | None) -> Path:
    """Keep a plan, to explain later changes, or raise `UsageError`."""
    file = (folder or session.root / FOLDER) / _stored_plan_name(plan.basis.meaning)
    _write_file(file, data)
    return file


def _write_file(file: Path, data: bytes) -> None:
    with os_errors(f"{file} cannot be written", "name a folder that you can write to: --approvals-dir DIR"):
        if file.parent.is_symlink():
            raise UsageError(f"{file.parent} is a link: nothing is written over it", hint="name the folder itself")
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, data, mode=0o644, lasting=False)
