"""What is asked of a person: twins, other names, sites that a list does not have; and what is never guessed."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.comments import Comment
from openpyxl.styles import Font

from provisioner.base.errors import UsageError
from provisioner.base.language import Language
from provisioner.importing.forms.values import is_doubtful
from provisioner.importing.grid import FindingLevel
from provisioner.importing.proposal.answers import QuestionKind, answered, read_answer
from provisioner.importing.proposal.build import propose
from provisioner.importing.proposal.proposal import Baseline, Proposal
from provisioner.importing.report.messages import wording
from provisioner.importing.tables.files import grids_of, read_records, sheets_of
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.loader.site import validated
from provisioner.inventory.model.facility import Facility
from tests import inventories as make
from tests.unit.importing import sheets as made
from tests.unit.importing.sheets import FILE, Rows, book, placed_codes

HEADER = (*made.FACILITY_HEADER, "Huyện", "Xã", "Địa chỉ")
PLACE = ("Huyện Việt Yên", "Xã Tăng Tiến", "Số 5 đường Lê Lợi")


def row(name: str, *place: str | None, **changes: Any) -> tuple[Any, ...]:
    return (*made.facility_row(name, **changes), *place, *[None] * (3 - len(place)))


def site(name: str, number: int = 1, *place: str | None, **changes: Any) -> dict[str, Any]:
    where = {key: text for key, text in zip(("district", "ward", "street"), place, strict=False) if text}
    plain = {"version": 1, "id": f"kcl-bg-{number:03}", "province": "bac-giang", "name": name, "kind": "school"}
    plain |= {"managing_body": "ubnd_tinh", "operating": "open"}
    return plain | ({"location": where} if where else {}) | changes


class Desk:
    """An inventory that sheets are imported into, one after the other."""

    def __init__(self, *plain: Mapping[str, Any], **settings: Any) -> None:
        self.files = {str(one["id"]): json.dumps(one, ensure_ascii=False).encode() for one in plain}
        self.settings = settings

    def read(
        self, *rows: Sequence[Any], answers: Sequence[str] = (), whole: Sequence[str] = (), **sheets: Rows
    ) -> Proposal:
        """What rows of facilities, and other sheets, come to."""
        facilities = {name: validated(Facility, parse(text).value) for name, text in self.files.items()}
        inventory = make.inventory(facilities=[], settings=make.settings(**self.settings), designations=[])
        inventory = inventory.model_copy(update={"facilities": facilities})
        data = book({"Cơ sở": [HEADER, *rows], **sheets})
        records, findings = read_records(sheets_of(FILE, grids_of(data)))
        there = Baseline(inventory, frozenset(), self.files.__getitem__, None, made.TODAY)
        return propose(answered(records, map(read_answer, answers)), there, {"bac-giang": ()}, findings, whole)

    def write(self, *rows: Sequence[Any], **options: Any) -> Proposal:
        """The same, with the edits written."""
        proposal = self.read(*rows, **options)
        self.files |= {edit.facility: edit.after for edit in proposal.changed}
        return proposal


def asked(proposal: Proposal) -> list[tuple[str, int, list[str]]]:
    """The questions about rows: kind, row, candidates."""
    return [
        (q.kind.value, q.position.row, [c.facility or f"row {c.row.row if c.row else 0}" for c in q.candidates])
        for q in proposal.questions
        if q.holds_a_row
    ]


def missing(proposal: Proposal) -> list[str]:
    return [q.facility for q in proposal.questions if q.kind is QuestionKind.MISSING]


def changed(proposal: Proposal) -> list[str]:
    return [edit.facility for edit in proposal.changed]


# --- twins ----------------------------------------------------------------------------------------
def test_a_second_school_of_the_name_in_another_district_is_a_second_site() -> None:
    desk = Desk(site("Trường THCS Hòa Bình", 1, *PLACE))
    first = dict(desk.files)
    proposal = desk.write(row("Trường THCS Hòa Bình", "Huyện Lạng Giang", "Xã Tân Dĩnh", kind="Ký túc xá"))
    assert (asked(proposal), changed(proposal)) == ([], ["kcl-bg-002"])
    assert desk.files["kcl-bg-001"] == first["kcl-bg-001"]
    again = desk.read(row("Trường THCS Hòa Bình", "Huyện Lạng Giang", "Xã Tân Dĩnh", kind="Ký túc xá"))
    assert (asked(again), changed(again)) == ([], [])


def test_two_of_a_name_in_one_sheet_are_two_sites_and_nobody_says_to_delete_one() -> None:
    rows = [row("Trường THCS Hòa Bình", *PLACE), row("Trường THCS Hòa Bình", "Huyện Lạng Giang", "Xã Tân Dĩnh")]
    proposal = Desk().read(*rows)
    assert placed_codes(proposal.findings, FindingLevel.ERROR, FindingLevel.WARNING) == []
    assert (asked(proposal), changed(proposal)) == ([], ["kcl-bg-001", "kcl-bg-002"])


def test_rows_that_are_one_site_in_every_part_are_an_error_that_says_how_to_tell_two_apart() -> None:
    proposal = Desk().read(row("Trường THCS Hòa Bình", *PLACE), row("TRƯỜNG THCS HOÀ BÌNH", *PLACE))
    assert placed_codes(proposal.findings, FindingLevel.ERROR) == [("Cơ sở!B3", "site-duplicate")]
    assert changed(proposal) == ["kcl-bg-001"]


@pytest.mark.parametrize("place", [(), (None, "Xã Tăng Tiến"), ("Huyện Việt Yên",)])
def test_what_one_side_lacks_is_asked_and_not_taken_for_the_same(place: tuple[str | None, ...]) -> None:
    desk = Desk(site("Trường THCS Hòa Bình", 1, *PLACE))
    proposal = desk.read(row("Trường THCS Hòa Bình", *place, kind="Ký túc xá"))
    assert (asked(proposal), changed(proposal)) == ([("twin", 2, ["kcl-bg-001"])], [])
    bare = Desk(site("Trường THCS Hòa Bình"))
    proposal = bare.read(row("Trường THCS Hòa Bình", *PLACE))
    assert (asked(proposal), changed(proposal)) == ([("twin", 2, ["kcl-bg-001"])], [])


def test_a_bare_name_is_asked_about_as_soon_as_it_would_change_anything() -> None:
    desk = Desk(site("Trường THCS Hòa Bình"))
    same = desk.read(row("Trường THCS Hòa Bình"))
    assert (asked(same), changed(same), placed_codes(same.findings)) == ([], [], [("Cơ sở!B2", "facility-matched")])
    other = desk.read(row("Trường THCS Hòa Bình", kind="Ký túc xá"))
    assert (asked(other), changed(other)) == ([("twin", 2, ["kcl-bg-001"])], [])


def test_what_hangs_on_a_bare_name_is_asked_about_and_what_names_the_id_is_not() -> None:
    desk = Desk(site("Trường THCS Hòa Bình"))
    header = ("Tên cơ sở", "Mã cơ sở", *made.CAMERA_HEADER[1:])
    by_name = [header, ("Trường THCS Hòa Bình", None, *made.camera_row("cam-01")[1:])]
    proposal = desk.read(row("Trường THCS Hòa Bình"), Camera=by_name)
    assert (asked(proposal), changed(proposal)) == ([("twin", 2, ["kcl-bg-001"])], [])
    assert ("Camera!A2", "facility-asked") in placed_codes(proposal.findings, FindingLevel.NOTE)
    assert placed_codes(proposal.findings, FindingLevel.ERROR) == []
    by_id = [header, (None, "kcl-bg-001", *made.camera_row("cam-01")[1:])]
    proposal = desk.read(row("Trường THCS Hòa Bình"), Camera=by_id)
    assert (asked(proposal), changed(proposal)) == ([], ["kcl-bg-001"])


def test_rows_that_may_be_one_new_site_are_each_asked_about() -> None:
    proposal = Desk().read(row("Trường THCS Hòa Bình", *PLACE), row("Trường THCS Hòa Bình"), row("Trường Khác"))
    assert asked(proposal) == [("twin", 2, ["row 3"]), ("twin", 3, ["row 2"])]
    assert changed(proposal) == ["kcl-bg-001"]


# --- other names ----------------------------------------------------------------------------------
SPELLINGS = ("THCS Hòa Bình", "Truong THCS Hoa Binh", "Trường THCS Hòa Bnh")


@pytest.mark.parametrize("place", [PLACE, PLACE[:2], ()])
def test_three_other_spellings_are_three_questions_and_no_new_site(place: tuple[str, ...]) -> None:
    desk = Desk(site("Trường THCS Hòa Bình", 1, *place))
    proposal = desk.read(*[row(name, *place, kind="Ký túc xá") for name in SPELLINGS])
    questions = asked(proposal)
    assert [(kind, number) for kind, number, _ in questions] == [("rename", 2), ("rename", 3), ("rename", 4)]
    assert all("kcl-bg-001" in candidates for _, _, candidates in questions)
    assert changed(proposal) == []
    for name in SPELLINGS:
        assert asked(desk.read(row(name, *place))) == [("rename", 2, ["kcl-bg-001"])], name


def test_another_name_at_the_same_address_is_asked_only_where_the_site_is_not_in_the_list() -> None:
    desk = Desk(site("Khách sạn Hoa Sen", 1, *PLACE))
    new = row("Khách sạn Mường Thanh", *PLACE)
    proposal = desk.read(new)
    assert asked(proposal) == [("rename", 2, ["kcl-bg-001"])]
    assert missing(proposal) == []  # it is asked about once
    assert [q.name for q in proposal.questions] == [""]  # what stands there may be anything
    assert changed(desk.read(new, row("Khách sạn Hoa Sen", *PLACE))) == ["kcl-bg-002"]


def test_the_same_name_in_one_ward_is_asked_about_where_no_row_has_the_other_street() -> None:
    """It made a second site without a word wherever a street was written otherwise."""
    place = ("Huyện Việt Yên", "Xã Tăng Tiến")
    desk = Desk(site("Trường THCS Hòa Bình", 1, *place, "Thôn Đông"))
    moved = row("Trường THCS Hòa Bình", *place, "12 Lê Lợi")
    assert asked(desk.read(moved)) == [("twin", 2, ["kcl-bg-001"])]
    both = desk.read(moved, row("Trường THCS Hòa Bình", *place, "Thôn Đông"))
    assert (asked(both), changed(both)) == ([], ["kcl-bg-002"])


def test_numbers_of_an_address_that_change_places_are_no_proof_of_one_site() -> None:
    """House 3 in lane 12 was taken for house 12 in lane 3, and the one's row was written over the other."""
    place = ("Huyện Việt Yên", "Xã Tăng Tiến")
    desk = Desk(site("Nhà văn hóa", 1, *place, "12/3 Lê Lợi"))
    proposal = desk.read(row("Nhà văn hóa", *place, "3/12 Lê Lợi", kind="Ký túc xá"))
    assert (asked(proposal), changed(proposal)) == ([("twin", 2, ["kcl-bg-001"])], [])


