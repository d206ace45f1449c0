"""The key by which texts are compared, on what people really type, and what may have been meant."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.text import did_you_mean, nearest, which_was_meant
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


_WORDS = st.text(st.characters(categories=["L", "N", "P", "Z", "C"]), max_size=20)


@given(_WORDS, st.lists(_WORDS, max_size=8))
def test_only_known_words_are_named_each_once(word: str, known: list[str]) -> None:
    close = nearest(word, known)
    assert set(close) <= set(known)
    assert len(close) == len(set(close)) <= 3


@given(_WORDS.filter(bool), st.lists(_WORDS, max_size=8))
def test_a_known_word_is_nearest_to_itself(word: str, known: list[str]) -> None:
    assert nearest(word, [*known, word])[0] == word


def test_a_very_long_word_costs_no_more_than_a_long_one() -> None:
    assert nearest("kcl-bg-001" + "x" * 10_000_000, ["kcl-bg-001"]) == ()


@pytest.mark.parametrize(
    ("words", "question"),
    [
        ((), ""),
        (("one",), "did you mean one?"),
        (("one", "two"), "did you mean one or two?"),
        (("one", "two", "three"), "did you mean one, two or three?"),
    ],
)
def test_the_question_names_each(words: tuple[str, ...], question: str) -> None:
    assert which_was_meant(words) == question


def test_where_nothing_is_alike_the_hint_is_another_one() -> None:
    assert did_you_mean("zzz", ["validate"], "see the list") == "see the list"
    assert did_you_mean("valdate", ["validate"], "see the list") == "did you mean validate?"
