"""A command's inventory, environment and output, and its questions to the caller.

After the first Ctrl-C, SIGTERM or SIGHUP no further host starts to change; after the second the command ends.
"""

import contextlib
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from provisioner.base.errors import Problem, ProvisionerError, Severity, StateError, UsageError
from provisioner.base.files import is_tracked_path, refuse_tracked_link
from provisioner.base.language import ENGLISH, Language, Translator, translator
from provisioner.base.text import VIETNAM, Document, indented_parts, local_time, printable
from provisioner.cli.support.configuration import Configuration
from provisioner.cli.support.onlookers import Progress, ProgressForm
from provisioner.record.state_folder import VARIABLE, state_folder

if TYPE_CHECKING:
    from provisioner.base.document import Printed


@dataclass(frozen=True)
class Invocation:
    """One call of the program."""

    chosen: Path | None  #: The folder in `-i`, or `None`.
    json: bool
    env: Mapping[str, str] = field(repr=False)
    markdown: bool = False  #: Whether to print a Markdown comment, for commands that have one.
    language: Language = Language.EN
    chose_language: bool = False  #: Whether somebody chose it.
    configuration: Configuration = field(default_factory=Configuration, repr=False)
    verbose: bool = False
    progress: Progress = field(
        default_factory=lambda: Progress(ENGLISH, ProgressForm.NOTHING), repr=False, compare=False
    )

    @property
    def say(self) -> Translator:
        """The language's translator."""
        return translator(self.language)

    @property
    def inventory(self) -> Path:
        """The inventory's folder; `UsageError` if none is named."""
        if (named := self.named_inventory) is None:
            hint = "name its folder: -i DIR, before or after the command, or PROVISIONER_INVENTORY in the environment"
            raise UsageError("no inventory is named", hint=hint)
        return named

    @property
    def named_inventory(self) -> Path | None:
        """The inventory's folder; `None` if none is named."""
        variable = self.env.get("PROVISIONER_INVENTORY")
        return self.chosen or (Path(variable) if variable else None)

    def refuse_tracked_links(self, *paths: Path | None, here: bool = False) -> None:
        """Refuse a person's paths over links of the inventory's checkout.

        Others may choose such a link's target. `-` is no path. `here` counts the present folder's checkout if no
        inventory is named.
        """
        for path in paths:
            if path is not None and str(path) != "-" and (self.named_inventory or here):
                refuse_tracked_link(path, self.named_inventory or Path())

    @staticmethod
    def refuse_inside(folder: Path | None) -> None:
        """Refuse an output inside any inventory, or raise `UsageError`."""
        above = (folder.resolve(), *folder.resolve().parents) if folder is not None else ()
        for inventory in above:
            if os.access(inventory / "inventory.yml", os.F_OK):
                message = f"{folder} is inside the inventory {inventory}, which its files would make invalid"
                raise UsageError(message, hint="name a folder outside of it")

    def refuse_tracked_state(self) -> None:
        """Raise `StateError` for a state folder in Git, which may be forged."""
        if not self.named_inventory or "://" in self.env.get(VARIABLE, ""):
            return
        if is_tracked_path(folder := state_folder(self.env), self.inventory):
            hint = f"name a folder in {VARIABLE} that Git does not have, and take this one out of Git"
            raise StateError(f"{folder} is a part of the inventory's checkout: its history may be made up", hint=hint)

    def refuse_tracked_configuration(self) -> None:
        """Raise `UsageError` for a configuration file in Git: others propose it."""
        file = self.configuration.file
        if file is not None and self.named_inventory and is_tracked_path(file, self.inventory):
            message = (
                f"{file} is a part of the inventory's checkout: whoever proposes a change would choose what it says"
            )
            raise UsageError(message, hint="keep the file outside of the checkout, and take this one out of Git")


def now() -> datetime:
    """Return the time in Vietnam."""
    return datetime.now(VIETNAM)


def today() -> date:
    """Return the day in Vietnam."""
    return now().date()


def state_dir(env: Mapping[str, str]) -> Path:
    """Return the program's state folder, also if PROVISIONER_STATE is a database URL."""
    return state_folder(env)


_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
_WORDS = re.compile(r"[^ -~\n]+")  #: Characters to escape in JSON; others stay.


def print_document(document: Mapping[str, object]) -> None:
    """Print a JSON document; characters unsafe for terminals are escaped."""
    for part in indented_parts(document):
        click.echo(_WORDS.sub(_json_escaped, part), nl=False)
    click.echo()


def show(invocation: Invocation, document: "Printed", lines: Iterable[str]) -> None:
    """Print a result as a document, or as lines without colour."""
    if invocation.json:
        print_document(document.plain)
    else:
        echo_lines(printable(invocation.say.restated(line)) for line in lines)


def spoken() -> Translator:
    """Return the language of the running command."""
    ctx = click.get_current_context(silent=True)
    configuration = ctx.find_root().obj if ctx else None
    return translator(getattr(configuration, "language", Language.EN))


