"""Both languages say all there is to say."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from provisioner.base.roles import ReaderRole
from provisioner.inventory.model import NoticeLanguage
from provisioner.notify.words import NoticeWording, Phrase
from provisioner.verify.result import Cause, Layer, Verdict

VI, EN = NoticeWording(NoticeLanguage.VI), NoticeWording(NoticeLanguage.EN)
VIETNAMESE = re.compile(r"[àáảãạăằắẳẵặâầấẩẫậèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵđ]", re.IGNORECASE)


def gaps(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("phrase", list(Phrase))
def test_a_phrase_has_the_same_gaps_in_both_languages(phrase: Phrase) -> None:
    filled = {name: f"<{name}>" for name in gaps(phrase.value)}
    said = VI.say(phrase, **filled)
    assert said != EN.say(phrase, **filled)
    assert all(gap in said for gap in filled.values())


def test_every_word_is_in_both_languages() -> None:
    for verdict in Verdict:
        assert VIETNAMESE.search(VI.verdict(verdict))
    for layer in Layer:
        assert VI.layer(layer)
    for cause in set(Cause) - {Cause.NONE}:
        assert VIETNAMESE.search(VI.cause(cause)), cause
        assert EN.cause(cause)
    for role in ReaderRole:
        assert VI.role(role)
        assert VI.role(role) != EN.role(role)


def test_two_causes_do_not_have_one_word() -> None:
    words = [VI.cause(cause) for cause in Cause]
    assert len(words) == len(set(words))


def test_a_gap_is_filled_with_whatever_it_is() -> None:
    """Braces in a device's own words are no gaps."""
    assert EN.say(Phrase.DETAIL, detail="{day} {0} {detail!r}") == "evidence: {day} {0} {detail!r}"
