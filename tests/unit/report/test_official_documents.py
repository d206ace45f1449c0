"""Official documents, opened again: the layout of Decree 30/2020/NĐ-CP, and the figures that provinces published."""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import docx
import pytest
from docx.document import Document as DocxFile
from docx.oxml.ns import qn
from docx.shared import Mm, Pt
from docx.table import Table
from docx.text.paragraph import Paragraph
from docx.text.run import Run

from provisioner.base.errors import UsageError
from provisioner.inventory.geography import by_slug
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.outline import outlined
from provisioner.record.lifecycle.evidence import NO_EVIDENCE, Evidence
from provisioner.record.lifecycle.state import freshness
from provisioner.record.lifecycle.status import FacilityStatus, statuses
from provisioner.report.documents import MINUTES, REPORT_LETTERS
from provisioner.report.documents import progress as progress_document
from provisioner.report.documents.docx import official_docx
from provisioner.report.documents.minutes import DocumentBasis
from provisioner.report.documents.official import Letterhead, OfficialDocument, Passage, letterhead_of, order_text
from provisioner.report.exports import FacilityList
from tests import inventories as make
from tests.hostile import MERGE_REQUEST
from tests.inventories import WholeFacilities
from tests.unit.report import test_outage as may

ORDER = {
    "ref": "1407/BTTTT-CVT",
    "issuer": "Bộ Thông tin và Truyền thông",
    "issued_on": "2021-05-06",
    "before": "2021-05-10",
    "scope": ["ubnd_tinh"],
}
BLOCK = {"owner": "dic", "since": "2021-05-08", "next_action": "thay thiết bị", "due": "2021-05-25"}
HEAD = letterhead_of(
    [
        *("parent=Ủy ban nhân dân tỉnh Thái Nguyên", "issuer=Sở Thông tin và Truyền thông", "number=07/BC-STTTT"),
        *("place=Thái Nguyên", "date=2021-02-05", "to=Bộ Thông tin và Truyền thông", "to=Ủy ban nhân dân tỉnh"),
        *("recipient=Sở Y tế (để p/h)", "position=KT. Giám đốc/Phó Giám đốc", "signer=Nguyễn Văn Ví Dụ"),
    ]
)


@dataclass(frozen=True)
class Judged:
    """An inventory at a moment."""

    inventory: Inventory
    statuses: tuple[FacilityStatus, ...]
    evidence: Evidence

    @property
    def listing(self) -> FacilityList:
        """Its facilities, with one carrier's name."""
        return FacilityList(
            self.statuses,
            lambda facility: by_slug(facility.province, "gso-2021"),
            WholeFacilities(self.inventory.facilities),
            evidence=self.evidence,
            carriers={"viettel": "Viettel", "vnpt": "VNPT"},
        )

    def basis(self, head: Letterhead = HEAD) -> DocumentBasis:
        """What its documents rest on."""
        fresh = freshness(self.evidence, may.MORNING, (status.pictures for status in self.statuses))
        return DocumentBasis(may.MORNING, fresh, self.evidence.runs, "test, sha256:0123456789abcdef…", head)

    def report(self, head: Letterhead = HEAD) -> OfficialDocument:
        """Its report on progress."""
        return REPORT_LETTERS["progress"](self.listing, self.basis(head))

    def minutes(self, what: str, facility: str, head: Letterhead = HEAD) -> OfficialDocument:
        """Minutes of one of its facilities."""
        (status,) = [one for one in self.statuses if one.facility.id == facility]
        return MINUTES[what].make(status, self.listing, self.basis(head))


def judged(inventory: Inventory, shown: Evidence = NO_EVIDENCE) -> Judged:
    return Judged(inventory, statuses(outlined(inventory), shown, may.MORNING), shown)


def opened(document: OfficialDocument) -> DocxFile:
    return docx.Document(io.BytesIO(official_docx(document, may.MORNING)))


def texts(file: DocxFile) -> list[str]:
    """Every paragraph in the order of the pages, those in tables too."""
    return [" ".join(Paragraph(element, file).text.split()) for element in file.element.body.iter(qn("w:p"))]


