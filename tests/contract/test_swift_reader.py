"""The reader of many streams against the one of a single stream: what it says that one says too, or it is silent."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from provisioner_host.look import readers, rtsp_reader
from provisioner_host.look.picture_look import PictureLook
from provisioner_host.look.readers import ReadTimes
from provisioner_host.look.rtsp_reader import Login
from provisioner_host.look.stream_reader import SwiftTurn, look_at_all
from provisioner_host.machine import confined, sandbox
from provisioner_host.wire import LookToTake, PictureAnswer, ReadAnswer
from tests.film_server import FilmServer
from tests.films import Film, FilmPicture, encode, is_set
from tests.hostile import CAMERA, RELAY

from .relay import LATE, READER, READER_PASSWORD, wait_for

if TYPE_CHECKING:
    from .conftest import StartRelay

# A film of less than that is seen to its end by both.
QUICK: LookToTake = {"seconds": 3, "most_s": 3, "keys": 0, "every": True}
LARGE: LookToTake = {**QUICK, "every": False, "skips": True}
PATH = "hn/f/cam-01/sub"
_X264 = ("-preset", "veryfast", "-t", "2.6")
_X265 = ("-preset", "ultrafast", "-t", "2.6", "-x265-params")
FILMS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "key frames each second": ("h264", (*_X264, "-g", "10", "-bf", "0"), "testsrc=size=320x240:rate=10"),
    "one key frame": ("h264", (*_X264, "-g", "120", "-bf", "0", "-sc_threshold", "0"), "testsrc2=size=640x360:rate=15"),
    "out of order": ("h264", (*_X264, "-g", "10", "-bf", "2"), "testsrc2=size=320x240:rate=10"),
    "slices": ("h264", (*_X264, "-g", "10", "-bf", "0", "-x264-params", "slices=4"), "testsrc2=size=640x360:rate=15"),
    "tiny": ("h264", (*_X264, "-g", "8", "-bf", "0"), "testsrc=size=64x48:rate=8"),
    "h265": ("hevc", (*_X265, "log-level=none:keyint=10:bframes=0:no-open-gop=1"), "testsrc=size=320x240:rate=10"),
    "h265 out of order": ("hevc", (*_X265, "log-level=none:keyint=10:bframes=2"), "testsrc2=size=320x240:rate=10"),
    "no rate": (
        "hevc",
        (*_X265, "log-level=none:keyint=10:bframes=0:vui-timing-info=0"),
        "testsrc=size=320x240:rate=10",
    ),
}


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Film]:
    """Films by their names, each encoded once."""
    kept: dict[str, Film] = {}

    def of(name: str) -> Film:
        if name not in kept:
            codec, how, scene = FILMS[name]
            kept[name] = encode(tmp_path_factory.mktemp("film"), codec, how, scene=scene)
        return kept[name]

    return of


def swiftly(
    server: FilmServer, paths: list[str], look: LookToTake = QUICK, *, read_s: float = 15 + LATE
) -> dict[str, ReadAnswer | None]:
    """What the reader of many says of paths; None of those that it leaves to the other one."""
    login, until = Login("127.0.0.1", server.port, "x", "y"), time.monotonic() + 60 + LATE
    turns = [SwiftTurn(n, login, path, PictureLook(look, until)) for n, path in enumerate(paths)]
    answers: dict[str, ReadAnswer | None] = {}

    def tell(number: int, answer: ReadAnswer | None) -> None:
        assert paths[number] not in answers
        answers[paths[number]] = answer

    look_at_all(turns, 32, read_s, until, tell)
    assert sorted(answers) == sorted(paths)
    return answers


def alone(server: FilmServer, path: str, look: LookToTake = QUICK) -> ReadAnswer:
    login = Login("127.0.0.1", server.port, "x", "y")
    return rtsp_reader.read(login, path, 15 + LATE, look=PictureLook(look))


def picture_of(read: ReadAnswer | None) -> PictureAnswer:
    assert read
    picture = read["picture"]
    assert picture
    return picture


def both(film: Film, look: LookToTake = QUICK, *, joined: bool = False) -> tuple[Any, Any]:
    """What both say of a film, that is shown to each of them from its beginning."""
    with FilmServer({PATH: film}, joined=joined) as server, ThreadPoolExecutor(2) as pool:
        one, other = pool.submit(swiftly, server, [PATH], look), pool.submit(alone, server, PATH, look)
        return one.result()[PATH], other.result()


# ffmpeg gives up to three packets at the beginning of what it reads by RTSP one moment.
ARRIVAL = {"arrived_s", "count", "bytes", "span_s", "equal", "gaps", "longest_s"}
# Nothing comes that would end a film's last picture, and ffmpeg does not always measure what it decoded last.
AT_THE_END = {"looked_s", "packets", "frames", "owed", "scene", "differences", "digests", "declared_fps"}


def assert_alike(swift: Any, single: Any) -> None:
    """All measures are the same, but for what a film's end and ffmpeg's own beginning make of them."""
    assert swift, single
    assert "picture" in single, single
    assert (swift["codec"], swift["width"], swift["height"]) == (single["codec"], single["width"], single["height"])
    one, other = swift["picture"], single["picture"]
    packets, others = one["packets"], other["packets"]
    assert {name: packets[name] for name in packets.keys() - ARRIVAL} == {
        name: others[name] for name in others.keys() - ARRIVAL
    }
    assert 0 <= packets["count"] - others["count"] <= 1
    assert packets["bytes"] == pytest.approx(others["bytes"], rel=0.1)
    assert (packets["equal"], packets["backward"], packets["gaps"]) == (0, 0, 0)
    assert others["equal"] + others["gaps"] <= 2
    assert 0 <= packets["span_s"] - others["span_s"] <= 3 * packets["step_s"] + 0.001
    assert {name: one[name] for name in one.keys() - AT_THE_END} == {
        name: other[name] for name in other.keys() - AT_THE_END
    }
    # Of H.265 without parameter sets in its description ffmpeg does not always see the rate when it begins.
    assert one["declared_fps"] == other["declared_fps"] or (swift["codec"] == "hevc" and other["declared_fps"] is None)
    assert one["frames"] == one["owed"]
    assert 0 <= one["frames"] - other["frames"] <= 4
    assert one["looked_s"] == pytest.approx(other["looked_s"], abs=0.6)
    shown = len(other["digests"])
    assert len(one["digests"]) - 1 <= shown <= len(one["digests"])
    assert one["digests"][:shown] == other["digests"]
    compared = min(len(one["differences"]), len(other["differences"]))
    assert compared >= shown - 2
    assert one["differences"][:compared] == other["differences"][:compared]


def until_key(film: Film, number: int) -> Film:
    """A film that ends with one of its key pictures."""
    keys = [at for at, one in enumerate(film.pictures) if any(is_set(unit, film.codec) for unit in one.units)]
    return replace(film, pictures=film.pictures[: keys[number - 1] + 1])


@pytest.mark.parametrize("name", FILMS)
def test_both_measure_the_same(name: str, filmed: Callable[[str], Film]) -> None:
    film = filmed(name)
    swift, single = both(film)
    assert_alike(swift, single)
    measured = single["picture"]
    if name != "one key frame" and len(measured["differences"]) + 1 == len(measured["digests"]):
        # The picture that was measured last, measured last by the other one as well.
        with FilmServer({PATH: until_key(film, len(measured["digests"]))}) as server:
            shorter = swiftly(server, [PATH])[PATH]
        assert picture_of(shorter)["scene"] == measured["scene"]


@pytest.mark.parametrize("name", ["key frames each second", "out of order", "h265"])
@pytest.mark.parametrize("joined", [False, True])
def test_both_measure_the_same_where_the_description_alone_has_the_parameter_sets(
    name: str, filmed: Callable[[str], Film], *, joined: bool
) -> None:
    assert_alike(*both(filmed(name).out_of_band(), joined=joined))


@pytest.mark.parametrize("name", ["key frames each second", "slices", "h265"])
def test_both_measure_the_same_of_key_pictures_alone(name: str, filmed: Callable[[str], Film]) -> None:
    assert_alike(*both(filmed(name), LARGE))


def test_both_measure_the_same_of_pictures_with_much_said_beside_them(filmed: Callable[[str], Film]) -> None:
    film, said = filmed("key frames each second"), b"\x06\x05\xff\xff\x10" + bytes(range(1, 251)) * 3 + b"\x80"
    pictures = tuple(
        replace(one, units=(*one.units[:-1], said + bytes([number + 1]) * 9, one.units[-1]))
        for number, one in enumerate(film.pictures)
    )
    assert_alike(*both(replace(film, pictures=pictures)))


def test_many_streams_of_sites_are_measured_as_each_by_itself(filmed: Callable[[str], Film]) -> None:
    films = {f"p/f-{n % 2}/cam-{n}/sub": filmed(name) for n, name in enumerate(list(FILMS) * 2)}
    with FilmServer(films) as server:
        begun = time.monotonic()
        many = swiftly(server, list(films))
        assert time.monotonic() - begun < 8 + LATE
        for path in list(films)[:: len(FILMS) // 2 + 1]:
            assert_alike(many[path], alone(server, path))
    assert all(many.values())


# --- what ends early ------------------------------------------------------------------------------

EARLY: LookToTake = {**QUICK, "early": {"fps": 10, "least_kbps": None}}
LONG = ("-preset", "veryfast", "-t", "6", "-g", "10", "-bf", "0")


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return encode(tmp_path_factory.mktemp("film"), "h264", LONG, scene="testsrc=size=320x240:rate=10")


def repeating(film: Film) -> Film:
    """The first second of a film, again and again."""
    pictures = tuple(replace(film.pictures[n % 10], ticks=n * film.step) for n in range(len(film.pictures)))
    return replace(film, pictures=pictures)


def looked(read: ReadAnswer | None) -> float:
    return picture_of(read)["looked_s"]


def test_looks_at_healthy_streams_end_with_the_second_key_picture(long_film: Film) -> None:
    paths = [f"p/f-{number % 2}/cam-{number}/sub" for number in range(6)]
    with FilmServer(dict.fromkeys(paths, long_film)) as server:
        many = swiftly(server, paths, EARLY)
    for read in many.values():
        picture = picture_of(read)
        assert 0.9 < picture["looked_s"] < 2 + LATE
        assert (len(picture["differences"]), picture["packets"]["key_count"]) == (1, 2)
        assert picture["scene"]
        assert (picture["complaints"], picture["packets"]["gaps"], picture["packets"]["equal"]) == (0, 0, 0)


def test_what_is_in_doubt_is_looked_at_whole_and_the_others_meanwhile(long_film: Film) -> None:
    with FilmServer({"p/f/cam-1/sub": long_film, "p/g/cam-2/sub": repeating(long_film)}) as server:
        both_ = swiftly(server, ["p/f/cam-1/sub", "p/g/cam-2/sub"], EARLY)
        slow = swiftly(server, ["p/f/cam-1/sub"], {**QUICK, "early": {"fps": 25, "least_kbps": None}})
    assert min(map(looked, (*both_.values(), *slow.values()))) >= 3.2
    # The measures are of the whole look: a picture that repeats shows in each of its key pictures.
    again = picture_of(both_["p/g/cam-2/sub"])
    assert again["differences"] == [0.0] * 3
    assert len(again["packets"]["keys"]) == 4
    assert len(set(again["packets"]["keys"])) == 1


def test_who_is_sure_makes_room_for_who_waits(long_film: Film) -> None:
    films = {"p/f/cam-1/sub": repeating(long_film), "p/g/cam-2/sub": long_film, "p/h/cam-3/sub": long_film}
    with FilmServer(films) as server:
        login, until = Login("127.0.0.1", server.port, "x", "y"), time.monotonic() + 60 + LATE
        turns = [SwiftTurn(n, login, path, PictureLook(EARLY, until)) for n, path in enumerate(films)]
        answers: dict[int, ReadAnswer | None] = {}
        look_at_all(turns, 2, 15 + LATE, until, lambda number, answer: answers.update({number: answer}))
    assert looked(answers[0]) >= 3.2
    assert looked(answers[1]) < 2.5 + LATE


# --- what it leaves to the other one --------------------------------------------------------------


def _without(lost: int) -> Callable[[int, bytes], bytes | None]:
    return lambda number, packet: None if number == lost else packet


def _damaged(number: int, packet: bytes) -> bytes | None:
    """Every slice but key pictures' with other bytes."""
    kind = packet[12] & 31
    return packet[:20] + bytes(number * 7 + at * 31 & 255 for at in range(len(packet) - 20)) if kind == 1 else packet


