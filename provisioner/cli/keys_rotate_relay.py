"""`keys rotate --relay`: a relay's own key changed."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final

import click
from pydantic import BeforeValidator

from provisioner.base.document import Day, InOrder, Moment, Ordered, OrNull, Printed, Row, of
from provisioner.base.errors import INTERRUPTED, InventoryError, UsageError, worst_of
from provisioner.base.git import commit_files, committing
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.text import msg, printable
from provisioner.cli.plan_text import plan_ending_lines, plan_lines
from provisioner.cli.support.context import Invocation, today
from provisioner.cli.support.output import print_document, print_warning
from provisioner.cli.support.question import Stop, make_sure, tell_before
from provisioner.cli.support.results import applied_lines
from provisioner.cli.support.session import session_of
from provisioner.cli.support.terminal import stderr_of
from provisioner.inventory.model.hosts import OwnKeyStage
from provisioner.operations.apply.run import Applied
from provisioner.operations.edit.keys import OwnKeyRequest
from provisioner.operations.keys.relay_key import (
    OwnKeyOutcome,
    OwnKeyProgress,
    begin_own_key,
    cancel_own_key,
    end_own_key,
)
from provisioner.operations.keys.rotation import KeyTerms
from provisioner.operations.pipeline.stages import Planned
from provisioner.operations.rollout.result import HostOutcome, exit_code
from provisioner.report.tables import some_of

_FINE: Final = frozenset({HostOutcome.APPLIED, HostOutcome.UNCHANGED})
_STAGES: Final = {
    OwnKeyStage.BEGUN: marked("packages and centres have the present key"),
    OwnKeyStage.MOVING: marked("packages and centres have the next key"),
    OwnKeyStage.ENDING: marked("the next key becomes the relay's only one"),
}
_ASKED: Final = {
    "begin": marked(
        "{relay} answers with a next key beside its own one, and then its centres get the next key; no viewer is cut"
    ),
    "finish": marked("{relay} has only its next key from now on; sites without it are dark"),
    "cancel": marked("packages and centres of {relay} have its present key again, and then the next one goes"),
}
_SHOWN: Final = 8
_LOOK_S: Final = 1.0


def next_step_lines(progress: OwnKeyProgress, step: str, say: Translator = ENGLISH) -> Iterator[str]:
    """Yield the progress and the next step."""
    yield from own_key_lines(progress, say)
    yield "  " + say(_ASKED[step], relay=progress.relay)


def own_key_lines(progress: OwnKeyProgress, say: Translator = ENGLISH) -> Iterator[str]:
    """Yield the progress, with peers that have not moved."""
    next_key = progress.following
    if next_key is None:
        line = marked("{relay} answers with a next key that is not in the lock: end that with --cancel")
        none = marked("no change of the key of {relay} is under way")
        yield "  " + say(line if progress.remains else none, relay=progress.relay)
        return
    line = marked("{relay} changes its own key since {day}: next key {key}, at port {port}; {stage}")
    yield "  " + say(
        line,
        relay=progress.relay,
        day=next_key.since.isoformat(),
        key=f"{next_key.public_key[:_SHOWN]}…",
        port=str(next_key.port),
        stage=say(_STAGES[next_key.stage]),
    )
    if not progress.answers:
        yield "  " + say("the relay does not answer with it yet: the same command goes on")
        return
    yield "  " + say("seen with the next key: {names}", names=some_of(sorted(progress.moved), say) or say("nobody"))
    if progress.waiting:
        yield "  " + say("not seen with it: {names}", names=some_of(sorted(progress.waiting), say))


def own_key_ending(outcome: OwnKeyOutcome, say: Translator = ENGLISH, *, dry_run: bool) -> Iterator[str]:
    """Yield the last lines, worst first: failures, waits, results."""
    progress = outcome.progress
    failed = [r.host for run in outcome.runs for r in run.results if r.outcome not in _FINE]
    if failed:
        yield say("not applied: {names}; the same command goes on from there", names=some_of(failed, say))
    elif outcome.is_unfinished:
        yield say("not at its end: the same command goes on from there")
    if dry_run:
        yield from own_key_lines(progress, say)
        yield say("dry run: no changes were made; repeat without --dry-run")
        return
    if outcome.is_over:
        yield say("no change of the key of {relay} is under way any more", relay=progress.relay)
    elif progress.following is not None and not outcome.is_unfinished:
        yield from own_key_lines(progress, say)
        if sites := progress.sites_waiting:
            line = marked(
                "{sites} to be moved: make their packages (provisioner site-package FACILITY --out DIR), have them"
                " installed, then: provisioner keys rotate --relay {relay} --finish"
            )
            yield say(line, sites=say.counted(len(sites), "site"), relay=progress.relay)
        elif not progress.waiting:
            yield say("all have moved: provisioner keys rotate --relay {relay} --finish", relay=progress.relay)
    if outcome.written:
        yield say("files were written: commit them")


Written = Annotated[tuple[str, ...], BeforeValidator(lambda paths: sorted({str(path) for path in paths}))]
"""Written files, without duplicates."""


_BY_HOST = BeforeValidator(lambda results: {result.host: result.outcome for result in results})


class RunHosts(Row):
    """A run, with the outcome of each of its hosts."""

    run: str
    hosts: Annotated[dict[str, HostOutcome], _BY_HOST] = of("results")


class OwnKeyRow(Row):
    """The state of a change of a relay's own key."""

    relay: str
    stage: OwnKeyStage | None = of("following", "stage", or_none=True)
    next_key: str | None = of("following", "public_key", or_none=True)
    port: int | None = of("following", "port", or_none=True)
    since: Day | None = of("following", "since", or_none=True)
    answers: bool
    moved: Annotated[dict[str, Annotated[Moment | None, OrNull]], InOrder]
    """Peers with a handshake on the next key, and its time; null if the relay itself changed."""
    waiting: Ordered
    """Peers without such a handshake."""


