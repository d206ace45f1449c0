"""What may not stand in a plain text is found, and what people write every day is let through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.private_text import holds_login, holds_markup, holds_personal_data, states_login
from provisioner.importing.forms.values import line
from provisioner.importing.grid import Cell

ORDINARY = [
    *("Khu cách ly tập trung số 1, phường Trần Nguyên Hãn", "Phòng 101 (tầng 2)", "P.201~P.210", "T1~T3"),
    *("Dãy B2-B5, lô C2/C3", "Cổng số 2!", "Km 12+300 QL1A", "Ngõ 12, hẻm 34/5/6", "3x4=12 camera", "50m2*3"),
    *("QĐ 1407/BTTTT-CVT ngày 07/05/2021", "100% camera tốt, 95.5% đã nối", "DS-2CD1023G0E-I?", "Wi-Fi 2.4GHz, 24/7"),
    *("Chưa có mật khẩu", "Đã đổi mật khẩu 2 lần", "mk 2km, pw 12V, pass 100%", "Liên hệ admin, phòng CNTT"),
    *("MST 0100109106", "Mã số thuế: 0200109106", "mã số 0210400123", "0102030405", "21.0285, 105.8542"),
    *("Tăng cường từ ngày 30/4/2021 08:00", "Hotline 1900 1234", "biển số 29A-123.45"),
]
MARKUP = [
    *("<script>", "<script>alert(1)</script>", "<b>Tầng 1</b>", "<br/>", "<img src=x onerror=alert(1)>", "<!-- -->"),
    *("Nhà &amp; vườn", '=HYPERLINK("x1")', "=A1+B2", "#REF!1", "+SUM(A1:A2)", "\uff1cscript\uff1e"),
    *("+cmd|", "+cmd|' /C calc'!A0", "=cmd|'x'!A1"),
]
PASSWORDS = [
    *("<b>Abc@123</b>", "<script>Abc@123", "=Abc@123", "pass: 1", "mật khẩu Hoa5mai", "mk hoa123", "pw 12Vab"),
    *("pass 123456", "admin, 12345", "admin;hik", "admin/abc", "user: 2021", "Vt1*Hn2", "Abc123!", "P@ssw0rd?"),
    *("Hik=2021", "+cmd|Abc@123", "=cmd|'Abc@123'!A1"),
]
PEOPLE = [
    *("0912345678", "0912.345.678", "(0240) 3854123", "04 38251234", "+84 912 345 678", "MST 0100109106 đt 0912345678"),
    "a.b@example.com",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_what_people_write_is_taken(text: str) -> None:
    assert not holds_login(text)
    assert not holds_personal_data(text)
    assert not holds_markup(text)
    assert line(Cell(1, 1, text)).value is not None


@pytest.mark.parametrize("text", MARKUP)
def test_markup_is_refused_as_markup_and_as_nothing_else(text: str) -> None:
    assert not holds_login(text)
    assert not holds_personal_data(text)
    assert holds_markup(text)
    assert [remark.code for remark in line(Cell(1, 1, text)).remarks] == ["markup-in-text"]


@pytest.mark.parametrize("text", PASSWORDS)
def test_a_password_is_found_within_whatever_stands_around_it(text: str) -> None:
    assert holds_login(text)
    assert {remark.code for remark in line(Cell(1, 1, text)).remarks} <= {
        "password-in-text" if states_login(text) else "text-like-a-password",
        "markup-in-text" if holds_markup(text) else "",
    }


@pytest.mark.parametrize("text", PEOPLE)
def test_a_person_is_found(text: str) -> None:
    assert holds_personal_data(text)


_PARTS = ("Khu", "nhà", "tầng", "phòng", "lô", "dãy", "cổng", "trường", "trạm", "xã", "phường", "huyện", "số", "kho")
_words = st.lists(st.sampled_from(_PARTS), min_size=1, max_size=6).map(" ".join)
_numbers = st.integers(1, 999).map(str)


@given(_words, _numbers, _words)
def test_words_and_small_numbers_hold_nothing(before: str, number: str, after: str) -> None:
    text = f"{before} {number}, {after}"
    assert not holds_login(text)
    assert not holds_personal_data(text)
    assert not holds_markup(text)


@given(_words, st.sampled_from(PASSWORDS), st.sampled_from(["b", "i", "script", "td"]))
def test_a_tag_hides_no_password(before: str, password: str, tag: str) -> None:
    assert holds_login(f"{before} <{tag}>{password}</{tag}>")


@given(_words, st.sampled_from(PEOPLE), st.sampled_from(["", "MST 0200109106 ", "<b>"]))
def test_nothing_before_it_hides_a_person(before: str, person: str, more: str) -> None:
    assert holds_personal_data(f"{before} {more}{person}")


@given(st.text(max_size=300))
def test_whatever_is_written_is_judged(text: str) -> None:
    for judge in (holds_login, holds_personal_data, holds_markup, states_login):
        assert judge(text) in {True, False}


@pytest.mark.parametrize("part", ["<a ", "=AB(", "1x", "1,", "P1~", "0.", "&a", "01", "MST ", "#REF"])
def test_no_text_takes_longer_than_its_length_explains(part: str) -> None:
    text = part * 20_000
    for judge in (holds_login, holds_personal_data, holds_markup):
        judge(text)
