"""The table of docs/verdicts.md and its last lines. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import mean

from .outcome import Judgement, Said

_HEAD = ("fault", "on", "expected", "seen", "incidents", "stable", "right")
_NOTHING = "-"


def table(judged: Iterable[Judgement]) -> list[str]:
    """The lines of the table."""
    rows = [_row(one) for one in judged]
    return [_line(_HEAD), _line(["---"] * len(_HEAD)), *map(_line, rows)]


def last_lines(judged: Sequence[Judgement]) -> list[str]:
    """What the table comes to."""
    broken = [one for one in judged if not one.fault.is_healthy]
    causes = [one for one in broken if one.cause_right]
    incidents = [look.incidents for one in broken for look in one.outcome.looks if one.fault.expected.incidents == 1]
    looks = sum(len(one.outcome.looks) for one in judged)
    steady = sum(one.stable == len(one.outcome.looks) for one in judged)
    return [
        f"faults: {len(broken)}, healthy: {len(judged) - len(broken)}, looks: {looks}",
        f"false up: {sum(one.false_up for one in judged)}",
        f"false down: {sum(one.false_down for one in judged)}",
        f"right cause and place: {len(causes)} of {len(broken)} ({_percent(len(causes), len(broken))})",
        f"incidents a cause: {mean(incidents or [0]):.2f}",
        f"the same in all looks: {steady} of {len(judged)}",
    ]


def _percent(part: int, whole: int) -> str:
    # What is less than the whole is never printed as the whole.
    tenths = 1000 * part // whole if whole else 0
    return f"{tenths / 10:g} %"


def _row(one: Judgement) -> list[str]:
    counts = sorted({look.incidents for look in one.outcome.looks})
    return [
        one.fault.name,
        one.fault.where,
        str(one.fault.expected),
        seen(one.said),
        " or ".join(map(str, counts)),
        f"{one.stable} of {len(one.outcome.looks)}",
        _right(one),
    ]


def _right(one: Judgement) -> str:
    if one.is_right:
        return "yes"
    wrongs = {
        "false up": one.false_up,
        "false down": one.false_down,
        "verdict": not one.verdict_right and not one.false_up and not one.false_down,
        "cause or place": one.verdict_right and not one.cause_right,
        "incidents": not one.incidents_right,
        "not stable": one.stable != len(one.outcome.looks),
    }
    return "no: " + ", ".join(word for word, wrong in wrongs.items() if wrong)


def seen(said: Iterable[Said]) -> str:
    """What was seen in words, each once."""
    words: list[str] = []
    for one in said:
        text = str(Said(one.verdict, one.cause, one.layer, _short(one.object)))
        if text not in words:
            words.append(text)
    return "; ".join(words) or _NOTHING


def _short(name: str) -> str:
    """An object's name without the province and the stream: both streams are one line."""
    parts = name.split("/")
    return "/".join(parts[1:3]) if len(parts) == 4 else name


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
