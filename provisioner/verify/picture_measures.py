"""What a camera looks at, as the measures of a look at its stream (`wire.PictureAnswer`) have it. Pure.

No picture can be made again of the measures of a view.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

# Strengths are steps of half an octave: 7 is an edge of four levels of grey a pixel.
AN_EDGE: Final = 7
FEWEST_EDGES: Final = 8

GRID_CELLS: Final = 512
"""So many hexadecimal digits a grid of edges has: 16 lines of 32."""


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
