"""A saved plan taken up again: as it was reviewed, or compared with the plan that would be made now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.base.errors import StalePlanError
from provisioner.desired.limit import Limit
from provisioner.history.who import login, who
from provisioner.inventory.files.revision import author_of
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import Planned, make_plan
from provisioner.plan import PlanMaker, Saved, moved_hosts, read_saved, refuse_other
from provisioner.plan.kept.saved import moved_basis

_UNKNOWN = "what moved is not known from a digest alone: check the saved plan itself, --check FILE"


@dataclass(frozen=True, slots=True)
class PlanCheck:
    """A plan that was reviewed, held against the one that was made now.

    Attributes:
        digest: that of the reviewed plan.
        planned: the plan made now.
        moved: what moved, as host (empty for all) and words.
        saved: the reviewed plan; None where only its digest is known.
    """

    digest: str
    planned: Planned
    moved: tuple[tuple[str, str], ...]
    saved: Saved | None

    @property
    def same(self) -> bool:
        """Whether the plan is still the same, as far as every host could be read."""
        return self.planned.plan.basis.digest == self.digest and not self.planned.unreadable


def maker_here(session: Session) -> PlanMaker:
    """Who makes a plan here, as far as that is known; of the approvers those whose accounts had to do with it.

    Accounts are the user of this machine, whoever began the pipeline's job, and the author of the inventory's commit.
    Their names are compared, and only ids leave: a plan is an artefact that others read.
    """
    here = who(session.environment)
    names = {here["user"], login(session.environment), *author_of(session.root)} - {""}
    approvers = {one.id for one in session.inventory.approvers if names & {one.id, *one.accounts}}
    return PlanMaker(**here, approvers=tuple(sorted(approvers)))


def read_plan_file(session: Session, name: str) -> Saved:
    """Read a file that `plan --out` wrote.

    Raises:
        StalePlanError: it cannot be read, is no saved plan, or was changed.
    """
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise StalePlanError(f"{name} cannot be read", hint="make one: provisioner plan --out FILE") from None
    return read_saved(text, name, session.seal_key)


def reviewed_plan(session: Session, name: str) -> Saved:
    """Read a saved plan that is to be applied as it was reviewed.

    Raises:
        StalePlanError: as `read_plan_file`, or the inventory has moved since.
    """
    saved = read_plan_file(session, name)
    refuse_other(saved.basis, session.basis({}), name)
    return saved


def plan_again(session: Session, saved: Saved) -> Planned:
    """Plan the hosts of a saved plan, with its allowances."""
    return make_plan(session, Limit({"host": frozenset(saved.hosts)}), allow=saved.basis.allow)


def check_saved(session: Session, saved: Saved) -> PlanCheck:
    """Compare a saved plan with one made now for its hosts and allowances."""
    planned = plan_again(session, saved)
    check = PlanCheck(saved.basis.digest, planned, (), saved)
    return check if check.same else PlanCheck(check.digest, planned, _moved(session, saved, planned), saved)


def check_digest(session: Session, digest: str, limit: Limit, allow: Mapping[str, int]) -> PlanCheck:
    """Compare a plan's digest with that of one made now."""
    planned = make_plan(session, limit, allow=allow)
    check = PlanCheck(digest, planned, (), None)
    return check if check.same else PlanCheck(digest, planned, (("", _UNKNOWN),), None)


def _moved(session: Session, saved: Saved, planned: Planned) -> tuple[tuple[str, str], ...]:
    everywhere = [("", words) for words in moved_basis(saved.basis, session.basis({}))]
    hosts = moved_hosts(saved, planned.plan, planned.seen)
    return (*everywhere, *((host, words) for host, items in hosts.items() for words in items))
