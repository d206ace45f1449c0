"""Every make is one row: sheets name it by words of its own, and it has a path for every channel and stream."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.importing.forms.choices import MAKES as CHOICE
from provisioner.importing.forms.choices import word_key
from provisioner.inventory.makes import MAKES, NoRtspPathError, rtsp_path, stream_path
from provisioner.inventory.model.devices import Make, StreamName
from tests import inventories as make

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


MAIN, SUB = StreamName.MAIN, StreamName.SUB


@pytest.mark.parametrize(
    ("name", "channel", "recorder", "main", "sub"),
    [
        (Make.HIKVISION, 1, False, "/Streaming/Channels/101", "/Streaming/Channels/102"),
        (Make.HIKVISION, 16, True, "/Streaming/Channels/1601", "/Streaming/Channels/1602"),
        (Make.DAHUA, 3, True, "/cam/realmonitor?channel=3&subtype=0", "/cam/realmonitor?channel=3&subtype=1"),
        (Make.KBVISION, 1, False, "/cam/realmonitor?channel=1&subtype=0", "/cam/realmonitor?channel=1&subtype=1"),
        (Make.IMOU, 1, False, "/cam/realmonitor?channel=1&subtype=0", "/cam/realmonitor?channel=1&subtype=1"),
        (Make.UNIVIEW, 1, False, "/media/video1", "/media/video2"),
        (Make.UNIVIEW, 4, True, "/unicast/c4/s0/live", "/unicast/c4/s1/live"),
        (Make.EZVIZ, 1, False, "/h264/ch1/main/av_stream", "/h264/ch1/sub/av_stream"),
        (
            Make.AXIS,
            2,
            False,
            "/axis-media/media.amp?camera=2&streamprofile=main",
            "/axis-media/media.amp?camera=2&streamprofile=sub",
        ),
    ],
)
def test_each_make_has_its_path(name: Make, channel: int, *, recorder: bool, main: str, sub: str) -> None:
    assert rtsp_path(name, channel, MAIN, recorder=recorder) == main
    assert rtsp_path(name, channel, SUB, recorder=recorder) == sub


def test_generic_has_no_path() -> None:
    with pytest.raises(NoRtspPathError, match="generic"):
        rtsp_path(Make.GENERIC, 1, SUB)


def paths(camera: dict[str, Any], **changes: Any) -> str:
    facility = make.inventory(facilities=[make.facility(cameras=[camera], **changes)]).facilities["kcl-bg-001"]
    return stream_path(facility, facility.cameras[0], SUB)


def test_a_channel_takes_the_make_of_its_recorder() -> None:
    assert paths(make.channel("cam-01", 5), recorders=[make.recorder(make="uniview")]) == "/unicast/c5/s1/live"


def test_a_written_path_comes_before_the_makes() -> None:
    written = {"sub": {"width": 640, "height": 360, "rtsp_path": "/live?x=1&y=2"}}
    assert paths(make.camera(streams=written)) == "/live?x=1&y=2"
