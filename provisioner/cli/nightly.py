"""`provisioner nightly` and `provisioner notify`."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import click

from provisioner.base.document import Printed
from provisioner.base.errors import NoticeError, UsageError
from provisioner.base.processes import program_path, small_environment
from provisioner.base.text import printable
from provisioner.cli.plan_text import plan_lines
from provisioner.cli.support.attendance import FirstAnswerClock
from provisioner.cli.support.context import Invocation, echo_lines, now, print_document, print_warning, problem_lines
from provisioner.cli.support.options import deadline_option, fail_on_option, limit_option, picture_option
from provisioner.cli.support.session import refuse_unread_metrics, session_of
from provisioner.cli.support.terminal import ListedWord, ValidPath, outlive_readers, stdout_of
from provisioner.desired.limit import parse_limits
from provisioner.integrations.alerting.metric_catalogue import exposition
from provisioner.integrations.notify.formats import NoticeDocument
from provisioner.operations.nightly import notices as night_notices
from provisioner.operations.nightly.night import NightOptions, night_document, notice_lines, run_night
from provisioner.operations.pipeline.session import Session, expect_hosts
from provisioner.operations.pipeline.stages import Planned
from provisioner.operations.questions.metrics import metrics_of, write_metrics
from provisioner.report.night_units import NightUnits
from provisioner.report.verify_html import html_page
from provisioner.report.verify_text import text_report, verify_ending
from provisioner.verify.path_history import VerifyOptions
from provisioner.verify.picture_measures import Looks
from provisioner.verify.result import Verdict, VerifyResult

_PROGRAM = "provisioner"


class _Terminal:
    """Prints a night's steps as they end; with JSON only the document."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._say = invocation.say

    def verified(self, result: VerifyResult) -> None:
        if not self._invocation.json:
            click.echo(text_report(result, color=True, say=self._say), nl=False)

    def compared(self, planned: Planned) -> None:
        if not self._invocation.json:
            terminal = stdout_of(self._invocation.env)
            click.echo("\n" + self._say("DRIFT"))
            terminal.print(plan_lines(planned.plan, terminal, say=self._say))

    def notified(self, sendings: Sequence[night_notices.Sending]) -> None:
        if not self._invocation.json and sendings:
            click.echo("\n" + self._say("NOTICES"))
            echo_lines(map(printable, notice_lines(sendings)))


@click.command()
@limit_option
@click.option(
    "--report",
    type=ValidPath(file_okay=False),
    metavar="DIR",
    help="Write verify.html, verify.json, drift.json and nightly.json into DIR, in place of the last night's.",
)
@click.option(
    "--metrics",
    type=ValidPath(),
    metavar="FILE.prom",
    help="Write metrics for a node exporter at the end, like `metrics --out`.",
)
@click.option(
    "--publish",
    type=ValidPath(dir_okay=False),
    metavar="FILE",
    help="Sign and send a report to the ministry after the verification, like `report publish FILE`.",
)
@deadline_option("The time limit of the verification; paths not reached are unknown.")
@picture_option(Looks.DUE)
@fail_on_option("Paths count in the exit code only if they are this bad or worse.")
@click.option("--no-notify", "is_silent", is_flag=True, help="Notify no receiver.")
@click.option(
    "--print-units",
    "unit",
    type=ListedWord(["service", "timer"]),
    default=None,
    help="Print a systemd unit for this inventory's night, and exit.",
)
@click.option("--at", "time", default="01:30", show_default=True, metavar="HH:MM", help="The timer's time, in Vietnam.")
@click.option("--user", default=_PROGRAM, show_default=True, metavar="NAME", help="The service's user.")
def nightly(
    invocation: Invocation,
    limits: tuple[str, ...],
    report: Path | None,
    *,
    metrics: Path | None,
    publish: Path | None,
    deadline: int | None,
    picture: str,
    fail_on: str,
    is_silent: bool,
    unit: str | None,
    time: str,
    user: str,
) -> int:
    """Verify all paths, find drift, write reports, notify receivers.

    An inventory has one night at a time: a second one ends with 9 and names the owner of the first. Every step runs,
    whatever the result of the others. The exit code is the worst one: 13 the verification was not recorded, 5 a host
    was not read, 14 a receiver was not notified or a report was not sent, 15 a report or the metrics were not written,
    3 a facility is held, 10 drift, 1 a path is not up. The verification is recorded before all other steps.

    Example: provisioner -i DIR nightly --report /var/lib/provisioner/reports
    """
    invocation.refuse_tracked_links(report, metrics, publish)
    refuse_unread_metrics(metrics)
    session = session_of(invocation)
    if unit is not None:
        return _print_unit(session, unit, time, user, metrics=metrics, publish=publish)
    outlive_readers()
    expect_hosts(session, parse_limits(limits))
    say = invocation.say
    options = NightOptions(
        ending=verify_ending,
        page=partial(html_page, say=say),
        limits=limits,
        limit=parse_limits(limits),
        verification=VerifyOptions(
            deadline_s=deadline, looks=Looks(picture), say=invocation.progress.remark, onlooker=FirstAnswerClock()
        ),
        fail_on=Verdict(fail_on),
        report=report,
        tells=not is_silent,
        publish=_publishing(invocation, publish) if publish else None,
        metrics=_metrics_into(metrics, invocation.env) if metrics else None,
    )
    night = run_night(session, options, _Terminal(invocation))
    if invocation.json:
        print_document(night_document(night))
        return night.code
    for step in night.steps:
        echo_lines(problem_lines(getattr(step.error, "problems", ()), say), err=True)
    click.echo("\n" + say("THE NIGHT"))
    for line in night.ending or (say("all paths up, no drift"),):
        click.echo(printable(say.restated(line)))
    return night.code


