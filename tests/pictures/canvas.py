"""A grey picture that is drawn by hand: rectangles, polygons, discs and letters, one byte a pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

Point = tuple[float, float]

# Five columns a letter, seven bits a column, the lowest bit on top.
_LETTERS = {
    " ": "0000000000", "-": "0808080808", ":": "0036360000", ".": "0060600000", "/": "2010080402",
    "0": "3E5149453E", "1": "00427F4000", "2": "4261514946", "3": "2141454B31", "4": "1814127F10",
    "5": "2745454539", "6": "3C4A494930", "7": "0171090503", "8": "3649494936", "9": "064949291E",
    "A": "7E1111117E", "B": "7F49494936", "C": "3E41414122", "D": "7F4141221C", "E": "7F49494941",
    "F": "7F09090901", "G": "3E4149497A", "H": "7F0808087F", "I": "00417F4100", "J": "2040413F01",
    "K": "7F08142241", "L": "7F40404040", "M": "7F020C027F", "N": "7F0408107F", "O": "3E4141413E",
    "P": "7F09090906", "Q": "3E4151215E", "R": "7F09192946", "S": "4649494931", "T": "01017F0101",
    "U": "3F4040403F", "V": "1F2040201F", "W": "3F4038403F", "X": "6314081463", "Y": "0708700807",
    "Z": "6151494543",
}  # fmt: skip


def chance(*parts: object) -> Random:
    """Chance that is the same for the same parts."""
    return Random(" ".join(map(str, parts)))  # noqa: S311 (a simulation, that others can repeat)


class Canvas:
    """A grey picture."""

    def __init__(self, width: int, height: int, value: int = 128) -> None:
        self.width, self.height = width, height
        self.pixels = bytearray([_byte(value)]) * (width * height)

    def rect(self, x: float, y: float, width: float, height: float, value: int) -> None:
        """Fill a rectangle; what lies outside is cut off."""
        left, right = max(0, round(x)), min(self.width, round(x + width))
        line = bytes([_byte(value)]) * max(0, right - left)
        for row in range(max(0, round(y)), min(self.height, round(y + height)) if line else 0):
            self.pixels[row * self.width + left : row * self.width + right] = line

    def frame(self, x: float, y: float, width: float, height: float, value: int, *, thick: float = 2) -> None:
        """Draw a rectangle's outline."""
        for args in ((x, y, width, thick), (x, y + height - thick, width, thick)):
            self.rect(*args, value)
        for args in ((x, y, thick, height), (x + width - thick, y, thick, height)):
            self.rect(*args, value)

    def polygon(self, corners: Sequence[Point], value: int) -> None:
        """Fill a polygon, even-odd."""
        colour = bytes([_byte(value)])
        top = max(0, math.floor(min(y for _, y in corners)))
        bottom = min(self.height, math.ceil(max(y for _, y in corners)))
        edges = [(a, b) for a, b in zip(corners, (*corners[1:], corners[0]), strict=True) if a[1] != b[1]]
        for row in range(top, bottom):
            middle = row + 0.5
            crossed = sorted(
                a[0] + (middle - a[1]) * (b[0] - a[0]) / (b[1] - a[1])
                for a, b in edges
                if min(a[1], b[1]) <= middle < max(a[1], b[1])
            )
            for begin, end in zip(crossed[::2], crossed[1::2], strict=False):
                left, right = max(0, round(begin)), min(self.width, round(end))
                if right > left:
                    self.pixels[row * self.width + left : row * self.width + right] = colour * (right - left)

    def line(self, begin: Point, end: Point, value: int, thick: float = 2) -> None:
        """Draw a straight line."""
        dx, dy = end[0] - begin[0], end[1] - begin[1]
        length = math.hypot(dx, dy) or 1.0
        ox, oy = -dy / length * thick / 2, dx / length * thick / 2
        corners = ((begin[0] + ox, begin[1] + oy), (end[0] + ox, end[1] + oy))
        self.polygon((*corners, (end[0] - ox, end[1] - oy), (begin[0] - ox, begin[1] - oy)), value)

    def disc(self, x: float, y: float, radius: float, value: int) -> None:
        """Fill a disc."""
        steps = 24
        angles = [2 * math.pi * step / steps for step in range(steps)]
        self.polygon([(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles], value)

    def text(self, x: int, y: int, words: str, value: int, size: int = 2) -> None:
        """Write a line of capitals and digits."""
        for place, letter in enumerate(words):
            columns = bytes.fromhex(_LETTERS.get(letter, _LETTERS[" "]))
            for column, bits in enumerate(columns):
                for row in range(7):
                    if bits >> row & 1:
                        self.rect(x + (place * 6 + column) * size, y + row * size, size, size, value)

    def speckle(self, random: Random, share: float, spread: int) -> None:
        """Give a surface its grain: short runs of pixels a little lighter or darker."""
        for _ in range(round(share * self.width * self.height / 4)):
            at = random.randrange(len(self.pixels) - 4)
            change = random.randint(-spread, spread)
            for place in range(at, at + random.randint(1, 4)):
                self.pixels[place] = _byte(self.pixels[place] + change)

    def copy(self) -> Canvas:
        """The same picture, to be drawn on."""
        other = Canvas.__new__(Canvas)
        other.width, other.height, other.pixels = self.width, self.height, bytearray(self.pixels)
        return other


def _byte(value: int) -> int:
    return min(235, max(16, value))
