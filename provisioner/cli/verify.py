"""`provisioner verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.base.collector import without_collector
from provisioner.base.errors import UsageError
from provisioner.base.printable import printable
from provisioner.cli.context import Invocation
from provisioner.cli.limit import limit_option
from provisioner.cli.session import session_of
from provisioner.cli.verify_options import LEVELS, deadline_option, fail_on_option, picture_option
from provisioner.cli.word import Place
from provisioner.desired.limit import parse_limits
from provisioner.pipeline.session import expect_hosts
from provisioner.verify.picture.looks import Looks

if TYPE_CHECKING:
    from provisioner.verify.rotation import Share


class Sampled(click.ParamType["Share"]):
    """A share of the cameras, or a number of them."""

    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Share:
        """Take `10%`, `0.1` or `500`."""
        from provisioner.verify.rotation import share_of  # noqa: PLC0415 (few ask for a share)

        try:
            return share_of(str(value))
        except ValueError as error:
            self.fail(f"{printable(str(value), 80)!r}: {error}", param, ctx)


@click.command()
@limit_option
@click.option("--html", type=Place(path_type=Path), metavar="FILE", help="Write the report as one HTML page, too.")
@click.option("--junit", type=Place(path_type=Path), metavar="FILE", help="Write it as JUnit XML, too: a case a path.")
@click.option("--markdown", type=Place(path_type=Path), metavar="FILE", help="Write it as a comment in Markdown, too.")
@click.option("--detail", is_flag=True, help="List every path, not only incidents.")
@fail_on_option("End with 1 only if a path is this bad or worse.")
@click.option("--level", type=click.IntRange(1, LEVELS), metavar="N", help="Up to which level; 7 is all.")
@click.option(
    "--sample", type=Sampled(), metavar="SHARE", help="Measure a part of the cameras: a share (10%) or a number (500)."
)
@deadline_option("Be done in this time; what is not reached is unknown.")
@picture_option(Looks.QUICK)
@click.option("--once", is_flag=True, help="Judge by one look alone: down at the first failure, no flapping.")
@click.option("--onvif-again", is_flag=True, help="Try logins once more that devices refused by ONVIF.")
@click.option("--accept", is_flag=True, help="Accept what the chosen cameras show; needs --limit.")
@click.option("--renew", is_flag=True, help="With --accept: forget what was accepted of them before.")
@click.pass_obj
def verify(
    invocation: Invocation,
    limits: tuple[str, ...],
    *,
    html: Path | None,
    junit: Path | None,
    markdown: Path | None,
    detail: bool,
    fail_on: str,
    level: int | None,
    sample: Share | None,
    deadline: int | None,
    picture: str,
    once: bool,
    onvif_again: bool,
    accept: bool,
    renew: bool,
) -> int:
    """Prove that every camera path is up.

    Visits each relay and each monitoring centre once, at the same time: tunnels, camera ports, what the
    relay receives, a decoded key frame of every stream at the centre, or on the relay where none reads it,
    and whether the picture shows something. Where a centre does not see that all is well, its relay reads
    as well, which tells what is wrong and where. What was not checked is unknown, never up. Ends with 0 if
    every path is up, else with 1; paths in a maintenance window and what was not asked for (--sample,
    --level) change neither. A path that fails for the first time is looked at again after a minute. What
    was found is recorded, and moves facilities on (`provisioner status`); where it cannot be, a warning
    says so.

    With --accept, the view of every chosen camera that is up becomes a reference (measures, never a picture):
    later checks tell when it was moved, covered, blurred or swapped. Do it by day and by night.

    Example: provisioner -i DIR verify --limit province=bac-giang --html report.html
    """
    invocation.refuse_proposed(html, junit, markdown)
    _refuse_blind(limits, accept=accept, renew=renew)
    session = session_of(invocation)
    expect_hosts(session, parse_limits(limits))
    # Only now: while what carries calls to hosts starts beside us, there is time for this import.
    with without_collector():
        from provisioner.cli.verify_run import AskedVerification, verify_and_record  # noqa: PLC0415

    asked = AskedVerification(
        limits=limits,
        files=(html, junit, markdown),
        detail=detail,
        fail_on=fail_on,
        level=level,
        sample=sample,
        deadline_s=deadline,
        looks=Looks(picture),
        once=once,
        asks_again=onvif_again,
        accept=accept,
        renew=renew,
    )
    return verify_and_record(invocation, session, asked)


def _refuse_blind(limits: tuple[str, ...], *, accept: bool, renew: bool) -> None:
    """Refuse a word that nobody can give.

    Raises:
        UsageError: all pictures of a country are to be accepted, or something is to be renewed and nothing accepted.
    """
    if renew and not accept:
        raise UsageError("--renew says how to accept", hint="write --accept --renew")
    if accept and not limits:
        hint = "choose the cameras whose pictures you have looked at: --limit facility=ID"
        raise UsageError("--accept without --limit would accept every picture there is", hint=hint)
