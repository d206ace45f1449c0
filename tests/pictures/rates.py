"""How often the checks of pictures err, by the rules that judge real ones: out of looks at simulated cameras.

A night is one check of each camera. Nights of a camera follow from each other, so that what looks wrong tonight may
look wrong tomorrow as well; a suspicion counts once it has lasted, as `verify` shows it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from textwrap import wrap
from typing import Any, TypedDict, cast

from provisioner.hosts.answers import read, wire
from provisioner.verify.memory import PathMemory, after
from provisioner.verify.picture_check import Agreed, Before, Judgement, State, early_doubt, judged, view_of
from provisioner.verify.picture_measures import PictureView
from provisioner.verify.reference import Reference, References, judge_view, lasting
from provisioner.verify.requests import Hours, hours_of
from provisioner.verify.result import PathLook as Looked
from provisioner.verify.result import Verdict
from tests.pictures.cameras import Light
from tests.pictures.collecting import SITE, Look
from tests.pictures.faults import HARD, SOFT, Fault

_FIRST = datetime(2021, 6, 1, 19, 30, tzinfo=UTC)  #: Half past two at night in Vietnam.
_NOON = timedelta(hours=-14)
#: Of rooms without light, as an inventory has them: a room without any light is as black as a picture that failed.
_DARK_HOURS = (hours_of("18:00-06:00"),)
_WIDTH = 120
#: A bound holds with 95 %: what was seen had a chance of one in twenty if the true figure were at the bound.
_DOUBT = 0.05


@dataclass(frozen=True, slots=True)
class Night:
    """What one check made of a look."""

    look: Look
    error: bool  #: The level below failed: no key frame was decoded.
    fault: str  #: The hard fault, in the words of its cause; empty where there is none.
    dark: bool  #: Whether the picture was too dark to judge.
    suspects: frozenset[str] | None  #: Kinds that were seen; None where nothing was compared.
    lasting: frozenset[str]  #: Kinds that have lasted.
    undecided: tuple[str, ...]  #: What cannot be said.

    @property
    def name(self) -> str:
        """What is wrong for certain; empty where nothing is."""
        return "no key frame" if self.error else self.fault


@dataclass(slots=True)
class Camera:
    """What is known of one camera while its nights are judged: when it may see nothing, and what was accepted."""

    dark_hours: tuple[Hours, ...] = ()
    references: References = ()
    memory: PathMemory = field(default_factory=PathMemory)


def judge_all(looks: Sequence[Look], *, early: bool = False) -> list[Night]:
    """Every look judged in its order: references first, then healthy nights, then each fault from a healthy memory.

    Args:
        looks: they.
        early: whether quick looks end early where nothing is in doubt; where something is the whole look counts.
    """
    references = _references(looks)
    nights: list[Night] = []
    dark = {look.camera for look in looks if _is_reference(look) and look.light == Light.DARK.value}
    by_camera: dict[int, list[Look]] = defaultdict(list)
    for look in looks:
        if not _is_reference(look):
            by_camera[look.camera].append(look)
    for number, of in sorted(by_camera.items()):
        hours = _DARK_HOURS if number in dark else ()
        nights += _of_camera(number, [_ended(look, hours) for look in of] if early else of, references, hours)
    return nights


def _ended(look: Look, dark_hours: tuple[Hours, ...]) -> Look:
    """A look as it ends that may end early: it does where it alone shows no fault, else a second one is whole.

    Key pictures that earlier looks saw are a fault as well: the second look sees them, too.
    """
    if look.early is None or look.full:
        return look
    ended = replace(look, picture=look.early, damaged=look.early_damaged, seconds=look.early["looked_s"])
    picture = _picture(ended)
    if picture is None or early_doubt(picture, ended.damaged):
        return look
    return look if judged(picture, _moment(look), Agreed(look.agreed_fps, None, dark_hours)).fault else ended


def _moment(look: Look) -> datetime:
    return _FIRST + timedelta(days=look.night) + (_NOON if look.by_day else timedelta())


def _is_reference(look: Look) -> bool:
    return look.fault == Fault.NONE.value and look.night == 0


def _references(looks: Iterable[Look]) -> dict[int, References]:
    found: dict[int, References] = defaultdict(tuple)
    for look in looks:
        if _is_reference(look) and (view := _view(look)) is not None and view.says_something:
            found[look.camera] += (Reference(view, _moment(look)),)
    return found


def _view(look: Look) -> PictureView | None:
    picture = _picture(look)
    return view_of(picture) if picture else None


def _of_camera(
    number: int, looks: Sequence[Look], references: Mapping[int, References], dark_hours: tuple[Hours, ...]
) -> list[Night]:
    site = range(number // SITE * SITE, (number // SITE + 1) * SITE)
    others = {f"cam-{other}": references[other] for other in site if other != number and references.get(other)}
    healthy = Camera(dark_hours, references.get(number, ()))
    nights = [_judged(look, healthy, others) for look in looks if look.fault == Fault.NONE.value]
    spell = Camera(dark_hours, healthy.references)
    for before, look in zip([None, *looks], looks, strict=False):
        if look.fault == Fault.NONE.value:
            continue
        if before is None or before.fault != look.fault or look.night <= before.night:
            spell = Camera(dark_hours, healthy.references, replace(PathMemory(), noise=healthy.memory.noise))
        nights.append(_judged(look, spell, others))
    return nights


def _judged(look: Look, camera: Camera, others: Mapping[str, References]) -> Night:
    picture, at = _picture(look), _moment(look)
    if picture is None:
        return Night(look, True, "", False, None, frozenset(), ())  # noqa: FBT003 (fields in their order)
    agreed = Agreed(fps=look.agreed_fps, dark_hours=camera.dark_hours)
    judgement = judged(picture, at, agreed, Before(camera.memory.keys, camera.memory.noise), look.damaged)
    dark = judgement.state is State.DARK
    seen = judge_view(view_of(picture), camera.references, others, at, dark=dark)
    kinds = _kinds(judgement, seen.kinds)
    fault = judgement.fault.cause.value if judgement.fault else ""
    keys = () if dark else tuple(picture["packets"]["keys"])
    verdict = Verdict.DOWN if fault else Verdict.UP
    noise = None if fault else judgement.noise
    camera.memory = after(camera.memory, Looked("path", at, verdict, keys=keys, suspects=kinds, noise=noise))
    lasts = frozenset(one.kind for one in camera.memory.suspects if lasting(one)) if kinds is not None else frozenset()
    undecided = (*judgement.labels, *filter(None, seen.not_decidable.split(", ")))
    return Night(look, False, fault, dark, kinds, lasts, undecided)  # noqa: FBT003


def _kinds(judgement: Judgement, seen: frozenset[str] | None) -> frozenset[str] | None:
    """The kinds of suspicion of one look, of the picture by itself and of what it shows."""
    if judgement.fault is not None or judgement.state is State.DARK:
        return frozenset(one.value for one in judgement.suspects) or None
    return frozenset(one.value for one in judgement.suspects) | (seen or frozenset())


def _picture(look: Look) -> wire.PictureAnswer | None:
    """What was measured. A simulated camera sends as fast as it goes; what a real one sends comes in its time."""
    if look.picture is None:
        return None
    picture = read(wire.PictureAnswer, look.picture)
    return {**picture, "packets": {**picture["packets"], "arrived_s": look.seconds}}


# --- figures --------------------------------------------------------------------------------------
class Healthy(TypedDict):
    """What came of healthy nights: false alarms by their cause, suspicions by their kind."""

    cameras: int
    days: int
    full: int
    seconds: int
    faults: dict[str, int]
    once: dict[str, int]
    lasted: dict[str, int]
    dark: int
    undecided: dict[str, int]


class Found(TypedDict):
    """What came of one fault: how often it was there, and how it was found.

    Keys:
        spells: how often it was there; a soft one for three nights each time.
        at_once: how often the first look called it a fault.
        suspected: how often the first look found something suspect.
        found: how often it was called a fault, or a suspicion had lasted, in the end.
        named: what the first look called it.
        undecided: how often it was not found, and was said to be not decidable.
    """

    spells: int
    at_once: int
    suspected: int
    found: int
    named: dict[str, int]
    undecided: int


class Figures(TypedDict):
    """All figures of the page; the times of a processor are the largest of several seeds'."""

    seeds: list[int]
    healthy: Healthy
    faults: dict[str, Found]
    cpu_s: float
    cpu_full_s: float


