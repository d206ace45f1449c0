"""The tables of reports, as text and as spreadsheets: how they look, what their cells are, what a row costs."""

import io
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from openpyxl.styles import Font

from provisioner.base import spreadsheet
from provisioner.report.sheets import workbook
from provisioner.report.tables import Page, SheetRow, text_table

COLUMNS = (("Tỉnh/Thành phố", 26), ("Tổng số cơ sở", 10), ("Ghi chú", 40))
MOMENT = datetime(2021, 6, 15, 1, tzinfo=UTC)


def pages(rows: Sequence[SheetRow], total: SheetRow = ()) -> list[Page]:
    return [Page("Theo tỉnh", COLUMNS, rows, total)]


def written(rows: Sequence[SheetRow], total: SheetRow = ()) -> bytes:
    return workbook("TIẾN ĐỘ", "cả nước", MOMENT, pages(rows, total))


def read(content: bytes) -> Workbook:
    return load_workbook(io.BytesIO(content))


def test_a_page_is_laid_out_to_be_printed() -> None:
    book = read(written([("Bắc Giang", 3, ""), ("Hà Nội", 4, "xong")], ("Tổng cộng", 7, "")))
    sheet = book["Theo tỉnh"]
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [
        ["TIẾN ĐỘ", None, None],
        ["Thời điểm: 08:00 ngày 15/06/2021 (giờ Việt Nam)", None, None],
        ["Căn cứ: cả nước", None, None],
        [None, None, None],
        ["Tỉnh/Thành phố", "Tổng số cơ sở", "Ghi chú"],
        ["Bắc Giang", 3, None],
        ["Hà Nội", 4, "xong"],
        ["Tổng cộng", 7, None],
    ]
    assert {str(merged) for merged in sheet.merged_cells.ranges} == {"A1:C1", "A2:C2", "A3:C3"}
    assert [sheet.column_dimensions[name].width for name in "ABC"] == [26, 10, 40]
    # The total is no row to be sorted among the others.
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A6", "A5:C7")
    assert (sheet.print_title_rows, sheet.page_setup.orientation) == ("$5:$5", "landscape")
    assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (1, 0)
    assert sheet.print_area == "'Theo tỉnh'!$A$5:$C$8"
    above, below = spreadsheet.page_edges(sheet)
    assert (above.center.text, below.right.text) == ("TIẾN ĐỘ", "&P/&N")
    assert (above.right.text, below.left.text) == ("Thời điểm: 08:00 ngày 15/06/2021", "Căn cứ: cả nước")
    assert book.properties.created == datetime(2021, 6, 15, 1)  # noqa: DTZ001 (the format has no zone)


def test_each_kind_of_cell_has_its_look() -> None:
    sheet = read(written([("Bắc Giang", 3, "")], ("Tổng cộng", 3, "")))["Theo tỉnh"]
    looks = {
        place: (c.font.name, c.font.size, c.font.bold, c.font.italic, c.fill.fgColor.rgb[2:], c.border.left.style)
        for place in ("A1", "A3", "A5", "A6", "B6", "C6", "A7", "B7")
        for c in [sheet[place]]
    }
    face, body = "Times New Roman", ("Times New Roman", 11, False, False, "000000", "thin")
    assert looks == {
        "A1": (face, 14, True, False, "000000", None),
        "A3": (face, 11, False, True, "000000", None),
        "A5": (face, 11, True, False, "DDEBF7", "thin"),
        "A6": body,
        "B6": body,
        "C6": body,
        "A7": (face, 11, True, False, "F2F2F2", "thin"),
        "B7": (face, 11, True, False, "F2F2F2", "thin"),
    }
    assert [(sheet[place].number_format, sheet[place].quotePrefix) for place in ("A6", "B6", "C6")] == [
        ("@", True),
        ("General", False),
        ("@", True),
    ]
    assert (sheet["A5"].alignment.horizontal, sheet["A6"].alignment.vertical) == ("center", "top")
    assert [sheet[place].alignment.wrap_text for place in ("A1", "A6")] == [True, True]


