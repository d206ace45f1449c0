"""The options that stand before the command or after it: whose inventory, which form and language the result has.

Both places mean the same. Who writes one twice has to write the same twice: of two inventories none is guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path

import click

from provisioner.base.language import VARIABLE, Language, language_of
from provisioner.cli.configuration import OUTPUT, Configuration, output_of
from provisioner.cli.context import Invocation
from provisioner.cli.word import ListedWord, Place

_WITH_MARKDOWN = ("drift", "plan")
_INVENTORY, _OUTPUT, _LANGUAGE = "inventory", "output", "language"


def _keep(ctx: click.Context, param: click.Parameter, values: tuple[object, ...]) -> None:
    """Keep what was given, for whichever command is run in the end."""
    given = ctx.meta.setdefault(f"{__name__}.{param.name}", [])
    given += [value for value in values if value not in given]
    if len(given) > 1 and not ctx.resilient_parsing:
        named = " and ".join(map(str, given))
        raise click.UsageError(f"{param.opts[0]} is given twice, and says {named}: name one", ctx)


def _given(ctx: click.Context, name: str) -> object:
    return next(iter(ctx.meta.get(f"{__name__}.{name}", ())), None)


def inventory_of(ctx: click.Context) -> Path | None:
    """The folder that `-i` names so far."""
    folder = _given(ctx, _INVENTORY)
    return folder if isinstance(folder, Path) else None


def _options() -> tuple[click.Option, ...]:
    return (
        click.Option(
            ["-i", "--inventory"],
            type=Place(path_type=Path),
            multiple=True,
            metavar="DIR",
            expose_value=False,
            callback=_keep,
            help="The inventory's folder; PROVISIONER_INVENTORY otherwise.",
        ),
        click.Option(
            ["--output"],
            type=ListedWord(["text", "json", "markdown"]),
            multiple=True,
            expose_value=False,
            callback=_keep,
            help="Text for people, one JSON document on standard output, or (plan, drift) one"
            f" merge-request comment; {OUTPUT} otherwise, else text.",
        ),
        click.Option(
            ["--language"],
            type=ListedWord([language.value for language in Language]),
            multiple=True,
            expose_value=False,
            callback=_keep,
            help=f"Of texts for people: English or Vietnamese; {VARIABLE} otherwise, else English.",
        ),
    )


def with_options_anywhere(command: click.Command) -> click.Command:
    """A command that takes these options itself, and so do those below it; what it gets is their `Invocation`."""
    if any(param.callback is _keep for param in command.params):
        return command  # a module's command is one object, however often it is asked for
    command.params += _options()
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_options_anywhere(below)
    elif command.callback is not None:
        command.callback = _invoked(command.callback)
    return command


def _invoked(callback: Callable[..., object]) -> Callable[..., object]:
    @wraps(callback)
    def run(*arguments: object, **options: object) -> object:
        ctx = click.get_current_context()
        ctx.obj = _invocation(ctx)
        ctx.obj.refuse_proposed_state()
        return callback(*arguments, **options)

    return run


def _invocation(ctx: click.Context) -> Invocation:
    output = _given(ctx, _OUTPUT)
    if output == "markdown" and ctx.command.name not in _WITH_MARKDOWN:
        raise click.UsageError(f"{ctx.command.name} has no Markdown: only {' and '.join(_WITH_MARKDOWN)} have", ctx)
    configuration: Configuration = ctx.find_root().obj
    if configuration.wrong:
        raise configuration.wrong
    env = configuration.environment
    option = _given(ctx, _LANGUAGE)
    language = language_of(str(option) if option else None, env)
    as_json = (output or output_of(env)) == "json"
    invocation = Invocation(
        inventory_of(ctx),
        as_json,
        env,
        markdown=output == "markdown",
        language=language,
        configuration=configuration,
    )
    invocation.refuse_proposed_configuration()
    return invocation
