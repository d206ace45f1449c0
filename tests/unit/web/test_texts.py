"""Both languages say everything: no sentence is missing, none is left over, and places are the same."""

import re
from datetime import UTC, datetime, timedelta, timezone

import polib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.language import Language
from provisioner.base.text import in_vietnam, local_time, places_of
from provisioner.verify.result import Cause
from provisioner.web.texts import CATALOGUE, age, at_time, page_translator, words_of
from tests.unit.web.clients import Outline, crawl, local
from tests.unit.web.msgids import said

#: The first and the last time that a record can have.
ENDS = (datetime(9999, 12, 31, 23, tzinfo=UTC), datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))))
ENTRIES = polib.pofile(str(CATALOGUE), encoding="utf-8")


def test_the_catalogue_has_what_pages_say_and_nothing_else() -> None:
    assert {entry.msgid: entry.msgid_plural for entry in ENTRIES} == said()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.msgid[:30])
def test_a_sentence_is_translated_with_its_places(entry: polib.POEntry) -> None:
    text = entry.msgstr_plural[0] if entry.msgid_plural else entry.msgstr
    assert text
    assert sorted(places_of(text)) == sorted(places_of(entry.msgid_plural or entry.msgid))
    assert text.isprintable()


@pytest.mark.parametrize("language", Language)
def test_every_value_has_a_word_and_vietnamese_ones_are_vietnamese(language: Language) -> None:
    words = words_of(language)
    assert all(word or not value for of in words.values() for value, word in of.items())
    if language is Language.VI:
        english = words_of(Language.EN)
        same = {
            f"{kind} {value}"
            for kind, of in words.items()
            for value, word in of.items()
            if word and word == english[kind][value]
        }
        assert same <= {"Layer camera"}


def test_every_cause_that_somebody_can_do_something_about_says_what() -> None:
    assert {cause for cause in Cause if not cause.next_step} == {Cause.NONE, Cause.NOT_ASKED}


@pytest.mark.parametrize("t", [page_translator(Language.EN), page_translator(Language.VI)])
def test_an_age_is_in_its_largest_unit(t: object) -> None:
    now = datetime(2021, 5, 20, tzinfo=UTC)
    assert callable(t)
    ages = [age(now - timedelta(minutes=minutes), now, t) for minutes in (0, 59, 60, 47 * 60, 48 * 60)]  # type: ignore[arg-type]
    assert [re.sub(r"\D", "", one) for one in ages] == ["0", "59", "1", "47", "2"]
    assert age(None, now, t) == ""  # type: ignore[arg-type]


def test_times_are_vietnams() -> None:
    moment = datetime(2021, 5, 19, 18, 30, tzinfo=UTC)
    assert at_time(moment, Language.EN) == "2021-05-20 01:30"
    assert at_time(moment, Language.VI) == "20/05/2021 01:30"
    assert at_time(None, Language.EN) == ""


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)) | st.sampled_from(ENDS), st.sampled_from(Language))
def test_any_recorded_time_is_shown(moment: datetime, language: Language) -> None:
    shown = at_time(moment, language)
    assert str(in_vietnam(moment).year) in shown
    assert local_time(moment).endswith(" +07:00")


def test_a_vietnamese_page_has_no_english_sentence() -> None:
    english = sorted((text for text in said() if " " in text and "{" not in text), key=len)
    for address, html in crawl(local(), ["/vi/"]).items():
        if address.startswith("/vi/"):
            text = Outline(html).text
            assert [sentence for sentence in english if sentence in text] == [], address
