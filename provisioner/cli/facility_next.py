"""`provisioner facility next`: the one next step of a facility, done here if somebody says so."""

from __future__ import annotations

from collections.abc import Sequence

import click

from provisioner.base.json_document import Document
from provisioner.cli.completion import facilities_like
from provisioner.cli.context import Invocation, now
from provisioner.cli.output import print_document
from provisioner.cli.question import is_attended
from provisioner.runs.facility_step import Asked, Command, FacilityStep, facility_step


@click.command("next")
@click.argument("name", metavar="FACILITY", shell_complete=facilities_like)
@click.pass_context
def next_(ctx: click.Context, name: str) -> int:
    """Say what has to happen next for a facility, and the command that does it.

    In a terminal it offers to run that command, asks for the words that only you know, and goes on to the next
    step, until one is somebody else's. Elsewhere it only says it.

    Example: provisioner -i DIR facility next kcl-bg-003
    """
    invocation = ctx.ensure_object(Invocation)
    step = facility_step(invocation.inventory, name, invocation.env, now())
    if invocation.json:
        print_document(_document(step))
        return 0
    while True:
        for line in _lines(step):
            click.echo(line)
        if not step.command or not is_attended(invocation) or not click.confirm("Run it now?", err=True):
            return 0
        if code := _run(ctx, invocation, _filled(step.command)):
            return code
        before, step = step, facility_step(invocation.inventory, name, invocation.env, now())
        if step.command == before.command:
            for line in _afterwards(step):
                click.echo(line)
            return 0


def _lines(step: FacilityStep) -> list[str]:
    lines = [f"{step.facility}: {step.state}"]
    if step.unchecked:
        lines.append("secrets not checked: no vault password is set")
    lines.append(f"next: {step.sentence}")
    if step.command:
        lines.append(f"  provisioner {_shown(step.command)}")
    return [*lines, *_afterwards(step)]


def _afterwards(step: FacilityStep) -> list[str]:
    lead = "then" if step.command else "when that is so"
    return [f"  {lead}: provisioner {_shown(step.afterwards)}"] if step.afterwards else []


def _shown(command: Command) -> str:
    return " ".join(word.name if isinstance(word, Asked) else word for word in command)


def _filled(command: Command) -> list[str]:
    """The command's words; those that only a person knows are asked for."""
    words = (click.prompt(f"{w.name}: {w.question}", err=True) if isinstance(w, Asked) else w for w in command)
    return [str(word) for word in words]


def _run(ctx: click.Context, invocation: Invocation, words: Sequence[str]) -> int:
    """Run another command of the program, as if it had been called for the same inventory.

    Raises:
        ProvisionerError, click.ClickException, click.Abort: as the command does.
    """
    program = ctx.find_root().command
    options = ["-i", str(invocation.inventory), "--language", invocation.language.value]
    code = program.main(
        [*options, *words], prog_name="provisioner", standalone_mode=False, obj=invocation.configuration
    )
    return code if isinstance(code, int) else 0


def _document(step: FacilityStep) -> Document:
    return {
        "schema": "provisioner/facility-next",
        "version": 1,
        "facility": step.facility,
        "state": step.state,
        "next": step.sentence,
        "command": _named(step.command),
        "afterwards": _named(step.afterwards),
        "secrets_checked": not step.unchecked,
    }


def _named(command: Command) -> list[str]:
    """A command's words, as a program reads them; one that only a person knows stands in angle brackets."""
    return [f"<{word.name}>" if isinstance(word, Asked) else word for word in command]
