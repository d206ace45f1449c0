"""The states of one host's change, and their transitions. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """The wait of a host's change: for an answer, or for other hosts."""

    START = "start"
    LOOK = "gate"
    CONFIRM = "confirm"
    ABORT = "abort"
    STATUS = "status"
    WAITING = "waiting"
    HELD = "held"
    START_BACK = "start, returning"
    STATUS_BACK = "status, returning"
    END = "end"

    @property
    def step(self) -> str:
        """The journal's name of the step."""
        return _STEPS.get(self, self.value)


_STEPS: Final = {State.WAITING: "start", State.HELD: "gate", State.START_BACK: "start", State.STATUS_BACK: "status"}


class Event(StrEnum):
    """A host's answer, its consequence, or other hosts' progress."""

    STALE = "stale"
    LOCKED = "locked"
    OURS = "locked by this run"
    REFUSED = "refused"
    UNSENT = "nothing was sent"
    ARMED = "armed"
    NOT_STARTED = "not-started"
    ABSENT = "not begun before"
    BUSY = "busy"
    HUNG = "busy too long"
    APPLIED = "applied"
    ROLLED_BACK = "rolled-back"
    ROLLBACK_FAILED = "rollback-failed"
    SILENT = "no answer"
    ODD = "not understood"
    UNKNOWN = "unknown"
    PASSED = "gate passed"
    FAILED = "gate failed"
    HOLD = "earlier waves go on"
    FREE = "earlier waves confirmed"
    RENEW = "switch to be renewed"
    TAKEN_BACK = "earlier wave failed"
    WITHDRAWN = "withdrawn"


_S, _E = State, Event
_REFUSED = (_E.STALE, _E.LOCKED, _E.REFUSED, _E.UNSENT)


def _call_transitions(unheard: State, *ends: Event) -> dict[Event, State]:
    ends = (*ends, _E.ROLLED_BACK, _E.ROLLBACK_FAILED, _E.UNKNOWN)
    return {_E.SILENT: unheard, _E.ODD: unheard} | dict.fromkeys(ends, _S.END)


#: Next state by state and event; `RULES` refuse all others.
TABLE: Final[Mapping[State, Mapping[Event, State]]] = {
    _S.START: _call_transitions(_S.STATUS, *_REFUSED, _E.WITHDRAWN)
    | {_E.ARMED: _S.LOOK, _E.OURS: _S.STATUS, _E.HOLD: _S.WAITING, _E.TAKEN_BACK: _S.START_BACK},
    _S.LOOK: _call_transitions(_S.STATUS, _E.APPLIED)
    | {_E.ARMED: _S.LOOK, _E.PASSED: _S.CONFIRM, _E.FAILED: _S.ABORT, _E.TAKEN_BACK: _S.ABORT},
    _S.CONFIRM: _call_transitions(_S.STATUS, _E.APPLIED) | {_E.HOLD: _S.HELD, _E.TAKEN_BACK: _S.ABORT},
    _S.ABORT: _call_transitions(_S.STATUS_BACK, _E.APPLIED),
    _S.STATUS: _call_transitions(_S.STATUS, _E.APPLIED, _E.NOT_STARTED, _E.REFUSED, _E.HUNG)
    | {_E.ARMED: _S.LOOK, _E.BUSY: _S.STATUS, _E.ABSENT: _S.START, _E.TAKEN_BACK: _S.STATUS_BACK},
    _S.WAITING: {_E.FREE: _S.START, _E.WITHDRAWN: _S.END, _E.UNKNOWN: _S.END},
    _S.HELD: {_E.FREE: _S.CONFIRM, _E.RENEW: _S.LOOK, _E.TAKEN_BACK: _S.ABORT, _E.UNKNOWN: _S.END},
    _S.START_BACK: _call_transitions(_S.STATUS_BACK, *_REFUSED) | {_E.ARMED: _S.ABORT, _E.OURS: _S.STATUS_BACK},
    _S.STATUS_BACK: _call_transitions(_S.STATUS_BACK, _E.APPLIED, _E.NOT_STARTED, _E.REFUSED, _E.HUNG)
    | {_E.ARMED: _S.ABORT, _E.BUSY: _S.STATUS_BACK},
    _S.END: {},
}

_FIRST, _ASKED = {_S.START, _S.START_BACK}, {_S.STATUS, _S.STATUS_BACK}
_CALLS = {*_FIRST, *_ASKED, _S.LOOK, _S.CONFIRM, _S.ABORT}
BACK: Final = frozenset({_S.START_BACK, _S.STATUS_BACK, _S.ABORT, _S.END})  #: States of a rollback or the end.
_OTHERS = {_E.HOLD, _E.FREE, _E.RENEW, _E.TAKEN_BACK, _E.WITHDRAWN}

#: Reasons why events are impossible, each with events and states.
RULES: Final = {
    "no call is under way": (set(Event) - _OTHERS - {_E.UNKNOWN}, set(State) - _CALLS),
    "its end is known": ({_E.UNKNOWN}, {_S.END}),
    "only the first call finds that": ({_E.STALE, _E.LOCKED, _E.OURS, _E.UNSENT}, _CALLS - _FIRST),
    "the first call does not find that": ({_E.BUSY, _E.HUNG, _E.NOT_STARTED, _E.APPLIED}, _FIRST),
    "only who asks for the status hears that": ({_E.BUSY, _E.HUNG}, _CALLS - _FIRST - _ASKED),
    "a run that was not begun is begun only if it goes on": ({_E.ABSENT}, _CALLS - {_S.STATUS}),
    "what has waited was changed": ({_E.REFUSED, _E.NOT_STARTED}, {_S.LOOK, _S.CONFIRM, _S.ABORT}),
    "it was told to wait no longer": ({_E.ARMED}, {_S.CONFIRM, _S.ABORT}),
    "only a look is decided on": ({_E.PASSED, _E.FAILED}, _CALLS - {_S.LOOK}),
    "it does not wait for others": ({_E.FREE}, set(State) - {_S.WAITING, _S.HELD}),
    "its switch is renewed by its own looks": ({_E.RENEW}, set(State) - {_S.HELD}),
    "it waits before it is started or confirmed alone": ({_E.HOLD}, set(State) - {_S.START, _S.CONFIRM}),
    "it was not started": ({_E.TAKEN_BACK}, {_S.WAITING}),
    "it returns already": ({_E.TAKEN_BACK}, BACK),
    "its first call was sent": ({_E.WITHDRAWN}, set(State) - {_S.START, _S.WAITING}),
}


def next_state(state: State, event: Event) -> State:
    """Return the state after an event, or raise `ValueError`."""
    if event in TABLE[state]:
        return TABLE[state][event]
    names = [name for name, (events, states) in RULES.items() if event in events and state in states]
    raise ValueError(f"{event} in {state}: {', '.join(names)}")
