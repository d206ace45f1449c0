"""Changes of chosen hosts that `--limit` does not name. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.desired.limit import Limit
from provisioner.plan.changes import Change, Resource


def outside_of(limit: Limit, pending: Iterable[Change]) -> tuple[Change, ...]:
    """The changes of chosen hosts that a limit by province or facility does not name.

    What is about no facility (files, units, the rest of the table) goes with the host.
    """
    if not limit.by_site:
        return ()
    return tuple(change for change in pending if not _takes_change(limit, change))


def _takes_change(limit: Limit, change: Change) -> bool:
    if not change.facility and change.resource not in {Resource.PATH, Resource.PEER}:
        return True
    return limit.takes({"province": (change.province,), "facility": (change.facility,)})
