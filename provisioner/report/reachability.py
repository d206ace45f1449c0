"""Who can reach what, as text and as a document. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from provisioner.base.text import Document, counted, printable
from provisioner.plan.reach.roads import CellReach
from provisioner.plan.reach.statements import Origin, ReachCell, StatementResult
from provisioner.report.tables import text_table

_NAMES = ("from", "programs", "to", "reaches", "does not reach")
_TORN = "partly"


def matrix_lines(cells: Sequence[ReachCell], *, why: bool) -> Iterator[str]:
    """The matrix: a line a pair of places, or with `why` a line a service with the rule that decides it."""
    if why:
        names = ("from", "programs", "to", "service", "reaches", "decided by")
        each = [(c.source, _program(c), c.target, c.service.value, _reaches(c.reach), "; ".join(c.by)) for c in cells]
        yield from map(printable, text_table(names, each, numbers=False))
        return
    pairs = [(head, list(of)) for head, of in groupby(cells, lambda c: (c.source, _program(c), c.target))]
    rows = [(*head, _services(of, CellReach.YES, CellReach.PART), _services(of, CellReach.NO)) for head, of in pairs]
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
    """What it comes to: how many cells, and of each origin how many statements hold; the worst last."""
    reached = sum(cell.reach is not CellReach.NO for cell in cells)
    yield f"{counted(len(cells), 'cell')}, {reached} of them reached; no host was asked"
    for origin in Origin:
        of = [result for result in results if result.statement.origin is origin]
        if of or origin is Origin.BUILT_IN:
            yield _ending(origin, of)


def _ending(origin: Origin, of: Sequence[StatementResult]) -> str:
    broken = sum(bool(result.broken) for result in of)
    idle = sum(not result.cells for result in of)
    said = [f"{sum(result.holds for result in of)} hold"]
    if idle:
        said.append(f"{idle} about nothing that is there")
    if broken:
        said.append(f"{broken} DO NOT HOLD")
    head = "built-in statements" if origin is Origin.BUILT_IN else origin.value
    return f"{head}: {', '.join(said)}"


def reachability_document(cells: Sequence[ReachCell], results: Sequence[StatementResult]) -> Document:
    """The matrix and the statements."""
    return {
        "schema": "provisioner/prove",
        "version": 1,
        "summary": {
            "cells": len(cells),
            "reached": sum(cell.reach is not CellReach.NO for cell in cells),
            "statements": len(results),
            "broken": sum(bool(result.broken) for result in results),
            "about_nothing": sum(not result.cells for result in results),
        },
        "cells": [_cell(cell) for cell in cells],
        "statements": [_statement(result) for result in results],
    }


def _cell(cell: ReachCell) -> Document:
    return {
        "from": cell.source,
        "program": cell.program.value if cell.program else None,
        "to": cell.target,
        "service": cell.service.value,
        "reaches": cell.reach.value,
        "by": list(cell.by),
    }


def _statement(result: StatementResult) -> Document:
    statement = result.statement
    return {
        "id": statement.name,
        "origin": statement.origin.value,
        "says": statement.words,
        "reason": statement.reason or None,
        "cells": result.cells,
        "holds": result.holds if result.cells else None,
        "broken": [_cell(cell) for cell in result.broken],
    }
