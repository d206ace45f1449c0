"""Numeric measures of pictures and packets. Pure.

A picture is luma, one byte per pixel, in two forms: averaged to 160x90, and 640x360 of its unmixed pixels. The numbers
do not show what the camera saw: the finest is a grid of 32x16 edges.

A confined reader may be compromised: each part of its answer is checked for type and bounds.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import nlargest
from itertools import accumulate, chain
from math import hypot, inf, log2
from operator import add, sub, truediv
from typing import TYPE_CHECKING

from provisioner_host.machine.patterns import pattern

if TYPE_CHECKING:
    from provisioner_host.wire import PacketsAnswer, PictureAnswer, SceneAnswer


WIDTH, HEIGHT = 160, 90  #: Size of the averaged picture.
EXACT_WIDTH, EXACT_HEIGHT = 640, 360  #: Size of the exact picture.
GRID_WIDTH, GRID_HEIGHT = 32, 16  #: Grid of edges: a hexadecimal digit each, line by line.
MOST_KEYS = 16  #: Limit for a look's reported key packets.
MOST_PICTURES = 16  #: Limit for a look's compared pictures.
COARSE_WIDTH, COARSE_HEIGHT = 16, 8  #: Grid of edge strengths: a hexadecimal digit each, line by line.

# Clocks and names that a camera writes into its picture stand at its upper and its lower edge.
_BAND = 10
_CELL, _FLAT = 10, 2
_NEARLY_ALL = 0.95
# Gradients for the grid: the share of a window's mean, so that light and dark parts count alike. The constant is what
# the noise of a dark picture has; without it noise would be as good as an edge.
_WINDOW, _NOISE, _STRONGEST = 25, 0.7, 4.0
_STEPS = 7.5
# A clock of packets counts 90,000 ticks: what is nearer than a millisecond is one moment.
_ONE_MOMENT_S = 0.001
_FAR_BACK_S = 10.0
# A step that is so much longer than the usual one had a picture in it.
_GAP = 1.75
# Apart for the sharpness: the nearest pixels, and as far as a blurred edge goes.
_NEAR, _FAR = 1, 8
_ROWS_APART = 8
# Of a scene with few edges two pixels in a thousand still are of one.
_STEEPEST = 0.998

# Of H.264 and of H.265: where a unit is of the picture, and not what the camera says of it (its clock, for one).
_SAID_H264 = frozenset({6, 9, 12})
_SAID_H265 = frozenset({35, 38, 39, 40})

_GRID = pattern(rf"[0-9a-f]{{{GRID_WIDTH * GRID_HEIGHT}}}")
_STRENGTHS = pattern(rf"[0-9a-f]{{{COARSE_WIDTH * COARSE_HEIGHT}}}")
_DIGEST = pattern(r"[0-9a-f]{16}")
_MOST, _LONGEST_S, _STEEPEST_SLOPE = 10**9, 10**6, 2_000


class Packet:
    """A packet's display time and size, and a key packet's digest."""

    __slots__ = ("key", "seconds", "size")

    def __init__(self, seconds: float, size: int, key: str = "") -> None:
        self.seconds, self.size, self.key = seconds, size, key


# --- pictures -------------------------------------------------------------------------------------
def scene_of(small: bytes, exact: bytes, colours: bytes = b"") -> SceneAnswer:
    """Return the measures of a picture, from its averaged and exact form.

    `colours` are the two planes of colour of the averaged one, if any.
    """
    levels = _levels(_middle(exact, EXACT_WIDTH, EXACT_HEIGHT))
    common = [count for _, count in levels.most_common(3)]
    total = levels.total() or 1
    median = _level_at_share(levels, 0.5)
    rows = gradients(small, WIDTH)
    steep = sorted(chain.from_iterable(rows[_BAND:-_BAND]))
    return {
        "median": median,
        "bright": _level_at_share(levels, 0.9998) - median,
        "spread": _level_at_share(levels, 0.99) - _level_at_share(levels, 0.01),
        "one_level": round(common[0] / total, 4),
        "three_levels": round(sum(common) / total, 4),
        "levels": _number_of_levels(levels),
        "flat_cells": _share_of_flat_cells(small),
        "gradient_p50": _of(steep, 0.5),
        "gradient_p90": _of(steep, 0.9),
        "gradient_p99": _of(steep, 0.99),
        "steepest": _steepest(rows),
        "sharpness": _edge_sharpness(exact),
        "grid": grid_of(rows),
        "strengths": strengths_of(rows),
        "digest": digest_of(exact),
        "colours": _colour_deciles(colours),
    }


def difference(before: bytes, after: bytes) -> float:
    """Return the mean difference of two averaged pictures, in levels.

    The bands with clocks and names are left out.
    """
    first, second = _middle(before, WIDTH, HEIGHT), _middle(after, WIDTH, HEIGHT)
    return round(float(sum(map(abs, map(sub, first, second)))) / (len(first) or 1), 4)


def digest_of(data: bytes) -> str:
    """Return sixteen digits that identify bytes."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def gradients(picture: bytes, width: int) -> list[list[float]]:
    """Return the slope at each inner pixel (Sobel), by row."""
    rows = [picture[start : start + width] for start in range(0, len(picture), width)]
    return [_edge_slopes(*three) for three in zip(rows, rows[1:], rows[2:])]


