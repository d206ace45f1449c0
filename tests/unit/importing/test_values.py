"""Cells as people and as Excel write them, and what is taken of them."""

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from provisioner.base.private_text import holds_login, holds_personal_data
from provisioner.importing.forms import choices
from provisioner.importing.forms.columns import is_password_header, masked, safe_id, safe_number, safe_words
from provisioner.importing.forms.forms import CAMERAS, FACILITIES, SURVEYS
from provisioner.importing.forms.values import (
    CellReader,
    address,
    decimal,
    identifier,
    line,
    network,
    one_of,
    picture_size,
    read_day,
    rtsp_path,
    some_of,
    whole,
    yes_no,
)
from provisioner.importing.grid import Cell
from tests.hostile import MERGE_REQUEST

NUMBER, MBPS = whole(1, 10_000), decimal(100_000)


def read(reader: CellReader, value: object) -> tuple[Any, list[str]]:
    taken = reader(Cell(1, 1, value))
    return taken.value, [remark.code for remark in taken.remarks]


@pytest.mark.parametrize(
    ("reader", "value", "taken"),
    [
        (read_day, "07/05/2021", "2021-05-07"),
        (read_day, "7.5.2021", "2021-05-07"),
        (read_day, "2021-05-07", "2021-05-07"),
        (read_day, "ngày 7 tháng 5 năm 2021", "2021-05-07"),
        (read_day, "07/05/2021 08:30", "2021-05-07"),
        (read_day, datetime(2021, 5, 7, 8, 30), "2021-05-07"),  # noqa: DTZ001 (Excel knows no zone)
        (read_day, date(2021, 5, 7), "2021-05-07"),
        (NUMBER, "12 người", 12),
        (NUMBER, "8 camera", 8),
        (NUMBER, "512 kbps", 512),
        (NUMBER, 12.0, 12),
        (NUMBER, " 12 ", 12),
        (NUMBER, "\u00a012", 12),
        (MBPS, "12,5 Mbps", 12.5),
        (MBPS, 40, 40),
        (MBPS, "40.0", 40),
        (address, " 192.168.1.64\u200b", "192.168.1.64"),
        (network, "192.168.1.0/24", "192.168.1.0/24"),
        (picture_size, "1920 x 1080", (1920, 1080)),
        (picture_size, "1920×1080", (1920, 1080)),  # noqa: RUF001 (people type the sign)
        (picture_size, "640*360", (640, 360)),
        (picture_size, "Full HD", (1920, 1080)),
        (picture_size, "D1", (704, 576)),
        (rtsp_path, "/cam/realmonitor?channel=1&subtype=1", "/cam/realmonitor?channel=1&subtype=1"),
        (identifier, "KCL BG_001", "kcl-bg-001"),
        (line, "Hành\n lang  tầng", "Hành lang tầng"),
        (line, "'=Trường", "=Trường"),
        (line, 2000, "2000"),
        (line, "Chưa nhận được mật khẩu đầu ghi", "Chưa nhận được mật khẩu đầu ghi"),
        (line, "DS-2CD1021-I / H.264+", "DS-2CD1021-I / H.264+"),
        (yes_no, True, True),
        (yes_no, "x", True),
        (yes_no, "Không", False),
        (one_of(choices.ZONES), "NGOÀI NHÀ TẮM; NHÀ VỆ SINH CHUNG", "ngoai_nha_tam_ve_sinh"),
        (
            some_of(choices.ZONES),
            "Cổng, Ngoài nhà tắm, nhà vệ sinh chung; Sân và cổng",
            ["cong", "ngoai_nha_tam_ve_sinh", "san"],
        ),
        (some_of(choices.PARTIES), "Viettel + Sở TTTT", ["carrier", "dic"]),
    ],
)
def test_what_is_understood(reader: CellReader, value: object, taken: object) -> None:
    assert read(reader, value) == (taken, [])


