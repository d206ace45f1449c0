"""Laws of turns: every camera once a week, what changed or failed at once; samples are stable and from everywhere."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.text import VIETNAM
from provisioner.desired.spec import HostSpec
from provisioner.verify.memory import NOTHING, PastVerdict, PathMemory
from provisioner.verify.paths import PathToCheck, select
from provisioner.verify.result import Verdict
from provisioner.verify.rotation import (
    OVERDUE,
    FullLookReason,
    Share,
    by_need,
    camera_of,
    content_of,
    full_look_reason,
    sample_of,
    share_of,
    week_of,
)
from tests.unit.verify import world

MONDAY = datetime(2021, 5, 10, 0, 30, tzinfo=VIETNAM)
BASE = select(world.state())[0]


def target(number: int, province: str = "bac-giang", relay: str = "edge-1") -> PathToCheck:
    """The path of one camera."""
    name = f"{province}/kcl-{number:03}/cam-01/sub"
    path = BASE.path._replace(name=name, province=province, facility=f"kcl-{number:03}", camera="cam-01")
    spec: HostSpec = replace(BASE.relay, id=relay)
    return PathToCheck(spec, path, BASE.centres)


def proved(target: PathToCheck, full_look: datetime) -> PathMemory:
    """The memory of a path that is well, with its last full look."""
    past = (PastVerdict(full_look, Verdict.UP),)
    return PathMemory(past=past, content=content_of(target), full_look=full_look)


@given(st.integers(0, 999), st.integers(0, 100))
def test_in_a_week_every_camera_has_its_turn_once(number: int, week: int) -> None:
    one, monday = target(number), MONDAY + timedelta(weeks=week)
    nights = [monday + timedelta(days=day) for day in range(7)]
    due = [full_look_reason(one, proved(one, night - timedelta(days=1)), night) for night in nights]
    assert Counter(due) == {None: 6, FullLookReason.TURN: 1}
    late = full_look_reason(one, proved(one, MONDAY - OVERDUE), MONDAY)
    assert late is FullLookReason.OVERDUE


def test_turns_are_spread_over_the_nights_and_wander() -> None:
    cameras = [target(number) for number in range(700)]
    nights = [MONDAY + timedelta(days=day) for day in range(14)]
    turns = [
        {n for n, c in enumerate(cameras) if full_look_reason(c, proved(c, at - timedelta(1)), at)} for at in nights
    ]
    assert all(60 < len(turn) < 145 for turn in turns)
    assert turns[:7] != turns[7:]


def test_what_changed_or_failed_or_was_never_looked_at_is_due_at_once() -> None:
    one = target(1)
    night = next(
        MONDAY + timedelta(days=day)
        for day in range(7)
        if not full_look_reason(one, proved(one, MONDAY + timedelta(days=day - 1)), MONDAY + timedelta(days=day))
    )
    well = proved(one, night - timedelta(days=1))
    assert full_look_reason(one, well, night) is None
    assert full_look_reason(one, NOTHING, night) is FullLookReason.NEVER
    other = PathToCheck(one.relay, one.path._replace(width=one.path.width + 1), one.centres)
    assert full_look_reason(other, well, night) is FullLookReason.CHANGED
    for verdict, due in (
        (Verdict.DOWN, FullLookReason.FAILED),
        (Verdict.DEGRADED, FullLookReason.FAILED),
        (Verdict.UNKNOWN, None),
    ):
        past = (*well.past, PastVerdict(night - timedelta(hours=1), verdict))
        assert full_look_reason(one, replace(well, past=past), night) is due


def test_a_password_is_no_part_of_what_a_path_is() -> None:
    one = target(1)
    source = one.path.pulled._replace(password=one.path.pulled.password.__class__("another"))
    assert content_of(PathToCheck(one.relay, one.path._replace(source=source), one.centres)) == content_of(one)


@given(
    st.dictionaries(st.tuples(st.sampled_from("abc"), st.sampled_from("rs")), st.integers(1, 40), min_size=1),
    st.fractions(Fraction(1, 50), 1),
    st.integers(0, 50),
)
def test_a_sample_is_stable_and_takes_its_part_of_every_stratum(
    sizes: dict[tuple[str, str], int], fraction: Fraction, week: int
) -> None:
    numbers = iter(range(1000))
    targets = [target(next(numbers), province, relay) for (province, relay), size in sizes.items() for _ in range(size)]
    at = MONDAY + timedelta(weeks=week)
    taken = sample_of(targets, Share("", fraction=fraction), at)
    assert taken == sample_of(targets, Share("", fraction=fraction), at + timedelta(days=6))
    assert taken.week == week_of(at)
    assert len({camera_of(one) for one in taken.targets}) == taken.cameras
    assert taken.of_cameras == len(targets)
    of = Counter((one.path.province, one.relay.id) for one in taken.targets)
    for stratum, size in sizes.items():
        assert (
            max(1, int(size * fraction))
            <= of[stratum]
            <= min(size, max(1, int(size * fraction) + (size * fraction >= 1)))
        )
    shuffled = sample_of(targets[::-1], Share("", fraction=fraction), at)
    assert {one.path.name for one in shuffled.targets} == {one.path.name for one in taken.targets}


@given(st.integers(1, 400))
def test_a_number_of_cameras_is_that_number(number: int) -> None:
    targets = [target(n, "bac-giang", f"edge-{n % 3}") for n in range(300)]
    assert sample_of(targets, Share("", number=number), MONDAY).cameras == max(3, min(300, number))


def test_another_week_takes_others() -> None:
    targets = [target(n) for n in range(200)]
    first, second = (sample_of(targets, share_of("10%"), MONDAY + timedelta(weeks=week)) for week in (0, 1))
    assert {one.path.name for one in first.targets} != {one.path.name for one in second.targets}


def test_both_streams_of_a_camera_are_in_a_sample_or_none() -> None:
    chosen = sample_of(select(world.state()), share_of("1"), MONDAY)
    cameras = {camera_of(one) for one in chosen.targets}
    assert len(cameras) == chosen.cameras == 1
    every = {one.path.name for one in select(world.state()) if camera_of(one) in cameras}
    assert {one.path.name for one in chosen.targets} == every


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10%", Fraction(1, 10)), ("0.1", Fraction(1, 10)), ("2.5 %", Fraction(1, 40)), ("100%", Fraction(1)), ("7", 7)],
)
def test_a_share_or_a_number(text: str, expected: Fraction | int) -> None:
    share = share_of(text)
    assert expected in {share.fraction, share.number}


@given(st.text(max_size=12) | st.sampled_from(["0", "0%", "101%", "1.5", "-1", "nan", "1e9", "1/3", "٣", "", "%", "."]))
def test_anything_else_is_refused(text: str) -> None:
    try:
        share = share_of(text)
    except ValueError:
        return
    assert (share.number or 0) > 0 or Fraction(0) < (share.fraction or Fraction(0)) <= 1


@given(st.permutations(range(6)))
def test_what_a_run_does_not_reach_comes_first_in_the_next(order: list[int]) -> None:
    targets = [target(number) for number in order]
    at = datetime(2021, 5, 1, tzinfo=UTC)
    known = {target(n).path.name: PathMemory(proofs={7: at + timedelta(days=n)}) for n in range(1, 6)}
    assert [one.path.facility for one in by_need(targets, known)] == [f"kcl-{n:03}" for n in range(6)]
