"""The result of a verification (docs/design.md, part 7). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from provisioner.base.held import HeldFacility
from provisioner.plan.changes import Change
from provisioner.verify.condition import HostFault


class Verdict(StrEnum):
    """What is said of a path, from the best to the worst that can be said."""

    UP = "up"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    DOWN = "down"
    MAINTENANCE = "maintenance"
    QUARANTINED = "quarantined"


class Layer(StrEnum):
    """Where something is broken, from the highest: what is broken above explains what is broken below."""

    HOST = "host"
    RELAY = "relay"
    FIREWALL = "firewall"
    TUNNEL = "tunnel"
    SITE = "site"
    RECORDER = "recorder"
    CAMERA = "camera"
    STREAM = "stream"
    PICTURE = "picture"

    @property
    def rank(self) -> int:
        """Its place, 0 for the highest."""
        return list(Layer).index(self)


class Cause(StrEnum):
    """Why a path is not up."""

    NONE = ""
    HOST_UNREACHABLE = "host unreachable"
    RELAY_STOPPED = "relay stopped"
    FIREWALL = "firewall"
    FOREIGN_FIREWALL = "foreign firewall"
    TUNNEL_DOWN = "tunnel down"
    PACKETS_TOO_LARGE = "packets too large"
    SITE_NETWORK_DOWN = "site network down"
    NOT_FORWARDED = "gateway forwards nothing"
    PORT_MAP_MISSING = "port map missing"
    PORT_MAP_OR_CAMERA = "port map or camera"
    CAMERA_REFUSES = "camera refuses"
    CAMERA_UNPLUGGED = "camera unplugged"
    CAMERA_SHUT = "camera firewall"
    CAMERA_HUNG = "camera hung"
    WRONG_ANSWER = "wrong answer"
    WRONG_PASSWORD = "wrong password"  # noqa: S105 (the words of a verdict)
    NO_SUCH_STREAM = "no such stream"
    SILENT = "silent"
    PICTURE_DIFFERS = "picture differs"
    SENDS_SOUND = "sends sound"
    REDIRECTED = "camera redirects"
    CENTRE_CANNOT_READ = "centre cannot read"
    DRIFT = "drift"
    HELD = "held"
    NOT_CHECKED = "not checked"
    CANNOT_CHECK = "cannot check"
    DISK_FULL = "disk full"
    CLOCK_OFF = "clock off"
    UNKNOWN = "unknown"


IMPERFECT = frozenset({Cause.PICTURE_DIFFERS, Cause.SENDS_SOUND})
"""A picture comes, and it is not what was agreed."""


@dataclass(frozen=True, slots=True)
class PathVerdict:
    """What is said of one path.

    Attributes:
        level: the highest level passed with all lower ones of `verify.levels` passed; 0 is none. The first one
            is about the host, so that a good picture over a drifted host has level 0, is `degraded`, and shows
            in `passed` how far it really came.
        passed: every level that passed.
        object: what is broken, with `layer`; empty when up.
        detail: the evidence in words.
        checked_at: when evidence was gathered; None where there is none.
    """

    path: str
    carrier: str
    province: str
    facility: str
    camera: str
    relay: str
    verdict: Verdict
    level: int
    cause: Cause
    checked_at: datetime | None
    passed: tuple[int, ...] = ()
    layer: Layer | None = None
    object: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that is broken, and the paths that suffer from it."""

    layer: Layer
    object: str
    cause: Cause
    paths: tuple[str, ...]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HostReport:
    """One host: whether it answered, its drift, and its condition.

    Attributes:
        outcome: `answered`, `unreachable` or `failed`.
        drift: what differs from the desired state; None where that could not be read.
        findings: what is wrong with the host itself, which degrades no path.
        held: the facilities that are held and of which it has something.
    """

    host: str
    outcome: str
    error: str
    drift: tuple[Change, ...] | None
    held: tuple[str, ...] = ()
    findings: tuple[HostFault, ...] = ()


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What came of a verification.

    Attributes:
        engine: what serves the paths, as it names itself; the lab's stand-in is never called MediaMTX.
        held: of what was chosen, the facilities with errors of their own: what is live of them was not checked.
    """

    engine: str
    started_at: datetime
    finished_at: datetime
    paths: tuple[PathVerdict, ...]
    incidents: tuple[Incident, ...]
    hosts: tuple[HostReport, ...] = ()
    held: tuple[HeldFacility, ...] = ()

    @property
    def all_up(self) -> bool:
        """Whether there are paths and every one of them is up."""
        return bool(self.paths) and all(p.verdict is Verdict.UP for p in self.paths)


# From the mildest: each fails together with those after it. What was not checked may be down.
_FAILURES = (Verdict.DEGRADED, Verdict.UNKNOWN, Verdict.QUARANTINED, Verdict.DOWN)


def exit_code(result: VerifyResult, fail_on: Verdict = Verdict.DEGRADED) -> int:
    """The exit code: 1 if a path is as bad as `fail_on` or worse, or if there is no path at all, else 0."""
    bad = _FAILURES[_FAILURES.index(fail_on) :]
    return int(not result.paths or any(path.verdict in bad for path in result.paths))


COUNTED = (
    Verdict.UP,
    Verdict.DEGRADED,
    Verdict.DOWN,
    Verdict.UNKNOWN,
    Verdict.MAINTENANCE,
    Verdict.QUARANTINED,
)
"""The verdicts in the order in which documents count them."""


def summary_of(paths: Iterable[PathVerdict]) -> dict[str, int]:
    """Count paths by verdict."""
    counts = Counter(p.verdict for p in paths)
    return {"paths": counts.total(), **{v.value: counts[v] for v in COUNTED}}