@pytest.mark.parametrize(
    ("reader", "value", "code"),
    [
        (read_day, "5/2021", "day-form"),
        (read_day, "hôm qua", "day-form"),
        (read_day, True, "day-form"),
        (read_day, time(8), "day-form"),
        (read_day, 12, "day-form"),
        (read_day, "7/5/21", "day-short-year"),
        (read_day, "05/13/2021", "day-order"),
        (read_day, "30/02/2021", "day-unreal"),
        (read_day, "01/01/1921", "day-unreal"),
        (NUMBER, "", "number-form"),
        (NUMBER, "2 Mbps", "number-unit"),
        (MBPS, "512 kbps", "number-unit"),
        (MBPS, "1 Gbps", "number-unit"),
        (MBPS, "1,5Gb/s", "number-unit"),
        (NUMBER, "mười", "number-form"),
        (NUMBER, float("nan"), "number-form"),
        (NUMBER, float("inf"), "number-form"),
        (NUMBER, 1e300, "number-form"),
        (NUMBER, date(2021, 5, 7), "number-day"),
        (NUMBER, "10-12", "number-several"),
        (NUMBER, "10/12", "number-several"),
        (NUMBER, 1.5, "number-not-whole"),
        (NUMBER, 0, "number-range"),
        (NUMBER, -1, "number-range"),
        (MBPS, 0, "number-range"),
        (MBPS, "1.000", "number-ambiguous"),
        (address, 192.168, "address-number"),
        (address, "192168100200", "address-number"),
        (address, "1,92168E+11", "address-number"),
        (address, "192.168.1.64:554", "address-port"),
        (address, "192.168.001.064", "address-zeros"),
        (address, "192,168,1,64", "address-form"),
        (address, "fe80::1", "address-form"),
        (network, "192.168.1.0", "network-form"),
        (network, "192.168.1.x", "network-form"),
        (network, "192.168.1.1/24", "network-host"),
        (network, 24, "network-form"),
        (picture_size, "2K", "size-form"),
        (picture_size, "4MP", "size-form"),
        (picture_size, "9999x10", "size-form"),
        (rtsp_path, "rtsp://192.168.1.64/1", "rtsp-path-form"),
        (rtsp_path, "rtsp://a:b@192.168.1.64/1", "password-in-text"),
        (rtsp_path, "/user=admin&password=x&channel=1", "password-in-text"),
        (identifier, 1, "id-number"),
        (identifier, "Trường 1", "id-form"),
        (identifier, "---", "id-form"),
        (identifier, "a" * 64, "id-form"),
        (line, True, "text-not-text"),
        (line, timedelta(1), "text-not-text"),
        (line, "a" * 301, "text-too-long"),
        (line, "gọi 0300.000.001", "personal-in-text"),
        (line, "a@example.com", "personal-in-text"),
        (line, "pass: 1", "password-in-text"),
        (one_of(choices.KINDS), "Trường họcc", "choice-unknown"),
        (some_of(choices.PARTIES), "Sở TTTT; Ông A", "choice-unknown"),
        (yes_no, "có lẽ", "choice-unknown"),
    ],
)
def test_what_is_refused(reader: CellReader, value: object, code: str) -> None:
    assert read(reader, value) == (None, [code])


@pytest.mark.parametrize(
    ("reader", "value", "taken", "code"),
    [
        (read_day, 44323, "2021-05-07", "day-serial"),
        (read_day, "44323", "2021-05-07", "day-serial"),
        (NUMBER, "1.200", 1200, "number-grouped"),
        (NUMBER, "1,200", 1200, "number-grouped"),
        (address, "8.8.8.8", "8.8.8.8", "address-public"),
    ],
)
def test_what_is_taken_with_a_warning(reader: CellReader, value: object, taken: object, code: str) -> None:
    assert read(reader, value) == (taken, [code])


