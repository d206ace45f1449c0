"""The recovery key's private half, as a person types it or standard input has it."""

from __future__ import annotations

import sys

import click

from provisioner.base.errors import UsageError
from provisioner.base.recovery_key import LINES, RecoveryPair, from_paper, line_from_paper, pair_of
from provisioner.cli.context import Invocation
from provisioner.cli.question import is_attended

_MOST_BYTES = 4096
_TRIES = 3


def recovery_pair(invocation: Invocation) -> RecoveryPair:
    """The pair whose private half is given: asked for line by line and not shown, or all of standard input.

    Raises:
        UsageError: it is none.
    """
    if is_attended(invocation):
        return pair_of(b"".join(_typed(number) for number in range(1, LINES + 1)))
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    if len(data) > _MOST_BYTES or not text.strip():
        hint = f"send it the {LINES} lines that keys recovery printed; they never stand among a command's words"
        raise UsageError("standard input has no recovery key", hint=hint)
    return from_paper(text)


def _typed(number: int) -> bytes:
    """One line, asked for again where it was mistyped."""
    for left in range(_TRIES - 1, -1, -1):
        text = click.prompt(f"Recovery key, line {number} of {LINES}", hide_input=True, err=True)
        try:
            return line_from_paper(number, text)
        except UsageError as error:
            if not left:
                raise
            click.echo(error.message, err=True)
    raise click.Abort
