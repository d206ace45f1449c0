"""Ten spreadsheets as they arrive: every trap in them is a finding, with its cell, and nothing else is."""

import csv
import io
import unicodedata
from collections.abc import Callable
from datetime import date
from typing import Any

from openpyxl import Workbook

from provisioner.importing.grid import FindingLevel
from provisioner.importing.proposal.proposal import Proposal
from tests.unit.importing import sheets as made
from tests.unit.importing.sheets import Rows, book, findings_of, proposal_of

TROUBLE = (FindingLevel.ERROR, FindingLevel.WARNING)


def with_sheet(name: str, change: Callable[[Any], None]) -> Callable[[Workbook], None]:
    return lambda workbook: change(workbook[name])


def facilities_of(proposal: Proposal) -> dict[str, bytes]:
    return {edit.facility: edit.after for edit in proposal.changed}


def names(proposal: Proposal) -> list[tuple[str, str]]:
    people = proposal.contact_drafts["bac-giang"].contacts
    return [(contact.facility, contact.full_name.reveal()) for contact in people]


def test_titles_merged_cells_and_headers_of_two_rows_and_lines() -> None:
    rows: Rows = [
        ("UBND TỈNH BẮC GIANG", None, None, "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"),
        ("DANH SÁCH ĐẦU MỐI",),
        (),
        ("Số\nTT", "Mã\ncơ sở", "Đầu mối liên hệ (ghi đủ)", None, None, None),
        (None, None, "Họ và\ntên", "Chức\nvụ", "Số điện\nthoại", "E-mail\n(nếu có)"),
        ("(1)", "(2)", "(3)", "(4)", "(5)", "(6)"),
        (1, "kcl-bg-001", "Trần Văn Mẫu", "Hiệu trưởng", "0300 000 001", "a1@example.com"),
        (2, None, "Lê Thị Mẫu", "Bảo vệ", "0300 000 002", "a2@example.com"),
        (3, "kcl-bg-001", "Phạm Mẫu", "Kế toán", "0300 000 003", "a3@example.com"),
        (4, "kcl-bg-001", None, "Kế toán", "0300 000 004", "a4@example.com"),
    ]

    def merge(sheet: Any) -> None:
        for cells in ("A1:C1", "A2:F2", "A4:A5", "B4:B5", "C4:F4", "B7:B8", "C9:C10"):
            sheet.merge_cells(cells)

    data = book({"DS": rows}, with_sheet("DS", merge))
    assert findings_of(data) == [("DS!C10", "cell-merged")]
    assert names(proposal_of(data)) == [
        ("kcl-bg-001", "Trần Văn Mẫu"),
        ("kcl-bg-001", "Lê Thị Mẫu"),
        ("kcl-bg-001", "Phạm Mẫu"),
    ]


def test_numbers_that_excel_ate() -> None:
    contacts: Rows = [
        made.CONTACT_HEADER,
        made.contact_row(phone=300000001),  # the zero is gone, and is put back
        made.contact_row(phone=300000002.0, name="Lê Mẫu"),
        made.contact_row(phone="3.0E+08", name="Phạm Mẫu"),
        made.contact_row(phone=date(2021, 5, 7), name="Vũ Mẫu"),
        made.contact_row(facility=1, name="Hồ Mẫu"),
    ]
    cameras: Rows = [
        (*made.CAMERA_HEADER, "Cổng RTSP"),
        (*made.camera_row(address=192.168), 554.0),
        (*made.camera_row("cam-03", address=192168100200), "554"),
        (*made.camera_row("cam-04", 14), "8.554"),
        (*made.camera_row("cam-05", 15), 55.5),
    ]
    surveys: Rows = [(*made.SURVEY_HEADER, "Upload"), (*made.survey_row(day=44324), "12,5 Mbps")]
    data = book({"Đầu mối": contacts, "Camera": cameras, "Khảo sát": surveys})
    assert findings_of(data) == [
        ("Đầu mối!E4", "phone-scientific"),
        ("Đầu mối!E5", "phone-not-text"),
        ("Đầu mối!B6", "id-number"),
        ("Camera!E2", "address-number"),
        ("Camera!E3", "address-number"),
        ("Camera!4", "sign-off-needed"),
        ("Camera!G4", "number-grouped"),
        ("Camera!G5", "number-not-whole"),
        ("Khảo sát!B2", "day-serial"),
        ("Khảo sát!B2", "survey-newer"),
    ]
    proposal = proposal_of(data)
    phones = [c.phone.reveal() for c in proposal.contact_drafts["bac-giang"].contacts if c.phone]
    assert phones == ["+84300000001", "+84300000002"]
    assert b"upload_mbps: 12.5" in facilities_of(proposal)["kcl-bg-001"]
    assert b"surveyed_on: 2021-05-07" not in facilities_of(proposal)["kcl-bg-001"]


