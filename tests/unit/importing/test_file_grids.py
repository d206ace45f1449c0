"""Whatever is no spreadsheet is refused by name: nothing raises anything else, and nothing fills the memory."""

import io
import os
import tracemalloc
import unicodedata
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from provisioner.importing import grid
from provisioner.importing.grid import FileRefusedError
from provisioner.importing.tables.files import grids_of, read_file, read_input_files, sheets_of
from tests.unit.importing import sheets as made
from tests.unit.importing.sheets import book

GOOD = book({"Camera": [made.CAMERA_HEADER, made.camera_row()]})
SHEET = "xl/worksheets/sheet1.xml"


def refusal(data: bytes) -> str:
    """The code with which bytes are refused."""
    with pytest.raises(FileRefusedError) as raised:
        sheets_of("x", grids_of(data))
    return raised.value.remark.code


def zipped(parts: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def parts_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_part(name: str, content: bytes) -> bytes:
    return zipped(parts_of(GOOD) | {name: content})


def with_sheet_xml(before: str, after: str) -> bytes:
    text = parts_of(GOOD)[SHEET].decode()
    assert before in text
    return with_part(SHEET, text.replace(before, after).encode())


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512
ENTITIES = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "file-empty"),
        (b" \r\n\0\0", "file-empty"),
        (OLE + "Workbook".encode("utf-16-le"), "file-xls"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "file-encrypted"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "file-encoding-unknown"),
        (b"%PDF-1.7\n\x01\x02", "file-not-sheet"),
        (b"\x01\x02\x03\x04", "file-not-sheet"),
        (bytes(range(1, 128)), "file-not-sheet"),
        ("<html><table><tr><td>Mã</td></tr></table></html>".encode(), "file-html"),
        (b"<?xml version='1.0'?><Workbook/>", "file-html"),
        (b"\xff\xfe<\0h\0t\0m\0l\0>\0", "file-html"),
        ('STT;Mã cơ sở;SĐT;Email\r\n1;"a;b;c\r\nd;e;f;g\r\n'.encode(), "file-quotes"),
        (b"PK\x03\x04 and then nothing", "file-damaged"),
        (b"PK\x05\x06" + b"\0" * 18, "file-not-sheet"),
        (zipped({"word/document.xml": b"<w/>", "[Content_Types].xml": b"<Types/>"}), "file-not-sheet"),
        (zipped({"mimetype": b"application/vnd.oasis", "content.xml": b"<x/>"}), "file-ods"),
        (zipped({"xl/workbook.bin": b"\0", "[Content_Types].xml": b"<Types/>"}), "file-xlsb"),
        (with_part("xl/vbaProject.bin", b"\0"), "file-macros"),
        (with_part(SHEET, b"<worksheet"), "file-damaged"),
        (with_part("xl/workbook.xml", b"\xff\xfe\0"), "file-damaged"),
        (with_part("[Content_Types].xml", b"<Types/>"), "file-damaged"),
        (with_part(SHEET, ENTITIES.encode() + b"<worksheet>&i;</worksheet>"), "file-damaged"),
        (with_part("xl/workbook.xml", ENTITIES.encode() + b"<workbook>&i;</workbook>"), "file-damaged"),
        (with_sheet_xml('r="A1"', 'r="1A"'), "file-damaged"),
        (with_sheet_xml('<row r="1"', f'<row r="{grid.MAX_ROWS + 1}"'), "file-too-many-rows"),
        (with_sheet_xml('r="B1"', 'r="XFD1"'), "file-too-many-columns"),
        (with_part("xl/theme/theme1.xml", b" " * (grid.MAX_OTHER_BYTES + 1)), "file-too-large"),
        (zipped({f"xl/{n}": b"" for n in range(grid.MAX_PARTS)} | {"[Content_Types].xml": b""}), "file-too-large"),
        (b"a;b\n" * (grid.MAX_ROWS + 1), "file-too-many-rows"),
        (b";".join([b"a"] * (grid.MAX_COLUMNS + 1)), "file-too-many-columns"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_spreadsheet_is_refused_by_name(data: bytes, code: str) -> None:
    assert refusal(data) == code


def test_macros_are_told_by_the_type_as_well() -> None:
    types = parts_of(GOOD)["[Content_Types].xml"].replace(
        b"officedocument.spreadsheetml.sheet.main+xml", b"ms-excel.sheet.macroEnabled.main+xml"
    )
    assert refusal(with_part("[Content_Types].xml", types)) in {"file-macros", "file-damaged"}


def test_the_strict_form_is_refused_and_not_read_as_empty() -> None:
    main, strict = (
        b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
        b"http://purl.oclc.org/ooxml/spreadsheetml/main",
    )
    parts = parts_of(GOOD)
    changed = {name: content.replace(main, strict) for name, content in parts.items() if name.startswith("xl/")}
    assert refusal(zipped(parts | changed)) in {"file-strict", "file-damaged"}


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        ("STT;M· c¬ së;Hä vµ tªn;Chøc vô;§iÖn tho¹i\n1;kcl-bg-001;NguyÔn V¨n A;HiÖu tr\xadëng;1", "latin-1", "TCVN3"),
        ("STT;Maõ cô sôû;Hoï vaø teân;Chöùc vuï;Ñieän thoaïi\n1;x;Nguyeãn Vaên A;Hieäu tröôûng;1", "latin-1", "VNI"),
        ("STT;Mã cơ sở;Họ và tên;Chức vụ;Điện thoại\n1;x;Nguyễn Văn A;Hiệu trưởng;1", "cp1258", "Windows-1258"),
    ],
)
def test_a_csv_in_an_old_encoding_is_refused_with_its_name(text: str, encoding: str, name: str) -> None:
    if encoding == "cp1258":
        text = _parted(text)
    with pytest.raises(FileRefusedError) as raised:
        grids_of(text.encode(encoding))
    assert raised.value.remark.fills == (("encoding", name),)


