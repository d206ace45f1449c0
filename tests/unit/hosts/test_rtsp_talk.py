"""A reader's talk with an RTSP server: which question follows which answer, and what ends it."""

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner_host.look.media_units import Unfit
from provisioner_host.look.rtsp_talk import Refused, Talk, track_in
from tests.hostile import RELAY

BASE = "rtsp://192.0.2.1:8554/a/b/cam-01/sub"
SPS, PPS = b"\x67\x64", b"\x68\xee"
VIDEO = (
    "v=0\r\nm=audio 0 RTP/AVP 0\r\na=control:trackID=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    f"a=fmtp:96 packetization-mode=1; sprop-parameter-sets={base64.b64encode(SPS).decode()},"
    f"{base64.b64encode(PPS).decode()}\r\na=control:trackID=1\r\n"
)
SECRET = "c4nary s3cret"


def talk() -> Talk:
    return Talk("192.0.2.1:8554", ("centre-ioc", SECRET), "a/b/cam-01/sub")


def answer(status: int = 200, body: str = "", **fields: str) -> bytes:
    lines = {"CSeq": "1", **{name.replace("_", "-"): value for name, value in fields.items()}}
    if body:
        lines["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"RTSP/1.0 {status} X\r\n{head}\r\n{body}".encode()


def asked(one: Talk, *answers: bytes) -> list[str]:
    return [question.decode() for said in answers for question, packet in one.take(said) if not packet]


def playing() -> Talk:
    one = talk()
    one.begin()
    setup = answer(Session="12ab;timeout=60", Transport="RTP/AVP/TCP;unicast;interleaved=2-3")
    asked(one, answer(body=VIDEO), setup, answer(Session="12ab"))
    return one


def test_a_stream_is_described_set_up_and_played() -> None:
    one = talk()
    assert one.begin().decode().startswith(f"DESCRIBE {BASE} RTSP/1.0\r\n")
    described = answer(body=VIDEO, Content_Base=f"{BASE}/")
    setup, play = asked(one, described, answer(Session="12ab;timeout=60", Transport="x;interleaved=0-1"))
    assert setup.startswith(f"SETUP {BASE}/trackID=1 RTSP/1.0\r\n")
    assert "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n" in setup
    assert play.startswith(f"PLAY {BASE}/ RTSP/1.0\r\n")
    assert "Session: 12ab\r\n" in play
    assert one.leave().decode().startswith(f"TEARDOWN {BASE}/ RTSP/1.0\r\n")
    assert one.track
    assert (one.track.codec, one.track.payload_type) == ("h264", 96)
    assert one.track.sets == b"\x00\x00\x00\x01" + SPS + b"\x00\x00\x00\x01" + PPS


def test_a_password_goes_over_only_when_it_is_asked_for_and_in_the_manner_that_is() -> None:
    one = talk()
    assert "Authorization" not in one.begin().decode()
    (basic,) = asked(one, answer(401, WWW_Authenticate='Basic realm="x"'))
    token = base64.b64encode(f"centre-ioc:{SECRET}".encode()).decode()
    assert f"Authorization: Basic {token}\r\n" in basic
    one = talk()
    one.begin()
    (question,) = asked(one, answer(401, WWW_Authenticate='Digest realm="r", nonce="n"'))
    first = hashlib.md5(f"centre-ioc:r:{SECRET}".encode(), usedforsecurity=False).hexdigest()
    second = hashlib.md5(f"DESCRIBE:{BASE}".encode(), usedforsecurity=False).hexdigest()
    response = hashlib.md5(f"{first}:n:{second}".encode(), usedforsecurity=False).hexdigest()
    assert f'response="{response}"' in question
    assert SECRET not in question


@pytest.mark.parametrize("status", [302, 401, 404, 454, 503])
def test_a_status_that_is_no_success_ends_the_talk(status: int) -> None:
    one = talk()
    one.begin()
    if status == 401:
        asked(one, answer(401, WWW_Authenticate='Basic realm="x"'))
    with pytest.raises(Refused) as refused:
        asked(one, answer(status))
    assert refused.value.status == status


def test_packets_of_the_video_alone_are_taken_however_they_are_cut() -> None:
    sent = b"$\x02\x00\x03abc" + b"$\x03\x00\x02xx" + answer() + b"$\x02\x00\x01d" + b"$\x00\x00\x01z"
    for size in (1, 3, 7, 1000):
        one = playing()
        came = [p for at in range(0, len(sent), size) for q, p in one.take(sent[at : at + size]) if not q]
        assert came == [b"abc", b"d"]


@RELAY
@given(st.lists(st.binary(max_size=200) | st.sampled_from([b"RTSP/1.0 200 OK\r\n\r\n", b"$\x00\x00\x05"]), max_size=20))
@settings(max_examples=300, deadline=None)
def test_whatever_a_relay_says_ends_its_own_talk_alone(said: list[bytes]) -> None:
    for one in (talk(), playing()):
        one.begin()
        try:
            for chunk in said:
                for _ in one.take(chunk):
                    pass
        except (Refused, Unfit):
            pass


@RELAY
@pytest.mark.parametrize("field", ["X: " + "y" * 20_000, "Content-Length: 99999999", "Content-Length: -1"])
def test_an_answer_without_end_fills_no_memory(field: str) -> None:
    one = talk()
    one.begin()
    with pytest.raises(Unfit):
        asked(one, f"RTSP/1.0 200 OK\r\n{field}\r\n".encode(), b"\r\n")


@RELAY
@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_answer_makes_another_line_of_a_question(text: str) -> None:
    body = VIDEO.replace("trackID=1", text)
    for fields in (
        {"Session": text},
        {"WWW-Authenticate": f'Digest realm="{text}", nonce="n"'},
        {"Content-Base": text},
    ):
        one = talk()
        one.begin()
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if "\n" not in value)
        length = len(body.encode())
        for status in (200, 401):
            said = f"RTSP/1.0 {status} X\r\n{head}Content-Length: {length}\r\n\r\n{body}"
            try:
                for question in asked(one, said.encode("utf-8", "replace")):
                    lines = question.split("\r\n")
                    assert len([line for line in lines if line.startswith("CSeq")]) == 1
                    assert not any(end in line for line in lines for end in "\r\n")
            except (Refused, Unfit):
                pass


