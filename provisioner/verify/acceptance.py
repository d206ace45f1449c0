"""Views of cameras, accepted by a person as references or refused. Pure.

Only a person who looks makes a view a reference, and never a suspect one. A camera that was moved on purpose is
accepted anew (`renew`), without its earlier references.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from provisioner.base.text import msg
from provisioner.verify.picture_check import State
from provisioner.verify.picture_measures import PictureView
from provisioner.verify.reference import (
    FAR,
    MOST_REFERENCES,
    NEAR,
    Reference,
    References,
    SiteReferences,
    daylight,
    distance,
    judge_view,
    move_shows,
    references_by_site,
    references_of_neighbours,
)
from provisioner.verify.result import PathVerdict, Verdict, VerifyResult

PICTURE_LEVEL: Final = 6  #: The level of the picture, required for an acceptance.


@dataclass(frozen=True, slots=True)
class ViewToAccept:
    """A path's view to accept."""

    verdict: PathVerdict
    view: PictureView | None  #: `None` if not measured.
    dark: bool  #: Whether it is too dark to compare.
    references: References  #: The views of this path that persons accepted earlier.
    others: Mapping[str, References]  #: Likewise, of the facility's other cameras, by camera.
    tour: bool = False  #: Whether the camera turns, so that another view is its own as well.


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The result for one path."""

    path: str
    references: References = ()  #: The path's accepted views, with the new one; empty if refused.
    refused: str = ""  #: The reason; empty if accepted.
    notes: tuple[str, ...] = ()  #: Remarks for a person.


def accept(
    candidates: Sequence[ViewToAccept], at: datetime, run: str, *, renew: bool = False
) -> tuple[Acceptance, ...]:
    """Accept views of a time or refuse them; `renew` forgets earlier references."""
    return tuple(_acceptance_of(candidate, at, run, renew=renew) for candidate in candidates)


def _acceptance_of(candidate: ViewToAccept, at: datetime, run: str, *, renew: bool) -> Acceptance:
    path = candidate.verdict.path
    if refused := _refusal_of_view(candidate, at, renew=renew):
        return Acceptance(path, refused=refused)
    assert candidate.view is not None  # noqa: S101 (else it was refused)
    previous = () if renew else candidate.references
    new = Reference(candidate.view, at, run)
    return Acceptance(path, _with_reference(previous, new), notes=_notes_on(new, previous))


def _with_reference(references: References, new: Reference) -> References:
    """Add a reference; above the limit drop the oldest of its light."""
    if len(references) < MOST_REFERENCES:
        return (*references, new)
    same = [reference for reference in references if reference.daylight is new.daylight] or list(references)
    oldest = min(same, key=lambda reference: reference.at)
    return (*(reference for reference in references if reference is not oldest), new)


def _notes_on(new: Reference, previous: References) -> tuple[str, ...]:
    notes = []
    if not move_shows(new.view):
        notes.append("a move cannot be detected here: it looks alike a little further")
    lights = {reference.daylight for reference in (*previous, new)}
    if len(lights) == 1:
        notes.append(f"it has references by {new.daylight.value} only: accept it in the other light, too")
    return tuple(notes)


def _refusal_of_view(candidate: ViewToAccept, at: datetime, *, renew: bool) -> str:
    verdict = candidate.verdict
    if verdict.verdict is not Verdict.UP or PICTURE_LEVEL not in verdict.passed:
        return "it is not up with a picture that was looked at: repair it, then accept it"
    if candidate.view is None or candidate.dark or not candidate.view.says_something:
        return "its picture has too few edges to be known again: accept it when there is light"
    if renew:
        return _refusal_of_neighbour_view(candidate.view, candidate.others)
    tour = candidate.tour
    suspects = judge_view(candidate.view, candidate.references, candidate.others, at, tour=tour).suspects
    if suspects:
        return msg("{detail}: if it should be so from now on, accept it with --renew", suspects[0].detail)
    return _far_off(candidate, at)


def _far_off(candidate: ViewToAccept, at: datetime) -> str:
    """Return a note if the view resembles another camera's references."""
    view = candidate.view
    alike = any(reference.daylight is daylight(at) for reference in candidate.references)
    if view is None or alike or not candidate.references:
        return ""
    if min(distance(view, reference.view) for reference in candidate.references) <= FAR:
        return ""
    return _refusal_of_neighbour_view(view, candidate.others)


def _refusal_of_neighbour_view(view: PictureView, neighbours: Mapping[str, References]) -> str:
    near = sorted(
        name
        for name, references in neighbours.items()
        if any(distance(view, reference.view) <= NEAR for reference in references)
    )
    if not near:
        return ""
    return msg(
        "it shows what {near} showed: accept both in one run if they changed places, else repair the cabling", near[0]
    )


# --- a whole verification -------------------------------------------------------------------------
def acceptances(
    result: VerifyResult,
    references_by_path: Mapping[str, References],
    run: str,
    *,
    renew: bool = False,
    tours: Collection[str] = (),
) -> tuple[Acceptance, ...]:
    """Return the result for every path of a verification, as `accept`."""
    chosen = {verdict.path for verdict in result.paths}
    by_site = references_by_site(
        {path: of_path for path, of_path in references_by_path.items() if not (renew and path in chosen)}
    )
    return tuple(
        _acceptance_of(
            replace(_view_to_accept(verdict, references_by_path, by_site), tour=verdict.path in tours),
            verdict.checked_at or result.finished_at,
            run,
            renew=renew,
        )
        for verdict in result.paths
    )


def _view_to_accept(
    verdict: PathVerdict, references_by_path: Mapping[str, References], by_site: SiteReferences
) -> ViewToAccept:
    picture = verdict.picture
    return ViewToAccept(
        verdict=verdict,
        view=picture.view if picture else None,
        dark=picture is not None and picture.state == State.DARK.value,
        references=references_by_path.get(verdict.path, ()),
        others=references_of_neighbours(verdict.path, verdict.facility, by_site),
    )
