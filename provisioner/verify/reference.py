"""Whose picture it is, and whether it still shows what a person accepted: views against a camera's references. Pure.

A reference is a view that a person's word made one: where edges are, how strong, how sharp; never a picture, and none
can be made of it. A camera has up to four, as what is seen by day and by night differs. A view that lies far from all
of them is suspect and no more: what stands in the way tonight may be a lorry. Only what lasts is shown (`lasting`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, TypedDict

from provisioner.base.errors import UnreadableError
from provisioner.base.text import VIETNAM, Document, msg
from provisioner.hosts.answers import read, wire
from provisioner.verify.memory import Suspicion
from provisioner.verify.picture_measures import AN_EDGE, FEWEST_EDGES, PictureView
from provisioner.verify.result import ReferenceReport

ACROSS: Final = 32
DOWN: Final = 16
COARSE: Final = 2
"""A cell of strengths is so many cells of edges wide and high."""

FAR: Final = 0.7
"""A view further than this from every reference is another view."""
NEAR: Final = 0.5
"""A view nearer than this to another camera's reference is that camera's."""
LOST: Final = 0.25
"""If this share of the cells that have edges in the reference has none, something covers them."""
ALL_LOST: Final = 0.85
ONE_PIECE: Final = 0.5
"""Of what a cover hides more than this lies together. Things that stand here and there hide as much, in several places.
"""
SOFT: Final = 0.4
"""A picture whose steps are softer than this share of the reference's is blurred."""
SHARP: Final = 0.4
"""A reference whose steps are no steeper than this, by little light and much noise, cannot tell a blurred picture."""
MOST_REFERENCES: Final = 4

LASTS_CHECKS: Final = 3
LASTS_FOR: Final = timedelta(hours=1)

_LONGEST_RUN = 63
_WEAKER = 4
# A move by 15 to 40 % of the picture, in cells.
_SHIFTS_ACROSS = range(5, 13)
_SHIFTS_DOWN = range(3, 7)
_STRENGTHS_ACROSS = ACROSS // COARSE
_DAY = (7, 17)
_NIGHT = (19, 5)


class Daylight(StrEnum):
    """What a camera sees by, as the clock of Vietnam has it."""

    DAY = "day"
    NIGHT = "night"
    BETWEEN = "between"


def daylight(at: datetime) -> Daylight:
    """The light at a moment; within an hour or so of sunrise and sunset it may be either."""
    hour = at.astimezone(VIETNAM).hour
    if _DAY[0] <= hour < _DAY[1]:
        return Daylight.DAY
    return Daylight.NIGHT if hour >= _NIGHT[0] or hour < _NIGHT[1] else Daylight.BETWEEN


@dataclass(frozen=True, slots=True)
class Reference:
    """A view that a person accepted.

    Attributes:
        at: when it was seen.
        run: the run of the record that took it, which says who gave his word.
    """

    view: PictureView
    at: datetime
    run: str = ""

    @property
    def daylight(self) -> Daylight:
        """The light in which it was taken."""
        return daylight(self.at)


References = tuple[Reference, ...]
"""The references of one camera, the oldest first."""


# --- distances ------------------------------------------------------------------------------------


def distance(one: PictureView, other: PictureView) -> float:
    """How far two views are from each other: 0 are the same edges, 1 are as far as chance."""
    return _distance(zip(one.edges, other.edges, strict=True))


def _distance(pairs: Iterable[tuple[int, int]]) -> float:
    rows = tuple(pairs)
    if not rows:
        return 1.0
    middle_a, middle_b = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    both = sum((a - middle_a) * (b - middle_b) for a, b in rows)
    alone = math.sqrt(sum((a - middle_a) ** 2 for a, _ in rows) * sum((b - middle_b) ** 2 for _, b in rows))
    # Rounding must not make a view further from others than from itself.
    return min(2.0, max(0.0, 1 - both / alone)) if alone else 1.0


