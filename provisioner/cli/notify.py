"""`provisioner notify`."""

from __future__ import annotations

import click

from provisioner.base.errors import NoticeError, UsageError
from provisioner.base.printable import printable
from provisioner.cli.context import Invocation
from provisioner.cli.output import print_document, print_warning
from provisioner.cli.session import session_of


@click.command()
@click.option("--test", "test", metavar="RECEIVER", help="Send one receiver a message that says that it is a test.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Show what would be sent to whom, and send nothing.")
@click.option("--receiver", "receivers", multiple=True, metavar="ID", help="Only these receivers. May be repeated.")
@click.pass_obj
def notify(invocation: Invocation, *, test: str | None, is_dry: bool, receivers: tuple[str, ...]) -> int:
    """Tell receivers what the last recorded verification found, as far as they were not told.

    `nightly` does that by itself; this is for what could not be delivered then. Who is told of what: receivers.yml,
    and the role of each receiver. Ends with 14 if a receiver was not told.

    Example: provisioner -i DIR notify --dry-run
    """
    if test is not None and (is_dry or receivers):
        raise UsageError("--test sends one receiver one message", hint="leave --dry-run and --receiver out")
    from provisioner.runs.nightly.night import notice_lines  # noqa: PLC0415
    from provisioner.runs.nightly.notices import (  # noqa: PLC0415
        Sending,
        last_verification,
        refuse_unknown,
        send_test,
        sight_of,
        switchboard,
        tell_all,
    )

    session = session_of(invocation)
    board, run = switchboard(session), ""
    for note in board.notes:
        print_warning(note, "", color=invocation.color)
    sendings: tuple[Sending, ...]
    if test is not None:
        sendings = (send_test(board, test),)
    else:
        refuse_unknown(board, receivers)
        run, document = last_verification(session)
        sendings = tell_all(board, sight_of(session, document, run), only=receivers, dry=is_dry)
    if invocation.json:
        listed = [sending.document | {"notice": sending.notice if is_dry else None} for sending in sendings]
        document = {"schema": "provisioner/notify", "version": 1, "run": run, "dry_run": is_dry}
        print_document(document | {"test": test is not None, "notices": listed})
    else:
        for line in notice_lines(sendings) or ("no receiver: write receivers.yml",):
            click.echo(printable(line))
        for sending in sendings if is_dry else ():
            if sending.outcome == "would-send" and sending.notice:
                click.echo(f"\n--- to {sending.receiver.id}: {printable(str(sending.notice['subject']))}")
                click.echo("\n".join(map(printable, str(sending.notice["text"]).splitlines())))
    for sending in sendings:
        if sending.is_bad:
            print_warning(f"receiver {sending.receiver.id} was not told: {sending.message}", sending.hint, color=False)
    return NoticeError.exit_code if any(sending.is_bad for sending in sendings) else 0
