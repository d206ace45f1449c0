"""What a rule on one facility's file sees: that file, and the day only through questions.

What such a rule finds is kept between runs under the file's bytes, so it must not see anything else. The
day is the exception that keeps the rule: whoever asks whether a day is to come or has passed gets an
answer that holds for a known span of days, and so does what the rule found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from provisioner.base.diagnostics import Problem, Severity
from provisioner.inventory.files.positions import KeyPath, Located
from provisioner.inventory.model import ConnectionPlan, Facility
from provisioner.inventory.outline import Outline, PlanOutline, outline_of


@dataclass(slots=True)
class Days:
    """Answers about the day, and the days on which all of them would be the same.

    Attributes:
        since: the first of those days.
        before: the first day after them.
    """

    _today: date
    since: date = date.min
    before: date = date.max

    def is_to_come(self, day: date) -> bool:
        """Tell whether a day lies in the future."""
        if day > self._today:
            self.before = min(self.before, day)
            return True
        self.since = max(self.since, day)
        return False

    def has_passed(self, day: date) -> bool:
        """Tell whether a day is over."""
        return day < date.max and not self.is_to_come(day + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class SiteView:
    """The argument of every rule on one facility's file.

    Attributes:
        facility: what the file says.
        days: answers about the day.
        source: where the file's values stand; None where there is no file.
        outline: of the facility, where somebody made it: hashes and signatures in it need not be worked out again.
    """

    facility: Facility
    days: Days
    source: Located | None = field(default=None, repr=False)
    outline: Outline | None = field(default=None, repr=False)

    def problem(
        self,
        path: KeyPath,
        code: str,
        message: str,
        hint: str,
        *,
        severity: Severity = Severity.ERROR,
    ) -> Problem:
        """A problem of this facility, with its place and its name in front."""
        owner = f"facility/{self.facility.id}"
        text = f"facility {self.facility.id}: {message}"
        if self.source is None:
            return Problem("", 0, 0, code, text, hint, owner, severity)
        place = self.source.at(path)
        return Problem(place.file, place.line, place.column, code, text, hint, owner, severity)

    def plans(self) -> Iterator[tuple[str, ConnectionPlan]]:
        """The plan and the successor, as far as there are, with their keys in the file."""
        if self.facility.plan:
            yield "plan", self.facility.plan
        if self.facility.successor:
            yield "successor", self.facility.successor

    def signed(self, key: str) -> PlanOutline:
        """What a plan's sign-offs are over, and what they prove; `key` is the plan's in the file, which has it."""
        outline = self.outline or outline_of(self.facility)
        plan = outline.plan if key == "plan" else outline.successor
        if plan is None:
            raise ValueError(f"there is no {key}")
        return plan


SiteRule = Callable[[SiteView], Iterator[Problem]]
