"""The generator of a country gives the same one for the same seed, of exactly the size wanted, and nothing is wrong."""

from __future__ import annotations

from pathlib import Path

from provisioner.inventory.loader.load import check, load
from tests.national import TODAY, Country, generate


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.yml")}


def test_a_country_is_right_and_of_the_size_wanted(tmp_path: Path) -> None:
    generate(tmp_path / "a", Country(facilities=130, cameras=900, seed=3))
    loaded = load(tmp_path / "a", today=TODAY)
    assert check(loaded) == ()
    outlines = loaded.outlines.values()
    assert len(outlines) == 130
    assert sum(outline.cameras for outline in outlines) == 900
    assert len({outline.province for outline in outlines}) == 63
    assert {outline.operating.value for outline in outlines} == {"open", "standby", "closed"}
    generate(tmp_path / "b", Country(facilities=130, cameras=900, seed=3))
    assert files(tmp_path / "a") == files(tmp_path / "b")
