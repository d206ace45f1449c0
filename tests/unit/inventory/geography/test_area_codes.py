"""Phone area codes against the telephone numbering data that phonenumbers carries."""

import phonenumbers
from phonenumbers import geocoder

from provisioner.inventory.geography import by_name, provinces


def test_every_area_code_is_of_the_province_that_the_numbering_plan_names() -> None:
    for province in provinces("gso-2021"):
        (area_code,) = province.area_codes
        subscriber = "38541234"[: 11 - len(area_code)]
        number = phonenumbers.parse(area_code + subscriber, "VN")
        assert by_name(geocoder.description_for_number(number, "vi"), "gso-2021") == province
