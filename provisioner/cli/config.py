"""`provisioner config`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from provisioner.base.language import Translator
from provisioner.cli.configuration import SETTINGS, VARIABLE, Configuration, file_of
from provisioner.cli.context import Invocation
from provisioner.cli.output import print_document
from provisioner.cli.terminal import stdout_of

_HIDDEN = "a database (its URL is not shown)"


@click.command()
@click.pass_obj
def config(invocation: Invocation) -> int:
    """Show what is set, and where: in the environment, or in your configuration file.

    The file is ~/.config/provisioner/config.toml, or the one that PROVISIONER_CONFIG names. An option of a
    command counts before the environment, and that before the file.

    Example: provisioner config
    """
    chosen, file = invocation.configuration, file_of(invocation.configuration.caller)
    rows = list(_rows(chosen))
    if invocation.json:
        document = {"schema": "provisioner/config", "version": 1, "file": str(file) if file else None}
        settings = [dict(zip(("setting", "value", "from"), row, strict=True)) for row in rows]
        print_document(document | {"exists": chosen.file is not None, "settings": settings})
        return 0
    say, terminal = invocation.say, stdout_of(invocation.env, color=invocation.color)
    terminal.print([_head(say, file, exists=chosen.file is not None)])
    width = max(map(len, SETTINGS))
    for name, value, source in rows:
        terminal.print([f"  {name:{width}}  {value}  ({source})" if value else f"  {name:{width}}  -"])
    return 0


def _head(say: Translator, file: Path | None, *, exists: bool) -> str:
    if file is None:
        return say("no configuration file: {variable} is empty, or there is no HOME", variable=VARIABLE)
    return say("file: {file}", file=file) if exists else say("file: {file}, which is not there", file=file)


def _rows(chosen: Configuration) -> Iterator[tuple[str, str, str]]:
    """Each setting, its value, and where that comes from."""
    for name, setting in SETTINGS.items():
        value = chosen.environment.get(setting.variable, "")
        yield name, _HIDDEN if "://" in value else value, chosen.source(setting.variable)
