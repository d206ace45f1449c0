"""`provisioner prove` and `provisioner readers`."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import click
from pydantic import Field

from provisioner.base.document import Count, HeldRow, Printed, ProblemRow, Row, of
from provisioner.base.errors import PolicyError
from provisioner.base.language import Translator
from provisioner.base.text import counted, msg, printable
from provisioner.cli.support.completion import hosts_like
from provisioner.cli.support.context import Invocation, echo_lines, print_document, print_warning, problem_lines
from provisioner.cli.support.options import limit_option
from provisioner.cli.support.session import session_of
from provisioner.cli.support.texts import code_with_frozen, print_frozen
from provisioner.desired.limit import parse_limits
from provisioner.desired.readers import ReadPath, reading_list
from provisioner.inventory.model.orders import Program, Service
from provisioner.operations.questions.reachability import ReachProof
from provisioner.operations.questions.reachability import prove as prove_reach
from provisioner.plan.reach.roads import CellReach
from provisioner.plan.reach.statements import Origin, ReachCell, StatementResult
from provisioner.report.tables import text_table

_ABOUT_NOTHING = 1
_NAMES = ("from", "programs", "to", "reaches", "does not reach")
_TORN = "partly"
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
        print_document(_prove_document(proof).plain)
    else:
        _print_proof(proof, invocation.say, why=why)
    code = PolicyError.exit_code if proof.problems else _ABOUT_NOTHING if proof.about_nothing else 0
    return code_with_frozen(code, proof.held)


def _print_proof(proof: ReachProof, say: Translator, *, why: bool) -> None:
    echo_lines(_matrix_lines(proof.cells, why=why))
    click.echo("")
    for result in proof.about_nothing:
        name, what = result.statement.name, result.statement.words
        message = msg("intent {name} concerns no object of the inventory: {what}", name, what)
        print_warning(message, msg("remove it from intents.yml, or correct its names"))
    print_frozen(proof.held, consequence="nothing is said of them")
    echo_lines(problem_lines(proof.problems, say), err=True)
    echo_lines(_ending_lines(proof.cells, proof.results))


def _matrix_lines(cells: Sequence[ReachCell], *, why: bool) -> Iterator[str]:
    """Yield a line per pair, or with `why` per service and rule."""
    if why:
        names = ("from", "programs", "to", "service", "reaches", "decided by")
        cell_rows = [
            (c.source, _program(c), c.target, c.service.value, _reaches(c.reach), "; ".join(c.by)) for c in cells
        ]
        yield from map(printable, text_table(names, cell_rows, numbers=False))
        return
    pairs = [(head, list(group)) for head, group in groupby(cells, lambda c: (c.source, _program(c), c.target))]
    rows = [
        (*head, _services(group, CellReach.YES, CellReach.PART), _services(group, CellReach.NO))
        for head, group in pairs
    ]
    yield from map(printable, text_table(_NAMES, rows, numbers=False))


def _program(cell: ReachCell) -> str:
    return cell.program.value if cell.program else "-"


def _reaches(reach: CellReach) -> str:
    return _TORN if reach is CellReach.PART else reach.value


def _services(cells: Iterable[ReachCell], *reaches: CellReach) -> str:
    named = (
        f"{cell.service.value} ({_TORN})" if cell.reach is CellReach.PART else cell.service.value
        for cell in cells
        if cell.reach in reaches
    )
    return ", ".join(named) or "-"


def _ending_lines(cells: Sequence[ReachCell], results: Sequence[StatementResult]) -> Iterator[str]:
    """Yield the number of cells, and statements that hold, by origin."""
    reached = sum(cell.reach is not CellReach.NO for cell in cells)
    yield f"{counted(len(cells), 'cell')}, {reached} of them reached; no host was asked"
    for origin in Origin:
        matching = [result for result in results if result.statement.origin is origin]
        if matching or origin is Origin.BUILT_IN:
            yield _ending_line(origin, matching)


def _ending_line(origin: Origin, results: Sequence[StatementResult]) -> str:
    broken = sum(bool(result.broken) for result in results)
    idle = sum(not result.cells for result in results)
    counts = [f"{sum(result.holds for result in results)} hold"]
    if idle:
        counts.append(f"{idle} about nothing that is there")
    if broken:
        counts.append(f"{broken} DO NOT HOLD")
    head = "built-in statements" if origin is Origin.BUILT_IN else origin.value
    return f"{head}: {', '.join(counts)}"


class CellRow(Row, title="cell"):
    """Whether traffic passes from one place to another."""

    from_: str = Field(validation_alias="source", serialization_alias="from")  #: The source, e.g. `site/kcl-bg-001`.
    program: Program | None  #: The sending program on a relay or centre; null if unknown.
    to: str = of("target")  #: The destination.
    service: Service
    reaches: CellReach = of("reach")
    by: tuple[str, ...]  #: The deciding rules, e.g. `relay-viettel-1 input: readers`.


class ProveSummary(Row):
    """Counts of the results."""

    cells: Count
    reached: Count
    statements: Count
    broken: Count
    about_nothing: Count


class StatementRow(Row):
    """A statement with its result."""

    id: str = of("statement", "name")
    origin: Origin = of("statement", "origin")
    says: str = of("statement", "words")  #: The statement in words.
    reason: str | None
    cells: Count  #: The number of its cells.
    holds: bool | None  #: Null if the statement is about no existing place.
    broken: tuple[CellRow, ...]


class ProveDocument(Printed, name="prove", title="Reachability"):
    """Output of `provisioner prove --output json`."""

    summary: ProveSummary
    cells: tuple[CellRow, ...]
    statements: tuple[StatementRow, ...]
    problems: tuple[ProblemRow, ...]
    held: tuple[HeldRow, ...]  #: Frozen facilities, which no statement covers.


def _prove_document(proof: ReachProof) -> ProveDocument:
    summary = ProveSummary(
        cells=len(proof.cells),
        reached=sum(cell.reach is not CellReach.NO for cell in proof.cells),
        statements=len(proof.results),
        broken=sum(bool(result.broken) for result in proof.results),
        about_nothing=sum(not result.cells for result in proof.results),
    )
    rows = [
        StatementRow.made_of(
            result, reason=result.statement.reason or None, holds=result.holds if result.cells else None
        )
        for result in proof.results
    ]
    return ProveDocument.made_of(proof, summary=summary, statements=rows)


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
    print_frozen(listing.held, consequence="nothing is said of them")
    click.echo(_reading_ending(listing.readings, listing.user))
    return code_with_frozen(0, listing.held)
