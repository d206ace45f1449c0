"""The template: its lists reach the right cells, its example is right and not read, its keys outlive new headers."""

import io
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.utils import get_column_letter

from provisioner.importing.forms.columns import EXAMPLES, Form, FormKind
from provisioner.importing.forms.forms import FACILITIES, FORMS
from provisioner.importing.grid import FindingLevel
from provisioner.importing.write import filled_template
from tests.unit.importing import sheets as made
from tests.unit.importing.sheets import book, placed_codes, proposal_of

TEMPLATE = filled_template("gso-2021")


def opened() -> Workbook:
    return load_workbook(io.BytesIO(TEMPLATE))


def saved(workbook: Workbook) -> bytes:
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def places(workbook: Workbook, form: Form) -> dict[str, int]:
    sheet = workbook[form.title]
    return {str(cell.value): cell.column for cell in sheet[3] if cell.value}


def test_the_sheets_and_what_is_hidden() -> None:
    workbook = opened()
    assert workbook.sheetnames == ["Hướng dẫn", "Cơ sở", "Đầu mối", "Khảo sát", "Camera", "Danh mục"]
    assert workbook["Danh mục"].sheet_state == "hidden"
    for form in FORMS:
        sheet = workbook[form.title]
        assert sheet.row_dimensions[3].hidden
        assert sheet["A3"].value == "provisioner/import/1"
        assert not any("mật khẩu" in str(cell.value).casefold() for cell in sheet[4])


def test_every_choice_has_a_list_with_exactly_its_words() -> None:
    workbook = opened()
    for form in FORMS:
        sheet = workbook[form.title]
        rules = {str(rule.sqref).partition(":")[0]: rule.formula1 for rule in sheet.data_validations.dataValidation}
        for key, column in places(workbook, form).items():
            asked = form.by_key.get(key)
            if asked is None or (asked.choice is None and key != "province"):
                continue
            name, _, cells = rules[sheet.cell(5, column).coordinate].replace("'", "").replace("$", "").partition("!")
            listed = [cell.value for (cell,) in workbook[name][cells]]
            if asked.choice:
                assert tuple(listed) == asked.choice.labels
                assert [asked.choice.find(word) for word in listed] == list(asked.choice.words)
            else:
                assert len(listed) == 63


def test_cells_are_text_so_that_phones_keep_their_zero() -> None:
    sheet = opened()["Đầu mối"]
    column = places(opened(), FORMS[1])["phone"]
    assert sheet.column_dimensions[get_column_letter(column)].number_format == "@"
    assert sheet.cell(5, column).number_format == "@"


def test_the_example_is_not_read_and_would_be_right() -> None:
    assert placed_codes(proposal_of(TEMPLATE).findings) == []
    workbook = opened()
    for form in FORMS:
        workbook[form.title]["A5"] = "1"
        for cell in workbook[form.title][5]:
            cell.value = str(cell.value or "").replace("THPT Ví Dụ", "THPT Mẫu") or None
    proposal = proposal_of(saved(workbook), contacts={"ha-noi": ()})
    assert placed_codes(proposal.findings, FindingLevel.ERROR, FindingLevel.WARNING) == []
    assert sorted(proposal.edits) == ["kcl-hn-001"]
    assert proposal.contact_drafts["ha-noi"].new == 1


def test_an_example_that_somebody_wrote_over_is_not_lost_without_a_word() -> None:
    workbook = opened()
    workbook["Cơ sở"].cell(5, places(workbook, FACILITIES)["name"]).value = "Trường thật"
    assert placed_codes(proposal_of(saved(workbook)).findings) == [("Cơ sở!5", "row-example")]


def test_every_example_is_of_a_column_that_is_asked() -> None:
    for form in FORMS:
        assert set(EXAMPLES[form.kind]) <= {column.key for column in form.columns if column.asked}


def test_a_header_that_somebody_changed_is_known_by_its_hidden_key() -> None:
    workbook = opened()
    sheet = workbook["Cơ sở"]
    where = places(workbook, FACILITIES)
    sheet.cell(4, where["kind"]).value = "Kiểu nhà"
    for key, value in {
        "province": "Bắc Giang",
        "name": "Trường B",
        "kind": "Khác",
        "managing_body": "Quân đội",
    }.items():
        sheet.cell(6, where[key]).value = value
    sheet.cell(6, where["operating"]).value = "Dự phòng"
    proposal = proposal_of(saved(workbook))
    assert placed_codes(proposal.findings, FindingLevel.ERROR, FindingLevel.WARNING) == []
    assert b"kind: other" in proposal.edits["kcl-bg-002"].after


def test_a_column_that_somebody_put_in_is_named_and_not_read() -> None:
    workbook = opened()
    sheet = workbook["Cơ sở"]
    sheet.insert_cols(4)
    sheet["D4"], sheet["D6"] = "Ghi nhớ riêng", "x"
    sheet["B6"], sheet["C6"] = "kcl-bg-001", "Bắc Giang"
    assert placed_codes(proposal_of(saved(workbook)).findings) == [("Cơ sở!D4", "column-unknown")]


def test_another_version_is_not_read() -> None:
    workbook = opened()
    workbook["Camera"]["A3"] = "provisioner/import/2"
    assert placed_codes(proposal_of(saved(workbook)).findings) == [("Camera", "template-version")]


@pytest.mark.parametrize("kind", list(FormKind))
def test_the_guide_names_every_column(kind: FormKind) -> None:
    form = next(form for form in FORMS if form.kind is kind)
    guide = [[cell.value for cell in row] for row in opened()["Hướng dẫn"].rows]
    listed = {(row[0], row[1]) for row in guide}
    assert {(form.title, column.header) for column in form.columns if column.asked} <= listed


def test_a_sheet_without_a_header_is_reported() -> None:
    rows: Any = [("Danh sách",), ("Mã cơ sở", "Tên cơ sở"), ("kcl-bg-001", "Trường")]
    assert placed_codes(proposal_of(book({"DS": rows})).findings) == [("DS", "header-missing")]
    both = book({"DS": rows, "Camera": [made.CAMERA_HEADER]})
    assert placed_codes(proposal_of(both).findings) == [("DS", "sheet-ignored")]
    far: Any = [*[("x",)] * 20, made.CAMERA_HEADER, made.camera_row()]
    assert placed_codes(proposal_of(book({"DS": far})).findings) == [("DS", "header-missing")]
