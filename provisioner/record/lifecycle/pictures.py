"""Whether a facility's pictures come now, and since when not. Pure.

An earlier connection proves nothing today. Only the last verification within `STALE_HOURS` counts; an unchecked camera
is unknown, never up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from provisioner.inventory.outline import Outline
from provisioner.record.lifecycle.evidence import Evidence, LastCheck, ProvedAt, Verification
from provisioner.record.lifecycle.state import ConnectionProgress

STALE_HOURS = 24
"""Older evidence says nothing of now: everything is verified every night, so older proof has missed a night."""

STALE = timedelta(hours=STALE_HOURS)
AHEAD = timedelta(minutes=15)
"""A verification that ended so much later than the report comes from a wrong clock. It has no known time, and would
stay the latest one for long.
"""


@dataclass(frozen=True, slots=True)
class Pictures:
    """A facility's pictures at the time of a report.

    `up`, `down` and `unknown` add up to `cameras` if hosts carry the facility, and are 0 otherwise.

    Attributes:
        look: the verification that counts now, if any.
        last_proved: the last time that all pulled paths were up at level 7.
        down_since: the first later verification with a checked path not up; `None` if up or never proved.
    """

    cameras: int
    carried: bool
    look: LastCheck | None
    last_proved: ProvedAt | None
    down_since: ProvedAt | None

    @property
    def up(self) -> int:
        """The number of cameras up now."""
        return min(self.look.proved, self.cameras) if self.look else 0

    @property
    def down(self) -> int:
        """The number of checked cameras not up now."""
        return min(self.look.checked, self.cameras) - self.up if self.look else 0

    @property
    def unknown(self) -> int:
        """The number of unchecked cameras."""
        return self.cameras - self.up - self.down if self.carried else 0

    @property
    def is_up(self) -> bool | None:
        """Return whether all are up; `None` if unknown or not carried."""
        if self.look is None or (self.unknown and not self.down):
            return None
        return self.up == self.cameras


@dataclass(frozen=True)
class Freshness:
    """The age of a report's evidence.

    `carried` is the number of its facilities that hosts carry, `unseen` those with an unknown state.
    """

    verified: Verification | None
    now: datetime
    carried: int
    unseen: int

    @property
    def age(self) -> timedelta | None:
        """The time since the latest verification ended, if any."""
        return self.now - self.verified.shown.at if self.verified else None

    @property
    def is_ahead(self) -> bool:
        """Return whether the latest verification ended after the report, by its clock."""
        return self.age is not None and self.age < -AHEAD

    @property
    def is_stale(self) -> bool:
        """Return whether the latest verification is too old."""
        return self.age is None or self.age > STALE


def freshness(evidence: Evidence, now: datetime, pictures: Iterable[Pictures]) -> Freshness:
    """Return the age of the evidence about some facilities."""
    carried = [site for site in pictures if site.carried]
    return Freshness(evidence.verified, now, len(carried), sum(site.is_up is None for site in carried))


def pictures_of(facility: Outline, evidence: Evidence, now: datetime) -> Pictures:
    """Return a facility's pictures, over its relay with more cameras up."""
    plans, proofs = facility.carried_plans, [proof.last for proof in evidence.proofs_of(facility.id)]
    if not proofs and facility.id not in evidence.checks:
        return Pictures(facility.cameras, bool(plans), None, None, None)
    progresses = [ConnectionProgress(facility, plan, evidence) for plan in plans]
    last = {progress.content: progress.last_check for progress in progresses}
    looks = [check for check in last.values() if check and _is_of_now(check, evidence, now)]
    return Pictures(
        cameras=facility.cameras,
        carried=bool(progresses),
        look=max(looks, key=lambda check: (check.proved, check.shown), default=None),
        last_proved=max(proofs, default=None),
        down_since=_down_since(facility.id, last, evidence, max(proofs)) if progresses and proofs else None,
    )


def _is_of_now(check: LastCheck, evidence: Evidence, now: datetime) -> bool:
    """Return whether a check is young, plausible and not superseded."""
    of_all = evidence.looked_at_all
    superseded = of_all is not None and check.shown.at < of_all.began
    return -AHEAD <= now - check.shown.at <= STALE and not superseded


def _down_since(
    facility: str, last: Mapping[tuple[str, str], LastCheck | None], evidence: Evidence, proved: ProvedAt
) -> ProvedAt | None:
    """Return an outage's start, which edits of the file do not change."""
    declined = [evidence.declined.get(content) for content, check in last.items() if check]
    since = [decline for decline in declined if decline]
    if len(since) < len(declined):
        return None
    # A content that was signed again may have declined before another one was proved; it still counts as down.
    return min(
        (decline for decline in evidence.declines_of(facility) if decline > proved), default=max(since, default=None)
    )
