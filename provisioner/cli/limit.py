"""The option `--limit`."""

from __future__ import annotations

import click

from provisioner.cli.completion import limits_like

_EVERYWHERE = "Only these: carrier, province, facility or host. May be repeated."

limit_option = click.option(
    "--limit", "limits", multiple=True, metavar="KIND=NAME", shell_complete=limits_like, help=_EVERYWHERE
)
hosts_limit_option = click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="KIND=NAME",
    shell_complete=limits_like,
    help="Only these hosts: carrier, host, …",
)
