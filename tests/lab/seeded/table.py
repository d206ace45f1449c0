"""The table of docs/reference/verdicts.md, what is wrong in it, and its last lines. Pure."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from statistics import mean
from typing import Final

from .outcome import Judgement, Said

WIDTH: Final = 120
_HEAD: Final = ("fault", "expected", "seen", "incidents", "stable")
_BELOW: Final = "see below"


def table(judged: Iterable[Judgement]) -> list[str]:
    """The lines of the table."""
    return [_line(_HEAD), _line(["---"] * len(_HEAD)), *(_line(_row(one)) for one in judged)]


def wrongs(judged: Iterable[Judgement]) -> list[str]:
    """A paragraph of a list for each row that is not right."""
    lines: list[str] = []
    for one in judged:
        if one.is_right:
            continue
        said = seen(one.said)
        words = f"- {one.fault.name} ({_words(one)}): {said}, where {one.fault.expected} is right"
        if one.outcome.elsewhere:
            words += f"; at the same time {'; '.join(one.outcome.elsewhere[:3])}"
        lines += textwrap.wrap(words, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return lines or ["Nothing is wrong in it."]


def last_lines(judged: Sequence[Judgement]) -> list[str]:
    """What the table comes to."""
    broken = [one for one in judged if not one.fault.is_healthy]
    causes = [one for one in broken if one.cause_right]
    incidents = [look.incidents for one in broken for look in one.outcome.looks if one.fault.expected.incidents == 1]
    looks = sum(len(one.outcome.looks) for one in judged)
    steady = sum(one.stable == len(one.outcome.looks) for one in judged)
    return [
        f"- faults: {len(broken)}, healthy states: {len(judged) - len(broken)}, looks: {looks}",
        f"- false up: {sum(one.false_up for one in judged)}",
        f"- false down: {sum(one.false_down for one in judged)}",
        f"- right cause and place: {len(causes)} of {len(broken)} ({_percent(len(causes), len(broken))})",
        f"- incidents a cause: {mean(incidents or [0]):.2f}",
        f"- the same in all looks: {steady} of {len(judged)}",
    ]


def drawn_table(seeds: Mapping[int, Sequence[Judgement]]) -> list[str]:
    """Return a row for each seed and one for all, each rate with its interval of 95 % (Wilson)."""
    head = ("seed", "faults", "false up", "false down", "cause", "place", "one incident")
    every = [judgement for judged in seeds.values() for judgement in judged]
    rows = [(str(seed), judged) for seed, judged in sorted(seeds.items())] + [("all", every)] * (len(seeds) > 1)
    return [_line(head), _line(["---"] * len(head)), *(_line(_rates(name, judged)) for name, judged in rows)]


def _rates(name: str, judged: Sequence[Judgement]) -> list[str]:
    broken = [judgement for judgement in judged if not judgement.fault.is_healthy]
    counts = (
        (sum(judgement.false_up for judgement in broken), len(broken)),
        (sum(judgement.false_down for judgement in judged), len(judged)),
        (sum(judgement.named for judgement in broken), len(broken)),
        (sum(judgement.placed for judgement in broken), len(broken)),
        (sum(judgement.incidents_right for judgement in broken), len(broken)),
    )
    return [name, str(len(judged)), *(_interval(part, whole) for part, whole in counts)]


def _interval(part: int, whole: int) -> str:
    if not whole:
        return "none"
    z, share = 1.96, part / whole
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z * sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole)) / (1 + z * z / whole)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return f"{part} of {whole} ({100 * low:.0f}-{high:.0%})"


def _percent(part: int, whole: int) -> str:
    # What is less than the whole is never printed as the whole.
    tenths = 1000 * part // whole if whole else 0
    return f"{tenths / 10:g} %"


def _row(one: Judgement) -> list[str]:
    counts = sorted({look.incidents for look in one.outcome.looks})
    said = seen(one.said, places=False)
    if one.is_right and said == str(one.fault.expected):
        said = "the same"
    cells = [one.fault.name, str(one.fault.expected), said, " or ".join(map(str, counts)), _stable(one)]
    if len(_line(cells)) > WIDTH:
        cells[2] = "right, in more words" if one.is_right else _BELOW
    return cells


def _stable(one: Judgement) -> str:
    return f"{one.stable} of {len(one.outcome.looks)}"


def _words(one: Judgement) -> str:
    """What kind of mistake it is."""
    kinds = {
        "false up": one.false_up,
        "false down": one.false_down,
        "verdict": not one.verdict_right and not one.false_up and not one.false_down,
        "cause or place": one.verdict_right and not one.cause_right,
        "incidents": not one.incidents_right,
        "not stable": one.stable != len(one.outcome.looks),
    }
    return ", ".join(word for word, wrong in kinds.items() if wrong)


def seen(said: Iterable[Said], *, places: bool = True) -> str:
    """What was seen in words, each once; the same of many objects is said once."""
    objects: dict[tuple[str, str, str], list[str]] = {}
    for one in said:
        named = objects.setdefault((one.verdict, one.cause, one.layer), [])
        if (name := _name(one)) not in named:
            named.append(name)
    return "; ".join(_said(*words, names if places else []) for words, names in objects.items()) or "nothing"


def _said(verdict: str, cause: str, layer: str, names: list[str]) -> str:
    if not cause:
        return verdict
    where = f" {names[0]}" if len(names) == 1 else f" of {len(names)} objects" if names else ""
    return f"{verdict}, {cause}, {layer}{where}"


def _name(one: Said) -> str:
    """An object's name without the province and the stream: both streams are one line."""
    parts = one.object.split("/")
    return "/".join(parts[1:3]) if len(parts) == 4 else one.object


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
