"""`provisioner plan --check`: is the plan still the one that was reviewed? For merge queues."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import click

from provisioner.base.counted import counted
from provisioner.base.errors import HostError, StalePlanError, UsageError
from provisioner.base.printable import printable
from provisioner.cli.context import Invocation
from provisioner.cli.held_text import code_with_held, held_lines
from provisioner.cli.output import print_document
from provisioner.cli.terminal import stdout_of
from provisioner.desired.limit import Limit
from provisioner.pipeline.session import Session
from provisioner.plan.document import held_document
from provisioner.runs.saved_plan import PlanCheck, check_digest, check_saved, read_plan_file

SCHEMA = "provisioner/plan-check"
_LONGEST = 200
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def check(invocation: Invocation, session: Session, expected: str, limit: Limit, allow: Mapping[str, int]) -> int:
    """Compare a plan made now with a digest or a saved plan.

    Returns:
        The exit code.

    Raises:
        UsageError: it is neither a digest nor a file, or a file with options of its own.
        StalePlanError: the file is no saved plan, or was changed.
    """
    if _DIGEST.fullmatch(expected):
        result = check_digest(session, expected, limit, allow)
    else:
        _refuse_nonsense(expected, given=bool(limit.wanted or allow))
        result = check_saved(session, read_plan_file(session, expected))
    _show(invocation, result)
    if result.planned.unreadable and not (result.saved and result.moved):
        return HostError.exit_code
    return code_with_held(0, result.planned.plan.held_back) if result.same else StalePlanError.exit_code


def _refuse_nonsense(name: str, *, given: bool) -> None:
    if not _is_file(name):
        hint = "give the digest that plan printed (sha256:…), or the file that plan --out wrote"
        raise UsageError(f"--check {printable(name, _LONGEST)} is neither a digest nor a file", hint=hint)
    if given:
        raise UsageError(f"{name} has its own limit and allowances", hint="leave --limit and --allow out")


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # no file has so long a name
        return False


def _show(invocation: Invocation, result: PlanCheck) -> None:
    digest, planned = result.planned.plan.basis.digest, result.planned
    if invocation.json:
        document = {
            "schema": SCHEMA,
            "version": 1,
            "same": result.same,
            "expected": result.digest,
            "digest": digest,
            "moved": [{"host": host, "what": words} for host, words in result.moved],
            "unreadable": dict(sorted(planned.plan.unreadable.items())),
            "held": [held_document(one) for one in planned.plan.held],
        }
        print_document(document)
        return
    terminal = stdout_of(invocation.env, color=invocation.color)
    held = [one.facility for one in planned.plan.held_back]
    terminal.print(held_lines(held))
    if result.same:
        terminal.print([f"the plan is still {digest}"])
        return
    if planned.unreadable and not (result.saved and result.moved):
        # What could not be read may be as it was: nobody knows whether the plan is.
        head = click.style("not known:", fg="red", bold=True)
        hosts = counted(len(planned.unreadable), "host")
        terminal.print([f"{head} {hosts} not read, so whether the plan is still {result.digest} cannot be told"])
    else:
        head = click.style("stale:", fg="red", bold=True)
        terminal.print([f"{head} the plan was {result.digest} and is {digest} now"])
    for host, words in result.moved:
        terminal.print(terminal.below(f"  {host or 'all hosts'}", words, 4))
    for host, error in sorted(planned.unreadable.items()):
        terminal.print(terminal.below(f"  {host}", f"{error.message}; {error.hint}", 4))
