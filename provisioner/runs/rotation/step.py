"""The steps of a change of keys that change relays: their plan, and what keeps it from being applied."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from provisioner.base.errors import HostError, PolicyError
from provisioner.desired.limit import Limit
from provisioner.pipeline import Planned, Session, make_plan
from provisioner.plan.changes import Impact
from provisioner.plan.guards.measures import named

Sessions = Callable[[], Session]
"""A new session: what was read of the inventory before an edit does not count after it."""


def plan_of_relays(session: Session, relays: Collection[str], allow: Mapping[str, int]) -> Planned:
    """The plan of some relays alone.

    Raises:
        PolicyError: a relay is somebody else's.
    """
    planned = make_plan(session, Limit({"host": frozenset(relays)}), allow=allow)
    planned.refuse_foreign()
    return planned


def refusal_of(planned: Planned, relay: str) -> None:
    """Refuse to apply a relay as a step of a change of keys.

    Raises:
        HostError: it cannot be read.
        PolicyError: its plan is refused, or it would cut somebody: a change of keys cuts nobody.
    """
    if relay in planned.unreadable:
        error = planned.unreadable[relay]
        raise HostError(error.message, hint=error.hint, object=relay)
    if planned.plan.refused:
        first = planned.plan.refused[0]
        raise PolicyError(first.message, hint=first.hint, object=first.host or relay)
    cutting = [c for c in planned.plan.pending if c.impact.rank >= Impact.PATH.rank]
    if cutting:
        names = sorted({f"{c.resource.value} {c.name}" for c in cutting})
        message = f"other changes of it would cut readers: {named(names)}; look at them, and apply them first"
        raise PolicyError(message, hint=f"provisioner plan --limit host={relay} --details", object=relay)
