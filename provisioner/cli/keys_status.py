"""`provisioner keys status`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from provisioner.base.printable import printable
from provisioner.cli.context import Invocation
from provisioner.cli.output import print_document
from provisioner.cli.session import session_of
from provisioner.inventory.operations.own_key import relay_named
from provisioner.pipeline.session import Session
from provisioner.report.key_ages import key_age_lines, key_ages_document
from provisioner.runs.rotation.record import known_ages


@click.command()
@click.option("--relay", default="", metavar="RELAY", help="Ask this relay who has moved to its next key.")
@click.pass_obj
def status(invocation: Invocation, relay: str) -> int:
    """Show how old the keys of the tunnels are, where they were born, and when the next ones are due.

    Of a gateway's and a relay's key counts the first commit that has its public half, of a pre-shared key the run that
    drew it; what nobody recorded is shown as not recorded. policy.key_days in inventory.yml says how old a key is to
    become (365 days). Asks no host and opens no vault, but with --relay: of a relay that changes its own key it shows
    who was seen with the next one, and who was not.

    Example: provisioner -i DIR keys status
    """
    session, now = session_of(invocation), datetime.now(UTC)
    if relay:
        return _of_relay(invocation, session, relay)
    ages, days = known_ages(session)
    if invocation.json:
        print_document(key_ages_document(ages, now, days))
        return 0
    for line in key_age_lines(ages, now, invocation.say):
        click.echo(printable(line))
    return 0


def _of_relay(invocation: Invocation, session: Session, relay: str) -> int:
    # What makes plans takes as long to import as all the rest.
    from provisioner.cli.own_key_text import look_document, own_key_lines  # noqa: PLC0415
    from provisioner.runs.rotation.own_key_look import look_at_own_key  # noqa: PLC0415

    relay_named(session.inventory, relay)
    look, _ = look_at_own_key(session, relay, allow={})
    if invocation.json:
        print_document({"schema": "provisioner/keys-status-relay", "version": 1, **look_document(look)})
        return 0
    for line in own_key_lines(look, invocation.say):
        click.echo(printable(line.strip()))
    return 0
