"""Whether a look may end early: all checks pass clearly. Pure.

An early end has less evidence, so its limits are stricter than those of a full look: no missing, late or simultaneous
picture, and at least two different key pictures. In doubt the look takes its full time.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import sub
from typing import TYPE_CHECKING, NamedTuple

from provisioner_host.look.picture_measures import Packet

if TYPE_CHECKING:
    from provisioner_host.wire import EarlyEndToTake

# So much of a stream is seen at least, of however short a time its key pictures are apart.
_LEAST_S = 0.95
_FEWEST = 5
# A look that is never ended early calls a step a gap from 1.75 of the usual one on, and lets two of them pass.
_GAP = 1.5
_ONE_MOMENT_S = 0.001
# What comes more slowly than this is looked at whole, long before it is called too slow.
_SLOWER = 1.25
_BITS = 1.25
_BITS_A_KBIT = 125.0
# So far behind the picture that came soonest the last one may be; and so far before the first one, which was held up.
_LATE_S, _SOON_S = 0.2, 0.5
# Two key pictures of a sensor: what differs less may be one picture, coded twice (`verify.picture.rules`, `_QUIET`).
_DIFFERENT = 0.05


class Arrived(NamedTuple):
    """A complete picture's packets and the arrival time of the last."""

    packet: Packet
    at: float


class Decoded(NamedTuple):
    """Decoding progress of a stream."""

    differences: Sequence[float]  #: Each key picture's difference from the one before.
    declared_fps: float | None  #: The rate that the stream declares, or `None`.
    first_s: float = 0.0  #: Display time of its first picture.
    is_clean: bool = True  #: Whether the decoder had no complaint.


def moved(picture: Arrived, seconds: float) -> Arrived:
    """Return a picture with a later display time."""
    return Arrived(Packet(picture.packet.seconds + seconds, picture.packet.size, picture.packet.key), picture.at)


def is_answered(
    wanted: EarlyEndToTake, before: Sequence[Arrived], looked: Sequence[Arrived], decoded: Decoded, now: float
) -> bool:
    """Return whether all checks of a stream pass clearly.

    `before` are pictures before the first key picture, `looked` those after it.
    """
    packets = [picture.packet for picture in looked]
    keys = [index for index, packet in enumerate(packets) if packet.key]
    if not decoded.is_clean or len(packets) < _FEWEST or packets[-1].seconds - packets[0].seconds < _LEAST_S:
        return False
    return (
        _are_different([packets[index].key for index in keys], decoded.differences)
        and _is_even([*before, *looked], wanted["fps"] or decoded.declared_fps)
        and _is_in_time(looked, now)
        and _has_bits(packets, keys, wanted["least_kbps"])
    )


def _are_different(keys: Sequence[str], differences: Sequence[float]) -> bool:
    """Return whether there are two key pictures or more, all distinct."""
    are_distinct = len(keys) > 1 and len(set(keys)) == len(keys)
    return are_distinct and len(differences) == len(keys) - 1 and min(differences) >= _DIFFERENT


def _is_even(pictures: Sequence[Arrived], fps: float | None) -> bool:
    """Return whether pictures come at the wanted rate without gaps."""
    moments = [picture.packet.seconds for picture in pictures]
    steps = list(map(sub, moments[1:], moments))
    usual = sorted(steps)[len(steps) // 2]
    even = min(steps) > _ONE_MOMENT_S and max(steps) < _GAP * usual
    return even and (fps is None or fps * usual < _SLOWER)


def _is_in_time(looked: Sequence[Arrived], now: float) -> bool:
    """Return whether the last picture is on time and none is overdue.

    A busy host catches up; a slow line does not.
    """
    offsets = [picture.at - picture.packet.seconds for picture in looked]
    step = looked[-1].packet.seconds - looked[-2].packet.seconds
    in_time = offsets[-1] - offsets[0] > -_SOON_S and offsets[-1] - min(offsets) < _LATE_S
    return in_time and now - looked[-1].at < _GAP * step + _LATE_S


def _has_bits(packets: Sequence[Packet], keys: Sequence[int], least_kbps: int | None) -> bool:
    """Return whether the bit rate between key pictures suffices."""
    between = packets[keys[0] : keys[-1]]
    seconds = packets[keys[-1]].seconds - packets[keys[0]].seconds
    kbps = sum(packet.size for packet in between) / _BITS_A_KBIT / seconds
    return least_kbps is None or kbps >= _BITS * least_kbps