def test_as_above() -> None:
    rows: Rows = [
        (*made.CAMERA_HEADER, "Model"),
        (*made.camera_row("cam-02", 12), "nt"),
        ("nt", "cam-03", "-nt-", "như trên", "192.168.1.13", '"', "DS-1"),
        ("Như trên", "nt", "- nt -", "NT", "192.168.1.14", "〃", "DS-1"),
        ("nt", "cam-05", "nt", "nt", "như trên", "nt", "nt"),
    ]
    data = book({"Camera": rows})
    assert findings_of(data) == [
        ("Camera!G2", "ditto-nothing"),
        ("Camera!3", "sign-off-needed"),
        ("Camera!B4", "ditto-own"),
        ("Camera!E5", "ditto-own"),
    ]
    after = facilities_of(proposal_of(data))["kcl-bg-001"].decode()
    assert "id: cam-03, zone: san, make: hikvision, model: DS-1" in after
    assert not any(name in after for name in ("cam-02", "cam-04", "cam-05"))


def test_contacts_with_two_of_everything() -> None:
    rows: Rows = [
        made.CONTACT_HEADER,
        made.contact_row(phone="0300 000 001 / 0300 000 002"),
        made.contact_row(phone="0204 3854 123 máy lẻ 113", name="Lê Mẫu"),
        made.contact_row(phone="O300 000 003", name="Phạm Mẫu"),
        made.contact_row(phone="0162 3456 789", name="Vũ Mẫu"),
        made.contact_row(phone=None, name="Hồ Mẫu"),
        made.contact_row(email="a@example.com; b@example.com", name="Đỗ Mẫu"),
        made.contact_row(email="a@example,com", name="Ngô Mẫu"),
        made.contact_row(name=None),
        made.contact_row(name="123", phone="0300 000 004"),
        made.contact_row(name="Bùi Mẫu", phone="1800 1234"),
        made.contact_row(name="BÙI MẪU", phone="0300 000 005"),
    ]
    assert findings_of(book({"Đầu mối": rows})) == [
        ("Đầu mối!E2", "phone-several"),
        ("Đầu mối!E3", "phone-extension"),
        ("Đầu mối!E4", "phone-letter-o"),
        ("Đầu mối!E5", "phone-old-mobile"),
        ("Đầu mối!E6", "phone-empty"),
        ("Đầu mối!F7", "email-several"),
        ("Đầu mối!F8", "email-comma"),
        ("Đầu mối!C9", "required-missing"),
        ("Đầu mối!C10", "name-no-letter"),
        ("Đầu mối!E11", "phone-service"),
        ("Đầu mối!C12", "row-duplicate"),
    ]


def test_what_is_hidden() -> None:
    rows: Rows = [
        made.CAMERA_HEADER,
        made.camera_row("cam-02", 12),
        made.camera_row("cam-03", 13),
        made.camera_row("cam-04", 14),
    ]

    def hide(workbook: Workbook) -> None:
        workbook["Camera"].row_dimensions[3].hidden = True
        workbook["Camera"].column_dimensions["D"].hidden = True
        workbook["Cũ"].sheet_state = "hidden"
        workbook["Ghi nhớ"].sheet_state = "hidden"

    data = book({"Camera": rows, "Cũ": rows, "Ghi nhớ": [("không có gì",)]}, hide)
    assert findings_of(data) == [
        ("Camera!D1", "column-hidden"),
        ("Camera!2", "sign-off-needed"),
        ("Camera!3", "row-hidden"),
        ("Cũ", "sheet-hidden"),
    ]
    after = facilities_of(proposal_of(data))["kcl-bg-001"].decode()
    assert "cam-04" in after
    assert "cam-03" not in after


