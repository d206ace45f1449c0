"""Rules on maintenance windows: they end, name what is there, and are no way to be quiet for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import combinations
from typing import Final

from provisioner.base.clock import local_time, start_of
from provisioner.base.diagnostics import Problem, Severity
from provisioner.inventory.model import MaintenanceWindow
from provisioner.inventory.rules.view import View

LONGEST: Final = timedelta(days=7)
"""A longer window is no work that is being done."""

_OWNER = "maintenance"


def windows_have_an_end(view: View) -> Iterator[Problem]:
    """A window ends after it begins."""
    for index, window in enumerate(view.inventory.maintenance):
        if window.until <= window.begin:
            message = f"{_named(index)} ends at {local_time(window.until)}, which is not after its beginning"
            path = ("windows", index, "until")
            yield view.problem(_OWNER, path, "maintenance-in-disorder", message, "correct one of the two moments")


def windows_are_about_something(view: View) -> Iterator[Problem]:
    """A window names facilities, hosts or carriers, or all there is: a slip of the pen is not a whole country."""
    for index, window in enumerate(view.inventory.maintenance):
        if not window.names and not window.everything:
            message = f"{_named(index)} names nothing, so that it is about nothing"
            hint = "write facilities, hosts or carriers with their ids, or `everything: true`"
            yield view.problem(_OWNER, ("windows", index), "maintenance-of-nothing", message, hint)


def windows_name_what_is_there(view: View) -> Iterator[Problem]:
    """What a window names exists: with a misspelt name the work would raise alarms.

    No more than a warning: a facility or a host that leaves the inventory is not held up by work that was announced.
    """
    for index, window in enumerate(view.inventory.maintenance):
        if window.is_over(start_of(view.today)):
            continue
        for kind in ("facilities", "hosts", "carriers"):
            for place, name in enumerate(getattr(window, kind)):
                if not _is_there(view, kind, name):
                    message = f"{_named(index)}: {_SINGULAR[kind]} {name} does not exist"
                    path = ("windows", index, kind, place)
                    hint = "correct the id, or leave it out"
                    code = "maintenance-name-unknown"
                    yield view.problem(_OWNER, path, code, message, hint, severity=Severity.WARNING)


_SINGULAR = {"facilities": "facility", "hosts": "host", "carriers": "carrier"}


def _is_there(view: View, kind: str, name: str) -> bool:
    inventory = view.inventory
    if kind == "facilities":
        return name in view.outlines or f"facility/{name}" in view.broken
    if kind == "carriers":
        return name in inventory.carriers or f"carrier/{name}" in view.broken
    # A relay may be in any carrier's file.
    unread = any(owner.startswith("carrier/") for owner in view.broken)
    return name in inventory.relays or name in inventory.centres or f"centre/{name}" in view.broken or unread


def windows_are_short(view: View) -> Iterator[Problem]:
    """Who is in maintenance for weeks is out of order."""
    for index, window in enumerate(view.inventory.maintenance):
        if window.until - window.begin > LONGEST and not window.is_over(start_of(view.today)):
            message = f"{_named(index)} is longer than {LONGEST.days} days: its paths raise no alarm for all that time"
            hint = "announce the days on which somebody works; suspend or close a facility that is out of service"
            path = ("windows", index, "until")
            yield view.problem(_OWNER, path, "maintenance-too-long", message, hint, severity=Severity.WARNING)


def windows_are_removed(view: View) -> Iterator[Problem]:
    """A window that is over says nothing any more."""
    for index, window in enumerate(view.inventory.maintenance):
        if window.begin < window.until and window.is_over(start_of(view.today)):
            message = f"{_named(index)} was over at {local_time(window.until)}"
            path, hint = ("windows", index, "until"), "remove the entry; Git remembers it"
            yield view.problem(_OWNER, path, "maintenance-over", message, hint, severity=Severity.WARNING)


def windows_do_not_overlap(view: View) -> Iterator[Problem]:
    """Two windows over one thing at one time: one of the two was meant otherwise."""
    for (first, one), (second, other) in combinations(enumerate(view.inventory.maintenance), 2):
        if one.begin < other.until and other.begin < one.until and (shared := _shared(one, other)):
            message = f"{_named(second)} overlaps with number {first + 1} over {shared}"
            hint = "make one window of the two, or correct their moments"
            path = ("windows", second, "from")
            yield view.problem(_OWNER, path, "maintenance-overlaps", message, hint, severity=Severity.WARNING)


def _shared(one: MaintenanceWindow, other: MaintenanceWindow) -> str:
    if one.everything and other.everything:
        return "everything"
    return ", ".join(name for _, name in sorted(one.names & other.names))


def _named(index: int) -> str:
    return f"window number {index + 1}"


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    windows_have_an_end,
    windows_are_about_something,
    windows_name_what_is_there,
    windows_are_short,
    windows_are_removed,
    windows_do_not_overlap,
)
