"""Output of `apply` and `rollback`, and options of their runs."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from provisioner.base.errors import INTERRUPTED, ApplyError, worst_of
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.text import printable
from provisioner.cli.support.context import Invocation, echo_lines, print_document
from provisioner.cli.support.options import RolloutChoices
from provisioner.cli.support.texts import code_with_frozen, frozen_lines
from provisioner.operations.apply.run import Applied, RunOptions, approval_of
from provisioner.operations.rollout.gate import GateRules
from provisioner.operations.rollout.job import RolloutOptions
from provisioner.operations.rollout.result import HostOutcome, HostResult, exit_code, run_ending

_COLOURS = {HostOutcome.APPLIED: "green", HostOutcome.UNCHANGED: "white"}
_SHOWN = 5


def run_options_of(
    chosen: RolloutChoices, environment: Mapping[str, str], stop: Callable[[], bool], folder: Path | None = None
) -> RunOptions:
    """Return a run's options; `folder` is that of approvals, if named."""
    gate = GateRules(
        patience_s=chosen["gate_patience"],
        settle_s=min(GateRules().settle_s, chosen["gate_patience"]),
        max_lost=chosen["max_lost"],
        min_new_up=chosen["min_new_up"],
        required=tuple(chosen["required"]),
    )
    rollout = RolloutOptions(gate=gate, max_failed=chosen["max_failed"], pause_after=chosen["pause_after"] or "")
    return RunOptions(rollout, approval_of(chosen["approval"], environment), folder, stop)


def host_line(result: HostResult, label: str = "", say: Translator = ENGLISH) -> str:
    """Return a host's line: outcome, time, cause."""
    outcome = click.style(label or say.word(result.outcome), fg=_COLOURS.get(result.outcome, "red"), bold=True)
    took = say(" in {seconds} s", seconds=f"{result.seconds:.2f}") if result.seconds else ""
    cause = f": {printable(say.restated(result.cause))}" if result.cause else ""
    return f"{result.host}: {outcome}{took}{cause}"


def note_lines(result: HostResult, say: Translator = ENGLISH) -> list[str]:
    """Return notes on a host that had no effect."""
    more = len(result.notes) - _SHOWN
    lines = [f"  {say('note')}: {printable(say.restated(note))}" for note in result.notes[:_SHOWN]]
    rest = say("and {notes} more; --output json has all", notes=say.counted(more, "note"))
    return lines + ([f"  {rest}"] if more > 0 else [])


def ending_lines(applied: Applied, *, going_back: bool = False, say: Translator = ENGLISH) -> list[str]:
    """Return the last lines of a run: warnings, then results, worst first."""
    lines = [f"{say('warning')}: {printable(say.restated(warning))}" for warning in applied.warnings]
    killed = marked("run {run} had been killed and is recorded as {outcome} now, as its hosts say")
    lines += [
        f"{say('note')}: {say(killed, run=printable(closed.run), outcome=closed.outcome)}" for closed in applied.closed
    ]
    return lines + [printable(say.restated(sentence)) for sentence in run_ending(applied, going_back=going_back)]


def applied_lines(applied: Applied, say: Translator = ENGLISH) -> Iterator[str]:
    """Yield the hosts' outcomes and the run's end."""
    for result in applied.results:
        yield host_line(result, say=say)
        yield from note_lines(result, say)
    yield from frozen_lines(applied.held, say=say)
    yield from ending_lines(applied, say=say)


def show_applied(invocation: Invocation, applied: Applied) -> int:
    """Print the outcomes or the document; return the exit code."""
    if invocation.json:
        print_document(applied.document)
    else:
        echo_lines(applied_lines(applied, invocation.say))
    incomplete = ApplyError.exit_code if applied.remaining or applied.notes else 0
    return code_with_frozen(code_of(applied, exit_code(applied.results, incomplete)), applied.held)


def code_of(applied: Applied, code: int) -> int:
    """Return a run's exit code; an interrupt shows unless worse happened."""
    return worst_of(code, INTERRUPTED) if applied.ended == "interrupted" else code
