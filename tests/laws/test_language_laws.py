"""Laws of sentences: whatever is filled in is in what is said, in both languages, and no text takes long."""

import json
import pickle
import re
import time

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.language import ENGLISH, Language, Restatement, catalogue_of, translator, values_in
from provisioner.base.text import Sentence, filled, msg, places_of
from tests.catalogue import UNNAMED, untranslated
from tests.unit.cli.test_languages import english_in

VI = translator(Language.VI)
CATALOGUE = catalogue_of(Language.VI)
RESTATED = Restatement(CATALOGUE)
MANY = settings(max_examples=300, deadline=None)
# Ids, addresses and paths: what sentences are about. No sentence of ours has an underscore and a digit behind it.
ids = st.from_regex(r"[a-z]{1,6}_[0-9]{1,4}", fullmatch=True)
# Words that only English has.
GRAMMAR = ("are", "were")
sentences = st.sampled_from(sorted(CATALOGUE.sentences))
whole = st.sampled_from([one for one in sorted(CATALOGUE.sentences) if one == one.strip(" ,;")])
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
_PIECES = ("of ", " is ", ": ", "; ", ", ", "{host}", "{n}", "(", ")", "the ", "path", " and 3 more", "\n", "ă", "{}")
hostile = st.lists(st.sampled_from(_PIECES), max_size=120).map("".join)


@MANY
@given(sentences, st.data())
def test_what_is_filled_in_stands_in_both_languages(msgid: str, data: st.DataObject) -> None:
    places = places_of(msgid)
    values = dict(zip(places, data.draw(st.lists(ids, min_size=len(places), max_size=len(places))), strict=True))
    for say in (ENGLISH, VI):
        text = say(msgid, **values)
        for name, value in values.items():
            assert value in text or name.startswith(GRAMMAR), text
        assert not re.search(r"\{(?:" + "|".join(values or {"-": 0}) + r")\}", text)


@MANY
@given(whole, st.data())
def test_a_sentence_of_the_catalogue_is_recognised_with_its_values(msgid: str, data: st.DataObject) -> None:
    places = [place for place in places_of(msgid) if not place.startswith(GRAMMAR)]
    numbers = st.integers(0, 999).map(str)
    values = {place: data.draw(numbers if place == "n" else ids) for place in places}
    values |= {place: "are" for place in places_of(msgid) if place.startswith(GRAMMAR)}
    english = filled(msgid, values)
    assert RESTATED.unexplained(english) == 0
    said = VI.restated(english)
    for place in places:
        assert said.count(values[place]) >= 1, (english, said)


@MANY
@given(sentences, sentences, st.data())
def test_a_sentence_is_looked_up_with_its_values_and_never_guessed(msgid: str, inner: str, data: st.DataObject) -> None:
    within = msg(inner, *(data.draw(ids) for _ in places_of(inner)))
    values = [data.draw(st.one_of(ids, st.just(within))) for _ in places_of(msgid)]
    made = msg(msgid, *values)
    by_place = dict(zip(places_of(msgid), values, strict=True))
    assert made == filled(msgid, by_place)
    said = {place: VI.restated(value) for place, value in by_place.items()}
    assert VI.restated(made) == filled(CATALOGUE.sentences[msgid], said)
    assert ENGLISH.restated(made) == made


def test_what_has_no_translation_stays_english_and_is_never_half_translated() -> None:
    lacking = {one.replace(UNNAMED, "abc-01") for texts in untranslated().values() for one in texts}
    said = {one: VI.restated(one) for one in lacking}
    half = [text for one, text in said.items() if text != one and list(english_in(text))]
    # A key of a file, or what another program said, may have an English word.
    assert len(half) <= 3, half
    assert len(lacking) > 1_000


@given(sentences)
def test_a_sentence_is_a_text_for_programs_and_stays_one_in_another_process(msgid: str) -> None:
    made = msg(msgid, *("x" for _ in places_of(msgid)))
    assert isinstance(made, Sentence)
    assert json.loads(json.dumps([made])) == json.loads(orjson.dumps([made])) == [str(made)]
    copied = pickle.loads(pickle.dumps(made))  # noqa: S301 (our own bytes)
    assert isinstance(copied, Sentence)
    assert (copied, copied.msgid, copied.values) == (made, made.msgid, made.values)


@MANY
@given(sentences, st.data())
def test_the_places_of_a_filled_sentence_are_read_back(msgid: str, data: st.DataObject) -> None:
    values = {place: data.draw(ids) for place in places_of(msgid)}
    readings = list(values_in(filled(msgid, values), msgid))
    beside = re.search(r"\}\{", msgid)
    assert readings
    assert beside or values in readings


@MANY
@given(st.one_of(anything, hostile))
def test_no_text_fails_or_takes_long_and_english_changes_nothing(text: str) -> None:
    assert ENGLISH.restated(text) == text
    began = time.process_time()
    VI.restated(text)
    assert time.process_time() - began < 3


@MANY
@given(anything, anything)
def test_what_is_filled_in_is_not_looked_into(one: str, other: str) -> None:
    assert filled("{a}|{b}", {"a": one, "b": other}) == f"{one}|{other}"
    assert filled("{a}|{b}", {"a": "{b}", "b": other}) == "{b}|" + other
