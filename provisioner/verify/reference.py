"""Compares views with a camera's accepted references (docs/internals/verify.md). Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from statistics import median
from typing import Annotated, Final, NotRequired, TypedDict

from provisioner.base.errors import UnreadableError
from provisioner.base.text import Document, msg
from provisioner.hosts.answers import read, wire
from provisioner.verify.memory import Suspicion
from provisioner.verify.picture_measures import AN_EDGE, FEWEST_EDGES, PictureView
from provisioner.verify.result import ReferenceReport

ACROSS: Final = 32
DOWN: Final = 16
COARSE: Final = 2  #: Width and height of a strength cell, in edge cells.
FAR: Final = 0.7  #: A view further than this from every reference is another view.
NEAR: Final = 0.5  #: A view nearer than this to another camera's reference is that camera's.
LOST: Final = 0.25  #: A cover hides this share of the reference's edge cells, or more.
ALL_LOST: Final = 0.85
#: More than this share of a cover is one piece; scattered objects hide as much in several places.
ONE_PIECE: Final = 0.5
#: Least share of the reference's sharpness of a sharp picture.
#:
#: Healthy pictures of one light have 0.75 of it and more; a lens that is off by 2 pixels of 640 leaves 0.45.
SOFT: Final = 0.6
#: A reference below this sharpness, from little light and much noise, cannot reveal a blurred picture.
SHARP: Final = 0.4
VEIL: Final = 5  #: Half octaves that a veil takes from the edges behind it.
CAST: Final = 10  #: Least levels by which all colours differ from the reference's.
MOST_REFERENCES: Final = 4

LASTS_CHECKS: Final = 3
LASTS_FOR: Final = timedelta(hours=1)

_LONGEST_RUN = 63
_WEAKER = 4
# A move by 15 to 40 % of the picture, in cells.
_SHIFTS_ACROSS = range(5, 13)
_SHIFTS_DOWN = range(3, 7)
_STRENGTHS_ACROSS = ACROSS // COARSE
# Outer points of the mainland (latitude and longitude). So low a sun gives no light, and hides the equation of time; so
# far below the horizon no twilight is left.
_POINTS: Final = ((8.6, 104.7), (10.3, 107.5), (12.7, 109.4), (21.5, 108.0), (23.4, 105.3), (22.4, 102.1))
_LOW_SUN: Final = 6.0


class Daylight(StrEnum):
    """The light by the sun over Vietnam."""

    DAY = "day"
    NIGHT = "night"
    BETWEEN = "between"


def daylight(at: datetime) -> Daylight:
    """Return whether all of Vietnam has day or night, else `BETWEEN`.

    The declination is P. I. Cooper's (Solar Energy 12, 1969), half a degree off at most.
    """
    moment = at.astimezone(UTC)
    declination = math.radians(23.45) * math.sin(math.radians(360 / 365 * (284 + moment.timetuple().tm_yday)))
    hour = moment.hour + moment.minute / 60
    heights = [
        math.sin(math.radians(north)) * math.sin(declination)
        + math.cos(math.radians(north)) * math.cos(declination) * math.cos(math.radians(15 * (hour - 12) + east))
        for north, east in _POINTS
    ]
    low = math.sin(math.radians(_LOW_SUN))
    if min(heights) > low:
        return Daylight.DAY
    return Daylight.NIGHT if max(heights) < -low else Daylight.BETWEEN


@dataclass(frozen=True, slots=True)
class Reference:
    """An accepted view."""

    view: PictureView
    at: datetime  #: The time of the view.
    run: str = ""  #: The recorded run, which names the person.

    @property
    def daylight(self) -> Daylight:
        """The light of the view."""
        return daylight(self.at)


References = tuple[Reference, ...]  #: A camera's references, oldest first.


# --- distances ------------------------------------------------------------------------------------
def distance(first: PictureView, second: PictureView) -> float:
    """Return the distance of two views: 0 equal, 1 like chance."""
    return _distance_of_pairs(zip(first.edges, second.edges, strict=True))


def _distance_of_pairs(pairs: Iterable[tuple[int, int]]) -> float:
    rows = tuple(pairs)
    if not rows:
        return 1.0
    middle_a, middle_b = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    joint = sum((a - middle_a) * (b - middle_b) for a, b in rows)
    spread = math.sqrt(sum((a - middle_a) ** 2 for a, _ in rows) * sum((b - middle_b) ** 2 for _, b in rows))
    # Rounding must not make a view further from others than from itself.
    return min(2.0, max(0.0, 1 - joint / spread)) if spread else 1.0


def likeness_to_itself(view: PictureView) -> float:
    """Return the least distance to itself after a shift.

    Shifts are 15 to 40 % of the picture. The part that a shift brings into the picture counts as chance.
    """
    across = (_distance_after_shift(view, shift, 0) for shift in _SHIFTS_ACROSS)
    down = (_distance_after_shift(view, 0, shift) for shift in _SHIFTS_DOWN)
    return min(*across, *down)


def _distance_after_shift(view: PictureView, across: int, down: int) -> float:
    rows = [view.edges[row * ACROSS : (row + 1) * ACROSS] for row in range(DOWN)]
    overlap = (1 - across / ACROSS) * (1 - down / DOWN)
    shifted = _distance_of_pairs(
        pair for row, moved in zip(rows, rows[down:], strict=False) for pair in zip(row, moved[across:], strict=False)
    )
    return overlap * shifted + 1 - overlap


def report_on(references: References) -> ReferenceReport | None:
    """Return the report on a camera's references, if any."""
    if not references:
        return None
    lights = {reference.daylight for reference in references}
    return ReferenceReport(
        count=len(references),
        newest=max(reference.at for reference in references),
        lights=tuple(light.value for light in Daylight if light in lights),
        move_shows=all(move_shows(reference.view) for reference in references),
    )


