"""A person's word that cameras show what they should: which views become references, and which are refused. Pure.

Nothing becomes a reference by itself, and none out of a view that is suspect: whoever accepts has looked. A camera that
was moved on purpose is accepted anew (`renew`), which forgets its earlier references.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    references_beside,
    references_by_site,
)
from provisioner.verify.result import PathVerdict, Verdict, VerifyResult

PICTURE_LEVEL: Final = 6
"""The level that looks at the picture: nobody accepts a view that it did not pass."""


@dataclass(frozen=True, slots=True)
class ViewToAccept:
    """A path whose view is to be accepted.

    Attributes:
        view: what was seen; None where nothing was measured.
        dark: whether it was too dark to compare.
        references: those that it has.
        others: those of the facility's other cameras, by name.
    """

    verdict: PathVerdict
    view: PictureView | None
    dark: bool
    references: References
    others: Mapping[str, References]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What came of a path that was to be accepted.

    Attributes:
        references: all that it has from now on; empty where it was refused.
        refused: why it was; empty where it was accepted.
        notes: what a person should know of it.
    """

    path: str
    references: References = ()
    refused: str = ""
    notes: tuple[str, ...] = ()


def accept(
    candidates: Sequence[ViewToAccept], at: datetime, run: str, *, renew: bool = False
) -> tuple[Acceptance, ...]:
    """Accept what each path shows, or say why not.

    Args:
        candidates: the paths, with what was seen of them.
        at: when it was seen.
        run: the run that it is accepted in, which is recorded with who began it.
        renew: whether earlier references are forgotten.
    """
    return tuple(_accepted(one, at, run, renew=renew) for one in candidates)


def _accepted(candidate: ViewToAccept, at: datetime, run: str, *, renew: bool) -> Acceptance:
    path = candidate.verdict.path
    if refused := _refusal(candidate, at, renew=renew):
        return Acceptance(path, refused=refused)
    assert candidate.view is not None  # noqa: S101 (else it was refused)
    kept = () if renew else candidate.references
    new = Reference(candidate.view, at, run)
    return Acceptance(path, _with(kept, new), notes=_notes(new, kept))


def _with(kept: References, new: Reference) -> References:
    """The references with one more: of too many the oldest of the same light goes, so that the other keeps its."""
    if len(kept) < MOST_REFERENCES:
        return (*kept, new)
    same = [one for one in kept if one.daylight is new.daylight] or list(kept)
    oldest = min(same, key=lambda one: one.at)
    return (*(one for one in kept if one is not oldest), new)


def _notes(new: Reference, kept: References) -> tuple[str, ...]:
    notes = []
    if not move_shows(new.view):
        notes.append("a move cannot be detected here: it looks alike a little further")
    lights = {one.daylight for one in (*kept, new)}
    if len(lights) == 1:
        notes.append(f"it has references by {new.daylight.value} only: accept it in the other light, too")
    return tuple(notes)


def _refusal(candidate: ViewToAccept, at: datetime, *, renew: bool) -> str:
    verdict = candidate.verdict
    if verdict.verdict is not Verdict.UP or PICTURE_LEVEL not in verdict.passed:
        return "it is not up with a picture that was looked at: repair it, then accept it"
    if candidate.view is None or candidate.dark or not candidate.view.says_something:
        return "its picture has too few edges to be known again: accept it when there is light"
    if renew:
        return _of_another(candidate.view, candidate.others)
    suspects = judge_view(candidate.view, candidate.references, candidate.others, at).suspects
    if suspects:
        return msg("{detail}: if it should be so from now on, accept it with --renew", suspects[0].detail)
    return _far_off(candidate, at)


def _far_off(candidate: ViewToAccept, at: datetime) -> str:
    """Whether it is far from references of the other light alone: it may be another camera's, and nobody could say."""
    view = candidate.view
    alike = any(one.daylight is daylight(at) for one in candidate.references)
    if view is None or alike or not candidate.references:
        return ""
    if min(distance(view, one.view) for one in candidate.references) <= FAR:
        return ""
    return _of_another(view, candidate.others)


def _of_another(view: PictureView, others: Mapping[str, References]) -> str:
    near = sorted(name for name, of in others.items() if any(distance(view, one.view) <= NEAR for one in of))
    if not near:
        return ""
    return msg(
        "it shows what {near} showed: accept both in one run if they changed places, else repair the cabling", near[0]
    )


# --- a whole verification -------------------------------------------------------------------------


def acceptances(
    result: VerifyResult, known: Mapping[str, References], run: str, *, renew: bool = False
) -> tuple[Acceptance, ...]:
    """What comes of accepting the picture of every path of a verification.

    Args:
        result: what was verified.
        known: the references that there are, by the path's name, of whole facilities.
        run: the run that it is accepted in.
        renew: whether earlier references are forgotten.
    """
    chosen = {verdict.path for verdict in result.paths}
    kept = references_by_site({path: of for path, of in known.items() if not (renew and path in chosen)})
    return tuple(
        _accepted(_candidate(verdict, known, kept), verdict.checked_at or result.finished_at, run, renew=renew)
        for verdict in result.paths
    )


def _candidate(verdict: PathVerdict, known: Mapping[str, References], kept: SiteReferences) -> ViewToAccept:
    picture = verdict.picture
    return ViewToAccept(
        verdict=verdict,
        view=picture.view if picture else None,
        dark=picture is not None and picture.state == State.DARK.value,
        references=known.get(verdict.path, ()),
        others=references_beside(verdict.path, verdict.facility, kept),
    )
