"""When a look may end before its time: never where a whole one would find something, and soon where all is well."""

from dataclasses import dataclass

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from provisioner.hosts.answers import read, wire
from provisioner.verify.picture_check import Agreed, corruption, low_bits, repetition, slow_rate, stuck_clock
from provisioner_host.look.early_end import Arrived, Decoded, is_answered
from provisioner_host.look.picture_measures import Packet, packets_of
from provisioner_host.wire import EarlyEndToTake
from tests.unit.verify.world import picture

NOTHING_AGREED: EarlyEndToTake = {"fps": None, "least_kbps": None}
MOMENT_S = 0.01


@dataclass(frozen=True)
class Stream:
    """A stream as it comes."""

    fps: float  #: So many pictures a second; a key picture each `key_s` seconds.
    key_s: float = 1.0
    seconds: float = 1.2  #: For so long it is looked at.
    before: int = 0  #: So many pictures come before the first key picture.
    size: int = 2_000  #: Of each picture, of a key picture ten times as much.
    differences: float = 1.0  #: Of key pictures, by which the last one is decoded.

    @property
    def pictures(self) -> list[Arrived]:
        """All pictures from the first key picture on; those before come before."""
        every = max(1, round(self.key_s * self.fps))
        number = int(self.seconds * self.fps) + 1
        return [
            Arrived(
                Packet(
                    n / self.fps, 10 * self.size if n % every == 0 else self.size, f"{n:016x}" if n % every == 0 else ""
                ),
                100 + n / self.fps,
            )
            for n in range(-self.before, number)
        ]


def answered(
    pictures: list[Arrived],
    *,
    before: int = 0,
    wanted: EarlyEndToTake = NOTHING_AGREED,
    difference: float = 1.0,
    later_s: float = 0.0,
    fps: float | None = None,
) -> bool:
    keys = sum(bool(one.packet.key) for one in pictures[before:])
    decoded = Decoded([difference] * max(0, keys - 1), fps)
    return is_answered(wanted, pictures[:before], pictures[before:], decoded, pictures[-1].at + later_s)


def changed(one: Arrived, *, seconds: float = 0.0, at: float = 0.0, key: str | None = None) -> Arrived:
    packet = one.packet
    return Arrived(Packet(packet.seconds + seconds, packet.size, packet.key if key is None else key), one.at + at)


healthy = st.builds(
    Stream, fps=st.floats(4, 30), key_s=st.floats(0.5, 2), seconds=st.floats(2.3, 3.3), before=st.integers(0, 0)
)


@given(healthy, st.data())
@example(Stream(5, 1, 1.21), None)
def test_a_healthy_stream_ends_early_on_a_busy_host(stream: Stream, data: st.DataObject | None) -> None:
    pictures = stream.pictures
    late = [0.0] * len(pictures)
    if data is not None:
        late = data.draw(st.lists(st.floats(0, 0.15), min_size=len(pictures), max_size=len(pictures)))
    assert answered([changed(one, at=by) for one, by in zip(pictures, late, strict=True)], fps=stream.fps)


def test_it_takes_two_key_pictures_and_nearly_a_second() -> None:
    assert not answered(Stream(5, seconds=0.9).pictures)
    assert answered(Stream(5, seconds=1.01).pictures)
    assert not answered(Stream(25, key_s=0.2, seconds=0.9).pictures)
    assert not answered(Stream(25, key_s=2, seconds=1.9).pictures)
    assert answered(Stream(25, key_s=2, seconds=2.01).pictures)


@given(healthy, st.floats(0, 0.999))
def test_a_picture_that_is_missing_leaves_it_in_doubt(stream: Stream, place: float) -> None:
    pictures = stream.pictures
    between = [n for n, one in enumerate(pictures) if not one.packet.key][:-1]
    assume(between)
    missing = between[int(place * len(between))]
    assert not answered(pictures[:missing] + pictures[missing + 1 :])


