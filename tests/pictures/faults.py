"""What goes wrong with a camera's picture, one at a time, each with its sizes. Pure, from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tests.pictures.canvas import chance


class Fault(Enum):
    """What is wrong."""

    NONE = "healthy"
    BLACK = "black"
    CARD = "no-video card"
    FLAT = "flat"
    REPEAT = "repeated key picture"
    LOOP = "loop"
    SLICES = "corrupt: bytes of slices"
    LOSS_QUARTER = "corrupt: 25 % of packets lost"
    LOSS_FEW = "corrupt: 3 % of packets lost"
    FRAMES = "starved: 40 % of frames come"
    HALF = "half rate"
    STUCK = "stuck time"
    SWAPPED = "swapped"
    SIDEWAYS = "moved 15-40 % sideways"
    UPWARDS = "moved 15-40 % up or down"
    SLIGHTLY = "moved 3-10 %"
    TURNED = "turned 8-25 degrees"
    ZOOMED = "zoomed 1.3-2 times"
    BLURRED = "blurred 2-6 px"
    COVERED = "covered"
    COVERED_PART = "covered 30-80 %"
    FROZEN = "frozen, encoded anew"
    FROZEN_CLOCK = "frozen under a running clock"


HARD = (
    Fault.BLACK,
    Fault.CARD,
    Fault.FLAT,
    Fault.REPEAT,
    Fault.LOOP,
    Fault.SLICES,
    Fault.LOSS_QUARTER,
    Fault.LOSS_FEW,
    Fault.FRAMES,
    Fault.HALF,
    Fault.STUCK,
)
"""Faults that one look shows."""

SOFT = (
    Fault.SWAPPED,
    Fault.SIDEWAYS,
    Fault.UPWARDS,
    Fault.SLIGHTLY,
    Fault.TURNED,
    Fault.ZOOMED,
    Fault.BLURRED,
    Fault.COVERED,
    Fault.COVERED_PART,
    Fault.FROZEN,
    Fault.FROZEN_CLOCK,
)
"""Faults that are suspected after several looks."""

FROZEN = frozenset({Fault.FROZEN, Fault.FROZEN_CLOCK})


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault with its size, the same for all nights that it lasts.

    Attributes:
        shift: how far the view is moved, in pixels of the scene.
        turn: by how much it is turned, in degrees.
        zoom: how much nearer it is.
        blur: how soft it is, in pixels.
        cover: which share of the picture is covered.
        grey: the grey of what covers it, or of a flat picture.
        words: what a card says.
        loop_s: how long a loop is.
    """

    fault: Fault
    shift: tuple[float, float] = (0.0, 0.0)
    turn: float = 0.0
    zoom: float = 1.0
    blur: float = 0.0
    cover: float = 0.0
    grey: int = 128
    words: str = ""
    loop_s: float = 0.0


HEALTHY = Trouble(Fault.NONE)
_WORDS = (
    "NO VIDEO",
    "NO SIGNAL",
    "VIDEO LOSS",
    "CAMERA OFFLINE",
    "NO LINK",
    "DISCONNECTED",
    "CH 01 LOSS",
    "VIDEO LOST",
)


def trouble_of(fault: Fault, seed: int, number: int) -> Trouble:
    """A fault of a camera: its size is drawn."""
    random = chance("trouble", fault.value, seed, number)
    sign = random.choice((-1, 1))
    grey = random.choice((30, 60, 90, 128, 160, 200))
    match fault:
        case Fault.SIDEWAYS:
            return Trouble(fault, shift=(sign * random.uniform(0.15, 0.25) * 640, 0.0))
        case Fault.UPWARDS:
            return Trouble(fault, shift=(0.0, sign * random.uniform(0.15, 0.25) * 360))
        case Fault.SLIGHTLY:
            return Trouble(fault, shift=(sign * random.uniform(0.03, 0.1) * 640, random.uniform(-0.05, 0.05) * 360))
        case Fault.TURNED:
            return Trouble(fault, turn=sign * random.uniform(8, 25))
        case Fault.ZOOMED:
            return Trouble(fault, zoom=random.uniform(1.3, 2))
        case Fault.BLURRED:
            return Trouble(fault, blur=random.choice((2.0, 3.0, 4.0, 6.0)))
        case Fault.COVERED:
            return Trouble(fault, cover=1.0, grey=random.choice((20, 40, 90, 140, 190)))
        case Fault.COVERED_PART:
            return Trouble(fault, cover=random.uniform(0.3, 0.8), grey=random.choice((25, 60, 140)))
        case Fault.CARD:
            return Trouble(fault, grey=random.choice((16, 29, 41, 60, 128, 180)), words=random.choice(_WORDS))
        case Fault.FLAT:
            return Trouble(fault, grey=grey)
        case Fault.BLACK:
            return Trouble(fault, grey=random.choice((16, 16, 17, 18)))
        case Fault.LOOP:
            return Trouble(fault, loop_s=random.choice((1.0, 2.0, 2.0, 4.0, 8.0)))
        case _:
            return Trouble(fault)
