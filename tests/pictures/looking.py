"""Looks at simulated cameras by the reader that looks at real ones, over RTSP on loopback."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from provisioner_host.picture_look import Look
from provisioner_host.rtsp_reader import Login, read
from tests.pictures.cameras import Camera
from tests.pictures.film import Shot, film
from tests.pictures.sending import PATH, SimulatedCamera, sent, simulated_camera

if TYPE_CHECKING:
    from provisioner_host.wire import LookToTake

QUICK_S = 3.0
FULL_S, FULL_KEYS, LONGEST_S = 10.0, 4, 60.0
_QUICK: LookToTake = {"seconds": QUICK_S, "most_s": QUICK_S, "keys": 1, "every": True}
_FULL: LookToTake = {"seconds": FULL_S, "most_s": LONGEST_S, "keys": FULL_KEYS, "every": True}
_PATIENCE_S = 60.0
_TRIES, _MARGIN_S = 4, 0.2


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look came to.

    Attributes:
        picture: the reader's measures; None where no key frame was decoded.
        error: why not.
        damaged: of how many pictures a part was lost on the way to the relay, which counts them.
        cpu_s: what the reader and ffmpeg took of a processor.
    """

    picture: dict[str, Any] | None
    error: str
    damaged: int
    cpu_s: float


def full_s(camera: Camera) -> float:
    """How long a full look at a camera goes on."""
    return min(LONGEST_S, max(FULL_S, FULL_KEYS * camera.key_s + 1))


class Watcher:
    """Looks at shots, one after the other."""

    def __init__(self, server: SimulatedCamera, folder: Path) -> None:
        self._server, self._folder = server, folder

    def look(self, shot: Shot, *, full: bool) -> Seen:
        """What a reader measures of a shot."""
        units = film(shot, self._folder)
        stream, damaged = sent(shot, units)
        for _ in range(_TRIES):
            self._server.put_in(stream, units[0])
            begun, before = time.monotonic(), _cpu_s()
            login = Login("127.0.0.1", self._server.port, "simulated", "simulated")
            answer: Any = read(login, PATH, _PATIENCE_S, look=Look(_FULL if full else _QUICK))
            seen = Seen(answer.get("picture"), str(answer.get("error", "")), damaged, _cpu_s() - before)
            # A machine that is too busy cuts a look short that a camera would have had time for.
            if time.monotonic() - begun < (FULL_S if full else QUICK_S) - _MARGIN_S:
                break
        return seen


@contextmanager
def watcher() -> Iterator[Watcher]:
    """A watcher with its simulated camera, while the block runs."""
    with TemporaryDirectory(prefix="pictures-") as folder, simulated_camera() as server:
        yield Watcher(server, Path(folder))


def as_another(shot: Shot, other: Camera) -> Shot:
    """The same look at another camera's picture: the two were swapped."""
    return replace(shot, camera=replace(other, agreed_fps=shot.camera.agreed_fps))


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime
