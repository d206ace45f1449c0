"""The tables of provinces: official counts, codes, merges, phone codes and days."""

import re
import unicodedata
from collections import Counter
from datetime import date
from itertools import pairwise

import phonenumbers
import pytest
from phonenumbers import geocoder

from provisioner.inventory.geography import SCHEMES, UnknownSchemeError, by_name, collisions, merged_into, provinces

OLD, NEW = (provinces(scheme) for scheme in SCHEMES)


def test_there_were_63_units_and_there_are_34() -> None:
    assert (len(OLD), len(NEW)) == (63, 34)


def test_codes_slugs_and_names_are_of_one_form_and_unique_in_a_scheme() -> None:
    for scheme in (OLD, NEW):
        for key in ("code", "slug", "name"):
            assert max(Counter(getattr(province, key) for province in scheme).values()) == 1
    for province in OLD + NEW:
        assert re.fullmatch(r"[0-9]{2}", province.code)
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", province.slug)
        assert unicodedata.is_normalized("NFC", province.name)
        assert not re.match("(?i)tỉnh|thành phố|tp", province.name)


def test_every_old_unit_went_into_exactly_one_new_unit() -> None:
    merged = Counter(code for province in NEW for code in province.merged_from)
    assert merged == Counter(province.code for province in OLD)


def test_a_new_unit_has_the_code_of_one_that_went_into_it() -> None:
    assert all(province.code in province.merged_from for province in NEW)


def test_a_name_that_is_left_belongs_to_a_unit_that_holds_the_old_one() -> None:
    new = {province.slug: province for province in NEW}
    for province in OLD:
        assert new.get(province.slug, merged_into(province)) == merged_into(province)


def test_exactly_seven_codes_name_another_province_in_the_other_scheme() -> None:
    assert collisions() == ("15", "24", "44", "52", "80", "82", "91")
    old = {province.code: province.name for province in OLD}
    other = {province.code for province in NEW if old[province.code] != province.name}
    assert other == {*collisions(), "46"}  # 46 is one place with a shorter name


def test_every_old_unit_has_a_phone_code_of_its_own() -> None:
    codes = [code for province in OLD for code in province.area_codes]
    assert len(set(codes)) == len(codes) == 63
    short = {province.slug for province in OLD if len(province.area_codes[0]) == len("024")}
    assert short == {"ha-noi", "ho-chi-minh"}
    assert all(re.fullmatch(r"02[0-9]{1,2}", code) for code in codes)


def test_no_phone_code_begins_another_one() -> None:
    codes = sorted(code for province in OLD for code in province.area_codes)
    assert not [(one, two) for one, two in pairwise(codes) if two.startswith(one)]


def test_a_merged_unit_keeps_every_phone_code() -> None:
    old = {province.code: province.area_codes for province in OLD}
    for province in NEW:
        assert Counter(province.area_codes) == Counter(code for part in province.merged_from for code in old[part])


@pytest.mark.parametrize(
    "day",
    [date(2021, 5, 9), date(2024, 12, 31), date(2025, 1, 1), date(2025, 6, 30), date(2025, 7, 1), date(2026, 1, 1)],
)
def test_on_every_day_a_territory_is_of_one_unit(day: date) -> None:
    for old in OLD:
        valid = [
            p for p in (old, merged_into(old)) if p.valid_from <= day and (p.valid_to is None or day <= p.valid_to)
        ]
        assert len(valid) == 1


def test_only_hue_changed_before_the_others() -> None:
    assert {p.slug for p in OLD if p.valid_to != date(2025, 6, 30)} == {"thua-thien-hue"}
    assert {p.slug for p in NEW if p.valid_from != date(2025, 7, 1)} == {"hue"}


def test_another_list_is_refused_with_the_two_that_there_are() -> None:
    with pytest.raises(UnknownSchemeError) as caught:
        provinces("gso-2008")
    assert "'gso-2008'" in caught.value.message
    assert all(scheme in caught.value.hint for scheme in SCHEMES)


def test_every_area_code_is_of_the_province_that_the_numbering_plan_names() -> None:
    for province in provinces("gso-2021"):
        (area_code,) = province.area_codes
        subscriber = "38541234"[: 11 - len(area_code)]
        number = phonenumbers.parse(area_code + subscriber, "VN")
        assert by_name(geocoder.description_for_number(number, "vi"), "gso-2021") == province