def test_formulas_and_errors_of_excel() -> None:
    rows: Rows = [
        made.FACILITY_HEADER,
        made.facility_row("Trường Một"),
        made.facility_row('=CONCATENATE("Trường ",A2)', 2),
        made.facility_row("#REF!", 3),
        made.facility_row("'=Trường Bốn", 4),
    ]
    data = book({"Cơ sở": rows})
    assert findings_of(data) == [
        ("Cơ sở!B2", "id-proposed"),
        ("Cơ sở!D3", "formula-no-value"),
        ("Cơ sở!D4", "cell-broken"),
        ("Cơ sở!B5", "id-proposed"),
    ]
    assert b'name: "=Tr' in facilities_of(proposal_of(data))["kcl-bg-003"]


def test_several_tables_on_one_sheet() -> None:
    side = [
        [*made.FACILITY_HEADER, None, *made.CONTACT_HEADER],
        [*made.facility_row("Trường Một"), None, *made.contact_row()],
        [*([None] * 7), None, *made.contact_row(name="Lê Mẫu", number=2)],
    ]
    stacked: Rows = [
        ("I. CƠ SỞ",),
        *side,
        (),
        ("Tổng cộng", None, None, "2 cơ sở"),
        (),
        ("II. CAMERA",),
        made.CAMERA_HEADER,
        ("A", None, "Huyện Việt Yên"),
        made.camera_row("cam-02", 12, zone="Cổng"),  # a gate is no sum (cộng)
        (),
        ("Người lập biểu", None, None, "Trưởng phòng"),
        (),
        made.SURVEY_HEADER,
        made.survey_row(),
        made.survey_row(day="07/05/2021"),
    ]
    data = book({"Tổng hợp": stacked})
    proposal = proposal_of(data)
    assert findings_of(data) == [
        ("Tổng hợp!B3", "id-proposed"),
        ("Tổng hợp!6", "row-total"),
        ("Tổng hợp!8", "row-section"),
        ("Tổng hợp!A10", "facility-unknown"),
        ("Tổng hợp!C10", "choice-unknown"),
        ("Tổng hợp!11", "sign-off-needed"),
        ("Tổng hợp!13", "row-outside"),
        ("Tổng hợp!B16", "survey-newer"),
        ("Tổng hợp!A17", "row-duplicate"),
    ]
    assert sorted(facilities_of(proposal)) == ["kcl-bg-001", "kcl-bg-002"]
    assert b"cam-02" in facilities_of(proposal)["kcl-bg-001"]
    assert names(proposal) == [("kcl-bg-001", "Trần Văn Mẫu"), ("kcl-bg-001", "Lê Mẫu")]


def test_letters_of_old_encodings() -> None:
    rows: Rows = [
        made.FACILITY_HEADER,
        made.facility_row("Tr\u00adêng trung häc ViÖt Yªn"),
        made.facility_row("Tröôøng tieåu hoïc", 2),
        made.facility_row("TrÆ°á»\u009dng tiá»ƒu há»\u008dc", 3),
        made.facility_row("Trường tiểu học", 4, province="B¾c Giang"),
        made.facility_row("Trường trung học", 5, kind="Tr\u00adêng häc"),
    ]
    tcvn3: Rows = [
        ("TT", "M· c¬ së", "Hä vµ tªn", "Chøc vô", "§iÖn tho¹i"),
        (1, "kcl-bg-001", "Lª V¨n A", "Tr\u00adëng", "1"),
    ]
    data = book({"Cơ sở": rows, "DS": tcvn3})
    proposal = proposal_of(data)
    assert findings_of(data) == [
        ("Cơ sở!D2", "text-encoding"),
        ("Cơ sở!D3", "text-encoding"),
        ("Cơ sở!D4", "text-encoding"),
        ("Cơ sở!C5", "text-encoding"),
        ("Cơ sở!E6", "text-encoding"),
        ("DS", "sheet-encoding"),
    ]
    encodings = {dict(f.remark.fills).get("encoding") for f in proposal.findings} - {None}
    assert encodings == {"TCVN3", "VNI", "UTF-8 read as Windows-1252"}


