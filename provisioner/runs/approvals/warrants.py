"""What goes with a saved plan's changes to a carrier whose own people have to have approved them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from provisioner.pipeline.session import Session
from provisioner.plan import Saved
from provisioner.plan.basis import program_sums
from provisioner.plan.kept.warrant import warrant_bytes
from provisioner.runs.approvals.before_apply import approval_files

_MOST: Final = 100


def plan_warrant(session: Session, saved: Saved | None, named: Path | None) -> bytes:
    """The warrant of a saved plan; empty where hosts are called from here alone, or nobody has approved it.

    Whose approvals count, each node says for its own carrier: all that are there of the plan's meaning go along.

    Args:
        session: the inventory.
        saved: the plan that was reviewed.
        named: the folder of approvals that was named.

    Raises:
        UsageError: the folder cannot be read.
    """
    if saved is None or not session.by_nodes:
        return b""
    inventory, basis = session.inventory.settings.id, saved.basis
    there = approval_files(session.root, named).files.values()
    of_plan = [one for one in there if (one.inventory, one.meaning) == (inventory, basis.meaning)]
    newest = sorted(of_plan, key=lambda one: (one.at, one.approver), reverse=True)[:_MOST]
    if not newest:
        return b""
    programs = {host: program_sums(session.state.hosts[host]) for host in basis.changing if host in session.state.hosts}
    return warrant_bytes(inventory, basis, programs, newest)
