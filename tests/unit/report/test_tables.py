"""Tables as text: each column as wide as it has to be, whatever stands in it."""

from hypothesis import given
from hypothesis import strategies as st

from provisioner.report.tables import text_table

CELLS = st.text(st.sampled_from("a {}<>0é "), max_size=4)


@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5), numbers=st.booleans())
def test_every_cell_stands_in_its_column(rows: list[tuple[str, str, str]], *, numbers: bool) -> None:
    names, *below = rows
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row, line in zip(rows, text_table(names, below, numbers=numbers), strict=True):
        first, *others = row
        cells = [first.ljust(widths[0])]
        cells += [(c.rjust(w) if numbers else c.ljust(w)) for c, w in zip(others, widths[1:], strict=True)]
        assert line == "  ".join(cells).rstrip()