@pytest.mark.parametrize(
    "description",
    [
        "v=0\r\nm=audio 0 RTP/AVP 0\r\n",
        VIDEO.replace("H264", "VP8"),
        VIDEO.replace("90000", "8000"),
        VIDEO.replace("packetization-mode=1", "sprop-max-don-diff=2"),
        "",
    ],
)
def test_what_is_no_video_that_is_read_here_ends_the_talk(description: str) -> None:
    with pytest.raises(Unfit):
        track_in(description, BASE)


def test_parameter_sets_that_are_none_are_left_out_as_the_stream_may_bring_its_own() -> None:
    track = track_in(VIDEO.replace(base64.b64encode(SPS).decode(), "%%%"), BASE)
    assert track.sets == b"\x00\x00\x00\x01" + PPS
    assert track_in(VIDEO.replace(base64.b64encode(SPS).decode(), "A" * 40_000), BASE).sets == b""


@pytest.mark.parametrize("more", ["", "a=rtpmap:26 JPEG/90000\r\n"])
def test_jpeg_needs_no_name_in_a_description(more: str) -> None:
    track = track_in(f"v=0\r\nm=video 0 RTP/AVP 26\r\n{more}a=control:trackID=3\r\n", BASE)
    assert (track.codec, track.payload_type, track.control, track.sets) == ("mjpeg", 26, f"{BASE}/trackID=3", b"")


@pytest.mark.parametrize(("config", "sets"), [("000001B001", b"\x00\x00\x01\xb0\x01"), ("zz", b""), ("", b"")])
def test_a_description_has_the_heads_of_mpeg4(config: str, sets: bytes) -> None:
    text = f"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 MP4V-ES/90000\na=fmtp:96 profile-level-id=1;config={config}\n"
    assert track_in(text, BASE)[::3] == ("mpeg4", sets)


def test_a_login_is_proved_again_where_its_challenge_is_stale_and_nowhere_else() -> None:
    one, described = talk(), answer(body=VIDEO)
    one.begin()
    (question,) = asked(one, answer(401, WWW_Authenticate='Digest realm="r", nonce="n1"'))
    assert 'nonce="n1"' in question
    (setup,) = asked(one, described)
    assert setup.startswith("SETUP")
    (again,) = asked(one, answer(401, WWW_Authenticate='Digest realm="r", nonce="n2", stale="TRUE"'))
    assert again.startswith("SETUP")
    assert 'nonce="n2"' in again
    assert "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n" in again
    with pytest.raises(Refused):
        asked(one, answer(401, WWW_Authenticate='Digest realm="r", nonce="n3"'))


@RELAY
def test_a_server_that_calls_every_challenge_stale_is_not_answered_without_end() -> None:
    one, questions = talk(), list[str]()
    one.begin()
    answers = [answer(401, WWW_Authenticate=f'Digest realm="r", nonce="{n}", stale=true') for n in range(100)]
    with pytest.raises(Refused):
        questions.extend(question for said in answers for question in asked(one, said))
    assert one.begin().count(b"CSeq: 6") == 1


def test_a_sign_of_life_that_is_refused_for_a_stale_challenge_is_given_again_and_ends_nothing() -> None:
    one = playing()
    assert asked(one, answer(401, WWW_Authenticate='Digest realm="r", nonce="n"')) == []
    one.stay()
    (again,) = asked(one, answer(401, WWW_Authenticate='Digest realm="r", nonce="n", stale=true'))
    assert again.startswith("GET_PARAMETER")


@RELAY
@pytest.mark.parametrize("challenge", ['Basic realm="x"', 'Digest realm="r", nonce="n"'])
def test_no_password_can_end_its_line(challenge: str) -> None:
    # Letters that an address must not hold as they are, and those that could end a line.
    one = Talk("127.0.0.1:8554", ("centre-ioc", "p@ss/w#rd:?% '\\\r\n-mật"), "a/b/c/sub")
    one.begin()
    (question,) = asked(one, answer(401, WWW_Authenticate=challenge))
    names = [line.partition(":")[0] for line in question.split("\r\n")]
    assert names == ["DESCRIBE rtsp", "CSeq", "User-Agent", "Accept", "Authorization", "", ""]


def test_parameter_sets_of_h265_are_in_their_order() -> None:
    coded = {name: base64.b64encode(name.encode()).decode() for name in ("vps", "sps", "pps")}
    parameters = ";".join(f"sprop-{name}={coded[name]}" for name in ("pps", "vps", "sps"))
    text = f"m=video 0 RTP/AVP 97\na=rtpmap:97 H265/90000\na=fmtp:97 {parameters}\n"
    track = track_in(text, BASE)
    assert (track.codec, track.control) == ("hevc", BASE)
    assert track.sets == b"".join(b"\x00\x00\x00\x01" + one for one in (b"vps", b"sps", b"pps"))


def test_an_absolute_control_is_taken_and_nothing_else_of_it() -> None:
    track = track_in(VIDEO.replace("trackID=1", "rtsp://192.0.2.9/x"), BASE)
    assert track.control == "rtsp://192.0.2.9/x"
