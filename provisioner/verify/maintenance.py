"""Maintenance windows over paths: what is announced is measured and shown, and raises no alarm. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from provisioner.verify.result import InMaintenance, PathVerdict, Verdict
from provisioner.verify.wanted import PathToCheck


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which work was announced, and what it is about.

    Attributes:
        begin: its first moment.
        until: the first moment after it.
        everything: whether it is about all there is.
    """

    begin: datetime
    until: datetime
    reason: str
    facilities: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    carriers: frozenset[str] = frozenset()
    everything: bool = False

    def holds(self, moment: datetime) -> bool:
        """Whether a moment is inside."""
        return self.begin <= moment < self.until

    def is_about(self, target: PathToCheck) -> bool:
        """Whether a path is in it: by its facility, by a host that it goes over, or by its carrier."""
        over = {target.relay.id, *(centre.id for centre in target.centres), *(centre.id for centre in target.shut)}
        named = target.path.facility in self.facilities or target.carrier in self.carriers
        return self.everything or named or not over.isdisjoint(self.hosts)


def window_over(target: PathToCheck, windows: Sequence[Window], moment: datetime) -> Window | None:
    """The window that a path is in at a moment, the one that ends last where there are several."""
    around = (window for window in windows if window.holds(moment) and window.is_about(target))
    return max(around, key=lambda window: window.until, default=None)


def in_window(verdict: PathVerdict, window: Window | None) -> PathVerdict:
    """A verdict on a path that is in a window, with what it would be; without one, the verdict itself."""
    if window is None:
        return verdict
    shown = InMaintenance(window.begin, window.until, window.reason, verdict.verdict)
    return replace(verdict, verdict=Verdict.MAINTENANCE, maintenance=shown)
