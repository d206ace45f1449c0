"""What a person's word makes a reference, and what it does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from provisioner.verify.acceptance import ViewToAccept, accept
from provisioner.verify.picture_measures import PictureView
from provisioner.verify.reference import Daylight, Reference, References
from provisioner.verify.result import NO_FINDING, PathVerdict, Verdict
from tests.laws.test_reference_laws import NIGHT, NOON, accepted, covered, scene

UP = PathVerdict(
    "p/f/cam-01/sub", "c", "p", "f", "cam-01", "r", Verdict.UP, 7, NO_FINDING, NIGHT, (1, 2, 3, 4, 5, 6, 7)
)


def candidate(view: PictureView | None = None, references: References = (), **others: References) -> ViewToAccept:
    return ViewToAccept(UP, view or scene(1), dark=False, references=references, others=others)


def test_a_view_that_somebody_looked_at_becomes_a_reference_of_its_run() -> None:
    (one,) = accept([candidate()], NIGHT, "run-1")
    assert one.references == (Reference(scene(1), NIGHT, "run-1"),)
    assert one.refused == ""
    assert one.notes == ("it has references by night only: accept it in the other light, too",)


def test_day_and_night_are_accepted_one_after_the_other() -> None:
    (one,) = accept([candidate(scene(1), accepted(scene(1), at=NOON))], NIGHT, "run")
    assert [reference.daylight for reference in one.references] == [Daylight.DAY, Daylight.NIGHT]
    assert one.notes == ()


def test_of_too_many_the_oldest_of_the_same_light_goes() -> None:
    day = accepted(scene(1), at=NOON - timedelta(days=90))
    nights = tuple(Reference(scene(1), NIGHT - timedelta(days=days)) for days in (30, 20, 10))
    (one,) = accept([candidate(scene(1), (*day, *nights))], NIGHT, "run")
    assert [reference.at for reference in one.references] == [day[0].at, nights[1].at, nights[2].at, NIGHT]


@pytest.mark.parametrize(
    "verdict",
    [
        replace(UP, verdict=Verdict.DEGRADED),
        replace(UP, verdict=Verdict.UNKNOWN),
        replace(UP, verdict=Verdict.MAINTENANCE),
        replace(UP, passed=(1, 2, 3, 4, 5, 7)),
    ],
)
def test_what_is_not_up_with_its_picture_is_refused(verdict: PathVerdict) -> None:
    for renew in (False, True):
        (one,) = accept([replace(candidate(), verdict=verdict)], NIGHT, "run", renew=renew)
        assert (one.references, one.refused[:12]) == ((), "it is not up")


def test_what_nobody_could_know_again_is_refused() -> None:
    plain = PictureView("0" * 512, "0" * 128, 0.0)
    for odd in (candidate(plain), replace(candidate(), dark=True), replace(candidate(), view=None)):
        (one,) = accept([odd], NIGHT, "run")
        assert (one.references, "too few edges" in one.refused) == ((), True)


@pytest.mark.parametrize("view", [scene(2), covered(scene(1), 0.5), replace(scene(1), sharpness=0.1)])
def test_a_suspect_view_needs_to_be_renewed(view: PictureView) -> None:
    (one,) = accept([candidate(view, accepted(scene(1)))], NIGHT, "run")
    assert (one.references, "--renew" in one.refused) == ((), True)
    (anew,) = accept([candidate(view, accepted(scene(1)))], NIGHT, "run", renew=True)
    assert anew.references == (Reference(view, NIGHT, "run"),)


def test_another_cameras_view_is_refused_even_when_renewed() -> None:
    for renew in (False, True):
        swapped = candidate(scene(2), accepted(scene(1)), cam_02=accepted(scene(2)))
        (one,) = accept([swapped], NIGHT, "run", renew=renew)
        assert (one.references, "cam_02" in one.refused) == ((), True)
    (by_night,) = accept([candidate(scene(2), accepted(scene(1), at=NOON), cam_02=accepted(scene(2)))], NIGHT, "run")
    assert "cam_02" in by_night.refused


def test_a_fence_is_accepted_with_a_note() -> None:
    fence = PictureView("f4" * 256, "a" * 128, 0.5)
    (one,) = accept([candidate(fence)], datetime(2021, 6, 1, 5, tzinfo=UTC), "run")
    assert "a move cannot be detected here: it looks alike a little further" in one.notes
