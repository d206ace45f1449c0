"""`provisioner keys rotate --relay`: a relay's own key changed while it lives."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

import click

from provisioner.apply import exit_code
from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.exit_codes import INTERRUPTED, worst_of
from provisioner.base.git_commit import commit_files, committing
from provisioner.base.language import marked
from provisioner.base.printable import printable
from provisioner.cli.context import Invocation, today
from provisioner.cli.interrupt import Stop
from provisioner.cli.output import print_document, print_warning
from provisioner.cli.own_key_text import asked_lines, own_key_document, own_key_ending
from provisioner.cli.plan_text import ending_lines as plan_ending_lines
from provisioner.cli.plan_text import plan_lines
from provisioner.cli.question import make_sure, tell_before
from provisioner.cli.results import applied_lines
from provisioner.cli.session import session_of
from provisioner.cli.terminal import stderr_of
from provisioner.inventory.operations.own_key import OwnKeyOrder
from provisioner.pipeline.stages import Planned
from provisioner.runs.applied import Applied
from provisioner.runs.rotation.course import KeyTerms
from provisioner.runs.rotation.own_key import OwnKeyOutcome, begin_own_key, cancel_own_key, end_own_key
from provisioner.runs.rotation.own_key_look import OwnKeyLook

_LOOK_S: Final = 1.0


def rotate_relay(
    invocation: Invocation,
    order: OwnKeyOrder,
    terms: KeyTerms,
    stop: Stop,
    *,
    finishes: bool,
    cancels: bool,
    commits: bool,
    yes: bool,
) -> int:
    """Begin, end or take back the change of a relay's own key: the exit code.

    Raises:
        ProvisionerError: as the steps of the course.
    """
    if finishes and cancels:
        raise UsageError("--finish ends the change, and --cancel takes it back", hint="give one of them")
    if order.leaves and not (finishes or cancels):
        raise UsageError("--leave says who may be dark when the change ends", hint="give it with --finish or --cancel")
    if order.port and (finishes or cancels):
        raise UsageError("--port is for the beginning of a change", hint="leave it out")
    sessions = lambda: session_of(invocation)  # noqa: E731
    attendant = _Terminal(invocation, stop, dry_run=terms.dry_run, commits=commits, yes=yes)
    if finishes:
        outcome = end_own_key(sessions, order, terms, attendant)
    elif cancels:
        outcome = cancel_own_key(sessions, order, terms, attendant)
    else:
        outcome = begin_own_key(sessions, order, terms, attendant, today())
    return _end(invocation, outcome, dry_run=terms.dry_run)


def _end(invocation: Invocation, outcome: OwnKeyOutcome, *, dry_run: bool) -> int:
    if invocation.json:
        print_document(own_key_document(outcome, dry_run=dry_run))
    else:
        for line in own_key_ending(outcome, invocation.say, dry_run=dry_run):
            click.echo(printable(line))
    codes = [exit_code(applied.results) for applied in outcome.runs]
    codes += [1] if outcome.is_unfinished else []
    codes += [INTERRUPTED] if outcome.interrupted else []
    return worst_of(0, *codes)


class _Terminal:
    """Shows the change of a relay's own key on standard error, and asks whoever is there."""

    def __init__(self, invocation: Invocation, stop: Stop, *, dry_run: bool, commits: bool, yes: bool) -> None:
        self._invocation = invocation
        self._stop = stop
        self._dry_run = dry_run
        self._commits = commits
        self._yes = yes

    def asks(self, look: OwnKeyLook, what: str) -> None:
        """Show how far it is and what comes now; ask."""
        self._say(asked_lines(look, what, self._invocation.say))
        if not self._dry_run:
            self._ask("Go on?", "whether to go on")

    def written(self, paths: Collection[Path], what: str) -> None:
        """Files were written: commit them, where that is wished."""
        if not self._commits:
            return
        try:
            contents = {path: path.read_bytes() for path in paths}
            commit = commit_files(committing(self._invocation.inventory), contents, what)
        except (UsageError, InventoryError) as error:
            self.warns(marked(f"what is written is not committed: {error.message}"))
        else:
            self._say((self._invocation.say("committed as {commit}: {what}", commit=commit[:12], what=what),))

    def applies(self, planned: Planned) -> None:
        """Show what hosts will be changed to; ask."""
        if not self._invocation.json:
            terminal = stderr_of(self._invocation.env, color=self._invocation.color)
            terminal.print(plan_lines(planned.plan, terminal, say=self._invocation.say))
            terminal.print(plan_ending_lines(planned.plan, terminal, say=self._invocation.say))
        self._ask("Apply this?", "whether to apply this plan")

    def applied(self, applied: Applied) -> None:
        """Show what became of hosts."""
        if not self._invocation.json:
            for line in applied_lines(applied, self._invocation.say):
                click.echo(line, err=True, color=self._invocation.color)

    def waits(self) -> None:
        """Wait a moment for centres."""
        time.sleep(_LOOK_S)

    def warns(self, sentence: str) -> None:
        """Say it on standard error."""
        print_warning(sentence, "", color=self._invocation.color, say=self._invocation.say)

    @property
    def has_enough(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stop()

    def _say(self, lines: Iterable[str]) -> None:
        tell_before(self._invocation, lines, asks=not self._yes, dry_run=self._dry_run)

    def _ask(self, question: str, what: str) -> None:
        make_sure(self._invocation, question, what, yes=self._yes)
        if not self._yes and self._stop():  # a first Ctrl-C only asks to stop, at a question as well
            raise click.Abort
