"""Settings under change in a report of a verification: which of the two is so, and what to do next. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from provisioner.base.language import ENGLISH, Translator
from provisioner.base.printable import printable
from provisioner.verify.result import NEW, OLD, PathVerdict, SettingSeen


def under_change(paths: Iterable[PathVerdict], say: Translator = ENGLISH) -> Iterator[str]:
    """A line a setting of which either is taken, after a line with their number; none where there are none."""
    if settings := settings_under_change(paths, say):
        yield say("settings under change: {count}", count=len(settings))
        yield from (f"  {one}" for one in settings)


def settings_under_change(paths: Iterable[PathVerdict], say: Translator = ENGLISH) -> list[str]:
    """A sentence for each setting of which either is taken, in printable letters."""
    seen: dict[SettingSeen, set[str]] = defaultdict(set)
    for path in paths:
        for one in path.settings:
            seen[SettingSeen(one.setting, one.object, one.until, "")].add(one.seen)
    return [
        printable(f"{_named(one, say)}: {_which(one, states, say)}")
        for one, states in sorted(seen.items(), key=lambda item: (item[0].object, item[0].setting))
    ]


def _named(one: SettingSeen, say: Translator) -> str:
    if one.setting == "picture":
        return say("picture of {object}", object=one.object)
    return say("login of {object}", object=one.object)


def _which(one: SettingSeen, states: set[str], say: Translator) -> str:
    until = one.until.isoformat()
    if {OLD, NEW} <= states:
        return say("the old one on some paths, the new one on others; either is taken until {until}", until=until)
    if OLD in states:
        return say("the old one, which is taken until {until}", until=until)
    if NEW in states:
        step = f"provisioner camera accept {one.object} --finish"
        return say("the new one; finish the change: {step}", step=step)
    return say("no picture tells which; either is taken until {until}", until=until)