def move_shows(view: PictureView) -> bool:
    """Return whether a move changes the view; a fence may look alike."""
    return likeness_to_itself(view) > FAR


#: References by site (a path's name without camera and stream), then by camera.
SiteReferences = Mapping[str, Mapping[str, References]]


def references_by_site(references: Mapping[str, References]) -> SiteReferences:
    """Group references by site, once for all paths."""
    sites: dict[str, dict[str, References]] = defaultdict(lambda: defaultdict(tuple))
    for name, of_path in references.items():
        site, camera, _ = name.rsplit("/", 2)
        sites[site][camera] += of_path
    return sites


def references_of_neighbours(path: str, facility: str, sites: SiteReferences) -> Mapping[str, References]:
    """Return references of the facility's other cameras, by name."""
    site, camera, _ = path.rsplit("/", 2)
    return {
        f"{facility}/{neighbour}": references
        for neighbour, references in sites.get(site, {}).items()
        if neighbour != camera
    }


# --- judgement ------------------------------------------------------------------------------------
class ViewDoubt(StrEnum):
    """Suspicions of a view."""

    MOVED = "moved"
    SWAPPED = "swapped"
    COVERED = "covered"
    PARTLY_COVERED = "partly covered"
    VEILED = "partly veiled"
    BLURRED = "blurred"
    COLOURED = "colour cast"


#: The remembered kind of each suspicion: moved tonight and covered tomorrow are one matter.
KIND: Final[Mapping[ViewDoubt, str]] = {
    ViewDoubt.MOVED: "view",
    ViewDoubt.SWAPPED: "view",
    ViewDoubt.COVERED: "view",
    ViewDoubt.PARTLY_COVERED: "view",
    ViewDoubt.VEILED: "view",
    ViewDoubt.BLURRED: "blurred",
    ViewDoubt.COLOURED: "colours",
}

#: Suspicions of a view, most specific first.
TELLING: Final = (ViewDoubt.SWAPPED, ViewDoubt.COVERED, ViewDoubt.PARTLY_COVERED, ViewDoubt.VEILED, ViewDoubt.MOVED)


@dataclass(frozen=True, slots=True)
class SuspectView:
    """A suspicion of one look."""

    word: ViewDoubt
    detail: str  #: The evidence in words.

    @property
    def kind(self) -> str:
        """The remembered kind."""
        return KIND[self.word]


@dataclass(frozen=True, slots=True)
class ViewJudgement:
    """The result for one view."""

    suspects: tuple[SuspectView, ...] = ()  #: Suspicions.
    not_decidable: str = ""  #: Which comparison was impossible and why; empty if none.
    judged: bool = True

    @property
    def kinds(self) -> frozenset[str] | None:
        """The kinds to remember; `None` if not judged."""
        return frozenset(suspect.kind for suspect in self.suspects) if self.judged else None


NO_REFERENCE: Final = "no reference"
MOVE_NOT_DETECTABLE: Final = "move not detectable here"
BLUR_NOT_DETECTABLE: Final = "blur not detectable here"
TOO_DARK: Final = "too dark to compare"
TOO_PLAIN: Final = "too few edges to compare"
NOT_MEASURED: Final = "no view was measured"
ON_TOUR: Final = "the camera turns: this view has no reference"


def judge_view(
    view: PictureView | None,
    references: References,
    others: Mapping[str, References],
    at: datetime,
    *,
    dark: bool = False,
    tour: bool = False,
) -> ViewJudgement:
    """Compare a view with its references, and if far with other cameras'.

    A camera on `tour` may have other views: far from its references only a swap is a suspicion.
    """
    alike = _of_the_same_light(references, at)
    if why := _nothing_to_compare(view, references, alike, at, dark=dark):
        strange = None if view is None or dark else _swapped_view(view, references, others)
        return ViewJudgement((strange,)) if strange else ViewJudgement(not_decidable=why, judged=False)
    assert view is not None  # noqa: S101 (there is something to compare)
    far, reference = min(
        ((distance(view, candidate.view), candidate) for candidate in references), key=lambda pair: pair[0]
    )
    if tour and far > FAR:
        strange = _swapped_view(view, references, others)
        return ViewJudgement((strange,) if strange else (), "" if strange else ON_TOUR)
    if hidden := _hidden_view(view, min(alike, key=lambda candidate: distance(view, candidate.view)).view):
        return ViewJudgement((hidden,))
    if not view.says_something:
        return ViewJudgement(not_decidable=TOO_PLAIN, judged=False)
    if far > FAR:
        return ViewJudgement((_swapped_or_moved_view(view, far, others),))
    notes = [] if move_shows(reference.view) else [MOVE_NOT_DETECTABLE]
    softest = min(candidate.view.sharpness for candidate in alike)
    notes += [BLUR_NOT_DETECTABLE] if softest < SHARP else []
    blurred = None if softest < SHARP else _blurred_view(view, softest)
    coloured = _colour_suspicion(view, alike) if daylight(at) is Daylight.DAY else None
    return ViewJudgement(tuple(filter(None, (blurred, coloured))), ", ".join(notes))


def _nothing_to_compare(
    view: PictureView | None, references: References, alike: References, at: datetime, *, dark: bool
) -> str:
    """Return why no comparison is possible; empty if one is."""
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
    return tuple(reference for reference in references if reference.daylight in {light, Daylight.BETWEEN})


def _swapped_view(view: PictureView, references: References, others: Mapping[str, References]) -> SuspectView | None:
    """Return a swapped view, found without a reference of this light."""
    far = min((distance(view, reference.view) for reference in references), default=1.0)
    if far <= FAR or not view.says_something:
        return None
    suspect = _swapped_or_moved_view(view, far, others)
    return suspect if suspect.word is ViewDoubt.SWAPPED else None


def _swapped_or_moved_view(view: PictureView, far: float, others: Mapping[str, References]) -> SuspectView:
    near = {
        name: min(distance(view, reference.view) for reference in references)
        for name, references in others.items()
        if references
    }
    name = min(near, key=lambda reference: (near[reference], reference), default="")
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


def _hidden_view(view: PictureView, reference: PictureView) -> SuspectView | None:
    """Return a suspicion if the reference's edges are partly or all missing."""
    had = [cell for cell, strength in enumerate(reference.steps) if strength >= AN_EDGE]
    if len(had) < FEWEST_EDGES:
        return None
    lost = frozenset(cell for cell in had if _is_lost(view.steps[cell], reference.steps[cell]))
    if _distance_of_pairs(_edge_pairs(view, reference, lost, inside=True)) <= NEAR:
        # Fog, or less light: fainter edges are still in place. Behind a cover they are not.
        return _veiled_view(view, reference, had)
    share = len(lost) / len(had)
    detail = msg("{share} of the former edges are gone", f"{share:.0%}")
    if share >= ALL_LOST:
        return SuspectView(ViewDoubt.COVERED, detail)
    if share < LOST or _largest_piece(lost) <= ONE_PIECE * len(lost):
        return _veiled_view(view, reference, had)
    as_it_was = _distance_of_pairs(_edge_pairs(view, reference, lost, inside=False)) <= NEAR
    return SuspectView(ViewDoubt.PARTLY_COVERED, detail) if as_it_was else None


def _veiled_view(view: PictureView, reference: PictureView, had: Sequence[int]) -> SuspectView | None:
    """Return a suspicion if one piece alone is much fainter."""
    weaker = {cell: reference.steps[cell] - view.steps[cell] for cell in had}
    veiled = {cell for cell in had if weaker[cell] >= VEIL}
    share = len(veiled) / len(had)
    if not LOST <= share < ALL_LOST or _largest_piece(veiled) <= ONE_PIECE * len(veiled):
        return None
    if median(weaker[cell] for cell in had if cell not in veiled) > 1:
        return None
    return SuspectView(
        ViewDoubt.VEILED,
        msg("{share} of the former edges are much fainter, the others are as they were", f"{share:.0%}"),
    )


