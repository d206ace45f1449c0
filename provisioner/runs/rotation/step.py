"""The steps of a change of keys that change relays: what keeps their plan from being applied."""

from __future__ import annotations

from collections.abc import Callable

from provisioner.base.errors import HostError, PolicyError
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import Planned
from provisioner.plan.changes import Change, Impact
from provisioner.plan.guards.measures import named

Sessions = Callable[[], Session]
"""A new session: what was read of the inventory before an edit does not count after it."""


def refusal_of(planned: Planned, relay: str, *, spare: Callable[[Change], bool] = lambda _: False) -> None:
    """Refuse to apply a host as a step of a change of keys.

    Args:
        planned: a plan of it.
        relay: the host.
        spare: which changes may cut somebody.

    Raises:
        HostError: it cannot be read.
        PolicyError: it is somebody else's, its plan is refused, or it would cut somebody: a change of keys cuts nobody.
    """
    planned.refuse_foreign()
    if relay in planned.unreadable:
        error = planned.unreadable[relay]
        raise HostError(error.message, hint=error.hint, object=relay)
    if planned.plan.refused:
        first = planned.plan.refused[0]
        raise PolicyError(first.message, hint=first.hint, object=first.host or relay)
    cutting = [c for c in planned.plan.pending if c.impact.rank >= Impact.PATH.rank and not spare(c)]
    if cutting:
        names = sorted({f"{c.resource.value} {c.name}" for c in cutting})
        message = f"other changes of it would cut readers: {named(names)}; look at them, and apply them first"
        raise PolicyError(message, hint=f"provisioner plan --limit host={relay} --details", object=relay)