def _edge_slopes(above: bytes, row: bytes, below: bytes) -> list[float]:
    down = list(map(add, map(add, above, below), map(add, row, row)))
    fall = list(map(sub, below, above))
    across = map(add, map(add, fall, fall[2:]), map(add, fall[1:], fall[1:]))
    return list(map(hypot, map(sub, down[2:], down), across))


def grid_of(rows: Sequence[Sequence[float]]) -> str:
    """Return the grid of 32x16 edges from an averaged picture's slopes.

    Each slope is relative to its surroundings, so that one lamp changes little.
    """
    above = (len(rows) - GRID_HEIGHT * 5) // 2
    padded = [[row[0] / 8, *(slope / 8 for slope in row), row[-1] / 8] for row in rows[above : above + 80]]
    around = _local_means(padded)
    lines = [list(map(min, map(truediv, row, mean), [_STRONGEST] * WIDTH)) for row, mean in zip(padded, around)]
    digits = []
    for top in range(0, len(lines), 5):
        columns = list(map(sum, zip(*lines[top : top + 5])))
        digits += [sum(columns[left : left + 5]) / 25 for left in range(0, WIDTH, 5)]
    return "".join(f"{min(15, round(value * _STEPS)):x}" for value in digits)


def strengths_of(rows: Sequence[Sequence[float]]) -> str:
    """Return edge strengths of 16x8 cells, in half octaves; 0 for none."""
    inner = rows[(len(rows) - GRID_HEIGHT * 5) // 2 :][: GRID_HEIGHT * 5]
    width, tall, digits = len(inner[0]), len(inner) // COARSE_HEIGHT, []
    for top in range(0, tall * COARSE_HEIGHT, tall):
        for column in range(COARSE_WIDTH):
            begin, end = column * width // COARSE_WIDTH, (column + 1) * width // COARSE_WIDTH
            # The slope that a tenth of the cell has.
            strong = sorted(chain.from_iterable(row[begin:end] for row in inner[top : top + tall]))[-tall] / 8
            digits.append(max(0, min(15, round(2 * log2(strong) + 3))) if strong > 0 else 0)
    return "".join(f"{digit:x}" for digit in digits)


def _local_means(rows: list[list[float]]) -> list[list[float]]:
    """Return the mean around each pixel plus noise; edges are extended."""
    across = _turned([_sums(row) for row in rows])
    area, columns = [_WINDOW**2] * len(rows), [_sums(column) for column in across]
    return _turned([list(map(add, map(truediv, column, area), [_NOISE] * len(rows))) for column in columns])


def _turned(rows: list[list[float]]) -> list[list[float]]:
    return list(map(list, zip(*rows)))


def _sums(values: list[float]) -> list[float]:
    half = _WINDOW // 2
    sums = [0.0, *accumulate([*[values[0]] * half, *values, *[values[-1]] * half])]
    return list(map(sub, sums[_WINDOW:], sums))


def _middle(picture: bytes, width: int, height: int) -> bytes:
    band = height * _BAND // HEIGHT * width
    return picture[band:-band]


def _levels(picture: bytes) -> Counter[int]:
    """Count pixels by level in every other row, to halve the time."""
    return Counter(b"".join(picture[at : at + EXACT_WIDTH] for at in range(0, len(picture), 2 * EXACT_WIDTH)))


def _level_at_share(levels: Counter[int], share: float) -> int:
    wanted, so_far = share * levels.total(), 0
    for level in sorted(levels):
        so_far += levels[level]
        if so_far >= wanted:
            return level
    return 0


def _number_of_levels(levels: Counter[int]) -> int:
    ignored = levels.total() * (1 - _NEARLY_ALL)
    rarest = accumulate(sorted(levels.values()))
    return len(levels) - sum(so_far <= ignored for so_far in rarest)


def _of(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2) if ordered else 0.0


def _steepest(rows: Sequence[Sequence[float]]) -> float:
    number = sum(map(len, rows)) // 200
    return round(nlargest(number + 1, chain.from_iterable(rows))[-1], 2)


def _share_of_flat_cells(small: bytes) -> float:
    flat = number = 0
    for top in range(_BAND, HEIGHT - _BAND, _CELL):
        rows = [small[y * WIDTH : (y + 1) * WIDTH] for y in range(top, top + _CELL)]
        for left in range(0, WIDTH, _CELL):
            cell = b"".join(row[left : left + _CELL] for row in rows)
            flat += max(cell) - min(cell) <= _FLAT
            number += 1
    return round(flat / number, 4)


def _colour_deciles(planes: bytes) -> list[int]:
    """Return the first and last decile of blue and red; 128 is grey."""
    half = len(planes) // 2
    both = [sorted(plane) for plane in (planes[:half], planes[half:]) if plane]
    return [plane[len(plane) * tenth // 10] for plane in both for tenth in (1, 9)] or [128] * 4


def _edge_sharpness(exact: bytes) -> float:
    """Return the ratio of near to far steps: 1 for sharp edges."""
    rows = [exact[y * EXACT_WIDTH : (y + 1) * EXACT_WIDTH] for y in range(36, EXACT_HEIGHT - 36, _ROWS_APART)]
    near, far = (
        _level_at_share(Counter(chain.from_iterable(map(abs, map(sub, row[apart:], row)) for row in rows)), _STEEPEST)
        for apart in (_NEAR, _FAR)
    )
    return round(near / far, 3) if far else 0.0


# --- packets --------------------------------------------------------------------------------------
def packets_of(packets: Sequence[Packet], arrived_s: float) -> PacketsAnswer:
    """Return the measures of packets in order of arrival.

    Args:
        packets: from a key packet on.
        arrived_s: time between first and last arrival, by the host's clock.
    """
    # Pictures that are shown later than others may come before them: they are in order where steps are asked for.
    moments = sorted(packet.seconds for packet in packets)
    steps = sorted(map(sub, moments[1:], moments))
    keys = [packet for packet in packets if packet.key]
    return {
        "count": len(packets),
        "bytes": sum(packet.size for packet in packets),
        "span_s": round(moments[-1] - moments[0], 4) if moments else 0.0,
        "arrived_s": round(arrived_s, 2),
        "step_s": round(steps[len(steps) // 2], 4) if steps else 0.0,
        "longest_s": round(steps[-1], 4) if steps else 0.0,
        "gaps": sum(step >= _GAP * steps[len(steps) // 2] > _ONE_MOMENT_S for step in steps),
        "equal": sum(step <= _ONE_MOMENT_S for step in steps),
        "backward": _count_early_shown(packets),
        "keys": [packet.key for packet in keys[:MOST_KEYS]],
        "key_count": len(keys),
    }


def _count_early_shown(packets: Sequence[Packet]) -> int:
    """Count packets shown too early for any encoder's reordering."""
    number, floors, last = 0, [-inf, -inf], -inf
    for packet in packets:
        number += packet.seconds < max(floors[0] - _ONE_MOMENT_S, last - _FAR_BACK_S)
        last = packet.seconds
        if packet.key:
            floors = [floors[1], packet.seconds]
    return number


def owed_from(first_s: float, packets: Sequence[Packet], *, every: bool) -> int:
    """Count the decoder's packets from a display time on.

    Only key packets count unless it took `every` one.
    """
    return sum(packet.seconds >= first_s - _ONE_MOMENT_S for packet in packets if every or packet.key)


def key_of(data: bytes, codec: str) -> str:
    """Return a key packet's digest, of its picture units only."""
    units = [unit for unit in data.split(b"\x00\x00\x01")[1:] if unit]
    if codec == "hevc":
        picture_units = [unit for unit in units if unit[0] >> 1 & 63 not in _SAID_H265]
    elif codec == "h264":
        picture_units = [unit for unit in units if unit[0] & 31 not in _SAID_H264]
    else:
        picture_units = []
    return digest_of(b"\x00\x00\x01".join(unit.rstrip(b"\x00") for unit in picture_units) if picture_units else data)


def checked_picture(answer: object) -> PictureAnswer:
    """Check and return a look's answer.

    Raises:
        KeyError, TypeError, ValueError: a part is missing or invalid.
    """
    fields = _object(answer)
    rate, scene = fields["declared_fps"], fields["scene"]
    return {
        "every": fields["every"] is True,
        "looked_s": number(fields["looked_s"], 0, _LONGEST_S),
        "packets": _packets(_object(fields["packets"])),
        "frames": _count(fields["frames"]),
        "owed": _count(fields["owed"]),
        "key_frames": _count(fields["key_frames"]),
        "complaints": _count(fields["complaints"]),
        "missed": _count(fields["missed"]),
        "declared_fps": None if rate is None else number(rate, 0, _LONGEST_S),
        "scene": None if scene is None else _scene(_object(scene)),
        "differences": [number(value, 0, 255) for value in _bounded_list(fields["differences"], MOST_PICTURES)],
        "digests": [_text(value, _DIGEST) for value in _bounded_list(fields["digests"], MOST_PICTURES + 1)],
    }


def _packets(fields: Mapping[str, object]) -> PacketsAnswer:
    return {
        "count": _count(fields["count"]),
        "bytes": _count(fields["bytes"]),
        "span_s": number(fields["span_s"], 0, _LONGEST_S),
        "arrived_s": number(fields["arrived_s"], 0, _LONGEST_S),
        "step_s": number(fields["step_s"], 0, _LONGEST_S),
        "longest_s": number(fields["longest_s"], 0, _LONGEST_S),
        "gaps": _count(fields["gaps"]),
        "equal": _count(fields["equal"]),
        "backward": _count(fields["backward"]),
        "keys": [_text(key, _DIGEST) for key in _bounded_list(fields["keys"], MOST_KEYS)],
        "key_count": _count(fields["key_count"]),
    }


def _scene(fields: Mapping[str, object]) -> SceneAnswer:
    return {
        "median": _level(fields["median"]),
        "bright": _level(fields["bright"]),
        "spread": _level(fields["spread"]),
        "one_level": number(fields["one_level"], 0, 1),
        "three_levels": number(fields["three_levels"], 0, 1),
        "levels": _whole(fields["levels"], 256),
        "flat_cells": number(fields["flat_cells"], 0, 1),
        "gradient_p50": number(fields["gradient_p50"], 0, _STEEPEST_SLOPE),
        "gradient_p90": number(fields["gradient_p90"], 0, _STEEPEST_SLOPE),
        "gradient_p99": number(fields["gradient_p99"], 0, _STEEPEST_SLOPE),
        "steepest": number(fields["steepest"], 0, _STEEPEST_SLOPE),
        "sharpness": number(fields["sharpness"], 0, 255),
        "grid": _text(fields["grid"], _GRID),
        "strengths": _text(fields["strengths"], _STRENGTHS),
        "digest": _text(fields["digest"], _DIGEST),
        "colours": _four_levels(fields["colours"]),
    }


def number(value: object, least: float, most: float) -> float:
    """Return a number, or raise `ValueError` out of bounds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ValueError
    return value


def _count(value: object) -> int:
    return _whole(value, _MOST)


def _level(value: object) -> int:
    return _whole(value, 255)


def _four_levels(value: object) -> list[int]:
    blue, most_blue, red, most_red = _bounded_list(value, 4)
    return [_level(level) for level in (blue, most_blue, red, most_red)]


def _whole(value: object, most: int) -> int:
    if not isinstance(value, int):
        raise TypeError
    return int(number(value, 0, most))


def _text(value: object, form: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError
    return value


def _bounded_list(value: object, most: int) -> list[object]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError
    return value


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError
    return value