def _print_unit(
    session: Session, unit: str, time: str, user: str, *, metrics: Path | None, publish: Path | None
) -> int:
    try:
        program = program_path(_PROGRAM, small_environment(session.environment))
    except FileNotFoundError:
        program = str(Path(sys.executable).with_name(_PROGRAM))
    try:
        units = NightUnits(
            session.inventory.settings.id,
            PurePosixPath(session.root.absolute()),
            PurePosixPath(Path(program).absolute()),
            user=user,
            time=time,
            metrics=PurePosixPath(metrics.absolute()) if metrics else None,
            publish=PurePosixPath(publish.absolute()) if publish else None,
        )
    except ValueError as error:
        raise UsageError(str(error), hint="correct the option, or call the inventory by another path") from None
    click.echo(units.service if unit == "service" else units.timer, nl=False)
    return 0


def _publishing(invocation: Invocation, file: Path) -> Callable[[], tuple[str, ...]]:
    """Return a night's publication, with settings read now."""
    # Only reports need these libraries.
    from provisioner.ministry.publish import publish as publish_report  # noqa: PLC0415
    from provisioner.ministry.transports import read_publish_settings  # noqa: PLC0415

    settings = read_publish_settings(file)

    def publish() -> tuple[str, ...]:
        published = publish_report(invocation.inventory, invocation.env, settings, now())
        return tuple(f"{result.message}; {result.hint}" for result in published.ways if result.message)

    return publish


def _metrics_into(file: Path, environment: Mapping[str, str]) -> Callable[[str], None]:
    def write(inventory: str) -> None:
        write_metrics(file, exposition(metrics_of(environment, inventory).sheet(now()).families()))

    return write


class TriedRow(night_notices.SendingRow):
    """A receiver, the outcome of its notice, and the notice."""

    notice: NoticeDocument | None  #: Only with --dry-run.


class NotifyDocument(Printed, name="notify", title="Notices"):
    """Output of `provisioner notify --output json`."""

    run: str  #: The recorded verification of the notice; empty for a test.
    dry_run: bool
    test: bool
    notices: tuple[TriedRow, ...]


@click.command()
@click.option("--test", "test", metavar="RECEIVER", help="Send a test message to one receiver.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Show the notices and their receivers without sending.")
@click.option("--receiver", "receivers", multiple=True, metavar="ID", help="Only these receivers. May be repeated.")
def notify(invocation: Invocation, *, test: str | None, is_dry: bool, receivers: tuple[str, ...]) -> int:
    """Send the last recorded verification to receivers that did not get it.

    `nightly` notifies by itself. Use this command for notices that could not be delivered. receivers.yml and each
    receiver's role decide the content of its notice. Exit code 14: a receiver was not notified.

    Example: provisioner -i DIR notify --dry-run
    """
    if test is not None and (is_dry or receivers):
        raise UsageError("--test sends one receiver one message", hint="leave --dry-run and --receiver out")
    session = session_of(invocation)
    board, run = night_notices.switchboard(session), ""
    for note in board.notes:
        print_warning(note, "")
    sendings: tuple[night_notices.Sending, ...]
    if test is not None:
        sendings = (night_notices.send_test(board, test),)
    else:
        night_notices.refuse_unknown(board, receivers)
        run, verification = night_notices.last_verification(session)
        sendings = night_notices.tell_all(
            board, night_notices.night_report_of(session, verification, run), only=receivers, dry=is_dry
        )
    if invocation.json:
        listed = [TriedRow(**sending.row.plain, notice=sending.notice if is_dry else None) for sending in sendings]
        print_document(NotifyDocument(run=run, dry_run=is_dry, test=test is not None, notices=listed).plain)
    else:
        echo_lines(map(printable, notice_lines(sendings) or ("no receiver: write receivers.yml",)))
        for sending in sendings if is_dry else ():
            if sending.outcome == "would-send" and sending.notice:
                click.echo(f"\n--- to {sending.receiver.id}: {printable(sending.notice.subject)}")
                click.echo("\n".join(map(printable, sending.notice.text.splitlines())))
    for sending in sendings:
        if sending.is_bad:
            print_warning(sending.failure, sending.hint)
    return NoticeError.exit_code if any(sending.is_bad for sending in sendings) else 0
