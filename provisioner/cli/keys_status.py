"""`provisioner keys status`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from provisioner.base.printable import printable
from provisioner.cli.context import Invocation
from provisioner.cli.output import print_document
from provisioner.cli.session import session_of
from provisioner.report.key_ages import key_age_lines, key_ages_document
from provisioner.runs.rotation.record import known_ages


@click.command()
@click.pass_obj
def status(invocation: Invocation) -> int:
    """Show how old the keys of the tunnels are, where they were born, and when the next ones are due.

    Of a gateway's and a relay's key counts the first commit that has its public half, of a pre-shared key the run that
    drew it; what nobody recorded is shown as not recorded. policy.key_days in inventory.yml says how old a key is to
    become (365 days). Asks no host and opens no vault.

    Example: provisioner -i DIR keys status
    """
    session, now = session_of(invocation), datetime.now(UTC)
    ages, days = known_ages(session)
    if invocation.json:
        print_document(key_ages_document(ages, now, days))
        return 0
    for line in key_age_lines(ages, now, invocation.say):
        click.echo(printable(line))
    return 0