def table(file: DocxFile, first: str) -> list[list[str]]:
    """The cells of the table whose first cell says so, its header first."""
    (one,) = [one for one in file.tables if one.cell(0, 0).text == first]
    return [[cell.text for cell in row.cells] for row in one.rows]


def paragraph(file: DocxFile, text: str) -> Paragraph:
    (one,) = [
        Paragraph(element, file)
        for element in file.element.body.iter(qn("w:p"))
        if " ".join(Paragraph(element, file).text.split()) == text
    ]
    return one


@pytest.fixture(scope="module")
def thai_nguyen(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """The province of 17 May 2021 after four nights in which all was up; reasons as another province gave them."""
    plain = may.province()
    reasons = ("obsolete_device", "security_policy", "no_cooperation")
    sites = {
        name: make.inventory(facilities=[make.facility(blocked=BLOCK | {"reason": reasons[n % 3]})]).facilities
        for n, name in enumerate(plain.facilities)
        if plain.facilities[name].plan is None
    }
    changed = {
        name: site.model_copy(update={"blocked": sites[name]["kcl-bg-001"].blocked}) if name in sites else site
        for name, site in plain.facilities.items()
    }
    orders = make.inventory(instructions=[ORDER]).instructions
    inventory = plain.model_copy(update={"facilities": changed, "instructions": orders})
    nights: list[may.Night] = [(night, may.whole(inventory, up=True), ()) for night in may.NIGHTS]
    return judged(inventory, may.evidence(inventory, tmp_path_factory.mktemp("nights"), nights))


# --- the layout of the decree ---------------------------------------------------------------------
def every(judged_province: Judged) -> Mapping[str, OfficialDocument]:
    return {
        "progress": judged_province.report(),
        "acceptance": judged_province.minutes("acceptance", "kcl-tn-001"),
        "survey-minutes": judged_province.minutes("survey-minutes", "kcl-tn-012"),
    }


def test_pages_are_a4_with_the_margins_of_the_decree(thai_nguyen: Judged) -> None:
    for document in every(thai_nguyen).values():
        file = opened(document)
        for section in file.sections:
            sides = sorted((section.page_width or 0, section.page_height or 0))
            assert [round(side / Mm(1)) for side in sides] == [210, 297]
            above, below, left, right = (
                round((margin or 0) / Mm(1))
                for margin in (section.top_margin, section.bottom_margin, section.left_margin, section.right_margin)
            )
            assert 20 <= above <= 25
            assert 20 <= below <= 25
            assert 30 <= left <= 35
            assert 15 <= right <= 20
        assert round((file.sections[0].page_height or 0) / Mm(1)) == 297


def test_pages_are_numbered_in_the_middle_above_from_the_second_one_on(thai_nguyen: Judged) -> None:
    file = opened(thai_nguyen.report())
    main, annex = file.sections
    (number,) = main.header.paragraphs
    assert "PAGE" in number._p.xml  # noqa: SLF001
    assert number.alignment == 1
    assert [run.font.size for run in map(_run, number._p.iter(qn("w:r")))] == [Pt(14)]  # noqa: SLF001
    assert main.different_first_page_header_footer
    assert not "".join(one.text for one in main.first_page_header.paragraphs)
    assert annex.header.is_linked_to_previous
    (start,) = annex._sectPr.iter(qn("w:pgNumType"))  # noqa: SLF001
    assert start.get(qn("w:start")) == "1"


def _run(element: Any) -> Any:
    return Run(element, element)


def looks(one: Paragraph) -> tuple[float, bool, bool]:
    (run,) = one.runs
    assert run.font.size
    return run.font.size.pt, bool(run.bold), bool(run.italic)


def test_letters_are_times_new_roman_in_the_sizes_of_the_decree(thai_nguyen: Judged) -> None:
    file = opened(thai_nguyen.report())
    style = file.styles["Normal"].element
    (fonts,) = style.iter(qn("w:rFonts"))
    assert {fonts.get(qn(f"w:{script}")) for script in ("ascii", "hAnsi", "eastAsia", "cs")} == {"Times New Roman"}
    assert looks(paragraph(file, "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM")) == (13, True, False)
    assert looks(paragraph(file, "Độc lập - Tự do - Hạnh phúc")) == (14, True, False)
    assert looks(paragraph(file, "ỦY BAN NHÂN DÂN TỈNH THÁI NGUYÊN")) == (12, False, False)
    assert looks(paragraph(file, "SỞ THÔNG TIN VÀ TRUYỀN THÔNG")) == (12, True, False)
    assert looks(paragraph(file, "Số: 07/BC-STTTT")) == (13, False, False)
    assert looks(paragraph(file, "Thái Nguyên, ngày 05 tháng 02 năm 2021")) == (14, False, True)
    assert looks(paragraph(file, "BÁO CÁO")) == (14, True, False)
    assert looks(paragraph(file, "Nơi nhận:")) == (12, True, True)
    assert looks(paragraph(file, "- Sở Y tế (để p/h);")) == (11, False, False)
    assert looks(paragraph(file, "PHÓ GIÁM ĐỐC")) == (14, True, False)
    assert looks(paragraph(file, "Nguyễn Văn Ví Dụ")) == (14, True, False)
    content = paragraph(file, "- Thiết bị đã đăng ký: 85 camera, 0 đầu ghi.")
    assert looks(content) == (14, False, False)
    spacing = content.paragraph_format
    assert round((spacing.first_line_indent or 0) / Mm(1)) == 10
    assert spacing.space_after == Pt(6)
    assert 1 <= float(spacing.line_spacing or 0) <= 1.5


def test_the_parts_stand_in_the_order_of_the_decree(thai_nguyen: Judged) -> None:
    lines = texts(opened(thai_nguyen.report()))
    marks = ["SỞ THÔNG TIN VÀ TRUYỀN THÔNG", "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Số: 07/BC-STTTT", "BÁO CÁO"]
    marks += ["Kính gửi:", "- Ủy ban nhân dân tỉnh.", "1. Kết quả khảo sát và kết nối", "Nơi nhận:", "KT. GIÁM ĐỐC"]
    marks += ["Phụ lục", "DANH SÁCH CƠ SỞ CÁCH LY TẬP TRUNG"]
    places = [lines.index(mark) for mark in marks]
    assert places == sorted(places)
    with_what = "(Kèm theo Báo cáo số 07/BC-STTTT ngày 05 tháng 02 năm 2021 của Sở Thông tin và Truyền thông)"
    assert with_what in lines


def test_lines_are_drawn_and_no_text_is_underlined(thai_nguyen: Judged) -> None:
    for document in every(thai_nguyen).values():
        body = opened(document).element.body
        assert not list(body.iter(qn("w:u")))
        # Below the issuing body, the motto and the subject.
        assert len(list(body.iter(qn("w:pBdr")))) >= 3


def test_every_table_fits_between_the_margins_and_repeats_its_header(thai_nguyen: Judged) -> None:
    for document in every(thai_nguyen).values():
        file = opened(document)
        *upright, last = file.tables
        for one in upright:
            assert sum(_widths(one)) <= 165
        assert sum(_widths(last)) <= (252 if document.annexes else 165)
        for one in file.tables:
            if list(one._tbl.iter(qn("w:tblBorders"))):  # noqa: SLF001
                assert list(one.rows[0]._tr.iter(qn("w:tblHeader")))  # noqa: SLF001


def _widths(one: Table) -> list[int]:
    grid = one._tbl.tblGrid  # noqa: SLF001
    return [round((column.w or 0) / Mm(1)) for column in grid.gridCol_lst]


def test_what_nobody_filled_in_is_dots_and_nothing_is_invented(thai_nguyen: Judged) -> None:
    lines = texts(opened(thai_nguyen.report(Letterhead())))
    assert "Số: ……/BC-……" in lines
    assert "………………, ngày …… tháng …… năm ……" in lines
    assert "Kính gửi: ………………" in lines
    assert lines.count("………………") >= 3
    minutes = texts(opened(thai_nguyen.minutes("acceptance", "kcl-tn-001", Letterhead())))
    assert "Số: ……/BB-……" in minutes
    assert "Thời gian: …… giờ …… phút, ngày …… tháng …… năm ……." in minutes


# --- what the documents say -----------------------------------------------------------------------
def has(lines: Sequence[str], *parts: str) -> None:
    whole = "\n".join(lines)
    assert [part for part in parts if part not in whole] == []


def test_thai_nguyen_comes_out_as_it_was_published(thai_nguyen: Judged) -> None:
    """On 17 May 2021: 30 surveyed, 11 connected with 85 cameras, 19 not."""
    file = opened(thai_nguyen.report())
    has(
        texts(file),
        "Tiến độ kết nối camera giám sát các cơ sở cách ly tập trung trên địa bàn tỉnh Thái Nguyên",
        "Căn cứ Công văn số 1407/BTTTT-CVT ngày 06 tháng 5 năm 2021 của Bộ Thông tin và Truyền thông;",
        "- Tổng số cơ sở cách ly tập trung: 30 cơ sở (30 cơ sở đang hoạt động).",
        "- Đã khảo sát: 30/30 cơ sở; khi khảo sát có 125 camera, đáp ứng 85, cần bổ sung 114.",
        "11 cơ sở với 85 camera; trong đó trễ hạn 0 cơ sở.",
        "- Chưa kết nối: 19 cơ sở (vướng mắc 19, tạm dừng 0, đang triển khai 0); trong đó quá hạn 19 cơ sở.",
        "- Trong 11 cơ sở đã kết nối: hiện đủ hình 11, không đủ hình 0, chưa rõ 0.",
        "lần kiểm tra gần nhất: 6 giờ 59 phút trước",
    )
    assert table(file, "Doanh nghiệp")[1:] == [
        ["Viettel", "11", "11", "11", "85", "0", "0", "0", "11"],
        ["Chưa có phương án", "19", "19", "0", "0", "19", "19", "19", "0"],
        ["Tổng cộng", "30", "30", "11", "85", "19", "19", "19", "11"],
    ]
    assert table(file, "Vướng mắc")[1:] == [
        ["Cơ sở chưa phối hợp", "7"],
        ["Thiết bị cũ, không tương thích", "6"],
        ["Quy định an ninh", "6"],
        ["Tổng cộng", "19"],
    ]
    assert len(table(file, "STT")) == 31


def test_hai_duong_comes_out_as_it_was_published(tmp_path: Path) -> None:
    """On 18 May 2021: 17 connected, 51 not: old cameras, security settings, no cooperation."""
    connected = [make.facility(f"kcl-hd-{n:03}", province="hai-duong") for n in range(1, 18)]
    reasons = ["obsolete_device"] * 30 + ["security_policy"] * 11 + ["no_cooperation"] * 10
    bare: dict[str, Any] = {"province": "hai-duong", "plan": None, "gateway": None, "cameras": [], "survey": None}
    missing = [
        make.facility(f"kcl-hd-{n:03}", **bare, blocked=BLOCK | {"reason": reason})
        for n, reason in enumerate(reasons, start=18)
    ]
    inventory = make.inventory(facilities=[*connected, *missing], designations=[make.designation("hai-duong")])
    shown = may.evidence(inventory, tmp_path, [(may.NIGHTS[3], may.whole(inventory, up=True), ())])
    file = opened(judged(inventory, shown).report())
    has(texts(file), "17 cơ sở với 17 camera", "- Chưa kết nối: 51 cơ sở (vướng mắc 51,")
    assert table(file, "Vướng mắc")[1:] == [
        ["Cơ sở chưa phối hợp", "10"],
        ["Thiết bị cũ, không tương thích", "30"],
        ["Quy định an ninh", "11"],
        ["Tổng cộng", "51"],
    ]


def test_hau_giang_comes_out_as_it_was_published() -> None:
    """On 25 June 2021: twelve sites of five cameras and a recorder each, all of one carrier."""
    cameras = [make.channel(f"cam-{number}", number) for number in range(1, 6)]
    sites = [
        make.facility(f"kcl-hg-{n:03}", province="hau-giang", recorders=[make.recorder()], cameras=cameras)
        for n in range(1, 13)
    ]
    file = opened(judged(make.inventory(facilities=sites)).report())
    has(
        texts(file),
        "- Thiết bị đã đăng ký: 60 camera, 12 đầu ghi.",
        "trên địa bàn tỉnh Hậu Giang",
        "(12 cơ sở đang hoạt động)",
    )
    assert [row[7] for row in table(file, "STT")[1:]] == ["5"] * 12


def test_kon_tum_comes_out_as_it_was_published() -> None:
    """On 12 May 2021: 49 sites, 28 of them in use, most of them without cameras."""
    bare: dict[str, Any] = {"province": "kon-tum", "plan": None, "gateway": None, "cameras": [], "survey": None}
    sites = [
        make.facility(f"kcl-kt-{n:03}", **bare, operating="open" if n <= 28 else "standby", opened_on=None)
        for n in range(1, 50)
    ]
    file = opened(judged(make.inventory(facilities=sites)).report())
    has(
        texts(file),
        "- Tổng số cơ sở cách ly tập trung: 49 cơ sở (28 cơ sở đang hoạt động, 21 cơ sở dự phòng).",
        "- Chưa kết nối: 49 cơ sở (vướng mắc 0, tạm dừng 21, đang triển khai 28)",
        "Không có cơ sở nào được ghi nhận vướng mắc.",
        "chưa có lần kiểm tra nào, không rõ hiện camera nào có hình",
    )


def test_a_record_of_acceptance_says_what_was_proved_when_and_who_signs(thai_nguyen: Judged) -> None:
    file = opened(thai_nguyen.minutes("acceptance", "kcl-tn-011"))
    lines = texts(file)
    has(
        lines,
        "Nghiệm thu kết nối camera giám sát tại",
        "(mã: kcl-tn-011)",
        "- Đã đăng ký: 5 camera, 0 đầu ghi.",
        "- Công văn số 1407/BTTTT-CVT ngày 06 tháng 5 năm 2021 của Bộ Thông tin và Truyền thông: hoàn thành trước ngày"
        " 10 tháng 5 năm 2021.",
        "Toàn bộ 5 camera có hình tại trung tâm giám sát",
        "- Kết nối lần đầu: 00 giờ 10 phút, ngày 09 tháng 5 năm 2021; đúng hạn.",
        "đạt yêu cầu và được nghiệm thu. Doanh nghiệp viễn thông Viettel",
        "đại diện doanh nghiệp viễn thông Viettel;",
        "đại diện cơ sở cách ly.",
        "- Hiện trạng khi lập biên bản: 5/5 camera có hình",
    )
    assert table(file, "Lần kiểm chứng")[1:] == [
        ["Lần đầu đủ hình", "00 giờ 10 phút, ngày 09 tháng 5 năm 2021"],
        ["Đủ hình lần thứ hai (nghiệm thu)", "00 giờ 10 phút, ngày 10 tháng 5 năm 2021"],
        ["Gần nhất", "00 giờ 10 phút, ngày 12 tháng 5 năm 2021"],
    ]
    codes = [row[1] for row in [[cell.text for cell in row.cells] for row in file.tables[-1].rows][1:]]
    assert codes[:3] == ["verify-0", "verify-1", "verify-3"]
    assert codes[3].startswith("sha256:")
    assert [row[0] for row in table(file, "Bên thống nhất")[1:]] == [
        "Sở Thông tin và Truyền thông",
        "Sở Y tế",
        "Doanh nghiệp viễn thông Viettel",
    ]
    assert [row[1] for row in table(file, "STT")[1:]] == [f"cam-{n:02}" for n in range(1, 6)]
    signers = [line for line in lines if line.startswith("ĐẠI DIỆN ")]
    assert signers == [
        "ĐẠI DIỆN SỞ THÔNG TIN VÀ TRUYỀN THÔNG",
        "ĐẠI DIỆN SỞ Y TẾ",
        "ĐẠI DIỆN DOANH NGHIỆP VIỄN THÔNG VIETTEL",
        "ĐẠI DIỆN CƠ SỞ CÁCH LY",
    ]
    assert lines.count("(Ký, ghi rõ họ tên)") == 4
    assert "Địa điểm: Thái Nguyên." in lines


def test_a_facility_that_was_proved_once_has_no_record_and_is_told_why(tmp_path: Path) -> None:
    inventory = may.province()
    once = may.evidence(inventory, tmp_path, [(may.NIGHTS[3], may.whole(inventory, up=True), ())])
    shown = judged(inventory, once)
    form, by_id = MINUTES["acceptance"], {status.facility.id: status for status in shown.statuses}
    assert form.refusal(by_id["kcl-tn-001"], shown.listing) == (
        "it was proved at 2021-05-12 00:10:00 +07:00, and has to be proved again at least 24 h later"
    )
    assert form.refusal(by_id["kcl-tn-012"], shown.listing) == "it has no connection plan"
    with pytest.raises(ValueError, match="kcl-tn-001: it was proved at"):
        shown.minutes("acceptance", "kcl-tn-001")


def test_minutes_of_a_survey_say_what_was_found(thai_nguyen: Judged) -> None:
    file = opened(thai_nguyen.minutes("survey-minutes", "kcl-tn-012"))
    seen = {row[0]: row[1] for row in table(file, "Nội dung")[1:]}
    assert (seen["Camera hiện có"], seen["Camera đáp ứng yêu cầu"], seen["Camera cần bổ sung"]) == ("3", "0", "6")
    has(texts(file), "ngày 07 tháng 5 năm 2021.", "Kết quả: Cần thay thế thiết bị.")
    assert seen["Vướng mắc"] == "Cơ sở chưa phối hợp (từ ngày 08/05/2021)"


def test_no_official_text_has_a_run_s_id_or_a_digest(thai_nguyen: Judged) -> None:
    for document in every(thai_nguyen).values():
        content = texts(opened(replace(document, annexes=())))
        assert not re.search(r"verify-[0-9]|sha256|\binv\b|\brun", "\n".join(content))
        assert "verify-3" in opened(document).core_properties.identifier


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("1407/BTTTT-CVT", "Công văn số 1407/BTTTT-CVT ngày 06 tháng 5 năm 2021 của Bộ Thông tin và Truyền thông"),
        ("12/QĐ-BTTTT", "Quyết định số 12/QĐ-BTTTT ngày"),
        ("05/CT-TTg", "Chỉ thị số 05/CT-TTg ngày"),
        ("07", "Văn bản số 07 ngày"),
    ],
)
def test_an_order_is_cited_by_its_kind_number_day_and_issuer(ref: str, words: str) -> None:
    (order,) = make.inventory(instructions=[ORDER | {"ref": ref}]).instructions
    assert order_text(order).startswith(words)