class _Rotation(Printed):
    dry_run: bool


class OwnKeyLooked(OwnKeyRow, Printed, name="keys-status-relay", title="A relay's own key"):
    """Output of `provisioner keys status --relay --output json`."""


class OwnKeyDocument(OwnKeyRow, _Rotation, name="keys-rotate-relay", title="A change of a relay's own key"):
    """Output of `provisioner keys rotate --relay --output json`."""

    over: bool
    unfinished: bool
    runs: tuple[RunHosts, ...]
    written: Written
    interrupted: bool


def rotate_relay(
    invocation: Invocation,
    request: OwnKeyRequest,
    terms: KeyTerms,
    stop: Stop,
    *,
    finishes: bool,
    cancels: bool,
    commits: bool,
    yes: bool,
) -> int:
    """Begin, end or cancel a relay's key change; return the exit code."""
    if finishes and cancels:
        raise UsageError("--finish ends the change, and --cancel takes it back", hint="give one of them")
    if request.leaves and not (finishes or cancels):
        raise UsageError("--leave says who may be dark when the change ends", hint="give it with --finish or --cancel")
    if request.port and (finishes or cancels):
        raise UsageError("--port is for the beginning of a change", hint="leave it out")
    sessions = lambda: session_of(invocation)  # noqa: E731
    attendant = _Terminal(invocation, stop, dry_run=terms.dry_run, commits=commits, yes=yes)
    if finishes:
        outcome = end_own_key(sessions, request, terms, attendant)
    elif cancels:
        outcome = cancel_own_key(sessions, request, terms, attendant)
    else:
        outcome = begin_own_key(sessions, request, terms, attendant, today())
    return _show_outcome(invocation, outcome, dry_run=terms.dry_run)


class StepTerminal:
    """Shows steps of a longer change on standard error, asks, and commits."""

    def __init__(self, invocation: Invocation, stop: Stop, *, dry_run: bool, commits: bool, yes: bool) -> None:
        self._invocation = invocation
        self._stop = stop
        self._dry_run = dry_run
        self._commits = commits
        self._yes = yes

    def applies(self, planned: Planned) -> None:
        """Show a plan; ask."""
        self._show_plan(planned)
        self._ask_for_decision("Apply this?", "whether to apply this plan")

    def applied(self, applied: Applied) -> None:
        """Show the outcome of each host."""
        if not self._invocation.json:
            for line in applied_lines(applied, self._invocation.say):
                click.echo(line, err=True, color=self._invocation.color)

    def warns(self, sentence: str) -> None:
        """Print a warning on standard error."""
        print_warning(sentence, "", color=self._invocation.color, say=self._invocation.say)

    @property
    def has_enough(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stop()

    def _commit_files(self, contents: Mapping[Path, bytes], message: str) -> None:
        try:
            commit = commit_files(committing(self._invocation.inventory), contents, message)
        except (UsageError, InventoryError) as error:
            self.warns(msg("the written files are not committed: {message}", error.message))
        else:
            self._say((self._invocation.say("committed as {commit}: {what}", commit=commit[:12], what=message),))

    def _show_plan(self, planned: Planned) -> None:
        if not self._invocation.json:
            terminal = stderr_of(self._invocation.env, color=self._invocation.color)
            terminal.print(plan_lines(planned.plan, terminal, say=self._invocation.say))
            terminal.print(plan_ending_lines(planned.plan, terminal, say=self._invocation.say))

    def _say(self, lines: Iterable[str]) -> None:
        tell_before(self._invocation, lines, asks=not self._yes, dry_run=self._dry_run)

    def _ask_for_decision(self, question: str, decision: str) -> None:
        make_sure(self._invocation, question, decision, yes=self._yes)
        if not self._yes and self._stop():  # a first Ctrl-C only asks to stop, at a question as well
            raise click.Abort


class _Terminal(StepTerminal):
    def asks(self, progress: OwnKeyProgress, question: str) -> None:
        """Show the progress and the next step; ask."""
        self._say(next_step_lines(progress, question, self._invocation.say))
        if not self._dry_run:
            self._ask_for_decision("Go on?", "whether to go on")

    def written(self, paths: Collection[Path], message: str) -> None:
        """Commit written files if requested."""
        if self._commits:
            self._commit_files({path: path.read_bytes() for path in paths}, message)

    def waits(self) -> None:
        """Wait a moment for centres."""
        time.sleep(_LOOK_S)


def _show_outcome(invocation: Invocation, outcome: OwnKeyOutcome, *, dry_run: bool) -> int:
    if invocation.json:
        more = {"dry_run": dry_run, "over": outcome.is_over, "unfinished": outcome.is_unfinished}
        done = {"runs": outcome.runs, "written": outcome.written, "interrupted": outcome.interrupted}
        print_document(OwnKeyDocument.made_of(outcome.progress, **more, **done).plain)
    else:
        for line in own_key_ending(outcome, invocation.say, dry_run=dry_run):
            click.echo(printable(line))
    codes = [exit_code(applied.results) for applied in outcome.runs]
    codes += [1] if outcome.is_unfinished else []
    codes += [INTERRUPTED] if outcome.interrupted else []
    return worst_of(0, *codes)