def test_another_kind_or_number_or_ward_is_another_site() -> None:
    desk = Desk(site("Trường THCS Hòa Bình 1", 1, "Huyện Việt Yên", "Xã Tăng Tiến"))
    rows = [
        row("Trường THCS Hòa Bình 2", "Huyện Việt Yên", "Xã Tăng Tiến"),
        row("Trường THPT Hòa Bình 1", "Huyện Việt Yên", "Xã Tăng Tiến"),
        row("THCS Hòa Bình 1", "Huyện Việt Yên", "Xã Quang Châu"),
    ]
    proposal = desk.read(*rows)
    assert (asked(proposal), changed(proposal)) == ([], ["kcl-bg-002", "kcl-bg-003", "kcl-bg-004"])


def test_an_id_that_is_not_there_beside_a_site_that_is_is_asked_about() -> None:
    desk = Desk(site("Trường THCS Hòa Bình", 1, *PLACE))
    proposal = desk.read(row("Trường THCS Hòa Bình", *PLACE, id="kcl-bg-01"))
    assert (asked(proposal), changed(proposal)) == ([("twin", 2, ["kcl-bg-001"])], [])
    assert changed(desk.read(row("Trường Khác Hẳn", *PLACE[:2], id="kcl-bg-050"))) == ["kcl-bg-050"]


