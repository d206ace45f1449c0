"""Text in the wrong encoding, as it stands in tables of provinces: named with what it says, never in vain."""

import unicodedata

import pytest

from provisioner.base.vietnamese import LegacyEncoding, legacy_encoding, possible_readings, read_legacy, syllable

MOTTO = "Cộng hòa xã hội chủ nghĩa Việt Nam", "Độc lập - Tự do - Hạnh phúc"


@pytest.mark.parametrize(
    ("encoding", "text", "reading"),
    [
        ("TCVN3", "B¾c Giang", "Bắc Giang"),
        ("TCVN3", "Céng hßa x· héi chñ nghÜa ViÖt Nam", MOTTO[0]),
        ("TCVN3", "§éc lËp - Tù do - H¹nh phóc", MOTTO[1]),
        ("TCVN3", "Tr\u00adêng TiÓu häc NguyÔn Tr·i", "Trường Tiểu học Nguyễn Trãi"),
        ("TCVN3", "§µ N½ng \u2013 B\u00d7nh Ph\u00adíc", "Đà Nẵng \u2013 Bình Phước"),
        ("VNI", "Baéc Giang", "Bắc Giang"),
        ("VNI", "Coäng hoøa xaõ hoäi chuû nghóa Vieät Nam", MOTTO[0]),
        ("VNI", "Ñoäc laäp - Töï do - Haïnh phuùc", MOTTO[1]),
        ("VNI", "TRÖÔØNG TIEÅU HOÏC NGUYEÃN TRAÕI", "TRƯỜNG TIỂU HỌC NGUYỄN TRÃI"),
        ("VISCII", "Cµng hòa xã hµi chü nghîa Vi®t Nam", MOTTO[0]),
        ("VISCII", "Ðµc l§p - Tñ do - HÕnh phúc", MOTTO[1]),
        ("Windows-1258", "Côòng hoÌa xaÞ hôòi chuÒ nghiÞa Viêòt Nam", MOTTO[0]),
        ("UTF-8 read as Windows-1252", "Báº¯c Giang", "Bắc Giang"),
        ("UTF-8 read as Windows-1252", "Ä\x90á»™c láº\xadp - Tá»± do - Háº¡nh phÃºc", MOTTO[1]),
        ("UTF-8 read as Windows-1252", "HĂ\xa0 Nam", "Hà Nam"),
    ],
)
def test_an_encoding_is_named_with_what_the_text_says(encoding: str, text: str, reading: str) -> None:
    assert legacy_encoding(text) == encoding
    assert read_legacy(text) == (LegacyEncoding(encoding), reading)


@pytest.mark.parametrize(
    "text",
    [
        *MOTTO,
        *(unicodedata.normalize("NFD", line) for line in MOTTO),
        *(
            *("Hòa Bình", "Hoà Bình", "HÀ NAM", "Trà Vinh \u2013 Viettel", "khoá toà nhà", "Đắk Lắk", "Krông Búk"),
            "Phường 5½",
        ),
        *(
            *("Kho A", "DS-2CD2043G2-I", "", "640\u00d7360", "25°C", "30 m²", "Nhà 30 m²", "N° 5", "5 µm", "Hà Nam µm"),
            "©2021",
        ),
        *("Hôtel Château", "München", "crème brûlée", "El Niño", "façade", "Zoë", "Bär", "Café", "Hikvision® DS-2CD"),
        *("Иркутск", "東京", "\ufffd", "\ud800"),
    ],
)
def test_text_that_is_right_or_foreign_is_not_named(text: str) -> None:
    assert legacy_encoding(text) is None


def test_a_text_that_lost_a_byte_is_still_recognised() -> None:
    legacy = read_legacy("Ä\u2018á»™ dÃ i cá»§a Ãi")
    assert legacy is not None
    assert legacy.encoding is LegacyEncoding.MOJIBAKE
    assert legacy.reading.startswith("độ d")
    assert "\ufffd" in legacy.reading


def test_signs_that_no_font_had_are_marked_as_lost() -> None:
    legacy = read_legacy("B¾c Giang \u20ac B¾c Ninh")
    assert legacy == (LegacyEncoding.TCVN3, "Bắc Giang \ufffd Bắc Ninh")


def test_what_cannot_be_told_by_its_syllables_has_possible_readings() -> None:
    assert legacy_encoding("Hoà Chí Minh") is None
    assert (LegacyEncoding.VNI, "Hồ Chí Minh") in possible_readings("Hoà Chí Minh")
    assert possible_readings("Hồ Chí Minh") == possible_readings("plain") == ()


@pytest.mark.parametrize(
    "word",
    [
        *("nghiêng", "gì", "gìn", "giêng", "quý", "quốc", "hoà", "hòa", "thuỷ", "khuya", "ườn", "ĐẮK", "Kạn", "yếu"),
        *("xoài", "rượu", "uống"),
    ],
)
def test_syllables_are_known(word: str) -> None:
    assert syllable(word) is not None


@pytest.mark.parametrize(
    "word", ["baéc", "ngheọ", "cết", "quọng", "báć", "hộì", "tac", "nghang", "ge", "KạN", "f", "ab'c", "qu", "12", "b"]
)
def test_what_breaks_the_spelling_is_no_syllable(word: str) -> None:
    assert syllable(word) is None
