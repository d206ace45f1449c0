"""The key by which texts are compared, on what people really type."""

import unicodedata

import pytest

from provisioner.base.vietnamese import clean, fold


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Bắc Giang", "bac-giang"),
        ("BẮC GIANG", "bac-giang"),
        (unicodedata.normalize("NFD", "Bắc Giang"), "bac-giang"),
        ("Đắk Lắk", "dak-lak"),
        ("\u00d0ắk Lắk", "dak-lak"),
        ("\u0189ắk Lắk", "dak-lak"),
        ("Hòa Bình", "hoa-binh"),
        ("Hoà Bình", "hoa-binh"),
        ("Ba\u0301\u0302c", "bac"),
        ("Bà Rịa \u2013 Vũng Tàu", "ba-ria-vung-tau"),
        ("  Bắc\u00a0 Giang\t", "bac-giang"),
        ("Bắc\u200b Gi\u200eang\ufeff", "bac-giang"),
        ("TP. Hồ Chí Minh", "tp-ho-chi-minh"),
        ("Khu A/B (số 2)", "khu-a-b-so-2"),
        ("€ — ?", ""),
        ("", ""),
    ],
)
def test_a_key_is_what_remains_of_a_text(text: str, key: str) -> None:
    assert fold(text) == key


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (unicodedata.normalize("NFD", "Bắc Giang"), "Bắc Giang"),
        ("  Bắc\u00a0 Giang\r\n", "Bắc Giang"),
        ("Ba\u200bc\u00ad", "Bac"),
        ("Hoà", "Hoà"),
        ("TP. HCM", "TP. HCM"),
        ("a\x00b", "ab"),
    ],
)
def test_a_kept_text_has_its_letters_and_marks_and_nothing_invisible(text: str, kept: str) -> None:
    assert clean(text) == kept