# --- answers --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SPELLINGS)
def test_an_answer_is_taken_and_never_asked_for_again(name: str) -> None:
    desk = Desk(site("Trường THCS Hòa Bình", 1, *PLACE))
    same = desk.write(row(name, *PLACE, id="kcl-bg-001"))
    assert (asked(same), changed(same)) == ([], ["kcl-bg-001"])
    again = desk.read(row(name, *PLACE, id="kcl-bg-001"))
    assert (asked(again), changed(again)) == ([], [])
    assert asked(desk.read(row(name, *PLACE))) == []


@pytest.mark.parametrize("word", ["mới", "MỚI", "new", "Cơ sở mới"])
def test_new_makes_a_site_once(word: str) -> None:
    desk = Desk(site("Trường THCS Hòa Bình", 1, *PLACE))
    new = row("THCS Hòa Bình", *PLACE, id=word)
    first = desk.write(new)
    assert (asked(first), changed(first)) == ([], ["kcl-bg-002"])
    again = desk.read(new)
    assert (asked(again), changed(again)) == ([], [])
    assert placed_codes(again.findings) == [("Cơ sở!B2", "new-is-there")]


def test_new_alone_tells_no_bare_name_apart() -> None:
    desk = Desk(site("Trường THCS Hòa Bình"))
    proposal = desk.read(row("Trường THCS Hòa Bình", id="mới", kind="Ký túc xá"))
    assert (asked(proposal), changed(proposal)) == ([("twin", 2, ["kcl-bg-001"])], [])
    idle = desk.read(row("Trường THCS Hòa Bình", id="mới"))
    assert placed_codes(idle.findings, FindingLevel.WARNING) == [("Cơ sở!B2", "new-is-there")]
    told_apart = desk.read(row("Trường THCS Hòa Bình", None, "Xã Tân Dĩnh", id="mới"))
    assert (asked(told_apart), changed(told_apart)) == ([], ["kcl-bg-002"])


