"""How long a run usually takes: what the last ones of its kind took that were recorded here."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from statistics import median
from typing import Final

from provisioner.base.errors import ProvisionerError
from provisioner.history.place import state_place_of
from provisioner.history.records import Operation, Recorded
from provisioner.history.store import find_history
from provisioner.pipeline.session import Session

_LOOKED_THROUGH: Final = 50
_COUNTED: Final = 5


@dataclass(frozen=True, slots=True)
class UsualTime:
    """What earlier runs took.

    Attributes:
        seconds: the one in the middle.
        runs: how many runs that rests on.
    """

    seconds: float
    runs: int


def usual_time(
    earlier: Iterable[Recorded], operation: Operation, *, limit: tuple[str, ...] = (), hosts: tuple[str, ...] = ()
) -> UsualTime | None:
    """What the newest runs took that were of the same kind, with the same limit and on the same hosts; None of none.

    Args:
        earlier: runs, the newest first.
        operation: of which kind.
        limit: as it is recorded of such a run.
        hosts: ids, in any order; of a verification none is recorded.
    """
    same = (
        (one.finished - one.run.started).total_seconds()
        for one in earlier
        if one.finished is not None
        and one.run.operation is operation
        and set(one.run.limit) == set(limit)
        and set(one.hosts) == set(hosts)
    )
    seconds = [took for took in same if took > 0][:_COUNTED]
    return UsualTime(median(seconds), len(seconds)) if seconds else None


def expect_usual_time(
    session: Session, operation: Operation, *, limit: tuple[str, ...] = (), hosts: tuple[str, ...] = ()
) -> None:
    """Tell whoever watches a session how long the run that begins now usually takes, where that is known.

    A record that cannot be read is no reason to stop here: what has to read it says so.
    """
    if session.watcher is None:
        return
    try:
        history = find_history(state_place_of(session.environment, session.inventory.settings.id))
        if history is None:
            return
        with closing(history):
            usual = usual_time(history.past(_LOOKED_THROUGH).runs, operation, limit=limit, hosts=hosts)
    except ProvisionerError:
        return
    if usual is not None:
        session.watcher.expect(usual.seconds, usual.runs)
