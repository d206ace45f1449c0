"""`provisioner verify`."""

from typing import TYPE_CHECKING, Unpack

import click

from provisioner.base.errors import UsageError
from provisioner.base.processes import without_collector
from provisioner.base.text import msg, printable
from provisioner.cli.support.context import Invocation
from provisioner.cli.support.options import LEVELS, deadline_option, fail_on_option, limit_option, picture_option
from provisioner.cli.support.session import session_of
from provisioner.cli.support.terminal import ValidPath
from provisioner.desired.limit import parse_limits
from provisioner.operations.pipeline.session import expect_hosts
from provisioner.verify.picture_measures import Looks
from provisioner.verify.rotation import Share, share_of

if TYPE_CHECKING:
    from provisioner.cli.verify_run import VerifyChoices


class Sampled(click.ParamType["Share"]):
    """A share or number of cameras."""

    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Share:
        """Parse `10%`, `0.1` or `500`."""
        try:
            return share_of(str(value))
        except ValueError as error:
            self.fail(f"{printable(str(value), 80)!r}: {error}", param, ctx)


@click.command()
@limit_option
@click.option("--html", type=ValidPath(), metavar="FILE", help="Write the report as one HTML page too.")
@click.option("--junit", type=ValidPath(), metavar="FILE", help="Write the report as JUnit XML too, one case a path.")
@click.option("--markdown", type=ValidPath(), metavar="FILE", help="Write the report as a Markdown comment too.")
@click.option("--details", "detail", is_flag=True, help="List every path, not only incidents.")
@fail_on_option("Exit with code 1 only if a path is this bad or worse.")
@click.option("--level", type=click.IntRange(1, LEVELS), metavar="N", help="The highest level to check; 7 is all.")
@click.option(
    "--sample", type=Sampled(), metavar="SHARE", help="Check a sample of the cameras: a share (10%) or a number (500)."
)
@deadline_option("The time limit; paths not reached are unknown.")
@picture_option(Looks.QUICK)
@click.option("--confirm", is_flag=True, help="Check new failures again after a minute: down if they fail twice.")
@click.option("--once", is_flag=True, help="Decide from one look: down at the first failure, no flapping.")
@click.option("--onvif-again", is_flag=True, help="Retry logins that devices refused by ONVIF.")
@click.option("--accept", is_flag=True, help="Make the present pictures references; needs --limit.")
@click.option("--renew", is_flag=True, help="With --accept: delete the former references.")
def verify(invocation: Invocation, /, limits: tuple[str, ...], **chosen: "Unpack[VerifyChoices]") -> int:
    """Prove that every camera path is up.

    The command visits each relay and each monitoring centre once, in parallel. It checks tunnels, camera ports, the
    relay's input, and a decoded key frame of every stream: at the centre, or on the relay if no centre reads the
    stream. It checks the picture's content too. If a centre finds a problem, the relay reads as well, to locate the
    cause. Unchecked paths are unknown, never up.

    Exit code 0: every path is up; 1: a path is not. Paths in a maintenance window and paths outside --sample or --level
    do not count. A path that fails for the first time is unknown, with its cause, until a check a minute later fails
    too: the next run's, or this run's own with --confirm. The result is recorded and updates facilities (`provisioner
    status`); a warning says if it cannot be recorded.

    --accept makes the view of every chosen camera that is up its reference (measures, no picture). Later checks then
    detect a camera that was moved, covered, blurred or swapped. Run it by day and by night.

    Example: provisioner -i DIR verify --limit province=bac-giang --html report.html
    """
    invocation.refuse_tracked_links(chosen["html"], chosen["junit"], chosen["markdown"])
    _refuse_blind(limits, accept=chosen["accept"], renew=chosen["renew"])
    if chosen["once"] and chosen["confirm"]:
        raise UsageError(msg("--once decides from one look, --confirm from two"), hint=msg("leave one of them out"))
    session = session_of(invocation)
    expect_hosts(session, parse_limits(limits))
    # Only now: while what carries calls to hosts starts beside us, there is time for this import.
    with without_collector():
        from provisioner.cli.verify_run import verify_and_record  # noqa: PLC0415

    return verify_and_record(invocation, session, limits, chosen)


def _refuse_blind(limits: tuple[str, ...], *, accept: bool, renew: bool) -> None:
    """Refuse acceptance that no person can give, or raise `UsageError`."""
    if renew and not accept:
        raise UsageError("--renew says how to accept", hint="write --accept --renew")
    if accept and not limits:
        hint = "choose the cameras whose pictures you have looked at: --limit facility=ID"
        raise UsageError("--accept without --limit would accept every picture there is", hint=hint)
