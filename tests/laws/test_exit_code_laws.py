"""Which of several exit codes wins."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.errors import INTERRUPTED, worst_of

CODES = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, INTERRUPTED])


@given(st.lists(CODES, min_size=1))
def test_the_worst_is_one_of_them_in_whatever_order_they_come(codes: list[int]) -> None:
    assert worst_of(*codes) in codes
    assert worst_of(*codes) == worst_of(*reversed(codes)) or len({2, 4, 12, 13} & {*codes}) > 1
    assert (worst_of(*codes) == 0) == (set(codes) == {0})


@given(st.lists(CODES), st.lists(CODES))
def test_of_parts_is_of_the_whole(some: list[int], others: list[int]) -> None:
    assert worst_of(worst_of(*some), worst_of(*others)) == worst_of(*some, *others)


@pytest.mark.parametrize(
    ("codes", "worst"),
    [
        ((7, 11), 11),  # a host that could not go back is worse than one that did
        ((3, 5), 5),  # hosts that were not read before facilities that are held
        ((3, 10), 3),  # held before drift
        ((3, 1), 3),
        ((INTERRUPTED, 1), INTERRUPTED),
        ((INTERRUPTED, 7), 7),
        ((4, 11), 4),  # without secrets nothing was done at all
        ((), 0),
    ],
)
def test_worse_is_what_needs_somebody_sooner(codes: tuple[int, ...], worst: int) -> None:
    assert {worst_of(*order) for order in permutations(codes)} == {worst}
