"""What goes wrong with a camera's picture, one at a time, each with its sizes. Pure, from a seed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from random import Random
from typing import Any

from tests.pictures.canvas import chance


class Fault(Enum):
    """What is wrong."""

    NONE = "healthy"
    BLACK = "black"
    BLACK_NOISE = "black with noise, by day"
    CARD = "no-video card"
    FLAT = "flat"
    REPEAT = "repeated key picture"
    LOOP = "loop of 1-8 s"
    SLICES = "corrupt: bytes of slices"
    LOSS_QUARTER = "corrupt: 25 % of packets lost"
    LOSS_FEW = "corrupt: 3 % of packets lost"
    FRAMES = "starved: 40 % of frames come"
    HALF = "half rate"
    STUCK = "stuck time"
    SWAPPED = "swapped"
    SIDEWAYS = "moved 15-25 % sideways"
    UPWARDS = "moved 15-25 % up or down"
    SLIGHTLY = "moved 3-10 %"
    TURNED = "turned 8-25 degrees"
    ZOOMED = "zoomed 1.3-2 times"
    BLURRED = "blurred 2-6 px"
    COVERED = "covered"
    COVERED_PART = "covered 30-80 %"
    VEILED = "veil of 90 % over half, by day"
    COLOURED = "colour cast, by day"
    DARKENING = "drift to black, by day"
    FROZEN = "frozen, encoded anew"
    FROZEN_CLOCK = "frozen under a running clock"


#: Faults that one look shows.
HARD = (
    Fault.BLACK,
    Fault.BLACK_NOISE,
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

#: Faults that are suspected after several looks.
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
    Fault.VEILED,
    Fault.COLOURED,
    Fault.DARKENING,
    Fault.FROZEN,
    Fault.FROZEN_CLOCK,
)

#: Faults of what is in the picture: those that footage is shown with.
FILMED = (
    Fault.BLACK,
    Fault.BLACK_NOISE,
    Fault.REPEAT,
    Fault.SIDEWAYS,
    Fault.ZOOMED,
    Fault.BLURRED,
    Fault.COVERED,
    Fault.COVERED_PART,
    Fault.VEILED,
    Fault.COLOURED,
    Fault.DARKENING,
    Fault.FROZEN,
    Fault.FROZEN_CLOCK,
)

COLOURED = frozenset({Fault.COLOURED})  #: Faults of what drawn scenes do not have: they are grey.

#: Faults that are looked at by day: at night they look like a night.
BY_DAY = frozenset({Fault.BLACK_NOISE, Fault.VEILED, Fault.COLOURED, Fault.DARKENING})

FROZEN = frozenset({Fault.FROZEN, Fault.FROZEN_CLOCK})

STANDING = frozenset({Fault.REPEAT, Fault.LOOP, *FROZEN})  #: Faults in which nothing of the night after can be seen.


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault with its size, the same for all nights that it lasts."""

    fault: Fault
    shift: tuple[float, float] = (0.0, 0.0)  #: How far the view is moved, in pixels of the scene.
    turn: float = 0.0  #: By how much it is turned, in degrees.
    zoom: float = 1.0  #: How much nearer it is.
    blur: float = 0.0  #: How soft it is, in pixels.
    cover: float = 0.0  #: Which share of the picture is covered.
    grey: int = 128  #: The grey of what covers it, or of a flat picture.
    grain: int = 0  #: The strength of the noise of a black picture.
    words: str = ""  #: What a card says.
    loop_s: float = 0.0  #: How long a loop is.
    cast: tuple[int, int] = (0, 0)  #: By how many levels both colours are off.
    #: The part of the picture behind a veil: its left and upper edge, width and height.
    veil: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


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
    return replace(Trouble(fault), **_SIZES[fault](random)) if fault in _SIZES else Trouble(fault)


def _far(random: Random) -> float:
    """A share of the picture by which a camera is moved, as far as its scene goes."""
    return random.uniform(0.15, 0.25) * (1 if random.random() < 0.5 else -1)


_HALVES = ((0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 0.5, 1.0), (0.0, 0.0, 1.0, 0.5), (0.0, 0.5, 1.0, 0.5))
_CASTS = ((-20, 0), (25, 5), (15, -25), (-15, -20), (10, 30), (30, 30), (-30, 15))


_SIZES: Mapping[Fault, Callable[[Random], dict[str, Any]]] = {
    Fault.SIDEWAYS: lambda random: {"shift": (_far(random) * 640, 0.0)},
    Fault.UPWARDS: lambda random: {"shift": (0.0, _far(random) * 360)},
    Fault.SLIGHTLY: lambda random: {
        "shift": (random.choice((-1, 1)) * random.uniform(0.03, 0.1) * 640, random.uniform(-0.05, 0.05) * 360)
    },
    Fault.TURNED: lambda random: {"turn": random.choice((-1, 1)) * random.uniform(8, 25)},
    Fault.ZOOMED: lambda random: {"zoom": random.uniform(1.3, 2)},
    Fault.BLURRED: lambda random: {"blur": random.choice((2.0, 3.0, 4.0, 6.0))},
    Fault.COVERED: lambda random: {"cover": 1.0, "grey": random.choice((20, 40, 90, 140, 190))},
    Fault.COVERED_PART: lambda random: {"cover": random.uniform(0.3, 0.8), "grey": random.choice((25, 60, 140))},
    Fault.CARD: lambda random: {"grey": random.choice((16, 29, 41, 60, 128, 180)), "words": random.choice(_WORDS)},
    Fault.FLAT: lambda random: {"grey": random.choice((30, 60, 90, 128, 160, 200))},
    Fault.BLACK: lambda random: {"grey": random.choice((16, 16, 17, 18))},
    Fault.BLACK_NOISE: lambda random: {"grey": random.choice((16, 18, 20)), "grain": random.choice((3, 6, 10, 16))},
    Fault.VEILED: lambda random: {"veil": random.choice(_HALVES), "grey": random.choice((60, 128, 180))},
    Fault.COLOURED: lambda random: {"cast": random.choice(_CASTS)},
    Fault.LOOP: lambda random: {"loop_s": random.choice((1.0, 2.0, 2.0, 4.0, 8.0))},
}
