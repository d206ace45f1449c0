"""A saved plan at a remote, under the content of the inventory that it is of: what was reviewed is found after a merge.

A merge makes a new commit, and where nothing else moved the same inventory. So the reference is named by the digest of
the inventory's content: who has that content finds the plan that was made of it last, and nobody else does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioner.base.atomic_file import write_atomic
from provisioner.base.child_process import Ended
from provisioner.base.errors import StalePlanError, UsageError
from provisioner.base.git import Checkout, ask_git, checkout_of
from provisioner.base.git_remote import commit_of_one_file, fetch_reference, push_reference
from provisioner.pipeline.session import Session
from provisioner.plan import MAX_PLAN_BYTES, WrittenPlan, written_plan

REFERENCES: Final = "refs/provisioner/plans"
"""Where plans are at a remote, unless another place is named."""
_FILE: Final = "plan.json"
_PLAN_AGAIN: Final = (
    "make the plan of what is here now, have it looked at, and push it: provisioner plan --out plan.json, provisioner"
    " plan push plan.json"
)


@dataclass(frozen=True, slots=True)
class PushedPlan:
    """A plan at a remote.

    Attributes:
        reference: its name there.
        digest: the plan's.
    """

    reference: str
    digest: str


def push_plan(session: Session, plan: WrittenPlan, content: bytes, remote: str, place: str) -> PushedPlan:
    """Push a saved plan to a remote; one of the same inventory's content that was there before is replaced.

    Args:
        session: the inventory, as it is in its checkout.
        plan: what the file says that `plan --out` wrote.
        content: the file's bytes.
        remote: the remote's name.
        place: where plans are there.

    Raises:
        NoticeError: the remote was not reached, or refuses.
        StalePlanError: it is of another content of the inventory.
        UsageError: there is no checkout, or no such remote.
    """
    if plan.basis.inventory != session.digest:
        raise StalePlanError("the plan is of another content of the inventory than is here", hint=_PLAN_AGAIN)
    reference = plan_reference(session, place)
    checkout = _checkout(session)
    push_reference(checkout, remote, plan_commit(checkout, plan.basis.digest, content), reference)
    return PushedPlan(reference, plan.basis.digest)


def fetch_plan(session: Session, out: Path, remote: str, place: str) -> PushedPlan:
    """Fetch the plan that was pushed of this very content of the inventory, into a file for its owner alone.

    Args:
        session: the inventory, as it is in its checkout.
        out: the file.
        remote: the remote's name.
        place: where plans are there.

    Raises:
        NoticeError: the remote was not reached, or refuses.
        StalePlanError: there is none, or what is there is none.
        UsageError: there is no checkout, or no such remote.
    """
    checkout, reference = _checkout(session), plan_reference(session, place)
    if not fetch_reference(checkout, remote, reference):
        raise StalePlanError(f"nobody pushed a plan of this content of the inventory to {remote}", hint=_PLAN_AGAIN)
    blob = plan_blob(checkout, reference)
    plan = _plan_in(blob.output, reference) if blob.code == 0 else None
    if plan is None or plan.basis.inventory != session.digest:
        raise StalePlanError(f"what {remote} has as {reference} is no plan of this inventory", hint=_PLAN_AGAIN)
    write_atomic(out, blob.output.decode(), mode=0o600)
    return PushedPlan(reference, plan.basis.digest)


def plan_blob(checkout: Checkout, reference: str) -> Ended:
    """What Git says of a plan's file that was fetched.

    Raises:
        UsageError: Git cannot be run, or it is larger than any plan.
    """
    return ask_git(checkout, "cat-file", "blob", f"{reference}:{_FILE}", most_bytes=MAX_PLAN_BYTES)


def plan_commit(checkout: Checkout, digest: str, content: bytes) -> str:
    """Make the commit by which a remote gets a plan: its id.

    Raises:
        UsageError: Git cannot be run, or refuses.
    """
    return commit_of_one_file(checkout, _FILE, content, f"plan {digest}\n")


def _plan_in(content: bytes, origin: str) -> WrittenPlan | None:
    try:
        return written_plan(content, origin)
    except StalePlanError:
        return None


def plan_reference(session: Session, place: str = REFERENCES) -> str:
    """What the plan of this content of the inventory is called at a remote."""
    return f"{place.rstrip('/')}/{session.digest.rpartition(':')[2]}"


def _checkout(session: Session) -> Checkout:
    checkout = checkout_of(session.root)
    if checkout is None:
        raise UsageError(f"{session.root} is under no Git: it has no remote", hint="clone its repository")
    return checkout
