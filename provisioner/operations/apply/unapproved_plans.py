"""Plans of a checkout that lack approvals: kept, pushed or fetched."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from provisioner.base.errors import StalePlanError, UsageError
from provisioner.base.files import read_regular
from provisioner.base.git import ask_git, checkout_of
from provisioner.desired.trust import approval_terms
from provisioner.inventory.model.inventory import Inventory
from provisioner.operations.apply.approvals import FOLDER, PLAN_ENDING, approval_files, plan_to_approve
from provisioner.operations.apply.saved_plan import REFERENCES, plan_blob
from provisioner.plan.guards import approvals as guard
from provisioner.plan.saved.file import MAX_PLAN_BYTES, WrittenPlan, written_plan
from provisioner.record.entries import Run
from provisioner.verify.work import WaitingPlan

_MOST: Final = 100


class _Source(NamedTuple):
    origin: str
    stamp: str  #: Changes with the content.
    made: datetime


def waiting_plans(
    root: Path, inventory: Inventory, content: str, runs: Sequence[Run], now: datetime
) -> tuple[WaitingPlan, ...]:
    """Return unapplied plans that lack approvals by the inventory's terms.

    Terms that hosts remember are unknown here, and `apply` requires those, too. A plan of other content counts only as
    long as an approval does.
    """
    terms = approval_terms(inventory)
    if terms is None:
        return ()
    with suppress(UsageError):
        files = approval_files(root, None).files
        applied, waiting = {run.plan for run in runs}, {}
        for source in (*_kept_plans(root), *_fetched_plans(root)):
            plan = _read_plan(root, source.origin, source.stamp)
            if plan is None or plan.basis.digest in applied or not plan.changes:
                continue
            is_current = plan.basis.inventory == content
            if not is_current and source.made < now - timedelta(hours=terms.valid_hours):
                continue
            of_plan = [run for run in runs if any(one.meaning == plan.basis.meaning for one in run.approvals)]
            subject = plan_to_approve(inventory, plan, of_plan, now)
            hosts = Counter(change.host for change in plan.changes)
            needs = guard.approval_needs(plan.changes, {host: _host_terms(inventory, host) for host in hosts}, terms)
            if lacking := guard.approved(needs, files, subject).lacking:
                maker = plan.maker
                waiting[plan.basis.digest] = WaitingPlan(
                    source.origin,
                    plan.basis.digest,
                    dict(sorted(hosts.items())),
                    " ".join(filter(None, (f"{maker.user}@{maker.machine}" if maker.user else "", maker.job))),
                    is_current,
                    lacking,
                )
        return tuple(sorted(waiting.values(), key=lambda plan: (not plan.is_current, plan.origin)))
    return ()


def _host_terms(inventory: Inventory, host: str) -> guard.HostTerms:
    relay = inventory.relays.get(host)
    centre = tuple(name for name, carrier in sorted(inventory.carriers.items()) if host in carrier.centres)
    return guard.HostTerms((relay[0].id,) if relay else centre)


def _kept_plans(root: Path) -> Iterator[_Source]:
    folder = root / FOLDER
    if folder.is_symlink() or not folder.is_dir():
        return
    with suppress(OSError), os.scandir(folder) as listing:
        for entry in sorted((one for one in listing if one.name.endswith(PLAN_ENDING)), key=lambda one: one.name)[
            :_MOST
        ]:
            if entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                stamp = f"{status.st_mtime_ns} {status.st_size} {status.st_ino}"
                yield _Source(f"{FOLDER}/{entry.name}", stamp, datetime.fromtimestamp(status.st_mtime, UTC))


def _fetched_plans(root: Path) -> Iterator[_Source]:
    checkout = checkout_of(root)
    if checkout is None:
        return
    fields = "%(objectname) %(committerdate:unix) %(refname)"
    options = (f"--count={_MOST}", "--sort=-committerdate", f"--format={fields}")
    listed = ask_git(checkout, "for-each-ref", *options, REFERENCES)
    for line in listed.output.decode(errors="replace").splitlines() if listed.code == 0 else ():
        stamp, made, name = line.split(" ", 2)
        with suppress(ValueError, OverflowError):
            yield _Source(name, stamp, datetime.fromtimestamp(int(made), UTC))


@lru_cache(maxsize=2 * _MOST)
def _read_plan(root: Path, origin: str, _stamp: str) -> WrittenPlan | None:
    """Read a plan once; `None` if it is no valid plan."""
    try:
        if origin.startswith(REFERENCES):
            checkout = checkout_of(root)
            content = plan_blob(checkout, origin).output if checkout else b""
        else:
            content = read_regular(root / origin, most=MAX_PLAN_BYTES)
        return written_plan(content, origin)
    except (OSError, StalePlanError, UsageError):
        return None