def test_passwords_and_people_where_they_do_not_belong() -> None:
    facilities: Rows = [
        (*made.FACILITY_HEADER, "Mật khẩu wifi", "Ghi chú", "Màu sơn", None),
        (*made.facility_row("Trường Một 0300 000 009"), "canary", "Số 1", "xanh", "?"),
        (*made.facility_row("Trường Hai", 2), "", "", "", ""),
    ]
    cameras: Rows = [
        (*made.CAMERA_HEADER, "Vị trí", "Model", "RTSP path luồng phụ", "MẬT KHẨU"),
        (*made.camera_row("cam-02", 12), "Cổng, mk: Canary1", "DS-1", None, None),
        (*made.camera_row("cam-03", 13), "Cổng", "admin/canary", None, None),
        (*made.camera_row("cam-04", 14), "Cổng", "Hik@12345", None, None),
        (*made.camera_row("cam-05", 15), "Cổng", "DS-1", "rtsp://admin:canary@192.168.1.15/1", None),
        (*made.camera_row("cam-06", 16), "Phòng trực của anh A, a@example.com", None, None, None),
        (*made.camera_row("cam-07", 17, zone="Trong phòng"), None, None, None, None),
        (*made.camera_row("cam-08", 18), "nhà vệ sinh", None, None, None),
        (*made.camera_row("cam-09", 19), "Phòng ở 201", None, None, None),
    ]
    surveys: Rows = [
        (*made.SURVEY_HEADER, "Khó khăn"),
        (*made.survey_row(by="Ông Canary"), "Chưa nhận được mật khẩu đầu ghi"),
    ]
    data = book({"Cơ sở": facilities, "Camera": cameras, "Khảo sát": surveys})
    assert findings_of(data) == [
        ("Cơ sở!H1", "column-password"),
        ("Cơ sở!I1", "column-not-kept"),
        ("Cơ sở!J1", "column-unknown"),
        ("Cơ sở!K1", "column-nameless"),
        ("Cơ sở!D2", "personal-in-text"),
        ("Cơ sở!B3", "id-proposed"),
        ("Camera!J1", "column-password"),
        ("Camera!G2", "password-in-text"),
        ("Camera!H3", "password-in-text"),
        ("Camera!H4", "text-like-a-password"),
        ("Camera!I5", "password-in-text"),
        ("Camera!G6", "personal-in-text"),
        ("Camera!C7", "zone-forbidden"),
        ("Camera!G8", "zone-forbidden"),
        ("Camera!9", "sign-off-needed"),
        ("Camera!G9", "location-room"),
        ("Khảo sát!C2", "choice-unknown"),
    ]


def test_csv_of_every_kind_says_the_same() -> None:
    rows: Rows = [
        ("DANH SÁCH CƠ SỞ",),
        made.FACILITY_HEADER,
        made.facility_row("Trường Ða Kao", 1, province="ĐẮK LẮK"),
        made.facility_row("Trường Hoà, Bình", 2, province="tp.hcm"),
        made.facility_row("Trường Ba", 3, province="Hà Tây", operating="Mở"),
    ]
    expected = [("B3", "id-proposed"), ("B4", "id-proposed"), ("C5", "province-unknown"), ("G5", "choice-unknown")]
    plain = {separator: _csv(rows, separator) for separator in ";,\t"}
    variants = [
        plain[";"].encode("utf-8-sig"),
        plain[","].encode(),
        plain["\t"].encode("utf-16"),
        plain["\t"].encode("utf-16-be"),
        ("sep=;\r\n" + plain[";"]).encode(),
        unicodedata.normalize("NFD", plain[";"]).encode(),
    ]
    for data in variants:
        moved = data.startswith(b"sep=")
        places = [(f"{place[0]}{int(place[1:]) + moved}", code) for place, code in expected]
        assert findings_of(data) == places
        assert sorted(facilities_of(proposal_of(data))) == ["kcl-dl-001", "kcl-hcm-001"]


