"""Looks at simulated cameras by the reader that looks at real ones, over RTSP on loopback."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from provisioner_host.look.picture_look import PictureLook
from provisioner_host.look.rtsp_talk import Login
from tests.looks import read
from tests.pictures.cameras import Camera
from tests.pictures.early import early_look
from tests.pictures.film import Shot, Unit, film
from tests.pictures.sending import PATH, Sent, SimulatedCamera, sent, simulated_camera

if TYPE_CHECKING:
    from provisioner_host.wire import LookToTake

QUICK_S = 3.0
FULL_S, FULL_KEYS, LONGEST_S = 10.0, 4, 60.0
# What is sent ends by itself: however busy the machine is, no look is cut short.
_TO_THE_END: LookToTake = {"seconds": 60.0, "most_s": 60.0, "keys": 0, "every": True}
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look came to."""

    picture: dict[str, Any] | None  #: The reader's measures; None where no key frame was decoded.
    error: str  #: Why not.
    damaged: int  #: Of how many pictures a part was lost on the way to the relay, which counts them.
    cpu_s: float  #: What the reader and ffmpeg took of a processor.
    #: How a look at the same ends that may end early; None where it goes on for its whole time.
    early: EarlyEnd | None = None


@dataclass(frozen=True, slots=True)
class EarlyEnd:
    """A look at the same that ended early: its measures, and of how many pictures a part was lost until then."""

    picture: dict[str, Any]
    damaged: int


def full_s(camera: Camera) -> float:
    """How long a full look at a camera goes on."""
    return min(LONGEST_S, max(FULL_S, FULL_KEYS * camera.key_s + 1))


class Watcher:
    """Looks at shots, one after the other."""

    def __init__(self, server: SimulatedCamera, folder: Path) -> None:
        self._server, self._folder = server, folder

    def look(self, shot: Shot) -> Seen:
        """What a reader measures of a shot."""
        units = film(shot, self._folder)
        stream = sent(shot, units)
        self._server.put_in(stream.packets, units[0])
        login = Login("127.0.0.1", self._server.port, "simulated", "simulated")
        before = _cpu_s()
        answer: Any = read(login, PATH, _PATIENCE_S, look=PictureLook(_TO_THE_END))
        cpu_s = _cpu_s() - before
        return Seen(
            answer.get("picture"),
            str(answer.get("error", "")),
            len(stream.damaged),
            cpu_s,
            _early(shot, stream, units[0]),
        )


def _early(shot: Shot, stream: Sent, first: Unit) -> EarlyEnd | None:
    """The look that ends early, where it would: none that is asked to be a full one does."""
    if shot.seconds > QUICK_S:
        return None
    sets = [nal for nal in first.nals if nal[0] & 31 in {7, 8}]
    picture = early_look(stream, sets, shot.camera.agreed_fps)
    if picture is None:
        return None
    return EarlyEnd(picture, sum(at <= picture["looked_s"] for at in stream.damaged))


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