def figures(nights: Sequence[Night], seed: int) -> Figures:
    """All figures of the page, as plain values: what is stored beside it."""
    there = {night.look.fault for night in nights}
    return {
        "seeds": [seed],
        "healthy": _healthy([night for night in nights if night.look.fault == Fault.NONE.value]),
        "faults": {fault.value: _found(nights, fault) for fault in (*HARD, *SOFT) if fault.value in there},
        "cpu_s": _middle([night.look.cpu_s for night in nights if not night.look.full]),
        "cpu_full_s": _middle([night.look.cpu_s for night in nights if night.look.full]),
    }


def _middle(values: Sequence[float]) -> float:
    return round(sorted(values)[len(values) // 2], 3) if values else 0.0


def _healthy(nights: Sequence[Night]) -> Healthy:
    """False alarms; a suspicion that lasted counts once for as long as it stands."""
    standing: dict[int, frozenset[str]] = defaultdict(frozenset)
    lasted: list[str] = []
    for night in nights:
        lasted += night.lasting - standing[night.look.camera]
        if night.suspects is not None:
            standing[night.look.camera] = night.lasting
    return {
        "cameras": len({night.look.camera for night in nights}),
        "days": len(nights),
        "full": sum(night.look.full for night in nights),
        "seconds": round(sum(night.look.seconds for night in nights)),
        "faults": _counted(night.name for night in nights if night.name),
        "once": _counted(kind for night in nights for kind in night.suspects or ()),
        "lasted": _counted(lasted),
        "dark": sum(night.dark for night in nights),
        "undecided": _counted(word for night in nights for word in night.undecided),
    }


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _found(nights: Sequence[Night], fault: Fault) -> Found:
    spells = _spells([night for night in nights if night.look.fault == fault.value])
    first = [spell[0] for spell in spells]
    return {
        "spells": len(spells),
        "at_once": sum(bool(night.name) for night in first),
        "suspected": sum(bool(night.suspects) for night in first),
        "found": sum(_is_found(spell) for spell in spells),
        "named": _counted(night.name for night in first if night.name),
        "undecided": sum(not _is_found(spell) and any(map(_is_undecided, spell)) for spell in spells),
    }


def _spells(nights: Iterable[Night]) -> list[list[Night]]:
    spells: list[list[Night]] = []
    for night in nights:
        last = spells[-1][-1].look if spells else None
        if last is None or night.look.camera != last.camera or night.look.night <= last.night:
            spells.append([])
        spells[-1].append(night)
    return spells


def _is_found(spell: Iterable[Night]) -> bool:
    return any(night.name or night.lasting for night in spell)


def _is_undecided(night: Night) -> bool:
    return night.dark or night.suspects is None or bool(night.undecided)


def together(parts: Sequence[Figures]) -> Figures:
    """The figures of several seeds as those of one: their cameras are others."""
    faults = [part["faults"] for part in parts]
    whole = {
        "seeds": [seed for part in parts for seed in part["seeds"]],
        "healthy": _sum([part["healthy"] for part in parts]),
        "faults": {name: _sum([of[name] for of in faults if name in of]) for name in dict.fromkeys(chain(*faults))},
        "cpu_s": max(part["cpu_s"] for part in parts),
        "cpu_full_s": max(part["cpu_full_s"] for part in parts),
    }
    return cast("Figures", whole)


def _sum(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts, and counts by their words, added up."""
    total: dict[str, Any] = {}
    for name, first in parts[0].items():
        values = [part[name] for part in parts]
        total[name] = _counted_together(values) if isinstance(first, dict) else sum(values)
    return total


def _counted_together(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(sorted(total.items()))


# --- the page's tables ----------------------------------------------------------------------------
def share(count: int, of: int) -> str:
    """A share in percent; what is less than the whole never reads as the whole."""
    return f"{math.floor(1000 * count / of) / 10:.3g}" if of else "-"


def share_at_least(count: int, of: int) -> str:
    """A share in percent, with the bound above which it is for certain (Clopper and Pearson's, one-sided)."""
    if not count:
        return share(count, of)

    def so_many_or_more(chance: float) -> float:
        return sum(math.comb(of, k) * chance**k * (1 - chance) ** (of - k) for k in range(count, of + 1))

    least = _where(lambda chance: so_many_or_more(chance) >= _DOUBT, 0, 1)
    return f"{share(count, of)} (≥ {math.floor(1000 * least) / 10:.3g})"


def per_thousand(count: int, days: int) -> str:
    """How many per 1,000 camera-days, with the bound below which it is for certain (Poisson's)."""
    if not days:
        return "-"

    def so_few(mean: float) -> float:
        return sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))

    most = _where(lambda mean: so_few(mean) <= _DOUBT, 1e-9, 10.0 + 3 * count)
    return f"{f'{1000 * count / days:.1f}' if count else 0} (≤ {1000 * most / days:.1f})"


def _where(holds: Callable[[float], bool], low: float, high: float) -> float:
    """From where on something holds."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def material(of: Figures) -> list[str]:
    """One sentence: how much was simulated."""
    healthy = of["healthy"]
    spells = sum(found["spells"] for found in of["faults"].values())
    seeds = of["seeds"]
    whose = f"Seed{'s' if len(seeds) > 1 else ''} {' and '.join(map(str, seeds))}"
    sentence = (
        f"{whose}: {healthy['days']:,} healthy camera-days ({24 * healthy['days']:,} camera-hours) of"
        f" {healthy['cameras']} cameras, one check a night: {healthy['days'] - healthy['full']:,} quick looks and"
        f" {healthy['full']:,} full ones, {healthy['seconds']:,} seconds of video; and {spells:,} faults."
    )
    return wrap(sentence, _WIDTH)


def healthy_table(of: Figures) -> list[str]:
    """Of healthy pictures: what was said wrongly, and what could not be said."""
    healthy = of["healthy"]
    days = healthy["days"]
    rows = [("false faults of level 6", healthy["faults"]), ("suspects after one check", healthy["once"])]
    rows.append(("suspects that lasted, as they are shown", healthy["lasted"]))
    lines = ["| healthy pictures | number | per 1,000 camera-days |", "|---|---:|---:|"]
    for title, counts in rows:
        words = ", ".join(f"{number} {word}" for word, number in counts.items())
        total = sum(counts.values())
        lines.append(f"| {title}{f' ({words})' if words else ''} | {total} | {per_thousand(total, days)} |")
    lines.append(f"| too dark to judge | {healthy['dark']} | {per_thousand(healthy['dark'], days)} |")
    lines += [f"| {word} | {count} | {per_thousand(count, days)} |" for word, count in healthy["undecided"].items()]
    return lines


def fault_table(of: Figures) -> list[str]:
    """Of each fault, which share was found."""
    heads = ("fault", "times", "a fault at first", "suspect at first", "found", "not decidable")
    lines = [f"| {' | '.join((*heads, 'found of what can be told'))} |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for name, found in of["faults"].items():
        times = found["spells"]
        shares = (share(found[key], times) for key in ("at_once", "suspected", "found", "undecided"))
        told = share_at_least(found["found"], times - found["undecided"])
        lines.append(f"| {name} | {times} | {' | '.join(shares)} | {told} |")
    return lines


def page(of: Figures) -> list[str]:
    """What the page has of it."""
    return [*material(of), "", *healthy_table(of), "", *fault_table(of)]
