"""Whether a stream arrives in full, for every rate, length of look and jitter."""

from itertools import pairwise
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from provisioner.hosts.answers import wire
from provisioner.verify.delivery import delivered_s, is_short

rates = st.integers(1, 60)
looks = st.floats(3, 60)


def seen_of(moments: list[float], looked_s: float) -> wire.PictureAnswer:
    """What a look saw of pictures that are shown at these moments."""
    steps = sorted(b - a for a, b in pairwise(moments)) or [0.0]
    span_s = moments[-1] - moments[0] if moments else 0.0
    packets = {"count": len(moments), "bytes": 2_000 * len(moments), "span_s": span_s, "arrived_s": span_s}
    packets |= {"step_s": steps[len(steps) // 2], "longest_s": steps[-1]}
    return cast("wire.PictureAnswer", {"looked_s": looked_s, "packets": packets})


def stream(fps: int, seconds: float) -> list[float]:
    return [number / fps for number in range(max(1, int(seconds * fps)))]


@given(rates, looks, st.floats(-0.8, 0.8))
def test_a_stream_in_full_is_never_short(fps: int, looked_s: float, early: float) -> None:
    assert not is_short(seen_of(stream(fps, looked_s + early), looked_s), fps)


@given(rates, looks, st.floats(0, 0.4))
def test_a_stream_of_which_two_fifths_come_in_time_is_short(fps: int, looked_s: float, part: float) -> None:
    assert is_short(seen_of(stream(fps, looked_s * part), looked_s))


@given(
    st.integers(5, 60), looks, st.lists(st.integers(3, 6), min_size=400, max_size=400).filter(lambda s: len({*s}) > 1)
)
def test_pictures_that_are_left_out_are_missed_by_the_agreed_rate(fps: int, looked_s: float, steps: list[int]) -> None:
    numbers, left = [0], iter(steps * 10)
    while numbers[-1] < looked_s * fps:
        numbers.append(numbers[-1] + next(left))
    seen = seen_of([number / fps for number in numbers], looked_s)
    # Where steps differ clearly: at even ones it is the camera's own rate, and another matter.
    if seen["packets"]["longest_s"] > 1.5 * seen["packets"]["step_s"]:
        assert is_short(seen, fps)


@given(st.integers(2, 30), looks, st.integers(2, 10))
def test_a_lower_rate_at_even_steps_is_another_matter(fps: int, looked_s: float, times: int) -> None:
    assert not is_short(seen_of(stream(fps, looked_s), looked_s), fps * times)


@given(rates, looks, st.floats(0, 1), st.integers(0, 200))
def test_fewer_pictures_are_never_more(fps: int, looked_s: float, part: float, fewer: int) -> None:
    seen = seen_of(stream(fps, looked_s * part), looked_s)
    count = max(0, seen["packets"]["count"] - fewer)
    less: wire.PictureAnswer = {**seen, "packets": {**seen["packets"], "count": count}}
    assert delivered_s(less, fps) <= delivered_s(seen, fps)
    assert is_short(less, fps) or not is_short(seen, fps)


@given(rates, st.floats(0, 2.4), st.floats(0, 1))
def test_a_glance_says_nothing(fps: int, looked_s: float, part: float) -> None:
    assert not is_short(seen_of(stream(fps, looked_s * part), looked_s), fps)
