"""The tables of provinces: official counts, codes, merges, phone codes and days."""

import re
import unicodedata
from collections import Counter
from datetime import date
from itertools import pairwise

import pytest

from provisioner.inventory.geography import SCHEMES, UnknownSchemeError, collisions, merged_into, provinces

#: Area codes since 2017, as the places of the library `phonenumbers` 9.0.43 have them.
_NUMBERING_PLAN = """
024 ha-noi; 028 ho-chi-minh; 0203 quang-ninh; 0204 bac-giang; 0205 lang-son; 0206 cao-bang; 0207 tuyen-quang; 0208
thai-nguyen; 0209 bac-kan; 0210 phu-tho; 0211 vinh-phuc; 0212 son-la; 0213 lai-chau; 0214 lao-cai; 0215 dien-bien;
0216 yen-bai; 0218 hoa-binh; 0219 ha-giang; 0220 hai-duong; 0221 hung-yen; 0222 bac-ninh; 0225 hai-phong; 0226 ha-nam;
0227 thai-binh; 0228 nam-dinh; 0229 ninh-binh; 0232 quang-binh; 0233 quang-tri; 0234 thua-thien-hue; 0235 quang-nam;
0236 da-nang; 0237 thanh-hoa; 0238 nghe-an; 0239 ha-tinh; 0251 dong-nai; 0252 binh-thuan; 0254 ba-ria-vung-tau; 0255
quang-ngai; 0256 binh-dinh; 0257 phu-yen; 0258 khanh-hoa; 0259 ninh-thuan; 0260 kon-tum; 0261 dak-nong; 0262 dak-lak;
0263 lam-dong; 0269 gia-lai; 0270 vinh-long; 0271 binh-phuoc; 0272 long-an; 0273 tien-giang; 0274 binh-duong; 0275
ben-tre; 0276 tay-ninh; 0277 dong-thap; 0290 ca-mau; 0291 bac-lieu; 0292 can-tho; 0293 hau-giang; 0294 tra-vinh; 0296
an-giang; 0297 kien-giang; 0299 soc-trang
"""

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
    assert {province.slug: province.area_codes for province in provinces("gso-2021")} == {
        slug: (code,) for code, slug in (entry.split() for entry in _NUMBERING_PLAN.split(";"))
    }