@pytest.mark.parametrize(
    "text",
    [
        *(
            *("mật khẩu: abc", "Mật khẩu đầu ghi là abc", "mk=hik", "pass 123456", "admin/12345", "admin : hik"),
            "Hik@12345",
        ),
        *("rtsp://admin:x@192.168.1.2/", "http://x/?user=a", "pwd: 1", "a MATKHAU1! b", "root|toor"),
    ],
)
def test_texts_that_hold_a_password(text: str) -> None:
    assert holds_login(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            *("Chưa có mật khẩu", "Đã đổi mật khẩu 2 lần", "MK-2000", "iGate GW020-H", "F660v5", "H.265+"),
            "Quản trị: phòng CNTT",
        ),
        *("Cổng số 2 (phía đông)", "40 Mbps", "10% camera hỏng", "VNPT", "https://example.com/a", "a@example.com"),
    ],
)
def test_texts_that_hold_none(text: str) -> None:
    assert not holds_login(text)


def test_phones_and_addresses_in_texts() -> None:
    for text in ("ĐT 0300 000 001", "(+84) 300-000-001 gọi", "gọi 84300000001", "a.b@example.com.vn"):
        assert holds_personal_data(text), text
    for text in ("192.168.100.200", "QĐ 1407/BTTTT-CVT ngày 06/5/2021", "tầng 2, 08 phòng", "S/N 2021", "2021-05-07"):
        assert not holds_personal_data(text), text


@pytest.mark.parametrize(
    "header", ["Mật khẩu", "MAT KHAU", "Tài khoản/Mật khẩu", "Password", "pass", "MK", "Mật mã wifi", "Pwd đầu ghi"]
)
def test_headers_that_ask_for_passwords(header: str) -> None:
    assert is_password_header(header)


def test_no_header_of_ours_asks_for_a_password() -> None:
    for form in (FACILITIES, SURVEYS, CAMERAS):
        for column in form.columns:
            assert not [name for name in (column.header, *column.aliases.split("|")) if is_password_header(name)]


def test_what_may_be_shown() -> None:
    assert [safe_number(t) for t in ("554", "192.168.1", "31/02/2021", "1.200", "-1")] == [
        "554",
        "192.168.1",
        "31/02/2021",
        "1.200",
        "-1",
    ]
    assert [safe_number(t) for t in ("888888", "hik123", "12345678", "1 2", "")] == [""] * 5
    assert [safe_words(t) for t in ("Trường họcc cũ", "Hà Tây, cũ")] == ["Trường họcc cũ", "Hà Tây, cũ"]
    assert [safe_words(t) for t in ("matkhau", "Trường 12", "a@b c", "Hik!pass word")] == [""] * 4
    assert [safe_id(t) for t in ("kcl-bg-001", "CAM-01", "nvr-1")] == ["kcl-bg-001", "CAM-01", "nvr-1"]
    assert [safe_id(t) for t in ("Hik@12345", "hunter2", "canary-9x!pass")] == [""] * 3
    assert [masked(t) for t in ("0300 000 001", "+84300000001/2")] == ["…001", "…012"]
    assert [masked(t) for t in ("123", "Nguyễn 0300000001", "a@example.com")] == [""] * 3


@MERGE_REQUEST
@pytest.mark.parametrize(
    "path",
    [
        "/user=admin_password=Hoa5mai_channel=1_stream=0.sdp",
        "/ch1?auth=YWRtaW46SG9hNW1haQ==",
        "/ch1%3Fpwd%3DHoa5mai",
        "/ch1?pwd={password}Hoa5mai",
    ],
)
def test_an_rtsp_path_with_a_login_is_not_taken_over(path: str) -> None:
    assert read(rtsp_path, path) == (None, ["password-in-text"])


def test_an_rtsp_path_may_refer_to_its_login() -> None:
    path = "/user={username}_password={password}_channel=1_stream=0.sdp"
    assert read(rtsp_path, path) == (path, [])
    assert read(rtsp_path, "/ch{channel}") == (None, ["rtsp-path-form"])
