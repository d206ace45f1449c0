"""The template and what is said of a filled one: lists, examples, keys, and sentences in both languages."""

import io
import re
import string
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.utils import get_column_letter

from provisioner.base.language import Language
from provisioner.importing.contacts.fields import FIELD_SENTENCES, Wording
from provisioner.importing.forms.columns import EXAMPLES, Form, FormKind
from provisioner.importing.forms.forms import FACILITIES, FORMS
from provisioner.importing.grid import FindingLevel, Remark, error
from provisioner.importing.report.messages import ENGLISH, LEVELS, OF_RULES, VIETNAMESE, wording
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


SOURCES = Path(__file__).parents[3] / "provisioner"


def gaps(words: Wording) -> set[str]:
    return {name for text in words for _, name, _, _ in string.Formatter().parse(text) if name}


def raised() -> set[str]:
    """The codes that stand in the source of the importer and of its command."""
    files = [*(SOURCES / "importing").rglob("*.py"), SOURCES / "cli/import_.py"]
    code = "".join(path.read_text(encoding="utf-8") for path in files if not path.name.startswith("messages"))
    return set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', code))


def test_both_languages_say_the_same_things() -> None:
    assert set(ENGLISH) == set(VIETNAMESE)
    for code, words in ENGLISH.items():
        assert gaps(words) == gaps(VIETNAMESE[code]), code
        assert all(words), code
        assert all(VIETNAMESE[code]), code


def test_every_sentence_is_of_a_code_that_is_used() -> None:
    assert set(ENGLISH) - raised() == set()


def test_no_code_of_the_contacts_has_other_words_here() -> None:
    assert set(ENGLISH) & set(FIELD_SENTENCES[Language.EN]) == set()


def test_the_rules_of_the_inventory_are_told_in_both_languages() -> None:
    remark = Remark(
        "address-duplicate", FindingLevel.ERROR, (("message", "camera cam-01: also cam-02"), ("hint", "correct it"))
    )
    assert wording(remark, Language.EN) == ("camera cam-01: also cam-02", "correct it")
    assert wording(remark, Language.VI).message == "Hai thiết bị có cùng địa chỉ và cổng (camera cam-01: also cam-02)"
    unknown = Remark("some-new-rule", FindingLevel.ERROR, (("message", "wrong"), ("hint", "mend it")))
    assert wording(unknown, Language.VI) == ("Trái quy tắc của hệ thống: wrong", "mend it")
    assert all(gaps(words) <= {"message", "hint"} for words in OF_RULES.values())


def test_a_gap_is_filled_as_it_is_and_not_read_again() -> None:
    assert "{x}" in wording(error("file-unreadable", cause="{x}"), Language.EN).message


def test_every_level_has_a_word() -> None:
    assert all(set(words) == set(FindingLevel) for words in LEVELS.values())
