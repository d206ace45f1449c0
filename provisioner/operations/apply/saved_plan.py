"""A saved plan applied later, or exchanged over a Git remote.

A merge makes a new commit of the same inventory. So the remote's reference is named by the digest of the inventory's
content: the same content finds its last plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioner.base.errors import StalePlanError, UsageError
from provisioner.base.files import write_atomic
from provisioner.base.git import Checkout, ask_git, checkout_of
from provisioner.base.git_remote import commit_of_one_file, fetch_reference, push_reference
from provisioner.base.processes import Ended
from provisioner.desired.limit import Limit
from provisioner.inventory.files.revision import author_of
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan
from provisioner.plan.saved import file as saved_file
from provisioner.record.state_folder import login, who

_UNKNOWN = "what moved is not known from a digest alone: check the saved plan itself, --check FILE"

REFERENCES: Final = "refs/provisioner/plans"  #: Default location of plans at a remote.

_PLAN_FILE: Final = "plan.json"
_PLAN_AGAIN: Final = (
    "make the plan of what is here now, have it looked at, and push it: provisioner plan --out plan.json, provisioner"
    " plan push plan.json"
)


@dataclass(frozen=True, slots=True)
class PlanCheck:
    """A reviewed plan, compared with one made now."""

    digest: str
    planned: Planned
    moved: tuple[tuple[str, str], ...]  #: Differences, as host (empty for all) and words.
    saved: saved_file.Saved | None  #: The reviewed plan; `None` if only its digest is known.

    @property
    def same(self) -> bool:
        """Whether the plan is unchanged, with all hosts read."""
        return self.planned.plan.basis.digest == self.digest and not self.planned.unreadable


@dataclass(frozen=True, slots=True)
class PushedPlan:
    """A plan at a remote: its reference and digest."""

    reference: str
    digest: str


def maker_here(session: Session) -> saved_file.PlanMaker:
    """Return who makes a plan here, as ids of approvers.

    The accounts are this machine's user, the pipeline job's starter, and the commit's author. Only ids leave, since
    others read the plan.
    """
    here = who(session.environment)
    names = {here["user"], login(session.environment), *author_of(session.root)} - {""}
    approvers = {approver.id for approver in session.inventory.approvers if names & {approver.id, *approver.accounts}}
    return saved_file.PlanMaker(**here, approvers=tuple(sorted(approvers)))


def read_plan_file(session: Session, name: str) -> saved_file.Saved:
    """Read a file of `plan --out`, or raise `StalePlanError`."""
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise StalePlanError(f"{name} cannot be read", hint="make one: provisioner plan --out FILE") from None
    return saved_file.read_saved(text, name, session.seal_key)


def reviewed_plan(session: Session, name: str) -> saved_file.Saved:
    """Read a reviewed plan; a moved inventory raises `StalePlanError`."""
    saved = read_plan_file(session, name)
    saved_file.refuse_other(saved.basis, session.basis({}), name)
    return saved


def plan_again(session: Session, saved: saved_file.Saved) -> Planned:
    """Plan the hosts of a saved plan, with its allowances."""
    return make_plan(session, Limit({"host": frozenset(saved.hosts)}), allow=saved.basis.allow)


def check_saved(session: Session, saved: saved_file.Saved) -> PlanCheck:
    """Compare a saved plan with one made now."""
    planned = plan_again(session, saved)
    check = PlanCheck(saved.basis.digest, planned, (), saved)
    return check if check.same else PlanCheck(check.digest, planned, _moved(session, saved, planned), saved)


def _moved(session: Session, saved: saved_file.Saved, planned: Planned) -> tuple[tuple[str, str], ...]:
    everywhere = [("", text) for text in saved_file.moved_basis(saved.basis, session.basis({}))]
    hosts = saved_file.moved_hosts(saved, planned.plan, planned.host_items)
    return (*everywhere, *((host, text) for host, items in hosts.items() for text in items))


def check_digest(session: Session, digest: str, limit: Limit, allow: Mapping[str, int]) -> PlanCheck:
    """Compare a plan's digest with that of one made now."""
    planned = make_plan(session, limit, allow=allow)
    check = PlanCheck(digest, planned, (), None)
    return check if check.same else PlanCheck(digest, planned, (("", _UNKNOWN),), None)


def push_plan(session: Session, plan: saved_file.WrittenPlan, content: bytes, remote: str, prefix: str) -> PushedPlan:
    """Push a saved plan, replacing an older one for the same content.

    `place` is the location of plans at the remote. Raises `NoticeError` if the remote was not reached or refuses,
    `StalePlanError` if the plan is for other content, `UsageError` without a checkout or remote.
    """
    if plan.basis.inventory != session.digest:
        raise StalePlanError("the plan is of another content of the inventory than is here", hint=_PLAN_AGAIN)
    reference = plan_reference(session, prefix)
    checkout = _checkout_or_error(session)
    commit = plan_commit(checkout, plan.basis.digest, content)
    push_reference(checkout, remote, commit, reference)
    ask_git(checkout, "update-ref", reference, commit)  # pages show here, too, that it waits for approvals
    return PushedPlan(reference, plan.basis.digest)


def fetch_plan(session: Session, out: Path, remote: str, prefix: str) -> PushedPlan:
    """Fetch the plan for this content into a file for its owner.

    Raises `NoticeError` if the remote was not reached or refuses, `StalePlanError` without a valid plan, `UsageError`
    without a checkout or remote.
    """
    checkout, reference = _checkout_or_error(session), plan_reference(session, prefix)
    if not fetch_reference(checkout, remote, reference):
        raise StalePlanError(f"nobody pushed a plan of this content of the inventory to {remote}", hint=_PLAN_AGAIN)
    blob = plan_blob(checkout, reference)
    plan = _plan_in(blob.output, reference) if blob.code == 0 else None
    if plan is None or plan.basis.inventory != session.digest:
        raise StalePlanError(f"what {remote} has as {reference} is no plan of this inventory", hint=_PLAN_AGAIN)
    write_atomic(out, blob.output.decode(), mode=0o600)
    return PushedPlan(reference, plan.basis.digest)


def _checkout_or_error(session: Session) -> Checkout:
    checkout = checkout_of(session.root)
    if checkout is None:
        raise UsageError(f"{session.root} is under no Git: it has no remote", hint="clone its repository")
    return checkout


def _plan_in(content: bytes, origin: str) -> saved_file.WrittenPlan | None:
    try:
        return saved_file.written_plan(content, origin)
    except StalePlanError:
        return None


def plan_blob(checkout: Checkout, reference: str) -> Ended:
    """Read a fetched plan's file with Git, or raise `UsageError`."""
    return ask_git(checkout, "cat-file", "blob", f"{reference}:{_PLAN_FILE}", most_bytes=saved_file.MAX_PLAN_BYTES)


def plan_commit(checkout: Checkout, digest: str, content: bytes) -> str:
    """Make a plan's commit, or raise `UsageError`; return its id."""
    return commit_of_one_file(checkout, _PLAN_FILE, content, f"plan {digest}\n")


def plan_reference(session: Session, prefix: str = REFERENCES) -> str:
    """Return the remote reference of a plan for this content."""
    return f"{prefix.rstrip('/')}/{session.digest.rpartition(':')[2]}"