@CAMERA
@pytest.mark.parametrize(
    "change",
    [
        _without(20),
        _damaged,
        lambda number, packet: packet[:4] + b"\x00\x00\x00\x00" + packet[8:] if number % 3 else packet,
        lambda number, packet: packet[:1] + b"\x00" + packet[2:] if number == 9 else packet,
        lambda number, packet: b"x" * (number % 40) if number > 9 else packet,
    ],
    ids=["a packet is lost", "slices are damaged", "times jump", "another kind of packet", "no packets"],
)
def test_a_stream_that_is_not_whole_is_left_to_the_other_reader_and_its_neighbours_are_not(
    change: Callable[[int, bytes], bytes | None], filmed: Callable[[str], Film]
) -> None:
    film, good = filmed("key frames each second"), [f"p/f-2/cam-{n}/sub" for n in range(3)]
    with FilmServer({PATH: film}, change=change) as bad, FilmServer(dict.fromkeys(good, film)) as server:
        login, other = Login("127.0.0.1", bad.port, "x", "y"), Login("127.0.0.1", server.port, "x", "y")
        until = time.monotonic() + 60 + LATE
        turns = [SwiftTurn(0, login, PATH, PictureLook(QUICK, until))]
        turns += [SwiftTurn(n, other, path, PictureLook(QUICK, until)) for n, path in enumerate(good, 1)]
        answers: dict[int, ReadAnswer | None] = {}
        look_at_all(turns, 32, 20, until, lambda number, answer: answers.update({number: answer}))
    if answers[0] is not None:
        packets = picture_of(answers[0])["packets"]
        assert packets["backward"] or packets["equal"]
    assert all(answers[n] for n in range(1, 4)), answers


