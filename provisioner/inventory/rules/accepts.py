"""Rules on settings under change: either is taken for a while, and the while has an end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from provisioner.base.diagnostics import Problem, Severity
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.rules.site_view import SiteRule, SiteView

LONGEST: Final = timedelta(days=92)
"""Who takes either for longer than a quarter agreed to neither."""


def changes_are_finished(site: SiteView) -> Iterator[Problem]:
    """Once its day is over, the new setting is the only one, and nothing says what the old one was."""
    for path, device, what, until in _changes(site):
        if site.days.has_passed(until):
            message = f"the old {what} of {device} was taken until {until}: only the new one counts now"
            hint = f"finish the change: provisioner camera accept {site.facility.id}/{device} --finish"
            yield site.problem((*path, "until"), "accept-over", message, hint, severity=Severity.WARNING)


def changes_are_short(site: SiteView) -> Iterator[Problem]:
    """A day that is far away is a slip of the pen, or no change."""
    for path, device, what, until in _changes(site):
        if until > date.max - LONGEST or site.days.is_to_come(until - LONGEST):
            message = f"either {what} of {device} is taken until {until}, for longer than {LONGEST.days} days"
            hint = f"name an earlier day: provisioner camera accept {site.facility.id}/{device} --until DATE"
            yield site.problem((*path, "until"), "accept-too-long", message, hint, severity=Severity.WARNING)


def _changes(site: SiteView) -> Iterator[tuple[KeyPath, str, str, date]]:
    """Each setting under change: its place, the device, what it is, and the last day on which either is taken."""
    for index, recorder in enumerate(site.facility.recorders):
        if recorder.accept is not None:
            yield ("recorders", index, "accept"), recorder.id, "login", recorder.accept.until
    for index, camera in enumerate(site.facility.cameras):
        if camera.accept is not None:
            yield ("cameras", index, "accept"), camera.id, "login", camera.accept.until
        for name, stream in camera.streams.named:
            if stream.accept is not None:
                path: KeyPath = ("cameras", index, "streams", name.value, "accept")
                yield path, camera.id, "picture", stream.accept.until


RULES: tuple[SiteRule, ...] = (changes_are_finished, changes_are_short)
