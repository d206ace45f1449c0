"""`--examples`: a merge runs every law through fewer examples, a soak through more, and none through nearly none."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import conftest


def drawn(share: float) -> list[int]:
    """What a law of sixty examples draws where so much of them is asked for."""
    seen: list[int] = []

    @settings(max_examples=60, database=None)
    @given(st.integers())
    def law(number: int) -> None:
        seen.append(number)

    item: Any = SimpleNamespace(obj=law)
    config: Any = SimpleNamespace(getoption=lambda _: share)
    # Two tests may be one law: by another parameter.
    conftest.pytest_collection_modifyitems(cast("pytest.Config", config), [item, item])
    law()
    return seen


@given(st.integers(1, 10_000), st.floats(0.01, 100))
def test_a_law_keeps_a_few_examples_and_never_gets_more_than_its_share(asked: int, share: float) -> None:
    got = conftest.examples(asked, share)
    assert min(asked, conftest.FEWEST) <= got <= max(asked * share + 1, conftest.FEWEST)
    assert conftest.examples(asked, 1.0) == asked


@pytest.mark.parametrize(("share", "runs"), [(1.0, 60), (0.5, 30), (3.0, 180), (0.01, conftest.FEWEST)])
def test_a_law_runs_through_its_share(share: float, runs: int) -> None:
    assert len(drawn(share)) == runs


def test_a_merge_draws_the_same_examples_every_time_and_a_soak_new_ones() -> None:
    assert drawn(0.5) == drawn(0.5)
    assert drawn(1.0) != drawn(1.0)


def test_a_soak_draws_new_ones_where_a_variable_says_ci_too() -> None:
    asked = "from tests import conftest; import hypothesis; print(hypothesis.settings().derandomize)"
    for said in ({}, {"CI": "true"}):
        answer = subprocess.run(
            [sys.executable, "-c", asked],
            cwd=Path(__file__).parents[2],
            env={"PATH": os.environ["PATH"], **said},
            capture_output=True,
            text=True,
            check=True,
        )
        assert answer.stdout.strip() == "False"