def test_stuck_times_are_measured_as_they_are(filmed: Callable[[str], Film]) -> None:
    film = filmed("key frames each second")
    stuck = replace(film, pictures=tuple(FilmPicture(0, one.units) for one in film.pictures))
    with FilmServer({PATH: stuck}) as server:
        said = swiftly(server, [PATH])[PATH]
    assert said is None or picture_of(said)["packets"]["equal"] >= 10


def test_where_no_process_is_left_for_it_every_stream_is_left(
    filmed: Callable[[str], Film], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuses)
    paths = [f"hn/f/cam-{n}/sub" for n in range(9)]
    with FilmServer(dict.fromkeys(paths, filmed("key frames each second"))) as server:
        assert set(swiftly(server, paths).values()) == {None}


def test_a_stream_that_ends_is_left_to_the_other_reader(filmed: Callable[[str], Film]) -> None:
    with FilmServer({PATH: filmed("key frames each second")}, ends=True) as server:
        assert swiftly(server, [PATH])[PATH] is None


def test_large_pictures_out_of_order_are_left_to_the_other_reader(filmed: Callable[[str], Film]) -> None:
    with FilmServer({PATH: filmed("out of order")}) as server:
        assert swiftly(server, [PATH], LARGE)[PATH] is None


def test_what_is_refused_or_does_not_come_is_told(filmed: Callable[[str], Film]) -> None:
    film = filmed("key frames each second")
    silent = replace(film, pictures=tuple(one for one in film.pictures[1:9]))
    with FilmServer({PATH: silent}) as server:
        answers = swiftly(server, [PATH, "p/f/nobody/sub"], read_s=2)
    refused, missing = answers["p/f/nobody/sub"], answers[PATH]
    assert refused
    assert refused["status"] == 404
    assert missing
    assert (missing["status"], missing["timed_out"]) == (None, True)
    assert "no answer within 2 s" in missing["error"]
    with FilmServer({PATH: silent}) as server:
        gone = server
    nobody = swiftly(gone, [PATH])[PATH]
    assert nobody
    assert "refused" in nobody["error"]


