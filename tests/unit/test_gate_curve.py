"""The path gate's curve: a short sample of it keeps what the page promises, and the page has the table it prints."""

import re

import pytest

from tests.bench.gate import PASSES, RATES, RETURNS, SIZES, Cell, measure, table
from tests.unit.docs.pages import text_of

_CELL = re.compile(r"([0-9.]+) / ([0-9.]+)")


def test_a_sample_of_the_curve_keeps_the_promise() -> None:
    places = {(5, 0.0): 40, (5, 0.05): 120, (20, 0.05): 120, (50, 0.02): 80, (100, 0.05): 40, (300, 0.05): 15}
    cells = [measure(count, rate, range(trials)) for (count, rate), trials in places.items()]
    # So few changes are too few for a share of 99.5 %: all cells together are held against it.
    assert sum(cell.passed for cell in cells) >= PASSES * sum(cell.harmless for cell in cells), cells
    assert all(cell.returned == cell.harmful for cell in cells), cells
    assert all(cell.harmful > 10 for cell in cells)


def test_the_page_has_the_table_that_the_script_prints() -> None:
    printed = table(Cell(size, rate, 1, 1, 1, 1) for size in SIZES for rate in RATES)
    page = text_of("docs/daily/apply.md").splitlines()
    begin = page.index(printed[0])
    rows = page[begin : begin + len(printed)]
    shape = [re.sub(_CELL, "", row) for row in printed]
    assert [re.sub(_CELL, "", row) for row in rows] == shape
    cells = [cell for row in rows for cell in _CELL.findall(row)]
    assert len(cells) == len(SIZES) * len(RATES)
    assert all(float(passed) >= 100 * PASSES and float(returned) == 100 * RETURNS for passed, returned in cells), cells


@pytest.mark.parametrize(("passed", "shown"), [(2000, "100"), (1999, "99.95"), (1990, "99.50"), (1989, "99.45")])
def test_what_is_less_than_the_whole_is_never_printed_as_the_whole(passed: int, shown: str) -> None:
    cell = Cell(5, 0.05, 2000, passed, 10, 10)
    assert str(cell) == f"{shown} / 100"
    assert cell.holds is (passed >= 1990)