def test_answers_beside_the_sheets_are_those_of_the_column() -> None:
    desk = Desk(site("Trường THCS Hòa Bình", 1, *PLACE))
    rows = [row("THCS Hòa Bình", *PLACE), row("Trường THCS Hòa Bnh", *PLACE)]
    proposal = desk.read(*rows, answers=["2=kcl-bg-001", "Cơ sở!B3=new"])
    assert (asked(proposal), changed(proposal)) == ([], ["kcl-bg-001", "kcl-bg-002"])
    for wrong in ("9=new", "Camera!2=new", "2", "x=new", "2=§"):
        with pytest.raises(UsageError):
            desk.read(*rows, answers=[wrong])
    with pytest.raises(UsageError, match="row 2 has another answer as well: 2=kcl-bg-001"):
        desk.read(*rows, answers=["2=kcl-bg-001", "Cơ sở!B2=new"])
    twice = desk.read(*rows, answers=["2=kcl-bg-001", "Cơ sở!B2=kcl-bg-001", "3=new"])
    assert changed(twice) == ["kcl-bg-001", "kcl-bg-002"]


# --- another district, and rows of other sheets ---------------------------------------------------
def test_an_id_of_another_district_is_refused_whatever_the_row_says_besides() -> None:
    desk = Desk(site("Trường THCS Hòa Bình", 1, *PLACE))
    proposal = desk.read(row("Trường THCS Hòa Bình", "Huyện Lạng Giang", id="kcl-bg-001", kind="Ký túc xá"))
    assert placed_codes(proposal.findings, FindingLevel.ERROR) == [("Cơ sở!B2", "facility-elsewhere")]
    assert changed(proposal) == []
    moved = desk.read(row("Trường THCS Hòa Bình", None, "Xã Quang Châu", id="kcl-bg-001"))
    assert placed_codes(moved.findings) == [("Cơ sở!I2", "facility-moved")]


