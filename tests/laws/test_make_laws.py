"""Every make is one row: sheets name it by words of its own, and it has a path for every channel and stream."""

import re
from collections import Counter
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from provisioner.importing.forms.choices import MAKES as CHOICE
from provisioner.importing.forms.choices import word_key
from provisioner.inventory.makes import MAKES, rtsp_path
from provisioner.inventory.model.devices import Make, StreamName

makes = st.sampled_from(sorted(MAKES))
channels = st.integers(1, 256)
streams = st.sampled_from(StreamName)


def test_every_make_but_generic_has_a_row_and_every_make_has_words() -> None:
    assert set(MAKES) == set(Make) - {Make.GENERIC}
    assert set(CHOICE.words) == {make.value for make in Make}
    assert all(maker.words for maker in MAKES.values())


def test_every_word_of_a_sheet_leads_to_exactly_one_make() -> None:
    keys = Counter(key for words in CHOICE.words.values() for key in set(map(word_key, words)))
    assert set(keys.values()) == {1}
    assert "" not in keys


@given(make=makes, number=st.integers(0, 20), case=st.sampled_from([str, str.upper, str.lower, str.title]))
def test_a_word_is_its_makes_however_it_is_written(*, make: Make, number: int, case: Callable[[str], str]) -> None:
    words = (make.value, *MAKES[make].words)
    assert CHOICE.find(f" {case(words[number % len(words)])} ") == make.value


@given(make=makes, channel=channels, stream=streams, recorder=st.booleans())
def test_every_row_has_a_path_for_each_stream(*, make: Make, channel: int, stream: StreamName, recorder: bool) -> None:
    path = rtsp_path(make, channel, stream, recorder=recorder)
    assert re.fullmatch(r"/[\x21-\x7a|~]+", path)  # as the model wants a written one, and no field is left


@given(make=makes, one=st.tuples(channels, streams), other=st.tuples(channels, streams))
def test_two_streams_of_a_recorder_never_have_one_path(
    *, make: Make, one: tuple[int, StreamName], other: tuple[int, StreamName]
) -> None:
    paths = {rtsp_path(make, *at, recorder=True) for at in (one, other)}
    assert len(paths) == len({one, other})


@given(make=makes, channel=channels, recorder=st.booleans())
def test_main_and_sub_never_have_one_path(*, make: Make, channel: int, recorder: bool) -> None:
    assert len({rtsp_path(make, channel, stream, recorder=recorder) for stream in StreamName}) == len(StreamName)
