"""What programs say comes to people in plain words: a corpus of real messages, and whatever else may come."""

import re
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.verify import words

# What nobody who is called at night can do anything with.
JARGON = re.compile(
    r"setpriv|systemd-run|conversion failed|pipe:|ffconcat|concat|filter|errno|\bnice\b|stdin|0x[0-9a-f]+|traceback"
    r"|i/o timeout|\bEOF\b|nullsrc|demux|muxer|avformat|avcodec|invalid data|::|\bNone\b|\bdial tcp\b",
    re.IGNORECASE,
)

# Real last lines of ffmpeg 5.1 to 7.1, and of our own door to it; each with words that its sentence has.
READS = {
    "nice: no answer within 25 s": "no key frame came within 25 s",
    "setpriv: no answer within 25 s": "no key frame came within 25 s",
    "Conversion failed!": "no picture was decoded",
    "pipe:0: Invalid data found when processing input": "no picture was decoded",
    "pipe:0: Connection refused": "takes no connection",
    "pipe:0: Connection timed out": "did not answer",
    "pipe:0: Operation timed out": "did not answer",
    "pipe:0: No route to host": "no way",
    "pipe:0: Network is unreachable": "no way",
    "pipe:0: Connection reset by peer": "cut off",
    "pipe:0: Broken pipe": "cut off",
    "pipe:0: End of file": "cut off",
    "pipe:0: Immediate exit requested": "cut off",
    "pipe:0: Operation not permitted": "own rules",
    "Stream map '0:v:0' matches no streams.": "no picture that could be decoded",
    "Output file #0 does not contain any stream": "no picture that could be decoded",
    "Could not find codec parameters for stream 0 (Video: h264, none): unspecified size": "no picture that could be",
    "Cannot determine format of input stream 0:0 after EOF": "no picture that could be decoded",
    "no frame: nothing comes from its source": "no picture that could be decoded",
    "ffmpeg said too much: the stream is damaged, or means harm": "damaged",
    "[h264 @ 0x55db5b4db9c0] non-existing PPS 0 referenced": "no picture was decoded",
    "Error while decoding stream #0:0: Invalid data found when processing input": "no picture was decoded",
    "Decoder (codec none) not found for input stream #0:0": "no decoder",
    "ffmpeg said nothing": "ended without a picture",
    "no answer within 25 s": "no key frame came within 25 s",
    "the decoder ended with signal 9": "signal 9 ended the decoder",
    "the decoder ended with 3": "the decoder on the host ended with code 3",
    "the decoder gave no answer": "ended without a picture",
    "End of file": "cut off",
    "its description has no video": "no picture that could be decoded",
    "no decoder for its video: VP8": "no decoder",
    "its pictures are larger than any camera's": "larger than any camera's",
    "its answer is none by RTSP": "no picture was decoded",
    "its answers have no end": "no picture was decoded",
    "said too much: it sends more pictures than any camera": "damaged",
    "": "ended without a picture",
    "some words of a version to come": "ended without a picture",
}

# MediaMTX 1.20.1's words of a source, as real cameras and broken ones make it say them.
SOURCES = {
    "bad status code: 401 (Unauthorized)": "refuses the login",
    "bad status code: 403 (Forbidden)": "forbids the stream",
    "bad status code: 404 (Not Found)": "no such stream",
    "bad status code: 453 (Not Enough Bandwidth)": "no bandwidth left",
    "bad status code: 454 (Session Not Found)": "status 454",
    "bad status code: 461 (Unsupported Transport)": "status 461",
    "bad status code: 500 (Internal Server Error)": "fails inside (RTSP status 500)",
    "bad status code: 503 (Service Unavailable)": "fails inside (RTSP status 503)",
    "bad status code: 551 (Option not supported)": "fails inside (RTSP status 551)",
    "dial tcp 100.64.0.4:10554: connect: connection refused": "refuses the connection",
    "dial tcp 100.64.0.4:10554: connect: no route to host": "no way to the device",
    "dial tcp 100.64.0.4:10554: i/o timeout": "does not answer",
    "dial tcp 192.168.9.9:554: connect: operation not permitted": "rules block the address of the redirect",
    "request timed out": "takes the connection and does not answer",
    "TCP timeout": "stopped sending",
    "EOF": "closed the connection",
    "read tcp 100.64.0.1:33124->100.64.0.4:10554: read: connection reset by peer": "closed the connection",
    "Content-Type header is missing": "not as RTSP has it",
    "invalid SDP: invalid line: (v)": "not as RTSP has it",
}

# What our own probe says where it could do nothing.
OWN = {
    "no time was left": "no time left",
    "the time ran out": "no time left",
    "the readers ended before it was read": "before it was its turn",
    "nice: \u2018ffmpeg\u2019: No such file or directory": "ffmpeg is not on the host",
    "nice: ffmpeg: No such file or directory": "ffmpeg is not on the host",
    "ffmpeg: no such program on this host": "ffmpeg is not on the host",
    "ffmpeg was not started": "ffmpeg is not on the host",
    "this host has no user provisioner-probe yet: provisioner apply makes it": "no user to read as",
    "Failed to start transient service unit: Connection timed out": "let the readers be confined",
    "Failed to connect to bus: No such file or directory": "let the readers be confined",
    "[Errno 28] No space left on device": "disk is full",
    "/etc/provisioner/keys/probe.password: No such file or directory": "password of the probe is not there",
    "the relay's Control API: HTTP/1.0 401 Unauthorized": "refuses the API password",
    "the relay's Control API: timed out": "does not answer",
    "the relay's Control API: [Errno 111] Connection refused": "takes no connection",
    "the relay's Control API: Expecting value: line 1 column 1 (char 0)": "cannot be used",
}


SPEAKERS = ((partial(words.of_read, None), READS), (words.of_source, SOURCES), (words.of_probe, OWN))


@pytest.mark.parametrize(
    ("sentence_of", "said", "plain"), [(of, *row) for of, table in SPEAKERS for row in table.items()]
)
def test_each_speaks_plainly(sentence_of: Callable[[str], str], said: str, plain: str) -> None:
    assert plain in sentence_of(said)
    assert not JARGON.search(sentence_of(said))


@given(st.one_of(st.none(), st.integers(0, 999)), st.text())
def test_no_word_of_a_reader_comes_through(status: int | None, said: str) -> None:
    sentence = words.of_read(status, f"{said} canary-7")
    assert sentence
    assert "canary" not in sentence
    assert sentence.isprintable()


@given(st.text())
def test_no_word_of_our_own_programs_comes_through(said: str) -> None:
    sentence = words.of_probe(f"{said} canary-7")
    assert sentence
    assert "canary" not in sentence


@given(st.text(max_size=2_000))
def test_what_a_source_says_that_is_not_known_is_quoted_short_and_clean(said: str) -> None:
    sentence = words.of_source(said)
    assert sentence.isprintable()
    assert len(sentence) < 1_000


@pytest.mark.parametrize("status", [400, 401, 403, 404, 451, 453, 454, 461, 500, 501, 503, 599])
def test_every_status_of_the_relay_has_its_sentence(status: int) -> None:
    assert not JARGON.search(words.of_status(status))


def test_a_read_that_had_no_time_is_no_failure_of_the_probe() -> None:
    assert [words.is_for_time(said) for said in OWN].count(True) == 3
