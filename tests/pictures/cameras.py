"""Cameras, and how they stand night after night: what is there tonight was mostly there last night. Pure, from a seed.

Errors of a check are not independent from night to night: the lorry that hides a fifth of the yard stays for days. So
a night follows from the night before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from random import Random

from tests.pictures.canvas import chance


class Light(Enum):
    """What a camera sees by."""

    DAY = "day"
    DUSK = "dusk"
    LIT = "lit room"
    IR = "infrared"
    LAMPS = "night lamps"
    DARK = "near black"


class Weather(Enum):
    """What falls or hangs before an outdoor camera."""

    CLEAR = "clear"
    RAIN = "rain"
    SNOW = "snow"
    FOG = "fog"


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera, as it was bought and set up."""

    number: int  #: Its number; its scene is drawn from it.
    seed: int
    agreed_fps: int  #: The frame rate that was agreed.
    key_s: float  #: The seconds between key frames; smart codecs have many.
    constant: bool  #: Whether it is encoded at a constant bit rate.
    kbit: int
    noise: int  #: The strength of its sensor's noise by day.
    averages: bool  #: Whether it reduces noise over time.
    clock: bool  #: Whether it writes a clock into the picture.
    night: Light  #: What it sees by at night.
    footage: str = ""  #: The file that it shows instead of a drawn scene, if any.
    size: tuple[int, int] = (640, 360)  #: Width and height of its picture.


@dataclass(frozen=True, slots=True)
class Night:
    """How a camera stands at one check."""

    number: int  #: How many nights ago it was accepted.
    light: Light  #: What it sees by now.
    weather: Weather  #: What falls before it.
    standing: tuple[bool, ...]  #: Which of its scene's places hold something.
    lamps_on: tuple[bool, ...]  #: Which of its scene's lamps burn.
    sag: tuple[float, float]  #: How far it hangs from where it hung, in pixels of the scene.
    gain: float  #: How bright it is, 1 as usual.
    dirt: float  #: How soft its glass makes the picture, in pixels.
    grain: int  #: The strength of its noise.
    passer: bool  #: Whether somebody walks through.
    switches: bool  #: Whether infrared goes on or off during the look.


_NIGHTS_KINDS = (Light.IR, Light.IR, Light.IR, Light.LAMPS, Light.LAMPS, Light.LIT, Light.DARK)
_DARKER = {Light.DAY: 0, Light.LIT: 1, Light.DUSK: 2, Light.IR: 2, Light.LAMPS: 3, Light.DARK: 4}
_STAYS = 0.85  #: The chance that a thing which stands there tonight still does tomorrow.


def camera_of(seed: int, number: int) -> Camera:
    """The camera of a seed and a number."""
    random = chance("camera", seed, number)
    return Camera(
        number=number,
        seed=seed,
        agreed_fps=random.choice((6, 8, 10, 12, 15, 15, 20)),
        key_s=random.choice((1, 2, 2, 4, 12, 30, 60)),
        constant=random.random() < 0.5,
        kbit=random.choice((128, 200, 300, 400)),
        noise=random.choice((0, 1, 2, 3, 5, 8)),
        averages=random.random() < 0.4,
        clock=random.random() < 0.5,
        night=random.choice(_NIGHTS_KINDS),
    )


def filming(seed: int, number: int, footage: Sequence[str]) -> Camera:
    """A camera that shows footage, encoded as cameras do; half of them are looked at by day."""
    random = chance("footage", seed, number)
    return replace(
        camera_of(seed, number),
        agreed_fps=random.choice((10, 12, 15, 20, 25)),
        key_s=random.choice((1, 2, 2, 4)),
        kbit=random.choice((200, 400, 800, 1500)),
        night=(Light.DAY, random.choice((Light.IR, Light.LAMPS, Light.LIT)))[number % 2],
        footage=footage[number % len(footage)],
        size=random.choice(((640, 360), (1280, 720))),
    )


def accepted(camera: Camera, light: Light) -> Night:
    """How a camera stands when a person accepts it, in clear weather."""
    random = chance("accepted", camera.seed, camera.number, light.value)
    first = _first(camera, random)
    return replace(first, light=light, weather=Weather.CLEAR, grain=_grain(camera, light), passer=False, switches=False)


def nights(camera: Camera, outdoors: bool) -> Iterator[Night]:  # noqa: FBT001 (a fact of the scene)
    """The camera's nights since it was accepted, without end."""
    random = chance("nights", camera.seed, camera.number)
    night = _first(camera, random)
    while True:
        night = _next(camera, night, random, outdoors=outdoors)
        yield night


def _first(camera: Camera, random: Random) -> Night:
    return Night(
        number=0,
        light=camera.night,
        weather=Weather.CLEAR,
        standing=tuple(random.random() < 0.35 for _ in range(4)),
        lamps_on=(True, True, True),
        sag=(0.0, 0.0),
        gain=random.uniform(0.9, 1.1),
        dirt=0.0,
        grain=_grain(camera, camera.night),
        passer=False,
        switches=False,
    )


def _next(camera: Camera, last: Night, random: Random, *, outdoors: bool) -> Night:
    light = last.light
    if random.random() < 0.15 and camera.night is not Light.DAY:
        # Somebody left the lights on, or the infrared lamp is off: for some nights in a row.
        light = camera.night if last.light is not camera.night else random.choice((Light.LIT, Light.IR, camera.night))
    weather = last.weather
    if random.random() < 0.4:
        weather = random.choice((Weather.CLEAR, Weather.CLEAR, Weather.RAIN, Weather.SNOW, Weather.FOG))
    return Night(
        number=last.number + 1,
        light=light,
        weather=weather if outdoors else Weather.CLEAR,
        standing=tuple(_stands(there, random) for there in last.standing),
        lamps_on=tuple(on if random.random() < 0.9 else random.random() < 0.7 for on in last.lamps_on),
        sag=(_drifted(last.sag[0], 0.5, 6, random), _drifted(last.sag[1], 0.5, 6, random)),
        gain=min(1.35, max(0.65, 1 + 0.9 * (last.gain - 1) + random.gauss(0, 0.05))),
        dirt=min(1.0, max(0.0, last.dirt + random.gauss(0.004, 0.03))),
        grain=_grain(camera, light),
        passer=random.random() < 0.15,
        switches=random.random() < 0.03,
    )


def _stands(there: bool, random: Random) -> bool:  # noqa: FBT001 (what stands there)
    return random.random() < _STAYS if there else random.random() < (1 - _STAYS) / 2


def _drifted(value: float, step: float, most: float, random: Random) -> float:
    return min(most, max(-most, value + random.gauss(0, step)))


def _grain(camera: Camera, light: Light) -> int:
    return camera.noise + (_DARKER[light] if camera.noise else 0)