def likeness_to_itself(view: PictureView) -> float:
    """How far a view is from itself, moved by 15 to 40 % of the picture: the nearest of these.

    What a move brings into the picture is as far from the reference as chance.
    """
    across = (_moved(view, shift, 0) for shift in _SHIFTS_ACROSS)
    down = (_moved(view, 0, shift) for shift in _SHIFTS_DOWN)
    return min(*across, *down)


def _moved(view: PictureView, across: int, down: int) -> float:
    rows = [view.edges[row * ACROSS : (row + 1) * ACROSS] for row in range(DOWN)]
    kept = (1 - across / ACROSS) * (1 - down / DOWN)
    there = _distance(
        pair for row, moved in zip(rows, rows[down:], strict=False) for pair in zip(row, moved[across:], strict=False)
    )
    return kept * there + 1 - kept


def report_on(references: References) -> ReferenceReport | None:
    """What is told of a camera's references; None where it has none."""
    if not references:
        return None
    lights = {one.daylight for one in references}
    return ReferenceReport(
        count=len(references),
        newest=max(one.at for one in references),
        lights=tuple(light.value for light in Daylight if light in lights),
        move_shows=all(move_shows(one.view) for one in references),
    )


def move_shows(view: PictureView) -> bool:
    """Whether a camera that is moved looks other than it did; a fence looks the same a metre further."""
    return likeness_to_itself(view) > FAR


SiteReferences = Mapping[str, Mapping[str, References]]
"""References by site, which is a path's name without camera and stream, and there by camera."""


def references_by_site(references: Mapping[str, References]) -> SiteReferences:
    """References of paths, put together once for all that ask what is beside them."""
    sites: dict[str, dict[str, References]] = defaultdict(lambda: defaultdict(tuple))
    for name, of in references.items():
        site, camera, _ = name.rsplit("/", 2)
        sites[site][camera] += of
    return sites


def references_beside(path: str, facility: str, sites: SiteReferences) -> Mapping[str, References]:
    """The references of the other cameras of a path's facility, by facility and camera."""
    site, camera, _ = path.rsplit("/", 2)
    return {f"{facility}/{other}": of for other, of in sites.get(site, {}).items() if other != camera}


# --- judgement ------------------------------------------------------------------------------------


class ViewDoubt(StrEnum):
    """What a view is suspected of."""

    MOVED = "moved"
    SWAPPED = "swapped"
    COVERED = "covered"
    PARTLY_COVERED = "partly covered"
    BLURRED = "blurred"


KIND: Final[Mapping[ViewDoubt, str]] = {
    ViewDoubt.MOVED: "view",
    ViewDoubt.SWAPPED: "view",
    ViewDoubt.COVERED: "view",
    ViewDoubt.PARTLY_COVERED: "view",
    ViewDoubt.BLURRED: "blurred",
}
"""Under which kind a suspicion is remembered: a view that looks moved tonight and covered tomorrow is one matter."""

TELLING: Final = (ViewDoubt.SWAPPED, ViewDoubt.COVERED, ViewDoubt.PARTLY_COVERED, ViewDoubt.MOVED)
"""What a view is suspected of, the most telling first: each says more of what a person will see than the next."""


@dataclass(frozen=True, slots=True)
class SuspectView:
    """What one look makes suspect.

    Attributes:
        detail: the evidence, in words.
    """

    word: ViewDoubt
    detail: str

    @property
    def kind(self) -> str:
        """Under which kind it is remembered."""
        return KIND[self.word]


@dataclass(frozen=True, slots=True)
class ViewJudgement:
    """What one look says of a view.

    Attributes:
        suspects: what is suspect.
        not_decidable: why nothing is said, or what cannot be; empty where all was compared.
    """

    suspects: tuple[SuspectView, ...] = ()
    not_decidable: str = ""
    judged: bool = True

    @property
    def kinds(self) -> frozenset[str] | None:
        """The kinds to remember; None where nothing was judged."""
        return frozenset(suspect.kind for suspect in self.suspects) if self.judged else None


NO_REFERENCE: Final = "no reference"
MOVE_NOT_DETECTABLE: Final = "move not detectable here"
BLUR_NOT_DETECTABLE: Final = "blur not detectable here"
TOO_DARK: Final = "too dark to compare"
TOO_PLAIN: Final = "too few edges to compare"
NOT_MEASURED: Final = "no view was measured"


