"""Looking provinces up: what is found, what is refused, and what a refusal says."""

import unicodedata

import pytest

from provisioner.inventory.geography import (
    AmbiguousProvinceError,
    ContradictoryProvinceError,
    ProvinceError,
    UnknownProvinceError,
    UnknownSchemeError,
    by_name,
    by_slug,
    collisions,
    find,
    read_province,
)

OLD, NEW = "gso-2021", "gso-2025"


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        *(("TP. Hồ Chí Minh", "ho-chi-minh"), ("TP.HCM", "ho-chi-minh"), ("HCM", "ho-chi-minh")),
        *(("Sài Gòn", "ho-chi-minh"), ("Saigon", "ho-chi-minh"), ("Ho Chi Minh City", "ho-chi-minh")),
        *(("Thừa Thiên - Huế", "thua-thien-hue"), ("Huế", "thua-thien-hue"), ("TT Huế", "thua-thien-hue")),
        *(("BR-VT", "ba-ria-vung-tau"), ("Bà Rịa \u2013 Vũng Tàu", "ba-ria-vung-tau")),
        *(("Đắc Lắc", "dak-lak"), ("Đăk Lăk", "dak-lak"), ("Daklak", "dak-lak"), ("\u00d0ắk Lắk", "dak-lak")),
        *(("Bắc Cạn", "bac-kan"), ("Đắc Nông", "dak-nong"), ("Kontum", "kon-tum")),
        *(("tỉnh Bắc Giang", "bac-giang"), ("Thành phố Hà Nội", "ha-noi"), ("Thủ đô Hà Nội", "ha-noi")),
        *(("HOÀ BÌNH", "hoa-binh"), ("Bac Giang Province", "bac-giang"), ("thanh-hoa", "thanh-hoa")),
        *(("  Bắc\u00a0Giang ", "bac-giang"), (unicodedata.normalize("NFD", "tỉnh Bắc Giang"), "bac-giang")),
    ],
)
def test_names_in_use_are_found(text: str, slug: str) -> None:
    assert by_name(text, OLD).slug == slug
    assert read_province(text, OLD).slug == slug


def test_a_slug_is_read_letter_by_letter() -> None:
    assert by_slug("hue", NEW).code == "46"
    for text in ("Hue", "hue ", "huế", "tp-hue", ""):
        with pytest.raises(UnknownProvinceError):
            by_slug(text, NEW)


@pytest.mark.parametrize(
    ("text", "scheme", "message", "hint"),
    [
        ("Bac Giangg", OLD, "'Bac Giangg' is no province of gso-2021", "did you mean Bắc Giang (24)"),
        ("UBND tỉnh Bắc Giang", OLD, "is no province of gso-2021", "did you mean Bắc Giang (24)?"),
        ("QN", OLD, "'QN' is no province of gso-2021", "`provisioner geography list --scheme gso-2021`"),
        ("8", OLD, "'8' is no code of gso-2021", "did you mean Tuyên Quang (08)? A code is a text of two digits"),
        ("03", NEW, "'03' is no code of gso-2025", "`provisioner geography list --scheme gso-2025`"),
        (
            "27",
            NEW,
            "in gso-2021 it is Bắc Ninh (27), whose territory is in Bắc Ninh (24) now",
            "or read it by gso-2021",
        ),
        (
            "Bắc Giang",
            NEW,
            "in gso-2021 it is Bắc Giang (24), whose territory is in Bắc Ninh (24)",
            "write bac-ninh, or",
        ),
        ("B¾c Giang", OLD, "'B¾c Giang' is no province", "looks like TCVN3 and would say 'Bắc Giang'"),
        ("KiÃªn Giang", OLD, "is no province", "looks like UTF-8 read as Windows-1252 and would say 'Kiên Giang'"),
        ("Hoà Chí Minh", OLD, "is no province", "looks like VNI and would say 'Hồ Chí Minh'"),
        ("", OLD, "'' is no province of gso-2021", "shows all names"),
        ("x" * 1000, OLD, "'" + "x" * 60 + "…' is no province", "shows all names"),
    ],
)
def test_what_is_not_known_is_refused_with_what_to_write(text: str, scheme: str, message: str, hint: str) -> None:
    with pytest.raises(UnknownProvinceError) as caught:
        read_province(text, scheme)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_slug_of_the_newer_list_is_told_from_one_that_does_not_exist() -> None:
    with pytest.raises(UnknownProvinceError) as caught:
        by_slug("hue", OLD)
    assert caught.value.message == "'hue' is no slug of gso-2021: it is Thừa Thiên Huế (46) there"
    assert caught.value.hint == "write thua-thien-hue"


@pytest.mark.parametrize(
    ("written", "readings", "hint"),
    [
        (
            ("Bắc Ninh", OLD, "24"),
            "in gso-2021 the name is Bắc Ninh (27) and the code is Bắc Giang; in gso-2025 both are Bắc Ninh (24)",
            "if the list was made by gso-2025, read it so; otherwise correct the name or the code",
        ),
        (
            ("Bắc Giang", NEW, "24"),
            "in gso-2021 both are Bắc Giang (24); in gso-2025 the name is unknown and the code is Bắc Ninh",
            "if the list was made by gso-2021, read it so; otherwise correct the name or the code",
        ),
        (
            ("Hà Nội", OLD, "79"),
            (
                "in gso-2021 the name is Hà Nội (01) and the code is Hồ Chí Minh;"
                " in gso-2025 the name is Hà Nội (01) and the code is Hồ Chí Minh"
            ),
            "correct the name or the code",
        ),
    ],
)
def test_a_name_and_another_code_show_both_readings(written: tuple[str, str, str], readings: str, hint: str) -> None:
    with pytest.raises(ContradictoryProvinceError) as caught:
        read_province(*written)
    name, _, code = written
    assert caught.value.message == f"the name '{name}' and the code {code} disagree: {readings}"
    assert caught.value.hint == hint


@pytest.mark.parametrize(("name", "code"), [("Bắc Giangg", "24"), ("Bắc Giang", "03"), ("Bắc Giang", "8")])
def test_beside_a_code_an_unknown_name_stays_unknown_and_so_does_a_code(name: str, code: str) -> None:
    with pytest.raises(UnknownProvinceError):
        read_province(name, OLD, code)


@pytest.mark.parametrize("code", collisions())
def test_a_code_with_two_names_needs_its_list(code: str) -> None:
    with pytest.raises(AmbiguousProvinceError) as caught:
        find(code)
    (old,), (new,) = (find(code, scheme) for scheme in (OLD, NEW))
    assert caught.value.message == f"code {code} is {old.name} in gso-2021 and {new.name} in gso-2025"


def test_without_a_list_everything_that_knows_the_text_is_given() -> None:
    assert [province.scheme for province in find("01")] == [OLD, NEW]
    assert [province.slug for province in find("Huế")] == ["thua-thien-hue", "hue"]
    assert [province.scheme for province in find("Bắc Giang")] == [OLD]
    for text in ("8", "Bac Giangg"):
        with pytest.raises(UnknownProvinceError, match="is no province of gso-2021 or gso-2025"):
            find(text)


def test_errors_are_of_one_family_with_codes_of_their_own() -> None:
    kinds = (UnknownSchemeError, UnknownProvinceError, AmbiguousProvinceError, ContradictoryProvinceError)
    assert all(issubclass(kind, ProvinceError) and kind.exit_code == 2 for kind in kinds)
    assert len({kind.code for kind in kinds}) == len(kinds)
