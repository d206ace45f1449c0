"""What a camera looks at, in measures that no picture can be made of again: where edges are, how strong, how sharp.

Of one grey key picture of 320x180. No judgement: who compares it with a reference has one.
"""

from __future__ import annotations

import math
from itertools import accumulate
from operator import sub
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provisioner_host.wire import ViewAnswer

WIDTH, HEIGHT = 320, 180
_HALF_WIDTH, _HALF_HEIGHT = WIDTH // 2, HEIGHT // 2
# Clocks stand at the top or at the bottom: what moves there says nothing of the view.
_TOP, _BOTTOM = 7, 83
ACROSS, DOWN = 32, 16
COARSE_ACROSS, COARSE_DOWN = 16, 8
_WINDOW = 12
_LEAST, _CAP = 0.7, 4.0
MOST_EDGE, MOST_STRENGTH = 7, 15
# Steps of an edge that one deviation has: fewer lose the place of an edge, more lose the strongest.
_STEPS = 2.5
_SOBEL = 8.0
_FINE, _WIDE = 1, 8
_EACH_ROW = 3
_TOP_SHARE = 0.01


def view_of(grey: bytes) -> ViewAnswer:
    """The measures of a grey picture of 320x180.

    Raises:
        ValueError: it is not so large.
    """
    if len(grey) != WIDTH * HEIGHT:
        raise ValueError("a grey picture of 320x180 has 57,600 bytes")
    gradients = _gradients(_halved(grey)[_TOP:_BOTTOM])
    return {"edges": _edges(gradients), "strengths": _strengths(gradients), "sharpness": _sharpness(grey)}


def _halved(grey: bytes) -> list[list[int]]:
    """Rows of half the size; each pixel is the sum of four."""
    rows = []
    for y in range(_HALF_HEIGHT):
        begin = 2 * y * WIDTH
        upper, lower = grey[begin : begin + WIDTH], grey[begin + WIDTH : begin + 2 * WIDTH]
        rows.append([a + b + c + d for a, b, c, d in zip(upper[::2], upper[1::2], lower[::2], lower[1::2])])
    return rows


def _gradients(rows: list[list[int]]) -> list[list[float]]:
    """How steep the picture is at each pixel but those at its border, in levels of grey a pixel."""
    scale, out = 1 / (4 * _SOBEL), []
    for above, here, below in zip(rows, rows[1:], rows[2:]):
        down = [a + 2 * h + b for a, h, b in zip(above, here, below)]
        across = [b - a for a, b in zip(above, below)]
        steep = (a + 2 * h + b for a, h, b in zip(across, across[1:], across[2:]))
        out.append([math.sqrt(x * x + y * y) * scale for x, y in zip(map(sub, down[2:], down), steep)])
    return out


def _edges(gradients: list[list[float]]) -> list[int]:
    """Where edges are: each gradient against those around it, so that light and contrast do not matter, by cells."""
    height, width = len(gradients), len(gradients[0])
    local = _box(gradients)
    cells, counts = [0.0] * (ACROSS * DOWN), [0] * (ACROSS * DOWN)
    columns = [x * ACROSS // width for x in range(width)]
    for y, (row, means) in enumerate(zip(gradients, local)):
        base = y * DOWN // height * ACROSS
        for column, value, mean in zip(columns, row, means):
            cells[base + column] += min(_CAP, value / (mean + _LEAST))
            counts[base + column] += 1
    values = [cell / count for cell, count in zip(cells, counts)]
    middle = sum(values) / len(values)
    spread = math.sqrt(sum((v - middle) ** 2 for v in values) / len(values))
    if spread < 1e-6:
        return [0] * len(values)
    return [max(-MOST_EDGE, min(MOST_EDGE, round(_STEPS * (v - middle) / spread))) for v in values]


def _box(rows: list[list[float]]) -> list[list[float]]:
    """The mean around each value, in a square that is cut at the border."""
    across = [_means(row) for row in rows]
    return [list(row) for row in zip(*(_means(list(column)) for column in zip(*across)))]


def _means(values: list[float]) -> list[float]:
    sums, last = [0.0, *accumulate(values)], len(values)
    bounds = ((max(0, at - _WINDOW), min(last, at + _WINDOW + 1)) for at in range(last))
    return [(sums[end] - sums[begin]) / (end - begin) for begin, end in bounds]


def _strengths(gradients: list[list[float]]) -> list[int]:
    """How strong the edges of each coarse cell are, in steps of half an octave; 0 where there is none."""
    height, width = len(gradients), len(gradients[0])
    out = []
    for down in range(COARSE_DOWN):
        band = gradients[down * height // COARSE_DOWN : (down + 1) * height // COARSE_DOWN]
        for across in range(COARSE_ACROSS):
            begin, end = across * width // COARSE_ACROSS, (across + 1) * width // COARSE_ACROSS
            inside = sorted(value for row in band for value in row[begin:end])
            strong = inside[round(0.9 * (len(inside) - 1))]
            out.append(max(0, min(MOST_STRENGTH, round(2 * math.log2(strong) + 3))) if strong > 0 else 0)
    return out


def _sharpness(grey: bytes) -> float:
    """How much of a strong step of grey is made within one pixel, of what is made within eight; 0 without any."""
    fine, wide = [0] * 256, [0] * 256
    for y in range(_TOP * 2, _BOTTOM * 2, _EACH_ROW):
        row = grey[y * WIDTH : (y + 1) * WIDTH]
        for counts, step in ((fine, _FINE), (wide, _WIDE)):
            for value in map(abs, map(sub, row[step:], row)):
                counts[value] += 1
    top = _top(wide)
    return round(_top(fine) / top, 3) if top else 0.0


def _top(counts: list[int]) -> float:
    """The mean of the highest hundredth of the values that were counted."""
    left = most = max(1, round(_TOP_SHARE * sum(counts)))
    total = 0
    for value in range(len(counts) - 1, -1, -1):
        taken = min(left, counts[value])
        total, left = total + taken * value, left - taken
        if not left:
            break
    return total / most
