"""The tables of provinces: official counts, codes and merges."""

from __future__ import annotations

import re
from collections import Counter

from provisioner.geography import provinces

OLD, NEW = provinces("gso-2021"), provinces("gso-2025")


def test_there_were_63_units_and_there_are_34() -> None:
    assert (len(OLD), len(NEW)) == (63, 34)


def test_codes_slugs_and_names_are_unique_in_a_scheme() -> None:
    for scheme in (OLD, NEW):
        for key in ("code", "slug", "name"):
            assert max(Counter(getattr(province, key) for province in scheme).values()) == 1


def test_every_old_unit_went_into_exactly_one_new_unit() -> None:
    merged = Counter(code for province in NEW for code in province.merged_from)
    assert merged == Counter(province.code for province in OLD)


def test_a_new_unit_has_the_code_of_one_that_went_into_it() -> None:
    assert all(province.code in province.merged_from for province in NEW)


def test_exactly_seven_codes_name_another_province_in_the_other_scheme() -> None:
    old = {province.code: province.name for province in OLD}
    other = {province.code for province in NEW if old[province.code] != province.name}
    assert other - {"46"} == {"15", "24", "44", "52", "80", "82", "91"}  # 46 is one place with a shorter name


def test_slugs_are_ascii_and_fit_into_a_path() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", province.slug) for province in OLD + NEW)


def test_slugs_of_names_with_marks_are_those_that_people_write() -> None:
    slugs = {province.name: province.slug for province in OLD}
    assert slugs["Đắk Lắk"] == "dak-lak"
    assert slugs["Bà Rịa - Vũng Tàu"] == "ba-ria-vung-tau"
    assert slugs["Thừa Thiên Huế"] == "thua-thien-hue"
    assert slugs["Hồ Chí Minh"] == "ho-chi-minh"
