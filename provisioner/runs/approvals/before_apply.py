"""The approvals of a saved plan: read from a folder, held against what the plan needs, before anything is touched."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from provisioner.base.counted import counted
from provisioner.base.errors import PolicyError, StalePlanError, UsageError
from provisioner.base.printable import printable
from provisioner.base.regular_file import read_regular
from provisioner.desired.approval_terms import approval_terms
from provisioner.history.records import RecordedApproval
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import Planned
from provisioner.plan import MAX_PLAN_BYTES, Saved, written_plan
from provisioner.plan.guards.approval_file import (
    MAX_APPROVAL_BYTES,
    Approval,
    ApprovalFormError,
    approval_in,
    file_stem,
)
from provisioner.plan.guards.approvals import ApprovalNeed, need_lines
from provisioner.plan.guards.approved import Approved, GivenApproval, PlanToApprove, approved
from provisioner.plan.kept.between import BetweenPlans, between

FOLDER: Final = "approvals"
"""Where approvals are in an inventory's folder, unless another one is named."""
_ENDING: Final = ".json"
_PLAN_ENDING: Final = ".plan.json"
_MOST_FILES: Final = 1000
_NAMED: Final = 5
_SHOWN: Final = 80
_SAVE_FIRST: Final = (
    "save the plan, have that file approved, and apply it: provisioner plan --out plan.json, provisioner approve"
    " plan.json --as ID --key FILE, provisioner apply plan.json"
)


@dataclass(frozen=True, slots=True)
class ApprovalFiles:
    """What a folder holds.

    Attributes:
        folder: the folder; None where there is none.
        files: the approvals by their files' names.
        odd: what is no approval, and why.
    """

    folder: Path | None = None
    files: Mapping[str, Approval] = field(default_factory=dict)
    odd: Mapping[str, str] = field(default_factory=dict)


