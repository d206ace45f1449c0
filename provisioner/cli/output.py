"""Problems and errors as people and as programs read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import click

from provisioner.base.diagnostics import Problem, Severity
from provisioner.base.errors import ProvisionerError
from provisioner.base.json_document import Document

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def print_document(document: Mapping[str, object]) -> None:
    """Print one JSON document on standard output."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def problem_lines(problems: Iterable[Problem]) -> Iterable[str]:
    """Each problem as `error: file:line:column: message` and its hint below."""
    for problem in problems:
        severity = click.style(f"{problem.severity.value}:", fg=_COLOURS[problem.severity], bold=True)
        yield f"{severity} {problem.place}: {problem.message}" if problem.file else f"{severity} {problem.message}"
        if problem.hint:
            yield f"  hint: {problem.hint}"


def problem_document(problem: Problem) -> Document:
    """A problem as it stands in the documents of `validate` and of errors."""
    return {
        "severity": problem.severity.value,
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "object": problem.object,
    }


def print_error(error: ProvisionerError, *, as_json: bool, color: bool | None) -> None:
    """Print an expected error: its problems if it has some, one sentence, and what to do next."""
    problems: tuple[Problem, ...] = getattr(error, "problems", ())
    if as_json:
        print_document(error_document(error.code, error.message, error.hint, error.object, problems))
        return
    for line in problem_lines(problems):
        click.echo(line, err=True, color=color)
    click.echo(click.style("error:", fg="red", bold=True) + f" {error.message}", err=True, color=color)
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True, color=color)


def print_warning(message: str, hint: str, *, color: bool | None) -> None:
    """Print on standard error what a person should know although the command did what it was asked."""
    click.echo(click.style("warning:", fg="yellow", bold=True) + f" {message}", err=True, color=color)
    if hint:
        click.echo(f"  hint: {hint}", err=True, color=color)


def error_document(
    code: str,
    message: str,
    hint: str,
    object: str = "",  # noqa: A002 (the document's own word)
    problems: Iterable[Problem] = (),
) -> Document:
    """The error document; `problems` is there only where there are some."""
    document: Document = {
        "schema": "provisioner/error",
        "version": 1,
        "code": code,
        "message": message,
        "hint": hint,
        "object": object,
    }
    listed = [problem_document(problem) for problem in problems]
    return document | ({"problems": listed} if listed else {})


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 error`, `2 facilities`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeou" else f"{number} {noun}s"
