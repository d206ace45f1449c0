"""Measures of a look at a stream, as typed values. Pure.

No picture can be made again of the measures of a view. A document that cannot be read is no evidence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from provisioner.base.host_answer import Fields, UnreadableError

# Strengths are steps of half an octave: 7 is an edge of four levels of grey a pixel.
AN_EDGE: Final = 7
FEWEST_EDGES: Final = 8

GRID_CELLS: Final = 512
"""So many hexadecimal digits a grid of edges has: 16 lines of 32."""

_MOST_LISTED = 32
_HIGHEST_LEVEL = 255
_GRID = re.compile(rf"[0-9a-f]{{{GRID_CELLS}}}")
_STRENGTHS = re.compile(rf"[0-9a-f]{{{GRID_CELLS // 4}}}")
_DIGEST = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class PictureView:
    """What a camera looks at.

    Attributes:
        grid: where edges are: a hexadecimal digit for each of 32x16 cells, line by line.
        strengths: how strong the edges of each of 16x8 cells are, a digit each, in half octaves; 0 is none.
        sharpness: how steep the steepest edges are for what they are high; 0 where there is none.
    """

    grid: str
    strengths: str
    sharpness: float

    @property
    def edges(self) -> tuple[int, ...]:
        """The grid as numbers."""
        return _numbers(self.grid)

    @property
    def steps(self) -> tuple[int, ...]:
        """The strengths as numbers."""
        return _numbers(self.strengths)

    @property
    def says_something(self) -> bool:
        """Whether it has edges enough to be told from another view."""
        return sum(1 for strength in self.steps if strength >= AN_EDGE) >= FEWEST_EDGES


@lru_cache(maxsize=4096)
def _numbers(digits: str) -> tuple[int, ...]:
    return tuple(int(digit, 16) for digit in digits)


@dataclass(frozen=True, slots=True)
class Packets:
    """What the packets of a look measure, from its first key packet on.

    Attributes:
        span_s: how long they are shown; `arrived_s`: how long they took to come.
        step_s: from one picture to the next, the usual.
        gaps: steps so long that a picture is missing in them.
        equal: how many are shown at the moment of another; `backward`: how many long before one that came earlier.
        keys: what the first key packets are known by, of `key_count`.
    """

    count: int
    bytes: int
    span_s: float
    arrived_s: float
    step_s: float
    longest_s: float
    gaps: int
    equal: int
    backward: int
    keys: tuple[str, ...]
    key_count: int


@dataclass(frozen=True, slots=True)
class Scene:
    """What one picture measures, in levels of luma: 0 is black, 255 is white.

    Attributes:
        bright: what its brightest few pixels are above the median; `spread`: what all but one in fifty are apart.
        one_level, three_levels: the share of pixels with the most frequent level, or with one of three.
        levels: how many levels hold nearly all pixels.
        flat_cells: the share of cells in which nothing is.
        gradient_p99: the slope that one pixel in a hundred has, as `gradient_p50` and `gradient_p90` for others.
        steepest: the same, of one in two hundred, with the bands where clocks stand.
        sharpness: how steep edges are for what they are high.
        grid: where edges are, a hexadecimal digit a cell; `strengths`: how strong they are, by larger cells.
        digest: by which the same picture is known again.
    """

    median: int
    bright: int
    spread: int
    one_level: float
    three_levels: float
    levels: int
    flat_cells: float
    gradient_p50: float
    gradient_p90: float
    gradient_p99: float
    steepest: float
    sharpness: float
    grid: str
    strengths: str
    digest: str


@dataclass(frozen=True, slots=True)
class Picture:
    """What a look measured.

    Attributes:
        every: whether every picture was counted, or key frames alone.
        looked_s: how long it took.
        frames: how many pictures were decoded, of `owed`.
        complaints: how often the decoder complained of damage; `missed`: packets of RTP that did not come.
        declared_fps: the rate that the stream itself declares; None where it declares none.
        scene: the measures of the last picture; None where none was measured.
        differences: of each key picture from the one before; `digests`: what each of them is known by.
    """

    every: bool
    looked_s: float
    packets: Packets
    frames: int
    owed: int
    key_frames: int
    complaints: int
    missed: int
    declared_fps: float | None
    scene: Scene | None
    differences: tuple[float, ...]
    digests: tuple[str, ...]


def picture_in(look: Fields) -> Picture:
    """A look from a host's answer.

    Raises:
        UnreadableError: it cannot be read.
    """
    return Picture(
        every=look.flag("every"),
        looked_s=_size(look, "looked_s"),
        packets=_packets(look.below("packets")),
        frames=look.amount("frames"),
        owed=look.amount("owed"),
        key_frames=look.amount("key_frames"),
        complaints=look.amount("complaints"),
        missed=look.amount("missed"),
        declared_fps=_size(look, "declared_fps") if look.has("declared_fps") else None,
        scene=_scene(look.below("scene")) if look.has("scene") else None,
        differences=tuple(_difference(one, look) for one in _listed(look, "differences")),
        digests=_words(look, "digests"),
    )


def _packets(packets: Fields) -> Packets:
    return Packets(
        count=packets.amount("count"),
        bytes=packets.amount("bytes"),
        span_s=_size(packets, "span_s"),
        arrived_s=_size(packets, "arrived_s"),
        step_s=_size(packets, "step_s"),
        longest_s=_size(packets, "longest_s"),
        gaps=packets.amount("gaps"),
        equal=packets.amount("equal"),
        backward=packets.amount("backward"),
        keys=_words(packets, "keys"),
        key_count=packets.amount("key_count"),
    )


def _scene(scene: Fields) -> Scene:
    return Scene(
        median=_level(scene, "median"),
        bright=_level(scene, "bright"),
        spread=_level(scene, "spread"),
        one_level=_share(scene, "one_level"),
        three_levels=_share(scene, "three_levels"),
        levels=scene.amount("levels"),
        flat_cells=_share(scene, "flat_cells"),
        gradient_p50=_size(scene, "gradient_p50"),
        gradient_p90=_size(scene, "gradient_p90"),
        gradient_p99=_size(scene, "gradient_p99"),
        steepest=_size(scene, "steepest"),
        sharpness=_size(scene, "sharpness"),
        grid=_word(scene.text("grid"), _GRID, scene, "grid"),
        strengths=_word(scene.text("strengths"), _STRENGTHS, scene, "strengths"),
        digest=_word(scene.text("digest"), _DIGEST, scene, "digest"),
    )


def _size(fields: Fields, name: str) -> float:
    value = fields.measure(name)
    if value < 0:
        raise UnreadableError(f"{fields.place_of(name)} is less than nothing")
    return value


def _share(fields: Fields, name: str) -> float:
    value = _size(fields, name)
    if value > 1:
        raise UnreadableError(f"{fields.place_of(name)} is more than all")
    return value


def _level(fields: Fields, name: str) -> int:
    value = fields.amount(name)
    if value > _HIGHEST_LEVEL:
        raise UnreadableError(f"{fields.place_of(name)} is no level")
    return value


def _listed(fields: Fields, name: str) -> list[object]:
    values = fields.list_of(name)
    if len(values) > _MOST_LISTED:
        raise UnreadableError(f"{fields.place_of(name)} is too long")
    return values


def _difference(value: object, fields: Fields) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _HIGHEST_LEVEL:
        raise UnreadableError(f"{fields.place_of('differences')} has what is no difference")
    return float(value)


def _words(fields: Fields, name: str) -> tuple[str, ...]:
    return tuple(_word(one, _DIGEST, fields, name) for one in _listed(fields, name))


def _word(value: object, form: re.Pattern[str], fields: Fields, name: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise UnreadableError(f"{fields.place_of(name)} has what is no digest")
    return value
