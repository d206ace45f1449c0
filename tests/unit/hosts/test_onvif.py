"""What devices say of themselves by ONVIF: hostile until it is read, and nothing but short words and numbers after."""

import base64
import ctypes
import hashlib
import json
import re
import tracemalloc
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner_host.onvif import ask, digest, messages, onvif
from provisioner_host.onvif.digest import challenge_in
from provisioner_host.onvif.messages import NoAnswer, RefusedLogin, Reply, Silent, Unreadable, reply_in
from provisioner_host.wire import AccountAnswer, AskingTurn
from tests.contract.onvif_device import OnvifDevice, enveloped
from tests.hostile import CAMERA

DEVICE = OnvifDevice()
SOME = settings(max_examples=300, deadline=None)
GOOD = [
    DEVICE.answer("<GetSystemDateAndTime/>", "")[1],
    OnvifDevice(login=DEVICE.login.NONE).answer("<GetDeviceInformation/>", "")[1],
    DEVICE.answer("<GetCapabilities/>", "")[1],
    OnvifDevice(login=DEVICE.login.NONE).answer("<GetProfiles/>", "")[1],
    DEVICE.answer("<GetDeviceInformation/>", "")[1],
]
TOLD = {
    "outcome": "told",
    "model": "M",
    "serial": "S",
    "firmware": "1",
    "clock": {"before": 1.0, "after": 2.0, "utc": 1, "shown": None},
    "profile": {"there": True, "width": 640, "height": 360, "names": ["sub"]},
}


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A device's answer of which some of the bytes are others."""
    body = bytearray(enveloped(draw(st.sampled_from(GOOD))).encode())
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 40))] = draw(st.binary(max_size=40))
    return bytes(body)


def read(body: bytes) -> list[object]:
    """All that may be read of an answer, whichever it is."""
    known: list[object] = []
    readings = (messages.nameplate_in, messages.time_in, messages.profiles_in, messages.media_path_in)
    for reading in readings:
        with suppress(Unreadable, RefusedLogin):
            known.append(reading(body))
    return known


def words_in(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [word for one in value for word in words_in(one)] if isinstance(value, tuple | list) else []


@CAMERA
@SOME
@given(broken() | st.binary(max_size=2000) | st.text(max_size=500).map(str.encode))
def test_whatever_a_device_sends_comes_to_short_printable_words_or_to_nothing(body: bytes) -> None:
    for word in words_in(read(body)):
        assert word.isprintable()
        assert len(word) <= 400
    with suppress(RefusedLogin):
        path = messages.media_path_in(body)
        assert re.fullmatch(r"/[!-~]+", path)
        assert ".." not in path


@CAMERA
@pytest.mark.parametrize(
    "body",
    [
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        '<!DOCTYPE a SYSTEM "http://192.0.2.1/a.dtd"><a/>',
        "<!DOCTYPE a><a/>",
        "<a>" * 40 + "</a>" * 40,
        "<a>" + "<b/>" * 30_000 + "</a>",
        "<a>",
        "",
        "\x00",
        '<?xml version="1.0" encoding="utf-7"?><a/>',
        "<a>&#0;</a>",
        "<a>&undeclared;</a>",
    ],
    ids=["file", "fetched", "declared", "deep", "many", "open", "empty", "null", "encoding", "zero", "entity"],
)
def test_what_is_no_answer_is_refused_as_a_whole(body: str) -> None:
    with pytest.raises(Unreadable):
        messages.nameplate_in(body.encode())


@CAMERA
def test_a_word_has_an_end_however_long_it_is() -> None:
    of = enveloped(GOOD[1].replace("EXAMPLE0001", "9" * 200_000)).encode()
    assert messages.nameplate_in(of).serial == "9" * 100


@CAMERA
@pytest.mark.parametrize(
    "body",
    [
        f'<a xmlns:p="{"u" * 100_000}" ' + " ".join(f'p:a{number:x}=""' for number in range(10_000)) + "/>",
        f'<a xmlns="{"u" * 170_000}">' + "<b/>" * 19_000 + "</a>",
        "<a>" * 31 + "<b/>" * 19_000 + "</a>" * 31,
        "<a>" + "x<b/>" * 19_000 + "</a>",
        "<a>" + "<!---->x" * 25_000 + "</a>",
        "<" + "a" * 250_000 + "/>",
    ],
    ids=["prefixes", "addresses", "deep", "texts", "comments", "name"],
)
def test_no_answer_takes_more_memory_than_a_few_times_its_length(body: str) -> None:
    of = body.encode()
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable):
            messages.nameplate_in(of)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 32 * 1024 * 1024


@CAMERA
def test_a_prefix_does_not_speak_for_an_attribute() -> None:
    of = GOOD[3].replace('token="prof_1"', 'xmlns:token="urn:other" token="prof_1"')
    assert messages.profiles_in(enveloped(of).encode())[0].token == "prof_1"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_answer_is_read_in_the_encodings_of_xml(encoding: str) -> None:
    of = enveloped(GOOD[1]).replace("UTF-8", encoding.upper()).encode(encoding)
    assert messages.nameplate_in(of).serial == "EXAMPLE0001"