def judge_view(
    view: PictureView | None,
    references: References,
    others: Mapping[str, References],
    at: datetime,
    *,
    dark: bool = False,
) -> ViewJudgement:
    """Compare a view with the camera's references, and where it lies far, with those of the facility's other cameras.

    Args:
        view: what was seen; None where nothing was measured.
        references: the camera's own.
        others: those of the other cameras, by name.
        at: when it was seen.
        dark: whether the picture was too dark to judge.
    """
    alike = _of_the_same_light(references, at)
    if why := _nothing_to_compare(view, references, alike, at, dark=dark):
        strange = None if view is None or dark else _stranger(view, references, others)
        return ViewJudgement((strange,)) if strange else ViewJudgement(not_decidable=why, judged=False)
    assert view is not None  # noqa: S101 (there is something to compare)
    far, reference = min(((distance(view, one.view), one) for one in references), key=lambda pair: pair[0])
    if hidden := _hidden(view, min(alike, key=lambda one: distance(view, one.view)).view):
        return ViewJudgement((hidden,))
    if not view.says_something:
        return ViewJudgement(not_decidable=TOO_PLAIN, judged=False)
    if far > FAR:
        return ViewJudgement((_another_view(view, far, others),))
    notes = [] if move_shows(reference.view) else [MOVE_NOT_DETECTABLE]
    softest = min(one.view.sharpness for one in alike)
    if softest < SHARP:
        return ViewJudgement(not_decidable=", ".join((*notes, BLUR_NOT_DETECTABLE)))
    blurred = _blurred(view, softest)
    return ViewJudgement((blurred,) if blurred else (), ", ".join(notes))


def _nothing_to_compare(
    view: PictureView | None, references: References, alike: References, at: datetime, *, dark: bool
) -> str:
    """Why nothing can be said of a view; empty where something can."""
    if not references:
        return NO_REFERENCE
    if dark:
        return TOO_DARK
    if view is None:
        return NOT_MEASURED
    return "" if alike else f"{NO_REFERENCE} by {daylight(at).value}"


def _of_the_same_light(references: References, at: datetime) -> References:
    light = daylight(at)
    if light is Daylight.BETWEEN:
        return references
    return tuple(one for one in references if one.daylight in {light, Daylight.BETWEEN})


def _stranger(view: PictureView, references: References, others: Mapping[str, References]) -> SuspectView | None:
    """Another camera's view, where there is no reference of this light to compare with: so near is no chance."""
    far = min((distance(view, one.view) for one in references), default=1.0)
    if far <= FAR or not view.says_something:
        return None
    suspect = _another_view(view, far, others)
    return suspect if suspect.word is ViewDoubt.SWAPPED else None


def _another_view(view: PictureView, far: float, others: Mapping[str, References]) -> SuspectView:
    near = {name: min(distance(view, one.view) for one in of) for name, of in others.items() if of}
    name = min(near, key=lambda one: (near[one], one), default="")
    if name and near[name] <= NEAR:
        detail = msg(
            "it shows what {name} showed ({near} from its reference, {far} from its own)",
            name,
            f"{near[name]:.2f}",
            f"{far:.2f}",
        )
        return SuspectView(ViewDoubt.SWAPPED, detail)
    return SuspectView(
        ViewDoubt.MOVED, msg("it shows another view than was accepted ({far} from the nearest reference)", f"{far:.2f}")
    )


