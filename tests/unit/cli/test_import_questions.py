"""`import` and its questions at the command line: what a clerk reads, what a pipeline gets, how it ends."""

import io
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from tests.unit.cli.test_import import Desk
from tests.unit.importing import sheets as made
from tests.unit.importing.test_questions import HEADER, row

PLACE = ("Huyện Việt Yên", "Xã Tăng Tiến", "Số 5 Lê Lợi")


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def facilities(*rows: tuple[Any, ...]) -> dict[str, made.Rows]:
    return {"Cơ sở": [HEADER, *rows]}


def test_rows_that_wait_are_not_written_the_others_are_and_it_ends_with_3(desk: Desk) -> None:
    sheet = desk.sheet("a.xlsx", facilities(row("Trường Ví Dụ", *PLACE), row("Trường Khác", *PLACE)))
    before = desk.tree()
    assert desk.run(sheet, "--write", "--language", "en") == 3
    assert desk.out.splitlines()[-2:] == [
        "open questions: 1; rows that wait for an answer, and were not written: 1",
        "next: provisioner facility next kcl-bg-002",
    ]
    assert set(desk.tree()) - set(before) == {"facilities/bac-giang/kcl-bg-002.yml"}
    assert all(desk.tree()[name] == text for name, text in before.items())
    assert desk.run(sheet, "--write", "--answer", "2=kcl-bg-001") == 0
    assert "Xã Tăng Tiến" in desk.tree()["facilities/bac-giang/kcl-bg-001.yml"].decode()
    assert desk.run(sheet, "--write", "--language", "en") == 0
    assert "nothing to change" in desk.out


def test_a_clerk_reads_what_is_asked_and_where_to_write_the_answer(desk: Desk) -> None:
    sheet = desk.sheet("a.xlsx", facilities(row("Truong Vi Du")))
    assert desk.run(sheet) == 3
    assert f"câu hỏi: {sheet}: Cơ sở!B2 “Truong Vi Du”: Đây là một trong các cơ sở sau nhưng ghi tên khác" in desk.out
    assert "    kcl-bg-001: Trường Ví Dụ (cùng tên, khác dấu; một bên thiếu huyện, xã hoặc địa chỉ;" in desk.out
    assert "trả lời: ghi vào ô B2 (Mã cơ sở): kcl-bg-001 nếu là cơ sở đó / “mới” nếu là cơ sở khác" in desk.out
    assert desk.out.splitlines()[-1] == "còn 1 câu hỏi; 1 dòng không được ghi vì chờ trả lời"


def test_a_list_without_the_column_is_answered_by_adding_it(desk: Desk) -> None:
    header, cells = ([*cells[:1], *cells[2:]] for cells in (HEADER, row("Truong Vi Du")))
    assert desk.run(desk.sheet("a.xlsx", {"Cơ sở": [header, cells]}), "--language", "en") == 3
    assert "answer: add a column Mã cơ sở and write into row 2: kcl-bg-001 if it is that one" in desk.out


def test_the_document_has_the_questions(desk: Desk) -> None:
    sheet = desk.sheet("a.xlsx", facilities(row("Truong Vi Du"), row("Trường Khác", *PLACE), row("Trường Khác")))
    document = desk.document(sheet, "--language", "en")
    assert document["ok"] is False
    assert [(q["kind"], q["row"], q["column"], q["name"]) for q in document["questions"]] == [
        ("rename", 2, "B", "Truong Vi Du"),
        ("twin", 3, "B", "Trường Khác"),
        ("twin", 4, "B", "Trường Khác"),
    ]
    first, second, _ = (q["candidates"] for q in document["questions"])
    assert first == [
        {
            "facility": "kcl-bg-001",
            "row": 0,
            "sheet": "",
            "name": "Trường Ví Dụ",
            "address": "",
            "why": ["other-marks", "place-missing", "not-listed"],
            "because": "the same name but for its marks; district, ward or address is missing on one side; "
            "no row of the list is about it",
        }
    ]
    assert [(c["facility"], c["row"], c["sheet"]) for c in second] == [("", 4, "Cơ sở")]