def test_provinces_and_cities_are_called_what_they_are() -> None:
    names = [by_slug(slug, "gso-2021").full_name for slug in ("thai-nguyen", "ha-noi", "thua-thien-hue")]
    assert names == ["tỉnh Thái Nguyên", "thành phố Hà Nội", "tỉnh Thừa Thiên Huế"]
    assert by_slug("hue", "gso-2025").full_name == "thành phố Huế"


def test_a_total_stays_with_the_row_above_it(thai_nguyen: Judged) -> None:
    file = opened(thai_nguyen.report())
    one = next(one for one in file.tables if one.cell(0, 0).text == "Vướng mắc")
    stays = [row.cells[0].paragraphs[0].paragraph_format.keep_with_next for row in one.rows]
    assert stays == [True] * 4 + [None]
    (listed,) = [one for one in file.tables if one.cell(0, 0).text == "STT"]
    assert listed.rows[20].cells[0].paragraphs[0].paragraph_format.keep_with_next is None


def test_minutes_name_no_address_of_a_device(thai_nguyen: Judged) -> None:
    for document in every(thai_nguyen).values():
        assert not re.search(r"\b(?:192\.168|10\.\d+|172\.1[6-9])\.", "\n".join(texts(opened(document))))


def test_the_leading_department_may_be_called_otherwise(thai_nguyen: Judged) -> None:
    head = letterhead_of(["dic=Sở Khoa học và Công nghệ"])
    lines = texts(opened(thai_nguyen.minutes("acceptance", "kcl-tn-001", head)))
    assert "ĐẠI DIỆN SỞ KHOA HỌC VÀ CÔNG NGHỆ" in lines
    assert not [line for line in lines if "Sở Thông tin" in line]


