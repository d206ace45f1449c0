"""Answers that no program of ours gives: good documents in which anything may be missing, other, or too much."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, HostRunner

_DEEP = "a value that is nested deeper than any stack"
_PLAIN: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**400), 2**63, float("inf"), float("nan"), 1e308, "", "\ud800", "\x1b[2J", _DEEP]),
    st.text(max_size=8).filter(lambda text: text not in {"applied", "armed"}),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    _PLAIN,
    lambda below: st.one_of(
        st.lists(below, max_size=3), st.dictionaries(st.sampled_from(["a", "run", "\udfff", ""]), below, max_size=3)
    ),
    max_leaves=5,
)


@dataclass(frozen=True)
class Oddity:
    """One thing that is wrong with a document."""

    at: int  #: Chooses the place, by any number.
    kind: str  #: `other`, `missing`, or `more`.
    value: Any  #: What is there instead, or too.

    def put_in(self, document: Any) -> Any:
        """The document with this in it."""
        places = list(_places(document))
        value = nested(900) if self.value == _DEEP else copy.deepcopy(self.value)
        if not places:
            return value
        owner, key = places[self.at % len(places)]
        if self.kind == "missing":
            del owner[key]
        elif self.kind == "more" and isinstance(owner, dict):
            owner[f"{key}-too"] = value
        else:
            owner[key] = value
        return document


ODDITIES = st.builds(Oddity, st.integers(0, 10**6), st.sampled_from(["other", "other", "missing", "more"]), VALUES)


def _places(document: Any) -> Any:
    """Every place in a document, as what holds it and the key there."""
    waiting = [document]
    while waiting:
        owner = waiting.pop()
        keys = list(owner) if isinstance(owner, dict) else range(len(owner)) if isinstance(owner, list) else ()
        for key in keys:
            yield owner, key
            waiting.append(owner[key])


def nested(depth: int) -> list[Any]:
    """A list in a list in a list."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def odd_document(document: Any, oddities: Sequence[Oddity]) -> Any:
    """A copy of a document with all of these in it."""
    odd = copy.deepcopy(document)
    for oddity in oddities:
        odd = oddity.put_in(odd)
    return odd


class OddHosts:
    """Hosts one of which answers oddly; `change` makes its answer to an operation another one."""

    def __init__(self, hosts: HostRunner, odd: str, change: Callable[[str, Any], Any]) -> None:
        self._hosts, self._odd, self._change = hosts, odd, change

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """An answer for every call, by host id."""
        answers = self._hosts.call(calls, timeout_s=timeout_s)
        return {call.spec.id: self._answer(call, answers[call.spec.id]) for call in calls}

    def _answer(self, call: HostCall, answer: HostAnswer) -> HostAnswer:
        if call.spec.id != self._odd or answer.outcome is not CallOutcome.ANSWERED:
            return answer
        return replace(answer, document=self._change(str(call.request["operation"]), answer.document))
