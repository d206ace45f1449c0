"""A click group that imports a command when it is run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import ClassVar

import click

from provisioner.cli.commands import CommandEntry


class LazyGroup(click.Group):
    """A group over its class's table of commands; listing and help need none of their modules."""

    table: ClassVar[Mapping[str, CommandEntry]]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the alphabet."""
        return sorted([*super().list_commands(ctx), *self.table])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        entry = self.table.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        command = getattr(import_module(entry.module), entry.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.{entry.attribute} is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (click's)
        """Write the table's own lines of help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.table[name].help) for name in sorted(self.table)])
