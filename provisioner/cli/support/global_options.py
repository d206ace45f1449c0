"""Options before or after the command: inventory, output, language, verbosity.

Both positions mean the same. An option given twice must have the same value: the program does not guess.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path

import click

from provisioner.base.files import top_of
from provisioner.base.git import without_programs_of
from provisioner.base.language import VARIABLE, Language, language_of
from provisioner.cli.support.attendance import attended, progress_of
from provisioner.cli.support.configuration import OUTPUT, Configuration, output_of
from provisioner.cli.support.context import Invocation
from provisioner.cli.support.terminal import PAGER_VARIABLE, ListedWord, ValidPath, is_paged, paged

_WITH_MARKDOWN = ("drift", "plan", "plan diff")
_INVENTORY, _OUTPUT, _LANGUAGE, _LOG = "inventory", "output", "language", "log"
_QUIET, _VERBOSE, _NO_PAGER = "quiet", "verbose", "no_pager"


def _keep(ctx: click.Context, param: click.Parameter, values: tuple[object, ...]) -> None:
    """Store values for the command that runs."""
    distinct = ctx.meta.setdefault(f"{__name__}.{param.name}", [])
    distinct += [value for value in values if value not in distinct]
    if len(distinct) > 1 and not ctx.resilient_parsing:
        named = " and ".join(map(str, distinct))
        raise click.UsageError(f"{param.opts[0]} is given twice, and says {named}: name one", ctx)


def _keep_flag(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Store a flag for the command that runs."""
    if value:
        ctx.meta[f"{__name__}.{param.name}"] = [True]


def _given(ctx: click.Context, name: str) -> object:
    return next(iter(ctx.meta.get(f"{__name__}.{name}", ())), None)


def inventory_of(ctx: click.Context) -> Path | None:
    """Return the folder in `-i` so far."""
    return _path(ctx, _INVENTORY)


def _path(ctx: click.Context, name: str) -> Path | None:
    path = _given(ctx, name)
    return path if isinstance(path, Path) else None


class _GlobalOption(click.Option):
    """An option that only the program's help lists."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        return None if ctx.parent else super().get_help_record(ctx)


def _flag(*names: str, meaning: str) -> click.Option:
    return _GlobalOption(list(names), is_flag=True, expose_value=False, callback=_keep_flag, help=meaning)


def _options() -> tuple[click.Option, ...]:
    return (
        _GlobalOption(
            ["-i", "--inventory"],
            type=ValidPath(path_type=Path),
            multiple=True,
            metavar="DIR",
            expose_value=False,
            callback=_keep,
            help="The inventory's folder. Default: PROVISIONER_INVENTORY.",
        ),
        _GlobalOption(
            ["--output"],
            type=ListedWord(["text", "json", "markdown"]),
            multiple=True,
            expose_value=False,
            callback=_keep,
            help="Text, one JSON document on standard output, or (plan, drift) one merge-request comment."
            f" Default: {OUTPUT}, else text.",
        ),
        _GlobalOption(
            ["--language"],
            type=ListedWord([language.value for language in Language]),
            multiple=True,
            expose_value=False,
            callback=_keep,
            help=f"English or Vietnamese text. Default: {VARIABLE}, else English.",
        ),
        _flag("-q", "--quiet", meaning="Print results, warnings and errors only: no progress, no remarks."),
        _flag(
            *("-v", "--verbose"),
            meaning="Print each stage and each host's answer on standard error; plan, drift: list every change.",
        ),
        _flag("--no-pager", meaning=f"Do not page long results at a terminal. {PAGER_VARIABLE} names another pager."),
        _GlobalOption(
            ["--log"],
            type=ValidPath(path_type=Path),
            multiple=True,
            metavar="FILE",
            expose_value=False,
            callback=_keep,
            help="Write a log of the steps with their times, without secrets and personal data.",
        ),
    )


def with_options_anywhere(command: click.Command) -> click.Command:
    """Add the global options to a command and its subcommands."""
    if any(param.callback is _keep for param in command.params):
        return command  # a module's command is one object, however often it is asked for
    command.params += _options()
    command.epilog = "Global options: see `provisioner --help`."
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_options_anywhere(below)
    if command.callback is not None and (not isinstance(command, click.Group) or command.invoke_without_command):
        command.callback = _with_invocation(command.callback)
    return command


def _with_invocation(callback: Callable[..., object]) -> Callable[..., object]:
    @wraps(callback)
    def run(*arguments: object, **options: object) -> object:
        ctx = click.get_current_context()
        if ctx.invoked_subcommand is not None:  # the command below is told whose inventory, and how to print
            return callback(*arguments, **options)
        invocation = _invocation_of(ctx)
        invocation.refuse_tracked_state()
        log = _path(ctx, _LOG)
        invocation.refuse_tracked_links(log)
        progress = progress_of(invocation, log, quiet=bool(_given(ctx, _QUIET)))
        ctx.obj = replace(invocation, progress=progress)
        wanted = is_paged(ctx.command_path.partition(" ")[2]) and not _given(ctx, _NO_PAGER)
        with paged(invocation.env, wanted=wanted and not invocation.json and not invocation.markdown):
            return attended(progress, ctx.command_path, lambda: callback(*arguments, **options))

    return run


def _invocation_of(ctx: click.Context) -> Invocation:
    output = _given(ctx, _OUTPUT)
    command = ctx.command_path.partition(" ")[2]
    if output == "markdown" and command not in _WITH_MARKDOWN:
        raise click.UsageError(f"{command} has no Markdown: only {', '.join(_WITH_MARKDOWN)} have", ctx)
    configuration: Configuration = ctx.find_root().obj
    if configuration.wrong:
        raise configuration.wrong
    env = configuration.environment
    option = _given(ctx, _LANGUAGE)
    language = language_of(str(option) if option else None, env)
    inventory = inventory_of(ctx)
    if named := inventory or (env.get("PROVISIONER_INVENTORY") and Path(env["PROVISIONER_INVENTORY"])):
        env = without_programs_of(env, top_of(named))
    as_json = (output or output_of(env)) == "json"
    invocation = Invocation(
        inventory,
        as_json,
        env,
        markdown=output == "markdown",
        language=language,
        configuration=configuration,
        verbose=bool(_given(ctx, _VERBOSE)),
    )
    if invocation.verbose and _given(ctx, _QUIET):
        raise click.UsageError("--quiet and --verbose exclude each other: name one", ctx)
    invocation.refuse_tracked_configuration()
    return invocation
