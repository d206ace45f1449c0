"""A question to whoever called the program, before something is done that cannot be taken back."""

from __future__ import annotations

import sys

import click

from provisioner.base.errors import UsageError
from provisioner.cli.context import Invocation


def refuse_unattended(invocation: Invocation, what: str, *, hint: str = "add --yes") -> None:
    """See that a person is there to answer.

    Args:
        invocation: a program that reads a document is no person.
        what: what the question is about, e.g. `whether to go back`.
        hint: what to do instead.

    Raises:
        UsageError: nobody is there.
    """
    if invocation.json or not sys.stdin.isatty():
        raise UsageError(f"nobody is here to answer {what}", hint=hint)


def ask(question: str) -> None:
    """Ask, and end the command where the answer is no.

    Raises:
        click.Abort: it is.
    """
    if not click.confirm(question, err=True):
        raise click.Abort