def said(text: str) -> str:
    """Return a finished sentence in the language of the running command."""
    return spoken().restated(text)


def echo_lines(lines: Iterable[str], *, err: bool = False) -> None:
    """Print lines, on standard error with `err`."""
    for line in lines:
        click.echo(line, err=err)


def log(line: str) -> None:
    """Print a service's line with the time on standard error."""
    click.echo(f"{local_time(now())}  {printable(line)}", err=True)


def _json_escaped(found: re.Match[str]) -> str:
    return (
        found[0]
        if found[0].isprintable()
        else "".join(c if c.isprintable() else (json.dumps(c)[1:-1] if c != "\x7f" else r"\u007f") for c in found[0])
    )


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


def print_error(
    error: ProvisionerError,
    margin: str = "",
    *,
    as_json: bool = False,
    color: bool | None = None,
    say: Translator | None = None,
) -> None:
    """Print an error's problems, its sentence and the next step."""
    say, problems = say or spoken(), getattr(error, "problems", ())
    if as_json:
        print_document(error_document(error.code, error.message, error.hint, error.object, problems))
        return
    for line in (*problem_lines(problems, say), *_lines_of(Severity.ERROR, error.message, error.hint, say, margin)):
        click.echo(line, err=True, color=color)


def print_warning(message: str, hint: str) -> None:
    """Print a warning on standard error, although the command succeeded."""
    echo_lines(_lines_of(Severity.WARNING, message, hint, spoken(), "  "), err=True)


def _lines_of(severity: Severity, message: str, hint: str, say: Translator, margin: str) -> Iterable[str]:
    head = click.style(f"{say.word(severity)}:", fg=_COLOURS[severity], bold=True)
    yield f"{head} {printable(say.restated(message))}"
    if hint:
        yield f"{margin}{hint_line(hint, say)}"


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


_MOST_PIPED = 4096


class Stop:
    """Whether somebody asked to stop, as a call."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        """Return whether somebody asked to stop."""
        return self.asked


@contextlib.contextmanager
def stoppable() -> Iterator[Stop]:
    """Turn a first signal into a stop; hosts then roll back themselves."""
    stop = Stop()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        line = said(
            "interrupted: no further host is started, those on their way are brought to their end; "
            "once more leaves at once, and they return to last-good by themselves"
        )
        click.echo(line, err=True)

    with _signals_to(on_signal):
        yield stop


@contextlib.contextmanager
def ended_by_signal() -> Iterator[threading.Event]:
    """Yield an event set by a first signal; a second ends."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    with _signals_to(on_signal):
        yield stop


@contextlib.contextmanager
def _signals_to(on_signal: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def is_attended(invocation: Invocation) -> bool:
    """Return whether a person can answer."""
    return not invocation.json and sys.stdin.isatty()


def refuse_unattended(invocation: Invocation, decision: str, *, hint: str = "add --yes") -> None:
    """Raise `UsageError` for a question without a person; `decision` names it."""
    if not is_attended(invocation):
        raise UsageError(f"nobody is here to answer {decision}", hint=hint)


def refuse_missing(invocation: Invocation, what: str, options: Sequence[str]) -> None:
    """Raise `UsageError` for missing options of `what` without a person."""
    if options and not is_attended(invocation):
        named = ", ".join(options)
        raise UsageError(f"{what} needs {named}", hint=f"add {named}; in a terminal it is asked for")


def answer(
    invocation: Invocation,
    option: str,
    question: str,
    *,
    subject: str,
    kind: click.ParamType[str] = click.STRING,
    default: str | None = None,
) -> str:
    """Ask for an option that `subject` lacks, or raise `UsageError`."""
    refuse_missing(invocation, subject, (option,))
    return str(click.prompt(said(question), type=kind, default=default, err=True))


def make_sure(invocation: Invocation, question: str, decision: str, *, yes: bool) -> None:
    """Ask before an action, unless `yes`.

    Raises `UsageError` without a person, `click.Abort` after a no.
    """
    if not yes:
        refuse_unattended(invocation, decision)
        ask(question)


def tell_before(invocation: Invocation, lines: Iterable[str], *, asks: bool, dry_run: bool) -> None:
    """Print lines before an action, unless the output is JSON.

    `asks` tells that a person decides on them, else they are remarks. With `dry_run` they are the result.
    """
    for line in () if invocation.json else lines:
        if asks or dry_run:
            click.echo(printable(said(line)), err=not dry_run)
        else:
            invocation.progress.remark(line)


def piped_text(encoding: str = "utf-8") -> str:
    """Return standard input's text; empty if too long or not decodable."""
    data = sys.stdin.buffer.read(_MOST_PIPED + 1)
    try:
        return data.decode(encoding) if len(data) <= _MOST_PIPED else ""
    except UnicodeDecodeError:
        return ""


def ask(question: str) -> None:
    """Ask, and raise `click.Abort` on no."""
    if not click.confirm(said(question), err=True):
        raise click.Abort