def test_a_country_s_annex_lists_those_alone_that_something_is_to_be_done_about(
    thai_nguyen: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_document, "MOST_LISTED", 12)
    document = thai_nguyen.report()
    file = opened(document)
    assert len(table(file, "STT")) == 13
    has(texts(file), "Chỉ liệt kê 19 cơ sở chưa kết nối hoặc hiện không đủ hình; chỉ in 12 cơ sở đầu;")


# --- the file -------------------------------------------------------------------------------------
def test_the_same_document_is_the_same_bytes(thai_nguyen: Judged) -> None:
    for document in every(thai_nguyen).values():
        content = official_docx(document, may.MORNING)
        assert content == official_docx(document, may.MORNING)
        assert content != official_docx(document, may.MORNING + timedelta(days=1))
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            assert {one.date_time for one in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            assert not [name for name in packed.namelist() if "thumbnail" in name or "customXml" in name]
        assert len(content) < 60_000


def test_the_file_says_what_it_is_and_not_who_made_it(thai_nguyen: Judged) -> None:
    properties = opened(thai_nguyen.report()).core_properties
    assert properties.title.startswith("BÁO CÁO: Tiến độ kết nối camera")
    assert (properties.author, properties.last_modified_by, properties.comments) == ("provisioner", "", "")
    assert properties.created == properties.modified


TEXTS = (
    *("<w:p/>]]>&amp;<script>", "\x00\x01\x1b[2J\r\n", "\ud800\ufffe", "\u202eevil\u2066\u200b", "={HYPERLINK(1)}"),
    "Ho\u0061\u0300ng\u00a0Ba\u0306\u0301c",
)


@MERGE_REQUEST
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_of_somebody_else_stays_a_text(text: str) -> None:
    document = judged(make.inventory(facilities=[make.facility()])).report()
    changed = OfficialDocument(document.kind, text, Letterhead(place=text), [Passage(f"a{text}b")], [text])
    plain = OfficialDocument(document.kind, "x", Letterhead(place="x"), [Passage("axb")], ["x"])
    file, other = opened(changed), opened(plain)
    assert [element.tag for element in file.element.body.iter()] == [
        element.tag for element in other.element.body.iter()
    ]
    assert all(line.isprintable() for line in texts(file))


def test_marks_are_composed() -> None:
    document = judged(make.inventory(facilities=[make.facility()])).report()
    changed = OfficialDocument(document.kind, "Ba\u0306\u0301c Giang", Letterhead(), [])
    assert "Bắc Giang" in texts(opened(changed))


# --- what a person fills in -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("filled", "message", "hint"),
    [
        (["isuer=x"], "--fill 'isuer': there is no such key", "did you mean issuer?"),
        (["number"], "--fill number says nothing", "write --fill number=TEXT"),
        (["place= \u200b"], "--fill place is empty", "leave it out for a dotted line"),
        (["place=x", "place=y"], "--fill place is there 2 times", "write --fill place=TEXT once"),
        (["date=2021-02-30"], "--fill date: '2021-02-30' is no day", "write it as YYYY-MM-DD"),
        (["date=0001-01-01"], "--fill date: '0001-01-01' is no day", "write it as YYYY-MM-DD"),
        (["signer=" + "x" * 201], "--fill signer has 201 characters", "200 characters at most"),
        (["\x1b[2J=x"], "--fill '?[2J': there is no such key", "the keys are: parent, issuer"),
    ],
)
def test_what_cannot_be_filled_in_is_refused(filled: list[str], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        letterhead_of(filled)
    assert caught.value.message == message
    assert hint in caught.value.hint
