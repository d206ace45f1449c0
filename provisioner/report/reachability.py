"""Reachability, as text and as a document. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from pydantic import Field

from provisioner.base.document import Count, HeldRow, Printed, ProblemRow, Row, of
from provisioner.base.errors import FrozenFacility, Problem
from provisioner.base.text import counted, printable
from provisioner.inventory.model.orders import Program, Service
from provisioner.plan.reach.roads import CellReach
from provisioner.plan.reach.statements import Origin, ReachCell, StatementResult
from provisioner.report.tables import text_table

_NAMES = ("from", "programs", "to", "reaches", "does not reach")
_TORN = "partly"


def matrix_lines(cells: Sequence[ReachCell], *, why: bool) -> Iterator[str]:
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


def ending_lines(cells: Sequence[ReachCell], results: Sequence[StatementResult]) -> Iterator[str]:
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


def reachability_document(
    cells: Sequence[ReachCell],
    results: Sequence[StatementResult],
    problems: Sequence[Problem] = (),
    frozen: Sequence[FrozenFacility] = (),
) -> ProveDocument:
    """Return the matrix and the statements."""
    return ProveDocument(
        summary=ProveSummary(
            cells=len(cells),
            reached=sum(cell.reach is not CellReach.NO for cell in cells),
            statements=len(results),
            broken=sum(bool(result.broken) for result in results),
            about_nothing=sum(not result.cells for result in results),
        ),
        cells=cells,
        statements=[_statement(result) for result in results],
        problems=problems,
        held=frozen,
    )


def _statement(result: StatementResult) -> StatementRow:
    holds = result.holds if result.cells else None
    return StatementRow.made_of(result, reason=result.statement.reason or None, holds=holds)
