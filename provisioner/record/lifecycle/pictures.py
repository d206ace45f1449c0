"""Whether a facility's pictures come now, and since when they do not. Pure.

That it was connected once is no word on today. Now is what the last verification that looked at it saw, and no more
than `STALE_HOURS` ago: what nobody looked at is unknown, and never up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from provisioner.inventory.outline import Outline
from provisioner.record.lifecycle.evidence import Evidence, LastCheck, Shown, Verification
from provisioner.record.lifecycle.state import ConnectionProgress

STALE_HOURS = 24
"""What was seen longer ago says nothing of now: all is verified every night, so that older proof has missed a night."""

STALE = timedelta(hours=STALE_HOURS)
AHEAD = timedelta(minutes=15)
"""A verification that ended so much later than the report is of a machine whose clock is wrong: nobody knows when it
was, and it would stay the latest one however often others look after it."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """A facility's pictures at the moment of a report.

    `up`, `down` and `unknown` add up to `cameras` where hosts carry it, and are 0 elsewhere: nobody pulls its cameras.

    Attributes:
        cameras: the cameras in its file.
        carried: whether hosts carry it.
        look: the verification that says how it is now; None where none does.
        last_proved: when all pulled paths of what was then its content were last up at level 7.
        down_since: the first verification since then in which not all that it looked at was up; None while it is up,
            and where it was never proved.
    """

    cameras: int
    carried: bool
    look: LastCheck | None
    last_proved: Shown | None
    down_since: Shown | None

    @property
    def up(self) -> int:
        """How many cameras are up now."""
        return min(self.look.proved, self.cameras) if self.look else 0

    @property
    def down(self) -> int:
        """How many cameras were looked at and are not up now."""
        return min(self.look.checked, self.cameras) - self.up if self.look else 0

    @property
    def unknown(self) -> int:
        """How many cameras nobody looked at."""
        return self.cameras - self.up - self.down if self.carried else 0

    @property
    def is_up(self) -> bool | None:
        """Whether all are up now; None where nobody knows, or hosts do not carry it."""
        if self.look is None or (self.unknown and not self.down):
            return None
        return self.up == self.cameras


@dataclass(frozen=True)
class Freshness:
    """How old the proof is that a report stands on.

    Attributes:
        verified: the latest verification, whatever it looked at.
        now: the moment of the report.
        carried: how many of the report's facilities hosts carry.
        unseen: how many of those nobody knows how they are now.
    """

    verified: Verification | None
    now: datetime
    carried: int
    unseen: int

    @property
    def age(self) -> timedelta | None:
        """How long ago the latest verification ended; None where there was none."""
        return self.now - self.verified.shown.at if self.verified else None

    @property
    def is_ahead(self) -> bool:
        """Whether the latest verification ended later than the report, by its own clock."""
        return self.age is not None and self.age < -AHEAD

    @property
    def is_stale(self) -> bool:
        """Whether the latest verification says nothing of now."""
        return self.age is None or self.age > STALE


def freshness(evidence: Evidence, now: datetime, pictures: Iterable[Pictures]) -> Freshness:
    """How old the proof is of some facilities."""
    carried = [one for one in pictures if one.carried]
    return Freshness(evidence.verified, now, len(carried), sum(one.is_up is None for one in carried))


def pictures_of(facility: Outline, evidence: Evidence, now: datetime) -> Pictures:
    """A facility's pictures: over its plan's relay, or over its successor's where more come over that."""
    plans, proofs = facility.carried_plans, [proof.last for proof in evidence.proofs_of(facility.id)]
    if not proofs and facility.id not in evidence.checks:
        return Pictures(facility.cameras, bool(plans), None, None, None)
    progresses = [ConnectionProgress(facility, plan, evidence) for plan in plans]
    last = {one.content: one.last_check for one in progresses}
    looks = [check for check in last.values() if check and _is_of_now(check, evidence, now)]
    return Pictures(
        cameras=facility.cameras,
        carried=bool(progresses),
        look=max(looks, key=lambda check: (check.proved, check.shown), default=None),
        last_proved=max(proofs, default=None),
        down_since=_down_since(facility.id, last, evidence, max(proofs)) if progresses and proofs else None,
    )


def _is_of_now(check: LastCheck, evidence: Evidence, now: datetime) -> bool:
    """Tell whether a check is young, of no clock that is ahead, and not before a later verification of all.

    One that came back without a word on the facility leaves nothing known of it.
    """
    of_all = evidence.looked_at_all
    superseded = of_all is not None and check.shown.at < of_all.began
    return -AHEAD <= now - check.shown.at <= STALE and not superseded


def _down_since(
    facility: str, last: Mapping[tuple[str, str], LastCheck | None], evidence: Evidence, proved: Shown
) -> Shown | None:
    """Since when not all is up: an edit of a file that is down does not make the outage a new one, nor end it."""
    declined = [evidence.declined.get(content) for content, check in last.items() if check]
    since = [shown for shown in declined if shown]
    if len(since) < len(declined):
        return None
    # What is as it was before another content was proved declined before that, and is down all the same.
    return min((shown for shown in evidence.declines_of(facility) if shown > proved), default=max(since, default=None))
