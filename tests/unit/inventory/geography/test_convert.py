"""From one list to the other, and to the unit to which a frozen slug belongs today."""

import pytest

from provisioner.inventory.geography import (
    AmbiguousProvinceError,
    UnknownProvinceError,
    UnknownSchemeError,
    by_slug,
    convert,
    unit_today,
)

OLD, NEW = "gso-2021", "gso-2025"


@pytest.mark.parametrize(
    ("slug", "heir"),
    [("bac-giang", "bac-ninh"), ("bac-ninh", "bac-ninh"), ("thua-thien-hue", "hue"), ("long-an", "tay-ninh")],
)
def test_an_old_unit_is_in_one_new_unit(slug: str, heir: str) -> None:
    assert [unit.slug for unit in convert(by_slug(slug, OLD), NEW)] == [heir]
    assert unit_today(slug, OLD, NEW) == by_slug(heir, NEW)


def test_a_new_unit_is_made_of_old_ones() -> None:
    assert [unit.slug for unit in convert(by_slug("phu-tho", NEW), OLD)] == ["hoa-binh", "phu-tho", "vinh-phuc"]
    assert [unit.slug for unit in convert(by_slug("hue", NEW), OLD)] == ["thua-thien-hue"]


def test_a_slug_of_the_newer_list_has_a_unit_in_the_older_one_only_if_it_was_one() -> None:
    assert unit_today("hue", NEW, OLD).slug == "thua-thien-hue"
    with pytest.raises(AmbiguousProvinceError) as caught:
        unit_today("bac-ninh", NEW, OLD)
    assert "Bắc Giang (24), Bắc Ninh (27)" in caught.value.message


def test_a_slug_has_to_be_of_its_list() -> None:
    with pytest.raises(UnknownProvinceError, match="'bac-giang' is no slug of gso-2025"):
        unit_today("bac-giang", NEW, NEW)
    with pytest.raises(UnknownSchemeError):
        unit_today("bac-giang", OLD, "gso-2008")
