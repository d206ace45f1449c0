"""`provisioner plan --check`: is the plan still the one that was reviewed? For merge queues."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from provisioner.base.errors import HostError, StalePlanError, UsageError
from provisioner.cli.context import Invocation
from provisioner.cli.output import print_document
from provisioner.cli.terminal import stdout_of
from provisioner.desired.limit import Limit
from provisioner.pipeline import Planned, Session, make_plan
from provisioner.plan import moved_hosts, read_saved
from provisioner.plan.saved import Saved, moved_basis

SCHEMA = "provisioner/plan-check"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_UNKNOWN = "what moved is not known from a digest alone: check the saved plan itself, --check FILE"


def check(invocation: Invocation, session: Session, expected: str, limit: Limit, allow: Mapping[str, int]) -> int:
    """Compare a plan made now with a digest or a saved plan; give the exit code.

    Raises:
        UsageError: it is neither a digest nor a file, or a file with options of its own.
        StalePlanError: the file is no saved plan, or was changed.
    """
    saved = None if _DIGEST.fullmatch(expected) else _saved(session, expected, given=bool(limit.wanted or allow))
    if saved is not None:
        limit, allow = Limit({"host": frozenset(saved.hosts)}), saved.basis.allow
    planned = make_plan(session, limit, allow=allow)
    digest = saved.basis.digest if saved else expected
    same = planned.plan.basis.digest == digest and not planned.unreadable
    moved = [] if same else _moved(session, saved, planned)
    _show(invocation, digest, planned, moved, same=same)
    if planned.unreadable and not (saved and moved):
        return HostError.exit_code
    return 0 if same else StalePlanError.exit_code


def _saved(session: Session, name: str, *, given: bool) -> Saved:
    path = Path(name)
    if not path.is_file():
        hint = "give the digest that plan printed (sha256:…), or the file that plan --out wrote"
        raise UsageError(f"--check {name} is neither a digest nor a file", hint=hint)
    if given:
        raise UsageError(f"{name} has its own limit and allowances", hint="leave --limit and --allow out")
    try:
        return read_saved(path.read_text(encoding="utf-8"), name, session.seal_key)
    except (OSError, UnicodeDecodeError):
        raise StalePlanError(f"{name} cannot be read", hint="make one: provisioner plan --out FILE") from None


def _moved(session: Session, saved: Saved | None, planned: Planned) -> list[tuple[str, str]]:
    """What moved, as host (empty for all) and words."""
    if saved is None:
        return [("", _UNKNOWN)]
    everywhere = [("", words) for words in moved_basis(saved.basis, session.basis({}))]
    hosts = moved_hosts(saved, planned.plan, planned.seen)
    return everywhere + [(host, words) for host, items in hosts.items() for words in items]


def _show(invocation: Invocation, digest: str, planned: Planned, moved: list[tuple[str, str]], *, same: bool) -> None:
    if invocation.json:
        shown: dict[str, Any] = {
            "schema": SCHEMA,
            "version": 1,
            "same": same,
            "expected": digest,
            "digest": planned.plan.basis.digest,
            "moved": [{"host": host, "what": words} for host, words in moved],
            "unreadable": dict(sorted(planned.plan.unreadable.items())),
        }
        print_document(shown)
        return
    terminal = stdout_of(invocation.env, color=invocation.color)
    if same:
        terminal.print([f"the plan is still {digest}"])
        return
    head = click.style("stale:", fg="red", bold=True)
    terminal.print([f"{head} the plan was {digest} and is {planned.plan.basis.digest} now"])
    for host, words in moved:
        terminal.print(terminal.below(f"  {host or 'all hosts'}", words, 4))
    for host, error in sorted(planned.unreadable.items()):
        terminal.print(terminal.below(f"  {host}", f"{error.message}; {error.hint}", 4))
