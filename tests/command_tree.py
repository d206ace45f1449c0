"""Every command of the program, by the words that call it."""

from functools import cache

import click

from provisioner.cli.main import cli
from provisioner.cli.support.commands import COMMANDS


@cache
def every_command() -> dict[str, click.Command]:
    """Groups as well as what is in them, e.g. `keys` and `keys init`."""
    top = click.Context(cli, info_name="provisioner", **cli.context_settings)
    every: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = cli.get_command(top, name)
        assert command is not None
        every[name] = command
        if isinstance(command, click.Group):
            every |= {f"{name} {below}": leaf for below, leaf in command.commands.items()}
    return every