def test_district_and_ward_of_a_camera_tell_sites_of_one_name_apart() -> None:
    desk = Desk(site("Trường Mẫu", 1, *PLACE), site("Trường Mẫu", 2, "Huyện Lạng Giang", "Xã Tân Dĩnh"))
    header = ("Tên cơ sở", "Huyện", *made.CAMERA_HEADER[1:])
    cameras = [
        header,
        ("Trường Mẫu", "Lạng Giang", *made.camera_row("cam-01")[1:]),
        ("Trường Mẫu", "Hiệp Hòa", *made.camera_row("cam-01")[1:]),
        ("Trường Mẫu", None, *made.camera_row("cam-01")[1:]),
    ]
    proposal = desk.read(Camera=cameras)
    assert changed(proposal) == ["kcl-bg-002"]
    assert placed_codes(proposal.findings, FindingLevel.ERROR) == [
        ("Camera!A3", "facility-unknown"),
        ("Camera!A4", "facility-ambiguous"),
    ]
    alone = Desk(site("Trường Mẫu", 1, *PLACE)).read(Camera=[header, cameras[1]])
    assert placed_codes(alone.findings, FindingLevel.ERROR) == [("Camera!A2", "facility-elsewhere")]


# --- sites that a list does not have --------------------------------------------------------------
def test_sites_that_are_not_in_a_list_of_half_of_the_province_are_asked_about_and_stay() -> None:
    desk = Desk(*[site(f"Trường {number}", number, None, f"Xã {number}") for number in range(1, 5)])
    proposal = desk.read(row("Trường 1", None, "Xã 1"), row("Trường 2", None, "Xã 2"))
    assert (missing(proposal), changed(proposal), proposal.waiting) == (["kcl-bg-003", "kcl-bg-004"], [], 0)
    assert missing(desk.read(row("Trường 1", None, "Xã 1"))) == []
    assert missing(desk.read(row("Trường 1", None, "Xã 1"), whole=["bac-giang"])) == [
        *("kcl-bg-002", "kcl-bg-003", "kcl-bg-004")
    ]


def test_a_site_that_is_closed_or_named_or_asked_about_is_not_missing() -> None:
    sites = [site(f"Trường {number}", number, None, f"Xã {number}") for number in range(1, 3)]
    closed = site("Trường 3", 3, None, "Xã 3", operating="closed", closed_on="2021-05-08")
    renamed = site("Trường THCS Hòa Bình", 4, None, "Xã 4")
    desk = Desk(*sites, closed, renamed)
    there = (*[None] * 7, None, None, None)
    named = (None, "kcl-bg-002", *there[2:])
    proposal = desk.read(row("Trường 1", None, "Xã 1"), named, row("THCS Hòa Bình", None, "Xã 4"))
    assert (asked(proposal), missing(proposal)) == ([("rename", 4, ["kcl-bg-004"])], [])


