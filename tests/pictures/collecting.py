"""Nights of simulated cameras, looked at one by one: what the reader measured of each, to be judged afterwards."""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from tests.pictures.cameras import Camera, Light, Night, accepted, camera_of, filming, nights
from tests.pictures.faults import BY_DAY, COLOURED, FILMED, FROZEN, HARD, SOFT, STANDING, Fault, Trouble, trouble_of
from tests.pictures.film import Shot, scene_number
from tests.pictures.looking import QUICK_S, Watcher, as_another, full_s, watcher
from tests.pictures.scenes import scene_of

ROTATION = 7  #: A camera gets a full look every so many nights.
SITE = 8  #: So many cameras are of one facility.
LASTS = 3  #: For so many nights a soft fault is looked at.


@dataclass(frozen=True, slots=True)
class Size:
    """How much is simulated."""

    seed: int
    cameras: int  #: How many cameras.
    nights: int  #: How many nights of each are healthy.
    hard: int  #: Of how many nights of each camera every hard fault is tried.
    soft: int  #: Every how-manieth camera has every soft fault, for `LASTS` nights each; 0 is none.
    footage: tuple[str, ...] = ()  #: The films that cameras show in turn, instead of drawn scenes.

    def camera(self, number: int) -> Camera:
        """The camera of a number."""
        return filming(self.seed, number, self.footage) if self.footage else camera_of(self.seed, number)

    def faults(self, among: Sequence[Fault]) -> Sequence[Fault]:
        """Those of some faults that its cameras have."""
        return [fault for fault in among if (fault in FILMED if self.footage else fault not in COLOURED)]


@dataclass(frozen=True, slots=True)
class Look:
    """One look, and what was true."""

    camera: int  #: The camera's number; `night`: how many nights after it was accepted, 0 when it was.
    night: int
    fault: str  #: What was wrong, in the words of `Fault`; `size`: how large it was, of those that differ.
    full: bool  #: Whether it was a full look; `seconds`: how long it was.
    seconds: float
    by_day: bool  #: Whether it was by day.
    light: str
    weather: str
    key_s: float
    agreed_fps: int
    grain: int
    size: float
    damaged: int  #: Of how many pictures the relay did not get all.
    picture: dict[str, Any] | None  #: The reader's measures; None where it decoded nothing.
    cpu_s: float
    #: Those of a look at the same that ended early; None where it would have gone on for its whole time.
    early: dict[str, Any] | None = None
    early_damaged: int = 0  #: Of how many pictures the relay did not get all until then.


def collect(size: Size, workers: int, begin: int = 0) -> Iterator[Look]:
    """All looks of a simulation, camera by camera, from a camera on."""
    work = [(size, number) for number in range(begin, size.cameras)]
    if workers == 1:
        for one in work:
            yield from _of_camera(one)
        return
    with ProcessPoolExecutor(workers) as pool:
        for done, looks in enumerate(pool.map(_of_camera, work), begin + 1):
            sys.stderr.write(f"{done} of {size.cameras} cameras\n")
            yield from looks


def _of_camera(work: tuple[Size, int]) -> list[Look]:
    size, number = work
    camera = size.camera(number)
    outdoors = not size.footage and scene_of(scene_number(camera)).outdoors
    past = list(islice(nights(camera, outdoors=outdoors), size.nights + LASTS + 1))
    with watcher() as by:
        looks = [_look(by, Shot(camera, accepted(camera, light), 0.5)) for light in (Light.DAY, camera.night)]
        looks += [_tonight(by, camera, night) for night in past[: size.nights]]
        for fault in size.faults(HARD):
            for turn in range(size.hard):
                night = past[(number + 7 * turn + 3 * HARD.index(fault)) % size.nights]
                looks += _lasting(
                    by, camera, (night,) * _needs(fault), trouble_of(fault, size.seed, number + 1000 * turn)
                )
        if size.soft and number % size.soft == 0:
            for fault in size.faults(SOFT):
                begin = (number + 5 * SOFT.index(fault)) % size.nights
                looks += _lasting(by, camera, past[begin : begin + LASTS], trouble_of(fault, size.seed, number))
    return looks


def _needs(fault: Fault) -> int:
    return 2 if fault in STANDING else 1


def _tonight(by: Watcher, camera: Camera, night: Night) -> Look:
    full = (camera.number + night.number) % ROTATION == 0
    return _look(by, Shot(camera, night, full_s(camera) if full else QUICK_S), full=full)


def _lasting(by: Watcher, camera: Camera, spell: Sequence[Night], trouble: Trouble) -> list[Look]:
    """The looks while a fault lasts, of a freeze the last one a full one; what stands still is of its first night."""
    looks = []
    for place, night in enumerate(spell):
        full = trouble.fault in FROZEN and place == len(spell) - 1
        shown = replace(spell[0], number=night.number) if trouble.fault in STANDING else night
        shown = replace(shown, light=Light.DAY) if trouble.fault in BY_DAY else shown
        shot = Shot(camera, shown, full_s(camera) if full else QUICK_S, trouble, begun=spell[0].number)
        if trouble.fault is Fault.SWAPPED:
            shot = as_another(shot, camera_of(camera.seed, _neighbour(camera.number)))
        looks.append(replace(_look(by, shot, full=full), camera=camera.number, night=place + 1))
    return looks


def _neighbour(number: int) -> int:
    return number + 1 if number % SITE < SITE - 1 else number - 1


def _look(by: Watcher, shot: Shot, *, full: bool = False) -> Look:
    seen = by.look(shot)
    camera, night, trouble = shot.camera, shot.night, shot.trouble
    return Look(
        camera=camera.number,
        night=night.number,
        fault=trouble.fault.value,
        full=full,
        seconds=shot.seconds,
        by_day=night.light is Light.DAY,
        light=night.light.value,
        weather=night.weather.value,
        key_s=camera.key_s,
        agreed_fps=camera.agreed_fps,
        grain=night.grain,
        size=trouble.blur or trouble.cover or trouble.turn or trouble.zoom - 1,
        damaged=seen.damaged,
        picture=seen.picture,
        cpu_s=seen.cpu_s,
        early=seen.early.picture if seen.early else None,
        early_damaged=seen.early.damaged if seen.early else 0,
    )
