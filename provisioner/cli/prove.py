"""`provisioner prove` and `provisioner readers`."""

from collections.abc import Iterator, Sequence

import click

from provisioner.base.document import Count, HeldRow, Printed, Row, of
from provisioner.base.errors import PolicyError
from provisioner.base.text import counted, printable
from provisioner.cli.support.completion import hosts_like
from provisioner.cli.support.context import Invocation, echo_lines, print_document, print_warning, problem_lines
from provisioner.cli.support.options import limit_option
from provisioner.cli.support.session import session_of
from provisioner.cli.support.texts import code_with_frozen, print_frozen
from provisioner.desired.limit import parse_limits
from provisioner.desired.readers import ReadPath, reading_list
from provisioner.operations.questions.reachability import ReachProof
from provisioner.operations.questions.reachability import prove as prove_reach
from provisioner.report.reachability import ending_lines, matrix_lines, reachability_document
from provisioner.report.tables import text_table

_ABOUT_NOTHING = 1
_READING_COLUMNS = ("path", "read at", "when that is gone")


@click.command()
@click.option(
    "--from", "sources", multiple=True, metavar="PLACE", help="Only connections from this place. May be repeated."
)
@click.option(
    "--to", "targets", multiple=True, metavar="PLACE", help="Only connections to this place. May be repeated."
)
@click.option("--why", is_flag=True, help="Print one line a service, with the deciding rule.")
def prove(invocation: Invocation, sources: tuple[str, ...], targets: tuple[str, ...], *, why: bool) -> int:
    """Show the allowed connections, and check the reachability intents.

    The command reads the rendered rules, tunnels and logins. It calls no host and opens no vault. The intents are the
    built-in ones and those of intents.yml; a plan that breaks one is refused. A PLACE is internet, management, centres,
    relays, sites, or one of them: management/viettel, centre/ID, relay/ID, site/FACILITY, province/SLUG. The result is
    the desired state of hosts; `drift` checks the real one.

    Exit code 6: an intent does not hold; 1: an intent of intents.yml matches no object.

    Example: provisioner -i DIR prove --from site/kcl-bg-001 --why
    """
    proof = prove_reach(session_of(invocation), sources, targets)
    if invocation.json:
        print_document(reachability_document(proof.cells, proof.results, proof.problems, proof.held).plain)
    else:
        _print_proof(invocation, proof, why=why)
    code = PolicyError.exit_code if proof.problems else _ABOUT_NOTHING if proof.about_nothing else 0
    return code_with_frozen(code, proof.held)


def _print_proof(invocation: Invocation, proof: ReachProof, *, why: bool) -> None:
    echo_lines(matrix_lines(proof.cells, why=why))
    click.echo("")
    for result in proof.about_nothing:
        message = f"intent {result.statement.name} is about nothing that is there: {result.statement.words}"
        print_warning(message, "remove it from intents.yml, or correct what it names", color=invocation.color)
    print_frozen(proof.held, color=invocation.color, consequence="nothing is said of them")
    echo_lines(problem_lines(proof.problems), err=True, color=invocation.color)
    echo_lines(ending_lines(proof.cells, proof.results))


def _reading_lines(readings: Sequence[ReadPath]) -> Iterator[str]:
    rows = [
        (reading.path, _base(reading, 0), ", ".join(_base(reading, at) for at in range(1, len(reading.read_at))))
        for reading in readings
    ]
    yield from map(printable, text_table(_READING_COLUMNS, rows, numbers=False))


def _base(reading: ReadPath, at: int) -> str:
    place = reading.read_at[at]
    return " or ".join(url.removesuffix(f"/{reading.path}") for url in (place.url, place.encrypted_url) if url)


def _reading_ending(readings: Sequence[ReadPath], user: str) -> str:
    twice = sum(len(reading.read_at) > 1 for reading in readings)
    return f"{counted(len(readings), 'path')}, {twice} of them at a second relay; log in as {user}"


class ReadingCounts(Row):
    """The number of paths for readers, and of those at two relays."""

    paths: Count
    at_two_relays: Count


class ReadersDocument(Printed, name="readers", title="Relays of paths for readers"):
    """Output of `provisioner readers --output json`."""

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
    help="The reader's centre. Default: the only centre.",
)
@click.option("--viewer", default="", metavar="ID", help="A viewer of the centre. Default: the centre itself.")
@limit_option
def readers(invocation: Invocation, centre: str, viewer: str, limits: tuple[str, ...]) -> int:
    """List the addresses at which a reader gets each path.

    The command reads the inventory only: it calls no host and opens no vault. A path has the same name at each of its
    relays. The first relay always pulls the path; a backup relay pulls it when a reader asks. A reader goes to the
    backup relay when the first relay sends no picture. The list has no passwords: they are in the vault.

    Example: provisioner -i DIR --output json readers --limit province=bac-giang
    """
    part = session_of(invocation).readable
    listing = reading_list(part.inventory, part.held, (centre, viewer), parse_limits(limits))
    if invocation.json:
        twice = sum(len(reading.read_at) > 1 for reading in listing.readings)
        summary = ReadingCounts(paths=len(listing.readings), at_two_relays=twice)
        print_document(ReadersDocument.made_of(listing, summary=summary).plain)
        return code_with_frozen(0, listing.held)
    echo_lines(_reading_lines(listing.readings))
    print_frozen(listing.held, color=invocation.color, consequence="nothing is said of them")
    click.echo(_reading_ending(listing.readings, listing.user))
    return code_with_frozen(0, listing.held)