# --- doubt ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        *(
            *("Trường học (?)", "?", "Trường Mẫu??", "...", "Trường Mẫu…", "N/A", "n.a.", "xxx", "Trường xxx", "Test"),
            "test 2",
        ),
        *(
            *("chưa rõ", "Chưa rõ", "CHƯA XÁC ĐỊNH", "chua ro", "Trường Một hoặc Trường Hai", "Trường (đang cập nhật)"),
            "-",
        ),
    ],
)
def test_a_name_that_is_not_certain_is_not_taken(text: str) -> None:
    proposal = Desk().read(row(text, *PLACE), row("Trường Khác", *PLACE))
    assert ("Cơ sở!D2", "text-doubtful") in placed_codes(proposal.findings, FindingLevel.ERROR)
    assert changed(proposal) == ["kcl-bg-001"]


def test_dots_without_end_take_no_time_that_grows_with_their_square() -> None:
    began = time.process_time()
    assert not is_doubtful("." * 30_000 + "a")
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "text",
    [
        *("Trường THCS Hòa Bình (cơ sở 2)", "TTYT TP. Bắc Giang", "Trường Tiểu học số 1 - Khu A", "Kho K.32 (cũ)"),
        *("Trung tâm test nhanh", "Trường Chùa Rô", "Nhà khách X5", "Khách sạn “Hoa & Lá”", "Trung đoàn XX"),
    ],
)
def test_signs_that_a_name_may_have_stay(text: str) -> None:
    desk = Desk()
    proposal = desk.write(row(text, *PLACE))
    assert placed_codes(proposal.findings, FindingLevel.ERROR) == []
    assert parse(desk.files["kcl-bg-001"]).value["name"] == text  # type: ignore[index]


def test_a_province_or_ward_that_is_not_certain_is_not_taken() -> None:
    proposal = Desk().read(row("Trường Mẫu", "Việt Yên?", "chưa rõ", province="Bắc Ninh?"))
    assert placed_codes(proposal.findings, FindingLevel.ERROR) == [
        *(("Cơ sở!C2", "text-doubtful"), ("Cơ sở!H2", "text-doubtful"), ("Cơ sở!I2", "text-doubtful"))
    ]
    assert changed(proposal) == []


@pytest.mark.parametrize("dash", ["-", "–", "/", "không có", "Không"])  # noqa: RUF001 (what people type)
def test_a_dash_in_a_place_says_that_there_is_none(dash: str) -> None:
    desk = Desk()
    proposal = desk.write(row("Trường Mẫu", dash, "Xã Mẫu", dash))
    assert [code for _, code in placed_codes(proposal.findings)].count("place-none") == 2
    assert parse(desk.files["kcl-bg-001"]).value["location"] == {"ward": "Xã Mẫu"}  # type: ignore[index]


# --- bounds ---------------------------------------------------------------------------------------
def test_more_namesakes_than_are_compared_are_asked_about_and_not_taken_for_new() -> None:
    desk = Desk(*[site("Trạm y tế", number, None, "Xã Mẫu", f"Thôn {number}") for number in range(1, 61)])
    proposal = desk.read(row("Trạm y tế", None, "Xã Mẫu", "Thôn 99"), row("Trạm y tế", None, "Xã Mẫu", "Thôn 60"))
    assert [(kind, number) for kind, number, _ in asked(proposal)] == [("twin", 2)]
    assert changed(proposal) == []


def test_many_of_one_name_in_wards_of_their_own_are_sites_of_their_own() -> None:
    rows = [row("Trạm y tế", None, f"Xã {number}") for number in range(1, 121)]
    proposal = Desk().read(*rows)
    assert (asked(proposal), len(changed(proposal))) == ([], 120)


# --- what a sheet says beside its values ----------------------------------------------------------
def questions(proposal: Proposal) -> list[tuple[str, str]]:
    return [(place, code) for place, code in placed_codes(proposal.findings, FindingLevel.QUESTION)]


