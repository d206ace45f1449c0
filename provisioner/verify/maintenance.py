"""Maintenance windows over paths: what is announced is measured and shown, and raises no alarm. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from provisioner.plan.cuts import HostCut
from provisioner.verify.result import InMaintenance, PathVerdict, Verdict
from provisioner.verify.wanted import PathToCheck


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which work was announced, and what it is about.

    Attributes:
        begin: its first moment.
        until: the first moment after it.
        everything: whether it is about all there is.
        cut: what a change of a host cuts, where it is one that is under way.
    """

    begin: datetime
    until: datetime
    reason: str
    facilities: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    carriers: frozenset[str] = frozenset()
    everything: bool = False
    cut: HostCut | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether a moment is inside."""
        return self.begin <= moment < self.until

    def is_about(self, target: PathToCheck) -> bool:
        """Whether a path is in it: by its facility, by a host that it goes over, or by its carrier."""
        over = {target.relay.id, *(centre.id for centre in target.centres), *(centre.id for centre in target.shut)}
        named = target.path.facility in self.facilities or target.carrier in self.carriers
        if self.cut is not None and self.cut.host in over and _is_cut(self.cut, target):
            return True
        return self.everything or named or not over.isdisjoint(self.hosts)


def window_over(target: PathToCheck, windows: Sequence[Window], moment: datetime) -> Window | None:
    """The window that a path is in at a moment, the one that ends last where there are several."""
    around = (window for window in windows if window.holds(moment) and window.is_about(target))
    return max(around, key=lambda window: window.until, default=None)


def window_meanwhile(target: PathToCheck, windows: Sequence[Window], begun: datetime, until: datetime) -> Window | None:
    """The window that a path was in at some moment of a time, the one that ends last where there are several."""
    around = (one for one in windows if one.begin <= until and begun < one.until and one.is_about(target))
    return max(around, key=lambda window: window.until, default=None)


def _is_cut(cut: HostCut, target: PathToCheck) -> bool:
    """Whether a host's change cuts a path: on its way to its relay, or from there to a centre."""
    if cut.host == target.relay.id:
        return cut.takes(target.path.facility, target.path.name)
    return cut.takes_reading(target.relay.id)


def in_window(verdict: PathVerdict, window: Window | None) -> PathVerdict:
    """A verdict on a path that is in a window, with what it would be; without one, the verdict itself."""
    if window is None:
        return verdict
    shown = InMaintenance(window.begin, window.until, window.reason, verdict.verdict)
    return replace(verdict, verdict=Verdict.MAINTENANCE, maintenance=shown)
