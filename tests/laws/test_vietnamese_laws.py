"""Laws of folding and of telling encodings: they hold for every text, not only for Vietnamese."""

import re
import unicodedata
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.vietnamese import LegacyEncoding, clean, fold, legacy_encoding, read_legacy
from provisioner.inventory.geography import provinces

NAMES = sorted({province.name for scheme in ("gso-2021", "gso-2025") for province in provinces(scheme)})
VIETNAMESE = "aàảãáạăằẳẵắặâầẩẫấậeèẻẽéẹêềểễếệiìỉĩíịoòỏõóọôồổỗốộơờởỡớợuùủũúụưừửữứựyỳỷỹýỵđĐÐ bcdghklmnpqrstvx"

texts = st.text(max_size=30) | st.text(VIETNAMESE + "\u0301\u0323\u0302\u200b\u00a0-", max_size=30)
sentences = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map(", ".join)
forms: st.SearchStrategy[Callable[[str], str]] = st.sampled_from(
    [clean, str.upper, str.lower, lambda text: unicodedata.normalize("NFD", text)]
)


@given(texts)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert clean(clean(text)) == clean(text)


@given(texts)
def test_a_key_is_a_slug(text: str) -> None:
    assert re.fullmatch(r"([a-z0-9]+(-[a-z0-9]+)*)?", fold(text))


@given(texts)
def test_composition_case_and_invisible_characters_do_not_change_a_key(text: str) -> None:
    for form in ("NFC", "NFD"):
        assert fold(unicodedata.normalize(form, text)) == fold(text)
    assert fold(text.casefold()) == fold(text)
    assert fold("\u200b".join(text)) == fold(text)
    assert fold(clean(text)) == fold(text)


@given(texts)
def test_telling_an_encoding_never_fails(text: str) -> None:
    assert legacy_encoding(text) in {None, *LegacyEncoding}


@given(sentences, forms)
def test_names_in_unicode_are_never_taken_for_another_encoding(text: str, form: Callable[[str], str]) -> None:
    assert legacy_encoding(form(text)) is None


@given(sentences, st.sampled_from(["latin-1", "cp1252", "cp1258"]))
def test_utf_8_that_was_read_byte_by_byte_is_told_and_read_back(text: str, page: str) -> None:
    garbled = "".join(_shown(byte, page) for byte in text.encode())
    legacy = read_legacy(garbled)
    if text.isascii():
        assert legacy is None
    else:
        assert legacy == (LegacyEncoding.MOJIBAKE, text)


def _shown(byte: int, page: str) -> str:
    """Read a byte; most programs show what a code page leaves out as the control character of that number."""
    try:
        return bytes([byte]).decode(page)
    except UnicodeDecodeError:
        return chr(byte)