@pytest.mark.parametrize("piece", ["", "Cũ"])
def test_a_row_that_is_crossed_out_is_asked_about_and_not_opened(piece: str) -> None:
    def cross_out(made_book: Workbook) -> None:
        sheet = made_book["Cơ sở"]
        if piece:
            sheet["D2"].value = CellRichText("Trường ", TextBlock(InlineFont(strike=True), piece))
        else:
            for cell in sheet[2]:
                cell.font = Font(strike=True)

    rows = [made.FACILITY_HEADER, made.facility_row("Trường Một"), made.facility_row("Trường Hai", 2)]
    proposal = made.proposal_of(book({"Cơ sở": rows}, cross_out))
    assert questions(proposal) == [("Cơ sở!D2" if piece else "Cơ sở!A2", "cell-struck")]
    assert [edit.facility for edit in proposal.changed] == ["kcl-bg-002"]
    assert (proposal.waiting, proposal.errors) == (1, 0)


@pytest.mark.parametrize(
    ("text", "code", "waiting"),
    [
        ("Sở Y tế:\nđã đóng cửa", "comment-changes", 1),
        ("DA DONG CUA", "comment-changes", 1),
        ("theo công văn 12 của thôn Đông", "comment-unread", 0),
        ("xem bản đồ", "comment-unread", 0),
    ],
)
def test_a_comment_is_a_question_if_it_may_close_the_row(text: str, code: str, waiting: int) -> None:
    def remark(made_book: Workbook) -> None:
        made_book["Cơ sở"]["D2"].comment = Comment(text, "Sở Y tế")

    proposal = made.proposal_of(book({"Cơ sở": [made.FACILITY_HEADER, made.facility_row()]}, remark))
    assert placed_codes(proposal.findings, FindingLevel.QUESTION, FindingLevel.WARNING) == [("Cơ sở!D2", code)]
    assert proposal.waiting == waiting


@pytest.mark.parametrize(
    ("name", "level", "code"),
    [
        ("Trường\u200b Mới", FindingLevel.WARNING, "text-hidden"),
        ("Trường \u202eiớM\u202c", FindingLevel.QUESTION, "text-direction"),
    ],
)
def test_characters_that_no_one_sees_are_named_with_their_cell(name: str, level: FindingLevel, code: str) -> None:
    proposal = made.proposal_of(book({"Cơ sở": [made.FACILITY_HEADER, made.facility_row(name)]}))
    assert placed_codes(proposal.findings, level) == [("Cơ sở!D2", code)]
    assert len(proposal.changed) == (level is FindingLevel.WARNING)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Nguyễn Văn A, Trần Thị B", "name-several"),
        ("Nguyễn Văn A\nTrần Thị B", "name-several"),
        ("Nguyễn Văn A và Trần Thị B", "name-several"),
        ("Nguyễn Văn A - Phó Giám đốc", "name-several"),
        ("Phòng Y tế", "name-office"),
        ("PHONG Y TE", "name-office"),
        ("Ban chỉ huy quân sự", "name-office"),
        ("UBND xã", "name-office"),
        ("BGH nhà trường", "name-office"),
        ("Phó Hiệu trưởng", "name-office"),
        ("Trần Văn Mẫu 0300000009", "name-several"),
        ("Phó Văn Trường", ""),
        ("Ban Thị Sở", ""),
        ("Đoàn Văn Trường", ""),
        ("Trần Thị Nguyễn-Mẫu", ""),
    ],
)
def test_a_cell_of_two_persons_or_of_an_office_is_asked_about(name: str, code: str) -> None:
    proposal = made.proposal_of(book({"Đầu mối": [made.CONTACT_HEADER, made.contact_row(name=name)]}))
    assert questions(proposal) == ([("Đầu mối!C2", code)] if code else [])
    assert [draft.new for draft in proposal.contact_drafts.values()] == ([] if code else [1])


