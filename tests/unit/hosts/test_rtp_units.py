"""From packets to pictures: however units travel, the same pictures come out; whatever else comes breaks nothing."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner_host.look import media_units, older_codecs
from provisioner_host.look.media_units import START_CODE, CodedPicture, Depacketizer, Unfit
from provisioner_host.look.older_codecs import JpegPictures, Mpeg4Pictures
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
def test_what_is_left_of_a_picture_is_handed_on_for_the_decoder_to_judge(lost: int) -> None:
    packets = sent([(0, [KEY + bytes(4000)]), (3000, [SLICE]), (6000, [SLICE])])
    whole, came = pictures(packets), pictures([one for number, one in enumerate(packets) if number != lost])
    assert len(came) in {2, 3}
    assert all(one in whole or one.data != whole[0].data for one in came)
    if lost < 3:
        assert (came[0].key, came[1:]) == (True, whole[1:])
        assert len(came[0].data) < len(whole[0].data)


@given(lost=st.sets(st.integers(0, 200)), stream=streams(), largest=st.integers(5, 400))
@settings(max_examples=300, deadline=None)
def test_whatever_is_lost_every_picture_of_which_all_came_comes_out(
    lost: set[int], stream: tuple[str, list[tuple[int, list[bytes]]]], largest: int
) -> None:
    codec, coded = stream
    packets = sent(coded, codec, largest=largest)
    came = pictures([packet for number, packet in enumerate(packets) if number not in lost], codec)
    number, first = 0, None
    for place, (ticks, units) in enumerate(coded):
        own = range(number, number + len(list(payloads_of(units, codec, largest=largest))))
        number = own.stop
        if first is None and not lost.issuperset(own):
            first = ticks
        # Of a picture whose last packet was lost nobody knows that it is whole.
        if not lost.intersection(own) and first is not None:
            # Parameter sets of one that was lost are of the next.
            assert any(one.ticks == ticks - first and one.data.endswith(body(units)) for one in came), place


@pytest.mark.parametrize(("numbers", "missed"), [([0, 1, 9000, 9001, 9002], 1), ([0, 1, 5, 6], 0), ([5, 4, 6], 0)])
def test_numbers_that_begin_anew_are_counted_and_gaps_are_not(numbers: list[int], missed: int) -> None:
    depacketizer = Depacketizer("h264", PAYLOAD_TYPE)
    for place, number in enumerate(numbers):
        for packet in packed([KEY], place * 3000, number):
            depacketizer.packet(packet)
    assert depacketizer.missed == missed


def test_a_stream_is_entered_in_the_middle_of_a_picture() -> None:
    packets = sent([(0, [SLICE + bytes(4000)]), (3000, [SECOND]), (6000, [SPS, PPS, KEY])])
    assert [one.data for one in pictures(packets[1:]) if one.key] == [body([SPS, PPS, KEY])]


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
    # Of a camera that marks each packet one picture is cut too early, and no more.
    came = pictures(sent([(n // 2 * 3000, [KEY if n % 2 == 0 else SECOND]) for n in range(8)]))
    assert [one.data for one in came] == [body([KEY]), body([SECOND]), *[body([KEY, SECOND])] * 2]


def test_parameter_sets_that_come_by_themselves_are_of_the_picture_after_them() -> None:
    (one,) = pictures(sent([(0, [SPS, PPS]), (3000, [KEY])]))
    assert (one.ticks, one.data) == (3000, body([SPS, PPS, KEY]))


def test_parameter_sets_are_known_from_before_the_first_key_picture() -> None:
    depacketizer = Depacketizer("h264", PAYLOAD_TYPE)
    for packet in sent([(0, [SPS, PPS, SLICE]), (3000, [KEY])]):
        depacketizer.packet(packet)
    assert depacketizer.sets == body([SPS, PPS])


def test_a_picture_from_which_decoding_can_begin_is_a_key_picture() -> None:
    assert [one.key for one in pictures(sent([(0, [RECOVERY, SLICE]), (3000, [SLICE])]))] == [True, False]


@pytest.mark.parametrize("unit", [b"\x62abc", b"\x7d\x01", b"\x7a\x01\x02", b"\x7e", b"\x78\x00", b"\x78\x00\x09a"])
def test_what_no_camera_sends_is_passed_over_or_of_the_picture(unit: bytes) -> None:
    came = pictures([*sent([(0, [KEY])]), *[_later(packet) for packet in sent([(0, [unit])])], *_at(3, [SLICE])])
    assert [one.key for one in came] == [True, False]
    assert came[1].data.endswith(body([SLICE]))


def _at(number: int, units: list[bytes]) -> list[bytes]:
    (packet,) = sent([(number * 9000, units)])
    return [packet[:2] + ((65_530 + number) & 0xFFFF).to_bytes(2, "big") + packet[4:]]


@given(st.lists(st.binary(max_size=200) | st.just(b"\x00\x00\x01\xb6\x00"), max_size=40), st.booleans())
@settings(max_examples=300, deadline=None)
@CAMERA
def test_whatever_is_sent_of_an_older_codec_breaks_nothing_but_its_own_stream(
    packets: list[bytes],
    jpeg: bool,  # noqa: FBT001 (drawn)
) -> None:
    older = JpegPictures(26) if jpeg else Mpeg4Pictures(26)
    for number, payload in enumerate(packets):
        for packet in (payload, packed([payload or b"x"], number, number, 26)[0]):
            for one in older.packet(packet):
                assert one.data.startswith(b"\xff\xd8") or b"\x00\x00\x01\xb6" in one.data


def test_a_picture_of_mpeg4_is_over_with_its_marker_or_with_the_next_moment() -> None:
    key, other = b"\x00\x00\x01\xb6\x10abc", b"\x00\x00\x01\xb6\x51abc"
    packets = [*packed([key[:6], key[6:]], 0, 0, 26), *packed([other], 3000, 2, 26), *packed([key], 6000, 3, 26)]
    unmarked = [packet[:1] + bytes((26,)) + packet[2:] for packet in packets]
    for kept, number in ((packets, 3), (unmarked, 2)):
        older = Mpeg4Pictures(26)
        came = [one for packet in kept for one in older.packet(packet)]
        assert [(one.ticks, one.key, one.data) for one in came] == [
            (0, True, key),
            (3000, False, other),
            (6000, True, key),
        ][:number]


@CAMERA
def test_a_picture_of_mpeg4_without_end_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(older_codecs, "MOST_PICTURE_BYTES", 100_000)
    older, packets = Mpeg4Pictures(26), [packed([bytes(1000), b"x"], 0, number, 26)[0] for number in range(1000)]
    with pytest.raises(Unfit, match="larger"):
        sum(len(older.packet(packet)) for packet in packets)


@CAMERA
def test_a_picture_of_jpeg_without_end_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(older_codecs, "MOST_PICTURE_BYTES", 100_000)
    jpegs, size = JpegPictures(26), 1000
    heads = [b"\x00" + (number * size).to_bytes(3, "big") + bytes((1, 50, 40, 30)) for number in range(1000)]
    sent_ = [packed([head + bytes(size), b""], 0, number, 26)[0] for number, head in enumerate(heads)]
    with pytest.raises(Unfit, match="larger"):
        sum(len(jpegs.packet(packet)) for packet in sent_)


def test_a_picture_of_jpeg_of_which_a_part_is_missing_is_left_out() -> None:
    def part(offset: int, data: bytes) -> bytes:
        return b"\x00" + offset.to_bytes(3, "big") + bytes((1, 50, 40, 30)) + data

    whole = packed([part(0, b"a" * 9), part(9, b"b" * 9), part(18, b"c")], 0, 0, 26)
    again = packed([part(0, b"a" * 9), part(9, b"b" * 9), part(18, b"c")], 9000, 3, 26)
    for kept, number in ((whole + again, 2), (whole[:1] + whole[2:] + again, 1), (whole[:2] + again, 1)):
        jpegs = JpegPictures(26)
        assert len([one for packet in kept for one in jpegs.packet(packet)]) == number


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
