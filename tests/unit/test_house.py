"""The structure of the package: its figures are those of pyproject.toml, and a figure that moved is named."""

import pytest

from tests.house import ROOT, breaches, report


def test_the_package_is_as_its_figures_say() -> None:
    table, wrong = report(ROOT)
    assert not wrong
    assert any(line.startswith("provisioner ") for line in table)


@pytest.mark.parametrize(("limit", "says"), [(3, "p: rooms fell to 2"), (1, "p: rooms is 2, pyproject.toml allows 1")])
def test_a_figure_that_moved_either_way_is_said(limit: int, says: str) -> None:
    (sentence,) = breaches("p", {"rooms": 2, "change": 3}, {"rooms": limit, "change": 4})
    assert says in sentence