def _hidden(view: PictureView, reference: PictureView) -> SuspectView | None:
    """Whether cells that have edges in the reference have none, while the others are as they were."""
    had = [cell for cell, strength in enumerate(reference.steps) if strength >= AN_EDGE]
    if len(had) < FEWEST_EDGES:
        return None
    lost = frozenset(cell for cell in had if _is_lost(view.steps[cell], reference.steps[cell]))
    if _distance(_pairs(view, reference, lost, inside=True)) <= NEAR:
        # Fog, or less light: what is too faint to count as an edge is where it was. Behind a cover nothing is.
        return None
    share = len(lost) / len(had)
    detail = msg("{share} of what had edges has none", f"{share:.0%}")
    if share >= ALL_LOST:
        return SuspectView(ViewDoubt.COVERED, detail)
    if share < LOST or _largest_piece(lost) <= ONE_PIECE * len(lost):
        return None
    as_it_was = _distance(_pairs(view, reference, lost, inside=False)) <= NEAR
    return SuspectView(ViewDoubt.PARTLY_COVERED, detail) if as_it_was else None


def _is_lost(now: int, then: int) -> bool:
    return now < AN_EDGE and now <= then - _WEAKER


def _largest_piece(cells: Iterable[int]) -> int:
    """How many of these cells of strengths hang together, side by side or corner to corner, at the most."""
    left, most = set(cells), 0
    while left:
        edge, size = [left.pop()], 0
        while edge:
            beside = left.intersection(_around(edge.pop()))
            left -= beside
            edge += beside
            size += 1
        most = max(most, size)
    return most


def _around(cell: int) -> Iterator[int]:
    row, column = divmod(cell, _STRENGTHS_ACROSS)
    for beside in range(max(0, column - 1), min(_STRENGTHS_ACROSS, column + 2)):
        yield from (line * _STRENGTHS_ACROSS + beside for line in (row - 1, row, row + 1))


def _pairs(
    view: PictureView, reference: PictureView, cells: frozenset[int], *, inside: bool
) -> Iterable[tuple[int, int]]:
    """The edges of both inside some cells of strengths, or outside of them."""
    for place, pair in enumerate(zip(view.edges, reference.edges, strict=True)):
        row, column = divmod(place, ACROSS)
        if (row // COARSE * _STRENGTHS_ACROSS + column // COARSE in cells) == inside:
            yield pair


def _blurred(view: PictureView, softest: float) -> SuspectView | None:
    """Whether it is much softer than the softest reference of the same light."""
    if view.sharpness >= SOFT * softest:
        return None
    return SuspectView(
        ViewDoubt.BLURRED, msg("its edges are {sharpness} as sharp as accepted", f"{view.sharpness / softest:.0%}")
    )


def lasting(suspicion: Suspicion) -> bool:
    """Whether a suspicion has lasted long enough to send a person to look: several checks, spread in time."""
    return suspicion.checks >= LASTS_CHECKS and suspicion.last - suspicion.first >= LASTS_FOR


# --- their document -------------------------------------------------------------------------------

VERSION: Final = 1


class _ReferenceRow(TypedDict):
    at: wire.Count
    run: str
    grid: Annotated[str, wire.Pattern(f"[0-9a-f]{{{ACROSS * DOWN}}}")]
    strengths: Annotated[str, wire.Pattern(f"[0-9a-f]{{{ACROSS * DOWN // COARSE**2}}}")]
    sharpness: Annotated[float, wire.Bounds(0, 1000)]


class _References(TypedDict):
    version: int
    references: list[_ReferenceRow]


def references_document(references: References) -> Document:
    """References as they are stored: plain values, times in whole seconds since 1970."""
    return {"version": VERSION, "references": [_reference_document(one) for one in references]}


def _reference_document(reference: Reference) -> Document:
    view = {"grid": reference.view.grid, "strengths": reference.view.strengths, "sharpness": reference.view.sharpness}
    return {"at": int(reference.at.timestamp()), "run": reference.run, **view}


def references_from(document: object) -> References:
    """The references that a document has, whoever wrote it; none where it is none of ours."""
    try:
        read_ = read(_References, document)
        if read_["version"] != VERSION:
            return ()
        return tuple(map(_reference_from, read_["references"]))[-MOST_REFERENCES:]
    except (UnreadableError, ValueError, OverflowError):
        return ()


def _reference_from(row: _ReferenceRow) -> Reference:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=row["at"])
    return Reference(PictureView(row["grid"], row["strengths"], row["sharpness"]), at, row["run"][:_LONGEST_RUN])
