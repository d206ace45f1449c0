"""`provisioner relay drain`: a living relay emptied onto another one, step by step, each proved before the next."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Final

import click

from provisioner.apply import exit_code
from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.exit_codes import INTERRUPTED, worst_of
from provisioner.base.git_commit import commit_files, committing
from provisioner.base.language import marked
from provisioner.base.printable import printable
from provisioner.cli.completion import hosts_like
from provisioner.cli.context import Invocation, today
from provisioner.cli.drain_text import begun_lines, drain_document, drain_ending, letting_go_lines, proof_lines
from provisioner.cli.edit_text import diff_lines, edits_of, refuse_both
from provisioner.cli.interrupt import Stop, stoppable
from provisioner.cli.onlooker import AskedAfter
from provisioner.cli.output import print_document, print_error, print_warning
from provisioner.cli.plan_text import ending_lines as plan_ending_lines
from provisioner.cli.plan_text import plan_lines
from provisioner.cli.question import make_sure, tell_before
from provisioner.cli.results import applied_lines
from provisioner.cli.session import session_of
from provisioner.cli.terminal import stderr_of
from provisioner.inventory.operations.file_edit import FileEdit
from provisioner.inventory.operations.relay_drain import DrainEdits, DrainOrder
from provisioner.pipeline.stages import Planned
from provisioner.plan.guards.policy import parse_allowances
from provisioner.report.names import some_of
from provisioner.runs.applied import Applied
from provisioner.runs.drain.course import DrainEnd, DrainOutcome, DrainTerms, drain_relay
from provisioner.runs.drain.look import DrainLook
from provisioner.runs.drain.proof import SiteProof
from provisioner.runs.options import RunOptions, approval_of
from provisioner.verify.orders import Orders

_WAIT_S: Final = 5.0
_NOT_UP: Final = 1


@click.command()
@click.argument("relay", metavar="RELAY", shell_complete=hosts_like)
@click.option("--to", required=True, metavar="RELAY", shell_complete=hosts_like, help="The relay that takes its sites.")
@click.option("--source", default="", metavar="TEXT", help="The minutes in which all parties agreed to it.")
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="The day of those minutes; today if left out.")
@click.option("--allow", "allows", multiple=True, metavar="NAME=NUMBER", help="Raise a limit of the policy.")
@click.option("--unproved", multiple=True, metavar="FACILITY", help="Let this site go although it is not proved.")
@click.option("--approval", default="", metavar="TEXT", help="What approved this: it goes into the record.")
@click.option("--commit", "commits", is_flag=True, help="Commit the files that it edits, and nothing else.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def drain(
    invocation: Invocation,
    relay: str,
    to: str,
    source: str,
    day: datetime | None,
    *,
    allows: tuple[str, ...],
    unproved: tuple[str, ...],
    approval: str,
    commits: bool,
    dry_run: bool,
    yes: bool,
) -> int:
    """Empty a living relay onto another one of its carrier: make before break.

    Each call does all that can be done now, and the same command takes it up again. Every site gets the other relay as
    its successor (with --source all parties have signed that), the other relay carries them too, and each gateway gets
    a package with both. A site whose gateway is seen at the other relay is verified over both, and let go where nothing
    comes worse there: one site first, then a tenth, a half, and the rest, each looked at again. What waits for somebody
    (a signature, a package, a gateway that is off) stays on both, and is listed. Nothing is cut before a site is let
    go; then its readers at RELAY read on at the other one, once.

    A step that is refused (6: a limit of the policy, or somebody else would be cut) leaves files and hosts as they
    were. Ends with 1 where something came worse.

    Example: provisioner -i DIR relay drain relay-viettel-1 --to relay-viettel-2 --source 02/BB
    """
    refuse_both(dry_run=dry_run, commits=commits)
    order = DrainOrder(relay, to, source, day.date() if day else today())
    allowed = parse_allowances(allows)
    if commits:
        committing(invocation.inventory)
    with stoppable() as stop:
        options = RunOptions(approval=approval_of(approval, invocation.env), stop=stop)
        terms = DrainTerms(allowed, frozenset(unproved), options, dry_run=dry_run)
        attendant = _Terminal(invocation, order, stop, dry_run=dry_run, commits=commits, yes=yes)
        outcome = drain_relay(lambda: session_of(invocation), edits_of(invocation), order, terms, attendant)
    if outcome.refusal is not None:
        print_error(outcome.refusal, as_json=False, color=invocation.color, say=invocation.say)
    if invocation.json:
        print_document(drain_document(outcome, dry_run=dry_run))
    else:
        for line in drain_ending(outcome, invocation.say, dry_run=dry_run):
            click.echo(printable(line))
    return _code(outcome)


def _code(outcome: DrainOutcome) -> int:
    codes = [exit_code(applied.results) for applied in outcome.runs]
    if outcome.refusal is not None:
        codes.append(outcome.refusal.exit_code)
    if outcome.end is DrainEnd.INTERRUPTED:
        codes.append(INTERRUPTED)
    if outcome.end in {DrainEnd.WORSE, DrainEnd.UNPROVED}:
        codes.append(_NOT_UP)
    if outcome.begun.faulty:
        codes.append(InventoryError.exit_code)
    return worst_of(0, *codes)


class _Terminal:
    """Shows a drain on standard error, and asks whoever is there."""

    def __init__(
        self, invocation: Invocation, order: DrainOrder, stop: Stop, *, dry_run: bool, commits: bool, yes: bool
    ) -> None:
        self._invocation = invocation
        self._order = order
        self._stop = stop
        self._dry_run = dry_run
        self._commits = commits
        self._yes = yes
        self._is_waiting = False

    def begins(self, look: DrainLook, begun: DrainEdits) -> None:
        """Show what is so, and which files will be written; ask."""
        self._say(begun_lines(look, begun, self._invocation.say))
        self._say(line for edit in begun.edits for line in diff_lines(edit))
        if begun.edits and not self._dry_run:
            self._ask("Write these files?", "whether to write these files")

    def written(self, edits: Sequence[FileEdit], what: str) -> None:
        """Files were written: commit them, where that is wished."""
        if not self._commits:
            return
        try:
            commit = commit_files(committing(self._invocation.inventory), {e.path: e.after for e in edits}, what)
        except UsageError as error:
            self.warns(marked(f"what is written is not committed: {error.message}"))
        else:
            self._say((self._invocation.say("committed as {commit}: {what}", commit=commit[:12], what=what),))

    def applies(self, planned: Planned) -> None:
        """Show what the new relay will be changed to; ask."""
        self._show(planned)
        self._ask(f"Apply this to {self._order.to}?", "whether to apply this plan")

    def applied(self, applied: Applied) -> None:
        """Show what became of a relay."""
        if not self._invocation.json:
            for line in applied_lines(applied, self._invocation.say):
                click.echo(line, err=True, color=self._invocation.color)

    def waits(self, unseen: Sequence[str]) -> None:
        """Wait some seconds for gateways that may know the new relay already."""
        if not self._is_waiting:
            self._is_waiting = True
            say = self._invocation.say
            self._say((say("waiting for gateways at {to}: {names}", to=self._order.to, names=some_of(unseen, say)),))
        time.sleep(_WAIT_S)

    def proved(self, proofs: Mapping[str, SiteProof]) -> None:
        """Show what is proved."""
        self._say(proof_lines(proofs, self._order.to, self._invocation.say))

    def lets_go(self, look: DrainLook, waves: Sequence[Sequence[str]]) -> None:
        """Show who is cut; ask."""
        self._say(letting_go_lines(look, waves, self._invocation.say))
        self._ask("Let them go?", "whether to let these sites go")

    def cuts(self, planned: Planned) -> None:
        """Show what the old relay will be changed to."""
        self._show(planned)

    def warns(self, sentence: str) -> None:
        """Say it on standard error."""
        print_warning(sentence, "", color=self._invocation.color, say=self._invocation.say)

    @property
    def has_enough(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stop()

    @cached_property
    def orders(self) -> Orders:
        """All levels of every path; a failure is looked at again in the same run."""
        return Orders(say=lambda sentence: self._say((sentence,)), onlooker=AskedAfter())

    def _say(self, lines: Iterable[str]) -> None:
        tell_before(self._invocation, lines, asks=not self._yes, dry_run=self._dry_run)

    def _show(self, planned: Planned) -> None:
        if not self._invocation.json:
            terminal = stderr_of(self._invocation.env, color=self._invocation.color)
            terminal.print(plan_lines(planned.plan, terminal, say=self._invocation.say))
            terminal.print(plan_ending_lines(planned.plan, terminal, say=self._invocation.say))

    def _ask(self, question: str, what: str) -> None:
        make_sure(self._invocation, question, what, yes=self._yes)
        if not self._yes and self._stop():  # a first Ctrl-C only asks to stop, at a question as well
            raise click.Abort