def _parted(text: str) -> str:
    """Part the tones that Windows-1258 writes behind their letters."""
    tones = "\u0300\u0301\u0303\u0309\u0323"
    out = []
    for letter in text:
        apart = unicodedata.normalize("NFD", letter)
        marks = [mark for mark in apart if mark in tones]
        rest = unicodedata.normalize("NFC", "".join(c for c in apart if c not in tones))
        out.append(rest + "".join(marks))
    return "".join(out)


def test_a_workbook_that_is_cut_off_anywhere_is_damaged_or_whole() -> None:
    for length in range(4, len(GOOD), 97):
        assert refusal(GOOD[:length]) in {"file-damaged", "file-not-sheet"}


def test_merged_ranges_over_everything_cost_nothing() -> None:
    merges = '<mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells>'
    tracemalloc.start()
    grids = grids_of(with_sheet_xml("</sheetData>", f"</sheetData>{merges}"))
    sheets_of("x", grids)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * 2**20


def test_many_long_merged_ranges_are_refused() -> None:
    one = '<mergeCell ref="A1:B9000"/>'
    rows = '<row r="9000"><c r="A9000" t="inlineStr"><is><t>x</t></is></c></row></sheetData>'
    merges = f"<mergeCells>{one * 1000}</mergeCells>"
    assert refusal(with_sheet_xml("</sheetData>", rows + merges)) == "file-too-many-cells"


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts_of(GOOD).items():
            archive.writestr(name, part)
        with archive.open("xl/worksheets/sheet9.xml", "w") as part_stream:
            for _ in range(25):
                part_stream.write(b"\0" * 2**20)
    data = content.getvalue()
    assert len(data) < 2**20
    tracemalloc.start()
    assert refusal(data) == "file-too-large"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 2**20


@pytest.mark.parametrize("endless", ["<c/>", "<c><v/></c>", '<row r="1"/>', "<x/>"])
def test_a_sheet_without_end_is_not_read_to_its_end(endless: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "MAX_ELEMENTS", 2_000)
    monkeypatch.setattr(grid, "MAX_RARE_ELEMENTS", 1_000)
    assert (
        refusal(with_sheet_xml("<sheetData>", f'<sheetData><row r="1">{endless * 2_000}</row>'))
        == "file-too-many-cells"
    )


def test_a_cell_count_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "MAX_CELLS", 5)
    assert refusal(GOOD) == "file-too-many-cells"


def test_a_size_that_a_sheet_says_of_itself_is_not_believed() -> None:
    text = parts_of(GOOD)[SHEET].decode()
    start = text.index('<dimension ref="') + len('<dimension ref="')
    end = text.index('"', start)
    (grid,) = grids_of(with_part(SHEET, (text[:start] + "A1" + text[end:]).encode()))
    assert sum(map(len, grid.rows.values())) == 12


def test_broken_styles_and_properties_keep_no_workbook_out() -> None:
    broken = parts_of(GOOD) | {"xl/styles.xml": b"<x/>", "docProps/core.xml": b"<x", "xl/theme/theme1.xml": b"?"}
    (grid,) = grids_of(zipped(broken))
    assert grid.at(1, 1).value == "Mã cơ sở"


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    large = tmp_path / "large.csv"
    large.write_bytes(b"a" * 11)
    monkeypatch.setattr("provisioner.importing.tables.files.MAX_FILE_BYTES", 10)
    cases = {
        tmp_path: "file-not-regular",
        pipe: "file-not-regular",
        tmp_path / "no": "file-missing",
        large: "file-too-large",
    }
    for path, code in cases.items():
        with pytest.raises(FileRefusedError) as raised:
            read_file(path)
        assert raised.value.remark.code == code


def test_one_broken_file_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04")
    (tmp_path / "b.xlsx").write_bytes(GOOD)
    sources = read_input_files([tmp_path / "a.xlsx", tmp_path / "b.xlsx"])
    assert [finding.remark.code for finding in sources.findings] == ["file-damaged"]
    assert len(sources.records) == 1


def test_days_numbers_and_marks_come_as_excel_shows_them() -> None:
    workbook = Workbook()
    sheet = workbook.worksheets[0]
    sheet.append([True, 1.0, 12.5, "#N/A", "=1+1", None, " "])
    out = io.BytesIO()
    workbook.save(out)
    assert load_workbook(io.BytesIO(out.getvalue())).worksheets[0]["E1"].value == "=1+1"
    (grid,) = grids_of(out.getvalue())
    cells = [grid.at(1, column) for column in range(1, 8)]
    assert [cell.text for cell in cells[:3]] == ["True", "1", "12.5"]
    assert [cell.state.value for cell in cells[3:5]] == ["broken", "formula"]
    assert all(cell.is_empty for cell in cells[5:])
