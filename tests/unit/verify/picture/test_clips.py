"""Encoded clips, healthy and not, as a host looks at them and as the controller judges that."""

import random
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioner.hosts.answers import wire
from provisioner.verify.picture_check import Agreed, Before, State, Suspect, judged
from provisioner.verify.requests import hours_of
from provisioner.verify.result import Cause
from tests.clips import DARK, FAULTS, HEALTHY, QUICK, RATE, clip, look_at, raw, wrapped

NOON, MIDNIGHT = datetime(2021, 5, 11, 5, tzinfo=UTC), datetime(2021, 5, 11, 17, tzinfo=UTC)
AGREED = Agreed(fps=RATE)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where clips lie, once a run."""
    return tmp_path_factory.mktemp("clips")


def cause_of(picture: wire.PictureAnswer, at: datetime = NOON) -> str:
    """The cause that is named; empty where nothing is wrong."""
    judgement = judged(picture, at, AGREED)
    return judgement.fault.cause.value if judgement.fault else ""


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_said_of_what_is_healthy(clips: Path, name: str) -> None:
    picture = look_at(clip(clips, name, HEALTHY[name]))
    judgement = judged(picture, NOON, AGREED)
    assert (judgement.state, judgement.fault, judgement.suspects) == (State.GOOD, None, ())
    assert picture["frames"] >= picture["owed"] - 2


@pytest.mark.parametrize(
    # Every other one is a sample: each of them is looked at as a whole above.
    "name",
    [pytest.param(name, marks=() if number % 2 else pytest.mark.soak) for number, name in enumerate(HEALTHY)],
)
@pytest.mark.parametrize(
    "skips", [pytest.param(False, id="decoded", marks=pytest.mark.soak), pytest.param(True, id="skipped")]
)
def test_key_frames_alone_say_no_more_of_what_is_healthy(clips: Path, name: str, *, skips: bool) -> None:
    picture = look_at(clip(clips, name, HEALTHY[name]), {**QUICK, "every": False, "skips": skips})
    assert picture["frames"] == picture["key_frames"]
    assert judged(picture, NOON, AGREED).state is State.GOOD


@pytest.mark.parametrize("name", DARK)
def test_what_has_no_light_is_no_fault_and_by_day_a_suspicion(clips: Path, name: str) -> None:
    picture = look_at(clip(clips, name, DARK[name]))
    by_night, by_day = judged(picture, MIDNIGHT, AGREED), judged(picture, NOON, AGREED)
    assert (by_night.state, by_night.fault, by_night.suspects) == (State.DARK, None, ())
    assert (by_day.state, by_day.fault, by_day.suspects) == (State.DARK, None, (Suspect.COVERED,))
    meant = Agreed(fps=RATE, dark_hours=(hours_of("11:00-13:00"),))
    assert judged(picture, NOON, meant).suspects == ()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_seen_by_one_look(clips: Path, name: str) -> None:
    cause, scene = FAULTS[name]
    assert cause_of(look_at(clip(clips, name, scene)), MIDNIGHT) == cause


def test_a_black_picture_is_allowed_in_the_hours_that_are_named_and_no_others(clips: Path) -> None:
    picture = look_at(clip(clips, "black", FAULTS["black"][1]))
    hours = Agreed(dark_hours=(hours_of("23:00-05:00"),))
    assert judged(picture, MIDNIGHT, hours).state is State.DARK
    assert judged(picture, NOON, hours).state is State.FAULTY


# --- streams that somebody damaged or repeated ------------------------------------------------------
NAL = re.compile(rb"(?=\x00\x00\x00\x01|(?<!\x00)\x00\x00\x01)")


def kind(nal: bytes) -> int:
    """The type of a unit."""
    return nal.lstrip(b"\x00")[1] & 31 if len(nal) > 4 else 0


def units(clips: Path) -> list[bytes]:
    """The units of a good stream."""
    return [nal for nal in NAL.split(raw(clips, "facade", HEALTHY["facade"])) if nal]


def gops(clips: Path) -> list[bytes]:
    """Its groups of pictures, each with its key frame and all that it needs."""
    groups: list[bytes] = []
    for nal in units(clips):
        if kind(nal) == 7:
            groups.append(b"")
        if groups:
            groups[-1] += nal
    return groups


def test_a_stream_by_itself_is_as_good_as_in_a_file(clips: Path) -> None:
    assert cause_of(look_at(wrapped(clips, "plain", b"".join(units(clips))))) == ""


@pytest.mark.parametrize("order", [[0, 0], [0, 1, 0, 1], [0, 1, 2, 0, 1, 2]], ids=["frozen", "in turn", "looped"])
def test_a_key_packet_that_comes_again_is_a_repetition(clips: Path, order: list[int]) -> None:
    groups = gops(clips)
    picture = look_at(wrapped(clips, f"loop-{len(order)}", b"".join(groups[number] for number in order)))
    assert cause_of(picture) == "picture repeats"


def test_what_a_camera_says_beside_its_picture_hides_no_repetition(clips: Path) -> None:
    first, clock = gops(clips)[0], b"\x00\x00\x00\x01\x06\x05\x04"
    twice = b"".join(clock + f"t={number:02}".encode() + b"\x80" + first for number in range(3))
    assert cause_of(look_at(wrapped(clips, "sei", twice))) == "picture repeats"


def test_what_came_in_an_earlier_look_comes_no_more(clips: Path) -> None:
    picture = look_at(wrapped(clips, "again", b"".join(units(clips))))
    assert judged(picture, NOON, AGREED, Before(keys=["0" * 16])).fault is None
    fault = judged(picture, NOON, AGREED, Before(keys=["0" * 16, picture["packets"]["keys"][-1]])).fault
    assert fault
    assert fault.cause is Cause.PICTURE_REPEATS


def test_slices_of_random_bytes_are_a_corrupt_picture(clips: Path) -> None:
    chance = random.Random(1)  # noqa: S311 (a test's)
    noise = [nal[:8] + chance.randbytes(len(nal) - 8) if kind(nal) in {1, 5} else nal for nal in units(clips)[:60]]
    picture = look_at(wrapped(clips, "noise", b"".join(units(clips)[:12] + noise)))
    assert cause_of(picture) == "corrupt picture"


@pytest.mark.parametrize("share", [0.25, 0.1])
def test_bits_that_went_wrong_are_a_corrupt_picture(clips: Path, share: float) -> None:
    chance = random.Random(2)  # noqa: S311
    bad = []
    for nal in units(clips):
        damaged = bytearray(nal)
        if kind(nal) in {1, 5} and len(nal) > 60 and chance.random() < share:
            for _ in range(3):
                damaged[chance.randrange(20, len(nal))] ^= 1 << chance.randrange(8)
        bad.append(bytes(damaged))
    assert cause_of(look_at(wrapped(clips, f"bits-{share}", b"".join(bad)))) == "corrupt picture"


def test_pictures_that_are_left_out_are_missed(clips: Path) -> None:
    chance = random.Random(3)  # noqa: S311
    kept = [nal for nal in units(clips) if kind(nal) != 1 or chance.random() >= 0.25]
    assert cause_of(look_at(wrapped(clips, "left-out", b"".join(kept)))) == "corrupt picture"
