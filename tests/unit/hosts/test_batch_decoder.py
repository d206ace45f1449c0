"""Several streams decoded by one ffmpeg: which of its words are of which stream, and when nothing is certain."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner_host.look import batch_decoder
from provisioner_host.look.batch_decoder import BatchLog, DecodedBatch, StreamToDecode, batch_in, head_of, picture_head
from provisioner_host.machine.shell import Failed
from tests.films import START_CODE, Film, encode
from tests.hostile import CAMERA

STREAMS = [StreamToDecode("h264", every=True, source=7), StreamToDecode("hevc", every=False, source=8)]


def shown(name: str, seconds: float, *, key: bool, size: str = "640x360") -> bytes:
    said = f"n:   3 pts: 9 pts_time:{seconds:g} pos:  5 fmt:yuv420p sar:1/1 s:{size} i:P iskey:{key:d} type:P "
    return f"[showinfo@{name} @ 0x5f] {said}\n".encode()


def words(*lines: bytes) -> BatchLog:
    heard = BatchLog(STREAMS)
    for line in lines:
        heard.take(line)
    return heard


def test_each_line_is_of_the_stream_whose_filter_says_it() -> None:
    rate = b"[showinfo@decoded1 @ 0x1] config in time_base: 1/90000, frame_rate: 30000/1001\n"
    heard = words(
        shown("decoded0", 10, key=True),
        shown("chosen0", 10, key=True),
        shown("decoded0", 10.1, key=False),
        rate,
        shown("decoded1", 10.5, key=True, size="1920x1080"),
        shown("chosen1", 10.5, key=True),
        shown("decoded1", 10.6, key=False),
    )
    one, other = heard.streams
    assert (one.frames, one.key_frames, one.size, one.first_s, one.chosen) == (2, 1, (640, 360), 0, [True])
    assert (other.frames, other.key_frames, other.size, other.first_s) == (1, 1, (1920, 1080), 0.5)
    assert (one.declared_fps, other.declared_fps) == (None, 29.97)
    assert heard.is_clean


def test_a_rate_of_as_many_pictures_as_ticks_is_none() -> None:
    rate = b"[showinfo@decoded0 @ 0x1] config in time_base: 1/90000, frame_rate: 90000/1\n"
    assert words(rate).streams[0].declared_fps is None


@CAMERA
@pytest.mark.parametrize(
    "line",
    [
        b"[h264 @ 0x5] error while decoding MB 3 4, bytestream -5\n",
        b"[hevc @ 0x5] Could not find ref with POC 7\n",
        b"Error while decoding stream #1:0: Invalid data found when processing input\n",
        b"pipe:7: corrupt input packet in stream 0\n",
        b"Cannot determine format of input stream 0:0 after EOF\n",
        b"Conversion failed!\n",
    ],
)
def test_after_any_complaint_a_batch_is_not_clean(line: bytes) -> None:
    assert not words(shown("decoded0", 10, key=True), line).is_clean


def test_what_is_no_damage_is_no_complaint() -> None:
    assert words(b"[h264 @ 0x5] Increasing reorder buffer to 2\n").is_clean


def test_complaints_count_from_the_first_key_frame_on_with_those_that_ffmpeg_repeats() -> None:
    bad, again = b"[h264 @ 0x55] error while decoding MB 12 5, bytestream -7\n", b"    Last message repeated 4 times\n"
    frames = shown("decoded0", 10, key=True), shown("decoded0", 10.1, key=False)
    assert words(bad, again, frames[0], bad, again, frames[1]).complaints == 5
    assert words(*frames, again).complaints == 0
    assert words(bad, again).complaints == 0


def test_frames_before_the_first_key_frame_are_the_middle_of_something() -> None:
    before = [shown("decoded0", 10 + number, key=False) for number in range(3)]
    assert words(*before).streams[0].frames == 0
    heard = words(*before, shown("decoded0", 14, key=True), shown("decoded0", 15, key=False)).streams[0]
    assert (heard.frames, heard.key_frames, heard.first_s) == (2, 1, 4)


def test_frames_are_counted_beyond_the_width_of_their_number() -> None:
    many = b"".join(shown("decoded0", 10, key=n == 0).replace(b"n:   3", b"n:%4d" % n) for n in range(1200))
    assert words(many).streams[0].frames == 1200


@CAMERA
def test_words_without_end_end_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_decoder, "_MOST_SAID", 10_000)
    heard = BatchLog(STREAMS)
    for _ in range(20):
        heard.take(b"x" * 1000)
    with pytest.raises(Failed):
        heard.take(b"x")


@CAMERA
@given(
    st.lists(st.binary(max_size=300) | st.sampled_from([shown("decoded9", 3, key=True), shown("chosen7", 3, key=True)]))
)
def test_whatever_is_said_breaks_nothing(said: list[bytes]) -> None:
    heard = BatchLog(STREAMS)
    for chunk in said:
        heard.take(chunk)
    assert len(heard.streams) == 2


@CAMERA
@given(st.binary(max_size=300))
def test_an_answer_that_is_none_is_not_clean_and_has_no_picture(said: bytes) -> None:
    nothing = DecodedBatch([None] * 3, is_clean=False, last="the decoder gave no answer")
    assert batch_in(said, 3) == nothing
    wrong: list[object] = [[None, [1, 2], None], [None] * 4, {}, None]
    for answers in wrong:
        assert batch_in(json.dumps({**nothing._asdict(), "answers": answers}).encode(), 3) == nothing


def test_the_last_words_of_a_decoder_that_failed_reach_who_asked() -> None:
    failed = DecodedBatch([None], is_clean=False, last="ffmpeg: its last words")
    assert batch_in(json.dumps(failed._asdict()).encode(), 1) == failed


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return encode(tmp_path_factory.mktemp("film"), "h264", ("-t", "2", "-g", "5", "-bf", "0"))


def decoded(*streams: bytes, codec: str = "h264") -> DecodedBatch:
    """What a process of its own says of streams that lie in pipes."""
    sources = []
    for data in streams:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        assert os.write(writing, data) == len(data)
        os.close(writing)
        sources.append(StreamToDecode(codec, every=True, source=reading))
    batch = batch_decoder.begin(sources, time.monotonic() + 30)
    said = b""
    while chunk := os.read(batch.answers, 65536):
        said += chunk
    os.close(batch.answers)
    os.waitpid(batch.process, 0)
    return batch_in(said, len(streams))


def coded(film: Film, number: int, begin: int = 0) -> bytes:
    data = b"" if begin else head_of(film.codec)
    for one in film.pictures[begin:number]:
        body = b"".join(START_CODE + unit for unit in one.units)
        data += picture_head(one.ticks, len(body)) + body
    return data


def test_a_key_picture_is_told_while_its_stream_goes_on_and_whatever_others_are_at(film: Film) -> None:
    pipes = [os.pipe() for _ in range(3)]
    sources = [
        StreamToDecode("h264", every=True, source=reading, early=number < 2)
        for number, (reading, _) in enumerate(pipes)
    ]
    batch = batch_decoder.begin(sources, time.monotonic() + 30)
    # Of the second one no more than a key picture comes, of the third one nobody waits.
    for (_, writing), number in zip(pipes, (6, 1, 6), strict=True):
        os.write(writing, coded(film, number))
    said = b""
    # Of each its first picture is told, of the first its second key picture, too.
    while said.count(b"\n") < 4:
        said += os.read(batch.answers, 65536)
    told = [one for line in said.splitlines() if (one := batch_decoder.decoded_in(line, 3))]
    assert sorted((number, len(one.differences)) for number, one in told) == [(0, 0), (0, 1), (1, 0), (2, 0)]
    assert {one.declared_fps for _, one in told} == {10}
    assert {(one.first_s, one.is_clean) for _, one in told} == {(0, True)}
    for (_, writing), number in zip(pipes, (6, 1, 6), strict=True):
        os.write(writing, coded(film, 12, number))
        os.close(writing)
    while chunk := os.read(batch.answers, 65536):
        said += chunk
    os.close(batch.answers)
    os.waitpid(batch.process, 0)
    lines = [one for line in said.splitlines() if (one := batch_decoder.decoded_in(line, 3))]
    assert {number for number, one in lines if one.differences} == {0, 1}
    # What is said in the end is what it was told of.
    whole = batch_in(said, 3).answers
    assert [one and one.frames for one in whole] == [12, 12, 12]
    for number in (0, 1):
        last = [decoded for of, decoded in lines if of == number][-1]
        in_the_end = whole[number]
        assert in_the_end is not None
        assert list(last.differences) == in_the_end.differences


@CAMERA
@given(st.binary(max_size=300))
def test_a_line_that_tells_nothing_is_none(said: bytes) -> None:
    assert batch_decoder.decoded_in(said, 3) is None
    for line in ({"of": 3, "differences": [], "declared_fps": None}, {"of": 0, "differences": [[]]}, [1], None):
        assert batch_decoder.decoded_in(json.dumps(line).encode(), 3) is None


def test_streams_are_decoded_each_by_itself(film: Film) -> None:
    batch = decoded(coded(film, 12), coded(film, 7))
    one, other = batch.answers
    assert one
    assert other
    assert (batch.is_clean, batch.why, batch.is_started) == (True, "", True)
    assert (one.frames, one.key_frames, one.first_s, one.declared_fps) == (12, 3, 0, 10)
    assert (other.frames, other.key_frames) == (7, 2)
    assert (one.codec, one.width, one.height) == ("h264", 320, 240)
    assert one.digests[:2] == other.digests
    assert one.differences[:1] == other.differences


@CAMERA
@pytest.mark.parametrize("harm", [b"", b"\x00" * 4000, b"DKIF" + b"\xff" * 4000])
def test_a_stream_that_is_none_leaves_its_batch_not_clean_and_ends(film: Film, harm: bytes) -> None:
    begun = time.monotonic()
    batch = decoded(coded(film, 7), harm)
    assert not batch.is_clean
    assert batch.answers[1] is None
    assert decoded(harm).answers == [None]
    assert time.monotonic() - begun < 30


def test_without_ffmpeg_it_is_told_as_not_started(film: Film, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(batch_decoder, "PATH", str(tmp_path))
    batch = decoded(coded(film, 7))
    assert (batch.answers, batch.is_started) == ([None], False)
    assert "ffmpeg" in batch.why or "nice" in batch.why


def test_a_stream_with_damage_is_decoded_by_itself_with_its_complaints(film: Film) -> None:
    spoilt = replace(
        film,
        pictures=tuple(
            replace(one, units=tuple(unit[:8] + unit[60:] if unit[0] & 31 == 1 else unit for unit in one.units))
            for one in film.pictures
        ),
    )
    batch = decoded(coded(spoilt, 12))
    assert not batch.is_clean
    assert batch.answers[0]
    assert (batch.answers[0].frames, batch.answers[0].key_frames) == (12, 3)
    assert batch.answers[0].complaints >= 2


def test_what_is_not_measured_is_decoded_all_the_same(film: Film) -> None:
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    os.write(sink, coded(film, 3))
    os.close(sink)
    stream = StreamToDecode("h264", every=True, source=source, measured=False)
    (answer,) = batch_decoder.decode([stream], time.monotonic() + 30).answers
    assert answer
    assert (answer.frames, answer.scene) == (3, None)
