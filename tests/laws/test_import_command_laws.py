"""`import` answers whatever the file: it reads it or refuses it, in seconds, at cells that are there."""

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.utils import column_index_from_string

from provisioner.cli.main import run
from provisioner.importing.grid import MAX_COLUMNS, MAX_ROWS
from tests import inventories as make
from tests.unit.importing import sheets as made

SECONDS = 20
TABLES: dict[str, made.Rows] = {
    "Cơ sở": [made.FACILITY_HEADER, made.facility_row()],
    "Camera": [made.CAMERA_HEADER, made.camera_row("cam-02", 12), made.camera_row("cam-03", 13)],
    "Khảo sát": [made.SURVEY_HEADER, made.survey_row()],
}
WORKBOOK = made.book(TABLES)
PARTS = sorted(zipfile.ZipFile(io.BytesIO(WORKBOOK)).namelist())
CSV = "\r\n".join(";".join("" if cell is None else str(cell) for cell in row) for row in TABLES["Camera"]).encode()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make.write_inventory(tmp_path / "inv")


def answer(root: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes) -> Any:
    """Import a file and return the document; what is asked of every answer is asked here."""
    path = root.parent / name
    path.write_bytes(data)
    started = time.process_time()
    code = run(["-i", str(root), "--output", "json", "import", str(path)], {"XDG_STATE_HOME": str(root.parent)})
    assert time.process_time() - started < SECONDS
    document = json.loads(capsys.readouterr().out)
    assert (code, document["schema"]) in {(0, "provisioner/import"), (3, "provisioner/import")}, document
    assert document["ok"] == (code == 0)
    for problem in document["problems"]:
        assert problem["message"]
        assert problem["hint"]
        assert 0 <= (problem["row"] or 0) <= MAX_ROWS
        assert not problem["column"] or 1 <= column_index_from_string(problem["column"]) <= MAX_COLUMNS
    return document


def rezipped(changes: dict[str, bytes | None]) -> bytes:
    """The workbook with other parts; None leaves one out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(WORKBOOK)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in PARTS:
            data = changes.get(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return out.getvalue()


def part(name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(WORKBOOK)) as book:
        return book.read(name)


def test_the_files_are_right(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, data in (("a.xlsx", WORKBOOK), ("a.xlsx", rezipped({})), ("a.csv", CSV)):
        assert answer(root, capsys, name, data)["ok"], name


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["a.csv", "a.xlsx"]),
    cut=st.integers(0, len(CSV)),
    noise=st.binary(max_size=200) | st.text(max_size=100).map(str.encode),
)
def test_a_table_that_ends_in_anything_is_answered(
    root: Path, capsys: pytest.CaptureFixture[str], name: str, cut: int, noise: bytes
) -> None:
    answer(root, capsys, name, CSV[:cut] + noise)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(WORKBOOK)), noise=st.binary(max_size=50), keep=st.booleans())
def test_a_workbook_that_is_damaged_is_answered(
    root: Path, capsys: pytest.CaptureFixture[str], *, cut: int, noise: bytes, keep: bool
) -> None:
    answer(root, capsys, "a.xlsx", WORKBOOK[:cut] + noise + (WORKBOOK[cut + len(noise) :] if keep else b""))


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_workbook_whose_insides_are_wrong_is_answered(
    root: Path, capsys: pytest.CaptureFixture[str], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(PARTS))
    whole = part(name)
    cut = data.draw(st.integers(0, len(whole)))
    noise = data.draw(
        st.binary(max_size=20)
        | st.sampled_from([b"", b"<a>" * 20_000, b'<row r="99999999">', b'<c r="ZZZZ9">', b"<v>1e999</v>", b"&x;"])
    )
    rest = data.draw(st.sampled_from([b"", whole[cut:]]))
    changed = data.draw(st.sampled_from([whole[:cut] + noise + rest, None, b"", b"<x/>"]))
    answer(root, capsys, "a.xlsx", rezipped({name: changed}))


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_value_of_a_cell_that_is_wrong_has_a_finding_at_the_cell(
    root: Path, capsys: pytest.CaptureFixture[str], data: st.DataObject
) -> None:
    """A word that no column takes, in a table that is right otherwise."""
    sheet = data.draw(st.sampled_from(sorted(TABLES)))
    header, row = TABLES[sheet][0], list(TABLES[sheet][1])
    checked = [place for place, name in enumerate(header) if name not in {"STT", "Tên cơ sở"}]
    place = data.draw(st.sampled_from(checked))
    row[place] = data.draw(st.sampled_from(["§§§", "?!", "=1/0", "#REF!"]))
    document = answer(root, capsys, "a.xlsx", made.book({sheet: [header, row]}))
    errors = [
        (p["sheet"], p["row"], column_index_from_string(p["column"]))
        for p in document["problems"]
        if p["severity"] == "error" and p["column"]
    ]
    assert errors == [(sheet, 2, place + 1)], "the cell, and no other one"
