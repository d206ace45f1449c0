"""What is under way, in words: a few rows for a terminal, one line for a log of somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from provisioner.base.language import Translator
from provisioner.base.printable import printable
from provisioner.base.stage import Stage
from provisioner.cli.progress.underway import Expected, HostsWork, HostWork, StageWork, Underway

_NAMED: Final = 2
_ROWS: Final = 4
_MINUTES_FROM: Final = 100
_MINUTE: Final = 60

Words = Callable[[Translator], str]


def rows_of(work: Underway, say: Translator, now: float) -> list[str]:
    """Rows for a terminal: the whole first, then who is waited for and why, then how long it may take."""
    hosts = work.wave or next(iter(work.calls.values()), None)
    if hosts is None:
        return [stage_words(work.stages[-1], say, now)] if work.stages else []
    rows = [_head(work, hosts, say, now)]
    longest = sorted(hosts.waiting.items(), key=lambda item: item[1].since)
    begun = [(host, one) for host, one in longest if one.operation]
    rows += [f"  {_host_words(host, one, say, now)}" for host, one in begun[:_ROWS]]
    more = len(hosts.waiting) - len(begun[:_ROWS])
    rows += ["  " + say.plural("and {n} more host", "and {n} more hosts", more)] if more > 0 else []
    left = time_left(work.expected, say, now)
    return [*rows, left] if left else rows


def line_of(work: Underway, say: Translator, now: float) -> str:
    """The same as one line."""
    hosts = work.wave or next(iter(work.calls.values()), None)
    if hosts is None:
        return stage_words(work.stages[-1], say, now) if work.stages else ""
    names = [printable(host) for host in hosts.waiting]
    more = len(names) - _NAMED
    rest = say(" and {n} more", n=more) if more > 0 else ""
    line = say(
        "{what}: {done} of {total} hosts, waiting for {hosts}, {seconds} s",
        what=_what(work, say),
        done=hosts.done,
        total=hosts.total,
        hosts=", ".join(names[:_NAMED]) + rest,
        seconds=int(now - hosts.since),
    )
    left = time_left(work.expected, say, now)
    return f"{line}; {left}" if left else line


def stage_words(work: StageWork, say: Translator, now: float) -> str:
    """A stage, how far it is, and for how long it has gone on."""
    what, seconds = _STAGES[work.stage](say), int(now - work.since)
    if work.total:
        return say(
            "{what}: {done} of {total}, {seconds} s", what=what, done=work.done, total=work.total, seconds=seconds
        )
    return say("{what}: {seconds} s", what=what, seconds=seconds)


def time_left(expected: Expected | None, say: Translator, now: float) -> str:
    """How long it may still take, and by what; empty where nothing of before is known, or hosts are not called yet."""
    if expected is None or expected.since is None:
        return ""
    usual, runs = _time(expected.seconds, say), say.counted(expected.runs, "earlier run")
    left = expected.seconds - (now - expected.since)
    if left <= 0:
        return say("longer than usual: {runs} took {usual}", runs=runs, usual=usual)
    return say("about {left} left: {runs} took {usual}", left=_time(left, say), runs=runs, usual=usual)


def operation_words(operation: str, say: Translator) -> str:
    """What hosts are asked for."""
    return _OPERATIONS.get(operation, _other)(say)


def _head(work: Underway, hosts: HostsWork, say: Translator, now: float) -> str:
    return say(
        "{what}: {done} of {total} hosts, {seconds} s",
        what=_what(work, say),
        done=hosts.done,
        total=hosts.total,
        seconds=int(now - hosts.since),
    )


def _what(work: Underway, say: Translator) -> str:
    if work.wave is not None:
        return say("wave {name}", name=printable(work.wave_name))
    return operation_words(next(iter(work.calls)), say)


def _host_words(host: str, work: HostWork, say: Translator, now: float) -> str:
    paths = say.counted(work.paths, "path") if work.paths else ""
    why = _REASONS.get(work.operation, _waited_for)(say)
    about = f"{why} ({paths})" if paths else why
    return say("{host}, {seconds} s: {what}", host=printable(host), what=about, seconds=int(now - work.since))


def _time(seconds: float, say: Translator) -> str:
    if seconds < _MINUTES_FROM:
        return say("{seconds} s", seconds=max(1, round(seconds)))
    return say("{minutes} min", minutes=round(seconds / _MINUTE))


def _other(say: Translator) -> str:
    return say("asking")


def _waited_for(say: Translator) -> str:
    return say("its answer is waited for")


_OPERATIONS: Final[Mapping[str, Words]] = MappingProxyType(
    {
        "observe": lambda say: say("reading"),
        "probe": lambda say: say("looking at pictures"),
        "apply": lambda say: say("changing"),
        "confirm": lambda say: say("confirming"),
        "look": lambda say: say("watching paths"),
        "rollback": lambda say: say("going back"),
        "abort": lambda say: say("going back"),
        "keys": lambda say: say("making keys"),
        "remove": lambda say: say("taking everything off"),
        "approach": lambda say: say("looking at a bare host"),
        "prepare": lambda say: say("making it ready"),
    }
)
_REASONS: Final[Mapping[str, Words]] = MappingProxyType(
    {
        "observe": lambda say: say("what it holds is read"),
        "probe": lambda say: say("tunnels, cameras' ports and pictures are looked at"),
        "apply": lambda say: say("everything is checked aside, then switched"),
        "rollback": lambda say: say("everything is checked aside, then switched back"),
        "look": lambda say: say("its paths have to be as good as before"),
        "confirm": lambda say: say("the change is confirmed over a new connection"),
        "abort": lambda say: say("it returns to its last-good state"),
        "status": lambda say: say("it is asked what became of its change"),
        "keys": lambda say: say("it makes its keys"),
        "remove": lambda say: say("everything of ours is taken off"),
        "approach": lambda say: say("it says what it has and what it lacks"),
        "prepare": lambda say: say("packages are installed, its user is made"),
    }
)
_STAGES: Final[Mapping[Stage, Words]] = MappingProxyType(
    {
        Stage.READ: lambda say: say("reading facilities' files"),
        Stage.BUILD: lambda say: say("putting the inventory together"),
        Stage.RULES: lambda say: say("checking the rules across files"),
        Stage.SECRETS: lambda say: say("opening and checking secrets"),
        Stage.DESIRE: lambda say: say("working out what hosts should hold"),
        Stage.RENDER: lambda say: say("rendering hosts' files"),
        Stage.RECORD: lambda say: say("reading the record of runs"),
        Stage.COUNT: lambda say: say("seeing where each facility stands"),
        Stage.SHEETS: lambda say: say("reading sheets"),
        Stage.PROPOSE: lambda say: say("holding rows against the inventory"),
        Stage.DOCUMENTS: lambda say: say("writing documents"),
        Stage.PAGES: lambda say: say("writing pages"),
        Stage.WAIT: lambda say: say("waiting before a second look"),
    }
)
