"""A camera's references: what lies near is the same view, what lies far is suspect, and shown only once it lasts."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.verify.memory import PathMemory, Suspicion, after
from provisioner.verify.picture_measures import PictureView
from provisioner.verify.reference import (
    ACROSS,
    BLUR_NOT_DETECTABLE,
    COARSE,
    DOWN,
    FAR,
    LASTS_CHECKS,
    LASTS_FOR,
    MOST_REFERENCES,
    MOVE_NOT_DETECTABLE,
    NO_REFERENCE,
    ON_TOUR,
    TOO_DARK,
    TOO_PLAIN,
    Daylight,
    Reference,
    ViewDoubt,
    daylight,
    distance,
    judge_view,
    lasting,
    likeness_to_itself,
    move_shows,
    references_by_site,
    references_document,
    references_from,
    references_of_neighbours,
)
from provisioner.verify.result import PathLook, Verdict

NIGHT = datetime(2021, 6, 1, 19, tzinfo=UTC)
NOON = datetime(2021, 6, 1, 5, tzinfo=UTC)
DIGITS = "0123456789abcdef"
GRIDS = st.text(DIGITS, min_size=ACROSS * DOWN, max_size=ACROSS * DOWN)
STRENGTHS = st.text(DIGITS, min_size=ACROSS * DOWN // COARSE**2, max_size=ACROSS * DOWN // COARSE**2)
COLOURS = st.just(()) | st.tuples(*[st.integers(0, 255)] * 4)
VIEWS = st.builds(PictureView, GRIDS, STRENGTHS, st.floats(0, 2), COLOURS)
MOMENTS = st.datetimes(datetime(2021, 1, 1), datetime(2031, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
REFERENCES = st.lists(st.builds(Reference, VIEWS, MOMENTS, st.just("run")), max_size=MOST_REFERENCES).map(tuple)
OTHERS = st.dictionaries(st.sampled_from(["cam-02", "cam-03"]), REFERENCES)


def scene(number: int, strength: str = "a") -> PictureView:
    """A view with edges of its own: the same number, the same edges."""
    cells = [
        DIGITS[(place * place * (number * 2 + 3) + place * 7 * number) % 97 % 16] for place in range(ACROSS * DOWN)
    ]
    return PictureView("".join(cells), strength * (ACROSS * DOWN // COARSE**2), 0.5)


def accepted(*views: PictureView, at: datetime = NIGHT) -> tuple[Reference, ...]:
    return tuple(Reference(view, at) for view in views)


def covered(view: PictureView, share: float) -> PictureView:
    """The view with its left part covered."""
    wide = round(ACROSS // COARSE * share)
    rows = [view.grid[row * ACROSS : (row + 1) * ACROSS] for row in range(DOWN)]
    tall = [view.strengths[row * 16 : (row + 1) * 16] for row in range(DOWN // COARSE)]
    grid = "".join("0" * (wide * COARSE) + row[wide * COARSE :] for row in rows)
    return PictureView(grid, "".join("1" * wide + row[wide:] for row in tall), view.sharpness)


@given(VIEWS, VIEWS)
def test_a_distance_has_no_direction_and_stays_within_its_bounds(one: PictureView, other: PictureView) -> None:
    assert 0 <= distance(one, other) <= 2
    assert distance(one, other) == pytest.approx(distance(other, one))
    if len(set(one.grid)) > 1:
        assert distance(one, one) == pytest.approx(0, abs=1e-9)


@given(view=VIEWS, references=REFERENCES, others=OTHERS, at=MOMENTS, dark=st.booleans())
def test_nothing_is_suspected_without_a_reference_of_the_same_light(
    view: PictureView,
    references: tuple[Reference, ...],
    others: dict[str, tuple[Reference, ...]],
    at: datetime,
    *,
    dark: bool,
) -> None:
    judgement = judge_view(view, references, others, at, dark=dark)
    alike = [one for one in references if daylight(at) in {one.daylight, Daylight.BETWEEN}]
    if dark or not (alike or any(one.daylight is Daylight.BETWEEN for one in references)):
        assert {suspect.word for suspect in judgement.suspects} <= {ViewDoubt.SWAPPED}
        assert dark <= (judgement.kinds is None)
        assert judgement.not_decidable or judgement.suspects
    assert judgement.judged or not judgement.suspects
    assert judge_view(None, references, others, at).suspects == ()


@given(REFERENCES.filter(bool), OTHERS)
def test_a_view_that_was_accepted_is_no_suspect_in_its_own_light(
    references: tuple[Reference, ...], others: dict[str, tuple[Reference, ...]]
) -> None:
    for reference in references:
        sharp = min(one.view.sharpness for one in references)
        view = PictureView(reference.view.grid, reference.view.strengths, max(sharp, reference.view.sharpness))
        words = {suspect.word for suspect in judge_view(view, (reference,), others, reference.at).suspects}
        assert words == set() or len(set(view.grid)) == 1


@given(REFERENCES)
def test_references_are_read_as_they_were_written(references: tuple[Reference, ...]) -> None:
    whole = tuple(Reference(one.view, one.at.replace(microsecond=0), one.run) for one in references)
    assert references_from(references_document(references)) == whole


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


@given(HOSTILE, HOSTILE)
def test_a_document_of_anybody_is_references_or_none(document: object, inner: object) -> None:
    assert isinstance(references_from(document), tuple)
    assert isinstance(references_from({"version": 1, "references": [inner]}), tuple)


@given(st.lists(st.tuples(st.timedeltas(timedelta(minutes=1), timedelta(days=2)), st.booleans()), max_size=12))
def test_what_lasts_was_seen_by_several_checks_in_a_row_over_an_hour(checks: list[tuple[timedelta, bool]]) -> None:
    memory, at, row = PathMemory(), NIGHT, list[datetime]()
    for step, seen in checks:
        at += step
        kinds = frozenset({"view"}) if seen else frozenset[str]()
        memory = after(memory, PathLook("path", at, Verdict.UP, suspects=kinds))
        row = [*row, at] if seen else []
        lasts = [one.kind for one in memory.suspects if lasting(one)]
        assert bool(lasts) == (len(row) >= LASTS_CHECKS and row[-1] - row[0] >= LASTS_FOR)


# --- cases ----------------------------------------------------------------------------------------
def test_another_view_is_moved_and_that_of_another_camera_is_swapped() -> None:
    own, other, third = scene(1), scene(2), scene(3)
    assert distance(own, other) > FAR
    moved = judge_view(third, accepted(own), {"cam-02": accepted(other)}, NIGHT)
    assert [(one.word, one.kind) for one in moved.suspects] == [(ViewDoubt.MOVED, "view")]
    swapped = judge_view(other, accepted(own), {"cam-02": accepted(other)}, NIGHT)
    assert [(one.word, one.kind) for one in swapped.suspects] == [(ViewDoubt.SWAPPED, "view")]
    assert "cam-02" in swapped.suspects[0].detail
    assert judge_view(own, accepted(own), {"cam-02": accepted(own)}, NIGHT).suspects == ()


def test_a_camera_on_tour_is_never_moved_and_its_other_suspicions_stay() -> None:
    own, beside = accepted(scene(1)), {"cam-02": accepted(scene(2))}
    turned = judge_view(scene(3), own, beside, NIGHT, tour=True)
    # The result counts, so that an earlier suspicion ends.
    assert (turned.suspects, turned.not_decidable, turned.kinds) == ((), ON_TOUR, frozenset())
    assert [one.word for one in judge_view(scene(2), own, beside, NIGHT, tour=True).suspects] == [ViewDoubt.SWAPPED]
    for view in (covered(scene(1), 0.35), PictureView(scene(1).grid, scene(1).strengths, 0.2)):
        suspects = judge_view(view, own, beside, NIGHT).suspects
        assert suspects
        assert judge_view(view, own, beside, NIGHT, tour=True).suspects == suspects


@given(view=VIEWS, references=REFERENCES, others=OTHERS, at=MOMENTS)
def test_a_tour_adds_no_suspicion(
    view: PictureView, references: tuple[Reference, ...], others: dict[str, tuple[Reference, ...]], at: datetime
) -> None:
    fixed, turning = (judge_view(view, references, others, at, tour=tour) for tour in (False, True))
    assert {one.word for one in turning.suspects} <= {one.word for one in fixed.suspects} | {ViewDoubt.SWAPPED}
    assert ViewDoubt.MOVED not in {one.word for one in turning.suspects}


def test_another_cameras_view_is_known_without_a_reference_of_the_same_light() -> None:
    beside = {"cam-02": accepted(scene(2))}
    for own in ((), accepted(scene(1), at=NOON)):
        assert [one.word for one in judge_view(scene(2), own, beside, NIGHT).suspects] == [ViewDoubt.SWAPPED]
        assert judge_view(scene(3), own, beside, NIGHT).suspects == ()
        assert judge_view(scene(2), own, beside, NIGHT, dark=True).suspects == ()


def test_the_nearest_of_several_references_counts() -> None:
    by_day, by_night = scene(1), scene(2)
    both = (*accepted(by_day, at=NOON), *accepted(by_night))
    assert judge_view(by_night, both, {}, NIGHT).suspects == ()
    assert judge_view(by_day, both, {}, NIGHT).suspects == ()
    assert judge_view(by_night, accepted(by_day, at=NOON), {}, NIGHT).not_decidable == f"{NO_REFERENCE} by night"


@pytest.mark.parametrize(
    ("share", "word"), [(0.35, ViewDoubt.PARTLY_COVERED), (0.6, ViewDoubt.PARTLY_COVERED), (1, ViewDoubt.COVERED)]
)
def test_what_had_edges_and_has_none_is_covered(share: float, word: ViewDoubt) -> None:
    judgement = judge_view(covered(scene(1), share), accepted(scene(1)), {}, NIGHT)
    assert [one.word for one in judgement.suspects] == [word]


def hidden(view: PictureView, cells: Iterable[int]) -> PictureView:
    """The view without the edges of these cells of strengths."""
    gone = frozenset(cells)
    grid = "".join(
        "0" if place // ACROSS // COARSE * 16 + place % ACROSS // COARSE in gone else digit
        for place, digit in enumerate(view.grid)
    )
    strengths = "".join("1" if cell in gone else digit for cell, digit in enumerate(view.strengths))
    return PictureView(grid, strengths, view.sharpness)


@given(st.integers(6, 16), st.integers(6, 8), st.integers(0, 15), st.integers(0, 7))
def test_wherever_a_cover_lies_it_is_one_piece(wide: int, high: int, left: int, top: int) -> None:
    left, top = min(left, 16 - wide), min(top, 8 - high)
    cells = {row * 16 + column for row in range(top, top + high) for column in range(left, left + wide)}
    judgement = judge_view(hidden(scene(1), cells), accepted(scene(1)), {}, NIGHT)
    assert [one.word for one in judgement.suspects] != []


@given(st.integers(0, 2), st.integers(0, 4))
def test_what_stands_in_several_places_is_no_cover_though_it_hides_as_much(across: int, down: int) -> None:
    corners = [(down, across + column) for column in (0, 5, 10)]
    cells = {(top + row) * 16 + left + column for top, left in corners for row in range(4) for column in range(3)}
    assert judge_view(hidden(scene(1), cells), accepted(scene(1)), {}, NIGHT).suspects == ()
    together = {(down + row) * 16 + across + column for row in range(4) for column in range(9)}
    assert len(together) == len(cells)
    words = [one.word for one in judge_view(hidden(scene(1), together), accepted(scene(1)), {}, NIGHT).suspects]
    assert words == [ViewDoubt.PARTLY_COVERED]


@given(st.sets(st.integers(0, 127), min_size=40))
def test_what_is_only_fainter_than_it_was_is_not_covered(cells: set[int]) -> None:
    # Fog takes the strength of all edges, of some more than of others, and leaves them where they are.
    faint = "".join(f"{max(0, int(digit, 16) - 3):x}" for digit in hidden(scene(1), cells).strengths)
    foggy = PictureView(scene(1).grid, faint, 0.5)
    assert judge_view(foggy, accepted(scene(1)), {}, NIGHT).suspects == ()


@pytest.mark.parametrize(
    ("behind", "beside", "words"),
    [
        (6, 0, [ViewDoubt.VEILED]),
        (5, 1, [ViewDoubt.VEILED]),
        (4, 0, []),
        # Dusk and fog leave nothing as it was.
        (6, 2, []),
    ],
)
def test_a_veil_over_half_weakens_the_edges_behind_it_alone(behind: int, beside: int, words: list[ViewDoubt]) -> None:
    own = scene(1, strength="d")
    half = ACROSS // COARSE // 2
    veiled = (f"{13 - behind:x}" * half + f"{13 - beside:x}" * half) * (DOWN // COARSE)
    view = PictureView(own.grid, veiled, own.sharpness)
    assert [one.word for one in judge_view(view, accepted(own), {}, NIGHT).suspects] == words


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ((118, 136, 120, 134), []),
        # White balance: all of blue is off. A red lorry, or a lamp: one end of red is.
        ((138, 156, 120, 134), [ViewDoubt.COLOURED]),
        ((118, 136, 108, 122), [ViewDoubt.COLOURED]),
        ((118, 136, 120, 190), []),
        ((127, 145, 120, 134), []),
        # Infrared has no colours.
        ((128, 128, 128, 128), []),
    ],
)
def test_a_cast_is_off_in_all_of_a_colour_by_day(now: tuple[int, ...], words: list[ViewDoubt]) -> None:
    then = replace(scene(1), colours=(118, 136, 120, 134))
    view = replace(then, colours=now)
    suspects = judge_view(view, accepted(then, at=NOON), {}, NOON).suspects
    assert [one.word for one in suspects] == words
    assert judge_view(view, accepted(then), {}, NIGHT).suspects == ()
    assert judge_view(view, accepted(scene(1), at=NOON), {}, NOON).suspects == ()


def test_a_reference_of_an_earlier_version_has_no_colours_and_is_read() -> None:
    old = references_document(accepted(scene(1)))
    assert "colours" not in str(old)
    assert references_from(old) == accepted(scene(1))
    new = accepted(replace(scene(1), colours=(118, 136, 120, 134)))
    assert references_from(references_document(new)) == new
    for colours in ([1, 2, 3], [0, 0, 0, 256], "grey", [0.5, 1, 2, 3]):
        document: Any = references_document(new)
        document["references"][0]["colours"] = colours
        assert references_from(document) == ()


def test_a_little_that_is_hidden_is_no_suspect() -> None:
    assert judge_view(covered(scene(1), 0.15), accepted(scene(1)), {}, NIGHT).suspects == ()


def test_what_is_softer_than_accepted_in_the_same_light_is_blurred() -> None:
    own = scene(1)
    for sharpness, words in ((0.15, [ViewDoubt.BLURRED]), (0.29, [ViewDoubt.BLURRED]), (0.37, [])):
        soft = PictureView(own.grid, own.strengths, sharpness)
        assert [one.word for one in judge_view(soft, accepted(own), {}, NIGHT).suspects] == words
    by_day = Reference(PictureView(own.grid, own.strengths, 0.9), NOON)
    assert judge_view(PictureView(own.grid, own.strengths, 0.4), (by_day, *accepted(own)), {}, NIGHT).suspects == ()


def test_what_is_too_dark_or_too_plain_is_not_compared() -> None:
    own = scene(1)
    assert judge_view(scene(2), accepted(own), {}, NIGHT, dark=True).not_decidable == TOO_DARK
    plain = scene(2, strength="5")
    faint = PictureView(own.grid, "6" * 128, 0.5)
    assert judge_view(plain, accepted(faint), {}, NIGHT).not_decidable == TOO_PLAIN


def test_a_fence_looks_the_same_a_metre_further() -> None:
    fence = PictureView(("f4" * (ACROSS // 2)) * DOWN, "a" * 128, 0.5)
    assert likeness_to_itself(fence) < 0.2
    assert not move_shows(fence)
    assert judge_view(fence, accepted(fence), {}, NIGHT).not_decidable == MOVE_NOT_DETECTABLE
    noisy = PictureView(fence.grid, fence.strengths, 0.1)
    assert BLUR_NOT_DETECTABLE in judge_view(noisy, accepted(noisy), {}, NIGHT).not_decidable
    assert move_shows(scene(1))


def test_light_is_that_of_vietnam() -> None:
    summer = {Daylight.DAY: (0, 5, 9), Daylight.NIGHT: (13, 19, 21), Daylight.BETWEEN: (11, 12, 22, 23)}
    winter = {Daylight.DAY: (1, 5, 9), Daylight.NIGHT: (12, 19, 22), Daylight.BETWEEN: (0, 10, 11, 23)}
    for month, hours in ((6, summer), (12, winter)):
        for light, of in hours.items():
            seen = {hour: daylight(datetime(2021, month, 1, hour, tzinfo=UTC)) for hour in of}
            assert seen == dict.fromkeys(of, light)


def test_one_look_is_no_alarm() -> None:
    once = Suspicion("view", NIGHT, NIGHT, 1)
    often_at_once = Suspicion("view", NIGHT, NIGHT + timedelta(minutes=5), 9)
    three_nights = Suspicion("view", NIGHT, NIGHT + timedelta(days=2), 3)
    assert [lasting(one) for one in (once, often_at_once, three_nights)] == [False, False, True]


PLACES = st.tuples(st.sampled_from(["p/f", "p/g"]), st.sampled_from("abc"), st.sampled_from(["main", "sub"]))


@given(listed=st.dictionaries(PLACES, st.lists(VIEWS, min_size=1, max_size=2)), place=PLACES)
def test_the_neighbours_of_a_camera_are_the_other_cameras_of_its_site(
    listed: dict[tuple[str, str, str], list[PictureView]], place: tuple[str, str, str]
) -> None:
    references = {key: tuple(Reference(view, NOON) for view in views) for key, views in listed.items()}
    found = references_of_neighbours(
        "/".join(place), "f", references_by_site({"/".join(k): r for k, r in references.items()})
    )
    site, camera, _ = place
    assert {(name, one) for name, of in found.items() for one in of} == {
        (f"f/{other}", one) for (at, other, _), of in references.items() for one in of if at == site and other != camera
    }