def test_one_that_is_missing_before_the_first_key_picture_does_as_well() -> None:
    stream = Stream(10, before=6)
    assert answered(stream.pictures, before=6)
    assert not answered(stream.pictures[:3] + stream.pictures[4:], before=5)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"difference": 0.05}, True),
        ({"difference": 0.049}, False),
        ({"difference": float("nan")}, False),
        ({"fps": 12.0}, True),
        ({"fps": 12.6}, False),
        ({"wanted": {"fps": 12.6, "least_kbps": None}}, False),
        ({"wanted": {"fps": 10, "least_kbps": None}, "fps": 25.0}, True),
        # 10 pictures a second of 2 kB with a key picture of 20 kB are 304 kbit/s.
        ({"wanted": {"fps": None, "least_kbps": 243}}, True),
        ({"wanted": {"fps": None, "least_kbps": 244}}, False),
        ({"later_s": 0.3}, True),
        ({"later_s": 0.4}, False),
    ],
)
def test_each_question_has_an_answer_with_room_to_spare(words: dict[str, object], expected: bool) -> None:  # noqa: FBT001
    assert answered(Stream(10).pictures, **words) is expected  # type: ignore[arg-type]


def test_a_key_picture_that_came_before_is_in_doubt_whatever_is_decoded_of_it() -> None:
    pictures = Stream(10).pictures
    again = [changed(one, key=pictures[0].packet.key) if one.packet.key else one for one in pictures]
    assert not answered(again)


def test_one_key_picture_that_is_not_decoded_yet_is_in_doubt() -> None:
    pictures = Stream(10, seconds=2.1).pictures
    assert not is_answered(NOTHING_AGREED, [], pictures, Decoded([1.0], None), pictures[-1].at)


@given(st.floats(5, 30), st.floats(0.1, 0.75))
def test_a_line_that_bears_less_than_the_stream_leaves_it_in_doubt(fps: float, bears: float) -> None:
    pictures = [changed(one, at=one.packet.seconds * (1 / bears - 1)) for one in Stream(fps).pictures]
    assert not answered(pictures)


# --- what ends early a whole look would not complain of ---------------------------------------------
@given(
    healthy,
    st.lists(st.tuples(st.integers(0, 99), st.sampled_from(["gone", "again", "stuck", "back", "late"])), max_size=3),
    st.sampled_from([None, 5.0, 10.0, 25.0]),
    st.sampled_from([None, 100, 400, 1_000]),
)
def test_whatever_ends_early_has_no_fault_by_the_rules_of_whole_looks(
    stream: Stream, troubles: list[tuple[int, str]], fps: float | None, least_kbps: int | None
) -> None:
    pictures = stream.pictures
    for place, trouble in troubles:
        number = 1 + place % (len(pictures) - 1)
        one, last = pictures[number], pictures[number - 1]
        match trouble:
            case "gone" if len(pictures) > 6:
                del pictures[number]
            case "again":
                pictures[number] = changed(one, key=pictures[0].packet.key if one.packet.key else "")
            case "stuck":
                pictures[number] = changed(one, seconds=last.packet.seconds - one.packet.seconds)
            case "back":
                pictures[number] = changed(one, seconds=-0.7)
            case _:
                pictures[number:] = [changed(later, at=0.3) for later in pictures[number:]]
    if not answered(pictures, wanted={"fps": fps, "least_kbps": least_kbps}):
        return
    packets = packets_of([one.packet for one in pictures], pictures[-1].at - pictures[0].at)
    frames = {"frames": len(pictures), "owed": len(pictures), "declared_fps": fps}
    seen = read(wire.PictureAnswer, picture(packets=packets, looked_s=1.0, **frames))
    agreed = Agreed(fps, least_kbps)
    assert corruption(seen, 0) is None
    assert stuck_clock(seen, agreed) is None
    assert slow_rate(seen, agreed) is None
    assert low_bits(seen, agreed) is None
    assert repetition(seen, ()) is None