@pytest.mark.parametrize("header", ["Ghi chú", "Tình hình"])
@pytest.mark.parametrize(
    ("text", "waiting"), [("Đã giải thể từ 15/5", 1), ("không còn cách ly", 1), ("đường vào hẹp", 0), (12, 0)]
)
def test_a_note_that_may_end_its_row_is_a_question_though_its_column_is_not_read(
    header: str, text: str | int, waiting: int
) -> None:
    rows = [
        (*made.FACILITY_HEADER, header),
        (*made.facility_row("Trường Một"), text),
        made.facility_row("Trường Hai", 2),
    ]
    proposal = made.proposal_of(book({"Cơ sở": rows}))
    assert questions(proposal) == [("Cơ sở!H2", "note-changes")] * waiting
    assert (len(proposal.changed), proposal.waiting) == (2 - waiting, waiting)


def test_as_above_below_a_row_that_is_not_read_is_an_error_and_not_the_row_above_that() -> None:
    header = (*made.FACILITY_HEADER, "Xã/Phường")
    wards = ("Xã Một", "Xã Hai", "nt")
    rows = [header, *((*made.facility_row(f"Trường {n}", n), ward) for n, ward in enumerate(wards, 1))]

    def hide(made_book: Workbook) -> None:
        made_book["Cơ sở"].row_dimensions[3].hidden = True

    proposal = made.proposal_of(book({"Cơ sở": rows}, hide))
    errors = placed_codes(proposal.findings, FindingLevel.ERROR)
    assert errors == [("Cơ sở!3", "row-hidden"), ("Cơ sở!H4", "ditto-nothing")]
    assert not placed_codes(made.proposal_of(book({"Cơ sở": rows})).findings, FindingLevel.ERROR)


def test_a_password_in_a_contacts_note_is_an_error() -> None:
    rows = [(*made.CONTACT_HEADER, "Ghi chú"), (*made.contact_row(), "mk: Abc@1234")]
    proposal = made.proposal_of(book({"Đầu mối": rows}))
    assert ("Đầu mối!G2", "password-in-text") in placed_codes(proposal.findings, FindingLevel.ERROR)


def test_a_rules_sentence_has_the_words_of_the_sheet_and_no_keys_of_files() -> None:
    rows = [(*made.FACILITY_HEADER, "Ngày kết thúc"), (*made.facility_row(), "01/05/2021")]
    proposal = made.proposal_of(book({"Cơ sở": rows}))
    said = [
        wording(one.remark, Language.VI).message for one in proposal.findings if one.remark.code == "dates-in-disorder"
    ]
    assert said == [
        "Các ngày không đúng thứ tự (Ngày kết thúc là 01/05/2021, nhưng Tình trạng hoạt động là “Đang hoạt động”)"
    ]


def test_subtotals_and_lines_of_signatures_are_no_sites() -> None:
    below = [
        (None, None, None, "Cộng huyện Việt Yên", None, 7),
        ("Cộng: 7 cơ sở",),
        ("Tổng cộng toàn tỉnh", None, None, None, 7),
        (),
        (None, None, None, None, "Bắc Giang, ngày 07 tháng 5 năm 2021"),
        (None, "Người lập biểu", None, None, None, "THỦ TRƯỞNG ĐƠN VỊ"),
        (None, "(Ký, ghi rõ họ tên)"),
        (None, None, None, "Lê Văn Mẫu"),
    ]
    proposal = made.proposal_of(book({"Cơ sở": [made.FACILITY_HEADER, made.facility_row(), *below]}))
    left_out = [placed for placed in placed_codes(proposal.findings) if placed.code != "id-proposed"]
    assert left_out == [
        *((f"Cơ sở!{row}", "row-total") for row in (3, 4, 5)),
        *((f"Cơ sở!{row}", "row-signature") for row in (7, 8, 9, 10)),
    ]
    assert len(proposal.changed) == 1


def test_a_site_called_after_the_public_is_no_sum() -> None:
    rows = [made.FACILITY_HEADER, made.facility_row("Cộng đồng Xã Mẫu"), made.facility_row("Tổng kho Bắc", 2)]
    assert len(made.proposal_of(book({"Cơ sở": rows})).changed) == 2
