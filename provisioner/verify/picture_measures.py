"""Modes of picture looks; a view's measures, which restore no picture. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

# Strengths are steps of half an octave: 7 is an edge of four levels of grey a pixel.
AN_EDGE: Final = 7
FEWEST_EDGES: Final = 8

_GREY: Final = 128
_NEARLY_GREY: Final = 3


class Looks(StrEnum):
    """Modes of picture looks; `due` is full if due, else quick."""

    OFF = "off"
    QUICK = "quick"
    FULL = "full"
    DUE = "due"


@dataclass(frozen=True, slots=True)
class PictureView:
    """A camera's view in measures."""

    grid: str  #: The edges: a hexadecimal digit for each of 32x16 cells, line by line.
    strengths: str  #: The edge strength of each of 16x8 cells, a digit each, in half octaves; 0 for no edge.
    sharpness: float  #: The steepness of the steepest edges relative to their height; 0 without edges.
    #: Where blue and red begin and end, but for a tenth on each side; empty in older references.
    colours: tuple[int, ...] = ()

    @property
    def edges(self) -> tuple[int, ...]:
        """The grid as numbers."""
        return _numbers(self.grid)

    @property
    def steps(self) -> tuple[int, ...]:
        """The strengths as numbers."""
        return _numbers(self.strengths)

    @property
    def is_coloured(self) -> bool:
        """Whether it has colours, as no picture under infrared light does."""
        return any(abs(level - _GREY) > _NEARLY_GREY for level in self.colours)

    @property
    def says_something(self) -> bool:
        """Whether it has enough edges to differ from other views."""
        return sum(1 for strength in self.steps if strength >= AN_EDGE) >= FEWEST_EDGES


@lru_cache(maxsize=4096)
def _numbers(digits: str) -> tuple[int, ...]:
    return tuple(int(digit, 16) for digit in digits)
