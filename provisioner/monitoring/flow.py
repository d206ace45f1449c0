"""One look at a relay: which of its pulled paths flow. The request, and what is read out of the answer. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from provisioner.hosts.document import Fields, UnreadableError, fields_of
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.verify import words
from provisioner.verify.wanted import PathToCheck

if TYPE_CHECKING:  # the host's own package: its types are for the type checker, the module is not installed here
    from provisioner_host import wire

SAMPLE_S: Final = 4.0
"""A path that has not grown for so long stands still: the slowest cameras send a picture a second."""


@dataclass(frozen=True, slots=True)
class FlowLook:
    """What a relay told of its paths, or why it told nothing.

    Attributes:
        at: when it was asked.
        seconds: how long it took.
        outcome: how the call ended.
        error: why nothing is known of paths; empty where it is.
        stopped: the state of the relay's service where that is not running; empty where it is.
        flowing: the paths in which something came.
        standing: those that the relay has, and in which nothing came.
    """

    host: str
    at: datetime
    seconds: float
    outcome: CallOutcome
    error: str = ""
    stopped: str = ""
    flowing: frozenset[str] = frozenset()
    standing: frozenset[str] = frozenset()

    @property
    def is_known(self) -> bool:
        """Whether it is known of each path whether it flows."""
        return not self.error


def flow_call(targets: Mapping[str, PathToCheck]) -> HostCall:
    """The call that asks a relay about paths of its own, over the connection of the look before."""
    request: wire.FlowLookRequest = {"operation": "flow", "paths": sorted(targets), "sample_s": SAMPLE_S}
    return HostCall(next(iter(targets.values())).relay, request, shares=True)


def flow_in(answer: HostAnswer, paths: Collection[str], at: datetime, seconds: float) -> FlowLook:
    """A look, by a host's answer; one that cannot be read is no look."""
    if answer.outcome is not CallOutcome.ANSWERED:
        return FlowLook(answer.host, at, seconds, answer.outcome, answer.error or "there is no answer")
    try:
        return _look(answer.host, fields_of(answer.document), frozenset(paths), at, seconds)
    except UnreadableError as error:
        # The name of the field, never the document: it is another program's output.
        return FlowLook(answer.host, at, seconds, CallOutcome.FAILED, f"its answer cannot be read: {error}")


def _look(host: str, answer: Fields, asked: frozenset[str], at: datetime, seconds: float) -> FlowLook:
    unit, silent = answer.sentence("unit"), answer.sentence("api_error")
    stopped = "" if unit in {"active", "unknown"} else unit
    if silent and not stopped:
        return FlowLook(host, at, seconds, CallOutcome.ANSWERED, words.of_own(silent))
    below = answer.below("flows")
    # Of what nobody asked it about it may say what it likes.
    flows = {name: below.flag(name) for name in below.names() if name in asked}
    return FlowLook(
        host,
        at,
        seconds,
        CallOutcome.ANSWERED,
        stopped=stopped,
        flowing=frozenset(name for name, does in flows.items() if does and not stopped),
        standing=frozenset(name for name, does in flows.items() if not does or stopped),
    )
