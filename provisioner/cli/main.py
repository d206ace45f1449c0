"""The program's entry: options, table of commands, output of failures."""

import errno
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Final, NoReturn

import click
from click.exceptions import NoArgsIsHelpError

from provisioner import __version__
from provisioner.base.errors import INTERRUPTED, ProvisionerError, ReportError, Severity, UsageError, worst_of
from provisioner.base.files import make_own_folder
from provisioner.base.language import ENGLISH, Translator, UnknownLanguageError, language_of, translator
from provisioner.base.text import did_you_mean, printable
from provisioner.cli.support.commands import COMMANDS, LazyGroup, UnknownCommandError, with_options_anywhere
from provisioner.cli.support.completion import INSTRUCTION, complete
from provisioner.cli.support.configuration import OUTPUT, SETTINGS, read_configuration
from provisioner.cli.support.context import error_document, hint_line, print_document, print_error, state_dir
from provisioner.cli.support.terminal import UnknownWordError, open_standard_streams, safe_streams
from provisioner.operations.apply import early_start

_CALLS: Final = frozenset({"apply", "drift", "nightly", "plan", "verify"})
# With one of these words a command calls no host, or need not.
_CALLS_NOBODY: Final = frozenset({"--against", "--help", "--offline", "-h", "diff", "fetch", "push"})


def begin(arguments: Sequence[str], env: Mapping[str, str]) -> None:
    """Start Ansible if the command calls hosts from here."""
    words = list(takewhile(lambda word: word != "--", arguments))
    command = next((word for word in words if word in COMMANDS), "")
    if command in _CALLS and not _CALLS_NOBODY & set(words) and not env.get(SETTINGS["nodes"].variable):
        early_start.begin(env)


_INTERNAL = 70
_LONGEST = 600  #: Longer than a person reads of an invalid command.
_REPORT_HINT = "this is a defect of provisioner: report it with that file, which names no inventory value"


class _Commands(LazyGroup):
    table = COMMANDS


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="provisioner", message="%(prog)s %(version)s")
def cli() -> None:
    """Turn an inventory of camera sites into verified video paths."""


with_options_anywhere(cli)
cli.epilog = "Help of one command: `provisioner COMMAND --help`."
cli.params.sort(key=lambda param: param.name == "version")  # the help lists these first


def main() -> NoReturn:
    """Run the program and exit with its code."""
    open_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Vietnamese letters is no reason to stop
    begin(sys.argv[1:], os.environ)
    try:
        sys.exit(run(sys.argv[1:], os.environ))
    finally:
        early_start.end()


