"""`provisioner prove` and `provisioner readers`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from provisioner.base.document import Count, HeldRow, Printed, Row, of
from provisioner.base.errors import PolicyError
from provisioner.base.text import counted, printable
from provisioner.cli.support.completion import hosts_like
from provisioner.cli.support.context import Invocation
from provisioner.cli.support.options import limit_option
from provisioner.cli.support.output import print_document, print_warning, problem_lines
from provisioner.cli.support.session import session_of
from provisioner.cli.support.texts import code_with_held, print_held
from provisioner.desired.limit import parse_limits
from provisioner.desired.readers import ReadPath, reading_list
from provisioner.operations.questions.reachability import ReachProof
from provisioner.operations.questions.reachability import prove as prove_reach
from provisioner.report.reachability import ending_lines, matrix_lines, reachability_document
from provisioner.report.tables import text_table

_ABOUT_NOTHING = 1
_READING_COLUMNS = ("path", "read at", "when that is gone")


@click.command()
@click.option("--from", "sources", multiple=True, metavar="PLACE", help="Only from there; may be given several times.")
@click.option("--to", "targets", multiple=True, metavar="PLACE", help="Only to there; may be given several times.")
@click.option("--why", is_flag=True, help="A line a service, with the rule that decides it.")
@click.pass_obj
def prove(invocation: Invocation, sources: tuple[str, ...], targets: tuple[str, ...], *, why: bool) -> int:
    """Show who can reach what by the inventory, and hold every statement against it.

    By the rules, tunnels and logins that are rendered: no host is asked, and no vault is opened. Statements are the
    built-in ones and those of intents.yml; a plan that breaks one is refused. A PLACE is internet, management,
    centres, relays, sites, or one of them: management/viettel, centre/ID, relay/ID, site/FACILITY, province/SLUG.
    What is judged is what hosts should have; whether they have it, drift tells.
    Ends with 6 if a statement does not hold, and with 1 if one of intents.yml is about nothing that is there.

    Example: provisioner -i DIR prove --from site/kcl-bg-001 --why
    """
    session = session_of(invocation)
    proof = prove_reach(session, sources, targets)
    if invocation.json:
        print_document(reachability_document(proof.cells, proof.results, proof.problems, proof.held).plain)
    else:
        _print_proof(invocation, proof, why=why)
    code = PolicyError.exit_code if proof.problems else _ABOUT_NOTHING if proof.about_nothing else 0
    return code_with_held(code, proof.held)


def _print_proof(invocation: Invocation, proof: ReachProof, *, why: bool) -> None:
    for line in matrix_lines(proof.cells, why=why):
        click.echo(line)
    click.echo("")
    for result in proof.about_nothing:
        message = f"intent {result.statement.name} is about nothing that is there: {result.statement.words}"
        print_warning(message, "remove it from intents.yml, or correct what it names", color=invocation.color)
    print_held(proof.held, color=invocation.color, what="nothing is said of them")
    for line in problem_lines(proof.problems):
        click.echo(line, err=True, color=invocation.color)
    for line in ending_lines(proof.cells, proof.results):
        click.echo(line)


def reading_lines(readings: Sequence[ReadPath]) -> Iterator[str]:
    """Yield a line a path: its first relay and its backups."""
    rows = [
        (one.path, _base(one, 0), ", ".join(_base(one, at) for at in range(1, len(one.read_at)))) for one in readings
    ]
    yield from map(printable, text_table(_READING_COLUMNS, rows, numbers=False))


def _base(reading: ReadPath, at: int) -> str:
    return reading.read_at[at].url.removesuffix(f"/{reading.path}")


def reading_ending(readings: Sequence[ReadPath], user: str) -> str:
    """Return the last line."""
    twice = sum(len(one.read_at) > 1 for one in readings)
    return f"{counted(len(readings), 'path')}, {twice} of them at a second relay; log in as {user}"


class ReadingCounts(Row):
    """How many paths are read, and how many of them at two relays."""

    paths: Count
    at_two_relays: Count


class ReadersDocument(Printed, name="readers", title="Where paths are read"):
    """What `provisioner readers --output json` prints."""

    centre: str
    user: str
    summary: ReadingCounts
    paths: tuple[ReadPath, ...] = of("readings")
    held: tuple[HeldRow, ...]


@click.command()
@click.option(
    "--centre",
    default="",
    metavar="ID",
    shell_complete=hosts_like,
    help="Where it reads; the only centre if left out.",
)
@click.option("--viewer", default="", metavar="ID", help="A viewer of the centre; the centre itself if left out.")
@limit_option
@click.pass_obj
def readers(invocation: Invocation, centre: str, viewer: str, limits: tuple[str, ...]) -> int:
    """List where a reader at a monitoring centre has each path that it may read.

    By the inventory alone: no host is asked, and no vault is opened. A path has one name at every relay that carries
    it. The first relay always pulls it; at a backup relay it comes when somebody reads it there, which is what a reader
    does that gets nothing from the first one any more. Passwords are in no list: they are in the vault.

    Example: provisioner -i DIR --output json readers --limit province=bac-giang
    """
    part = session_of(invocation).readable
    seen = reading_list(part.inventory, part.held, (centre, viewer), parse_limits(limits))
    if invocation.json:
        twice = sum(len(one.read_at) > 1 for one in seen.readings)
        summary = ReadingCounts(paths=len(seen.readings), at_two_relays=twice)
        print_document(ReadersDocument.made_of(seen, summary=summary).plain)
        return code_with_held(0, seen.held)
    for line in reading_lines(seen.readings):
        click.echo(line)
    print_held(seen.held, color=invocation.color, what="nothing is said of them")
    click.echo(reading_ending(seen.readings, seen.user))
    return code_with_held(0, seen.held)
