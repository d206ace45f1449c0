"""`provisioner plan push` and `plan fetch`: a saved plan at a Git remote, until what it is of is merged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from provisioner.cli.context import Invocation
from provisioner.cli.output import print_document
from provisioner.cli.plan_file import read_plan
from provisioner.cli.session import session_of
from provisioner.cli.word import Place
from provisioner.runs.pushed_plan import REFERENCES, PushedPlan, fetch_plan, push_plan

F = TypeVar("F", bound=Callable[..., object])


def _remote_options(command: F) -> F:
    command = click.option(
        "--refs", "place", default=REFERENCES, metavar="PREFIX", help=f"Where plans are there.  [default: {REFERENCES}]"
    )(command)
    return click.option("--remote", default="origin", metavar="NAME", help="The Git remote.  [default: origin]")(
        command
    )


@click.command()
@click.argument("file", type=Place(path_type=Path), metavar="PLAN")
@_remote_options
@click.pass_obj
def push(invocation: Invocation, file: Path, *, remote: str, place: str) -> int:
    """Push a saved plan to a Git remote, where `plan fetch` finds it once the same inventory is merged.

    Its name there is the digest of the inventory's content: a merge makes a new commit, and moves no content where
    nothing else was merged before. A plan of the same content that was there is replaced. It is of no branch, no secret
    is in it, and its seal shows every edit. Ends with 8 if the plan is of another content, and with 14 if the remote
    does not take it.

    Example: provisioner -i DIR plan push plan.json
    """
    plan, content = read_plan(file)
    return _show(invocation, push_plan(session_of(invocation), plan, content, remote, place), remote, "pushed to")


@click.command()
@click.option("--out", type=Place(path_type=Path), required=True, metavar="FILE", help="Where it is written.")
@_remote_options
@click.pass_obj
def fetch(invocation: Invocation, *, out: Path, remote: str, place: str) -> int:
    """Fetch the plan that was pushed of this very content of the inventory, for apply FILE.

    Ends with 8 if nobody pushed one: something else was merged since it was made, so that what was looked at is not
    what there is now; and with 14 if the remote is not reached. That the plan is ours, and fits hosts, apply says.

    Example: provisioner -i DIR plan fetch --out plan.json
    """
    invocation.refuse_proposed(out)
    return _show(invocation, fetch_plan(session_of(invocation), out, remote, place), remote, "fetched from")


def _show(invocation: Invocation, plan: PushedPlan, remote: str, done: str) -> int:
    if invocation.json:
        document = {"schema": "provisioner/plan-pushed", "version": 1, "remote": remote}
        print_document(document | {"reference": plan.reference, "digest": plan.digest})
    else:
        click.echo(f"plan {plan.digest} {done} {remote} as {plan.reference}")
    return 0
