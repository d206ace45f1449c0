"""From packets to pictures: however units travel, the same pictures come out; whatever else comes breaks nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner_host.look import media_units
from provisioner_host.look.media_units import START_CODE, CodedPicture, Depacketizer, Unfit
from tests import films
from tests.films import PAYLOAD_TYPE, packed, payloads_of
from tests.hostile import CAMERA, RELAY

SPS, PPS, SEI = b"\x67\x64\x00\x1f", b"\x68\xee", b"\x06\x05\x02ab\x80"
KEY, SECOND, SLICE = b"\x65\x88aaaa", b"\x65\x08bbbb", b"\x41\x9acccc"
RECOVERY = b"\x06\x06\x01\xc4\x80"
H265_SETS = b"\x40\x01\x0c", b"\x42\x01\x01", b"\x44\x01\xc1"
H265_KEY, H265_SLICE = b"\x26\x01\xafxx", b"\x02\x01\xd0yy"


def pictures(packets: Sequence[bytes], codec: str = "h264") -> list[CodedPicture]:
    depacketizer = Depacketizer(codec, PAYLOAD_TYPE)
    return [one for packet in packets for one in depacketizer.packet(packet)]


def sent(
    coded: Sequence[tuple[int, Sequence[bytes]]], codec: str = "h264", *, joined: bool = False, largest: int = 1400
) -> list[bytes]:
    packets: list[bytes] = []
    for ticks, units in coded:
        packets += packed(list(payloads_of(units, codec, joined=joined, largest=largest)), ticks, len(packets) + 65_530)
    return packets


def body(units: Sequence[bytes]) -> bytes:
    return b"".join(START_CODE + unit for unit in units)


@st.composite
def streams(draw: st.DrawFn) -> tuple[str, list[tuple[int, list[bytes]]]]:
    codec = draw(st.sampled_from(["h264", "hevc"]))
    hevc = codec == "hevc"
    tail = st.binary(min_size=1, max_size=300)
    ticks, coded = draw(st.integers(0, 2**32 - 1)), []
    for number in range(draw(st.integers(1, 6))):
        key = number == 0 or draw(st.booleans())
        first = (b"\x26\x01\x80" if key else b"\x02\x01\x80") if hevc else (b"\x65\x80" if key else b"\x41\x80")
        more = (b"\x26\x01\x00" if key else b"\x02\x01\x00") if hevc else (b"\x65\x00" if key else b"\x41\x00")
        units = [*(H265_SETS if hevc else (SPS, PPS))] if key else []
        units += [first + draw(tail), *(more + draw(tail) for _ in range(draw(st.integers(0, 3))))]
        coded.append((ticks, units))
        ticks += draw(st.integers(1, 200_000))
    return codec, coded


@given(stream=streams(), joined=st.booleans(), largest=st.integers(5, 400))
@settings(max_examples=300, deadline=None)
def test_the_same_pictures_come_out_whatever_way_their_units_travel(
    stream: tuple[str, list[tuple[int, list[bytes]]]], *, joined: bool, largest: int
) -> None:
    codec, coded = stream
    came = pictures(sent(coded, codec, joined=joined, largest=largest), codec)
    assert [one.data for one in came] == [body(units) for _, units in coded]
    assert [one.ticks for one in came] == [ticks - coded[0][0] for ticks, _ in coded]
    assert [one.key for one in came] == [any(films.is_set(unit, codec) for unit in units) for _, units in coded]


@given(st.lists(st.binary(max_size=80), max_size=40), st.sampled_from(["h264", "hevc"]))
@settings(max_examples=300, deadline=None)
@CAMERA
@RELAY
def test_whatever_is_sent_breaks_nothing_but_its_own_stream(packets: list[bytes], codec: str) -> None:
    depacketizer = Depacketizer(codec, PAYLOAD_TYPE)
    for number, payload in enumerate(packets):
        for packet in (payload, packed([payload or b"x"], number, number)[0]):
            try:
                depacketizer.packet(packet)
            except Unfit:
                return


@CAMERA
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_unit_without_end_fills_no_memory(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_units, "MOST_PICTURE_BYTES", 100_000)
    unit = (H265_KEY if codec == "hevc" else KEY) + bytes(300_000)
    with pytest.raises(Unfit, match="larger"):
        pictures(sent([(0, [unit])], codec), codec)


@CAMERA
def test_a_picture_of_units_without_number_ends() -> None:
    with pytest.raises(Unfit, match="larger"):
        pictures(sent([(0, [KEY, *[SECOND] * 5_000])], joined=True))


@pytest.mark.parametrize("lost", range(1, 5))
def test_a_packet_that_is_missing_is_not_passed_over(lost: int) -> None:
    packets = sent([(0, [KEY + bytes(4000)]), (3000, [SLICE]), (6000, [SLICE])])
    with pytest.raises(Unfit, match="missing"):
        pictures(packets[:lost] + packets[lost + 1 :] if lost < len(packets) - 1 else [packets[0], packets[2]])


def test_a_stream_is_entered_in_the_middle_of_a_picture() -> None:
    packets = sent([(0, [SLICE + bytes(4000)]), (3000, [SECOND]), (6000, [SPS, PPS, KEY])])
    assert [one.key for one in pictures(packets[1:])] == [True]


def test_pictures_of_one_moment_are_as_many_as_they_are() -> None:
    came = pictures(sent([(0, [SPS, PPS, KEY]), (0, [SLICE]), (0, [SLICE])]))
    assert [one.ticks for one in came] == [0, 0, 0]


def test_pictures_that_come_out_of_order_keep_their_moments() -> None:
    came = pictures(sent([(2**32 - 3000, [KEY]), (6000, [SLICE]), (0, [SLICE])]))
    assert [one.ticks for one in came] == [0, 9000, 3000]


def test_what_is_said_before_a_picture_is_of_it_and_what_comes_after_its_marker_is_not() -> None:
    assert [one.data for one in pictures(sent([(0, [SPS, PPS, SEI, KEY, SECOND])]))] == [
        body([SPS, PPS, SEI, KEY, SECOND])
    ]
    with pytest.raises(Unfit, match="missing"):
        pictures(sent([(0, [KEY]), (0, [SECOND])]))


@pytest.mark.parametrize(
    "coded",
    [
        [(0, [KEY]), (3000, [SECOND])],
        [(0, [SPS]), (3000, [KEY])],
        [(0, [RECOVERY, SLICE])],
        [(0, [b"\x62abc"])],
        [(0, [b"\x7d\x01"])],
        [(0, [b"\x7a\x01\x02"])],
    ],
    ids=["slices apart", "sets apart", "no key picture of its own", "a partition", "no fragment", "interleaved"],
)
def test_what_ffmpeg_may_cut_in_another_manner_is_left_to_it(coded: list[tuple[int, list[bytes]]]) -> None:
    with pytest.raises(Unfit):
        pictures([*sent([(0, [KEY])]), *[_later(packet) for packet in sent(coded)]])


def _later(packet: bytes) -> bytes:
    """The packet, one number and some time later."""
    number = (int.from_bytes(packet[2:4], "big") + 1) & 0xFFFF
    ticks = int.from_bytes(packet[4:8], "big") + 9000
    return packet[:2] + number.to_bytes(2, "big") + ticks.to_bytes(4, "big") + packet[8:]


def test_a_key_picture_may_say_that_it_is_one() -> None:
    assert [one.key for one in pictures(sent([(0, [RECOVERY, KEY])]))] == [True]


def test_padding_and_extensions_of_a_packet_are_none_of_its_units() -> None:
    (packet,) = sent([(0, [KEY])])
    more = bytes((packet[0] | 0x30,)) + packet[1:12] + b"\xbe\xde\x00\x01abcd" + packet[12:] + b"\x00\x00\x03"
    assert pictures([more]) == pictures([packet])