@CAMERA
@RELAY
@pytest.mark.parametrize(
    "answers",
    [
        {"DESCRIBE": b"\x00" * 70_000},
        {"DESCRIBE": b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 30_000},
        {"DESCRIBE": b"RTSP/1.0 200 OK\r\nContent-Length: 2000000000\r\n\r\nv=0\r\n"},
        {"DESCRIBE": b"RTSP/1.0 302 Found\r\nLocation: rtsp://192.0.2.1/\r\n\r\n"},
        {"DESCRIBE": b"RTSP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nv=0\n"},
        {"SETUP": b"RTSP/1.0 200 OK\r\nSession: \x1b[2J\r\n\r\n"},
        {"PLAY": b"$\x00\xff\xff" + b"x" * 65_535 + b"$\x00\x00\x00RTSP/1.0 200 OK\r\n\r\n"},
        {"PLAY": b"PLAY rtsp://x RTSP/1.0\r\n\r\n"},
    ],
)
def test_whatever_a_relay_answers_ends_its_own_look_alone(
    answers: dict[str, bytes], filmed: Callable[[str], Film]
) -> None:
    film = filmed("key frames each second")
    with FilmServer({PATH: film}, answers=answers) as bad, FilmServer({PATH: film}) as good:
        until, said = time.monotonic() + 60 + LATE, dict[int, Any]()
        logins = [Login("127.0.0.1", one.port, "x", "y") for one in (bad, good)]
        turns = [SwiftTurn(n, login, PATH, PictureLook(QUICK, until)) for n, login in enumerate(logins)]
        look_at_all(turns, 32, 3, until, lambda number, answer: said.update({number: answer}))
    assert said[0] is None or "error" in said[0]
    assert "picture" in said[1]