def run(arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Run one command, print its failure, and return the exit code."""
    with safe_streams() as out:
        if instruction := env.get(INSTRUCTION):
            return complete(cli, instruction, read_configuration(env))
        code = _run_command(arguments, env)
        return worst_of(code, _report_lost_output(out.failure, arguments, env)) if out.failure else code


def _report_lost_output(failure: OSError, arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Report that output is lost, while the command's effects stay."""
    error = ReportError(
        f"standard output cannot be written: {os.strerror(failure.errno or errno.EIO)}",
        hint="what the command did stands; provisioner history has it where it was a run; make room, and ask again",
    )
    print_error(error, color=False, say=_translator_of(arguments, read_configuration(env).environment))
    return error.exit_code


def _run_command(arguments: Sequence[str], env: Mapping[str, str]) -> int:
    configuration = read_configuration(env)
    settled = configuration.environment
    as_json, say = _wants_json(arguments, settled), _translator_of(arguments, settled)
    color = False if env.get("NO_COLOR") else None
    try:
        code = cli.main(
            list(arguments),
            prog_name="provisioner",
            standalone_mode=False,
            color=color,
            obj=replace(configuration, language=say.language),
        )
    except ProvisionerError as error:
        print_error(error, as_json=as_json, color=color, say=say)
        return error.exit_code
    except click.ClickException as error:
        return _print_usage_error(error, say, as_json=as_json)
    except click.Abort:
        return INTERRUPTED
    except OSError as error:
        return _too_long(error, env, as_json=as_json)
    except Exception as error:  # noqa: BLE001 (the last door: nothing of ours is outside it)
        return _print_internal_error(error, env, as_json=as_json)
    return code if isinstance(code, int) else 0


def _wants_json(arguments: Sequence[str], env: Mapping[str, str]) -> bool:
    """Return whether wrong usage is answered in JSON, before click parses."""
    written = _option_values(arguments, "--output")
    return "json" in written or (not written and env.get(OUTPUT) == "json")


def _translator_of(arguments: Sequence[str], env: Mapping[str, str]) -> Translator:
    """Return the language before click parses; English if invalid."""
    try:
        return translator(language_of(next(iter(_option_values(arguments, "--language")), None), env))
    except UnknownLanguageError:
        return ENGLISH


def _option_values(arguments: Sequence[str], option: str) -> list[str]:
    options = list(takewhile(lambda argument: argument != "--", arguments))
    pairs = zip(options, [*options[1:], ""], strict=False)  # none where there is no argument
    values = (
        next_token if token == option else token.removeprefix(f"{option}=")
        for token, next_token in pairs
        if token.startswith(option)
    )
    return [value for value in values if value and not value.startswith("--")]


def _print_usage_error(error: click.ClickException, say: Translator, *, as_json: bool) -> int:
    message, hint = _words_of(error)
    if as_json:
        print_document(error_document("usage", message, hint))
    elif isinstance(error, NoArgsIsHelpError):
        click.echo(message, err=True)
    else:
        head, hint = say.word(Severity.ERROR), hint_line(hint, say)
        click.echo(f"{head}: {printable(say.restated(message), _LONGEST)}\n{hint}", err=True)
    return error.exit_code if error.exit_code > 1 else 2


def _words_of(error: click.ClickException) -> tuple[str, str]:
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    see = f"see {ctx.command_path if ctx else 'provisioner'} --help"
    if isinstance(error, click.NoSuchOption):
        options = [name for param in ctx.command.params for name in param.opts] if ctx else []
        return f"No such option: {error.option_name}", _joined(did_you_mean(error.option_name, options, ""), see)
    if isinstance(error, UnknownWordError | UnknownCommandError):
        return error.format_message(), _joined(error.hint, see)
    return error.format_message(), see


def _too_long(error: OSError, env: Mapping[str, str], *, as_json: bool) -> int:
    """Report a too long path; any other such error is a defect."""
    if error.errno != errno.ENAMETOOLONG:
        return _print_internal_error(error, env, as_json=as_json)
    hint = "look at the paths in the environment: PROVISIONER_…, XDG_… and ANSIBLE_VAULT_…"
    print_error(UsageError("a path is longer than any file's", hint=hint), as_json=as_json)
    return UsageError.exit_code


def _joined(question: str, see: str) -> str:
    return f"{question} {see}" if question else see


def _print_internal_error(error: Exception, env: Mapping[str, str], *, as_json: bool) -> int:
    log = _write_trace(error, env)
    message = f"internal error ({type(error).__name__}); the trace is in {log or 'no file: the state folder is closed'}"
    if as_json:
        print_document(error_document("internal", message, _REPORT_HINT))
    else:
        click.echo(f"error: {message}\nhint: {_REPORT_HINT}", err=True)
    return _INTERNAL


def _write_trace(error: Exception, env: Mapping[str, str]) -> Path | None:
    """Write the trace without exceptions' texts, which may quote a value."""
    lines = [f"provisioner {__version__}, Python {sys.version.split()[0]}\n"]
    raised: BaseException | None = error
    while raised is not None:
        lines += [*traceback.format_tb(raised.__traceback__), f"{type(raised).__qualname__}\n"]
        raised = raised.__cause__ or raised.__context__
    folder = state_dir(env) / "runs"
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}.log"
    try:
        make_own_folder(folder)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write("".join(lines))
    except OSError:
        return None
    return path