def _csv(rows: Rows, separator: str) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator).writerows([["" if c is None else c for c in row] for row in rows])
    return out.getvalue()


def test_rows_that_contradict_each_other_and_the_inventory() -> None:
    facilities: Rows = [
        (*made.FACILITY_HEADER, "Mã tỉnh", "Ngày bắt đầu", "Ngày kết thúc", "Số phòng"),
        (*made.facility_row("Trường Ví Dụ", 1), 24, "", "", ""),
        (*made.facility_row("Trường Khác", 2, id="KCL BG 001"), "24", "", "", ""),
        (*made.facility_row("Trường Ba", 3, province="Bắc Ninh"), "24", "", "", ""),
        (*made.facility_row("Trường Bốn", 4, province=None), 8, "", "", ""),
        (*made.facility_row("Trường Năm", 5), "", "01/05/2021", "30/04/2021", ""),
        (*made.facility_row("Trường Sáu", 6), "", "31/04/2021", "05/30/2021", ""),
        (*made.facility_row("Trường Bảy", 7), "", "1/5/21", "", ""),
        (*made.facility_row("Trường Tám", 8, kind=None), "", "01/06/2021", "", "10"),
        (*made.facility_row("trường  TÁM", 9), "", "", "", ""),
        (*made.facility_row("Trường Mười", 10), "", "", "", "10"),
    ]
    contacts: Rows = [
        (*made.CONTACT_HEADER, "Từ ngày", "Đến ngày"),
        (*made.contact_row("kcl-bg-009"), "", ""),
        (*made.contact_row(None, name="Lê Mẫu"), "", ""),
        (*made.contact_row(name="Vũ Mẫu"), "10/05/2021", "09/05/2021"),
    ]
    cameras: Rows = [
        (*made.CAMERA_HEADER, "Loại thiết bị", "Mã đầu ghi", "Kênh số"),
        (*made.camera_row("cam-02", 11), "", "", ""),
        (*made.camera_row("cam-03", 12, address="10.0.0.1"), "", "", ""),
        (*made.camera_row("cam-04", address="192.168.1.14:554"), "", "", ""),
        (*made.camera_row("cam-05", address="192.168.001.015"), "", "", ""),
        (*made.camera_row("cam-06", 16, make="Khác"), "", "", ""),
        (*made.camera_row("cam-07", address=None, make=None), "Kênh đầu ghi", "nvr-01", 1),
        (*made.camera_row("cam-08", 18, size="4MP"), "Camera IP", "", 2),
        (*made.camera_row("cam-08", 18), "Camera IP", "", 2),
    ]
    data = book({"Cơ sở": facilities, "Đầu mối": contacts, "Camera": cameras})
    assert findings_of(data, *TROUBLE) == [
        ("Cơ sở!B3", "site-duplicate"),
        ("Cơ sở!C4", "province-contradiction"),
        ("Cơ sở!H5", "province-similar"),
        ("Cơ sở!J6", "dates-in-disorder"),  # before the first day
        ("Cơ sở!J6", "dates-in-disorder"),  # and still open
        ("Cơ sở!I7", "day-unreal"),
        ("Cơ sở!J7", "day-order"),
        ("Cơ sở!I8", "day-short-year"),
        ("Cơ sở!E9", "required-missing"),
        ("Cơ sở!11", "capacity-people"),
        ("Đầu mối!B2", "facility-unknown"),
        ("Đầu mối!B3", "facility-missing"),
        ("Đầu mối!H4", "contact-days"),
        ("Camera!E2", "address-duplicate"),
        ("Camera!E3", "address-outside-lan"),
        ("Camera!E4", "address-port"),
        ("Camera!E5", "address-zeros"),
        ("Camera!F6", "rtsp-path-missing"),
        ("Camera!H7", "recorder-not-there"),
        ("Camera!F8", "size-form"),
        ("Camera!I9", "device-contradiction"),
    ]