@CAMERA
def test_what_nobody_thought_of_is_that_device_s_own_doing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> Reply:
        raise ArithmeticError("c4nary-of-a-device")

    monkeypatch.setattr(messages, "post", fails)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(prctl=lambda *_: 0))
    turn: AskingTurn = {"address": "192.0.2.1", "port": 80, "login": None, "profile": ""}
    ask.serve({"devices": [turn] * 100, "at_once": 4, "until": 0})
    said = capsys.readouterr().out
    answers = dict(onvif.answered(said.encode().splitlines(), 100))
    assert {one["outcome"] for one in answers.values()} == {"wrong answer"}
    assert len(answers) == 100
    assert "c4nary" not in said


@pytest.mark.parametrize(
    "wrong",
    [("<tt:Hour>", "<tt:Hour>99"), ("<tt:Year>", "<tt:Year>-"), ("<tt:Day>", "<tt:Day>9"), ("tt:Month>", "tt:Moon>")],
)
def test_a_clock_that_shows_no_moment_is_not_known(wrong: tuple[str, str]) -> None:
    clock = messages.time_in(enveloped(GOOD[0].replace(*wrong)).encode())
    assert clock == messages.DeviceTime(None, None)


@CAMERA
@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("http://192.168.1.11:80/onvif/media_service", "/onvif/media_service"),
        ("https://camera/onvif/media?one=1", "/onvif/media?one=1"),
        ("http://192.0.2.7/../../admin", "/onvif/Media"),
        ("http://192.0.2.7/a HTTP/1.1&#13;&#10;X: y", "/onvif/Media"),
        ("file:///etc/passwd", "/onvif/Media"),
        ("", "/onvif/Media"),
    ],
)
def test_of_the_address_of_its_media_service_the_path_alone_is_taken(address: str, path: str) -> None:
    of = GOOD[2].replace("http://192.168.1.11:80/onvif/media_service", address)
    assert messages.media_path_in(enveloped(of).encode()) == path


@CAMERA
@SOME
@given(
    st.binary(max_size=500)
    | st.builds(
        lambda head, body: b"HTTP/1.1 200 OK\r\n" + head.encode("latin-1", "replace") + b"\r\n\r\n" + body,
        st.sampled_from(["Transfer-Encoding: chunked", "Content-Length: -1", 'WWW-Authenticate: Digest realm="'])
        | st.text(max_size=200),
        st.binary(max_size=200) | st.sampled_from([b"-1\r\nx", b"ffffffffffff\r\nx", b"0x3\r\nabc\r\n0\r\n\r\n"]),
    )
)
def test_an_answer_by_http_is_read_or_is_none(received: bytes) -> None:
    with suppress(Silent, NoAnswer):
        assert isinstance(reply_in(received), Reply)


@CAMERA
@SOME
@given(st.text(max_size=300), st.text(max_size=30), st.text(max_size=30))
def test_no_challenge_of_a_device_makes_another_line_of_a_header(field: str, user: str, password: str) -> None:
    for said in (field, f'Digest realm="{field}", nonce="a", qop="auth"', f'Digest realm="a", nonce={field}'):
        challenge = challenge_in(said)
        if challenge is not None:
            header = digest.digest(challenge, (user, password), ("POST", "/onvif"), 1, "own")
            assert "\n" not in header
            assert "\r" not in header


@pytest.mark.parametrize(
    "field", ["Basic realm=x", 'Digest nonce="a", realm="b", algorithm=MD5-sess', "", 'Digest realm="a", qop=auth']
)
def test_a_password_goes_over_in_no_other_way_than_a_digest(field: str) -> None:
    assert challenge_in(field) is None


def test_the_digest_is_as_the_standard_has_it() -> None:
    # RFC 2617, 3.5, but for the method: its example is a GET.
    said = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", qop="auth,auth-int"'
    challenge = challenge_in(said)
    assert challenge
    header = digest.digest(challenge, ("Mufasa", "Circle Of Life"), ("POST", "/dir/index.html"), 1, "0a4f113b")
    first = hashlib.md5(b"Mufasa:testrealm@host.com:Circle Of Life", usedforsecurity=False).hexdigest()
    second = hashlib.md5(b"POST:/dir/index.html", usedforsecurity=False).hexdigest()
    middle = f"dcd98b7102dd2f0e8b11d0f600bfb0c093:00000001:0a4f113b:auth:{second}"
    response = hashlib.md5(f"{first}:{middle}".encode(), usedforsecurity=False).hexdigest()
    assert f'response="{response}"' in header
    assert "Circle" not in header


def test_the_token_is_as_the_standard_has_it() -> None:
    # The example of ONVIF's Application Programmer's Guide.
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    token = messages.username_token("user", "userpassword", 1_284_623_445, nonce)
    assert "2010-09-16T07:50:45Z" in token
    assert ">tuOSpGlFlIXsozq4HFNeeGeFLEI=<" in token
    assert "userpassword" not in token


@CAMERA
@SOME
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_no_answer_of_the_confined_part_breaks_what_hears_it(said: Any) -> None:
    documents = [said, [0, said], *([0, TOLD | {key: said}] for key in TOLD), [0, TOLD], [0, TOLD], [1, TOLD]]
    lines = [json.dumps(document).encode() for document in documents]
    answers = list(onvif.answered(lines, 1))
    assert len(answers) == 1
    assert set(answers[0][1]) <= AccountAnswer.__annotations__.keys()
    for word in words_in([list(answers[0][1].values())]):
        assert word.isprintable()