def approval_files(root: Path, named: Path | None) -> ApprovalFiles:
    """The approvals of an inventory; `named` is a folder that is named instead of its own.

    Raises:
        UsageError: the folder that is named cannot be read, or there are more files in it than anybody needs.
    """
    folder = named or root / FOLDER
    if named is None and (folder.is_symlink() or not folder.is_dir()):
        return ApprovalFiles()
    try:
        with os.scandir(folder) as listing:
            entries = sorted((entry for entry in listing if _is_one(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        hint = "name the folder that approvals are in"
        raise UsageError(f"{folder} cannot be read: {error.strerror}", hint=hint) from None
    if len(entries) > _MOST_FILES:
        hint = f"take those of plans that were applied out of {folder}"
        raise UsageError(f"{folder} has more than {_MOST_FILES} approvals", hint=hint)
    files, odd = {}, {}
    for entry in entries:
        name = printable(entry.name, _SHOWN)
        try:
            files[name] = approval_in(_bytes(entry))
        except OSError as error:
            odd[name] = f"cannot be read: {error.strerror}"
        except ApprovalFormError as error:
            odd[name] = str(error)
    return ApprovalFiles(folder, files, odd)


def _is_one(name: str) -> bool:
    return name.endswith(_ENDING) and not name.endswith(_PLAN_ENDING) and not name.startswith(".")


def _bytes(entry: os.DirEntry[str]) -> bytes:
    if entry.is_symlink():
        raise ApprovalFormError("is a link, which is not followed")
    return read_regular(entry.path, most=MAX_APPROVAL_BYTES)


def kept_plan_name(meaning: str) -> str:
    """What a plan is called that is kept beside its approvals, so that what moved can be said later."""
    return f"{file_stem(meaning)}{_PLAN_ENDING}"


# --- before a plan is applied ---------------------------------------------------------------------


def refuse_unapproved(
    session: Session, planned: Planned, saved: Saved | None, named: Path | None, without: Sequence[str] = ()
) -> tuple[RecordedApproval, ...]:
    """Refuse a plan that somebody has to approve and has not.

    Args:
        session: the inventory.
        planned: the plan as made now.
        saved: the plan that was reviewed; None where none was saved.
        named: the folder of approvals that was named.
        without: hosts that are not started, as they have moved.

    Returns:
        The approvals that count.

    Raises:
        PolicyError: somebody is still needed; nothing was touched.
        UsageError: the folder cannot be read.
    """
    needs = _of_started(planned.plan.approvals, without)
    if not needs:
        return ()
    if saved is None:
        needed = "; ".join(need_lines(needs)[:_NAMED])
        message = f"a plan has to be approved before it is applied, and this one is in no file: {needed}"
        raise PolicyError(message, hint=_SAVE_FIRST)
    there = approval_files(session.root, named)
    subject = PlanToApprove(
        inventory=session.inventory.settings.id,
        meaning=saved.basis.meaning,
        terms=approval_terms(session.inventory),
        makers=frozenset(saved.written.maker.approvers),
        now=datetime.now(UTC),
    )
    result = approved(needs, there.files, subject)
    if result.lacking:
        raise _lacking(saved, there, result)
    return tuple(map(_recorded, result.counted))


def _of_started(needs: Sequence[ApprovalNeed], without: Sequence[str]) -> list[ApprovalNeed]:
    of_others = (replace(need, hosts=tuple(host for host in need.hosts if host not in without)) for need in needs)
    return [need for need in of_others if need.hosts]


def _recorded(given: GivenApproval) -> RecordedApproval:
    approval = given.approval
    return RecordedApproval(
        approval.approver, approval.roles, given.key.fingerprint, approval.at_text, approval.meaning, approval.plan
    )


def _lacking(saved: Saved, there: ApprovalFiles, result: Approved) -> PolicyError:
    """Who is still needed, what does not count and why, and what moved since another plan was approved."""
    still = list(dict.fromkeys(one.words for one in result.lacking))
    said = [f"the plan still has to be approved: {_some(still)}"]
    aside = {**there.odd, **result.aside}
    if aside:
        said.append(f"not counted: {_some([f'{name} {why}' for name, why in sorted(aside.items())])}")
    if result.of_others:
        newest = result.of_others[0]
        others = f"of another plan: {counted(len(result.of_others), 'approval')}"
        said.append(f"{others}, the newest by {newest.approver} at {newest.at_text}, of {newest.plan}")
        said += filter(None, [_moved_since(there, newest.meaning, saved)])
    looked = f"looked for in {there.folder}" if there.folder else f"there is no {FOLDER}/ in the inventory"
    hint = f"let them read it and sign: provisioner approve FILE --as ID --key KEY ({looked})"
    return PolicyError("; ".join(said), hint=hint)


def _some(items: Sequence[str]) -> str:
    more = f"; and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return "; ".join(items[:_NAMED]) + more


def _moved_since(there: ApprovalFiles, meaning: str, saved: Saved) -> str:
    """What moved since a plan was approved that is kept beside its approvals; empty where it is not."""
    if there.folder is None:
        return ""
    try:
        path = there.folder / kept_plan_name(meaning)
        if path.is_symlink():
            return ""
        before = written_plan(read_regular(path, most=MAX_PLAN_BYTES), path.name)
    except (OSError, StalePlanError):
        return "that plan is not kept beside the approvals, so what moved since is not known"
    if before.basis.meaning != meaning:
        return ""
    return _words(between(before, saved.written))


def _words(compared: BetweenPlans) -> str:
    moved = [
        f"{one.either.action.value} {one.either.resource.value} {one.either.name} on {one.either.host} {one.turn.value}"
        for one in compared.changes
    ]
    moved += [f"{one.what} {one.of}".strip() for one in compared.beside if one.what not in {"commit", "inventory"}]
    number = counted(len(moved), "thing")
    return f"since then {number} moved: {_some([printable(text) for text in moved])}"
