"""Turns of cameras: full looks, samples, and reading order. Pure.

All turns depend on a hash of camera and week. So each machine gets the same result, and over the weeks a camera gets
every weekday.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final

from provisioner.base.text import VIETNAM, canonical_json
from provisioner.desired.spec import MediaPath
from provisioner.verify.memory import NOTHING, Memories, PathMemory
from provisioner.verify.paths import PathToCheck
from provisioner.verify.result import Cause, Verdict

_DAYS: Final = 7
# Key frames that are farther apart than the first are rare; a look of the second shows how far.
_RARE_KEY_S: Final = 13.0
_LONGEST_KEY_S: Final = 60.0
OVERDUE: Final = timedelta(days=8)  #: The time without a full look after which a path is due on any night.
Camera = tuple[str, str]  #: A facility, and the camera's id there.


class FullLookReason(StrEnum):
    """Reasons for a full look, most urgent first."""

    CHANGED = "changed"
    FAILED = "failed"
    NEVER = "never looked at"
    OVERDUE = "overdue"
    TURN = "its turn"


@dataclass(frozen=True, slots=True)
class Share:
    """A sample's size: a share of each stratum, or a total number."""

    text: str
    fraction: Fraction | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The paths of a sample."""

    targets: tuple[PathToCheck, ...]
    week: str  #: The sample's week.
    cameras: int  #: The sample's cameras.
    of_cameras: int  #: All cameras.


def week_of(moment: datetime) -> str:
    """Return the week in Vietnam, by ISO 8601."""
    year, week, _ = moment.astimezone(VIETNAM).isocalendar()
    return f"{year}-W{week:02}"


#: Fields of a path that are written apart, or that are former values.
_OTHERWISE: Final = frozenset({"source", "login_change", "former"})


def camera_of(target: PathToCheck) -> Camera:
    """Return a path's camera; both its streams have the same turn."""
    return target.path.facility, target.path.camera


def content_of(target: PathToCheck) -> str:
    """Hash the desired path without its password; another hash needs another proof."""
    path: MediaPath = target.path
    source = path.source
    where = [str(source.address), source.port, source.rtsp_path, source.username] if source else []
    plain = {name: str(value) for name, value in path._asdict().items() if name not in _OTHERWISE}
    return hashlib.sha256(canonical_json([target.relay.id, where, plain])).hexdigest()


def _drawn(camera: Camera, week: str, purpose: str) -> int:
    return int.from_bytes(hashlib.sha256(canonical_json([purpose, *camera, week])).digest()[:8], "big")


def full_look_reason(target: PathToCheck, memory: PathMemory, now: datetime) -> FullLookReason | None:
    """Return why a path is due for a full look, or `None`.

    Due are paths that changed since their proof, were not good, never had a full look or missed their turn. Each camera
    is also due once a week, on a night that is drawn for that week.
    """
    last = next((past for past in reversed(memory.past) if past.verdict is not Verdict.UNKNOWN), None)
    if memory.content and memory.content != content_of(target):
        return FullLookReason.CHANGED
    if last is not None and last.verdict is not Verdict.UP and not last.maintenance:
        return FullLookReason.FAILED
    if memory.full_look is None:
        return FullLookReason.NEVER
    if now - memory.full_look >= OVERDUE:
        return FullLookReason.OVERDUE
    night = _drawn(camera_of(target), week_of(now), "full look") % _DAYS
    return FullLookReason.TURN if night == now.astimezone(VIETNAM).weekday() else None


def second_key_s(reason: FullLookReason | None, memory: PathMemory) -> float:
    """Return a quick look's wait for a second key frame, or 0."""
    if reason not in {FullLookReason.NEVER, FullLookReason.CHANGED, FullLookReason.FAILED}:
        return 0.0
    is_rare = memory.last is not None and memory.last.cause is Cause.KEY_FRAMES_RARE
    return _LONGEST_KEY_S if is_rare else _RARE_KEY_S


def by_need(targets: Iterable[PathToCheck], memories: Memories) -> tuple[PathToCheck, ...]:
    """Order paths for a deadline: failed, unproved, then oldest proof first."""

    def need(target: PathToCheck) -> tuple[bool, float, str]:
        memory = memories.get(target.remembered_as, NOTHING)
        proved = max((at.timestamp() for at in memory.proofs.values()), default=-math.inf)
        return memory.failing is None, proved, target.path.name

    return tuple(sorted(targets, key=need))


# --- samples --------------------------------------------------------------------------------------
def share_of(text: str) -> Share:
    """Parse a sample's size (`10%`, `0.1`, `500`), or raise `ValueError`."""
    plain = text.strip()
    if plain.isascii() and plain.isdecimal() and len(plain) <= len("1000000"):
        if int(plain) > 0:
            return Share(plain, number=int(plain))
    elif len(plain) <= len("99.99999 %"):
        percent = plain.removesuffix("%")
        digits = percent.strip().replace(".", "", 1)
        if digits.isascii() and digits.isdecimal():
            fraction = Fraction(percent.strip()) / (100 if percent != plain else 1)
            if 0 < fraction <= 1:
                return Share(plain, fraction=fraction)
    raise ValueError("a sample is a share (10% or 0.1) or a number of cameras (500)")


def sample_of(targets: Sequence[PathToCheck], share: Share, now: datetime) -> Chosen:
    """Return a week's sample of cameras from each carrier, province and relay."""
    strata: dict[tuple[str, str, str], set[Camera]] = defaultdict(set)
    for target in targets:
        strata[target.carrier, target.path.province, target.relay.id].add(camera_of(target))
    week, every = week_of(now), sum(map(len, strata.values()))
    fraction = share.fraction if share.fraction is not None else min(Fraction(share.number or 0, every), Fraction(1))
    parts = _sample_sizes({name: len(cameras) for name, cameras in strata.items()}, fraction)
    chosen = {
        camera
        for name, cameras in strata.items()
        for camera in sorted(cameras, key=lambda camera: (_drawn(camera, week, "sample"), camera))[: parts[name]]
    }
    sampled = tuple(target for target in targets if camera_of(target) in chosen)
    return Chosen(sampled, week, sum(parts.values()), every)


def _sample_sizes(sizes: dict[tuple[str, str, str], int], fraction: Fraction) -> dict[tuple[str, str, str], int]:
    """Distribute a sample over strata, at least one camera each."""
    parts = {name: max(1, int(size * fraction)) for name, size in sizes.items()}
    missing = math.ceil(sum(sizes.values()) * fraction) - sum(parts.values())
    rounded_down = [name for name, size in sizes.items() if size * fraction >= 1]
    by_rest = sorted(rounded_down, key=lambda name: (-(sizes[name] * fraction % 1), name))
    for name in by_rest[: max(0, missing)]:
        parts[name] = min(sizes[name], parts[name] + 1)
    return parts