def test_a_wide_page_is_broken_into_pages_of_twelve_columns_with_the_first_ones_on_each() -> None:
    columns = [("STT", 6), ("Mã cơ sở", 16), ("Cơ sở", 34), *((f"Cột {n}", 10) for n in range(26))]
    row = (1, "kcl-bg-001", "Trường Ví Dụ " * 6, *range(26))
    sheet = read(workbook("TIẾN ĐỘ", "cả nước", MOMENT, [Page("Danh sách", columns, [row])])).worksheets[0]
    assert (sheet.print_title_cols, sheet.print_title_rows) == ("$A:$C", "$5:$5")
    assert [one.id for one in sheet.col_breaks.brk] == [12, 21]
    setup = sheet.sheet_properties.pageSetUpPr
    assert setup is None or not setup.fitToPage
    assert 60 < (sheet.page_setup.scale or 0) < 100
    assert "A1:L1" in {str(merged) for merged in sheet.merged_cells.ranges}
    assert [sheet.row_dimensions[n].height for n in (5, 6)] == [18, 45]


@given(st.lists(st.integers(4, 60), min_size=1, max_size=60), st.integers(1, 3))
def test_each_column_is_on_one_page_and_none_has_too_many(widths: list[int], repeated: int) -> None:
    groups = spreadsheet.column_pages(widths, repeated)
    assert [column for group in groups for column in group] == list(range(len(widths)))
    assert all(len(group) + (repeated if group.start else 0) <= spreadsheet.MOST_COLUMNS for group in groups)


@pytest.mark.parametrize("lead", ["=", "+", "-", "@"])
def test_no_text_becomes_a_formula_and_numbers_stay_numbers(lead: str) -> None:
    sheet = read(written([(f"{lead}1+1", -5, "+84900000000"), ("007", 0, "#N/A")]))["Theo tỉnh"]
    cells = {place: (sheet[place].value, sheet[place].data_type) for place in ("A6", "B6", "C6", "A7", "B7", "C7")}
    assert cells == {
        "A6": (f"'{lead}1+1", "s"),
        "B6": (-5, "n"),
        "C6": ("+84900000000", "s"),
        "A7": ("007", "s"),
        "B7": (0, "n"),
        "C7": ("#N/A", "s"),
    }


def test_a_share_is_a_percentage_that_can_be_reckoned_with_and_a_row_number_stands_in_the_middle() -> None:
    columns = [("STT", 6), ("Tỷ lệ", 12), ("Cơ sở", 12)]
    sheet = read(
        workbook("TIẾN ĐỘ", "", MOMENT, [Page("Trang", columns, [(1, 0.9999, "a"), (2, 1.0, "b")])])
    ).worksheets[0]
    assert [[cell.value for cell in row] for row in sheet.iter_rows(min_row=6)] == [[1, 0.9999, "a"], [2, 1, "b"]]
    assert [cell.number_format for cell in sheet[7]] == ["General", "[$-42A]0.00##%", "@"]
    assert [cell.alignment.horizontal for cell in sheet[7]] == ["center", None, None]


def test_two_workbooks_at_once_have_looks_of_their_own() -> None:
    first, second = (Workbook(write_only=True) for _ in range(2))
    # The places of fonts differ: the first has more of them before the one that both use.
    for book, styles in ((first, (spreadsheet.TITLE, spreadsheet.BODY)), (second, (spreadsheet.BODY,))):
        sheet = book.create_sheet("a")
        for style in styles:
            spreadsheet.append_row(sheet, ["x"], style)
    sizes = [[row[0].font.size for row in read(spreadsheet.saved(book))["a"].iter_rows()] for book in (first, second)]
    assert sizes == [[14, 11], [11]]


def test_a_look_is_made_once_however_many_rows_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Font] = []

    def counted(**settings: object) -> Font:
        made.append(Font(**settings))  # type: ignore[arg-type]  # passed on as they are
        return made[-1]

    monkeypatch.setattr(spreadsheet, "Font", counted)
    written([("Bắc Giang", 1, "")])
    few = len(made)
    made.clear()
    written([("Bắc Giang", 1, "")] * 50)
    assert len(made) == few


def test_a_row_more_takes_no_memory_but_its_bytes() -> None:
    written([])

    def peak(rows: int) -> int:
        tracemalloc.start()
        written([("Bắc Giang", 1, "")] * rows)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    # Three cells that are kept take more than a kilobyte.
    assert (peak(900) - peak(100)) / 800 < 100


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
