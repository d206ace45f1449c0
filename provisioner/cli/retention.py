"""`provisioner retention`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from provisioner.base.clock import local_iso, local_time
from provisioner.base.counted import counted
from provisioner.base.json_document import Document
from provisioner.cli.context import Invocation, now
from provisioner.cli.output import print_document
from provisioner.cli.question import make_sure
from provisioner.history.retention import HeldClass
from provisioner.inventory.model import Retention
from provisioner.pipeline.session import Session
from provisioner.report.tables import text_table
from provisioner.runs.retention import let_leave, would_leave

_KIB = 1024


@click.command()
@click.option("--prune", is_flag=True, help="Let it leave; without, it is only shown.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def retention(invocation: Invocation, /, *, prune: bool, yes: bool) -> int:
    """Show what the history keeps by class, and what is older than the policy says; let that leave.

    `policy.retention` in inventory.yml says for how many days whole documents of verifications and verdicts
    on paths stay; without it all stays. Runs, checks of facilities and what hosts held stay for ever, and so
    does the newest document. What left is recorded, so that `history verify` misses nothing. A history that
    is damaged keeps all (13).

    Example: provisioner -i DIR retention --prune
    """
    moment = now()
    policy, held = would_leave(invocation.inventory, invocation.env, moment)
    leaving = sum(one.leaving for one in held)
    if not prune:
        _show(invocation, policy, held, done=False)
        return 0
    session = Session(invocation.inventory, invocation.env, moment.date())
    make_sure(invocation, f"Let {counted(leaving, 'record')} leave for ever?", "whether it may leave", yes=yes)
    _show(invocation, policy, let_leave(session, moment), done=True)
    return 0


def _show(invocation: Invocation, policy: Retention, held: Sequence[HeldClass], *, done: bool) -> None:
    if invocation.json:
        print_document(_document(policy, held, done=done))
    else:
        click.echo("\n".join(_lines(policy, held, done=done)))


def _lines(policy: Retention, held: Sequence[HeldClass], *, done: bool) -> Iterator[str]:
    verb = "left" if done else "leave"
    days = _days(policy)
    rows = [
        (
            one.name,
            _stays(days[one.name]),
            str(one.rows),
            _size(one.size),
            local_time(one.oldest) if one.oldest else "",
            str(one.leaving),
            _size(one.leaving_size),
        )
        for one in held
    ]
    yield from text_table(("class", "stays", "kept", "size", "oldest", verb, "size"), rows, numbers=False)
    yield ""
    leaving, size = sum(one.leaving for one in held), sum(one.leaving_size for one in held)
    if done:
        yield f"{counted(leaving, 'record')} left, {_size(size)}; the run is recorded"
    elif leaving:
        yield f"{counted(leaving, 'record')} would leave, {_size(size)}: provisioner retention --prune"
    else:
        yield "nothing is older than the policy says" if any(days.values()) else "the policy lets nothing leave"


def _days(policy: Retention) -> dict[str, int | None]:
    return {"documents": policy.document_days, "verdicts": policy.verdict_days}


def _stays(days: int | None) -> str:
    return counted(days, "day") if days else "for ever"


def _size(size: int) -> str:
    if size < _KIB:
        return f"{size} B"
    return f"{size / _KIB:.1f} KiB" if size < _KIB**2 else f"{size / _KIB**2:.1f} MiB"


def _document(policy: Retention, held: Sequence[HeldClass], *, done: bool) -> Document:
    classes = [
        {
            "name": one.name,
            "days": _days(policy)[one.name],
            "kept": one.rows,
            "bytes": one.size,
            "oldest": local_iso(one.oldest) if one.oldest else None,
            "leaving": one.leaving,
            "leaving_bytes": one.leaving_size,
        }
        for one in held
    ]
    return {"schema": "provisioner/retention", "version": 1, "pruned": done, "classes": classes}
