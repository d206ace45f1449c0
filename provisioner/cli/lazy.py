"""Click groups: one that asks what was meant, and one that imports a command when it is run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import ClassVar

import click

from provisioner.base.collector import without_collector
from provisioner.base.nearest import did_you_mean
from provisioner.cli.anywhere import with_options_anywhere
from provisioner.cli.commands import CommandEntry


class UnknownCommandError(click.UsageError):
    """A command that is not there.

    Attributes:
        hint: what may have been meant; empty where nothing is like it.
    """

    def __init__(self, name: str, known: Iterable[str], ctx: click.Context) -> None:
        super().__init__(f"No such command {name!r}.", ctx)
        self.hint = did_you_mean(name, known, "")


class NamedGroup(click.Group):
    """A group that asks what was meant by a command that it has not."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named.

        Raises:
            UnknownCommandError: it is not there.
        """
        if args and self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing and args[0][:1] != "-":
            raise UnknownCommandError(args[0], self.list_commands(ctx), ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(NamedGroup):
    """A group over its class's table of commands; listing and help need none of their modules."""

    table: ClassVar[Mapping[str, CommandEntry]]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the alphabet."""
        return sorted([*super().list_commands(ctx), *self.table])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; what it gets stands before or after its name."""
        entry = self.table.get(cmd_name)
        if entry is None:
            command = super().get_command(ctx, cmd_name)
            return with_options_anywhere(command) if command else None
        with without_collector():
            command = getattr(import_module(entry.module), entry.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.{entry.attribute} is not a click command")
        return with_options_anywhere(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (click's)
        """Write the table's own lines of help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.table[name].help) for name in sorted(self.table)])