def test_a_site_that_is_missing_is_asked_about_and_ends_with_0(desk: Desk) -> None:
    sheet = desk.sheet("a.xlsx", facilities(row("Trường Khác", *PLACE)))
    assert desk.run(sheet, "--write") == 0
    document = desk.document(sheet, "--whole-list", "bac-giang")
    assert document["ok"] is True
    assert [(q["kind"], q["row"], q["object"]) for q in document["questions"]] == [
        ("missing", 0, "facility/kcl-bg-001")
    ]
    assert desk.run(sheet, "--whole-list", "bac-giang") == 0
    assert desk.out.splitlines()[-1] == "còn 1 câu hỏi; không có dòng nào phải chờ trả lời"
    assert "operating: open" in desk.tree()["facilities/bac-giang/kcl-bg-001.yml"].decode()
    assert desk.run(sheet, "--whole-list", "nowhere") == 2


def test_145_notes_bury_no_warning(desk: Desk) -> None:
    rows = [row(f"Trường số {number}", None, f"Xã {number}") for number in range(1, 146)]
    named = row("Trường Khác", id="kcl-bg-001")
    sheet = desk.sheet("a.xlsx", facilities(*rows, row("Trường Hai", kind="nhà"), named, row("TRƯỜNG SỐ 9")))
    assert desk.run(sheet, "--language", "en") == 3
    words = [line.partition(":")[0] for line in desk.out.splitlines()[1:] if not line.startswith(" ")]
    kinds = list(dict.fromkeys(word for word in words if word in {"error", "warning", "question", "note"}))
    assert kinds == ["error", "warning", "question", "note"]
    notes = [line for line in desk.out.splitlines() if line.startswith("note:")]
    assert len(notes) <= 4
    assert notes[-1].startswith("note: 141 more notes of this kind (id-proposed); all of them: --output json")
    document = desk.document(sheet)
    assert sum(p["code"] == "id-proposed" for p in document["problems"]) == 144


def test_the_report_has_questions_between_warnings_and_notes(desk: Desk) -> None:
    named = row("Trường Khác", id="kcl-bg-001")
    sheet = desk.sheet(
        "a.xlsx", facilities(row("Trường Một", *PLACE), row("Trường Hai", kind="nhà"), named, row("Truong Mot"))
    )
    out = desk.folder / "out.xlsx"
    assert desk.run(sheet, "--report", out) == 3
    assert f"đã ghi kết quả kiểm tra vào {out}" in desk.out
    rows = list(load_workbook(io.BytesIO(out.read_bytes())).worksheets[0].iter_rows(min_row=2, values_only=True))
    levels = [cells[1] for cells in rows]
    assert levels == ["lỗi", "cảnh báo", "câu hỏi", "câu hỏi"]
    assert [cells[4] for cells in rows] == ["E3", "D4", "B2", "B5"]
    assert "[1] dòng 5: Truong Mot" in str(rows[2][7])
    assert "ghi vào ô B2 (Mã cơ sở)" in str(rows[2][8])


def test_answers_without_a_row_and_beside_a_template_are_wrong_usage(desk: Desk) -> None:
    sheet = desk.sheet("a.xlsx", facilities(row("Trường Khác")))
    for arguments in (
        (sheet, "--answer", "9=new"),
        (sheet, "--answer", "new"),
        ("--template", "x", "--answer", "2=new"),
    ):
        assert desk.run(*arguments) == 2


def test_a_sheet_with_too_many_rows_is_named(desk: Desk) -> None:
    def far(workbook: Any) -> None:
        workbook["Camera"].cell(10_001, 1).value = "x"

    path = desk.folder / "a.xlsx"
    path.write_bytes(made.book(facilities(row("Trường Khác")) | {"Camera": [made.CAMERA_HEADER]}, far))
    assert desk.run(path, "--language", "en") == 3
    assert f"error: {path}: Camera: there is data below row 10000" in desk.out
    (problem,) = desk.document(path)["problems"]
    assert (problem["sheet"], problem["code"]) == ("Camera", "file-too-many-rows")
