"""The map: every province of a list once, no two on one place, and the country as it lies."""

import pytest

from provisioner.inventory.geography import SCHEMES, provinces
from provisioner.web.app import asset
from provisioner.web.texts import tiles

NORTH_TO_SOUTH = {
    "gso-2021": ("cao-bang", "ha-noi", "thanh-hoa", "quang-binh", "da-nang", "khanh-hoa", "ho-chi-minh", "ca-mau"),
    "gso-2025": ("cao-bang", "ha-noi", "thanh-hoa", "quang-tri", "da-nang", "khanh-hoa", "ho-chi-minh", "ca-mau"),
}
WEST_TO_EAST = ("dien-bien", "ha-noi", "quang-ninh")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_province_has_one_place_of_its_own(scheme: str) -> None:
    placed = tiles(scheme)
    assert sorted(placed) == sorted(province.slug for province in provinces(scheme))
    assert len({(tile.row, tile.column) for tile in placed.values()}) == len(placed)
    assert len({tile.short for tile in placed.values()}) == len(placed)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_country_can_be_recognised(scheme: str) -> None:
    placed = tiles(scheme)
    rows = [placed[slug].row for slug in NORTH_TO_SOUTH[scheme]]
    columns = [placed[slug].column for slug in WEST_TO_EAST]
    assert (rows, columns) == (sorted(set(rows)), sorted(set(columns)))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_style_has_every_place(scheme: str) -> None:
    style = asset("page.css").decode()
    for tile in tiles(scheme).values():
        assert f".tile.row{tile.row} {{ grid-row: {tile.row}; }}" in style
        assert f".tile.col{tile.column} {{ grid-column: {tile.column}; }}" in style


def test_a_list_that_is_not_known_has_no_map() -> None:
    assert tiles("gso-1975") == {}