def _is_lost(now: int, then: int) -> bool:
    return now < AN_EDGE and now <= then - _WEAKER


def _largest_piece(cells: Iterable[int]) -> int:
    """Return the size of the largest connected group of cells."""
    remaining, most = set(cells), 0
    while remaining:
        edge, size = [remaining.pop()], 0
        while edge:
            neighbours = remaining.intersection(_around(edge.pop()))
            remaining -= neighbours
            edge += neighbours
            size += 1
        most = max(most, size)
    return most


def _around(cell: int) -> Iterator[int]:
    row, column = divmod(cell, _STRENGTHS_ACROSS)
    for near_column in range(max(0, column - 1), min(_STRENGTHS_ACROSS, column + 2)):
        yield from (line * _STRENGTHS_ACROSS + near_column for line in (row - 1, row, row + 1))


def _edge_pairs(
    view: PictureView, reference: PictureView, cells: frozenset[int], *, inside: bool
) -> Iterable[tuple[int, int]]:
    """Yield both views' edges inside or outside some strength cells."""
    for index, pair in enumerate(zip(view.edges, reference.edges, strict=True)):
        row, column = divmod(index, ACROSS)
        if (row // COARSE * _STRENGTHS_ACROSS + column // COARSE in cells) == inside:
            yield pair


def _blurred_view(view: PictureView, softest: float) -> SuspectView | None:
    """Return a suspicion if much softer than the softest reference."""
    if view.sharpness >= SOFT * softest:
        return None
    return SuspectView(
        ViewDoubt.BLURRED, msg("its edges are {sharpness} as sharp as accepted", f"{view.sharpness / softest:.0%}")
    )


def _colour_suspicion(view: PictureView, alike: References) -> SuspectView | None:
    """Return a suspicion if all blue or red differs from each reference."""
    if not view.is_coloured:
        return None
    casts = [_colour_shift(view.colours, reference.view.colours) for reference in alike if reference.view.is_coloured]
    least_cast = min(casts, default=0)
    if least_cast < CAST:
        return None
    return SuspectView(ViewDoubt.COLOURED, msg("its colours are {levels} levels off what was accepted", least_cast))


def _colour_shift(now: Sequence[int], then: Sequence[int]) -> int:
    low_blue, high_blue, low_red, high_red = (a - b for a, b in zip(now, then, strict=True))
    pairs = ((low_blue, high_blue), (low_red, high_red))
    return max(min(abs(low), abs(high)) if low * high > 0 else 0 for low, high in pairs)


def lasting(suspicion: Suspicion) -> bool:
    """Return whether a suspicion lasted for several checks, spread in time."""
    return suspicion.checks >= LASTS_CHECKS and suspicion.last - suspicion.first >= LASTS_FOR


# --- their document -------------------------------------------------------------------------------
VERSION: Final = 1


class _ReferenceRow(TypedDict):
    at: wire.Count
    run: str
    grid: Annotated[str, wire.Pattern(f"[0-9a-f]{{{ACROSS * DOWN}}}")]
    strengths: Annotated[str, wire.Pattern(f"[0-9a-f]{{{ACROSS * DOWN // COARSE**2}}}")]
    sharpness: Annotated[float, wire.Bounds(0, 1000)]
    colours: NotRequired[wire.Colours]


class _References(TypedDict):
    version: int
    references: list[_ReferenceRow]


def references_document(references: References) -> Document:
    """Return references in plain values, with seconds since 1970."""
    return {"version": VERSION, "references": [_reference_document(reference) for reference in references]}


def _reference_document(reference: Reference) -> Document:
    view = reference.view
    colours = {"colours": list(view.colours)} if view.colours else {}
    measures = {"grid": view.grid, "strengths": view.strengths, "sharpness": view.sharpness, **colours}
    return {"at": int(reference.at.timestamp()), "run": reference.run, **measures}


def references_from(document: object) -> References:
    """Parse stored references; empty if invalid."""
    try:
        read_ = read(_References, document)
        if read_["version"] != VERSION:
            return ()
        return tuple(map(_reference_from, read_["references"]))[-MOST_REFERENCES:]
    except (UnreadableError, ValueError, OverflowError):
        return ()


def _reference_from(row: _ReferenceRow) -> Reference:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=row["at"])
    view = PictureView(row["grid"], row["strengths"], row["sharpness"], tuple(row.get("colours", ())))
    return Reference(view, at, row["run"][:_LONGEST_RUN])