# --- through a relay ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["key frames each second", "out of order", "h265"])
def test_both_see_the_same_pictures_of_a_relay(
    name: str, filmed: Callable[[str], Film], start_relay: StartRelay
) -> None:
    with FilmServer({PATH: filmed(name)}, again=True) as camera:
        relay = start_relay({PATH: {"source": f"rtsp://127.0.0.1:{camera.port}/{PATH}"}})
        wait_for(lambda: relay.path(PATH)["available"])
        login, until = Login("127.0.0.1", relay.rtsp_port, READER, READER_PASSWORD), time.monotonic() + 60 + LATE
        answers: dict[int, ReadAnswer | None] = {}
        with ThreadPoolExecutor(1) as pool:
            single = pool.submit(rtsp_reader.read, login, PATH, 15 + LATE, look=PictureLook(QUICK))
            turns = [SwiftTurn(0, login, PATH, PictureLook(QUICK, until))]
            look_at_all(turns, 8, 15 + LATE, until, lambda number, answer: answers.update({number: answer}))
            other = single.result()
    one = answers[0]
    assert one, answers
    assert (one["codec"], one["width"], one["height"]) == (other["codec"], other["width"], other["height"])
    swift, alone_ = picture_of(one), picture_of(other)
    assert swift["packets"]["step_s"] == pytest.approx(alone_["packets"]["step_s"], abs=0.001)
    assert swift["packets"]["key_count"] >= 3
    # What is remembered of one look is known again in the next one, whoever takes it.
    assert set(swift["packets"]["keys"]) & set(alone_["packets"]["keys"])
    assert set(swift["digests"]) & set(alone_["digests"])
    assert swift["declared_fps"] == alone_["declared_fps"] or (name == "h265" and alone_["declared_fps"] is None)


