"""The table of commands, and groups that import on use.

So `--help` is fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import ClassVar, NamedTuple

import click

from provisioner.base.processes import without_collector
from provisioner.base.text import did_you_mean
from provisioner.cli.support.global_options import with_options_anywhere

_COMMANDS: dict[str, tuple[str, str, str]] = {
    "agent": ("provisioner.cli.agent", "agent", "Follow a branch of a Git remote, and apply what is signed."),
    "allocate": ("provisioner.cli.validate", "allocate", "Record tunnel addresses and ports of what is new."),
    "apply": ("provisioner.cli.apply", "apply", "Bring hosts to what the inventory says, or back."),
    "approve": ("provisioner.cli.sign_off", "approve", "Approve a saved plan by a key of your own."),
    "availability": ("provisioner.cli.status", "availability", "Show for what share of a time pictures came."),
    "camera": ("provisioner.cli.camera", "camera", "Add, replace, move and remove cameras and recorders."),
    "certificate": ("provisioner.cli.certificate", "certificate", "Renew what relays show readers, or have it signed."),
    "config": ("provisioner.cli.config", "config", "Show what is set, and where."),
    "contacts": ("provisioner.cli.contacts", "contacts", "Check, list, find and erase contacts: personal data."),
    "drift": ("provisioner.cli.plan", "drift", "Tell whether hosts are as the inventory says."),
    "export": ("provisioner.cli.export", "export", "Count progress for the ministry; write its documents."),
    "facility": ("provisioner.cli.facility", "facility", "Register, plan, move, close facilities; say what is next."),
    "forge": ("provisioner.cli.forge", "forge", "Comment on merge requests, label them, set statuses."),
    "gateway": ("provisioner.cli.gateway", "gateway", "Note what technicians report of a site's gateway."),
    "geography": ("provisioner.cli.geography", "geography", "Look provinces up: the lists of 2021 and 2025."),
    "history": ("provisioner.cli.history", "history", "Show what was changed, by whom, and what became of it."),
    "hosts": ("provisioner.cli.hosts", "hosts", "Take hosts over, let them go, take them out of service."),
    "import": ("provisioner.cli.import_", "import_", "Read spreadsheets of provinces, checked cell by cell."),
    "init": ("provisioner.cli.init", "init", "Begin an inventory: its files, its vault, its repository."),
    "keys": ("provisioner.cli.keys", "keys", "Make the keys and secrets that hosts and the vault hold."),
    "man": ("provisioner.cli.man", "man", "Write the manual pages."),
    "metrics": ("provisioner.cli.monitoring", "metrics", "Tell Prometheus what the last verification found."),
    "monitoring": ("provisioner.cli.monitoring", "monitoring", "Write rules, routes and a dashboard for alerts."),
    "nightly": ("provisioner.cli.nightly", "nightly", "Verify, find drift, report, and tell whom it concerns."),
    "node": ("provisioner.cli.node", "node", "Call hosts from inside their carrier's network."),
    "notify": ("provisioner.cli.nightly", "notify", "Tell receivers what the last verification found."),
    "plan": ("provisioner.cli.plan", "plan", "Show what apply would change, and whom it would cut."),
    "policy": ("provisioner.cli.policy", "policy", "Test Rego rules that judge plans; show what they see."),
    "prove": ("provisioner.cli.prove", "prove", "Show who can reach what, and that statements hold."),
    "quarantine": ("provisioner.cli.quarantine", "quarantine", "List refused passwords, or have them tried again."),
    "readers": ("provisioner.cli.prove", "readers", "List where a reader has each path."),
    "render": ("provisioner.cli.render", "render", "Write every file as it should lie on each host."),
    "relay": ("provisioner.cli.relay", "relay", "Empty a relay onto another one; replace a dead one."),
    "report": ("provisioner.cli.export", "report", "Write pages for people who look and do not type."),
    "retention": ("provisioner.cli.history", "retention", "Show what the history keeps, and let old things leave."),
    "rollback": ("provisioner.cli.apply", "rollback", "Return hosts to the state before a run."),
    "schema": ("provisioner.cli.config", "schema", "Print JSON Schemas of the inventory's files, for editors."),
    "secrets": ("provisioner.cli.keys", "secrets", "Write logins of cameras and recorders into the vault."),
    "serve": ("provisioner.cli.serve", "serve", "Serve the pages where people look, read-only."),
    "sign-off": ("provisioner.cli.sign_off", "sign_off", "Record that a plan was agreed as it stands."),
    "site-package": ("provisioner.cli.render", "site_package", "Write what a site's gateway needs."),
    "status": ("provisioner.cli.status", "status", "Show where facilities stand, and against which deadline."),
    "validate": ("provisioner.cli.validate", "validate", "Check the inventory and list every problem."),
    "verify": ("provisioner.cli.verify", "verify", "Prove that every camera path is up."),
    "watch": ("provisioner.cli.verify", "watch", "Look again and again whether every path flows."),
}


class CommandEntry(NamedTuple):
    """A command's module, attribute of its click object, and help line."""

    module: str
    attribute: str
    help: str


COMMANDS = {name: CommandEntry(*row) for name, row in _COMMANDS.items()}


class UnknownCommandError(click.UsageError):
    """An unknown command; `hint` has similar ones, or is empty."""

    def __init__(self, name: str, known: Iterable[str], ctx: click.Context) -> None:
        super().__init__(f"No such command {name!r}.", ctx)
        self.hint = did_you_mean(name, known, "")


class NamedGroup(click.Group):
    """A group that suggests similar names for an unknown command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the named command, or raise `UnknownCommandError`."""
        if args and self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing and args[0][:1] != "-":
            raise UnknownCommandError(args[0], self.list_commands(ctx), ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(NamedGroup):
    """A group over its class's table; listing and help import no command."""

    table: ClassVar[Mapping[str, CommandEntry]]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, sorted."""
        return sorted([*super().list_commands(ctx), *self.table])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; it accepts the global options too."""
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
        """Write the table's help lines."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.table[name].help) for name in sorted(self.table)])
