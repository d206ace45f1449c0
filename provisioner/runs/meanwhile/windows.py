"""Hosts that a run changes at the moment, by the journals of runs: while it lasts what is cut is in maintenance.

A journal counts by the vault's key alone, so that nobody who can write to the record makes outages look announced; and
a host for as long as its run may still be alive: a controller that was killed leaves no window open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime, timedelta

from provisioner.base.errors import StateError
from provisioner.history.event_log import Event, EventLog
from provisioner.history.place import StatePlace
from provisioner.history.records import Recorded, canonical, digest
from provisioner.history.rows import DAMAGE
from provisioner.history.seal import SealVerdict
from provisioner.history.store import History, find_history
from provisioner.pipeline.session import Session
from provisioner.runs.intent import Intent, intent_of
from provisioner.runs.journal import state_place
from provisioner.runs.meanwhile import words
from provisioner.runs.unfinished import SILENT
from provisioner.verify.maintenance import Window


def changes_since(session: Session, since: datetime) -> tuple[Window, ...]:
    """A window over what each change of a host cuts, of hosts that change now or did so since a moment.

    Where the record cannot be read there is none: then an outage is one.

    Args:
        session: the session; its vault is opened.
        since: the moment.
    """
    place = state_place(session)
    try:
        history = find_history(place)
        if history is None:
            return ()
        with closing(history), closing(EventLog(place, create=False)) as log:
            return tuple(window for one in history.changing(since) for window in _of_run(place, history, log, one))
    except StateError:
        return ()


def _of_run(place: StatePlace, history: History, log: EventLog, recorded: Recorded) -> Iterator[Window]:
    try:
        events = log.proved(recorded.run.id)
    except StateError:
        return
    begun = next((event for event in events if event.step == "run" and event.state == "begin"), None)
    if begun is None or not _is_genuine(place, history, recorded, begun):
        return
    try:
        yield from windows_of_run(recorded.run.id, intent_of(begun.detail), events)
    except DAMAGE:
        return


def _is_genuine(place: StatePlace, history: History, recorded: Recorded, begun: Event) -> bool:
    """Whether the run was begun with this intent by who has the vault's key."""
    head = history.head_of(recorded.run.id)
    if head is None or digest(canonical(dict(begun.detail))) != recorded.intent:
        return False
    return place.keys.judge_seal(head.seal, head.message(place.inventory)) is SealVerdict.GENUINE


def windows_of_run(run: str, intent: Intent, events: Iterable[Event]) -> Iterator[Window]:
    """The windows of a run: of each host from its first step until it is through, or until the run may be dead.

    Args:
        run: its id.
        intent: what it is about to do.
        events: its steps, in their order.
    """
    began: dict[str, datetime] = {}
    heard: datetime | None = None
    for event in events:
        heard = event.at
        if event.host in intent.cuts and event.step in {"start", "status"} and event.state == "begin":
            began.setdefault(event.host, event.at)
        elif event.step == "end" and event.host in began:
            yield _window(run, intent, event.host, began.pop(event.host), event.at)
        elif event.step == "run" and event.state != "resumed":
            # It pauses, was interrupted or is over: no host of it is on its way.
            yield from (_window(run, intent, host, begin, event.at) for host, begin in began.items())
            began.clear()
    if heard is not None:
        yield from (_window(run, intent, host, begin, heard + SILENT) for host, begin in began.items())


def _window(run: str, intent: Intent, host: str, begin: datetime, until: datetime) -> Window:
    cut = intent.cuts[host]
    least = begin + timedelta(microseconds=1)
    return Window(begin, max(until, least), words.changing(run, host), cut=cut)