def test_a_relay_that_refuses_the_login_says_so(start_relay: StartRelay) -> None:
    relay = start_relay({PATH: {"source": "publisher"}})
    until, answers = time.monotonic() + 60 + LATE, dict[int, Any]()
    login = Login("127.0.0.1", relay.rtsp_port, READER, "wr0ng-secret")
    turns = [SwiftTurn(0, login, PATH, PictureLook(QUICK, until))]
    look_at_all(turns, 8, 15 + LATE, until, lambda number, answer: answers.update({number: answer}))
    assert answers[0]["status"] == 401
    assert "wr0ng-secret" not in str(answers)


# --- both in one visit ----------------------------------------------------------------------------


@pytest.fixture
def unconfined(monkeypatch: pytest.MonkeyPatch) -> None:
    """The confined part, run as whoever runs the tests."""
    plainly: Callable[..., list[str]] = lambda argv, *_: list(argv)  # noqa: E731
    monkeypatch.setattr(sandbox, "confined", plainly)
    monkeypatch.setattr(sandbox, "refusal", str)


@pytest.mark.usefixtures("unconfined")
def test_what_is_left_is_read_in_the_same_visit(filmed: Callable[[str], Film]) -> None:
    film = filmed("key frames each second")
    with FilmServer({"p/f/good/sub": film}) as good, FilmServer({PATH: film}, change=_without(30)) as bad:
        logins = {"good": Login("127.0.0.1", good.port, "x", "y"), "bad": Login("127.0.0.1", bad.port, "x", "y")}
        turns = [("good", "p/f/good/sub"), ("bad", PATH), ("good", "p/f/good/sub")]
        answers: dict[int, ReadAnswer] = {}
        looks: dict[int, LookToTake] = {0: {**QUICK, "swift": True}, 1: {**QUICK, "swift": True}, 2: QUICK}
        times = ReadTimes(8, 15 + LATE, time.monotonic() + 60 + LATE)
        readers.read_all(logins, turns, times, lambda number, read: answers.update({number: read}), looks)
    assert [answers[n].get("codec") for n in range(3)] == ["h264"] * 3, answers
    assert all(answers[n]["picture"] for n in range(3))
    # The other reader asks for options before it describes, this one does not.
    assert [asked.partition(" ")[0] for asked in bad.asked].count("DESCRIBE") == 2
    assert [asked.partition(" ")[0] for asked in bad.asked].count("OPTIONS") == 1


@pytest.mark.usefixtures("unconfined")
def test_where_the_reader_of_many_dies_everything_is_read_all_the_same(
    filmed: Callable[[str], Film], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = confined.source_of

    def dying(module: Any) -> str:
        text: str = source(module)
        return text.replace("def look_at_all(", "def look_at_all(*_):\n    os._exit(9)\n\n\ndef _never(")

    monkeypatch.setattr(confined, "source_of", dying)
    with FilmServer({PATH: filmed("key frames each second")}) as server:
        logins, answers = {"one": Login("127.0.0.1", server.port, "x", "y")}, dict[int, ReadAnswer]()
        times = ReadTimes(8, 15 + LATE, time.monotonic() + 60 + LATE)
        look: LookToTake = {**QUICK, "swift": True}
        readers.read_all(logins, [("one", PATH)], times, lambda number, read: answers.update({number: read}), {0: look})
    assert answers[0].get("codec") == "h264"
