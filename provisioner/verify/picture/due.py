"""Which path gets which look in a verification, and how much of a stream is decoded for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from provisioner.desired.spec import MediaPath
from provisioner.verify.memory import NOTHING, Memories
from provisioner.verify.picture.looks import Looks
from provisioner.verify.rotation import full_look_due
from provisioner.verify.wanted import PathToCheck

if TYPE_CHECKING:  # the host's own package: its types are for the type checker, the module is not installed here
    from provisioner_host import wire

QUICK_S: Final = 3.0
"""A quick look: a key frame or two of most cameras, and enough packets for rate and damage."""
FULL_S: Final = 10.0
"""A full look, at least."""
FULL_KEYS: Final = 4
"""So many key frames a full look has: two repeat what two others showed, where an encoder numbers them in turn."""
LONGEST_S: Final = 60.0
"""A full look at most, where key frames are rare."""

# A quarter of a second of one processor for ten seconds; of larger streams key frames alone are decoded, unless their
# frames come out of order: then none of them is shown in time.
_PIXELS_A_SECOND: Final = 6_000_000
_USUAL_FPS: Final = 25


def looks_at(
    targets: Iterable[PathToCheck], looks: Looks, at: datetime, memories: Memories
) -> dict[str, wire.LookToTake]:
    """The look that each path gets, by its name; none where none is asked for."""
    if looks is Looks.OFF:
        return {}
    full = looks is Looks.FULL
    due = looks is Looks.DUE

    def is_full(target: PathToCheck) -> bool:
        return full or (due and full_look_due(target, memories.get(target.remembered_as, NOTHING), at) is not None)

    return {target.path.name: look_at(target.path, full=is_full(target)) for target in targets}


def look_at(path: MediaPath, *, full: bool) -> wire.LookToTake:
    """One look at a path."""
    small = path.width * path.height * (path.fps or _USUAL_FPS) <= _PIXELS_A_SECOND
    if full:
        return {"seconds": FULL_S, "most_s": LONGEST_S, "keys": FULL_KEYS, "every": small, "skips": not small}
    return {"seconds": QUICK_S, "most_s": QUICK_S, "keys": 0, "every": small, "skips": not small}


def longest_s(look: wire.LookToTake) -> float:
    """How long a look takes at most."""
    return max(look["seconds"], look["most_s"])
