"""What is kept of a verification for years: of each path its verdict, cause and level. Pure."""

from __future__ import annotations

from typing import Final

from provisioner.availability.kept import KeptVerdict, SweptPaths
from provisioner.verify.result import Cause, PathVerdict, VerifyResult

_WORTH: Final = ("quarantined", "down", "unknown", "degraded", "up")
"""Of two looks at one path the later word here counts: where one saw nothing come, what nobody knows may have."""


def swept_paths(result: VerifyResult, *, whole: bool) -> SweptPaths:
    """What a verification saw of each path; of those that it did not get to it says nothing.

    Args:
        result: what it found.
        whole: whether no limit, sample or level left anything out.
    """
    looks = sorted((path for path in result.paths if _is_look(path)), key=_worth)
    # A path that two relays have is as good as the better of them: its readers have that one.
    verdicts = {path.path: _kept(path) for path in looks}
    return SweptPaths(verdicts, {path.path: path.carrier for path in result.paths}, whole)


def _is_look(path: PathVerdict) -> bool:
    """Whether the run can say anything: what nobody asked for, or had no time for, leaves the last look standing."""
    is_left_out = path.cause is Cause.NOT_CHECKED and path.checked_at is None
    return path.cause is not Cause.NOT_ASKED and not is_left_out


def _worth(path: PathVerdict) -> tuple[str, int, int]:
    return path.path, _WORTH.index(path.without_window.value), path.level


def _kept(path: PathVerdict) -> KeptVerdict:
    return KeptVerdict(path.without_window.value, path.cause.value, path.level, path.maintenance is not None)
