"""`provisioner plan diff`: two saved plans side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from provisioner.base.errors import StalePlanError
from provisioner.base.language import Translator
from provisioner.base.printable import printable
from provisioner.cli.context import Invocation
from provisioner.cli.output import print_document
from provisioner.cli.plan_file import read_plan
from provisioner.cli.terminal import Terminal, stdout_of
from provisioner.cli.word import Place
from provisioner.plan.kept.between import BetweenPlans, ChangeTurn, MovedChange, between, between_document
from provisioner.report.between_markdown import between_comment
from provisioner.report.between_words import beside_lines, head_of, impact_of, reason_of, verdict, viewers_of

_SHOWN = 200
_SIGNS = {ChangeTurn.APPEARS: ("+", "green"), ChangeTurn.VANISHES: ("-", "red"), ChangeTurn.DIFFERS: ("~", "yellow")}


@click.command()
@click.argument("first", type=Place(path_type=Path), metavar="FIRST")
@click.argument("second", type=Place(path_type=Path), metavar="SECOND")
@click.pass_obj
def diff(invocation: Invocation, first: Path, second: Path) -> int:
    """Show what moved from one saved plan to another.

    FIRST and SECOND are files that plan --out wrote, or documents that plan --output json printed. Ends with 0 if both
    do the same, and with 8 if the second is another plan: a change appears, vanishes or has another impact or reason, a
    host is to hold something else, or something else is allowed or held. Another commit or an edit that moves nothing
    on the hosts that change leaves it the same, and so do other viewers, which are shown. No host is asked, no vault is
    opened, and seals are not proved: apply does that.

    Example: provisioner plan diff before.json after.json
    """
    invocation.refuse_proposed(first, second)
    compared = between(read_plan(first).plan, read_plan(second).plan)
    if invocation.json:
        print_document(between_document(compared))
    elif invocation.markdown:
        click.echo(between_comment(compared, invocation.say), nl=False)
    else:
        terminal = stdout_of(invocation.env, color=invocation.color)
        terminal.print(between_lines(compared, terminal, invocation.say))
    return 0 if compared.is_same else StalePlanError.exit_code


def between_lines(compared: BetweenPlans, terminal: Terminal, say: Translator) -> Iterator[str]:
    """Two plans side by side as people read it."""
    yield click.style(verdict(compared, say), fg=None if compared.is_same else "red", bold=True)
    trust = [moved for moved in compared.changes if moved.is_of_trust]
    others = [moved for moved in compared.changes if not moved.is_of_trust]
    if trust:
        yield click.style(say("who and what is trusted:"), fg="red", bold=True)
    yield from _changes(trust, terminal, say)
    yield from _changes(others, terminal, say)
    if compared.viewers:
        before, after = viewers_of(compared)
        yield say("viewers dropped: {before} → {after}", before=before, after=after)
        for one in compared.viewers[:_SHOWN]:
            where = say("{what} on {host}", what=printable(one.path), host=one.relay)
            yield f"  {where}: {one.before} → {one.after}"
        yield from _more(len(compared.viewers), say)
    beside = [printable(line) for line in beside_lines(compared, say)]
    if beside:
        yield say("beside the changes:")
    yield from (f"  {line}" for line in beside[:_SHOWN])
    yield from _more(len(beside), say)
    if not compared.is_equal:
        yield say("first plan {digest}", digest=compared.first.basis.digest)
        yield say("second plan {digest}", digest=compared.second.basis.digest)


def _changes(changes: list[MovedChange], terminal: Terminal, say: Translator) -> Iterator[str]:
    for moved in changes[:_SHOWN]:
        sign, colour = _SIGNS[moved.turn]
        head = f"  {click.style(sign, fg=colour, bold=True)} {printable(head_of(moved, say))} [{impact_of(moved, say)}]"
        yield from terminal.below(head, printable(reason_of(moved, say)), 6)
    yield from _more(len(changes), say)


def _more(number: int, say: Translator) -> Iterator[str]:
    if number > _SHOWN:
        yield "  " + say("… and {number} more; --output json has all", number=number - _SHOWN)
