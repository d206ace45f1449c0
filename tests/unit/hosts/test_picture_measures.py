"""Measures of pictures and packets: what they say of what is made for it."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner_host.look import picture_measures as measures
from provisioner_host.look.batch_decoder import DecodedAnswer
from provisioner_host.look.media_units import Unfit
from provisioner_host.look.picture_look import MeasuredPictures, PictureLook, complaint_of
from provisioner_host.look.picture_measures import EXACT_HEIGHT, EXACT_WIDTH, HEIGHT, WIDTH, Packet, checked_picture
from provisioner_host.look.rtsp_talk import VideoTrack
from provisioner_host.look.stream_reader import LookedStream
from provisioner_host.wire import LookToTake
from tests.films import packed
from tests.hostile import CAMERA
from tests.unit.verify.world import packets, picture, scene

SMALL, EXACT = WIDTH * HEIGHT, EXACT_WIDTH * EXACT_HEIGHT
QUICK: LookToTake = {"seconds": 3, "most_s": 3, "keys": 0, "every": True}


def drawn(seed: int, *, shift: int = 0, gain: float = 1.0) -> tuple[bytes, bytes]:
    """A picture of some boxes, averaged and exact."""
    chance = random.Random(seed)  # noqa: S311 (a test's)
    rows = [bytearray([100]) * EXACT_WIDTH for _ in range(EXACT_HEIGHT)]
    for _ in range(30):
        left, top = chance.randrange(EXACT_WIDTH - 120), chance.randrange(EXACT_HEIGHT - 80)
        wide, high, level = chance.randrange(20, 120), chance.randrange(20, 80), chance.randrange(40, 220)
        for row in rows[top : top + high]:
            row[left : left + wide] = bytes([level]) * wide
    shifted = [row[-shift:] + row[:-shift] if shift else row for row in rows]
    exact = bytes(min(255, int(level * gain)) for row in shifted for level in row)
    small = bytes(
        sum(exact[(4 * y + dy) * EXACT_WIDTH + 4 * x + dx] for dy in range(4) for dx in range(4)) // 16
        for y in range(HEIGHT)
        for x in range(WIDTH)
    )
    return small, exact


def distance(one: str, other: str) -> float:
    """How far two grids are apart: 0 for equal ones, about 1 for strangers."""
    vectors = []
    for grid in (one, other):
        values = [int(digit, 16) for digit in grid]
        mean = sum(values) / len(values)
        length = sum((value - mean) ** 2 for value in values) ** 0.5 or 1.0
        vectors.append([(value - mean) / length for value in values])
    return float(1 - sum(a * b for a, b in zip(*vectors, strict=True)))


@given(st.integers(0, 255))
@settings(max_examples=20, deadline=None)
def test_a_surface_of_one_level_has_that_level_and_nothing_else(level: int) -> None:
    surface = measures.scene_of(bytes([level]) * SMALL, bytes([level]) * EXACT)
    assert (surface["median"], surface["bright"], surface["spread"], surface["levels"]) == (level, 0, 0, 1)
    assert (surface["one_level"], surface["three_levels"], surface["flat_cells"]) == (1.0, 1.0, 1.0)
    assert (surface["gradient_p99"], surface["steepest"], surface["sharpness"]) == (0.0, 0.0, 0.0)


def test_colours_begin_and_end_but_for_a_tenth() -> None:
    blue, red = bytes(range(100, 200)), bytes([128] * 100)
    assert measures.scene_of(bytes(SMALL), bytes(EXACT), blue + red)["colours"] == [110, 190, 128, 128]
    assert measures.scene_of(bytes(SMALL), bytes(EXACT))["colours"] == [128] * 4


@given(st.binary(min_size=64, max_size=256), st.binary(min_size=64, max_size=256))
@settings(max_examples=20, deadline=None)
def test_every_measure_is_one_that_root_takes(some: bytes, more: bytes) -> None:
    small, exact = (some * (SMALL // len(some) + 1))[:SMALL], (more * (EXACT // len(more) + 1))[:EXACT]
    measured = measures.scene_of(small, exact)
    assert 0 <= measured["gradient_p50"] <= measured["gradient_p90"] <= measured["gradient_p99"]
    assert measured["one_level"] <= measured["three_levels"] <= 1
    assert json.loads(json.dumps(checked_picture(picture(scene=measured)))) == picture(scene=measured)


@given(st.integers(0, 9999), st.integers(1, 9))
@settings(max_examples=10, deadline=None)
def test_a_picture_differs_from_itself_in_nothing_and_from_a_lighter_one_by_the_light(seed: int, more: int) -> None:
    dark = bytes(random.Random(seed).choices(range(240), k=SMALL))  # noqa: S311 (a test's)
    assert measures.difference(dark, dark) == 0
    assert measures.difference(dark, bytes(level + more for level in dark)) == more


def test_a_grid_knows_its_scene_in_another_light_and_no_other_scene() -> None:
    here, lighter, moved, other = (
        measures.scene_of(*given)["grid"] for given in (drawn(1), drawn(1, gain=1.15), drawn(1, shift=120), drawn(2))
    )
    assert distance(here, here) == pytest.approx(0)
    assert distance(here, lighter) < 0.2
    assert min(distance(here, moved), distance(here, other)) > 0.7


def test_a_blurred_picture_is_less_sharp() -> None:
    small, exact = drawn(3)
    rows = [exact[start : start + EXACT_WIDTH] for start in range(0, EXACT, EXACT_WIDTH)]
    blurred = b"".join(
        bytes(sum(row[max(0, x - 4) : x + 5]) // len(row[max(0, x - 4) : x + 5]) for x in range(EXACT_WIDTH))
        for row in rows
    )
    sharp, soft = (measures.scene_of(small, picture_)["sharpness"] for picture_ in (exact, blurred))
    assert sharp > 0.7
    assert soft < 0.3 * sharp


# --- packets --------------------------------------------------------------------------------------
def stream(moments: list[float], every: int = 15) -> list[Packet]:
    """Packets at some moments, with a key packet every so often."""
    return [Packet(at, 1000, f"{n:016x}" if n % every == 0 else "") for n, at in enumerate(moments)]


@given(st.integers(2, 200), st.sampled_from([5, 12.5, 15, 25]), st.floats(0, 1e5))
@settings(max_examples=60, deadline=None)
def test_even_packets_have_one_step_and_no_gap(number: int, rate: float, begin: float) -> None:
    measured = measures.packets_of(stream([begin + n / rate for n in range(number)]), 1)
    assert measured["step_s"] == pytest.approx(1 / rate, abs=0.001)
    assert (measured["count"], measured["gaps"], measured["equal"], measured["backward"]) == (number, 0, 0, 0)
    assert measured["span_s"] == pytest.approx((number - 1) / rate, abs=0.001)


@given(st.lists(st.integers(1, 98), min_size=1, max_size=9, unique=True))
@settings(max_examples=60, deadline=None)
def test_each_run_of_missing_packets_is_a_gap(missing: list[int]) -> None:
    left = [n for n in range(100) if n not in missing]
    measured = measures.packets_of(stream([n / 10 for n in left]), 10)
    runs = sum(n not in missing and n + 1 in missing for n in range(99))
    assert measured["gaps"] == runs


def test_packets_of_one_moment_and_of_an_earlier_one_are_counted() -> None:
    assert measures.packets_of(stream([7.0] * 40), 3)["equal"] == 39
    back = stream([n / 10 for n in range(50)] + [n / 10 for n in range(20)])
    assert measures.packets_of(back, 7)["backward"] > 0


def test_times_that_jump_ahead_and_back_are_counted_though_key_packets_are_rare() -> None:
    jumping = [n / 10 + 100 * (n % 2) for n in range(30)]
    assert measures.packets_of(stream(jumping, every=100), 3)["backward"] == 14
    ahead = [n / 10 + 100 * (n > 9) for n in range(30)]
    assert measures.packets_of(stream(ahead, every=100), 3)["backward"] == 0


@given(st.permutations(list(range(4))))
@settings(max_examples=20, deadline=None)
def test_pictures_that_come_before_their_turn_are_as_good(order: list[int]) -> None:
    moments = [(group * 4 + n) / 10 for group in range(10) for n in order]
    measured = measures.packets_of(stream(moments), 4)
    assert (measured["step_s"], measured["gaps"], measured["equal"], measured["backward"]) == (0.1, 0, 0, 0)


def test_a_key_packet_is_known_by_what_is_picture_in_it() -> None:
    picture_, clock, later = b"\x00\x00\x01\x65abc", b"\x00\x00\x01\x06t=1", b"\x00\x00\x01\x06t=22"
    assert measures.key_of(clock + picture_, "h264") == measures.key_of(later + picture_, "h264")
    assert measures.key_of(clock + picture_, "h264") != measures.key_of(clock + picture_ + b"d", "h264")
    said = b"\x00\x00\x01\x4e\x01t"
    assert measures.key_of(said + b"\x00\x00\x01\x26\x01x", "hevc") == measures.key_of(
        said + b"t" + b"\x00\x00\x01\x26\x01x", "hevc"
    )
    assert measures.key_of(b"of another codec", "vp9") != measures.key_of(b"of another", "vp9")


# --- what ffmpeg says -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "line", ["[h264 @ 0x1] SEI type 764 size 2208 truncated at 1984", "[hevc @ 0x1] VPS 0 does not exist", "frame=1"]
)
def test_what_healthy_streams_make_a_decoder_say_is_no_complaint(line: str) -> None:
    assert complaint_of(line) == ""


@CAMERA
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=8))
def test_whatever_moments_packets_bear_the_measures_are_taken(moments: list[int]) -> None:
    looked = LookedStream(VideoTrack("h264", 96, "", b""), PictureLook(QUICK))
    for number, moment in enumerate(moments):
        for packet in packed([b"\x65\x88a"], moment, number):
            looked.packet(packet, float(number))
    decoded = DecodedAnswer("h264", 64, 48, 1, 1, 0.0, None, None, [], [])
    measured = looked.answer(decoded, 3.0)
    assert checked_picture(measured) == measured


@CAMERA
def test_a_stream_of_more_pictures_than_any_cameras_fills_no_memory() -> None:
    looked = LookedStream(VideoTrack("h264", 96, "", b""), PictureLook(QUICK))
    packets = (packed([b"\x65\x88a"], number, number)[0] for number in range(20_000))
    with pytest.raises(Unfit, match="said too much"):
        sum(len(looked.packet(packet, 0.0)) for packet in packets)


@CAMERA
@given(st.lists(st.binary(max_size=40_000), max_size=40))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_out_of_a_decoder_breaks_nothing(some: list[bytes]) -> None:
    pictures = MeasuredPictures()
    for chunk in some:
        pictures.small(chunk)
        pictures.exact(chunk)
    chosen = [True] * 99
    assert len(pictures.differences(chosen)) <= measures.MOST_PICTURES
    assert len(pictures.digests(chosen)) <= measures.MOST_PICTURES + 1
    pictures.scene()


# --- what root takes ------------------------------------------------------------------------------
@CAMERA
@pytest.mark.parametrize(
    "changes",
    [
        {"looked_s": -1},
        {"looked_s": float("nan")},
        {"frames": 1.5},
        {"frames": True},
        {"complaints": 10**12},
        {"scene": scene(grid="0" * 511)},
        {"scene": scene(grid="g" * 512)},
        {"scene": scene(median=256)},
        {"scene": scene(one_level=1.1)},
        {"scene": scene(colours=[1, 2, 3])},
        {"scene": scene(colours=[1, 2, 3, 256])},
        {"scene": scene(colours=[1, 2, 3, 4, 5])},
        {"scene": scene(digest="\x1b[2J" + "0" * 12)},
        {"scene": []},
        {"packets": packets(keys=["0" * 16] * 17)},
        {"packets": packets(keys=["rtsp://admin:pass"])},
        {"packets": None},
        {"differences": [256]},
        {"differences": ["0"]},
        {"digests": ["0" * 16] * 99},
    ],
    ids=lambda changes: json.dumps(changes)[:60],
)
def test_a_measure_that_cannot_be_is_no_answer(changes: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        checked_picture(picture(**changes))


@CAMERA
def test_nothing_of_another_kind_passes() -> None:
    assert checked_picture(picture(pixels="x" * 99, scene=scene(face="y"))) == picture()


def test_strengths_fall_where_something_covers_the_picture_and_nowhere_else() -> None:
    small, exact = drawn(1)
    covered = bytes(90 if place % WIDTH < WIDTH // 2 else level for place, level in enumerate(small))
    before, after = (measures.scene_of(picture, exact)["strengths"] for picture in (small, covered))
    assert len(before) == measures.COARSE_WIDTH * measures.COARSE_HEIGHT
    rows = [(before[at : at + 16], after[at : at + 16]) for at in range(0, len(before), 16)]
    assert all(set(now[:7]) == {"0"} and now[9:] == then[9:] for then, now in rows)
    assert sum(digit != "0" for then, _ in rows for digit in then[:7]) > 20
