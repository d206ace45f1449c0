"""What may have been meant by a word that nobody knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.text import did_you_mean, nearest, which_was_meant

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
