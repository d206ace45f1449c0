"""The structure of the package: its own figures hold, and a module in the wrong place gets a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import ROOT, House, breaches, house_of, report

LAYERS = [{"cli"}, {"apply", "report"}, {"plan"}, {"base"}]


def tree(root: Path, **modules: str) -> Path:
    """A package `p` with these modules: `plan__diff` is `p/plan/diff.py`."""
    for name, text in modules.items():
        path = root / "p" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        for folder in (path.parent, root / "p"):
            (folder / "__init__.py").touch()
    return root


def sentences(house: House, **figures: int) -> list[str]:
    return list(breaches(house, LAYERS, figures))


def test_the_package_is_as_its_figures_and_layers_say() -> None:
    table, wrong = report(ROOT)
    assert not wrong
    assert any(line.startswith("provisioner ") for line in table)


def test_the_package_stays_within_what_was_agreed() -> None:
    """22 rooms, 85 arrows, then: availability, monitoring, notices, pages, reachability, forges, Rego, nodes."""
    figures = house_of(ROOT, "provisioner").figures
    assert figures["rooms"] <= 27
    assert figures["arrows"] <= 134


def test_every_way_to_import_is_an_arrow_and_each_pair_counts_once(tmp_path: Path) -> None:
    text = "import p.base\nfrom p.base import x\nfrom p import plan\ndef f():\n    from p.plan.diff import y\n"
    root = tree(tmp_path, cli__main=text, base="", plan__diff="from p.base import x\nfrom p import VERSION\n")
    house = house_of(root, "p")
    pairs = [(arrow.source, arrow.target) for arrow in house.arrows]
    assert pairs == [("cli", "base"), ("cli", "plan"), ("plan", "__init__"), ("plan", "base")]
    assert house.figures == {"rooms": 4, "arrows": 4, "floors": 3}


def test_what_is_imported_under_type_checking_is_an_arrow_too(tmp_path: Path) -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.cli import x\n"
    (wrong,) = sentences(house_of(tree(tmp_path, base=text, cli=""), "p"))
    assert wrong.startswith("p/base.py:3: p/base comes before cli and may not import it: ")


def test_a_circle_is_named_and_does_not_hide_the_rest(tmp_path: Path) -> None:
    root = tree(tmp_path, base="from p import plan\n", plan="from p import base\n", cli="from p import base\n")
    house = house_of(root, "p")
    assert house.circles == (("base", "plan"),)
    assert house.floors == 2
    assert any("base, plan import each other in a circle" in sentence for sentence in sentences(house))


def test_a_room_of_no_layer_gets_a_sentence_that_says_where_it_may_go(tmp_path: Path) -> None:
    (wrong,) = sentences(house_of(tree(tmp_path, base="", helpers=""), "p"))
    assert wrong.startswith("p/helpers is in no layer: move it into the folder of its stage (docs/changing.md)")


def test_rooms_of_one_layer_do_not_import_each_other(tmp_path: Path) -> None:
    (wrong,) = sentences(house_of(tree(tmp_path, apply="", report="import os\nimport p.apply\n"), "p"))
    assert wrong.startswith("p/report.py:2: p/report stands beside apply and may not import it")


@pytest.mark.parametrize(("figure", "says"), [(3, "p has 2 rooms and pyproject.toml allows 3"), (1, "allows 1: put")])
def test_a_figure_that_moved_either_way_is_said(tmp_path: Path, figure: int, says: str) -> None:
    (wrong,) = sentences(house_of(tree(tmp_path, base=""), "p"), rooms=figure)
    assert says in wrong
