"""A sheet's XML is gone through once by Python's fast parser: it says what openpyxl says, and resolves nothing."""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from openpyxl.worksheet import _reader

from provisioner.importing.grid import CellState
from provisioner.importing.tables.files import grids_of
from tests.unit.importing import sheets as made
from tests.unit.importing.test_file_grids import ENTITIES, SHEET, refusal, with_part, with_sheet_xml

VALUES = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=12),
    st.sampled_from(["", " có dấu cách ", "a\nb", "=1+1", "#N/A"]),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.booleans(),
    st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)).map(lambda day: day.replace(microsecond=0)),  # noqa: DTZ001
)


def by_openpyxl(data: bytes) -> dict[tuple[int, int], tuple[object, bool]]:
    sheet = load_workbook(io.BytesIO(data), data_only=True)["x"]
    cells = (cell for row in sheet.iter_rows() for cell in row if cell.value is not None)
    return {(cell.row, cell.column): (cell.value, cell.data_type == "e") for cell in cells}


@settings(max_examples=60)
@given(st.lists(st.lists(VALUES, max_size=5), max_size=5))
def test_every_value_is_what_openpyxl_reads(rows: Sequence[Sequence[Any]]) -> None:
    data = made.book({"x": rows})
    (grid,) = grids_of(data)
    found = {
        (cell.row, cell.column): (cell.value, cell.state is CellState.BROKEN)
        for row in grid.rows.values()
        for cell in row.values()
        if cell.state is not CellState.FORMULA
    }
    assert found == by_openpyxl(data)


@pytest.mark.parametrize(
    ("inline", "value"),
    [
        ("<t>một</t>", "một"),
        ("<t/>", ""),
        ('<t xml:space="preserve"> a </t>', " a "),
        ("<r><t>hai </t></r><r><rPr><b/></rPr><t>phần</t></r>", "hai phần"),
        ("<t>đọc</t><rPh sb='0' eb='1'><t>khác</t></rPh>", "đọc"),
    ],
)
def test_a_text_in_its_cell_is_read_in_one_piece_or_in_several(inline: str, value: str) -> None:
    data = with_sheet_xml(
        "</sheetData>", f'<row r="90"><c r="B90" t="inlineStr"><is>{inline}</is></c></row></sheetData>'
    )
    assert grids_of(data)[0].at(90, 2).value == value


def test_a_cell_without_its_place_comes_after_the_one_before() -> None:
    cells = '<c r="B90" t="inlineStr"><is><t>a</t></is></c><c t="inlineStr"><is><t>b</t></is></c><c><v>3</v></c>'
    (grid,) = grids_of(with_sheet_xml("</sheetData>", f'<row r="90">{cells}</row></sheetData>'))
    assert [(cell.column, cell.value) for cell in grid.rows[90].values()] == [(2, "a"), (3, "b"), (4, 3)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("declared", [ENTITIES, '<!DOCTYPE x SYSTEM "file:///etc/passwd">', "<!DOCTYPE worksheet>"])
def test_a_sheet_that_has_a_document_type_is_refused(declared: str, encoding: str) -> None:
    sheet = f'<?xml version="1.0" encoding="{encoding}"?>{declared}<worksheet xmlns="http://x"><sheetData/></worksheet>'
    assert refusal(with_part(SHEET, sheet.encode(encoding))) == "file-damaged"


def test_no_sheet_goes_through_the_parser_that_is_written_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> None:
        pytest.fail("a hundred thousand cells take seconds there")

    monkeypatch.setattr(_reader, "iterparse", slow)
    assert grids_of(made.book({"x": [["một", 2]]}))[0].at(1, 2).value == 2
