"""Problems and errors for people and programs, each in one line."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import click

from provisioner.base.errors import Problem, ProvisionerError, Severity
from provisioner.base.language import ENGLISH, Language, Translator, translator
from provisioner.base.text import Document, indented_parts, local_time, printable
from provisioner.cli.support.context import now

if TYPE_CHECKING:
    from provisioner.base.document import Printed
    from provisioner.cli.support.context import Invocation

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


_WORDS = re.compile(r"[^ -~\n]+")  #: Characters to escape in JSON; others stay.


def print_document(document: Mapping[str, object]) -> None:
    """Print a JSON document; characters unsafe for terminals are escaped."""
    for part in indented_parts(document):
        click.echo(_WORDS.sub(_json_escaped, part), nl=False)
    click.echo()


def show(invocation: "Invocation", document: "Printed", lines: Iterable[str]) -> None:
    """Print a result as a document, or as lines without colour."""
    if invocation.json:
        print_document(document.plain)
    else:
        echo_lines(printable(invocation.say.restated(line)) for line in lines)


def said(text: str) -> str:
    """Return a finished sentence in the language of the running command."""
    ctx = click.get_current_context(silent=True)
    configuration = ctx.find_root().obj if ctx else None
    return translator(getattr(configuration, "language", Language.EN)).restated(text)


def echo_lines(lines: Iterable[str], *, err: bool = False, color: bool | None = None) -> None:
    """Print lines, on standard error with `err`."""
    for line in lines:
        click.echo(line, err=err, color=color)


def log(line: str) -> None:
    """Print a service's line with the time on standard error."""
    click.echo(f"{local_time(now())}  {printable(line)}", err=True)


def _json_escaped(found: re.Match[str]) -> str:
    return (
        found[0]
        if found[0].isprintable()
        else "".join(c if c.isprintable() else _escaped_character(c) for c in found[0])
    )


def _escaped_character(character: str) -> str:
    return json.dumps(character)[1:-1] if character != "\x7f" else r"\u007f"


def problem_lines(problems: Iterable[Problem], say: Translator = ENGLISH) -> Iterable[str]:
    """Yield `error: file:line:column: message` and the hint of each problem."""
    for problem in problems:
        severity = click.style(f"{say.word(problem.severity)}:", fg=_COLOURS[problem.severity], bold=True)
        position = f"{problem.position}: " if problem.file else ""
        yield f"{severity} {printable(position + say.restated(problem.message))}"
        if problem.hint:
            yield f"  {hint_line(problem.hint, say)}"


def hint_line(hint: str, say: Translator = ENGLISH) -> str:
    """Return the next step."""
    return f"{say('hint')}: {printable(say.restated(hint))}"


def print_error(error: ProvisionerError, *, as_json: bool, color: bool | None, say: Translator = ENGLISH) -> None:
    """Print an expected error with problems and next step."""
    problems: tuple[Problem, ...] = getattr(error, "problems", ())
    if as_json:
        print_document(error_document(error.code, error.message, error.hint, error.object, problems))
        return
    for line in problem_lines(problems, say):
        click.echo(line, err=True, color=color)
    print_error_line(error, color=color, say=say)


def print_error_line(
    error: ProvisionerError, *, color: bool | None, margin: str = "", say: Translator = ENGLISH
) -> None:
    """Print an error's sentence on standard error, and its indented hint."""
    head = click.style(f"{say.word(Severity.ERROR)}:", fg="red", bold=True)
    click.echo(f"{head} {printable(say.restated(error.message))}", err=True, color=color)
    if error.hint:
        click.echo(f"{margin}{hint_line(error.hint, say)}", err=True, color=color)


def print_warning(message: str, hint: str, *, color: bool | None, say: Translator = ENGLISH) -> None:
    """Print a warning on standard error, although the command succeeded."""
    head = click.style(f"{say.word(Severity.WARNING)}:", fg="yellow", bold=True)
    click.echo(f"{head} {printable(say.restated(message))}", err=True, color=color)
    if hint:
        click.echo(f"  {hint_line(hint, say)}", err=True, color=color)


def error_document(
    code: str,
    message: str,
    hint: str,
    object: str = "",  # noqa: A002 (the document's own word)
    problems: Iterable[Problem] = (),
) -> Document:
    """Return the error document, with problems if any."""
    from provisioner.base.document import ErrorDocument  # noqa: PLC0415 (wrong usage needs no models)

    listed = tuple(problems) or None
    return ErrorDocument(code=code, message=message, hint=hint, object=object, problems=listed).plain
